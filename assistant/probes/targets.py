"""The Python environments that probes may look at: running kernels, the operator's Pythons and
containers, Jupyter's kernels, our own.

It starts nothing and writes nothing: it reads settings, kernel.json files and /proc. It refuses to
know what is run on a target. A path that a reader types never becomes a target.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from assistant.errors import SettingsError
from assistant.probes.running import PROC, find_running
from assistant.probes.variables import listed_variables
from assistant.types import Target

OWN = "own"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_PYTHON = re.compile(r"python[\d.]*")  # python, python3, python3.12
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_LONGEST_SPEC = 65536
_SWITCHES = ("PYTHONDONTWRITEBYTECODE=1", "YOLO_AUTOINSTALL=false", "YOLO_OFFLINE=true",
             "HF_HUB_OFFLINE=1", "YOLO_CONFIG_DIR=/tmp", "MPLCONFIGDIR=/tmp")  # fmt: skip


def discover_targets(
    settings: Sequence[str],
    *,
    executable: str,
    home: Path,
    prefix: Path,
    environment: Mapping[str, str] | None = None,
    containers: Sequence[str] = (),
    proc: Path = PROC,
) -> tuple[Target, ...]:
    """Return our own interpreter, then the operator's, then running kernels and kernelspecs.

    `environment` is ours (PATH for docker, JUPYTER_PATH). Raises SettingsError for an operator's
    target that cannot work.
    """
    ours = environment or {}
    configured = (*parse_targets(settings), *parse_containers(containers, environment=ours))
    names = {OWN, *(target.name for target in configured)}
    if len(names) <= len(configured):
        raise SettingsError(
            "A target and a container have the same name.", hint="Give each name once."
        )
    kernels = find_kernels(kernel_folders(home=home, prefix=prefix, environment=ours))
    found = (t for t in (*find_running(proc), *kernels) if t.name not in names)
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


def parse_containers(
    settings: Sequence[str], *, environment: Mapping[str, str]
) -> tuple[Target, ...]:
    """Read `name=CONTAINER[:/path/to/python]` settings; listing a container allows `docker exec`.

    Without docker on the PATH of `environment` there are none. Raises SettingsError.
    """
    docker = shutil.which("docker", path=environment.get("PATH", os.defpath))
    found: dict[str, Target] = {}
    for setting in settings:
        name, _, place = setting.partition("=")
        container, _, python = place.partition(":")
        python = python or "python3"
        good = _NAME.fullmatch(name) and _CONTAINER.fullmatch(container)
        if not good or name in (OWN, *found) or not _is_python_path(python):
            raise SettingsError(
                f"The container {setting!r} cannot be used.",
                hint="Write name=CONTAINER or name=CONTAINER:/path/to/python, each name once.",
            )
        if docker is not None:
            switches = [word for switch in _SWITCHES for word in ("-e", switch)]
            argv = (docker, "exec", *switches, container, python)
            label = f"the Python {python} in the container {container}"
            found[name] = Target(name, "container", argv, label)
    return tuple(found.values())


def kernel_folders(
    *, home: Path, prefix: Path, environment: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """Return Jupyter's data folders in Jupyter's order: JUPYTER_PATH, the user's, the others'."""
    variables = environment or {}
    named = [Path(part) for part in variables.get("JUPYTER_PATH", "").split(os.pathsep) if part]
    user = Path(variables.get("JUPYTER_DATA_DIR") or home / ".local" / "share" / "jupyter")
    shared = [place / "share" / "jupyter" for place in (prefix, Path("/usr/local"), Path("/usr"))]
    folders = (place / "kernels" for place in (*named, user, *shared) if place.is_absolute())
    return tuple(dict.fromkeys(folders))


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
        spec = _read_spec(folder / name / "kernel.json")
        path = _interpreter(spec)
        if path is not None:
            label = f"the Python {path} of the Jupyter kernel {name}"
            variables = _variables(spec)
            yield Target(f"kernel-{name}", "kernel", (path,), label, environment=variables)


def _read_spec(file: Path) -> Mapping[str, object]:
    """Return the kernel.json, {} if there is none that can be read."""
    try:
        if not file.is_file():
            return {}
        with file.open("rb") as stream:
            spec = json.loads(stream.read(_LONGEST_SPEC))
    except (OSError, ValueError, RecursionError):
        return {}
    return spec if isinstance(spec, dict) else {}


def _interpreter(spec: Mapping[str, object]) -> str | None:
    """Return the kernel's interpreter, None if it does not name one that can be started."""
    argv = spec.get("argv")
    path = argv[0] if isinstance(argv, list) and argv else None
    if not isinstance(path, str) or not _PYTHON.fullmatch(os.path.basename(path)):
        return None
    return path if _is_program(path) else None


def _variables(spec: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The variables that the spec sets, without references to others (${PATH})."""
    given = spec.get("env")
    if not isinstance(given, dict):
        return ()
    texts = {k: v for k, v in given.items() if isinstance(k, str) and isinstance(v, str)}
    return listed_variables({k: v for k, v in texts.items() if "$" not in v})


def _is_python_path(path: str) -> bool:
    """An absolute path in a container, or the plain name of a Python."""
    name = os.path.basename(path)
    return (
        bool(_PYTHON.fullmatch(name))
        and path.isprintable()
        and path in (name, os.path.normpath(path) if os.path.isabs(path) else name)
    )


def _is_program(path: str) -> bool:
    if "\0" in path or not path.isprintable() or not os.path.isabs(path):
        return False
    return os.path.isfile(path) and os.access(path, os.X_OK)
