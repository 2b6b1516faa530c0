"""What a sentence may repeat: the words, code, names and numbers of entry, paste and evidence.

It refuses to know what is a fault (`grounding.py` does).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assistant.commands import is_command
from assistant.types import Entry, Finding, Query
from assistant.wording import (
    CODE_SPAN,
    FENCE,
    all_words,
    bare_word,
    command_words,
    is_plain,
    take_sentences,
)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What may be repeated: the entry's words and code, names and numbers of paste and evidence.

    `lines` are the lines of the entry's code, word by word; `links` its addresses and their hosts;
    `names` the words of its code that are no plain English; `warned` is code that the entry names
    only to warn of it; `measures` are numbers with a unit, `alphabets` those in use so far.
    """

    entry_words: frozenset[str]
    context_words: frozenset[str]
    lines: tuple[tuple[str, ...], ...]
    links: frozenset[str]
    names: frozenset[str]
    warned: frozenset[str]
    measures: frozenset[str]
    alphabets: frozenset[str]

    def has(self, word: str) -> bool:
        """Whether entry, paste or evidence hold this word."""
        return word in self.entry_words or word in self.context_words


def build_grounds(
    entries: Iterable[Entry], query: Query, findings: Iterable[Finding] = ()
) -> Grounds:
    """Collect what the model may repeat."""
    entry_text = "\n".join(
        f"{e.title}\n{e.body}\n{' '.join(f'`{s}`' for s in e.symptoms)}" for e in entries
    )
    evidence = "\n".join(
        f"{f.summary}\n{f.next}\n{f.where}\n" + "\n".join(f"{n} {v}" for n, v in f.facts)
        for f in findings
    )
    context = "\n".join(_without_commands(f"{query.text}\n{evidence}"))
    code = [*FENCE.findall(entry_text), *CODE_SPAN.findall(FENCE.sub("\n", entry_text))]
    lines = [line for piece in code for line in piece.splitlines()]
    return Grounds(
        entry_words=frozenset(all_words(entry_text)),
        context_words=frozenset(all_words(context)),
        lines=tuple(words for line in lines if (words := tuple(command_words(line)))),
        links=frozenset(links_and_hosts(entry_text)),
        names=frozenset(w for line in lines for w in all_words(line) if not is_plain(w)),
        warned=frozenset(_find_warned(entry_text)),
        measures=frozenset(measures_of(f"{entry_text}\n{context}")),
        alphabets=frozenset({"LATIN", *alphabets_of(entry_text), *alphabets_of(context)}),
    )


WARNING = re.compile(
    r"\b(?:wrong|never|avoid|dangerous|unsafe|harmful|(?:do|must|should) not|don't|mustn't|"
    r"shouldn't)\b",
    re.IGNORECASE,
)


def _find_warned(entry_text: str) -> Iterator[str]:
    """Code spans that stand in warnings only, and in no code block."""
    prose, code = FENCE.sub("\n", entry_text), "\n".join(FENCE.findall(entry_text)).casefold()
    sentences = take_sentences(prose, at_end=True)[0]
    for span in {span.casefold() for span in CODE_SPAN.findall(prose)}:
        said = [one for one in sentences if f"`{span}`" in one.casefold()]
        if len(span) > 3 and span not in code and said and all(map(WARNING.search, said)):
            yield span


def _without_commands(text: str) -> Iterator[str]:
    """Markup, and what stands after an installer, downloader or shell verb, grounds nothing."""
    for line in _TAG.sub(" ", text).splitlines():
        words = [bare_word(word) for word in line.casefold().split()]
        pairs = enumerate(itertools.pairwise(words))
        start = next((n for n, (verb, argument) in pairs if is_command(verb, argument)), None)
        yield line if start is None else " ".join(line.split()[:start])


_TAG = re.compile(r"<\w+\s[^<>]{0,200}=[^<>]{0,200}>")
LINK = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,12}://|www\.|git@)[^\s<>()\[\]\"'`]+"
    r"|\b(?:mailto|javascript|vbscript|data|file|tel):\S+"
    r"|(?<![\w./-])(?:[\w-]+\.)+(?:com|org|net|io|dev|ai|co|app|sh|xyz|ru|cn|de|info|me|gg|ly|top)"
    r"\b(?:[/:][^\s<>()\[\]\"'`]*)?"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])\S*|(?<!\S)//\w\S*"
    r"|\b\w++\s*(?:[\[(]\s*(?:\.|dot)\s*[\])]|\bdot\b)\s*(?:com|org|net|io|dev|ai|top)\b",
    re.IGNORECASE,
)


def links_and_hosts(text: str) -> Iterator[str]:
    """Every address in a text as it is compared, and its host."""
    for found in LINK.finditer(text):
        link = found.group(0).casefold().rstrip(".,;:!?'*/")
        yield link
        yield re.sub(r"^[a-z0-9+.-]+://", "", link).partition("/")[0]


def alphabets_of(text: str) -> set[str]:
    """The names of the alphabets that its letters belong to, e.g. LATIN."""
    letters = {c for c in text if c.isalpha() and c not in "µ"}
    return {unicodedata.name(letter, "?").split()[0] for letter in letters}


VERSIONED = frozenset("version release python cuda driver".split())
_COUNTED = re.compile(r"\b([a-z_]\w*)[ \"'`]{1,3}(\d+)(?![\w.,]*\d)")
_UNITS = re.compile(
    r"(?<![\w.,])(\d+(?:[.,]\d+)*)\s*(%|[kmgt]i?b\b|percent\b|seconds?\b|minutes?\b|hours?\b|ms\b)",
    re.IGNORECASE,
)


def measures_of(text: str) -> Iterator[str]:
    """'37.06 MiB', '10 %', '3 seconds', 'version 2' → '37.06 mib', '10 %', '3 second', …"""
    for number, unit in _UNITS.findall(text):
        yield f"{number} {unit.casefold().removesuffix('s').replace('percent', '%')}"
    for word, number in _COUNTED.findall(text.casefold()):
        yield f"{word} {number}"
