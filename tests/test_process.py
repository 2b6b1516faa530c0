"""What `process.py` promises, and one attack on each promise. Every program here is a real one."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from assistant.errors import ProcessError
from assistant.process import Limits, ProcessResult, run_process, scrubbed_environment

ENVIRONMENT = {"PATH": os.defpath}


def run_python(code: str, *arguments: str, **changes: object) -> ProcessResult:
    limits = Limits(**{"seconds": 10.0, "output_bytes": 10_000, **changes})  # type: ignore[arg-type]
    argv = [sys.executable, "-I", "-S", "-c", code, *arguments]
    return run_process(argv, environment=ENVIRONMENT, limits=limits)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize(
    ("code", "returncode", "stdout", "stderr"),
    [
        ("print('hello')", 0, "hello\n", ""),
        ("import sys; print('é', file=sys.stderr); sys.exit(3)", 3, "", "é\n"),
        ("import os; os._exit(7)", 7, "", ""),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV, "", ""),
        ("import os; os.write(1, bytes([255, 0, 254, 65]))", 0, "\ufffd\0\ufffdA", ""),
        ("import sys; print(repr(sys.stdin.read()))", 0, "''\n", ""),
        ("import os; print(sorted(os.environ))", 0, "['LC_CTYPE', 'PATH']\n", ""),
        ("import os; print(os.listdir('/proc/self/fd'))", 0, "['0', '1', '2', '3']\n", ""),
    ],
)
def test_result(code: str, returncode: int, stdout: str, stderr: str) -> None:
    result = run_python(code)
    assert (result.returncode, result.stdout, result.stderr) == (returncode, stdout, stderr)
    assert not any([result.timed_out, result.truncated, result.killed_for_memory])


def test_input_folder_and_limits_reach_the_program(tmp_path: Path) -> None:
    code = (
        "import os, resource as r, sys; print(len(sys.stdin.buffer.read()), os.getcwd(),"
        " r.getrlimit(r.RLIMIT_FSIZE)[0], r.getrlimit(r.RLIMIT_CORE)[0])"
    )
    result = run_process(
        [sys.executable, "-c", code],
        environment=ENVIRONMENT,
        limits=Limits(seconds=10, file_bytes=4096),
        stdin=b"x" * 1_000_000,
        cwd=tmp_path,
    )
    assert result.stdout == f"1000000 {tmp_path} 4096 0\n"


def test_input_that_is_not_read_does_no_harm() -> None:
    result = run_process(
        ["true"], environment=ENVIRONMENT, limits=Limits(seconds=10), stdin=b"x" * 1_000_000
    )
    assert result.returncode == 0


@pytest.mark.parametrize(
    "words", ["; id", "$(id)", "`id`", "a\nb", "*", "--help", "| cat", "'\"", "∶", "é\udcff"]
)
def test_no_shell_reads_the_arguments(words: str) -> None:
    result = run_python("import sys; print(ascii(sys.argv[1:]))", words)
    assert result.stdout == ascii([words]) + "\n"


@pytest.mark.parametrize(
    "argv", [[], [""], ["/no/such/program"], ["no-such-program"], ["/etc"], ["/etc/hostname"]]
)
def test_what_cannot_be_started_raises(argv: list[str]) -> None:
    with pytest.raises(ProcessError):
        run_process(argv, environment=ENVIRONMENT, limits=Limits(seconds=5))


def test_nul_bytes_and_broken_files_raise(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF, but not really")
    broken.chmod(0o755)
    for argv in (["true", "a\0b"], [str(broken)]):
        with pytest.raises(ProcessError):
            run_process(argv, environment=ENVIRONMENT, limits=Limits(seconds=5))
    with pytest.raises(ProcessError):
        run_process(
            ["true"], environment=ENVIRONMENT, limits=Limits(seconds=5), cwd=tmp_path / "none"
        )


@pytest.mark.parametrize(
    "code",
    [
        "while True: print('flood')",
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        "import sys; sys.stdout.write('x' * 50_000_000)",
    ],
)
def test_endless_output_is_cut_and_ended(code: str) -> None:
    result = run_python(code)
    assert result.truncated
    assert result.returncode is None
    assert max(len(result.stdout), len(result.stderr)) == 10_000
    assert result.seconds < 5


def test_a_program_that_ignores_sigterm_is_ended_in_time() -> None:
    code = (
        "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
    )
    result = run_python(code, seconds=0.5)
    assert result.timed_out
    assert result.returncode is None
    assert result.seconds < 2


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {inner}
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
{outer}
"""


