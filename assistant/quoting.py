"""Values from a paste, quoted as code so that they stay values: on one line, short, no command.

Knows Markdown's code spans and what a command looks like; refuses to know what a value means.
"""

from __future__ import annotations

import itertools
import re

from assistant.commands import is_command
from assistant.wording import bare_word

LONGEST = 120
# what runs, installs or fetches, also out of Python; addresses; a pipe into something
_RISKY = re.compile(
    r"^\s*[!%]|://|\bwww\.|[|&;]\s*(?:ba|z)?sh\b|&&|\|\||\b(?:os\.(?:system|popen|remove)|"
    r"subprocess|popen|eval|exec|__import__|urlretrieve|rmtree|base64)\b",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


UNSHOWN = "(something that looks like a command)"


def as_code(value: str) -> str:
    """A value as a code span; it can end neither its line nor its quotes. What would install, fetch
    or run something is not repeated (contracts 8), as our own sentences would lend it weight."""
    if not is_harmless(value):
        return UNSHOWN
    plain = " ".join(_INVISIBLE.sub(" ", value).replace("`", "'").split())
    return f"`{plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + '…'}`"


def is_harmless(value: str) -> bool:
    """Whether a line from a paste may be shown as code: it installs, fetches and runs nothing."""
    words = [bare_word(word) for word in re.split(r"[\s,()\[\]\"']+", value.casefold()) if word]
    commands = any(is_command(verb, argument) for verb, argument in itertools.pairwise(words))
    return not commands and not _RISKY.search(value)
