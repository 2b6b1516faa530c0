"""What the runner promises besides safety of a target: cache, queue, audit log, containers."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import SettingsError
from assistant.probes.audit import AuditLog
from assistant.probes.cache import FindingCache
from assistant.probes.collector import Collector
from assistant.probes.registry import PROBES
from assistant.probes.row import Probe
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import own_target, parse_containers
from assistant.process import ProcessResult
from assistant.types import Finding, Parameter, Target

FINE = Finding("x", "ok", "fine")
ROW = next(row for row in PROBES if row.id == "environment")


class Slow:
    """A process runner that notes how many run at once."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds = seconds
        self.running = self.most = self.calls = 0
        self.orders: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, argv: Any, **_: Any) -> ProcessResult:
        order = json.loads(argv[-1])
        with self._lock:
            self.calls += 1
            self.running += 1
            self.most = max(self.most, self.running)
            self.orders.append(order)
        time.sleep(self.seconds)
        with self._lock:
            self.running -= 1
        rows = {name: {"executable": "/x"} for name in order["rows"]}
        text = "@@" + json.dumps({"rows": rows}) + "@@"
        return ProcessResult(tuple(argv), 0, text, "", False, False, False, False, 0.1)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def build(run: Any, rows: list[Probe], *targets: Target, **given: Any) -> ProbeRunner:
    return ProbeRunner(
        lambda: targets or (own_target("/x/python"),),
        Collector({"PATH": "/bin", "HOME": "/h"}, run=run, marker=lambda: "@@"),
        folder=Path("/nowhere"),
        home=Path("/nowhere"),
        rows=rows,
        **given,
    )


def in_threads(*calls: Any) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_a_cache_keeps_for_seconds_and_says_the_age() -> None:
    clock = Clock()
    cache = FindingCache(seconds=10, clock=clock)
    cache.keep("a", FINE)
    cache.keep("b", replace(FINE, status="timeout"))
    cache.keep("c", replace(FINE, status="refused"))
    clock.now += 3
    kept = cache.get("a")
    assert kept is not None
    assert kept.age == 3.0
    assert cache.get("b") is cache.get("c") is cache.get("d") is None
    clock.now += 8
    assert cache.get("a") is None
    for number in range(500):
        cache.keep(number, FINE)
    assert cache.get(0) is None
    assert cache.get(499) is not None


def test_a_second_click_within_seconds_starts_no_process() -> None:
    run, clock = Slow(0), Clock()
    runner = build(run, [ROW], clock=clock)
    first, second = runner.run(["environment"]), runner.run(["environment"])
    assert (run.calls, first[0].age) == (1, 0.0)
    assert second[0].age > 0
    clock.now += 60
    assert runner.run(["environment"])[0].age == 0.0
    assert run.calls == 2


def test_one_of_a_kind_at_a_time_and_few_at_once() -> None:
    run, clock = Slow(), Clock()
    runner = build(run, [ROW], clock=clock)
    in_threads(*[lambda: runner.run(["environment"])] * 5)
    assert (run.calls, run.most) == (1, 1), "the others waited and got the same finding"
    targets = [Target(f"t{n}", "interpreter", (f"/p{n}",), "t") for n in range(8)]
    run = Slow()
    runner = build(run, [ROW], *targets)
    in_threads(*[lambda n=n: runner.run(["environment"], target=f"t{n}") for n in range(8)])
    assert (run.calls, run.most) == (8, 1)


def test_few_processes_at_once_over_all_rows() -> None:
    run = Slow()
    rows = [row for row in PROBES if row.id in ("gpu", "memory", "packages", "environment")]
    assert len(rows) == 4
    rows = [replace(row, compares=None) for row in rows]
    runner = build(run, rows)
    in_threads(*[lambda name=row.id: runner.run([name]) for row in rows])
    assert run.calls == 4
    assert run.most <= 3


def test_a_heavy_row_has_a_process_of_its_own_and_torch_comes_last() -> None:
    run = Slow(0)
    chosen = {row.id: replace(row, compares=None) for row in PROBES}
    rows = [chosen["gpu"], chosen["memory"], replace(chosen["environment"], alone=True)]
    build(run, rows).run(["environment", "gpu", "memory"])
    assert [order["rows"] for order in run.orders] == [["memory", "gpu"], ["environment"]]
    assert run.orders[0]["address_bytes"] is None
    assert run.orders[1]["address_bytes"] > 1 << 30


def test_parameters_go_to_the_rows_that_know_them(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"x")
    run = Slow(0)
    rows = [row for row in PROBES if row.id in ("memory", "environment")]
    rows[0] = replace(rows[0], parameters=(Parameter("file", "a file", "path"),))
    runner = build(run, rows, roots=[tmp_path])
    given = {"file": str(tmp_path / "a.pth")}
    found = runner.run(["memory", "environment"], parameters=given)
    assert [f.status == "refused" for f in found] == [False, False]
    assert run.orders[0]["parameters"] == {"memory": given, "environment": {}}
    found = runner.run(["memory", "environment"], parameters={"file": "/etc/passwd"})
    assert found[0].status == "refused"
    assert "outside the allowed folders" in found[0].summary
    (found_alone,) = runner.run(["environment"], parameters={"nonsense": "1"})
    assert found_alone.status == "refused"
    assert run.calls == 1, "what is refused starts nothing; the other finding was fresh"


