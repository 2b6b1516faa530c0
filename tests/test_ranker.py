"""Kernel ridge regression on a few numbers that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from assistant.calibration import Calibration, Features, load_calibration
from assistant.ranker import alone, dense_gram, dense_kernel, fit_ranker
from assistant.ridge import Kernel

MATRIX = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]], dtype=np.float32)
KERNEL = Kernel(sparse.csr_matrix((3, 1), dtype=np.float32), MATRIX)
LABELS = ["a", "a", "b"]


def test_the_weights_solve_the_equation() -> None:
    ranker = fit_ranker(KERNEL, LABELS)
    assert ranker.labels == ("a", "b")
    targets = np.array([[0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    assert np.allclose((MATRIX + 0.5 * np.eye(3)) @ ranker.weights, targets, atol=1e-5)
    # by hand: 0.5 / (1 + 0.5 + 0.8) and 0.5 / 1.5
    assert ranker.weights[:, 0] == pytest.approx([0.21739, 0.21739, -0.33333], abs=1e-4)


def test_the_nearest_label_wins() -> None:
    ranker = fit_ranker(KERNEL, LABELS)
    scores = ranker.scores(np.array([0.9, 0.9, 0.1], dtype=np.float32))
    assert scores.dtype == np.float32
    assert scores == pytest.approx([0.35797, -0.35797], abs=1e-4)
    assert ranker.scores(np.zeros(3, dtype=np.float32)) == pytest.approx([0, 0])


def test_fitting_leaves_the_kernel_alone() -> None:
    kept = MATRIX.copy()
    fit_ranker(KERNEL, LABELS)
    assert np.array_equal(MATRIX, kept)


def test_the_views_of_meaning_are_summed() -> None:
    angles = np.linspace(0, 3, 1_500)  # more than one strip
    view = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    gram = dense_gram([view, view])
    cosines = np.cos(angles[:, None] - angles[None, :])
    assert np.allclose(gram, 0.5 * cosines**2 + cosines**8, atol=1e-5)


def test_vague_likeness_counts_for_little() -> None:
    sharpened = dense_kernel(np.array([-0.1, 0, 0.5, 1], dtype=np.float32), 0)
    assert sharpened == pytest.approx([0.005, 0, 0.125, 0.5])
    assert sharpened.dtype == np.float32
    assert dense_kernel(np.array([0.5, 1]), 1) == pytest.approx([0.5**8, 1])


def test_a_label_of_one_passage_scores_as_if_it_were_learned_alone() -> None:
    assert alone(np.array([2.0]), 2.0) == pytest.approx([2 / 2.5])  # K (K + λ)⁻¹ for K = 2


def test_a_single_label_is_possible() -> None:
    assert fit_ranker(Kernel(sparse.eye(2, format="csr", dtype=np.float32)), ["a", "a"]).labels == (
        "a",
    )


def test_nothing_to_learn_from_is_no_error() -> None:
    assert fit_ranker(Kernel(sparse.csr_matrix((0, 1), dtype=np.float32)), []).labels == ()


FEATURES = Features(
    **dict.fromkeys(Features.__dataclass_fields__, 0.0) | {"score": 0.5, "exact": 1.0}
)


def test_confidence_and_status_by_hand() -> None:
    calibration = Calibration({"score": 2.0, "exact": 1.0}, -1.0, answer=0.7, likely=0.5)
    assert calibration.confidence(FEATURES) == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert [calibration.status(c) for c in (0.7, 0.69, 0.5, 0.49)] == [
        "answer",
        "likely",
        "likely",
        "abstain",
    ]
    extreme = Calibration({"score": 1e9}, 0.0, answer=0.7, likely=0.5)
    assert extreme.confidence(FEATURES) == pytest.approx(1.0)


def test_a_message_known_to_be_one_entrys_or_anothers_decides_by_itself() -> None:
    never, always = Calibration({}, -20.0, 0.7, 0.5), Calibration({}, 20.0, 0.7, 0.5)
    sole, against = replace(FEATURES, sole=1.0), replace(FEATURES, against=1.0)
    assert never.status(never.confidence(FEATURES)) == "abstain"
    assert never.status(never.confidence(sole)) == "likely"
    assert always.status(always.confidence(against)) == "abstain"
    assert always.status(always.confidence(replace(sole, against=1.0))) == "abstain"


def test_the_shipped_calibration_is_sane() -> None:
    calibration = load_calibration()
    assert 0 < calibration.likely < calibration.answer < 1
    assert set(calibration.weights) <= set(Features.__dataclass_fields__)
    assert calibration.weights["score"] > 0 > calibration.weights["none"]
