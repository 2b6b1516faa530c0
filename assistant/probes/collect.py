"""The code that runs inside a target: it only collects raw data, and prints one JSON document.

`source.py` puts it behind `nvml.py` and a first line that takes the current folder off the path;
it gets one argument, a JSON order {rows, marker, folder, home, packages}. It imports the standard
library and, for the row `gpu`, torch; packages are looked up, never imported; the working folder is
listed, never imported from. It opens no CUDA context. Each part is guarded, so that one failure
does not lose the others.

It refuses to know what the data mean, and the rest of this product. It is written for Python 3.8 to
3.14: hence the types in quotes, and no `from __future__`.
"""

import glob
import importlib.machinery
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import time
import warnings
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from assistant.probes.nvml import guarded, read_nvml, read_text

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
# Standard modules whose name a learner's file may carry without harm.
HARMLESS_NAMES = ("test", "this", "antigravity", "idlelib", "turtledemo", "lib2to3")


# --- rows ----------------------------------------------------------------------------------------


def collect_gpu(order: "Mapping[str, Any]") -> "Document":
    """The device, its driver, and what torch makes of it."""
    return {
        "executable": sys.executable,
        "nvml": once("nvml", read_nvml),
        "driver_file": guarded(lambda: read_text("/proc/driver/nvidia/version")[:300]),
        "device_files": sorted(glob.glob("/dev/nvidia*"))[:20],
        "torch": guarded(read_torch),
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "machine": platform.machine(),
        "container": in_container(),
    }


def read_torch() -> "Document":
    """Import torch and ask it, without a CUDA context."""
    if importlib.util.find_spec("torch") is None:
        return {"found": False}
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # asks the driver without using it
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        torch = importlib.import_module("torch")
        available = guarded(torch.cuda.is_available)
    return {
        "found": True,
        "file": getattr(torch, "__file__", None),
        "version": str(getattr(torch, "__version__", "")),
        "cuda": torch.version.cuda,
        "hip": getattr(torch.version, "hip", None),
        "available": available,
        "architectures": guarded(lambda: read_architectures(torch)),
        "warnings": [str(warning.message)[:500] for warning in heard[:5]],
    }


def read_architectures(torch: "Any") -> "list[str]":
    """Older versions list none while no device is available; the build flags are there anyway."""
    flags = torch.cuda.get_arch_list()
    return list(flags) if flags else str(torch._C._cuda_getArchFlags() or "").split()


def collect_memory(order: "Mapping[str, Any]") -> "Document":
    """Memory as the kernel and the driver count it."""
    return {
        "meminfo": guarded(read_meminfo),
        "pressure": guarded(lambda: read_text("/proc/pressure/memory")),
        "shm": guarded(lambda: read_disk("/dev/shm")),
        "cgroup_limit": guarded(read_memory_limit),
        "nvml": once("nvml", read_nvml),
        "machine": platform.machine(),
        "container": in_container(),
    }


def read_meminfo() -> "Document":
    """The lines of /proc/meminfo in kB; HugePages_* are counts."""
    wanted = re.compile(
        r"^(MemTotal|MemFree|MemAvailable|Cached|SReclaimable|Swap\w+|Huge\w+):\s+(\d+)", re.M
    )
    return {name: int(number) for name, number in wanted.findall(read_text("/proc/meminfo"))}


