"""A text's lines, without what loggers, launchers, quoting and boxes put around each.

A log of thousands of lines has a handful of forms: lines that differ in nothing but their digits.
What no digit decides (where a prefix ends, whether a word stands anywhere) is asked of each form
once. Refuses to know what the lines say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate

_LONGEST = 6000  # characters of a line that are looked at
_ALIKE = bytes.maketrans(b"123456789", b"000000000")
# What may stand before a line, in this order: quoting, boxes, ranks, pytest's E, compose services,
# Ray's workers, log stamps, levels.
_PREFIX = re.compile(
    r"(?:> ?)+"
    r"| {0,40}[│┃|] ?"
    r"|\[rank\d{1,4}\]:\s?"
    r"|E {2,}"
    r"|\(?[\w.-]{1,40}\)? {0,20}\| "
    r"|\((?:[\w.-]{1,40} )?pid=\d{1,9}[^)]{0,60}\)\s?"
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?[ \t]?"
    r"|(?:\| ?)?(?:\[?(?:DEBUG|INFO|WARNING|ERROR|CRITICAL|stderr|stdout)\]?)(?: ?[:|] ?|\s)"
)
_MOST_PREFIXES = 3  # of one line


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its prefix; `start`..`end` is where that text stands in the whole."""

    text: str
    start: int
    end: int


class Lines:
    """The lines of a text, bare. `rows` are the lines as they stand, `forms` the same with every
    digit a 0, `bare` what is left of each form. A pattern that names no digit finds in a form what
    it finds in the line."""

    def __init__(self, text: str) -> None:
        self.rows = text.split("\n")
        self.forms = line_forms(text)
        self._starts = [0, *accumulate(len(row) + 1 for row in self.rows)]
        self._spans = {form: _bare_span(form) for form in set(self.forms)}
        self.bare = {form: form[first:last] for form, (first, last) in self._spans.items()}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> Line:
        row, start = self.rows[at], self._starts[at]
        first, last = self._spans[self.forms[at]]
        return Line(row[first:last], start + first, start + len(row))


def line_forms(text: str) -> list[str]:
    """The lines of `text`, every digit of ASCII a 0; each as long as its line."""
    alike = text.encode("utf-8", "surrogatepass").translate(_ALIKE)
    return alike.decode("utf-8", "surrogatepass").split("\n")


def outline(text: str) -> str:
    """Every form of line that `text` has, once: what stands nowhere in it, other digits allowed,
    stands nowhere in `text`."""
    return "\n".join(dict.fromkeys(line_forms(text)))


def _bare_span(line: str) -> tuple[int, int]:
    """Where a line begins and ends when its prefixes, and a box's right side, are taken off."""
    text, start = line[:_LONGEST], 0
    for _ in range(_MOST_PREFIXES):
        found = _PREFIX.match(text, start)
        if found is None:
            break
        start = found.end()
    bare = text[start:].rstrip()
    if bare.endswith(("│", "┃")):
        bare = bare[:-1].rstrip()
    return start, start + len(bare)
