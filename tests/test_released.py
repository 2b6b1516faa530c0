"""Ids never change their meaning: every entry of the last release is still there and still meant.

`data/released.tsv` holds what was released; after a release write it anew:
`python -m tests.test_released`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from assistant.library import Library, load_library
from assistant.reading import read_query
from assistant.types import Retriever
from tests.course import build_lexical_retriever

FILE = Path(__file__).parent / "data" / "released.tsv"
RELEASED = [line.split("\t") for line in FILE.read_text("utf-8").splitlines()[1:]]


@cache
def library() -> Library:
    return load_library([])


@cache
def retriever() -> Retriever:
    return build_lexical_retriever(library(), False)[0]


@pytest.mark.parametrize(("id_", "kind", "title"), RELEASED)
def test_an_id_keeps_its_meaning(id_: str, kind: str, title: str) -> None:
    assert library().entries[id_].kind == kind
    found = retriever().search(read_query(title)).matches
    assert [match.id for match in found[:1]] == [id_]


def write() -> None:
    """Write the ids of all shipped entries, as they are now, over the list of the last release."""
    rows = [f"{e.id}\t{e.kind}\t{e.title}\n" for e in library().entries.values()]
    FILE.write_text("id\tkind\ttitle in the last release\n" + "".join(rows), "utf-8")


if __name__ == "__main__":
    write()
