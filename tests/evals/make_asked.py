"""Makes `knowledge/asked.jsonl`: the texts of our development sets, as search sees them.

    python -m tests.evals.make_asked

Each text becomes a phrase of the first entry that answers it, of none if none does. The course's
own cases (`development.jsonl`) and the blind splits stay out, so that they still measure something;
`fit_calibration` leaves a set's rows out while it looks at that set. Run `make_vectors` afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

from assistant.condense import search_text
from assistant.reading import read_query

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "knowledge" / "asked.jsonl"
SETS = (
    *("own-dev", "own-test", "own-test-2", "own-test-3"),
    *(f"natural-{number}" for number in range(1, 14)),
    *("languages-1", "languages-2"),
)
_LONGEST = 700  # characters; the encoder reads no further


def main() -> None:
    lines = []
    for name in SETS:
        for row in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(row)
            query = read_query(case["text"])
            answering = case["gold"] or case.get("gold_all") or [""]
            text = search_text(query)[:_LONGEST].strip()
            if text and query.kind not in {"empty", "smalltalk"}:
                lines.append({"id": answering[0], "text": text, "set": name})
    rows = (json.dumps(line, ensure_ascii=False) for line in lines)
    TARGET.write_text("\n".join(rows) + "\n", "utf-8")
    print(f"{TARGET}: {len(lines)} texts of {len(SETS)} sets")


if __name__ == "__main__":
    main()
