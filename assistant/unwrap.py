"""Takes back the line breaks that the edge of a terminal put into a copied traceback.

A terminal breaks lines at one column, in the middle of words, and goes on at the left margin.
Prose is left alone: without a frame or a last line of a traceback nothing is joined. Refuses to
know what the lines mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from assistant.tracebacks import is_last_line, mentions_exception
from assistant.wording import plain_words

_NARROWEST = 40
_MOST_WIDTHS = 4  # that are tried
_QUOTES = re.compile(r"^(?:> ?)+")
_FRAME_HEADS = re.compile(r'File "[^"\n]|^error: \S', re.MULTILINE)
_FRAME_HEAD = re.compile(r'^\s{0,40}File "')
_FRAME = re.compile(r'^\s{0,40}File "[^"\n]{1,500}", line \d{1,9}(?:, in \S|$)')
# What begins a line of its own: it is not the rest of the one before.
_BEGINS = re.compile(
    r"^(?:\s{2,}|\t|\d+\s{2,}|Traceback \(|File [\"/]|During handling of|The above exception|"
    r"Original Traceback|Cell In|-{2,}|-{1,4}>|={3,}|\+-|[-*] |>>> |\$ |"
    r"\[?\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|"
    r"(?:INFO|WARNING|ERROR|DEBUG|CRITICAL)\b|[│╭╰┃]|\[rank\d|E {3}|\d+ (?:failed|passed)|"
    r"\S{1,40} exited with|$)"
)
_RULER = re.compile(r"[-=─━_~^╮│┃╯]{3}$|[╮│┃╯]$")
# A space, or a sign that closes something: no line begins with it.
_NO_BEGINNING = re.compile(r" \S|[,.;:?!)\]}]")
_LAST_LETTERS = re.compile(r"[A-Za-z]+$")
_FIRST_LETTERS = re.compile(r"[a-z]+(?![\w.])")
_OPEN_END = re.compile(r"[(\[{,/=_-]$| $")


def unwrap(text: str) -> str:
    """Return `text` with broken lines joined; as it is if nothing shows that lines were broken.

    Never raises; linear in the length of `text`.
    """
    lines = text.split("\n")
    if len(lines) < 2 or not _has_machine_lines(text):
        return text
    for width in _widths(lines):
        joins = [n for n in range(len(lines) - 1) if _goes_on(lines, n, width)]
        if _is_convincing(lines, joins, width):
            return _join(lines, frozenset(joins))
    return text


def _has_machine_lines(text: str) -> bool:
    return bool(_FRAME_HEADS.search(text)) or mentions_exception(text)


def _widths(lines: Sequence[str]) -> list[int]:
    """Lengths that an edge may have given, the most frequent and then the greatest first."""
    counts = Counter(len(line) for line in lines if len(line) >= _NARROWEST)
    for line in lines:
        if _RULER.search(line):
            counts[len(line)] -= 1
    return sorted((n for n in counts if counts[n] > 0), key=lambda n: (-counts[n], -n))[
        :_MOST_WIDTHS
    ]


def _goes_on(lines: Sequence[str], at: int, width: int) -> bool:
    """Whether line `at` reaches the edge and the next one may be its rest."""
    line, rest = lines[at], _without_quotes(lines[at], lines[at + 1])
    if len(line) != width or _RULER.search(line) or _BEGINS.match(rest):
        return False
    return not is_last_line(rest) and line.split(" ")[0] != rest.split(" ")[0]


def _is_convincing(lines: Sequence[str], joins: Sequence[int], width: int) -> bool:
    """Whether breaks at this width explain what is seen: nothing of a traceback is longer, and a
    frame is whole again, or words are."""
    if not joins:
        return False
    torn = 0
    for at in joins:
        line, rest = lines[at], _without_quotes(lines[at], lines[at + 1])
        bare = _QUOTES.sub("", line)
        if _FRAME_HEAD.match(bare) and not _FRAME.match(bare) and _FRAME.match(bare + rest):
            torn += 2
        elif _breaks_word(bare, rest):
            torn += 1 + mentions_exception(bare)
        elif _NO_BEGINNING.match(rest) or (
            mentions_exception(bare) and not rest[:1].isupper() and _OPEN_END.search(bare)
        ):
            torn += 2
        else:
            torn += len(joins) > 1 and not rest[:1].isupper() and not bare[-1:].isalnum()
    longer = any(len(line) > width and _FRAME_HEAD.match(line) for line in lines)
    return torn >= 2 and not longer and _count_at_words(lines, width) <= len(joins)


def _breaks_word(line: str, rest: str) -> bool:
    """Whether the end of the line and the beginning of the rest are parts of one word or name."""
    if not (line[-1:].isalnum() and rest[:1].isalnum()) or rest[:1].isupper():
        return False
    words = plain_words()
    last, first = _LAST_LETTERS.search(line), _FIRST_LETTERS.match(rest)
    before, after = last[0].lower() if last else "", first[0] if first else ""
    if before + after in words and before and after:
        return True
    return after not in words or bool(before and before not in words)


def _count_at_words(lines: Sequence[str], width: int) -> int:
    """How many lines end short of the edge because the next word would not fit: then it was a
    mail program or an editor that broke them."""
    count = 0
    for line, rest in pairwise(lines):
        word = rest.partition(" ")[0]
        room = width - len(line)
        count += 0 < room <= len(word) <= 30 and word[:1].islower()
    return count


def _join(lines: Sequence[str], joins: frozenset[int]) -> str:
    parts = []
    for at, line in enumerate(lines):
        if at - 1 in joins:
            parts.append(_without_quotes(lines[at - 1], line))
        else:
            parts.append(line if not at else f"\n{line}")
    return "".join(parts)


def _without_quotes(before: str, line: str) -> str:
    """The line without the marks of quoting that the line before it has too."""
    quotes = _QUOTES.match(before)
    return _QUOTES.sub("", line) if quotes and line.startswith(quotes[0].rstrip()) else line
