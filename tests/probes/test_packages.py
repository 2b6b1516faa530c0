"""The row `packages`: what is missing, shadowed, or does not go together."""

from __future__ import annotations

import pytest

from assistant.probes.packages import interpret_packages

TORCH, VISION = "packages.torch.build", "packages.torchvision.build"
WANTS = "packages.torchvision.requires"
LOCAL = {"name": "timm", "file": "/home/ada/course/timm.py", "standard": False}
JSON = {"name": "json", "file": "/home/ada/course/json.py", "standard": True}
GONE = {"found": False, "version": None}
FOLDER = {"found": True, "file": None, "folders": ["/home/ada/course/lap"], "version": None}


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised"),
    [
        ([], "ok", "All 9 packages", ""),
        (
            [("packages.timm", GONE)],
            "warn", "Not installed in this Python: timm.", "/cv/bin/python -m pip install timm",
        ),
        ([("packages.segment_anything", GONE)], "warn", "segment_anything", "segment-anything"),
        ([("packages.cv2", GONE)], "warn", "cv2", "install opencv-python"),
        ([("packages.lap", FOLDER)], "warn", "lap", "install lap"),
        ([("packages.timm", {"error": "ValueError: x"})], "warn", "timm", "install timm"),
        ([("shadows", [LOCAL])], "fail", "has the name of a package", "Rename"),
        ([("shadows", [JSON])], "warn", "has the name of a standard module", "json.py"),
        ([("shadows", [JSON, LOCAL])], "fail", "json.py", "timm.py"),
        ([("shadows", {"error": "no folder"})], "ok", "All 9", ""),
        ([(TORCH, "2.13.0+cu130")], "fail", "wants torch >=2.14", "install --upgrade torch"),
        ([(WANTS, ["torch==2.13.0"])], "fail", "wants torch 2.13", ""),
        ([(TORCH, "2.15.0+cu130")], "ok", "", ""),
        ([(WANTS, []), (TORCH, "2.12.0+cu130")], "fail", "wants torch 2.14", ""),
        ([(WANTS, []), (TORCH, "2.10.0a0+b4.nv25.12"), (VISION, "0.25.0a0+ca")], "ok", "", ""),
        ([(WANTS, []), (TORCH, "2.9.1+cpu"), (VISION, "0.24.1+cpu")], "ok", "", ""),
        ([(WANTS, []), (VISION, "0.31.0+cu130")], "ok", "", ""),
        ([(VISION, "0.29.1+cpu")], "fail", "CPU-only build beside", ""),
        ([("packages", {"error": "x"})], "no_data", "could not", ""),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised) -> None:
    finding = interpret_packages(load_row("gb10", "packages", *changes), where="here")
    assert finding.status == status
    assert said in finding.summary
    assert advised in finding.next


def test_facts_say_version_file_and_cpu_build(load_row) -> None:
    row = load_row("gb10", "packages", (TORCH, "2.14.1+cpu"), ("packages.lap", FOLDER))
    facts = dict(interpret_packages(row, where="here").facts)
    assert facts["torch"].startswith("2.14.1+cpu (CPU-only build) from /home/ada/cv/lib")
    assert facts["lap"] == "only a folder: /home/ada/course/lap"
    assert facts["python"] == "/home/ada/cv/bin/python"


def test_a_bare_python_lacks_everything(load_row) -> None:
    finding = interpret_packages(load_row("no_gpu", "packages"), where="here")
    assert finding.status == "warn"
    assert "torch torchvision numpy opencv-python" in finding.next
