"""A text's lines, without what loggers, launchers, quoting and boxes put around each.

A log of thousands of lines has a handful of forms: lines that differ in nothing but their digits.
What no digit decides (where a prefix ends, whether a word stands anywhere) is asked of each form
once. Refuses to know what the lines say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
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
# What a shell prints before a command: "(lab) me@spark:~/lab$ ", "me@mac lab % ",
# "[me@node7 lab]# ", "PS C:\\lab> ", "bash-5.1# ", "$ ", "➜  lab git:(main) ✗"
_PROMPT = re.compile(
    r"(?:\([\w.+-]{1,40}\) {1,2}){0,2}(?:"
    r"[\w.-]{1,40}@[\w.-]{1,80}(?::\S{1,120}[$#%]| \S{1,60} [$#%])|"
    r"\[[\w.-]{1,40}@[\w.-]{1,80} [^\]\n]{1,80}\][$#]|"
    r"(?:PS )?[A-Za-z]:\\[^>\n]{0,200}>|"
    r"(?:ba|z|da|k)?sh-\d[\d.]{0,6}[$#]|"
    r"[$%❯➜])(?: |$)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its prefix; `start`..`end` is where that text stands in the whole."""

    text: str
    start: int
    end: int


def prompt_end(line: str) -> int:
    """Where the shell's prompt ends that the line begins with; 0 if there is none."""
    found = _PROMPT.match(line)
    return found.end() if found else 0


class Lines:
    """The lines of a text, bare. `rows` are the lines as they stand, `forms` the same with every
    digit a 0, `bare` what is left of each form. A pattern that names no digit finds in a form what
    it finds in the line."""

    def __init__(self, text: str) -> None:
        self.rows = text.split("\n")
        self.forms = line_forms(text)
        self._starts = [0, *accumulate(len(row) + 1 for row in self.rows)]
        forms = set(self.forms)
        own = _own_prefixes(forms)
        self._spans = {form: _bare_span(form, own) for form in forms}
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


def _bare_span(line: str, own: Sequence[str] = ()) -> tuple[int, int]:
    """Where a line begins and ends when its prefixes, and a box's right side, are taken off; `own`
    are prefixes that this text alone has."""
    text = line[:_LONGEST]
    start = next((end for prefix in own if (end := _prefix_end(text, prefix))), 0)
    for _ in range(_MOST_PREFIXES):
        found = _PREFIX.match(text, start)
        if found is None:
            break
        start = found.end()
    bare = text[start:].rstrip()
    if bare.endswith(("│", "┃")):
        bare = bare[:-1].rstrip()
    return start, start + len(bare)


_HEAD = re.compile(r"(?:  File \"|Traceback \(most recent call last\))")
_NUMBER = re.compile(r"0+")
_LONGEST_PREFIX = 120
_MOST_OWN = 4


def _own_prefixes(forms: Collection[str]) -> list[str]:
    """What else stands before the lines of a traceback: "node1: ", "#11 12.34 ", "srun: 0: ".

    Whatever a launcher, a build or an editor writes there, at least two of a traceback's heads and
    frames have it. Each number in it is one 0.
    """
    counts: Counter[str] = Counter()
    for form in forms:
        told = 'File "' in form or "Traceback (" in form
        head = _HEAD.search(form, 1, _LONGEST_PREFIX) if told else None
        if head and form[: head.start()].strip() and _bare_span(form)[0] < head.start():
            counts[_NUMBER.sub("0", form[: head.start()])] += 1
    return [prefix for prefix, count in counts.most_common(_MOST_OWN) if count > 1]


def _prefix_end(form: str, prefix: str) -> int:
    """Where the prefix ends in a form that begins with it, 0 if it does not. Of an empty line the
    blanks at its end may be gone."""
    at = 0
    for number, part in enumerate(prefix.split("0")):
        if number:
            digits = _NUMBER.match(form, at)
            if digits is None:
                return 0
            at = digits.end()
        if form.startswith(part, at):
            at += len(part)
        else:
            return len(form) if form[at:] == part.rstrip() else 0
    return at
