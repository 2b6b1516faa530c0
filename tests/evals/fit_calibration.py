"""Fits `assistant/data/calibration.json`: coefficients and thresholds of the confidence.

    python -m tests.evals.fit_calibration [GUIDE…]

Logistic regression (scikit-learn, L2) on the features that retrieval reports, for the question "is
the first match right?", over the cases of the first of `FOLDS` with each guide given (the shipped
one if none is). Its texts are left out of the phrases while they are looked at (`make_asked` puts
them there), and so is `contrast-1`, which was written around those that went wrong; the encoder was
trained without all of these. A case that another set asks in the same words (mostly bare messages)
is not looked at. The thresholds come from predictions for sets that the regression has not seen:
sets have different writers, so this is how a new person's texts would fare.
A family is what a set's name begins with: texts of the same origin; each one's rates are printed.
The blind splits are never read here.
The thresholds are those for the first guide: where further guides are loaded, the labels do not
name every entry that answers. The shipped file was fitted with the course's own guide and `builtin`
(all shipped guides).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from assistant.build import build_retriever
from assistant.calibration import Features
from assistant.library import load_library, load_phrases
from assistant.reading import read_query
from assistant.retrieval import HybridRetriever
from assistant.settings import load_settings
from tests.evals.make_asked import as_asked, asked_by_case

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "assistant" / "data" / "calibration.json"
# Sets that are left out together; a set `contrast-n` was written around texts of fold n, reports-50
# to 61 around texts of all folds but the first that went wrong when each text was left out by
# itself: of these folds, no look is an honest one (nor does the encoder leave them out).
FOLDS = (
    (
        *("development", "natural-1", "natural-5", "natural-9"),
        *("reports-1", "reports-5", "reports-9", "reports-13", "reports-18", "reports-21"),
        "reports-25",
    ),
    (
        *("own-dev", "own-test", "languages-1", "natural-2", "natural-6", "natural-10"),
        *("reports-2", "reports-6", "reports-10", "reports-14", "reports-17", "reports-22"),
        *("reports-26", "reports-30", "reports-33", "reports-36", "reports-39", "reports-42"),
        *(f"reports-{number}" for number in range(43, 66, 3)),
    ),
    (
        *("own-test-2", "languages-2", "natural-3", "natural-7", "natural-11"),
        *("reports-3", "reports-7", "reports-11", "reports-15", "reports-19", "reports-23"),
        *("reports-27", "reports-29", "reports-31", "reports-34", "reports-37", "reports-40"),
        *(f"reports-{number}" for number in range(44, 66, 3)),
    ),
    (
        *("own-test-3", "natural-4", "natural-8", "natural-12", "natural-13"),
        *("reports-4", "reports-8", "reports-12", "reports-16", "reports-20", "reports-24"),
        *("reports-28", "reports-32", "reports-35", "reports-38", "reports-41"),
        *(f"reports-{number}" for number in range(45, 66, 3)),
    ),
)
# What the encoder is not trained on (`train_encoder`): fold 0 and what was written around it.
UNLEARNED = (*FOLDS[0], "contrast-1")
_NAMES = [field.name for field in fields(Features)]
_PARTS = 4  # of the sets: each is predicted from the other three


@dataclass(frozen=True, slots=True)
class Looks:
    """What retrieval saw of each case [n]: features, whether the first match was right, whether any
    entry answers, the case's set, whether the comparison by meaning took part."""

    features: np.ndarray
    right: np.ndarray
    in_scope: np.ndarray
    sets: np.ndarray
    dense: np.ndarray


def main() -> None:
    guides = sys.argv[1:] or ["builtin"]
    fit({guide: look(guide) for guide in guides})


def look(guide: str) -> Looks:
    """Look at the cases of the first fold as if nobody had asked their texts."""
    retriever, known = build_left_out(guide, 0)
    written = {phrase.text for phrase in load_phrases()} - unseen_texts(UNLEARNED)
    learned = written | asked_elsewhere(UNLEARNED)
    rows = []
    for name, case in ((n, case) for n in FOLDS[0] for case in read_cases(n)):
        gold = {*case["gold"], *(known & set(case.get("gold_all", ())))}
        query = read_query(case["text"])
        if as_asked(query) in learned:
            continue
        for dense in (True, False):
            first, features = retriever.first_and_features(query, dense=dense)
            rows.append((astuple(features), first in gold, bool(gold), name, dense))
    return Looks(*(np.array(column) for column in zip(*rows, strict=True)))


