"""A command that is run through us: its output, its ending, its terminal and its signals."""

from __future__ import annotations

import ast
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

# Runs its arguments as `assistant run` does, writes what was seen into a file, and ends alike.
THROUGH = """
import sys
from pathlib import Path
from assistant.process import end_like, run_through
passage = run_through(sys.argv[2:])
import resource
# not ru_maxrss: that of a new process begins with what its parent had
status = open("/proc/self/status").read()
used = int(status.split("VmHWM:")[1].split()[0])
seen = (passage.returncode, passage.asked_to_end, passage.refused, passage.tail, used)
Path(sys.argv[1]).write_text(repr(seen))
end_like(passage.returncode)
"""
INTERRUPTED = """
import signal, sys, time
try:
    print("up", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    try:
        time.sleep(0.5)
        print("cleaned up", flush=True)
    except KeyboardInterrupt:
        print("interrupted twice", flush=True)
    sys.exit(7)
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "seen"


def through(seen: Path, command: Sequence[str]) -> list[str]:
    return [sys.executable, "-c", THROUGH, str(seen), *command]


def read(seen: Path) -> tuple[int, bool, str, bytes, int]:
    found: tuple[int, bool, str, bytes, int] = ast.literal_eval(seen.read_text())
    return found


ENDINGS = {
    "passing": "echo out; echo err >&2",
    "failing": "echo out; echo err >&2; exit 3",
    "high": "exit 250",
    "no newline": "printf 'a\\r\\nb\\0\\377'; exit 1",
    "killed": "kill -KILL $$",
    "crashed": "kill -SEGV $$",
    "terminated": "kill -TERM $$",
    "stdin": "cat; exit 4",
    "closed streams": "exec >&- 2>&-; exit 5",
    "environment": "echo $PWD; env | sort | grep -v ^_=; umask; ulimit -c; exit 6",
    "descriptors": "ls /proc/self/fd | tr '\\n' ' '; exit 1",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_output_and_ending_are_those_of_the_command(seen: Path, name: str) -> None:
    command = ["bash", "-c", ENDINGS[name]]
    plain = subprocess.run(command, input=b"some input\n", capture_output=True, check=False)
    ours = subprocess.run(
        through(seen, command), input=b"some input\n", capture_output=True, check=False
    )
    assert ours.returncode == plain.returncode
    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)
    tail = read(seen)[3]
    assert plain.stdout.strip() in tail
    assert plain.stderr.strip() in tail


def test_two_streams_into_one_file_keep_their_order(seen: Path, tmp_path: Path) -> None:
    code = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"
    with (tmp_path / "out").open("wb") as file:
        subprocess.run(through(seen, ["bash", "-c", code]), stdout=file, stderr=file, check=True)
    lines = (tmp_path / "out").read_text().split()
    assert lines == [f"{kind}{n}" for n in range(1, 10) for kind in "oe"]


@pytest.mark.parametrize(
    ("command", "code"),
    [(["no-such-program"], 127), (["/no/such"], 127), (["/etc/passwd"], 126), (["/"], 126)],
)
def test_what_cannot_be_started_ends_like_in_a_shell(
    seen: Path, command: list[str], code: int
) -> None:
    done = subprocess.run(through(seen, command), capture_output=True, check=False)
    assert done.returncode == code
    assert read(seen)[2]


def test_a_flood_passes_in_bounded_memory_and_its_end_is_kept(seen: Path) -> None:
    code = "head -c 200000000 /dev/zero | tr '\\0' a >&2; echo; echo the end >&2; exit 9"
    done = subprocess.run(
        through(seen, ["bash", "-c", code]),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    returncode, _, _, tail, used = read(seen)
    assert done.returncode == returncode == 9
    assert b"the end" in tail
    assert len(tail) <= 2 * 128 * 1024 + 1
    assert used < 60_000, "kilobytes"


def test_output_comes_at_once_and_a_reader_who_leaves_ends_the_command(seen: Path) -> None:
    code = "echo first; sleep 0.2; exec yes"
    ours = subprocess.Popen(through(seen, ["bash", "-c", code]), stdout=subprocess.PIPE)
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"first\n"
    ours.stdout.close()
    assert ours.wait(timeout=30) == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("number", "returncode"), [(signal.SIGINT, 7), (signal.SIGTERM, -15), (signal.SIGUSR1, -10)]
)
def test_a_signal_to_us_reaches_the_command_once(
    seen: Path, number: signal.Signals, returncode: int
) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    ours = subprocess.Popen(through(seen, command), stdout=subprocess.PIPE)
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"up\n"
    time.sleep(0.1)
    ours.send_signal(number)
    rest, _ = ours.communicate(timeout=30)
    assert ours.returncode == returncode
    assert rest == (b"cleaned up\n" if returncode == 7 else b"")
    assert read(seen)[1] is (number != signal.SIGUSR1)


def in_terminal(command: Sequence[str], *, typed: bytes = b"", after: bytes = b"") -> bytes:
    """Run it in a terminal of 30 rows; type something when `after` was seen. Returns what it
    shows, with its exit code at the end."""
    pid, master = pty.fork()
    if not pid:
        import termios

        termios.tcsetwinsize(1, (30, 77))
        os.execv(command[0], list(command))
    shown = b""
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        assert ready, shown
        try:
            block = os.read(master, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
        if typed and after in shown:
            os.write(master, typed)
            typed = b""
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return shown + f"[{os.waitstatus_to_exitcode(status)}]".encode()


def test_a_terminal_stays_a_terminal(seen: Path) -> None:
    code = "test -t 0 && test -t 1 && test -t 2 && stty size <&1; printf 'x\\ry\\n'; exit 3"
    command = ["/bin/bash", "-c", code]
    plain, ours = in_terminal(command), in_terminal(through(seen, command))
    assert ours == plain == b"30 77\r\nx\ry\r\n[3]"


def test_what_is_typed_goes_to_the_command(seen: Path) -> None:
    command = ["/bin/bash", "-c", "read -p 'name? ' x; echo hello $x"]
    typed = in_terminal(through(seen, command), typed=b"ada\n", after=b"name? ")
    assert b"hello ada" in typed


def test_ctrl_c_in_a_terminal_reaches_the_command_once(seen: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    shown = in_terminal(through(seen, command), typed=b"\x03", after=b"up")
    assert b"cleaned up" in shown
    assert shown.endswith(b"[7]")
    assert read(seen)[1] is True
