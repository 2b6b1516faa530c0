"""What the scripts in `evals/` decide: what is learned, what is left out, and the threshold."""

from __future__ import annotations

import numpy as np

from assistant.library import load_library
from tests.evals.fit_calibration import asked_elsewhere, balanced_threshold, unseen_texts
from tests.evals.make_asked import asked_by_case, with_asked
from tests.evals.prune_asked import least_needed


def test_the_threshold_weighs_what_is_in_scope_like_what_is_not() -> None:
    """Nine texts in scope, one out: by number answering all would win, also what nobody can."""
    probability = np.array([0.2, 0.2, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.6])
    right = np.array([True] * 9 + [False])
    assert round(balanced_threshold(probability, right, right), 2) == 0.85
    wrong_first = np.array([False] * 2 + [True] * 7 + [False])
    scope = np.array([True] * 9 + [False])
    assert round(balanced_threshold(probability, wrong_first, scope), 2) == 0.85


def test_what_matters_least_goes_and_each_entry_keeps_its_best() -> None:
    importance = {"a1": 0.1, "a2": 0.2, "a3": 0.9, "b1": 0.05, "b2": 0.04, "c": 0.8}
    ids = {name: name[0] for name in importance}
    assert least_needed(importance, ids, 0.0, 1) == []
    assert least_needed(importance, ids, 0.6, 1) == ["a1", "b2"]
    assert least_needed(importance, ids, 0.6, 2) == ["a1"]
    assert least_needed(importance, ids, 0.6, 3) == []


def test_a_set_is_left_out_with_every_phrase_that_says_the_same() -> None:
    rows = [row for row in asked_by_case().values() if row["set"] != "reports-9"]
    library = load_library(("builtin",))
    without = with_asked(library, rows)
    held = {row["text"] for row in rows}
    of_set = {row["text"] for row in asked_by_case().values() if row["set"] == "reports-9"}
    learned = {phrase.text for phrase in without.phrases if not phrase.firm}
    assert of_set - held
    assert not learned & (of_set - held)
    assert held <= {phrase.text for phrase in without.phrases}
    assert without.fingerprint != library.fingerprint
    assert {phrase.id for phrase in without.phrases} <= {"", *library.entries}


def test_what_a_set_shares_with_another_is_not_its_own() -> None:
    of_set = {row["text"] for row in asked_by_case().values() if row["set"] == "reports-9"}
    others = {row["text"] for row in asked_by_case().values() if row["set"] != "reports-9"}
    assert of_set & others, "bare messages that others sent too"
    assert unseen_texts(("reports-9",)) == of_set - others
    assert asked_elsewhere(("reports-9",)) == others
