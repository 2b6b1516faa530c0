"""Retrieval measured on labelled cases, beside two plain pipelines on the same cases in one run.

A case is {"id", "text" or "file", "gold": [ids], "kind"}; empty gold: nothing answers it;
"gold_all" adds ids of further guides, where they are loaded. Knows retrievers as functions, nothing
of how they work.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assistant.errors import InputError
from assistant.inputs import PictureReader, read_bytes
from assistant.types import Retrieval

Search = Callable[[str], Retrieval]


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled text; any id of `gold` is right, an empty `gold` wants abstention."""

    id: str
    text: str
    gold: frozenset[str]
    kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pipeline made of a case."""

    case: Case
    top: tuple[str, ...]
    confidence: float
    answered: bool
    seconds: float

    @property
    def rank(self) -> int:
        """Rank of the first right id, from 1; 0 if none is among `top`."""
        return next((n for n, id_ in enumerate(self.top, start=1) if id_ in self.case.gold), 0)

    @property
    def is_right(self) -> bool:
        """In scope: answered with a right entry first; out of scope: abstained."""
        return (self.answered and self.rank == 1) if self.case.gold else not self.answered


_FORM = 'A case is one JSON line: {"id": …, "text": …, "gold": [ids], "kind": …}'


def load_cases(
    paths: Sequence[Path],
    known: Collection[str] = (),
    *,
    read_picture: PictureReader | None = None,
) -> tuple[Case, ...]:
    """Read JSON lines. Raises InputError with file and line for what is no case.

    `known` are the ids of the loaded entries: of `gold_all` only those count. `read_picture` reads
    the cases whose `file` is a screenshot; without one such a case is refused.
    """
    cases = []
    for path in paths:
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The cases {path} cannot be read: {error}.") from error
        for number, line in enumerate(lines, start=1):
            if line.strip():
                cases.append(_case(line, path, number, known=known, read_picture=read_picture))
    if not cases:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names} holds no case.", hint=_FORM)
    return tuple(cases)


def run_cases(cases: Sequence[Case], search: Search) -> tuple[Outcome, ...]:
    """Search for every case, one after the other."""
    outcomes = []
    for case in cases:
        start = time.perf_counter()
        found = search(case.text)
        seconds = time.perf_counter() - start
        top = tuple(match.id for match in found.matches)
        confidence = found.matches[0].confidence if found.matches else 0.0
        outcomes.append(Outcome(case, top, confidence, found.status != "abstain", seconds))
    return tuple(outcomes)


def measure(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The figures of one pipeline; rates in 0..1, times in milliseconds, None where undefined."""
    inside = [o for o in outcomes if o.case.gold]
    outside = [o for o in outcomes if not o.case.gold]
    right = np.array([o.rank == 1 for o in outcomes], dtype=float)
    confidence = np.array([o.confidence for o in outcomes])
    milliseconds = np.array([o.seconds for o in outcomes]) * 1000
    return {
        "cases": len(outcomes),
        "in_scope": len(inside),
        "hit@1": _mean([o.rank == 1 for o in inside]),
        "hit@3": _mean([0 < o.rank <= 3 for o in inside]),
        "mrr": _mean([1 / o.rank if o.rank else 0.0 for o in inside]),
        "right_answer_rate": _mean([o.is_right for o in outcomes]),
        "false_answer_rate": _mean([o.answered for o in outside]),
        "auroc": _auroc(confidence, right),
        "brier": float(np.mean((confidence - right) ** 2)) if outcomes else None,
        "calibration_error": _calibration_error(confidence, right) if outcomes else None,
        "p50_ms": float(np.percentile(milliseconds, 50)) if outcomes else None,
        "p95_ms": float(np.percentile(milliseconds, 95)) if outcomes else None,
    }


def measure_by_kind(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float | None]]:
    """Right-answer rate and number of cases for each kind of text."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.case.kind].append(outcome)
    return {
        kind: {"cases": len(group), "right_answer_rate": _mean([o.is_right for o in group])}
        for kind, group in sorted(groups.items())
    }


def measure_by_entry(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float | None]]:
    """hit@1 and number of cases for each entry that a case wants."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for id_ in outcome.case.gold:
            groups[id_].append(outcome)
    return {
        id_: {"cases": len(group), "hit@1": _mean([o.rank == 1 for o in group])}
        for id_, group in sorted(groups.items())
    }


def eval_json(guide: str, pipelines: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    """The `eval` object; cases are those of the first pipeline."""
    first = next(iter(pipelines.values()))
    return {
        "guide": guide,
        "pipelines": {
            name: {
                **measure(outcomes),
                "by_kind": measure_by_kind(outcomes),
                "by_entry": measure_by_entry(outcomes),
            }
            for name, outcomes in pipelines.items()
        },
        "cases": [
            {
                "id": outcome.case.id,
                "top": list(outcome.top),
                "confidence": outcome.confidence,
                "answered": outcome.answered,
            }
            for outcome in first
        ],
    }


def with_best_threshold(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """A pipeline without an abstention of its own gets the threshold that suits these cases best.

    That is more than it could know beforehand, so the comparison is in its favour.
    """
    best, best_rate = tuple(outcomes), -1.0
    for threshold in sorted({o.confidence for o in outcomes}):
        tried = tuple(
            Outcome(o.case, o.top, o.confidence, o.confidence >= threshold, o.seconds)
            for o in outcomes
        )
        rate = _mean([o.is_right for o in tried]) or 0.0
        if rate > best_rate:
            best, best_rate = tried, rate
    return best


def _case(
    line: str,
    path: Path,
    number: int,
    *,
    known: Collection[str],
    read_picture: PictureReader | None,
) -> Case:
    try:
        row = json.loads(line)
        text = row.get("text")
        if text is None:
            file = path.parent / row["file"]
            data = file.read_bytes()
            text = read_bytes(data, name=file.name, read_picture=read_picture).text
        gold = frozenset(row["gold"]) | (frozenset(row.get("gold_all", ())) & frozenset(known))
        return Case(str(row["id"]), str(text), gold, str(row.get("kind", "")))
    except InputError as error:
        raise InputError(f"{path}:{number}: {error}", hint=error.hint) from error
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(
            f"{path}:{number} is no case ({type(error).__name__}: {error}).",
            hint=_FORM,
        ) from error


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _auroc(confidence: np.ndarray, right: np.ndarray) -> float | None:
    """Probability that a right first match has the higher confidence than a wrong one."""
    positive, negative = confidence[right > 0], confidence[right == 0]
    if not len(positive) or not len(negative):
        return None
    greater = (positive[:, None] > negative[None]).mean()
    equal = (positive[:, None] == negative[None]).mean()
    return float(greater + equal / 2)


def _calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: |confidence - accuracy| over ten equal bins, by their share."""
    total = 0.0
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    for number in range(bins):
        inside = index == number
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(total)
