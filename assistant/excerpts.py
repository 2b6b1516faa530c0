"""The sentences and table rows of an entry that speak of what a question names.

All of it is the guide's own words; choosing is counting shared words, names and numbers count more.
It refuses to know models and to write anything of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.overlap import shared_words
from assistant.quoting import is_harmless
from assistant.types import Entry
from assistant.wording import is_plain, plain_markdown, split_prose

_LONGEST = 260
_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_SYMPTOMS = re.compile(
    r"^\*\*(?:Symptoms?|Sources?|Tell it apart)(?::\*\*|\*\*\s*:).*?(?=\n\s*\n|\Z)", re.M | re.S
)
# "- ", "2. ", "**Why it works**: "
_LABEL = re.compile(r"^\s*(?:(?:[-*+]|\d+[.)])\s+)?(?:\*\*[A-Z][\w ]{1,30}(?::\*\*|\*\*\s*:)\s*)?")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of the guide as Markdown on one line, and the words of the question that it names,
    names and numbers before plain words."""

    text: str
    named: tuple[str, ...]


def find_excerpts(question: str, entry: Entry, *, most: int = 2) -> tuple[Excerpt, ...]:
    """Return the pieces that share the most with the question, in the guide's order; at least two
    words, or one that tells something by itself, must be shared. What the fix shows anyway is left
    out: of a question's answer, all."""
    if entry.kind != "error":
        return ()
    title = set(shared_words(entry.title, question))
    shown = plain_markdown(" ".join((entry.solution, *entry.causes, entry.check)))
    found = []
    for number, piece in enumerate(_pieces(entry)):
        if plain_markdown(piece) in shown:
            continue
        shared = [word for word in shared_words(piece, question) if is_harmless(word)]
        own = [word for word in shared if word not in title]
        names = [word for word in own if is_name(word)]
        score = len(shared) + 2 * len(names)
        if names or len(own) >= 2 or (own and _is_telling(own[0])):
            ordered = (*names, *(word for word in own if word not in names))
            found.append((score, -number, Excerpt(piece, ordered)))
    best = sorted(found, key=lambda one: one[:2], reverse=True)[:most]
    return tuple(excerpt for _, _, excerpt in sorted(best, key=lambda one: -one[1]))


def is_name(word: str) -> bool:
    """Whether a word is a name or a number: 'conf=0.5', 'timm', '640'; not 'image', 'FAILED'."""
    return bool(re.search(r"\d|_", word)) or not is_plain(word.casefold())


# words that stand in every guide, and forms of verbs
_VAGUE = re.compile(
    r"(?:train|numbers?|memory|images?|models?|single|given|through|think|files?|parts?|values?|"
    r"layers?|pictures?|batch|batches|weights?|results?|small|large|different|network)$"
    r"|.*(?:ed|ing)$",
    re.IGNORECASE,
)


def _is_telling(word: str) -> bool:
    return len(word) > 4 and not _VAGUE.match(word)


def _pieces(entry: Entry) -> Iterator[str]:
    text = _SYMPTOMS.sub("", _FENCE.sub("\n", entry.body))
    for block in re.split(r"\n\s*\n", text):
        if block.lstrip().startswith("|"):
            yield from _table_rows(block)
            continue
        for item in re.split(r"\n(?=\s*(?:[-*+]|\d+[.)])\s)", block):
            for sentence in split_prose(_LABEL.sub("", item)):
                if 20 <= len(sentence) <= _LONGEST and not sentence.endswith(":"):
                    yield sentence


def _table_rows(block: str) -> Iterator[str]:
    """'| Weights | Million |' over '| n | 3.2 |' → 'Weights: n; Million: 3.2.'"""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()
    ]
    for row in rows[2:]:
        cells = [f"{head}: {cell}" for head, cell in zip(rows[0], row, strict=False) if cell]
        text = plain_markdown("; ".join(cells), code=True)
        if len(cells) > 1 and len(text) <= _LONGEST and not re.search(r": [\d.]+: ", text):
            yield f"{text}."
