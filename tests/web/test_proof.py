"""What a check means after "Fixed it"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.reading import read_query
from assistant.types import Clue, Finding
from assistant.web.proof import judge_proof
from tests.fakes import fake_entry

ENTRY = replace(
    fake_entry("no-module-timm", title="ModuleNotFoundError: No module named 'timm'"),
    causes=("timm is not installed in this Python.",),
)
QUERY = read_query("ModuleNotFoundError: No module named 'timm'")
OTHER = "missing_module=lap"


def found(status: str, *clues: Clue) -> Finding:
    return Finding("packages", status, "x", clues=clues)


def clue(ruling: str, topic: str = "missing_module=timm") -> Clue:
    return Clue(topic, ruling, "x", "not installed")


@pytest.mark.parametrize(
    ("finding", "proof"),
    [
        (found("ok", clue("ruled_out")), "gone"),
        (found("fail", clue("confirmed")), "still there"),
        (found("ok", clue("confirmed", OTHER)), "well"),
        (found("warn", clue("ruled_out", OTHER)), "look"),
        (found("ok"), "well"),
        (found("fail"), "look"),
        (found("timeout"), "open"),
        (found("refused"), "open"),
        (found("no_data"), "open"),
    ],
)
def test_the_rule_of_the_check_decides(finding, proof):
    assert judge_proof(ENTRY, QUERY, (finding,)) == proof
    assert judge_proof(ENTRY, None, (found("ok", clue("ruled_out")),)) in ("gone", "well")
