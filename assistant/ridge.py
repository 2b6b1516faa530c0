"""Kernel ridge equations (K + λI) W = Y of many rows, by conjugate gradients.

A factorisation takes n³ steps and a second copy of K; here each round takes n², and a few dozen
rounds do. The preconditioner is a Nyström approximation of K from some of its columns (Williams &
Seeger, Using the Nyström Method to Speed Up Kernel Machines, 2001), as in Frangella, Tropp & Udell,
Randomized Nyström Preconditioning (2023). Knows numbers, nothing of texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

_FACTORISED = 2_000  # rows up to which a factorisation takes less than half a second
_LANDMARKS = 2_000  # columns of the approximation; 1,000 need a third more rounds
_ROUNDS = 200  # 25 were enough for 20,000 rows
_PRECISION = 1e-4  # of the residual, relative; the weights are then right to 0.001
_STRIP = 200  # columns that are made at once
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Kernel:
    """K = F · Fᵀ + G, symmetric, no negative eigenvalues. `factor` F: sparse float32 [n, any];
    `dense` G: float32 [n, n], or None for zeros. F · Fᵀ is never written out for many rows."""

    factor: sparse.csr_matrix
    dense: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Rows, n."""
        return int(self.factor.shape[0])

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """The columns of K that belong to these rows: float32 [n, rows]."""
        found = np.empty((self.count, len(rows)), dtype=np.float32)
        turned = self.factor.T.tocsc()
        for start in range(0, len(rows), _STRIP):  # the product of sparse ones is nearly full
            some = rows[start : start + _STRIP]
            strip = np.asarray((self.factor @ turned[:, some]).toarray())
            found[:, start : start + _STRIP] = (
                strip if self.dense is None else strip + self.dense[:, some]
            )
        return found

    def times(self) -> Callable[[np.ndarray], np.ndarray]:
        """K · X for X float32 [n, any], as a function: it keeps Fᵀ ready."""
        turned, dense = self.factor.T.tocsr(), self.dense

        def times(values: np.ndarray) -> np.ndarray:
            product = self.factor @ (turned @ values)
            return np.asarray(product if dense is None else product + dense @ values)

        return times

    def diagonal(self) -> np.ndarray:
        """K's diagonal: float32 [n]."""
        own = np.asarray(self.factor.multiply(self.factor).sum(axis=1)).ravel()
        return own if self.dense is None else own + np.diagonal(self.dense)


def solve_ridge(
    kernel: Kernel, targets: np.ndarray, ridge: float, *, factorised: int = _FACTORISED
) -> np.ndarray:
    """Return W float32 [n, columns] with (K + ridge · I) W = `targets` float32 [n, columns].

    Exact up to `factorised` rows; of more the rounds end when each column's residual, as it is
    carried along in float32, is at most 1e-4 of the target's length (truly up to 3e-4), or after
    200 of them.
    """
    if kernel.count <= factorised:
        matrix = kernel.columns(np.arange(kernel.count)).astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += ridge
        return np.asarray(linalg.solve(matrix, targets, assume_a="pos"), dtype=np.float32)
    times, approximately = kernel.times(), _preconditioner(kernel, ridge)
    lengths = np.maximum(np.linalg.norm(targets, axis=0), _TINY)
    weights, residual = np.zeros_like(targets), targets.copy()
    near = approximately(residual)
    direction, height = near, _dots(residual, near)
    for _ in range(_ROUNDS):
        image = times(direction) + np.float32(ridge) * direction
        step = height / np.maximum(_dots(direction, image), _TINY)
        weights += step * direction
        residual -= step * image
        if (np.linalg.norm(residual, axis=0) / lengths).max() <= _PRECISION:
            break
        near = approximately(residual)
        before, height = height, _dots(residual, near)
        direction = near + height / np.maximum(before, _TINY) * direction
    return weights


def _preconditioner(kernel: Kernel, ridge: float) -> Callable[[np.ndarray], np.ndarray]:
    """About (K + ridge · I)⁻¹ · X, as a function. K is taken for its Nyström approximation B · Bᵀ
    plus, on the diagonal, what that misses on average (Woodbury's formula inverts the sum)."""
    landmarks = np.linspace(0, kernel.count - 1, min(_LANDMARKS, kernel.count)).astype(np.int64)
    columns = kernel.columns(landmarks)
    values, vectors = linalg.eigh(columns[landmarks].astype(np.float64))
    kept = values > 1e-4 * values[-1]
    base = columns @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    missed = kernel.diagonal() - np.einsum("ij,ij->i", base, base)
    rest = np.float32(ridge + max(float(missed.mean()), 0.0))
    inner = (base.T @ base).astype(np.float64)
    inner[np.diag_indices_from(inner)] += rest
    factor = linalg.cho_factor(inner)

    def approximately(values: np.ndarray) -> np.ndarray:
        along = linalg.cho_solve(factor, (base.T @ values).astype(np.float64))
        return np.asarray((values - base @ along.astype(np.float32)) / rest)

    return approximately


def _dots(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product of each pair of columns: [columns]."""
    return np.asarray(np.einsum("ij,ij->j", left, right))
