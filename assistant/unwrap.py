"""Takes back the line breaks that the edge of a terminal put into a copied traceback.

A terminal breaks lines at one column, in the middle of words, and goes on at the left margin.
Prose is left alone: without a frame or a last line of a traceback nothing is joined. Refuses to
know what the lines mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from assistant.lines import line_forms
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
# A rule or a box, and IPython's head of a traceback, which is as long as its rule.
_RULER = re.compile(r"[-=─━_~^╮│┃╯]{3}$|[╮│┃╯]$|Traceback \(most recent call last\)$")
# A space, or a sign that closes something: no line begins with it.
_NO_BEGINNING = re.compile(r" \S|[,.;:?!)\]}]")
_LAST_LETTERS = re.compile(r"[A-Za-z]+$")
_FIRST_LETTERS = re.compile(r"[a-z]+(?![\w.])")
_OPEN_END = re.compile(r"[(\[{,/=_-]$| $")


def unwrap(text: str) -> str:
    """Return `text` with broken lines joined; as it is if nothing shows that lines were broken.

    Never raises; linear in the length of `text`.
    """
    lines, forms = text.split("\n"), line_forms(text)
    if len(lines) < 2 or not _has_machine_lines(forms):
        return text
    whole = cache(_begins_or_ends)
    for width in _widths(forms):
        joins = [
            at
            for at in range(len(lines) - 1)
            if len(lines[at]) == width
            and not whole(forms[at], forms[at + 1])
            and not _begin_alike(lines[at], lines[at + 1])
        ]
        if _is_convincing(lines, joins, width):
            return _join(lines, frozenset(joins))
    return text


def _has_machine_lines(forms: Sequence[str]) -> bool:
    once = "\n".join(dict.fromkeys(forms))
    return bool(_FRAME_HEADS.search(once)) or mentions_exception(once)


def _widths(forms: Sequence[str]) -> list[int]:
    """Lengths that an edge may have given, the most frequent and then the greatest first."""
    counts: Counter[int] = Counter()
    for form, count in Counter(forms).items():
        if _RULER.search(form):
            counts[len(form)] -= count
        if len(form) >= _NARROWEST:
            counts[len(form)] += count
    return sorted((n for n in counts if counts[n] > 0), key=lambda n: (-counts[n], -n))[
        :_MOST_WIDTHS
    ]


def _begins_or_ends(line: str, following: str) -> bool:
    """Whether the second line is no rest of the first: that one is a ruler, or this one begins
    something or says how an exception ended. No digit decides."""
    rest = _without_quotes(line, following)
    return bool(_RULER.search(line) or _BEGINS.match(rest)) or is_last_line(rest)


def _begin_alike(line: str, following: str) -> bool:
    return line.partition(" ")[0] == _without_quotes(line, following).partition(" ")[0]


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
