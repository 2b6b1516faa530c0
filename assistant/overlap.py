"""How much of a sentence stands in its sources? For models too small to be trusted with words.

Compares content words by their stems; knows nothing of commands and names (`grounding` does).
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z][a-z'-]{3,}")
_COMMON = frozenset(
    (
        "that this with from have has been were your you their there they them then than which "
        "when what because means mean would could should will about into does made make using "
        "used also must just only very much more most some many every each other same such like "
        "want need does doesn't don't can't isn't know work works working please help thanks here "
        "still even well back after before again while both over under first last "
        "guide cause check solution symptom symptoms question answer course why's "
        "make makes take takes give gives come comes goes going look looks tell "
        "something anything nothing everything always never"
    ).split()
)


def find_unsupported(sentence: str, sources: str) -> str | None:
    """Return why too much of `sentence` is the model's own idea, None if the sources say it.

    Three of four content words must stand in `sources` (guide entry and paste), in any form.
    """
    words = [word for word in _WORD.findall(sentence.casefold()) if word not in _COMMON]
    known = set(_WORD.findall(sources.casefold()))
    stems = {_stem(word) for word in known}
    own = [word for word in words if word not in known and _stem(word) not in stems]
    if len(words) < 2 or len(own) * 4 > len(words):
        return f"guide and paste do not speak of {', '.join(own[:3]) or 'this'}"
    return None


def _stem(word: str) -> str:
    """'downloaded', 'downloads' → 'downl…': the first letters, which endings do not change."""
    return word[: max(4, len(word) - 3)] if len(word) > 5 else word[:4]
