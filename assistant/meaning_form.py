"""The form of a row that knows what a message means, and the pieces that patterns share.

It refuses to know any message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeaningRow:
    """`pattern` is searched in 'Name: message'; `text` has gaps for its named groups."""

    pattern: re.Pattern[str]
    text: str


def rows(*pairs: tuple[str, str]) -> Iterator[MeaningRow]:
    """Pairs of a pattern and its sentence as rows."""
    for pattern, text in pairs:
        yield MeaningRow(re.compile(pattern, re.DOTALL), text)


T = r"(?:torch\.)?(?:cuda\.)?(?:c10::)?\w{3,24}"
C = r"torch\.(?:cuda\.)?"
SHORT = rf"(?:c10::)?(?:Half|BFloat16)|{C}(?:Half|BFloat16)Tensor"
SIZE = r"(?<![\d.])[\d.]{1,12} [KMGT]iB"
SHAPE = r"(?:torch\.Size\()?\[[\d, ]{1,60}\]\)?"
