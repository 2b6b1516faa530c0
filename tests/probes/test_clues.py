"""What a finding says about causes: by each row's own rule, on topics that messages have."""

from __future__ import annotations

import re

import pytest

from assistant.fact_rows import ROWS as FACT_ROWS
from assistant.probes.environment import interpret_environment
from assistant.probes.gpu import interpret_gpu
from assistant.probes.memory import interpret_memory
from assistant.probes.packages import interpret_packages
from assistant.probes.registry import PROBES
from assistant.signatures import ROWS as SIGNATURE_ROWS

GIB = 1 << 30
FAMILIES = {row.family.partition(":")[0] for row in SIGNATURE_ROWS}
KINDS = {kind for row in FACT_ROWS for kind in row.pattern.groupindex}
ASKED = ("asked", "timm")
GONE = ("packages.timm", {"found": False})
LOCAL = ("shadows", [{"name": "timm", "file": "/c/timm.py", "standard": False}])
THERE = {"packages": {"timm": {"found": True, "file": "/p/timm/__init__.py", "version": "1.0.31"}}}
OTHERS = ("others", [{**THERE, "label": "the Python of the kernel cv", "own": False}])
CPU = [("torch.version", "2.9.1+cpu"), ("torch.cuda", None), ("torch.available", False)]
OLD = [("torch.architectures", ["sm_80", "sm_90"])]
OTHER_PIP = ("pip_command", {"file": "/usr/bin/pip", "interpreter": "/usr/bin/python3"})
HOLDERS = "nvml.devices.0.processes"
SMALL = [{"pid": 1, "name": "Xorg", "used": 9 << 20}]


@pytest.mark.parametrize(
    ("row", "machine", "changes", "topic", "ruling", "said", "cause"),
    [
        ("packages", "gb10", [ASKED], "missing_module=timm", "ruled_out",
         "timm 1.0.31 is installed in this Python.", "timm is not installed"),
        ("packages", "gb10", [], "missing_module=timm", "ruled_out", "1.0.31", "missing package"),
        ("packages", "gb10", [ASKED, GONE], "missing_module=timm", "confirmed",
         "timm is not installed in this Python.", "The package isn't installed"),
        ("packages", "gb10", [ASKED, GONE, OTHERS], "missing_module=timm", "confirmed",
         "but it is in the Python of the kernel cv (1.0.31)", "It is in another environment"),
        ("packages", "gb10", [ASKED, LOCAL], "missing_module=timm", "confirmed",
         "/c/timm.py is imported instead", "a local file shadows the package"),
        ("packages", "gb10", [], "missing-module", "ruled_out", "No file in", "shadowed by a file"),
        ("packages", "gb10", [("packages.torch.build", "2.13.0+cu130")], "torchvision-operator",
         "confirmed", "wants torch >=2.14", "version mismatch"),
        ("packages", "gb10", [], "torchvision-operator", "ruled_out", "go together", "mismatch"),
        ("packages", "gb10", [("packages.cv2.version", "4.9.0.80")], "numpy-abi", "confirmed",
         "cv2 4.9.0.80 was built for NumPy 1, but NumPy 2.4.6", "compiled for another NumPy"),
        ("packages", "gb10", [("packages.lap.requires", ["numpy (<2,>=1.21)"])], "numpy-abi",
         "confirmed", "lap", "NumPy"),
        ("packages", "gb10", [("packages.torch.build", "2.9.1+cpu")], "torch_version=2.9.1+cpu",
         "confirmed", "CPU-only build", "built for x86_64 CPU"),
        ("gpu", "gb10", CPU, "cpu-only-torch", "confirmed", "2.9.1+cpu is a CPU-only", "CPU only"),
        ("gpu", "gb10", [], "cpu-only-torch", "ruled_out", "built for CUDA 13.0", "a CPU build"),
        ("gpu", "gb10", OLD, "no-kernel-image", "confirmed", "ends at sm_90", "not built for sm_1"),
        ("gpu", "gb10", [], "no-kernel-image", "ruled_out", "need not be", "architecture"),
        ("gpu", "gb10", [("torch", {"error": "ImportError: libcudart.so.12: cannot open"})],
         "missing-library", "confirmed", "libcudart.so.12", "libcudart of CUDA 12"),
        ("memory", "gb10", [], "out-of-memory", "ruled_out", "not a leak", "a memory leak"),
        ("memory", "gb10", [("meminfo.MemAvailable", 3_000_000)], "out-of-memory", "confirmed",
         "Process 4242", "another process holds the memory"),
        ("memory", "discrete", [("nvml.devices.0.memory", {"total": 24 * GIB, "free": 20 * GIB}),
                                (HOLDERS, [])],
         "out-of-memory", "ruled_out", "No process holds", "A previous kernel still holds memory"),
        ("memory", "discrete", [(HOLDERS, SMALL)], "out-of-memory", "ruled_out", "only 9 MiB",
         "other notebooks"),
        ("environment", "no_gpu", [], "dataloader-worker", "confirmed", "only 64 MiB",
         "Too little shared memory (/dev/shm)"),
        ("environment", "gb10", [], "dataloader-worker", "ruled_out", "61.0 GiB", "shared memory"),
        ("environment", "gb10", [OTHER_PIP], "missing-module", "confirmed", "/usr/bin/python3",
         "pip belongs to another Python"),
    ],
)  # fmt: skip
def test_a_clue_decides_a_cause(load_row, row, machine, changes, topic, ruling, said, cause):
    interpret = {"packages": interpret_packages, "gpu": interpret_gpu, "memory": interpret_memory,
                 "environment": interpret_environment}[row]  # fmt: skip
    finding = interpret(load_row(machine, row, *changes), where="here")
    clues = [clue for clue in finding.clues if (clue.topic, clue.ruling) == (topic, ruling)]
    fitting = [clue for clue in clues if re.search(clue.cause, cause, re.IGNORECASE)]
    assert said in " ".join(clue.text for clue in fitting)


@pytest.mark.parametrize(
    ("row", "machine", "changes", "topic"),
    [
        ("packages", "gb10", [ASKED], "missing-module"),
        ("packages", "gb10", [("packages", {"error": "x"})], "missing-module"),
        ("memory", "no_gpu", [], "out-of-memory"),
        ("gpu", "no_gpu", [], "no-kernel-image"),
        ("environment", "gb10", [("known", False), OTHER_PIP], "missing-module"),
        ("environment", "gb10", [("shm", {"error": "x"}), ("limits", {})], "dataloader-worker"),
    ],
)
def test_what_a_row_cannot_know_it_does_not_decide(load_row, row, machine, changes, topic):
    (probe,) = (probe for probe in PROBES if probe.id == row)
    finding = probe.interpret(load_row(machine, row, *changes), where="here")
    assert topic not in {clue.topic for clue in finding.clues}


@pytest.mark.parametrize("row", PROBES, ids=lambda row: row.id)
def test_rows_inform_families_and_kinds_that_exist(row):
    assert set(row.informs) <= FAMILIES | KINDS


@pytest.mark.parametrize("machine", ["gb10", "discrete", "no_gpu"])
@pytest.mark.parametrize("row", ["gpu", "memory", "packages", "environment"])
def test_topics_exist_and_causes_are_patterns(load_row, row, machine):
    (probe,) = (probe for probe in PROBES if probe.id == row)
    for clue in probe.interpret(load_row(machine, row), where="here").clues:
        assert clue.topic in FAMILIES or clue.topic.partition("=")[0] in KINDS
        re.compile(clue.cause)
        assert clue.text.endswith((".", "!", "?"))
