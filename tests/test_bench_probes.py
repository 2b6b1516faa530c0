"""`bench probes`: each row beside the bare start of the same interpreter, in one run."""

from __future__ import annotations

import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.bench.probes import ProbeTime, ProbeTimes, bench_json, render_bench, time_probes
from assistant.bench.samples import write_samples
from assistant.bench.weights import write_weights
from assistant.errors import UsageError
from assistant.probes.collector import Collector
from assistant.probes.registry import PROBES
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import own_target
from tests.probes.running import needs, run_row

ROWS = [row for row in PROBES if row.id in ("environment", "packages")]


def build(folder: Path) -> tuple[ProbeRunner, Collector]:
    collector = Collector({"PATH": "/usr/bin:/bin", "HOME": str(folder)})
    targets = [own_target(sys.executable)]
    return ProbeRunner(lambda: targets, collector, folder=folder, home=folder), collector


def test_rows_and_bare_starts_are_timed_in_one_run(tmp_path: Path) -> None:
    prober, collector = build(tmp_path)
    times = time_probes(prober, collector, runs=1, rows=ROWS).rows
    assert [time.id for time in times] == [row.id for row in ROWS]
    assert all(time.row > 0 and time.bare > 0 for time in times)


def test_every_row_is_timed_or_it_is_said_why_not(tmp_path: Path) -> None:
    """In a Python without torch: what ends at once there is not a fast row."""
    needs("ultralytics")
    venv.create(tmp_path / "cv", symlinks=True)
    collector = Collector({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    targets = [replace(own_target(sys.executable), argv=(str(tmp_path / "cv/bin/python"),))]
    prober = ProbeRunner(lambda: targets, collector, folder=tmp_path, home=tmp_path)
    rows = [row for row in PROBES if not row.network and row.id != "sam"]  # 375 MB to write
    found = time_probes(prober, collector, runs=1, rows=rows)
    times = {time.id: time for time in found.rows}
    assert set(times) | set(found.missing) == {row.id for row in rows}
    assert not set(times) & set(found.missing)
    assert {"memory", "packages", "environment", "checkpoint-keys"} <= set(times)
    assert not times["memory"].needs_torch
    without = {name for name, reason in found.missing.items() if "torch can't" in reason}
    assert without == {row.id for row in rows if row.torch}
    assert "yolo" in without


def test_the_files_that_rows_are_timed_on_are_sound(tmp_path: Path) -> None:
    """A row that fails at once would be timed as a fast one."""
    needs("numpy")
    needs("PIL")
    for row, values in write_samples(tmp_path).items():
        finding = run_row(row, tmp_path, values)
        assert finding.status in ("ok", "warn"), finding
        if row == "mask":
            assert "Mean IoU 1.00" in finding.summary


def test_the_weights_that_rows_are_timed_on_are_sound(tmp_path: Path) -> None:
    """The row `sam` opens its own in tests/probes/test_sam.py, which takes a minute."""
    needs("ultralytics")
    image = Path(write_samples(tmp_path)["image"]["image"])
    made, missing = write_weights(tmp_path, {"yolo", "gpu"}, image=image)
    assert (set(made), missing) == ({"yolo"}, {})
    finding = run_row("yolo", tmp_path, made["yolo"])
    assert finding.status in ("ok", "warn"), finding
    assert "confidence" in finding.summary


def test_an_unknown_target_is_a_usage_error(tmp_path: Path) -> None:
    prober, collector = build(tmp_path)
    with pytest.raises(UsageError):
        time_probes(prober, collector, target="nowhere", rows=ROWS)


def test_the_table_holds_the_ratio() -> None:
    times = ProbeTimes((ProbeTime("gpu", 3.0, 0.5),), {"labels": "a cell", "boxes": "a cell"})
    row = {"id": "gpu", "seconds": 3.0, "bare": 0.5, "ratio": 6.0, "command": "python -c pass"}
    assert bench_json(times)["rows"] == [row]
    assert "| gpu | 3.00 s | 0.50 s | 6.0 | `python -c pass` |" in render_bench(times)
    assert {"id": "labels", "reason": "a cell"} in bench_json(times)["missing"]
    assert "Not timed: `labels`, `boxes` (a cell)." in render_bench(times)
    torch = ProbeTimes((ProbeTime("gpu", 3.0, 2.0, needs_torch=True),), {})
    assert '| 1.5 | `python -c "import torch"` |' in render_bench(torch)
    assert ProbeTime("x", 1.0, 0.0).ratio == 0.0
