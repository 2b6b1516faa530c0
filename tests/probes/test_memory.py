"""The row `memory`: the verdict rests on MemAvailable, and cache is no leak."""

from __future__ import annotations

import pytest

from assistant.probes.memory import interpret_memory, is_unified, read_available

GIB = 1 << 30
NAME, CARD = "nvml.devices.0.name", "nvml.devices.0.memory"
NO_NVML = ("nvml", {"error": "OSError: no library"})
PRESSED = "some avg10=60.00 total=1\nfull avg10=35.12 avg60=1.00 total=9\n"


@pytest.mark.parametrize(
    ("machine", "changes", "status", "said", "advised"),
    [
        ("gb10", [], "ok", "115.8 GiB of 121.7 GiB memory shared by GPU and CPU", ""),
        ("gb10", [], "ok", "74.3 GiB that look used are page cache, not a leak", ""),
        ("gb10", [], "ok", "torch.cuda.mem_get_info() counts them as used", ""),
        ("gb10", [("meminfo.MemAvailable", 12_000_000)], "warn", "11.4 GiB", "Process 4242"),
        ("gb10", [("meminfo.MemAvailable", 3_000_000)], "fail", "2.9 GiB", "(python)"),
        ("gb10", [("pressure", PRESSED)], "warn", "waiting for memory", "shut its kernel down"),
        ("gb10", [NO_NVML], "ok", "main memory", ""),
        ("discrete", [], "ok", "18.0 GiB of 24.0 GiB are free on NVIDIA GeForce RTX 4090", ""),
        ("discrete", [(CARD, {"total": 24 * GIB, "free": 2 * GIB})], "warn", "2.0 GiB", "911"),
        ("discrete", [(CARD, {"total": 24 * GIB, "free": 99})], "fail", "0 MiB", "911"),
        ("discrete", [(CARD, {"error": "Not Supported"})], "ok", "main memory", ""),
        ("no_gpu", [], "ok", "21.4 GiB of 23.5 GiB main memory", ""),
        ("no_gpu", [("meminfo", {"error": "no /proc"})], "no_data", "Neither", ""),
    ],
)
def test_verdict(load_row, machine, changes, status, said, advised) -> None:
    finding = interpret_memory(load_row(machine, "memory", *changes), where="here")
    assert finding.status == status
    assert said in finding.summary
    assert advised in finding.next


def test_not_supported_is_called_normal_on_unified_memory(load_row) -> None:
    facts = dict(interpret_memory(load_row("gb10", "memory"), where="here").facts)
    assert "normal on unified memory" in facts["NVML"]
    assert facts["GPU process 4242"] == "python: 15.0 GiB"
    assert facts["GPU process 2801"] == "Xorg: size not said"
    assert facts["GPU processes together"] == "15.0 GiB"
    other = load_row("discrete", "memory", (CARD, {"error": "Not Supported"}))
    assert "by this device" in dict(interpret_memory(other, where="here").facts)["NVML"]


@pytest.mark.parametrize(
    ("machine", "changes", "unified"),
    [
        ("gb10", [], True),
        ("gb10", [(CARD, {"total": 128 * GIB, "free": GIB})], True),
        ("gb10", [(NAME, "NVIDIA")], True),
        ("gb10", [(NAME, "NVIDIA"), (CARD, {"error": "OSError: Unknown Error"})], False),
        ("discrete", [], False),
        ("discrete", [(CARD, {"error": "NVMLError_NotSupported: Not Supported"})], False),
        ("no_gpu", [], False),
    ],
)
def test_unified(load_row, machine, changes, unified) -> None:
    assert is_unified(load_row(machine, "memory", *changes)) is unified


def test_huge_pages_count_alone_on_unified_memory(load_row) -> None:
    changes = [("meminfo.HugePages_Total", 1000), ("meminfo.HugePages_Free", 250)]
    assert read_available(load_row("gb10", "memory", *changes)) == (500 << 20, 2000 << 20)


def test_several_programs_on_the_gpu_are_named(load_row) -> None:
    rows = [(9, "python", 9 * GIB), (8, "train", GIB), (7, "Xorg", 9 << 20)]
    holders = [{"pid": pid, "name": name, "used": used} for pid, name, used in rows]
    changes = [("meminfo.MemAvailable", 3_000_000), ("nvml.devices.0.processes", holders)]
    finding = interpret_memory(load_row("gb10", "memory", *changes), where="here")
    assert "Process 9 (python) holds most on the GPU: 9.0 GiB" in finding.next
    assert finding.next.endswith("Then come: 8 (train) 1.0 GiB.")


def test_huge_pages_are_shown_where_there_are_any(load_row) -> None:
    huge = [("meminfo.HugePages_Total", 1000), ("meminfo.HugePages_Free", 250)]
    facts = dict(interpret_memory(load_row("gb10", "memory", *huge), where="here").facts)
    assert facts["huge pages"] == "2.0 GiB, 500 MiB free"
    assert "huge pages" not in dict(interpret_memory(load_row("gb10", "memory"), where="h").facts)