def read_memory_limit() -> "int | None":
    """The container's limit in bytes (it does not see CUDA memory), None if there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = "/sys/fs/cgroup/" + name
        if os.path.exists(path):
            text = read_text(path).strip()
            return int(text) if text.isdigit() and int(text) < 1 << 60 else None
    return None


def collect_packages(order: "Mapping[str, Any]") -> "Document":
    """Which packages this interpreter would import, and from where."""
    names = [str(name) for name in order["packages"]]
    return {
        "executable": sys.executable,
        "packages": {name: guarded(partial(read_package, name)) for name in names},
        "folder": str(order["folder"]),
        "shadows": guarded(lambda: find_shadows(str(order["folder"]), names)),
        "machine": platform.machine(),
    }


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
            if re.match(r"torch\b(?!vision)", str(line)) and ";" not in str(line)
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


def find_shadows(folder: str, names: "Sequence[str]") -> "list[Document]":
    """Files of the working folder that are imported in place of a package or standard module."""
    found = []
    for entry in sorted(os.listdir(folder))[:5000]:
        path = os.path.join(folder, entry)
        name = entry.split(".")[0] if os.path.isfile(path) else entry
        if not takes_place(path, entry):
            continue
        if name in names or is_standard(name):
            found.append({"name": name, "file": path, "standard": name not in names})
    return found


def takes_place(path: str, entry: str) -> bool:
    """A package folder needs __init__.py: without it an installed package goes first."""
    suffixes = tuple(importlib.machinery.all_suffixes())
    return os.path.isfile(os.path.join(path, "__init__.py")) or (
        os.path.isfile(path) and entry.endswith(suffixes)
    )


def is_standard(name: str) -> bool:
    """Built-in modules are not counted: no file can take their place."""
    if name in HARMLESS_NAMES or name in sys.builtin_module_names:
        return False
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return name in names
    library = os.path.join(os.path.dirname(os.__file__), name)
    return os.path.isfile(library + ".py") or os.path.isfile(os.path.join(library, "__init__.py"))


def collect_environment(order: "Mapping[str, Any]") -> "Document":
    """The interpreter and what surrounds it."""
    home = str(order["home"])
    return {
        "executable": sys.executable,
        "version": platform.python_version(),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
        "pip": guarded(lambda: read_package("pip")),
        "pip_command": guarded(read_pip_command),
        "container": in_container(),
        "ngc": os.environ.get("NVIDIA_PYTORCH_VERSION"),
        "pip_constraint": os.path.isfile("/etc/pip/constraint.txt"),
        "machine": platform.machine(),
        "system": guarded(read_system),
        "shm": guarded(lambda: read_disk("/dev/shm")),
        "limits": guarded(read_limits),
        "locale": {n: os.environ.get(n) for n in ("LANG", "LC_ALL", "LC_CTYPE")},
        "encoding": sys.getfilesystemencoding(),
        "cache": guarded(lambda: read_disk(os.path.join(home, ".cache"))),
        "token_file": os.path.isfile(os.path.join(home, ".cache", "huggingface", "token")),
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def read_pip_command() -> "Document":
    """Which interpreter the first `pip` on the PATH belongs to: its first line says so."""
    path = shutil.which("pip")
    if path is None:
        return {"file": None, "interpreter": None}
    with open(path, "rb") as file:
        first = file.readline(1000).decode("utf-8", "replace").strip()
    found = re.match(r"#!\s*(/\S*python[\d.]*)\s*$", first)
    return {"file": path, "interpreter": found.group(1) if found else None}


def read_system() -> "str | None":
    """The system's name, e.g. Ubuntu 24.04.3 LTS."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', read_text("/etc/os-release"), re.M)
    return found.group(1) if found else None


def read_limits() -> "Document":
    """Limits of a process here; -1 is unlimited."""
    import resource

    return {
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "locked_memory": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
    }


# --- shared --------------------------------------------------------------------------------------


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


_KNOWN: "dict[str, Any]" = {}


def once(name: str, part: "Callable[[], Any]") -> "Any":
    """Two rows read the driver; it is asked once."""
    if name not in _KNOWN:
        _KNOWN[name] = guarded(part)
    return _KNOWN[name]


COLLECTORS = {
    "environment": collect_environment,
    "packages": collect_packages,
    "memory": collect_memory,
    "gpu": collect_gpu,  # last, because it imports torch
}


def main(text: str) -> None:
    """Run the ordered rows, print the document between two markers, and leave at once."""
    sys.path[:] = [entry for entry in sys.path if entry != os.getcwd()]
    order = json.loads(text)
    document: Document = {"python": platform.python_version(), "rows": {}, "seconds": {}}
    for name, collect in COLLECTORS.items():
        if name in order["rows"]:
            start = time.perf_counter()
            document["rows"][name] = guarded(partial(collect, order))
            document["seconds"][name] = round(time.perf_counter() - start, 3)
    marker = str(order["marker"])
    sys.stdout.write("\n" + marker + json.dumps(document) + marker + "\n")
    sys.stdout.flush()
    os._exit(0)  # a library that hangs or crashes at exit does not matter any more
