"""A Python that runs guide code: what it has installed, and environments made from it.

Such an environment has no packages of its own; it sees those of the interpreter through links. A
package that is left out is absent for `import`, for metadata and for pip alike, and pip counts all
others as foreign: what it installs or replaces lands in the environment, and it never removes a
linked one. What two site folders share as a namespace package is seen from the first of them only.

It refuses to know what is run there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ProcessError
from assistant.process import Limits, run_process, scrubbed_environment

_READER = """
import importlib.metadata as metadata, json, sys
sites = [p for p in sys.path if p.rstrip("/").endswith(("site-packages", "dist-packages"))]
found = {}
for module, names in metadata.packages_distributions().items():
    try:
        one = metadata.distribution(names[0])
        found[module] = [one.metadata["Name"], one.version, getattr(one, "_path", "")]
    except Exception:
        continue
print(json.dumps({"base": getattr(sys, "_base_executable", sys.executable), "sites": sites,
    "version": "%d.%d" % sys.version_info[:2], "packages": found}, default=str))
"""


@dataclass(frozen=True, slots=True)
class Package:
    """What an import name belongs to; `info` is the name of its metadata folder."""

    name: str
    version: str
    info: str


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that verifies: its program, the one that a virtual environment is made from,
    folders of packages, packages by import name."""

    program: str
    base: Path
    version: str
    sites: tuple[Path, ...]
    packages: Mapping[str, Package]


def read_interpreter(python: str, *, environment: Mapping[str, str]) -> Interpreter:
    """Ask a Python for its folders and packages. Raises ProcessError if it does not answer."""
    with tempfile.TemporaryDirectory(prefix="assistant-verify-") as home:
        result = run_process(
            [python, "-c", _READER],
            environment=scrubbed_environment(environment, home=Path(home)),
            limits=Limits(seconds=60),
            cwd=Path(home),
        )
    try:
        found = json.loads(result.stdout)
    except ValueError as error:
        raise ProcessError(
            f"The Python {python} does not tell what it has installed.",
            hint="Give the path of a working interpreter, such as .venv/bin/python.",
        ) from error
    packages = {
        module: Package(name, version, Path(info).name)
        for module, (name, version, info) in found["packages"].items()
    }
    sites = tuple(Path(site) for site in found["sites"])
    return Interpreter(python, Path(found["base"]), found["version"], sites, packages)


def make_python(interpreter: Interpreter, folder: Path, *, absent: frozenset[str]) -> Path:
    """Make a virtual environment in `folder`, and beside it links to all packages but `absent`.

    Returns the path of its program. Raises OSError.
    """
    inside = Path("lib") / f"python{interpreter.version}" / "site-packages"
    links, own = folder / "packages" / inside, folder / "venv" / inside
    links.mkdir(parents=True)
    own.mkdir(parents=True)
    hidden = set(absent) | {
        interpreter.packages[name].info for name in absent if name in interpreter.packages
    }
    for site in interpreter.sites:
        _link_all(site, links, hidden=hidden, linked=interpreter.sites)
    (own / "packages.pth").write_text(f"import site; site.addsitedir({str(links)!r})\n")
    home = interpreter.base.parent
    (folder / "venv" / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {interpreter.version}\n"
    )
    programs = folder / "venv" / "bin"
    programs.mkdir()
    for name in ("python", "python3"):
        (programs / name).symlink_to(interpreter.base)
    pip = programs / "pip"
    pip.write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    pip.chmod(0o755)
    return programs / "python"


def _link_all(site: Path, links: Path, *, hidden: set[str], linked: Sequence[Path]) -> None:
    """Link what lies in a folder of packages, but what is hidden (timm, timm.py, timm.cp311.so)
    and files that lead to one of the `linked` folders, where nothing is hidden."""
    for item in site.iterdir() if site.is_dir() else ():
        bare = item.name.partition(".")[0]
        link = links / item.name
        if item.name in hidden or bare in hidden or link.is_symlink() or _leads_to(item, linked):
            continue
        link.symlink_to(item)


def _leads_to(item: Path, folders: Sequence[Path]) -> bool:
    """Whether a .pth file, as one virtual environment on top of another has it, names a folder."""
    if item.suffix != ".pth":
        return False
    lines = item.read_text("utf-8", errors="replace").splitlines()
    return any(Path(line.strip()) in folders for line in lines if line.strip())
