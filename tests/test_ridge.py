"""The equations of the ranker: the rounds end where a factorisation does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from assistant.ridge import Kernel, solve_ridge


def make_kernel(count: int, *, dense: bool) -> Kernel:
    """A kernel with a long tail of small eigenvalues, as texts have it."""
    random = np.random.default_rng(7)
    factor = sparse.random_array((count, 400), density=0.05, rng=random, dtype=np.float32)
    if not dense:
        return Kernel(factor.tocsr())
    points = random.normal(size=(count, 20)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Kernel(factor.tocsr(), (points @ points.T) ** 8)


def full(kernel: Kernel) -> np.ndarray:
    matrix = (kernel.factor @ kernel.factor.T).toarray()
    return matrix if kernel.dense is None else matrix + kernel.dense


def make_targets(count: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[np.arange(count) % 3] - np.float32(1 / 3)


@pytest.mark.parametrize("dense", [False, True])
def test_rounds_and_factorisation_agree(dense: bool) -> None:
    kernel, targets = make_kernel(2_600, dense=dense), make_targets(2_600)
    exact = solve_ridge(kernel, targets, 0.5, factorised=2_600)
    rounds = solve_ridge(kernel, targets, 0.5)
    assert rounds.dtype == exact.dtype == np.float32
    assert np.allclose(rounds, exact, atol=2e-3)
    left = targets - (full(kernel) @ rounds + 0.5 * rounds)
    assert np.linalg.norm(left, axis=0).max() < 3e-4 * np.linalg.norm(targets, axis=0).min()


@pytest.mark.parametrize("dense", [False, True])
def test_what_a_kernel_says_of_itself(dense: bool) -> None:
    kernel = make_kernel(60, dense=dense)
    matrix, rows = full(kernel), np.array([3, 17])
    values = np.arange(120, dtype=np.float32).reshape(60, 2)
    assert kernel.count == 60
    assert np.allclose(kernel.columns(rows), matrix[:, rows], atol=1e-5)
    assert np.allclose(kernel.diagonal(), np.diag(matrix), atol=1e-5)
    assert np.allclose(kernel.times()(values), matrix @ values, rtol=1e-4, atol=1e-3)


def test_a_column_of_zeros_has_no_weights() -> None:
    kernel, targets = make_kernel(50, dense=True), np.zeros((50, 2), dtype=np.float32)
    targets[:, 1] = 1.0
    weights = solve_ridge(kernel, targets, 0.5, factorised=10)
    assert not weights[:, 0].any()
    assert np.isfinite(weights).all()


def test_equal_rows_are_no_trouble() -> None:
    same = Kernel(sparse.csr_matrix(np.ones((40, 1), dtype=np.float32)))
    targets = np.ones((40, 1), dtype=np.float32)
    assert solve_ridge(same, targets, 0.5, factorised=10) == pytest.approx(1 / 40.5, abs=1e-4)
