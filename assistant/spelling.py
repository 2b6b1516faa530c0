"""Slips of the finger in a query, mended towards the words that the knowledge uses.

A word that neither the knowledge nor everyday English knows becomes the one word of the knowledge
that is a single slip away (a letter wrong, missing, too many, or two swapped: Damerau 1964). Names
in quotes stay as they are: another package's name is no slip. It knows words, nothing of entries.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"(?<![A-Za-z'\"`])[A-Za-z]{5,24}(?![A-Za-z'\"`])")
_LETTERS = re.compile(r"[a-z]{4,24}")


@dataclass(frozen=True, slots=True)
class Speller:
    """`counts` of the knowledge's words that may replace another; words of `known` stay; `near`
    lists words by what is left of them without one letter."""

    counts: Counter[str]
    known: frozenset[str]
    near: dict[str, tuple[str, ...]]

    def mend(self, text: str) -> str:
        """Return the text with words that are one slip away from a word of the knowledge mended."""
        return _WORD.sub(lambda found: self._mend_word(found.group(0)), text)

    def _mend_word(self, word: str) -> str:
        lower = word.lower()
        if lower in self.known:
            return word
        shorter = _without_one(lower)
        candidates = {w for piece in (lower, *shorter) for w in self.near.get(piece, ())}
        candidates |= {piece for piece in shorter if piece in self.counts and len(piece) >= 5}
        close = [w for w in candidates if _is_one_slip(lower, w)]
        return max(close, key=lambda w: (self.counts[w], w)) if close else word


def build_speller(texts: Iterable[str], known: frozenset[str]) -> Speller:
    """Learn the words of `texts`; those seen once only may be slips themselves and mend nothing."""
    counts = Counter(word for text in texts for word in _LETTERS.findall(text.lower()))
    known |= counts.keys()
    counts = Counter({word: n for word, n in counts.items() if n >= 2 and len(word) >= 5})
    near: dict[str, list[str]] = defaultdict(list)
    for word in counts:
        for piece in {word, *_without_one(word)}:
            near[piece].append(word)
    return Speller(counts, known, {piece: tuple(words) for piece, words in near.items()})


def _without_one(word: str) -> list[str]:
    return [word[:n] + word[n + 1 :] for n in range(len(word))]


def _is_one_slip(a: str, b: str) -> bool:
    """Whether one letter was changed, left out or added, or two neighbours swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return True
    if len(a) == len(b):
        swapped = a[start : start + 2] == b[start : start + 2][::-1]
        return a[start + 1 :] == b[start + 1 :] or (swapped and a[start + 2 :] == b[start + 2 :])
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[start + 1 :] == shorter[start:]