def fit(looks: Mapping[str, Looks]) -> None:
    """Fit the coefficients to the looks with every guide, the thresholds to the first guide's."""
    data, target, scope, sets, dense = (
        np.concatenate([getattr(found, field.name) for found in looks.values()])
        for field in fields(Looks)
    )
    guides = np.repeat(list(looks), [len(found.right) for found in looks.values()])
    folds = np.unique(sets, return_inverse=True)[1] % _PARTS
    against, sole = (data[:, _NAMES.index(name)] > 0 for name in ("against", "sole"))
    learned = ~against  # this flag decides by itself
    probability = np.zeros(len(target))
    probability[learned] = _predicted(data[learned], target[learned], folds[learned])
    first = dense & (guides == guides[0])
    families = np.array([name.partition("-")[0] for name in sets])
    decided = np.where(sole & learned, 1.0, probability)  # such a message is answered at least so
    threshold = balanced_threshold(decided[first], target[first], scope[first])
    probability[sole & learned] = np.maximum(probability[sole & learned], threshold)
    model = LogisticRegression(C=3.0, max_iter=5000).fit(data[learned], target[learned])
    for guide in looks:
        for family in ("all", *dict.fromkeys(families)):
            kept = dense & (guides == guide) & ((families == family) | (family == "all"))
            print(f"{guide}, {family}")
            report(probability[kept], target[kept], scope[kept], threshold)
    weights = {n: round(float(w), 4) for n, w in zip(_NAMES, model.coef_[0], strict=True)}
    shape = {
        "weights": weights,
        "bias": round(float(model.intercept_[0]), 4),
        "answer": round(min(0.9, threshold + 0.25), 3),
        "likely": round(threshold, 3),
    }
    TARGET.write_text(json.dumps(shape, indent=2) + "\n", "utf-8")
    print(json.dumps(shape, indent=2))


def read_cases(name: str) -> list[dict[str, Any]]:
    """The rows of a set."""
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()]


def build_left_out(guide: str, fold: int) -> tuple[HybridRetriever, set[str]]:
    """The retriever as it would be had nobody asked the texts of a fold, and the entries' ids."""
    without = (*FOLDS[fold], f"contrast-{fold + 1}")
    unseen = unseen_texts(without)
    library = load_library((guide,))
    phrases = tuple(phrase for phrase in library.phrases if phrase.text not in unseen)
    fingerprint = f"{library.fingerprint}-{'-'.join(without)}"
    library = replace(library, phrases=phrases, fingerprint=fingerprint)
    settings = load_settings(guide=(guide,), reranker=False)
    retriever, _ = build_retriever(settings)(library, True)
    assert isinstance(retriever, HybridRetriever)
    return retriever, set(library.entries)


def unseen_texts(without: Collection[str]) -> set[str]:
    """What only these sets ask, as search sees it."""
    rows = asked_by_case().values()
    return {row["text"] for row in rows if row["set"] in without} - asked_elsewhere(without)


def asked_elsewhere(without: Collection[str]) -> set[str]:
    """What other sets ask, as search sees it: the encoder has learned these, also the unneeded."""
    return {row["text"] for row in asked_by_case().values() if row["set"] not in without}


def _predicted(data: np.ndarray, target: np.ndarray, folds: np.ndarray) -> np.ndarray:
    probability = np.zeros(len(target))
    for fold in np.unique(folds):
        train = folds != fold
        model = LogisticRegression(C=3.0, max_iter=5000).fit(data[train], target[train])
        probability[~train] = model.predict_proba(data[~train])[:, 1]
    return probability


def balanced_threshold(probability: np.ndarray, target: np.ndarray, in_scope: np.ndarray) -> float:
    """The threshold with the greatest sum of two shares: of what is in scope answered rightly, and
    of what is out of scope not answered; of equal ones the strictest. So the two groups weigh the
    same, however many texts the sets hold of each."""
    grid = np.arange(0.10, 0.91, 0.01)
    sums = []
    for threshold in grid:
        answered = probability >= threshold
        sums.append((answered & target)[in_scope].mean() + (~answered[~in_scope]).mean())
    return float(grid[np.flatnonzero(np.array(sums) >= max(sums) - 1e-9)[-1]])


def right_rate(answered: np.ndarray, target: np.ndarray, in_scope: np.ndarray) -> float:
    """The share of texts that are answered rightly, or rightly not at all."""
    return float(np.mean(np.where(in_scope, answered & target, ~answered)))


def report(
    probability: np.ndarray, target: np.ndarray, in_scope: np.ndarray, threshold: float
) -> None:
    """Print the rates at a threshold and at others, and the Brier score."""
    answered = probability >= threshold
    print(f"cases {len(target)}, first match right {target[in_scope].mean():.3f} of in scope")
    print(f"cross-validated right-answer rate {right_rate(answered, target, in_scope):.3f}")
    print(f"out of scope answered {answered[~in_scope].mean():.3f}")
    print(f"in scope abstained {(~answered[in_scope]).mean():.3f}")
    print(f"Brier {np.mean((probability - target) ** 2):.4f}")
    for other in np.arange(0.5, 0.91, 0.05):
        taken = probability >= other
        print(
            f"  at {other:.2f}: right {right_rate(taken, target, in_scope):.3f}, "
            f"out of scope answered {taken[~in_scope].mean():.3f}"
        )


if __name__ == "__main__":
    main()
