"""The keeper of one program: a script that `process.py` starts, one for each program it runs.

It takes a JSON line {argv, environment, file_bytes} from a pipe, starts that program in a process
group of its own, and waits. When the program ends, or when the pipe is closed (which also happens
when the assistant dies), it kills every descendant that is left, says how the program ended on a
second pipe, and leaves. On Linux it is a child subreaper: a grandchild that calls `setsid` and
whose parent ends becomes the keeper's own child, so that it is found and killed like the others.

It refuses to know why a program runs, how long it may, and anything else of this product: it
imports only the standard library, because it runs as a script: `supervisor.py CONTROL REPORT`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Process:
    """A line of the process table. `started` tells a process from a later one of the same pid."""

    pid: int
    parent: int
    started: int
    pages: int


def process_table() -> dict[int, Process]:
    """Read /proc; {} on systems without it."""
    table: dict[int, Process] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return table
    for name in names:
        found = _read_process(int(name)) if name.isdecimal() else None
        if found is not None:
            table[found.pid] = found
    return table


def descendants(root: int) -> tuple[Process, ...]:
    """Return all living descendants of `root`, without `root` and without zombies."""
    children: dict[int, list[Process]] = {}
    for process in process_table().values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found.extend(below)
        waiting.extend(process.pid for process in below)
    return tuple(process for process in found if process.started)


def send_signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to exactly this process, not to a later one that got its pid."""
    try:
        handle = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except OSError:
        return
    try:
        now = _read_process(process.pid)
        if now is None or now.started != process.started:
            return
        if handle >= 0:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(process.pid, number)
    except OSError:
        return
    finally:
        if handle >= 0:
            os.close(handle)


def end_descendants(root: int) -> None:
    """Kill every descendant of `root`: freeze them until no new one appears, then kill."""
    for _ in range(_ROUNDS):
        frozen: set[int] = set()
        while new := [process for process in descendants(root) if process.pid not in frozen]:
            for process in new:
                send_signal(process, signal.SIGSTOP)
                frozen.add(process.pid)
        if not frozen:
            return
        for process in descendants(root):
            send_signal(process, signal.SIGKILL)
        time.sleep(0.005)
        _reap()


def main(arguments: list[str]) -> None:
    """Run one program under the two pipes whose numbers are given."""
    control, report = int(arguments[0]), int(arguments[1])
    os.set_inheritable(control, False)
    os.set_inheritable(report, False)
    order = json.loads(_read_line(control))
    _become_subreaper()
    try:
        child = _start(order)
    except (OSError, ValueError) as error:
        _write(report, {"refused": str(error)})
        return
    _leave_streams()
    status = _wait(child, control)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    end_descendants(os.getpid())
    _reap()
    _write(report, {"status": status})


def _read_process(pid: int) -> Process | None:
    """Read /proc/PID/stat: `pid (name) state ppid …`; the name may hold spaces and parentheses."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 22:
        return None
    alive = fields[0] not in (b"Z", b"X")
    return Process(pid, int(fields[1]), int(fields[19]) if alive else 0, int(fields[21]))


def _become_subreaper() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _start(order: dict[str, object]) -> int:
    """Start the program; what it inherits is the three streams, the folder and the limits."""
    import resource  # absent on Windows, where this script does not run

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if isinstance(order["file_bytes"], int):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], order["file_bytes"]))
    argv, environment = order["argv"], order["environment"]
    if not isinstance(argv, list) or not isinstance(environment, dict):
        raise ValueError("an order needs argv and environment")
    defaults = [signal.SIGPIPE, signal.SIGXFSZ]
    return os.posix_spawn(argv[0], argv[1:], environment, setpgroup=0, setsigdef=defaults)


def _leave_streams() -> None:
    """Let go of the program's streams, so that only the program holds them open."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait(child: int, control: int) -> int | None:
    """Wait for the program's end (its exit code, negative for a signal) or the closed pipe."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    while True:
        status = _exit_code(child)
        if status is not None:
            return status
        ready, _, _ = select.select([control, wake_read], [], [], 1.0)
        if control in ready and not os.read(control, 1):
            return None
        if wake_read in ready:
            os.read(wake_read, 4096)


def _exit_code(child: int) -> int | None:
    """Look whether the program ended, leaving its zombie: it keeps the group's number taken."""
    seen = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if seen is None:
        return None
    return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def _reap() -> None:
    """Collect all ended children."""
    with contextlib.suppress(OSError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _read_line(stream: int) -> bytes:
    """Read up to the first newline, byte block by byte block; the order is the only line."""
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(stream, 65536)
        if not block:
            raise SystemExit(1)
        line += block
    return line


def _write(stream: int, value: dict[str, object]) -> None:
    try:
        os.write(stream, json.dumps(value).encode())
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1:])
