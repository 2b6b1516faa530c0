"""What an exception means, in one or two plain sentences with the values that its message names.

Values are quoted as code. It refuses to know guides, causes and fixes: only how Python, PyTorch and
their like complain (`meaning_rows.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from assistant.meaning_details import DETAILS
from assistant.meaning_form import MeaningRow
from assistant.meaning_rows import ROWS
from assistant.quoting import as_code, is_harmless
from assistant.types import ExceptionText

_LONGEST = 8_000
_GAP = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Meaning:
    """One sentence as Markdown, and the place in the text that it was read from."""

    text: str
    start: int


def explain_exception(exception: ExceptionText) -> tuple[str, ...]:
    """Return what this exception means: no, one or two sentences as Markdown."""
    name = exception.name.rpartition(".")[2]
    found = explain_words(f"{name}: {exception.message}")
    return tuple(meaning.text for meaning in found)


def explain_words(text: str) -> tuple[Meaning, ...]:
    """Return what messages and figures in a text mean."""
    said = text[:_LONGEST]
    found = (_first(table, said) for table in (ROWS, DETAILS))
    return tuple(meaning for meaning in found if meaning is not None)


def _first(table: Iterable[MeaningRow], said: str) -> Meaning | None:
    """The first row that fits; nothing if a value of the paste would put a command in its words."""
    for row in table:
        if found := row.pattern.search(said):
            named = [found[gap] for gap in _GAP.findall(row.text)]
            return Meaning(_fill(row.text, found), found.start()) if _may_show(named) else None
    return None


def _may_show(values: Iterable[str]) -> bool:
    return all(is_harmless(value) for value in values)


def _fill(text: str, found: re.Match[str]) -> str:
    return _GAP.sub(lambda gap: as_code(found[gap[1]]), text)
