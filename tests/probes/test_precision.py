"""The row `precision`: which formats work, where, and that little memory is left alone."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assistant.probes.precision import interpret_precision
from tests.probes.running import GIB, check_all_spoiled, load_inside, needs, run_row

BROKEN = {"failed": {"kind": "RuntimeError", "text": '"addmm" not implemented for BFloat16'}}
CPU = {"device": "cpu", "why": "torch sees no GPU here"}
LEFT = {"device": "cpu", "free": 200 << 20, "why": "too little GPU memory is free to try it"}
DEVICE_CAUSE = "The GPU does not support bfloat16"
OTHER_CAUSE = "Model and input have different dtypes"


@pytest.mark.parametrize(
    ("changes", "status", "said", "ruling"),
    [
        ([], "ok", "bf16 works on NVIDIA GB10. A product of 2048 x 2048 numbers is 9.0 times",
         "ruled_out"),
        ([], "ok", "relative error of 0.003 instead of 3e-07", "ruled_out"),
        ([("products.bfloat16", BROKEN)], "fail", "not implemented for BFloat16", "confirmed"),
        ([("products.bfloat16.relative_error", 0.4)], "fail", "off by 40.0%", "confirmed"),
        ([("products.bfloat16.relative_error", None)], "fail", "off by 100", "confirmed"),
        ([("place", CPU)], "ok", "this is the CPU alone", "ruled_out"),
        ([("place", CPU), ("products.bfloat16.seconds", 0.0099)], "ok", "11.0 times slower",
         "ruled_out"),
        ([("place", {**CPU, "free": None})], "warn", "left alone", "ruled_out"),
        ([("place", LEFT)], "warn", "too little of its memory is free (200 MiB)", "ruled_out"),
        ([("products.float32", BROKEN)], "fail", "Even float32 fails", ""),
        ([("products", {})], "no_data", "No product", ""),
        ([("found", False)], "fail", "not installed", ""),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, ruling) -> None:
    finding = interpret_precision(load_row("running", "precision", *changes), where="here")
    assert finding.status == status
    assert said in finding.summary
    assert [clue.ruling for clue in finding.clues] == ([ruling] if ruling else [])
    for clue in finding.clues:
        assert clue.topic == "dtype-mismatch"
        assert re.search(clue.cause, DEVICE_CAUSE, re.IGNORECASE)
        assert not re.search(clue.cause, OTHER_CAUSE, re.IGNORECASE)


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_precision, load_row("running", "precision"))
    check_all_spoiled(interpret_precision, load_row("running", "precision", ("place", LEFT)))


def test_a_real_product(tmp_path: Path) -> None:
    needs("torch")
    finding = run_row("precision", tmp_path)
    assert finding.status in ("ok", "warn"), finding
    facts = dict(finding.facts)
    assert "relative error 0.00" in facts["bfloat16"]
    assert "e-07" in facts["float32"]


def fake_torch(available: bool = True) -> Any:
    cuda = SimpleNamespace(is_available=lambda: available, get_device_name=lambda index: "NVIDIA")
    return SimpleNamespace(cuda=cuda)


NOT_SUPPORTED = {"error": "NVMLError_NotSupported: Not Supported"}


@pytest.mark.parametrize(
    ("memories", "available_kb", "needed", "device"),
    [
        ([{"free": 3 * GIB}], 1, GIB, "cuda"),
        ([{"free": GIB}], 1 << 30, GIB, "cpu"),
        ([{"free": 9 * GIB}, {"free": GIB}], 1 << 30, GIB, "cpu"),
        ([NOT_SUPPORTED], 6 << 20, GIB, "cuda"),
        ([NOT_SUPPORTED], 4 << 20, GIB, "cpu"),
        ([], 64 << 20, GIB, "cuda"),
        ([], None, GIB, "cpu"),
    ],
    ids=["room", "full", "one full", "unified", "unified, full", "no NVML", "nothing known"],
)
def test_a_gpu_is_used_only_where_there_is_room(memories, available_kb, needed, device) -> None:
    """On unified memory 4 GiB stay free: running out there freezes the whole machine."""
    names = load_inside("precision")
    names["read_nvml"] = lambda: {"devices": [{"memory": memory} for memory in memories]}
    names["read_meminfo"] = lambda: {"MemAvailable": available_kb}
    assert names["choose_device"](fake_torch(), needed)["device"] == device
    assert names["choose_device"](fake_torch(False), needed)["device"] == "cpu"