# --- audit log -----------------------------------------------------------------------------------


def test_every_run_and_every_refusal_is_noted(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "log" / "probes.jsonl", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    runner = build(Slow(0), [ROW], audit=log)
    runner.run(["environment"], who="session 7")
    runner.run(["environment"], who="session 7")
    runner.run(["nope; id\n" + "x" * 999], who="hf_" + "a1" * 12)
    runner.run(["environment"], target="nowhere")
    lines = [json.loads(line) for line in (tmp_path / "log/probes.jsonl").read_text().splitlines()]
    assert [(line["who"], line["row"], line["target"], line["status"]) for line in lines] == [
        ("session 7", "environment", "own", "ok"),
        ("<REDACTED:hf_token>", lines[1]["row"], "own", "refused"),
        ("cli", "environment", "", "refused"),
    ]
    assert lines[0]["when"] == "2026-01-02T00:00:00+00:00"
    assert len(lines[1]["row"]) <= 120
    assert stat.S_IMODE((tmp_path / "log/probes.jsonl").stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "file" / "x", tmp_path / "link", tmp_path / "pipe", tmp_path):
        runner = build(Slow(0), [ROW], audit=AuditLog(place))
        assert runner.run(["environment"])[0].status != "fail"
    assert not (tmp_path / "target").exists()


def test_the_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "probes.jsonl"
    file.write_text("x" * 1_000_001)
    AuditLog(file).write(who="cli", row="gpu", target="own", status="ok")
    assert file.read_text().count("\n") == 1
    assert (tmp_path / "probes.old.jsonl").stat().st_size == 1_000_001


def test_refused_clicks_do_not_push_the_runs_out(tmp_path: Path) -> None:
    file = tmp_path / "probes.jsonl"
    log = AuditLog(file)
    log.write(who="cli", row="gpu", target="own", status="ok")
    log.write(who="web", row="gpu", target="own", status="refused: unknown")
    for _ in range(12_000):  # over 4 MB, more than both files of runs hold
        log.write(who="web", row="x" * 120, target="y" * 120, status="refused: unknown")
    log.write(who="cli", row="gpu", target="own", status="timeout")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["status"] for line in lines[:2]] == ["ok", "refused: unknown"]
    assert lines[-1]["status"] == "timeout"
    assert not (tmp_path / "probes.old.jsonl").exists()
    own = (tmp_path / "probes.refused.jsonl", tmp_path / "probes.refused.old.jsonl")
    assert all(0 < part.stat().st_size < 1_001_000 for part in own)


# --- containers ----------------------------------------------------------------------------------

DOCKER = """#!/bin/sh
# stands for docker: drops `exec -e NAME=VALUE … CONTAINER`, keeps what is run inside
echo "$@" | head -c 300 > "$(dirname "$0")/asked"
shift
while [ "$1" = "-e" ]; do shift 2; done
shift; shift
exec {python} "$@"
"""


def write_docker(folder: Path) -> str:
    folder.mkdir()
    docker = folder / "docker"
    docker.write_text(DOCKER.replace("{python}", sys.executable))
    docker.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_listed_container_is_looked_into_by_docker_exec(tmp_path: Path) -> None:
    path = write_docker(tmp_path / "bin")
    targets = parse_containers(["lab=cv-lab_1:/opt/venv/bin/python"], environment={"PATH": path})
    runner = ProbeRunner(
        lambda: targets, Collector({"PATH": path, "HOME": "/h"}), folder=tmp_path, home=tmp_path
    )
    (finding,) = runner.run(["environment"])
    assert finding.where == "the Python /opt/venv/bin/python in the container cv-lab_1"
    assert dict(finding.facts)["python"] == sys.executable
    asked = (tmp_path / "bin/asked").read_text()
    assert asked.startswith("exec -e PYTHONDONTWRITEBYTECODE=1 ")
    assert " cv-lab_1 /opt/venv/bin/python -c " in asked
    assert runner.choose([]) is None


def test_without_docker_there_are_no_containers(tmp_path: Path) -> None:
    assert parse_containers(["lab=x"], environment={"PATH": str(tmp_path)}) == ()


@pytest.mark.parametrize(
    "setting",
    ["", "lab", "lab=", "=x", "own=x", "lab=--privileged", "lab=x y", "lab=x;id", "lab=x:/bin/sh",
     "lab=x:python3;id", "lab=x:../python", "lab=x:-c", "lab=x:/opt/../python", "lab=x:/a\n/python",
     "lab=$(id)", "lab=x:a/python"],
)  # fmt: skip
def test_what_cannot_be_a_container_is_refused(setting: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        parse_containers([setting], environment={"PATH": write_docker(tmp_path / "bin")})


def test_heavy_rows_are_not_run_in_containers(tmp_path: Path) -> None:
    target = Target("lab", "container", ("/x/docker", "exec", "c", "python3"), "the container")
    run = Slow(0)
    (finding,) = build(run, [replace(ROW, quick=False)], target).run(["environment"])
    assert (finding.status, run.calls) == ("refused", 0)
