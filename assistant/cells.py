"""Runs code cells as a notebook does, each run in a forked child: a script, handed over as `-c`.

It reads one JSON object from stdin, {preload: [module], runs: [{cells: [{name, code, role}],
folder, seconds}]}, and prints one, {results: [{code, output, stopped, seconds, replayed}]}. A run
plays all its cells one after the other in one namespace; what the last one prints is its output,
and the exception that ends it its traceback. The earlier ones are replayed silently: an exception
in one with the role reproduce is tolerated, as a failed cell leaves its names behind; in another
it ends the run, and `replayed` is that cell's number. If the replay ends the whole process, it is
done again without the reproductions. `preload` is imported once, before any fork.

A child has its own process group, which is killed at its end; its time and output are limited. It
refuses to know what the cells mean and which interpreter runs it, and it is no protection from
them: a child may kill this script, and then `process.py` ends what is left.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import linecache
import os
import signal
import sys
import time
import traceback
import types
from typing import Any

_OUTPUT_BYTES = 200_000
_LOOK = 0.01  # seconds between two looks at a child


def main() -> None:
    """Play all runs of the order on stdin."""
    order = json.loads(sys.stdin.read())
    answer = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    for name in order["preload"]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    results = [_play(run, answer) for run in order["runs"]]
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump({"results": results}, file)


def _play(run: dict[str, Any], answer: int) -> dict[str, Any]:
    """Play one run; without its reproductions if the replay ends the process."""
    started = time.monotonic()
    *earlier, last = run["cells"]
    result, reached = _fork([*earlier, last], run, answer)
    if not reached and not result["stopped"]:
        rest = [cell for cell in earlier if cell["role"] != "reproduce"]
        result, _ = _fork([*rest, last], run, answer)
    return result | {"seconds": time.monotonic() - started}


def _fork(
    cells: list[dict[str, str]], run: dict[str, Any], answer: int
) -> tuple[dict[str, Any], bool]:
    """Play cells in a child. Returns its result, and whether its last cell was begun."""
    output = os.memfd_create("output") if hasattr(os, "memfd_create") else _unnamed_file()
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)
        os.close(ready_read)
        _child(cells, run["folder"], output, ready_write)
    os.close(ready_write)
    result = _follow(child, output, run["seconds"])
    sign = os.read(ready_read, 1)
    os.close(ready_read)
    if sign and sign[0] < len(cells) - 1:
        result["replayed"] = sign[0]
    size = os.fstat(output).st_size
    kept = os.pread(output, _OUTPUT_BYTES, max(0, size - _OUTPUT_BYTES))
    os.close(output)
    return result | {"output": kept.decode(errors="replace")}, bool(sign)


def _unnamed_file() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _follow(child: int, output: int, seconds: float) -> dict[str, Any]:
    """Wait for the child's end or a limit; its group is gone afterwards."""
    deadline, stopped = time.monotonic() + seconds, ""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if not stopped and time.monotonic() > deadline:
            stopped = "time"
        elif not stopped and os.fstat(output).st_size > 5 * _OUTPUT_BYTES:
            stopped = "output"
        if stopped:
            _kill(child)
        time.sleep(_LOOK)
    _kill(child)
    return {"code": os.waitstatus_to_exitcode(status), "stopped": stopped}


def _kill(child: int) -> None:
    for send in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            send(child, signal.SIGKILL)


def _child(cells: list[dict[str, str]], folder: str, output: int, ready: int) -> None:
    """Play the cells and end; never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        if sys.path[:1] != [""]:  # a notebook finds the files beside it
            sys.path.insert(0, "")
        main_module = types.ModuleType("__main__")
        sys.modules["__main__"] = main_module
        code = _cells(cells, main_module.__dict__, output, ready)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _cells(cells: list[dict[str, str]], names: dict[str, Any], output: int, ready: int) -> int:
    *earlier, last = cells
    for number, cell in enumerate(earlier):
        error = _run(cell, names)
        sys.stdout.flush()
        if error is not None and cell["role"] != "reproduce":
            _turn(output)
            os.write(ready, bytes([number]))
            _show(error)
            return 1
    _turn(output)
    os.write(ready, bytes([len(earlier)]))
    os.close(ready)
    error = _run(last, names)
    sys.stdout.flush()
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if error is not None:
        _show(error)
    return int(error is not None)


def _run(cell: dict[str, str], names: dict[str, Any]) -> BaseException | None:
    """Run one cell; the exception that ended it, or None."""
    lines = cell["code"].splitlines(keepends=True)
    linecache.cache[cell["name"]] = (len(cell["code"]), None, lines, cell["name"])
    try:
        exec(compile(cell["code"], cell["name"], "exec"), names)
    except BaseException as error:  # whatever a cell raises, a notebook shows it and goes on
        return error
    return None


def _turn(output: int) -> None:
    """From now on stdout and stderr go to `output`, in the order in which they are written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(output, 1)
    os.dup2(output, 2)


def _show(error: BaseException) -> None:
    """Print the traceback as Python does, without our own frame."""
    inside = error.__traceback__ and error.__traceback__.tb_next
    traceback.TracebackException(type(error), error, inside).print(file=sys.stderr)


if __name__ == "__main__":
    main()
