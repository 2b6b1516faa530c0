"""What the rows share inside a target, and `main`: collect, print one JSON document, leave.

`source.py` joins the files that the ordered rows need into one text for `python -c`, with a first
line that takes the current folder off the path. It gets one argument, a JSON order {rows, marker,
folder, roots, home, packages, parameters, paths, variables, address_bytes}; `variables` are those
that the learner's programs see, as HOME and caches point elsewhere here. Each part is guarded, so
that one failure does not lose the others.

It refuses to know what the data mean, and the rest of this product. Like every file in this folder
it imports only the standard library at its top, and is written for Python 3.8 to 3.14: hence the
types in quotes, and no `from __future__`. All files become one text: no name is defined twice.
"""

import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import time
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Document = dict[str, Any]

DISTRIBUTIONS = {
    "segment_anything": ["segment-anything"],
    "lap": ["lap", "lapx"],
    "cv2": [
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ],
}


def main(text: str) -> None:
    """Run the ordered rows, print the document between two markers, and leave at once."""
    order = json.loads(text)
    folder = str(order["folder"] or os.getcwd())
    sys.path[:] = [entry for entry in sys.path if entry not in (os.getcwd(), folder)]
    sys.path[:0] = [str(entry) for entry in order.get("paths") or [] if entry != folder]
    guarded(partial(limit_memory, order.get("address_bytes")))
    document = collect_rows(dict(order, folder=folder, home=order["home"] or home_folder()))
    marker = str(order["marker"])
    sys.stdout.write("\n" + marker + json.dumps(document, default=str) + marker + "\n")
    sys.stdout.flush()
    os._exit(0)  # a library that hangs or crashes at exit does not matter any more


def collect_rows(order: "Mapping[str, Any]") -> "Document":
    """Each row by its own function `collect_<row>`, which sees its own parameters only."""
    document: Document = {"assistant_probe": 1, "python": platform.python_version()}
    document["rows"], document["seconds"] = {}, {}
    for name in order["rows"]:
        mine = dict(order, parameters=(order.get("parameters") or {}).get(name) or {})
        start = time.perf_counter()
        document["rows"][name] = guarded(partial(collect_row, str(name), mine))
        document["seconds"][name] = round(time.perf_counter() - start, 3)
    return document


def collect_row(name: str, order: "Mapping[str, Any]") -> "Any":
    """One row's raw data."""
    return globals()["collect_" + name.replace("-", "_")](order)


def limit_memory(size: "int | None") -> None:
    """Bound the address space; not asked for where torch is imported, which needs tens of GB."""
    if size:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))


def lift_memory_limit() -> None:
    """Take the bound away, before a row imports what a parameter asks for."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def home_folder() -> str:
    """The real home of this user, also where HOME points elsewhere."""
    return os.path.expanduser("~")


def guarded(part: "Callable[[], Any]") -> "Any":
    """Return what `part` returns, or {"error": …} when it fails in whatever way."""
    try:
        return part()
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def read_text(path: str) -> str:
    """Read the beginning of a small text file."""
    with open(path, "rb") as file:
        return file.read(65536).decode("utf-8", "replace")


def in_container() -> "str | None":
    """What says that this is a container, None if nothing does."""
    for path in ("/.dockerenv", "/run/.containerenv"):
        if os.path.exists(path):
            return path
    groups = guarded(lambda: read_text("/proc/1/cgroup"))
    found = re.search(r"docker|kubepods|containerd|libpod|lxc", str(groups))
    return "/proc/1/cgroup: " + found.group(0) if found else None


def read_disk(path: str) -> "Document":
    """Size and free space of the disk that holds `path`, or would hold it."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    usage = shutil.disk_usage(path)
    return {"path": path, "total": usage.total, "free": usage.free}


def read_package(name: str) -> "Document":
    """Look a top-level package up without importing it."""
    spec = importlib.util.find_spec(name)
    version, distribution = read_version(name)
    if spec is None:
        return {"found": False, "version": version, "distribution": distribution}
    file = spec.origin if spec.has_location else None
    return {
        "found": True,
        "file": file,
        "folders": [str(place) for place in (spec.submodule_search_locations or [])][:3],
        "version": version,
        "distribution": distribution,
        "build": guarded(lambda: read_build(file)),
        "requires": [
            line
            for line in (guarded(lambda: metadata.requires(distribution)) or [])
            if re.match(r"(torch|numpy)(?![\w-])", str(line)) and ";" not in str(line)
        ],
    }


def read_version(name: str) -> "Sequence[Any]":
    """Version and distribution name of an import name, (None, name) if not installed."""
    for distribution in DISTRIBUTIONS.get(name, [name]):
        try:
            return metadata.version(distribution), distribution
        except Exception:
            continue
    return None, name


def read_build(file: "str | None") -> "str | None":
    """Read `__version__ = '2.14.1+cu130'` from the package's version.py, without running it."""
    path = os.path.join(os.path.dirname(file or ""), "version.py")
    if not file or not os.path.isfile(path):
        return None
    found = re.search(r"^__version__\s*(?::\s*\w+)?\s*=\s*['\"]([^'\"]+)", read_text(path), re.M)
    return found.group(1) if found else None


_KNOWN: "dict[str, Any]" = {}


def once(name: str, part: "Callable[[], Any]") -> "Any":
    """Two rows read the driver; it is asked once."""
    if name not in _KNOWN:
        _KNOWN[name] = guarded(part)
    return _KNOWN[name]
