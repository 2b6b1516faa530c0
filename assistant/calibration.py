"""From what retrieval saw to a probability that the first match answers, and to a status.

A logistic model on a few features; its coefficients are data (`assistant/data/calibration.json`),
fitted by `tests/evals/fit_calibration.py`. Knows numbers, nothing of entries.
"""

from __future__ import annotations

import json
import math
from dataclasses import astuple, dataclass, fields
from importlib import resources

from assistant.types import Status


@dataclass(frozen=True, slots=True)
class Features:
    """What decides whether the first match can be trusted; scores about 0..1, flags 0 or 1.

    `against`: the message is known to be of another fault, so no likeness makes it an answer.
    `sole`: the message is of the first entry and of no other one, so it is at least likely.
    """

    score: float
    margin: float
    mass: float
    none: float
    exact: float
    against: float
    words: float
    words_none: float
    nearest: float
    nearest_none: float
    paste: float
    unexplained: float
    sole: float
    dense: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`weights` by feature name, `bias`, and the two thresholds on the probability."""

    weights: dict[str, float]
    bias: float
    answer: float
    likely: float

    def confidence(self, features: Features) -> float:
        """Probability in 0..1 that the first match answers the query."""
        total = self.bias
        for field, value in zip(fields(features), astuple(features), strict=True):
            total += self.weights.get(field.name, 0.0) * value
        confidence = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))
        if features.against:
            return min(confidence, 0.9 * self.likely)
        return max(confidence, self.likely) if features.sole else confidence

    def status(self, confidence: float) -> Status:
        """Answer, likely, or abstain, by the thresholds."""
        return by_thresholds(confidence, answer=self.answer, likely=self.likely)


def by_thresholds(confidence: float, *, answer: float, likely: float) -> Status:
    """What a probability is enough for."""
    if confidence >= answer:
        return "answer"
    return "likely" if confidence >= likely else "abstain"


def load_calibration() -> Calibration:
    """Read the shipped coefficients."""
    text = (resources.files("assistant.data") / "calibration.json").read_text("utf-8")
    data = json.loads(text)
    return Calibration(data["weights"], data["bias"], data["answer"], data["likely"])
