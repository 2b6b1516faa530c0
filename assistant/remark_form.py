"""The form of a remark: what a question must say, and what a teacher would add to it.

A row reads the text (and the entry's own tables) and returns one sentence, or nothing. It refuses
to know any subject; rows by subject stand in `remarks_…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from assistant.quoting import as_code


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence as Markdown, and the place in the text that it was read from."""

    text: str
    start: int


Reader = Callable[[str, str], Remark | None]


@dataclass(frozen=True, slots=True)
class RemarkRow:
    """Applies to entries in whose title `topic` is found; `read` gets the text and the
    entry's body."""

    topic: re.Pattern[str]
    read: Reader


def row(topic: str, read: Reader) -> RemarkRow:
    """A row; `topic` ignores case."""
    return RemarkRow(re.compile(topic, re.IGNORECASE), read)


_GAP = re.compile(r"\{(\w+)\}")


def say(pattern: str, text: str) -> Reader:
    """A reader that fills the groups of a pattern (ignoring case) into a sentence."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def read(said: str, body: str) -> Remark | None:
        del body
        found = compiled.search(said)
        if found is None:
            return None
        return Remark(_GAP.sub(lambda gap: as_code(found[gap[1]]), text), found.start())

    return read


def number(value: float) -> str:
    """17.40 → '17.4', 87.0 → '87', 102400 → '102,400': as one says it."""
    if value >= 100 or abs(value - round(value)) < 0.005:
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0") if value < 1 else f"{value:.1f}".removesuffix(".0")


def fraction(written: str) -> float:
    """'.69', '0.69', '69', '69.0' → 0.69; what is above 1 is a percentage."""
    value = float(written)
    return value if value <= 1 else value / 100
