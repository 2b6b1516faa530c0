"""The row `torchvision`: import, operator, network, and what a failure means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assistant.probes.torchvision import interpret_torchvision
from tests.probes.running import check_all_spoiled, needs, run_row

MISSING = {"failed": {"kind": "RuntimeError", "text": "operator torchvision::nms does not exist"}}
ON_CUDA = {"kind": "NotImplementedError", "text": "Could not run 'torchvision::nms' with arguments"}
CAUSES = (
    "torchvision was built for another torch",
    "The versions of torch and torchvision do not match",
    "A CPU-only torchvision stands beside a CUDA torch: torchvision is a CPU build",
)


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised", "rulings"),
    [
        ([], "ok", "torch 2.14.1+cu130 and torchvision 0.29.1+cu130 work together", "",
         ["ruled_out", "ruled_out"]),
        ([("import", {"found": True, **MISSING})], "fail", "`import torchvision` fails",
         "cv/bin/python -m pip install --upgrade torch torchvision", ["confirmed"]),
        ([("nms.cuda", {"failed": ON_CUDA})], "fail", "missing on the GPU", "Install both",
         ["confirmed"]),
        ([("nms.cpu.kept", [0, 1, 2])], "fail", "wrong boxes", "", ["confirmed"]),
        ([("forward", {"failed": {"kind": "E", "text": "x"}})], "fail", "does not run", "", []),
        ([("forward_cuda.finite", False)], "fail", "no usable numbers", "", []),
        ([("import", {"found": False})], "fail", "not installed", "Install", ["confirmed"]),
        ([("import", {"found": False}), ("packages.torch.build", "2.10.0a0+b4.nv25.12")], "fail",
         "not installed", "NGC container", ["confirmed"]),
        ([("torch", {"found": False}), ("import", {})], "fail", "PyTorch is not", "", []),
        ([("torch", {"error": "OSError: libcudart.so.12"}), ("import", {})], "fail", "libcudart",
         "", []),
        ([("import", {})], "no_data", "could not be tried", "", []),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised, rulings) -> None:
    finding = interpret_torchvision(load_row("running", "torchvision", *changes), where="here")
    assert (finding.status, said in finding.summary, advised in finding.next) == (
        status,
        True,
        True,
    )
    assert [clue.ruling for clue in finding.clues] == rulings
    for clue in finding.clues:
        if clue.topic == "torchvision-operator":
            assert all(re.search(clue.cause, cause, re.IGNORECASE) for cause in CAUSES)


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_torchvision, load_row("running", "torchvision"))


def test_the_real_package(tmp_path: Path) -> None:
    needs("torchvision")
    finding = run_row("torchvision", tmp_path)
    assert finding.status == "ok", finding
    assert "work together: nms and ResNet-18 run" in finding.summary
