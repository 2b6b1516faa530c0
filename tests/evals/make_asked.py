"""Makes `knowledge/asked.jsonl`: the texts of our development sets, as search sees them.

    python -m tests.evals.make_asked

A text becomes a phrase of the first entry that answers it, of none if none does; where a further
guide's entry answers better than the module's, of that one, and of the module's where the further
guide is not loaded. Cases listed in
`unneeded.txt` stay out: the ranker learns nothing from them (`prune_asked`); the encoder does
(`train_encoder`). The course's own cases
(`development.jsonl`) and the blind splits stay out, so that they still measure something;
`fit_calibration` leaves the rows of the sets out that it looks at. Run `make_vectors` afterwards.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from assistant.condense import search_text
from assistant.library import Library
from assistant.reading import read_query
from assistant.types import Phrase, Query

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "knowledge" / "asked.jsonl"
UNNEEDED = HERE / "unneeded.txt"
SETS = (
    *("own-dev", "own-test", "own-test-2", "own-test-3"),
    *(f"reports-{number}" for number in range(1, 66)),
    *(f"natural-{number}" for number in range(1, 14)),
    *("languages-1", "languages-2"),
    *(f"contrast-{number}" for number in range(1, 5)),
)
_LONGEST = 700  # characters; the encoder reads no further


def main() -> None:
    rows = asked_rows()
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{TARGET}: {len(rows)} texts of {len(SETS)} sets")


def asked_rows() -> list[dict[str, str]]:
    """What the file holds: id ('' for none), text and set of every case that is needed; and the id
    where the first one's guide is not loaded, if there is another."""
    unneeded = set(UNNEEDED.read_text("utf-8").split())
    return [row for case, row in asked_by_case().items() if case not in unneeded]


@functools.cache
def asked_by_case() -> dict[str, dict[str, str]]:
    """By the case's id one row for each text that says something, needed or not."""
    rows = {}
    for name in SETS:
        for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(line)
            query = read_query(case["text"])
            further, module = case.get("gold_all", ()), case["gold"]
            text = as_asked(query)
            if text and query.kind not in {"empty", "smalltalk"}:
                row = {"id": next(iter((*further, *module, ""))), "text": text, "set": name}
                second = {"otherwise": module[0]} if further and module else {}
                rows[case["id"]] = row | second
    return rows


def with_asked(library: Library, rows: Iterable[Mapping[str, str]]) -> Library:
    """The library with these rows of `asked_by_case` in place of all that the file holds. An id
    that is not loaded becomes the second one, or '', which is right for the module's guide and for
    `builtin`; of equal rows one stays. Written phrases with a case's words go too, so that a set
    can be left out whole.
    """
    held = {row["text"] for row in asked_by_case().values()}
    kept = [phrase for phrase in library.phrases if phrase.firm or phrase.text not in held]
    for row in rows:
        ids = (row["id"], row.get("otherwise", ""))
        known = (id_ for id_ in ids if id_ in library.entries)
        kept.append(Phrase(next(known, ""), row["text"]))
    phrases = tuple(dict.fromkeys(kept))
    digest = hashlib.sha256(f"{library.fingerprint}\0{phrases!r}".encode())
    return replace(library, phrases=phrases, fingerprint=digest.hexdigest()[:16])


def as_asked(query: Query) -> str:
    """A query's text as a phrase holds it."""
    return search_text(query)[:_LONGEST].strip()


if __name__ == "__main__":
    main()
