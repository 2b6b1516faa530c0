"""Labelled cases: what is read, what is refused, and the figures by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import InputError
from assistant.evaluation import load_cases, measure, run_cases
from assistant.types import Match, Retrieval

CASES = (
    '{"id": "a", "text": "right", "gold": ["x"], "kind": "question"}\n\n'
    '{"id": "b", "text": "other", "gold": ["x"], "gold_all": ["y", "z"], "kind": "question"}\n'
    '{"id": "c", "text": "off", "gold": [], "kind": "offtopic"}\n'
)


def search(text: str) -> Retrieval:
    """A named fake of a retriever: three answers that are known beforehand."""
    first = {"right": "x", "other": "y", "off": "x"}[text]
    matches = (Match(first, first, 0.8), Match("w", "w", 0.1))
    return Retrieval(matches, "abstain" if text == "off" else "answer")


def test_rates_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(CASES, "utf-8")
    figures = measure(run_cases(load_cases([path]), search))
    assert (figures["cases"], figures["in_scope"]) == (3, 2)
    assert figures["hit@1"] == pytest.approx(1 / 2)
    assert figures["right_answer_rate"] == pytest.approx(2 / 3)
    assert figures["false_answer_rate"] == 0


def test_a_further_guide_counts_where_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(CASES, "utf-8")
    assert measure(run_cases(load_cases([path], ["y"]), search))["hit@1"] == 1


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_a_case_is_said_to_hold_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"none\.jsonl holds no case"):
        load_cases([path])


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', '{"id": "a", "text": "t", "gold": 3}'])
def test_what_is_no_case_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(InputError, match=r"cases\.jsonl:2 is no case"):
        load_cases([path])
