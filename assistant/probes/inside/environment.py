"""Row `environment`, inside a target: the interpreter and what surrounds it; no secret's value."""

import os
import platform
import re
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.shared import (
        Document,
        guarded,
        in_container,
        read_disk,
        read_package,
        read_text,
    )


def collect_environment(order: "Mapping[str, Any]") -> "Document":
    """The interpreter and what surrounds it."""
    home = str(order["home"])
    variables = order.get("variables") or {}
    cache = str(variables.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"))
    hub = str(variables.get("HF_HOME") or os.path.join(cache, "huggingface"))
    torch_home = str(variables.get("TORCH_HOME") or os.path.join(cache, "torch"))
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
        "memory_total": guarded(lambda: os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
        "cache": guarded(lambda: read_disk(cache)),
        "hub_cache": guarded(lambda: read_disk(hub)),
        "torch_cache": guarded(lambda: read_disk(torch_home)),
        "token_file": os.path.isfile(os.path.join(hub, "token")),
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
