"""Makes `knowledge/asked.jsonl`: the texts of our development sets, as search sees them.

    python -m tests.evals.make_asked

Each text becomes a phrase of the first entry that answers it, of none if none does. The course's
own cases (`development.jsonl`) and the blind splits stay out, so that they still measure something;
`fit_calibration` leaves the rows of the sets out that it looks at. Run `make_vectors` afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

from assistant.condense import search_text
from assistant.reading import read_query
from assistant.types import Query

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "knowledge" / "asked.jsonl"
SETS = (
    *("own-dev", "own-test", "own-test-2", "own-test-3"),
    *(f"reports-{number}" for number in range(1, 43)),
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
    """One row for each text that says something: id ('' for none), text and set."""
    rows = []
    for name in SETS:
        for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(line)
            if case["gold"] and case.get("gold_all"):  # it depends on the guides that are loaded
                continue
            query = read_query(case["text"])
            answering = case["gold"] or case.get("gold_all") or [""]
            text = as_asked(query)
            if text and query.kind not in {"empty", "smalltalk"}:
                rows.append({"id": answering[0], "text": text, "set": name})
    return rows


def as_asked(query: Query) -> str:
    """A query's text as a phrase holds it."""
    return search_text(query)[:_LONGEST].strip()


if __name__ == "__main__":
    main()
