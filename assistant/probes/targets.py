"""The Python environments that probes may look at: our own, the operator's, Jupyter's kernels.

It starts nothing and writes nothing: it reads settings and kernel.json files. It refuses to know
what is run on a target. A path that a reader types never becomes a target.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from assistant.errors import SettingsError
from assistant.types import Target

OWN = "own"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_PYTHON = re.compile(r"python[\d.]*")  # python, python3, python3.12
_LONGEST_SPEC = 65536


def discover_targets(
    settings: Sequence[str], *, executable: str, home: Path, prefix: Path
) -> tuple[Target, ...]:
    """Return our own interpreter, then the operator's, then those of Jupyter's kernels.

    Raises SettingsError for an operator's target that cannot work.
    """
    configured = parse_targets(settings)
    names = {OWN, *(target.name for target in configured)}
    kernels = find_kernels(kernel_folders(home=home, prefix=prefix))
    found = (target for target in kernels if target.name not in names)
    return (own_target(executable), *configured, *found)


def own_target(executable: str) -> Target:
    """Return the interpreter that runs this assistant."""
    label = f"the assistant's own Python {executable} (not your notebook's)"
    return Target(OWN, "own", (executable,), label)


def parse_targets(settings: Sequence[str]) -> tuple[Target, ...]:
    """Read `name=/path/to/python` settings. Raises SettingsError naming what is wrong."""
    targets: dict[str, Target] = {}
    for setting in settings:
        name, _, path = setting.partition("=")
        if not _NAME.fullmatch(name) or name == OWN or name in targets:
            raise SettingsError(
                f"The target {setting!r} has a name that cannot be used.",
                hint="Write name=/path/to/python; a name is letters, digits, - _ and ., it is not "
                f"{OWN!r}, and each name is given once.",
            )
        if not _is_program(path):
            raise SettingsError(
                f"The target {name} is not a program on this machine: {path!r}.",
                hint="Give the absolute path of a Python interpreter, e.g. /usr/bin/python3.",
            )
        label = f"the Python {path} that the operator named {name}"
        targets[name] = Target(name, "interpreter", (path,), label)
    return tuple(targets.values())


def kernel_folders(*, home: Path, prefix: Path) -> tuple[Path, ...]:
    """Return Jupyter's standard data folders, the user's first."""
    places = (home / ".local", prefix, Path("/usr/local"), Path("/usr"))
    return tuple(dict.fromkeys(place / "share" / "jupyter" / "kernels" for place in places))


def find_kernels(folders: Sequence[Path]) -> tuple[Target, ...]:
    """Return the kernels whose kernel.json names an interpreter by absolute path.

    Of two with one name the first counts, as in Jupyter. Files that cannot be read are passed over.
    """
    found: dict[str, Target] = {}
    for folder in folders:
        for target in _read_folder(folder):
            found.setdefault(target.name, target)
    return tuple(found.values())


def _read_folder(folder: Path) -> Iterator[Target]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in filter(_NAME.fullmatch, names):
        path = _read_interpreter(folder / name / "kernel.json")
        if path is not None:
            label = f"the Python {path} of the Jupyter kernel {name}"
            yield Target(f"kernel-{name}", "kernel", (path,), label)


def _read_interpreter(file: Path) -> str | None:
    """Return the kernel's interpreter, None if the file does not name one that can be started."""
    try:
        with file.open("rb") as stream:
            spec = json.loads(stream.read(_LONGEST_SPEC))
    except (OSError, ValueError, RecursionError):
        return None
    argv = spec.get("argv") if isinstance(spec, dict) else None
    path = argv[0] if isinstance(argv, list) and argv else None
    if not isinstance(path, str) or not _PYTHON.fullmatch(os.path.basename(path)):
        return None
    return path if _is_program(path) else None


def _is_program(path: str) -> bool:
    if "\0" in path or not path.isprintable() or not os.path.isabs(path):
        return False
    return os.path.isfile(path) and os.access(path, os.X_OK)
