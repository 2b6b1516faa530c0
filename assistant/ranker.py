"""Kernel ridge regression from similarities to entries: which entry do texts like this belong to?

Learns from the passages that the knowledge itself holds (titles, symptoms, phrases), so it fits
any guide when the index is made. Source of the formulas: Rasmussen &
Williams, Gaussian Processes for Machine Learning (2006), 2.2.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from assistant.files import write_atomically
from assistant.ridge import Kernel, solve_ridge

_RIDGE = 0.5  # chosen on the development cases; 0.1 to 1 differ by less than a point
_STRIP = 1_000  # rows of a matrix that are made at once
# Of a view, the sentence's and the middle layer's: how often a cosine is squared, and its weight.
_SQUARINGS = (1, 3)
_WEIGHTS = (0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Ranker:
    """`weights` float32 [n, labels]: how much a passage speaks for a label, labels by column."""

    labels: tuple[str, ...]
    weights: np.ndarray

    def scores(self, similarities: np.ndarray) -> np.ndarray:
        """Scores [labels], about 0 to 1, for a query with these kernel values to the passages."""
        return np.asarray(similarities @ self.weights, dtype=np.float32)


def dense_kernel(cosines: np.ndarray, view: int) -> np.ndarray:
    """Cosines of one view as a kernel, in place: what is only vaguely alike counts for little.

    Products of kernels are kernels (no negative eigenvalues). Of the sentence vectors the square
    was a little better than the cube on 1,400 texts of five writers, each left out in turn; of the
    middle layer, where even strangers have a cosine near 0.5, the eighth power was best: with it
    beside the square, AUROC .919 -> .922 and right answers 81.8 -> 82.9 % on 1,068 retold reports
    that were left out (2026-11-27). With the adapted encoder 0.5 as the weight of the first gave
    AUROC .9717, 0.75 .9710 (`tests/evals/train_encoder.py`).
    """
    for _ in range(_SQUARINGS[min(view, 1)]):
        np.square(cosines, out=cosines)
    cosines *= view_weight(view)
    return cosines


def view_weight(view: int) -> float:
    """The kernel of a text with itself in one view."""
    return _WEIGHTS[min(view, 1)]


def dense_gram(views: Sequence[np.ndarray]) -> np.ndarray:
    """The kernels of all views summed, among the same texts: float32 [n, n] from [n, dim] each.
    Made in strips, as a second matrix of this size would not fit beside it everywhere."""
    count = len(views[0])
    gram = np.zeros((count, count), dtype=np.float32)
    for start in range(0, count, _STRIP):
        strip = slice(start, start + _STRIP)
        for number, vectors in enumerate(views):
            gram[strip] += dense_kernel(vectors[strip] @ vectors.T, number)
    return gram


def alone(similarities: np.ndarray, same: float) -> np.ndarray:
    """Scores of labels that nothing was learned for, as if each had one passage and no rival;
    `same` is the similarity of a text to itself."""
    return np.asarray(similarities / (same + _RIDGE), dtype=np.float32)


def fit_ranker(kernel: Kernel, labels: Sequence[str]) -> Ranker:
    """Solve (K + λI) W = Y for one-hot Y, centred by column; as many labels as K has rows."""
    names, targets = _targets(labels)
    if not names:
        return Ranker((), targets)
    return Ranker(names, solve_ridge(kernel, targets, _RIDGE))


def cached_ranker(path: Path, kernel: Callable[[], Kernel], labels: Sequence[str]) -> Ranker:
    """Read the ranker kept at `path`, or fit it to `kernel()` and keep it there.

    `path` must name what it was fitted to (a fingerprint). A damaged file, or one that cannot be
    written, only costs the time of fitting.
    """
    names = tuple(sorted(set(labels)))
    try:
        data = path.read_bytes()
        if data[:32] == hashlib.sha256(data[32:]).digest():
            weights = np.frombuffer(data[32:], dtype=np.float32).reshape(len(labels), len(names))
            return Ranker(names, weights)
    except (OSError, ValueError):
        pass
    # once in a guide's life every core helps; a search would only wait for them (build.py)
    with threadpool_limits(limits=len(os.sched_getaffinity(0)), user_api="blas"):
        ranker = fit_ranker(kernel(), labels)
    data = np.ascontiguousarray(ranker.weights).tobytes()
    with contextlib.suppress(OSError):
        write_atomically(path, hashlib.sha256(data).digest() + data)
    return ranker


def _targets(labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    names = tuple(sorted(set(labels)))
    column = {name: n for n, name in enumerate(names)}
    targets = np.zeros((len(labels), len(names)), dtype=np.float32)
    targets[np.arange(len(labels)), [column[label] for label in labels]] = 1.0
    return names, targets - 1.0 / max(len(names), 1)
