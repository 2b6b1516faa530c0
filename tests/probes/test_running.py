"""Kernels that run: a real process in another virtual environment, and a false /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.probes.collector import Collector
from assistant.probes.runner import ProbeRunner
from assistant.probes.running import find_running
from assistant.probes.targets import own_target
from assistant.types import Target

LAUNCHER = "import os, sys, time\nprint('up', flush=True)\ntime.sleep(60)\n"
SECRET = "hf_" + "a1" * 12


@pytest.fixture(scope="module", name="kernel")
def start_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, Path]]:
    """A process that is started as Jupyter starts a kernel, in a venv that has a timm."""
    place = tmp_path_factory.mktemp("kernel")
    venv.create(place / "cv", symlinks=True)
    site = next((place / "cv" / "lib").glob("python*")) / "site-packages"
    (site / "ipykernel_launcher.py").write_text(LAUNCHER)
    (site / "timm").mkdir()
    (site / "timm" / "__init__.py").write_text("raise SystemExit('imported')")
    (site / "timm-9.9.9.dist-info").mkdir()
    (site / "timm-9.9.9.dist-info" / "METADATA").write_text("Name: timm\nVersion: 9.9.9\n")
    course = place / "course"
    course.mkdir()
    argv = [str(place / "cv/bin/python"), "-m", "ipykernel_launcher", "-f", "/x/kernel-1a.json"]
    environment = {
        "PATH": f"{place}/cv/bin:/usr/bin", "HOME": str(place), "CUDA_VISIBLE_DEVICES": "",
        "HF_TOKEN": SECRET, "JPY_SESSION_NAME": f"{course}/lesson.ipynb", "OTHER": "tiger",
        "PYTHONPATH": str(course),
    }  # fmt: skip
    with subprocess.Popen(argv, cwd=course, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid, place, course
        process.kill()


def find(pid: int) -> Target:
    return next(target for target in find_running() if target.pid == pid)


def run(kernel: tuple[int, Path, Path], row: str, **parameters: str) -> object:
    pid, place, _ = kernel
    runner = ProbeRunner(
        lambda: [own_target(sys.executable), find(pid)],
        Collector({"PATH": os.environ["PATH"], "HOME": "/root", "HF_TOKEN": "hf_ours"}),
        folder=Path("/nowhere"),
        home=place,
    )
    assert runner.targets()[0].pid == pid, "the only running kernel is the default"
    assert runner.choose([]) == find(pid)
    (finding,) = runner.run([row], parameters=parameters)
    return finding


def test_a_running_kernel_is_found_with_what_its_programs_see(kernel) -> None:
    pid, place, course = kernel
    target = find(pid)
    assert (target.name, target.kind) == (f"running-{pid}", "kernel")
    assert target.argv == (str(place / "cv/bin/python"),), "not where the link leads to"
    assert target.folder == str(course)
    assert "lesson.ipynb" in target.label
    variables = dict(target.environment or ())
    assert (variables["CUDA_VISIBLE_DEVICES"], variables["HF_TOKEN"]) == ("", "set")
    assert SECRET not in str(target)
    assert "tiger" not in str(target)


def test_its_packages_are_those_of_its_own_environment(kernel) -> None:
    finding = run(kernel, "packages", name="timm")
    assert finding.status == "ok"
    assert "timm 9.9.9 is installed" in finding.summary
    assert f"process {kernel[0]}" in finding.where
    (clue,) = [clue for clue in finding.clues if clue.topic == "missing_module=timm"]
    assert clue.ruling == "ruled_out"


def test_a_file_of_the_notebooks_folder_that_hides_the_package_is_named_not_run(kernel) -> None:
    shadow = kernel[2] / "timm.py"
    shadow.write_text("open('/tmp/assistant-test-ran', 'w')")
    try:
        finding = run(kernel, "packages", name="timm")
    finally:
        shadow.unlink()
    assert finding.status == "fail"
    assert str(shadow) in finding.summary
    (clue,) = [clue for clue in finding.clues if clue.topic == "missing_module=timm"]
    assert (clue.ruling, str(shadow) in clue.text) == ("confirmed", True)
    assert not Path("/tmp/assistant-test-ran").exists()


def test_what_is_missing_there_is_found_in_the_other_python(kernel) -> None:
    finding = run(kernel, "packages", name="numpy")
    assert finding.status == "fail"
    assert (
        "not installed in this Python, but it is in the assistant's own Python" in finding.summary
    )
    assert f"{kernel[1]}/cv/bin/python -m pip install numpy" in finding.next


def test_its_environment_is_told_without_a_secret(kernel) -> None:
    facts = dict(run(kernel, "environment").facts)
    assert facts["CUDA_VISIBLE_DEVICES"] == '""'
    assert facts["HF_TOKEN"] == "set"
    assert facts["python"] == str(kernel[1] / "cv/bin/python")
    assert SECRET not in str(facts)


def test_the_memory_row_knows_it_by_its_notebook(kernel) -> None:
    facts = dict(run(kernel, "memory").facts)
    assert facts[f"kernel {kernel[0]}"].startswith("lesson.ipynb: ")


# --- a false /proc -------------------------------------------------------------------------------


def write_process(proc: Path, pid: int, argv: list[str], *, program: str, **environ: str) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_text("\0".join(argv) + "\0")
    (folder / "environ").write_text("".join(f"{k}={v}\0" for k, v in environ.items()))
    (folder / "cwd").symlink_to("/")
    (folder / "exe").symlink_to(program)


REAL = os.path.realpath(sys.executable)
FILE = "/run/kernel-7.json"


@pytest.mark.parametrize(
    ("argv", "program", "found"),
    [
        ([sys.executable, "-m", "ipykernel_launcher", "-f", FILE], REAL, True),
        ([sys.executable, "/x/ipykernel_launcher.py", f"--f={FILE}"], REAL, True),
        ([sys.executable, "-m", "ipykernel", "-f", "/tmp/tmpabc.json"], REAL, True),
        (["python3", "-m", "ipykernel_launcher", "-f", FILE], REAL, True),
        ([sys.executable, "-m", "ipykernel_launcher", "-f", FILE], "/bin/sh", False),
        (["/bin/sh", "-c", "ipykernel_launcher", FILE], "/bin/sh", False),
        (["/no/such/python", "-m", "ipykernel_launcher", "-f", FILE], REAL, False),
        (["../python", "-m", "ipykernel_launcher", "-f", FILE], REAL, False),
        ([sys.executable + "\n", "-m", "ipykernel_launcher", "-f", FILE], REAL, False),
        ([sys.executable, "train.py", "--config", "kernel.json"], REAL, False),
        (["vim", FILE], REAL, False),
        ([""], REAL, False),
    ],
)
def test_command_lines(tmp_path: Path, argv: list[str], program: str, found: bool) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    write_process(tmp_path / "proc", 7, argv, program=program, PATH=str(folder))
    assert bool(find_running(tmp_path / "proc")) is found


def test_processes_of_others_and_odd_entries_are_passed_over(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    write_process(proc, 7, [sys.executable, "-m", "ipykernel_launcher", FILE], program=REAL)
    (proc / "8").mkdir()
    (proc / "9").write_text("no folder")
    assert [target.pid for target in find_running(proc)] == [7]
    assert find_running(proc, user=os.getuid() + 1) == ()
    assert find_running(tmp_path / "none") == ()


@pytest.mark.slow
def test_a_real_ipykernel_in_another_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "k", symlinks=True)
    python = str(tmp_path / "k/bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "ipykernel"]
    if subprocess.run(install, capture_output=True, timeout=200).returncode:
        pytest.skip("ipykernel cannot be fetched here")
    script = (
        "import sys; from jupyter_client import KernelManager; m = KernelManager();"
        "m.start_kernel(); c = m.client(); c.start_channels(); c.wait_for_ready(timeout=60);"
        "print(m.provisioner.pid, flush=True); sys.stdin.read(); m.shutdown_kernel(now=True)"
    )
    with subprocess.Popen(
        [python, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as manager:
        assert manager.stdout is not None
        pid = int(manager.stdout.readline())
        target = find(pid)
        manager.communicate("", timeout=30)
    assert target.argv == (python,)
    time.sleep(0.1)
    assert pid not in [target.pid for target in find_running()]
