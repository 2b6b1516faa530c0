"""Drops from `knowledge/phrases.jsonl` and `decoys.jsonl` what the ranker learns nothing from.

    python -m tests.evals.prune_phrases SHARE GUIDE…

A text whose weights are all small says what others say already. SHARE of the texts goes, those that
matter least with every guide given; an entry keeps its best `_KEPT`. `asked.jsonl` is left out of
the comparison, or a text that says what a set's text says would be gone when that set is left out
and looked at. Run `make_vectors` and `fit_calibration` afterwards.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from assistant.build import build_retriever
from assistant.library import load_library
from assistant.retrieval import HybridRetriever
from assistant.settings import load_settings
from tests.evals.make_asked import TARGET as ASKED
from tests.evals.prune_asked import least_needed

KNOWLEDGE = Path(__file__).parents[2] / "knowledge"
_KEPT = 12


def main() -> None:
    share, guides = float(sys.argv[1]), sys.argv[2:]
    importance: dict[str, float] = defaultdict(float)
    for guide in guides:
        for text, value in _importances(guide).items():
            importance[text] = max(importance[text], value)
    rows = {
        name: [json.loads(line) for line in (KNOWLEDGE / name).read_text("utf-8").splitlines()]
        for name in ("phrases.jsonl", "decoys.jsonl")
    }
    ids = {row["text"]: row.get("id", "") for found in rows.values() for row in found}
    gone = {*least_needed({text: importance[text] for text in ids}, ids, share, _KEPT)}
    for name, found in rows.items():
        kept = [json.dumps(row, ensure_ascii=False) for row in found if row["text"] not in gone]
        (KNOWLEDGE / name).write_text("\n".join(kept) + "\n", "utf-8")
        print(f"{name}: {len(found)} → {len(kept)}")


def _importances(guide: str) -> dict[str, float]:
    """The greatest weight of each passage for any label."""
    library = load_library((guide,))
    asked = {json.loads(line)["text"] for line in ASKED.read_text("utf-8").splitlines()}
    phrases = tuple(phrase for phrase in library.phrases if phrase.text not in asked)
    library = replace(library, phrases=phrases, fingerprint=f"{library.fingerprint}-unasked")
    retriever, _ = build_retriever(load_settings(guide=(guide,)))(library, True)
    assert isinstance(retriever, HybridRetriever)
    assert retriever._dense is not None
    weights = np.abs(retriever._dense[2].weights).max(axis=1)
    return {p.text: float(w) for p, w in zip(retriever._passages, weights, strict=True)}


if __name__ == "__main__":
    main()
