"""The second look at the first entries: what a reranker gets to read, and what its verdict changes.

Retrieval compares a text with everything at once and knows no order of words across the two; a
language model that reads the text beside the first entries does (a cross-encoder: Nogueira and Cho,
arXiv 1901.04085). It refuses to know which model reads. The prompt is the one that the shipped
adapter was trained with (`tests/evals/train_reranker.py`): change neither alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from assistant.calibration import by_thresholds
from assistant.condense import search_text
from assistant.types import Entry, Match, Query, Retrieval

READ = 3  # entries; of 342 in-scope texts of a blind split 99.7 % had the right one among them
_TEXT = 600  # characters of the text
_ABOUT = (240, 140, 140)  # characters of the first, second and third entry
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_COMMENT = re.compile(r"```\w*|\s#|^#", re.MULTILINE)
_MARK = re.compile(r"[*`#|>]+")
_READ_WHY = "read beside your text, it fits best"
_LEAST = -8.0  # log-probability; below it "no" is "no"


@dataclass(frozen=True, slots=True)
class RerankCalibration:
    """How a verdict and retrieval's confidence make one probability.

    log-odds = `bias` + `retrieved`·log-odds of retrieval + `read`·log-odds of the verdict
    (+ `moved`, where another entry comes first now). `weight`: how much a verdict's logarithm
    counts beside retrieval's own order. `answer` and `likely` are thresholds on the probability.
    """

    weight: float
    retrieved: float
    read: float
    moved: float
    bias: float
    answer: float
    likely: float

    def confidence(self, retrieved: float, read: float, *, moved: bool) -> float:
        """Probability in 0..1 that the entry that comes first now answers the text."""
        total = self.bias + self.moved * moved
        total += self.retrieved * log_odds(retrieved) + self.read * log_odds(read)
        return 1.0 / (1.0 + math.exp(-total))


def load_rerank_calibration() -> RerankCalibration:
    """Read the shipped coefficients."""
    text = (resources.files("assistant.data") / "reranker.json").read_text("utf-8")
    return RerankCalibration(**json.loads(text))


def load_adapter() -> dict[str, np.ndarray]:
    """Read the shipped adapter's arrays (`backends/adapter.py` says what they are)."""
    with (resources.files("assistant.data") / "reranker.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return {name: arrays[name] for name in arrays.files}


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)), with p held between 0.0001 and 0.9999."""
    held = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(held / (1 - held))


def rerank_prompt(query: Query, entries: Sequence[Entry]) -> str:
    """The text and what up to `READ` entries say, numbered from 1; 0 stands for none of them."""
    text = query.text if len(query.text) <= _TEXT else search_text(query)
    text = " ".join(text.split())  # one line, so that no text looks like a page
    if len(text) > _TEXT:  # its end is the exception
        text = f"{text[: _TEXT // 2]} {text[-(_TEXT // 2) + 1 :]}"
    pages = "".join(
        f"{number}. {_about(entry, limit)}\n"
        for number, (entry, limit) in enumerate(zip(entries, _ABOUT, strict=False), start=1)
    )
    return (
        f"Message of a learner:\n{text}\n\nPages of the guide:\n{pages}"
        "0. none of these\n\nThe page that answers the message: "
    )


def order(shares: Sequence[float], verdict: Sequence[float], *, weight: float) -> list[int]:
    """Positions of the first entries, best first. `shares`: how each compares with the first by
    retrieval, 1 to 0; `verdict`: log-probability of each."""
    totals = [s + weight * max(v, _LEAST) for s, v in zip(shares, verdict, strict=True)]
    return sorted(range(len(totals)), key=lambda n: -totals[n])


def apply_verdict(
    found: Retrieval, verdict: np.ndarray, calibration: RerankCalibration
) -> Retrieval:
    """Retrieval as it is after a verdict: log-probabilities [1 + entries read], none first."""
    shares, said = shares_of(found.matches), [float(v) for v in verdict[1:]]
    places = order(shares[: len(said)], said, weight=calibration.weight)
    moved = places[0] != 0
    confidence = calibration.confidence(
        found.matches[0].confidence, math.exp(said[places[0]]), moved=moved
    )
    ranked = [found.matches[n] for n in places]
    if moved:
        ranked[0] = replace(ranked[0], why=(*ranked[0].why, _READ_WHY))
    matches = tuple(
        replace(match, confidence=round(confidence * share, 4))  # each place keeps its share
        for match, share in zip((*ranked, *found.matches[len(said) :]), shares, strict=True)
    )
    status = by_thresholds(confidence, answer=calibration.answer, likely=calibration.likely)
    return replace(found, matches=matches, status=status)


def shares_of(matches: Sequence[Match]) -> list[float]:
    """How each match compares with the first by retrieval: 1 for that, 0 to 1 for later ones."""
    first = max(matches[0].confidence, 1e-6)
    return [1.0, *(min(match.confidence / first, 1.0) for match in matches[1:])]


def _about(entry: Entry, limit: int) -> str:
    """Title, symptoms, causes and what it says, cut at a word; its code last."""
    title = entry.title.rstrip(".?") + ("?" if entry.title.endswith("?") else ".")
    symptoms = [s for s in entry.symptoms[:2] if s.lower() not in entry.title.lower()]
    said = entry.solution if entry.causes else entry.body
    words = _MARK.sub(" ", _FENCE.sub(" ", said))
    code = _COMMENT.sub(" ", " ".join(_FENCE.findall(said)))
    return _cut(" ".join((title, *symptoms, *entry.causes, words, code)), limit)


def _cut(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit].rsplit(' ', 1)[0]} …"
