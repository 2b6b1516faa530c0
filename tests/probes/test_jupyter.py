"""The row `jupyter`: living and dead servers and kernels, and no token of theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.probes.jupyter import interpret_jupyter
from tests.probes.running import GIB, check_all_spoiled, load_inside, needs, run_row

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised"),
    [
        ([], "ok", "1 server and 2 kernels run, the kernels with 2 different interpreters.", ""),
        ([("kernels", []), ("servers", [])], "ok", "No Jupyter server or kernel", ""),
        ([("kernels.0.gone", True)], "fail", "kernel 410 runs /home/ada/cv/bin/python, which was",
         "Restart"),
        ([("kernels.1.state", "T")], "warn", "kernel 411 is stopped", "Restart"),
        ([("kernels.1.state", "Z")], "warn", "kernel 411 is dead", "Restart"),
        ([("kernels.0.bytes", 20 * GIB)], "warn", "in /home/ada/course holds 20.0 GiB",
         "shut its kernel down"),
        ([("kernels", []), ("servers.0.alive", False)], "warn", "2 servers left a file behind",
         "Start Jupyter again"),
        ([("proc", False)], "no_data", "does not list", ""),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised) -> None:
    finding = interpret_jupyter(load_row("running", "jupyter", *changes), where="here")
    assert (finding.status, said in finding.summary, advised in finding.next) == (
        status,
        True,
        True,
    )


def test_facts_name_each_interpreter(load_row) -> None:
    facts = dict(interpret_jupyter(load_row("running", "jupyter"), where="here").facts)
    assert facts["server 300"] == "port 8888, /home/ada, /usr/bin/python3"
    assert facts["kernel 410"] == "/home/ada/cv/bin/python (this Python), /home/ada/course, 1.9 GiB"
    assert facts["dead servers"] == "12"
    assert facts["files of ended kernels"] == "1, harmless"


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_jupyter, load_row("running", "jupyter"))


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["/x/python", "-m", "ipykernel_launcher", "-f", "/r/kernel-1a.json"], "kernel-1a.json"),
        (["python", "-m", "ipykernel_launcher", "--f=/r/kernel-v3f.json"], "kernel-v3f.json"),
        (["python", "train.py", "kernel-1.json"], ""),
        (["python", "-f", "/r/kernel-;id.json"], ""),
        (["vim", "-f"], ""),
        ([], ""),
    ],
)
def test_a_kernel_is_known_by_its_connection_file(words: list[str], file: str) -> None:
    assert load_inside("jupyter")["find_connection_file"](words) == file


@pytest.fixture(name="kernel")
def start_kernel(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real kernel, with its connection file in a runtime folder of our own."""
    needs("ipykernel")
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", str(runtime / "kernel-abc.json")]
    environment = {**os.environ, "HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(runtime)}
    process = subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def test_a_real_kernel_and_the_files_of_a_dead_server(kernel, tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    server = {"pid": 4000000, "port": 8888, "root_dir": "/home/ada", "token": TOKEN,
              "url": f"http://localhost:8888/?token={TOKEN}"}  # fmt: skip
    (runtime / "jpserver-4000000.json").write_text(json.dumps(server))
    (runtime / "kernel-ended.json").write_text(json.dumps({"key": TOKEN}))
    os.mkfifo(runtime / "jpserver-7.json")
    (runtime / "nbserver-8.json").write_text("[not json")
    finding = run_row("jupyter", tmp_path, environment={"JUPYTER_RUNTIME_DIR": str(runtime)})
    facts = dict(finding.facts)
    assert facts[f"kernel {kernel.pid}"].startswith(f"{sys.executable} (this Python), {tmp_path}")
    assert facts["dead servers"] == "4000000"
    assert "ended" not in facts
    assert "harmless" in facts["files of ended kernels"]
    assert TOKEN not in repr(finding)
