"""The rows themselves, and that no document whatsoever makes one raise."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.library import load_library
from assistant.probes.registry import PROBES
from assistant.probes.row import Probe
from assistant.types import Finding

SHIPPED = load_library([]).entries
WORDS = """torch nvml devices memory error version cuda meminfo MemTotal MemFree MemAvailable
packages torchvision requires file shadows name capability architectures processes used pid shm
total path pip found limits secrets count free own warnings pressure build HugePages_Total"""
NAMES = st.sampled_from(re.findall(r"\w+", WORDS))
JUNK: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["sm_90", "2.9.1+cpu", "torch==2.9", "NVIDIA GB10", "aarch64", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


QUIET = ["gpu", "memory", "packages", "environment"]
RUNNING = ["jupyter", "hub", "dataloader", "torchvision", "precision", "yolo", "sam"]
FILES = ["checkpoint", "checkpoint-keys", "image", "mask"]
RECORDED = [
    *((machine, row) for machine in ("gb10", "discrete", "no_gpu") for row in QUIET),
    *(("running", row) for row in RUNNING),
    *(("files", row) for row in FILES),
]


def test_the_rows_in_display_order() -> None:
    names = [row.id for row in PROBES]
    assert names[:4] == QUIET
    assert [name for name in names if name in RUNNING] == RUNNING
    assert all(row.title and row.reads and row.never for row in PROBES)
    assert all(row.informs or row.cell for row in PROBES)
    assert {entry for row in PROBES for entry in row.entries} <= set(SHIPPED)


@pytest.mark.parametrize("row", PROBES, ids=lambda row: row.id)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=st.dictionaries(NAMES, JUNK, max_size=8))
def test_no_document_makes_a_row_raise(row: Probe, document: dict[str, Any]) -> None:
    finding = row.interpret(document, where="here")
    assert finding.id == row.id
    assert finding.summary
    assert "\n" not in finding.summary


def test_a_row_that_trips_over_a_document_is_a_finding_all_the_same() -> None:
    def trip(document: dict[str, Any], *, where: str) -> Finding:
        raise KeyError("x")

    finding = replace(PROBES[0], interpret=trip).read({}, where="here")
    assert (finding.id, finding.status, finding.where) == ("gpu", "no_data", "here")
    assert "KeyError" in finding.summary


@pytest.mark.parametrize(("machine", "name"), RECORDED)
def test_findings_link_only_to_entries_without_an_exception(load_row, name, machine) -> None:
    (row,) = (row for row in PROBES if row.id == name)
    finding = row.interpret(load_row(machine, row.id), where="here")
    assert set(finding.entries) <= set(SHIPPED)
    assert finding.source
    assert all(name and value for name, value in finding.facts)


def test_control_characters_of_a_target_are_not_shown(load_row) -> None:
    row = load_row("gb10", "gpu", ("torch", {"error": "bad\x1b[31m\nthing\u202e" + "x" * 5000}))
    finding = PROBES[0].interpret(row, where="here")
    assert "bad [31m thing" in finding.summary
    assert len(finding.summary) < 500
