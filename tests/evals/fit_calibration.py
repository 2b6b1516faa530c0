"""Fits `assistant/data/calibration.json`: coefficients and thresholds of the confidence.

    python -m tests.evals.fit_calibration [GUIDE…]

Logistic regression (scikit-learn, L2) on the features that retrieval reports, for the question "is
the first match right?", over the cases of `_FOLDS` with each guide given (the shipped one if none
is). While a set is looked at, its own texts are left out of the phrases (`make_asked` puts them
there), and the thresholds come from predictions for sets that the regression has not seen: sets
have different writers, so this is how a new person's texts would fare. Some sets stand together in
a fold, as each fold costs a fit of the ranker. The blind splits are never read here.
The thresholds are those for the first guide: where further guides are loaded, the labels do not
name every entry that answers. The shipped file was fitted with the course's own guide and `builtin`
(all shipped guides).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from assistant.build import build_retriever
from assistant.calibration import Features
from assistant.library import load_library
from assistant.reading import read_query
from assistant.retrieval import HybridRetriever
from assistant.settings import load_settings
from tests.evals.make_asked import TARGET as ASKED

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "assistant" / "data" / "calibration.json"
_FOLDS = (
    ("development", "natural-1", "natural-5", "natural-9"),
    ("own-dev", "own-test", "languages-1", "natural-2", "natural-6", "natural-10"),
    ("own-test-2", "languages-2", "natural-3", "natural-7", "natural-11"),
    ("own-test-3", "natural-4", "natural-8", "natural-12", "natural-13"),
)
_NAMES = [field.name for field in fields(Features)]
_MOST_ANSWERED = 0.05  # of the cases that no entry answers
_IN_SCOPE = 0.73  # of the course's own cases


def main() -> None:
    rows, right, in_scope, folds, guides = [], [], [], [], []
    for guide in sys.argv[1:] or ["builtin"]:
        for fold, names in enumerate(_FOLDS):
            retriever, known = _retriever((guide,), without=names)
            for case in _cases(names):
                gold = {*case["gold"], *(known & set(case.get("gold_all", ())))}
                query = read_query(case["text"])
                for dense in (True, False):
                    first, features = retriever.first_and_features(query, dense=dense)
                    rows.append(astuple(features))
                    right.append(first in gold)
                    in_scope.append(bool(gold))
                    folds.append(fold)
                    guides.append(guide)
    data, target, scope = np.array(rows), np.array(right), np.array(in_scope)
    against, sole = (data[:, _NAMES.index(name)] > 0 for name in ("against", "sole"))
    learned = ~against & ~sole  # these flags decide by themselves
    probability = (sole & ~against).astype(float)
    probability[learned] = _predicted(data[learned], target[learned], np.array(folds)[learned])
    dense = data[:, -1] > 0
    first = dense & (np.array(guides) == guides[0])
    threshold = _best_threshold(probability[first], target[first], scope[first])
    model = LogisticRegression(C=3.0, max_iter=5000).fit(data[learned], target[learned])
    for guide in dict.fromkeys(guides):
        kept = dense & (np.array(guides) == guide)
        print(guide)
        _report(probability[kept], target[kept], scope[kept], threshold)
    weights = {n: round(float(w), 4) for n, w in zip(_NAMES, model.coef_[0], strict=True)}
    shape = {
        "weights": weights,
        "bias": round(float(model.intercept_[0]), 4),
        "answer": round(min(0.9, threshold + 0.25), 3),
        "likely": round(threshold, 3),
    }
    TARGET.write_text(json.dumps(shape, indent=2) + "\n", "utf-8")
    print(json.dumps(shape, indent=2))


def _cases(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for name in names
        for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]


def _retriever(
    guides: tuple[str, ...], *, without: Sequence[str]
) -> tuple[HybridRetriever, set[str]]:
    """The retriever of these guides as it would be had nobody asked the texts of these sets."""
    asked = [json.loads(line) for line in ASKED.read_text("utf-8").splitlines()]
    others = {row["text"] for row in asked if row["set"] not in without}
    unseen = {row["text"] for row in asked if row["set"] in without} - others
    library = load_library(guides)
    phrases = tuple(phrase for phrase in library.phrases if phrase.text not in unseen)
    fingerprint = f"{library.fingerprint}-{'-'.join(without)}"
    library = replace(library, phrases=phrases, fingerprint=fingerprint)
    retriever, _ = build_retriever(load_settings(guide=guides))(library, True)
    assert isinstance(retriever, HybridRetriever)
    return retriever, set(library.entries)


def _predicted(data: np.ndarray, target: np.ndarray, folds: np.ndarray) -> np.ndarray:
    probability = np.zeros(len(target))
    for fold in np.unique(folds):
        train = folds != fold
        model = LogisticRegression(C=3.0, max_iter=5000).fit(data[train], target[train])
        probability[~train] = model.predict_proba(data[~train])[:, 1]
    return probability


def _best_threshold(probability: np.ndarray, target: np.ndarray, in_scope: np.ndarray) -> float:
    """The threshold with the best right-answer rate that answers at most 5 % of what is out of
    scope; of equal ones the strictest, as a wrong answer costs a learner more than an abstention
    with the nearest titles."""
    grid = np.arange(0.10, 0.91, 0.01)
    answered = [(probability >= t) for t in grid]
    rates = [
        _asked_rate(a, target, in_scope) if a[~in_scope].mean() <= _MOST_ANSWERED else 0.0
        for a in answered
    ]
    return float(grid[np.flatnonzero(np.array(rates) >= max(rates) - 1e-9)[-1]])


def _asked_rate(answered: np.ndarray, target: np.ndarray, in_scope: np.ndarray) -> float:
    """The right-answer rate if as many texts were in scope as are of the course's own cases."""
    inside = float((answered & target)[in_scope].mean())
    outside = float((~answered)[~in_scope].mean())
    return _IN_SCOPE * inside + (1 - _IN_SCOPE) * outside


def _right_rate(answered: np.ndarray, target: np.ndarray, in_scope: np.ndarray) -> float:
    return float(np.mean(np.where(in_scope, answered & target, ~answered)))


def _report(
    probability: np.ndarray, target: np.ndarray, in_scope: np.ndarray, threshold: float
) -> None:
    answered = probability >= threshold
    print(f"cases {len(target)}, first match right {target[in_scope].mean():.3f} of in scope")
    print(f"cross-validated right-answer rate {_right_rate(answered, target, in_scope):.3f}")
    print(f"out of scope answered {answered[~in_scope].mean():.3f}")
    print(f"in scope abstained {(~answered[in_scope]).mean():.3f}")
    print(f"Brier {np.mean((probability - target) ** 2):.4f}")
    for other in np.arange(0.5, 0.91, 0.05):
        taken = probability >= other
        print(
            f"  at {other:.2f}: right {_right_rate(taken, target, in_scope):.3f}, "
            f"out of scope answered {taken[~in_scope].mean():.3f}"
        )


if __name__ == "__main__":
    main()
