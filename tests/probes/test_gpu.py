"""The row `gpu` on recorded machines, healthy and broken in one place each."""

from __future__ import annotations

import re

import pytest

from assistant.probes.gpu import interpret_gpu, runs_on

CPU_BUILD = [("torch.version", "2.9.1+cpu"), ("torch.cuda", None), ("torch.available", False)]
NGC = [
    ("torch.version", "2.10.0a0+b4e4ee81d3.nv25.12"),
    ("torch.cuda", "13.1"),
    ("torch.architectures", ["sm_80", "sm_90", "sm_100", "sm_120", "compute_120"]),
]
SILENT = [("nvml", {"error": "NVMLError_DriverNotLoaded"}), ("torch.available", False)]
DEVICE = "nvml.devices.0."


@pytest.mark.parametrize(
    ("machine", "changes", "status", "said", "advised"),
    [
        ("gb10", [], "ok", "NVIDIA GB10", ""),
        ("gb10", NGC, "ok", "2.10.0a0+b4e4ee81d3.nv25.12 can use", ""),
        ("discrete", [], "ok", "RTX 4090", ""),
        ("gb10", CPU_BUILD, "fail", "CPU-only build", "torch>=2.11"),
        ("discrete", CPU_BUILD, "fail", "CPU-only build", "/home/ada/cv/bin/python -m pip"),
        ("no_gpu", [], "no_data", "no NVIDIA driver", "--gpus all"),
        ("gb10", [("torch", {"found": False})], "fail", "not installed", "Choose the Python"),
        (
            "gb10",
            [("torch", {"error": "ImportError: libcudart.so.12: cannot open shared object file"})],
            "fail", "libcudart.so.12", "CUDA 12",
        ),
        ("gb10", [("torch", {"error": "OSError: broken"})], "fail", "fails: OSError", "anew"),
        ("gb10", [("visible_devices", ""), ("torch.available", False)], "fail", "hides", "unset"),
        ("gb10", [("visible_devices", "-1")], "fail", "hides", "unset"),
        ("gb10", [("visible_devices", "0")], "ok", "can use", ""),
        ("gb10", SILENT, "fail", "shows no GPU", "restart the machine"),
        ("gb10", [*SILENT, ("container", "x")], "fail", "in this container", "--gpus all"),
        (
            "gb10", [("torch.architectures", ["sm_50", "sm_80", "sm_90"])],
            "fail", "ends at sm_90", "torch>=2.11",
        ),
        ("gb10", [("torch.architectures", [])], "ok", "can use", ""),
        ("gb10", [("nvml.cuda", 12090)], "warn", "driver only knows CUDA 12.9", "Update"),
        ("gb10", [("torch.cuda", "12.6")], "ok", "can use", ""),
        (
            "gb10",
            [("torch.available", False), ("torch.warnings", ["The NVIDIA driver is too old"])],
            "fail", "driver is too old", "compare the CUDA versions",
        ),
        (
            "gb10", [(DEVICE + "sm_clock", 611), (DEVICE + "utilization", 95)],
            "warn", "only 611 MHz", "unplug",
        ),
        ("gb10", [(DEVICE + "sm_clock", 2400), (DEVICE + "utilization", 95)], "ok", "can use", ""),
        ("gb10", [(DEVICE + "sm_clock", {"error": "NotSupported"})], "ok", "can use", ""),
        ("gb10", [(DEVICE + "capability", {"error": "NotSupported"})], "ok", "can use", ""),
    ],
)  # fmt: skip
def test_verdict(load_row, machine, changes, status, said, advised) -> None:
    finding = interpret_gpu(load_row(machine, "gpu", *changes), where="here")
    assert (finding.id, finding.status, finding.where) == ("gpu", status, "here")
    assert said in finding.summary
    assert advised in finding.next
    assert bool(finding.next) == (status != "ok")


def test_missing_sm_121_is_called_harmless(load_row) -> None:
    facts = dict(interpret_gpu(load_row("gb10", "gpu"), where="here").facts)
    assert "sm_121 is not in the list and need not be: sm_120 runs on 12.1" in facts["harmless"]
    assert facts["compute capability"] == "12.1"
    assert facts["CUDA of the driver"] == "13.0"


def test_other_pythons_variables_are_not_claimed(load_row) -> None:
    facts = dict(interpret_gpu(load_row("gb10", "gpu", ("known", False)), where="here").facts)
    assert facts["CUDA_VISIBLE_DEVICES"] == "cannot be seen from here"


@pytest.mark.parametrize(
    ("architecture", "capability", "runs"),
    [
        ("sm_120", (12, 1), True),
        ("sm_121", (12, 1), True),
        ("sm_90", (12, 1), False),
        ("sm_121", (12, 0), False),
        ("sm_86", (8, 9), True),
        ("sm_89", (8, 6), False),
        ("sm_120a", (12, 1), False),
        ("sm_121a", (12, 1), True),
        ("sm_120f", (12, 1), True),
        ("compute_90", (12, 1), True),
        ("compute_120", (9, 0), False),
        ("gfx90a", (9, 0), False),
        ("", (9, 0), False),
    ],
)
def test_same_major_rule(architecture: str, capability: tuple[int, int], runs: bool) -> None:
    assert runs_on(architecture, capability) is runs


BUSY = (DEVICE + "utilization", 95)
CLOCK = "The GPU itself runs at a fraction of its clock."
HIDDEN = "CUDA_VISIBLE_DEVICES is empty or names a GPU that does not exist."
NO_DRIVER = "The container was started without --gpus all, so it has no driver."


@pytest.mark.parametrize(
    ("machine", "changes", "topic", "cause", "ruling"),
    [
        ("gb10", [BUSY, (DEVICE + "sm_clock", 611)], "vit-training-slow", CLOCK, "confirmed"),
        ("gb10", [BUSY, (DEVICE + "sm_clock", 2400)], "gpu-clock-stuck", CLOCK, "ruled_out"),
        ("gb10", [(DEVICE + "utilization", 3), (DEVICE + "sm_clock", 208)], "gpu-clock-stuck",
         CLOCK, None),
        ("gb10", [("visible_devices", "-1")], "cpu-only-torch", HIDDEN, "confirmed"),
        ("gb10", [("visible_devices", None)], "cpu-only-torch", HIDDEN, "ruled_out"),
        ("gb10", [("visible_devices", None), ("known", False)], "cpu-only-torch", HIDDEN, None),
        ("gb10", [], "cpu-only-torch", NO_DRIVER, "ruled_out"),
        ("gb10", [*SILENT, ("container", "/.dockerenv")], "cpu-only-torch", NO_DRIVER, "confirmed"),
    ],
)  # fmt: skip
def test_causes(load_row, machine, changes, topic, cause, ruling) -> None:
    finding = interpret_gpu(load_row(machine, "gpu", *changes), where="here")
    rulings = {
        clue.ruling
        for clue in finding.clues
        if clue.topic == topic and re.search(clue.cause, cause, re.IGNORECASE)
    }
    assert rulings == ({ruling} if ruling else set())
