"""The short texts that speak for each entry, and how they are grouped by entry.

Short passages for each side of an entry (title, symptoms, explanation, people's own words) are
compared one by one; an entry is as near as its nearest passage. Knows no encoder and no query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assistant.types import Entry, Phrase

Side = Literal["title", "symptom", "explanation", "phrase"]
NONE = ""  # the label of texts that no entry answers
_LONGEST = 700  # characters of an explanation: about what the encoder reads


@dataclass(frozen=True, slots=True)
class Passage:
    """A short text that speaks for entry `id` ('' for none); `side` says which part of it."""

    id: str
    text: str
    side: Side


def build_passages(entries: Mapping[str, Entry], phrases: Sequence[Phrase]) -> tuple[Passage, ...]:
    """Title, symptoms and explanation of each entry, then the phrases ('' for none)."""
    passages: list[Passage] = []
    for entry in entries.values():
        passages.append(Passage(entry.id, entry.title, "title"))
        passages.extend(Passage(entry.id, text, "symptom") for text in entry.symptoms)
        about = " ".join(entry.causes) or _plain(entry.body)
        passages.append(Passage(entry.id, f"{entry.title}. {about}"[:_LONGEST], "explanation"))
    passages.extend(Passage(p.id, p.text, "symptom" if p.firm else "phrase") for p in phrases)
    return tuple(passages)


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by label: those of `labels[k]` are `order[starts[k]:starts[k + 1]]`, in order."""

    labels: tuple[str, ...]
    order: np.ndarray
    starts: np.ndarray

    def rows(self, label: str) -> np.ndarray:
        """Row numbers of a label; none for an unknown one."""
        at = int(np.searchsorted(self.labels, label))
        if at == len(self.labels) or self.labels[at] != label:
            return np.array([], dtype=np.int64)
        return self.order[self.starts[at] : self.starts[at + 1]]

    def best(self, values: np.ndarray) -> np.ndarray:
        """The greatest of `values` [rows] for each label: [labels]."""
        if not self.labels:
            return np.zeros(0, dtype=values.dtype)
        return np.asarray(np.maximum.reduceat(values[self.order], self.starts[:-1]))


def group(labels: Sequence[str]) -> Groups:
    """Group rows by their label; labels are sorted."""
    names, codes = np.unique(np.array(labels, dtype=str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(names)))])
    return Groups(tuple(names.tolist()), order, starts.astype(np.int64))


def _plain(markdown: str) -> str:
    return re.sub(r"```.*?(?:```|\Z)|[*`#|>]", " ", markdown, flags=re.DOTALL)
