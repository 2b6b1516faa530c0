"""The row `dataloader`: works, hangs, is killed, finds too little shared memory."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.probes.dataloader import interpret_dataloader
from assistant.probes.source import probe_source
from assistant.probes.targets import own_target
from tests.probes.running import check_all_spoiled, load_inside, needs, run_row

MIB, GIB = 1 << 20, 1 << 30
SMALL = {"path": "/dev/shm", "total": 64 * MIB, "free": 64 * MIB}
GUIDES = {
    "Docker gives a container 64 MB of shared memory": "shared",
    "the container was started without --ipc=host": "shared",
    "PyTorch DataLoader uses Linux shared memory (IPC)": "shared",
    "/dev/shm is too small": "shared",
    "too many open files, raise ulimit -n": "files",
    "the machine ran out of memory and a worker was killed": "memory",
    "OpenCV threads and fork end in a deadlock": "lock",
    "The learning rate is too high": "",
}


def failed(text: str, kind: str = "RuntimeError", workers: int = 2) -> dict[str, object]:
    error = {"kind": kind, "text": text}
    run = {"workers": workers, "bytes": 77_070_336, "ok": False, "seconds": 1}
    return {**run, "error_text": error}


NO_ROOM = "unable to allocate shared memory(shm) for file </torch_9_1_0>: No space left on device"
BUS = "DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that dataloader's"
KILLED = "DataLoader worker (pid 9) is killed by signal: Killed. "
HANGS = "DataLoader timed out after 10 seconds"
FILES = "[Errno 24] Too many open files"
SPAWN = "Can't get attribute 'Pets' on <module '__main__' (built-in)>"
SKIPPED = {"workers": 2, "bytes": 9, "ok": True, "skipped": "other programs use it"}


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised", "decided"),
    [
        ([], "ok", "Two DataLoader workers deliver 74 MiB", "Dataset", {"shared": "ruled_out"}),
        ([("runs.2", failed(NO_ROOM)), ("shm", SMALL)], "fail", "/dev/shm is 64 MiB", "--ipc=host",
         {"shared": "confirmed"}),
        ([("runs.2", failed(BUS))], "fail", "too little shared memory", "--shm-size=8g",
         {"shared": "confirmed"}),
        ([("runs.2", failed(KILLED))], "fail", "killed from outside (Killed)", "fewer workers",
         {"memory": "confirmed"}),
        ([("runs.2", failed(HANGS))], "fail", "they hang", "num_workers=0",
         {"lock": "confirmed", "shared": "ruled_out"}),
        ([("runs.2", failed(HANGS)), ("shm", SMALL)], "fail", "hang", "", {"lock": "confirmed"}),
        ([("runs.2", failed(FILES, "OSError"))], "fail", "open files", "ulimit -n",
         {"files": "confirmed"}),
        ([("runs.2", failed(SPAWN))], "fail", "handed to a worker", "a .py file", {}),
        ([("runs.2", failed("odd"))], "fail", "fail here: RuntimeError: odd", "", {}),
        ([("runs", [failed("x", workers=0)])], "fail", "even without workers", "not to blame", {}),
        ([("runs.2", SKIPPED)], "ok", "in use by other programs", "", {}),
        ([("runs.2", SKIPPED), ("shm", SMALL)], "warn", "too little", "--ipc=host",
         {"shared": "confirmed"}),
        ([("start_method", "forkserver")], "warn", "by forkserver", "notebook cell",
         {"shared": "ruled_out"}),
        ([("found", False)], "fail", "not installed", "", {}),
        ([("runs", [])], "no_data", "No DataLoader", "", {}),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised, decided) -> None:
    row = load_row("running", "dataloader", *changes)
    finding = interpret_dataloader(row, where="here")
    assert (finding.status, said in finding.summary, advised in finding.next) == (
        status,
        True,
        True,
    )
    rulings = {
        meaning: clue.ruling
        for clue in finding.clues
        for cause, meaning in GUIDES.items()
        if re.search(clue.cause, cause, re.IGNORECASE)
    }
    assert rulings == decided
    assert {clue.topic for clue in finding.clues} <= {"dataloader-worker"}


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_dataloader, load_row("running", "dataloader"))
    check_all_spoiled(
        interpret_dataloader, load_row("running", "dataloader", ("runs.2", failed(KILLED)))
    )


def test_two_real_workers_deliver(tmp_path: Path) -> None:
    needs("torch")
    finding = run_row("dataloader", tmp_path)
    assert finding.status in ("ok", "warn"), finding
    assert "Two DataLoader workers" in finding.summary
    assert dict(finding.facts)["2 workers, 5 MiB"].startswith("worked")


def test_a_really_small_shared_memory_is_found(tmp_path: Path) -> None:
    """In a mount namespace of its own /dev/shm has a container's 64 MiB."""
    needs("torch")
    mount = "mount -t tmpfs -o size=64m tmpfs /dev/shm"
    probe = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no tmpfs can be mounted in a namespace here: {probe.stderr.strip()[:80]}")
    argv = ("unshare", "-m", "sh", "-c", f'{mount} && exec "$0" "$@"', sys.executable)
    target = replace(own_target(sys.executable), argv=argv)
    finding = run_row("dataloader", tmp_path, target=target)
    assert finding.status == "fail"
    assert "too little shared memory for 74 MiB of images: /dev/shm is 64 MiB" in finding.summary
    assert finding.clues[0].ruling == "confirmed"


FATES = """
import os, sys, time, json
class Hangs:
    def __len__(self): return 4
    def __getitem__(self, index): time.sleep(4)
class Dies(Hangs):
    def __getitem__(self, index): os.kill(os.getpid(), 9)
class Fails(Hangs):
    def __getitem__(self, index): raise OSError(24, "Too many open files")
LOADER_SECONDS = 1
torch = import_torch()
print(MARK + json.dumps([try_loader(torch, 2, 2, fate()) for fate in (Hangs, Dies, Fails)]) + MARK)
os._exit(0)
"""


def test_workers_that_hang_die_or_fail_are_told_apart(load_row, tmp_path: Path) -> None:
    needs("torch")
    source = "\n".join(probe_source(["dataloader"]).splitlines()[:-1]) + f"\nMARK = '@@'\n{FATES}"
    said = []
    for result in json.loads(_output(source, tmp_path).split("@@")[1]):
        row = load_row("running", "dataloader", ("runs", [result]))
        said.append(interpret_dataloader(row, where="here").summary)
    assert "they hang" in said[0]
    assert re.search(r"killed from outside \(Killed\)|gone without a word", said[1])
    assert "open files" in said[2]


def _output(source: str, folder: Path) -> str:
    """What Python prints for this source. A worker that is killed while it holds the lock of its
    queue may leave torch waiting for ever (seen once, 2026-11-28), so it may try again."""
    for seconds in (60, 120):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(
                [sys.executable, "-c", source],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=seconds,
            ).stdout
    pytest.fail("torch waited for its workers twice")


def test_shared_memory_that_others_use_is_not_filled() -> None:
    names = load_inside("dataloader")
    is_taken = names["is_shared_memory_taken"]
    for used, total, needed, expected in (
        (0, 64 * MIB, 77 * MIB, False),
        (10 * MIB, 64 * MIB, 77 * MIB, True),
        (10 * MIB, 8 * GIB, 77 * MIB, False),
    ):
        names["read_disk"] = lambda path, t=total, u=used: {"total": t, "free": t - u}
        assert is_taken(needed) is expected
