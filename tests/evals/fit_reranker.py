"""Fits `assistant/data/reranker.json`: the confidence after the reranker's verdict.

    python -m tests.evals.fit_reranker GUIDE…

Logistic regression (scikit-learn, L2) on retrieval's own confidence, the verdict on the entry that
comes first after it, and whether that is another one than before, over the texts of `HELD`, which
neither the adapter nor (while they are looked at) retrieval has learned. The rates that are printed
come from predictions for folds that the regression has not seen. The threshold is found as
retrieval's own is, with the first guide. The shipped file was fitted with the course's own guide
alone (2026-11-28, 1,409 texts). A verdict takes 0.6 s on a CPU with bfloat16 instructions, so this
runs for 20 minutes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from assistant.build import build_reranker
from assistant.library import load_library
from assistant.reranking import (
    READ,
    RerankCalibration,
    log_odds,
    order,
    shares_of,
)
from assistant.settings import load_settings
from tests.evals.fit_calibration import balanced_threshold, report
from tests.evals.reranker_data import HELD, Look, example, look

TARGET = Path(__file__).parents[2] / "assistant" / "data" / "reranker.json"
_WEIGHT = 0.08  # 0.08 to 0.2 put the same share first on 1,682 looks, within 0.3 points


def main() -> None:
    settings = load_settings()
    reranker = build_reranker(settings)
    assert reranker is not None, "run `assistant setup --reranker` first"
    reranker.load()
    rows, names = [], []
    for guide in sys.argv[1:]:
        entries = load_library((guide,)).entries
        for one in (one for one in look(guide, 0) if one.name in HELD):
            pages = len(one.found.matches[:READ])
            verdict = reranker.score(example(one, entries).prompt, pages)
            assert verdict is not None
            rows.append((*_features(one, verdict), bool(one.gold), one.found.exact))
            names.append((guide, one.name))
    fit(np.array(rows), np.array(names))


def _features(one: Look, verdict: np.ndarray) -> tuple[float, float, float, bool]:
    """Log-odds before and of the verdict, whether another entry comes first, and rightly."""
    read = one.found.matches[: len(verdict) - 1]
    places = order(shares_of(read), verdict[1:].tolist(), weight=_WEIGHT)
    place = 0 if one.found.exact else places[0]
    said = float(np.exp(verdict[1 + place]))
    return (
        log_odds(read[0].confidence),
        log_odds(said),
        float(place != 0),
        read[place].id in one.gold,
    )


def fit(rows: np.ndarray, names: np.ndarray) -> None:
    """Fit to all rows [n, 6]; an exact signature's own are only reported."""
    data, right = rows[:, :3], rows[:, 3] > 0
    scope, exact = rows[:, 4] > 0, rows[:, 5] > 0
    probability = 1 / (1 + np.exp(-data[:, 0]))  # of an exact signature: retrieval's
    folds = np.random.RandomState(1).permutation(len(rows)) % 5
    for fold in range(5):
        train, test = (folds != fold) & ~exact, (folds == fold) & ~exact
        model = LogisticRegression(C=3.0, max_iter=5000).fit(data[train], right[train])
        probability[test] = model.predict_proba(data[test])[:, 1]
    families = np.array([name.partition("-")[0] for name in names[:, 1]])
    first = names[:, 0] == names[0, 0]
    threshold = balanced_threshold(probability[first], right[first], scope[first])
    model = LogisticRegression(C=3.0, max_iter=5000).fit(data[~exact], right[~exact])
    for guide in dict.fromkeys(names[:, 0]):
        for family in ("all", *dict.fromkeys(families)):
            kept = (names[:, 0] == guide) & ((families == family) | (family == "all"))
            print(f"{guide}, {family}")
            report(probability[kept], right[kept], scope[kept], threshold)
    retrieved, read, moved = (round(float(c), 4) for c in model.coef_[0])
    shape = RerankCalibration(
        weight=_WEIGHT,
        retrieved=retrieved,
        read=read,
        moved=moved,
        bias=round(float(model.intercept_[0]), 4),
        answer=round(min(0.9, threshold + 0.25), 3),
        likely=round(threshold, 3),
    )
    TARGET.write_text(json.dumps(asdict(shape), indent=2) + "\n", "utf-8")
    print(json.dumps(asdict(shape), indent=2))


if __name__ == "__main__":
    main()
