"""Notebooks' kernels that run now, read from /proc and never asked: which Python, which folder.

Only processes of this user count. A kernel is found by its command line: it starts ipykernel, or
names a connection file (`-f …/kernel-….json`), as Jupyter and VS Code write it; jupyter need not be
installed.
It starts nothing, opens no connection, and refuses to know what a kernel computes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.probes.variables import listed_variables
from assistant.types import Target

PROC = Path("/proc")
# /home/ada/.local/share/jupyter/runtime/kernel-8a0f….json, --f=/x/kernel-v2-12345abc.json
_CONNECTION = re.compile(r"(?:--?f=)?(?:.*/)?kernel-[\w.-]{1,80}\.json")
# python -m ipykernel_launcher, python …/ipykernel_launcher.py
_LAUNCHER = re.compile(r"(?:.*/)?(?:ipykernel|ipykernel_launcher|colab_kernel_launcher)(?:\.py)?")
_PYTHON = re.compile(r"python[\d.]*")
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class _Process:
    """What /proc says of one process."""

    pid: int
    argv: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    program: str


def find_running(proc: Path = PROC, *, user: int | None = None) -> tuple[Target, ...]:
    """Return the running kernels of a user (None: the one who asks), the newest process first."""
    user = os.getuid() if user is None else user
    found = filter(None, (_read_target(process) for process in _kernels(proc, user)))
    return tuple(sorted(found, key=lambda target: -target.pid))


def _kernels(proc: Path, user: int) -> Iterator[_Process]:
    try:
        names = [name for name in os.listdir(proc) if name.isdecimal()]
    except OSError:
        return
    for name in names:
        try:
            if (proc / name).stat().st_uid == user and _is_kernel(_words(proc / name / "cmdline")):
                yield _read_process(proc / name)
        except OSError:
            continue


def _read_process(folder: Path) -> _Process:
    """Raises OSError when the process is gone or another's."""
    words = _words(folder / "environ")
    pairs = (word.partition("=") for word in words if "=" in word)
    return _Process(
        pid=int(folder.name),
        argv=_words(folder / "cmdline"),
        environment={name: value for name, _, value in pairs},
        folder=os.readlink(folder / "cwd"),
        program=os.readlink(folder / "exe"),
    )


def _words(file: Path) -> tuple[str, ...]:
    """Read a file of texts that are ended by NUL."""
    with file.open("rb") as stream:
        data = stream.read(_LONGEST)
    return tuple(os.fsdecode(word) for word in data.rstrip(b"\0").split(b"\0"))


def _is_kernel(argv: tuple[str, ...]) -> bool:
    words = argv[1:8] if len(argv) > 2 else ()
    return any(_CONNECTION.fullmatch(word) or _LAUNCHER.fullmatch(word) for word in words)


def _read_target(process: _Process) -> Target | None:
    """The kernel as a target, None if its Python cannot be told for certain."""
    python = _interpreter(process)
    if python is None:
        return None
    notebook = os.path.basename(process.environment.get("JPY_SESSION_NAME", ""))
    name = notebook if notebook.isprintable() and notebook else "a notebook"
    label = f"the running kernel of {name[:80]} (process {process.pid}, Python {python})"
    return Target(
        f"running-{process.pid}",
        "kernel",
        (python,),
        label,
        folder=process.folder if os.path.isabs(process.folder) else "",
        environment=listed_variables(process.environment),
        pid=process.pid,
    )


def _interpreter(process: _Process) -> str | None:
    """The path by which it was started, which a venv needs, if that is still the same program."""
    first = process.argv[0]
    path = first if os.path.isabs(first) else None
    if path is None and "/" not in first:
        path = shutil.which(first, path=process.environment.get("PATH", os.defpath))
    if path is None or not path.isprintable() or not os.path.isabs(path):
        return None
    if not _PYTHON.fullmatch(os.path.basename(path)) or not os.access(path, os.X_OK):
        return None
    return path if os.path.realpath(path) == os.path.realpath(process.program) else None