@pytest.mark.parametrize(
    ("inner", "outer", "timed_out"),
    [
        ("pass", "time.sleep(60)", True),
        ("pass", "os.wait(); time.sleep(0.2)", False),
        ("os.setsid()", "os.wait(); time.sleep(0.2)", False),
        ("os.dup2(os.open('/dev/null', 1), 2)", "time.sleep(0.2); os._exit(0)", False),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="subreapers are Linux's")
def test_grandchildren_that_leave_the_group_are_ended(
    inner: str, outer: str, timed_out: bool
) -> None:
    result = run_python(DAEMON.format(inner=inner, outer=outer), seconds=1.0)
    assert result.timed_out is timed_out
    assert not is_alive(int(result.stdout))
    assert result.seconds < 3


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_program_that_kills_its_keeper_is_ended_too() -> None:
    code = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(0.5)
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)
"""
    result = run_python(code, seconds=5.0)
    time.sleep(0.05)
    assert result.returncode is None
    assert not is_alive(int(result.stdout))
    assert result.seconds < 3


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_program_that_freezes_its_keeper_is_ended_too() -> None:
    code = (
        "import os, signal, time; print(os.getpid(), flush=True);"
        "os.kill(os.getppid(), signal.SIGSTOP); time.sleep(60)"
    )
    result = run_python(code, seconds=0.3)
    time.sleep(0.05)
    assert result.timed_out
    assert not is_alive(int(result.stdout))
    assert result.seconds < 9


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_of_the_tree_is_watched() -> None:
    code = """
import os, time
if os.fork() == 0:
    block = bytearray(300 << 20)
    for at in range(0, len(block), 4096): block[at] = 1
    time.sleep(60)
time.sleep(60)
"""
    result = run_python(code, memory_bytes=200 << 20)
    assert result.killed_for_memory
    assert result.seconds < 5


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_program_that_keeps_forking_is_ended() -> None:
    code = "import os, time\nfor _ in range(300): os.fork() or time.sleep(60)\ntime.sleep(60)"
    result = run_python(code, processes=50)
    assert result.killed_for_processes
    assert result.seconds < 5


def test_environment_keeps_what_is_needed_and_no_secret() -> None:
    base = {
        "PATH": "/bin", "LANG": "C.UTF-8", "LC_ALL": "C", "LD_LIBRARY_PATH": "/lib",
        "CUDA_VISIBLE_DEVICES": "0", "NVIDIA_PYTORCH_VERSION": "25.12", "HOME": "/home/ada",
        "HF_TOKEN": "s1", "HUGGING_FACE_HUB_TOKEN": "s2", "OPENAI_API_KEY": "s3",
        "AWS_SECRET_ACCESS_KEY": "s4", "DB_PASSWORD": "s5", "NVIDIA_API_KEY": "s6",
        "CUDA_TOKEN": "s7", "GITHUB_PAT": "s8", "MY_OWN": "s9", "ASSISTANT_TOKEN": "s10",
        "PYTHONPATH": "/ours", "PYTHONSTARTUP": "/ours.py", "LD_PRELOAD": "/ours.so",
        "NVIDIA_AUTH": "s11", "http_proxy": "http://u:s12@proxy",
    }  # fmt: skip
    kept = scrubbed_environment(base, home=Path("/private"))
    assert set(kept) & set(base) == {
        "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
        "NVIDIA_PYTORCH_VERSION", "HOME",
    }  # fmt: skip
    assert kept["HOME"] == kept["YOLO_CONFIG_DIR"] == kept["XDG_CACHE_HOME"] == "/private"
    assert kept["PYTHONUSERBASE"] == "/home/ada/.local"
    assert kept["YOLO_AUTOINSTALL"] == "false"
    assert not any(value.startswith("s1") for value in kept.values())


def test_a_user_base_that_is_set_stays() -> None:
    base = {"HOME": "/home/ada", "PYTHONUSERBASE": "/data/base"}
    assert scrubbed_environment(base, home=Path("/p"))["PYTHONUSERBASE"] == "/data/base"
    assert "PYTHONUSERBASE" not in scrubbed_environment({}, home=Path("/p"))


def test_a_secret_is_not_seen_inside(tmp_path: Path) -> None:
    environment = scrubbed_environment({**os.environ, "HF_TOKEN": "hf_tiger"}, home=tmp_path)
    result = run_process(
        ["sh", "-c", "env; cat /proc/$PPID/environ; cat /proc/$PPID/cmdline"],
        environment=environment,
        limits=Limits(seconds=10),
    )
    assert "hf_tiger" not in result.stdout + result.stderr
    assert f"HOME={tmp_path}" in result.stdout
