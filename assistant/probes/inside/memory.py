"""Row `memory`, inside a target: memory as the kernel and the driver count it."""

import importlib
import os
import platform
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.jupyter import find_kernel_processes
    from assistant.probes.inside.nvml import read_nvml
    from assistant.probes.inside.shared import (
        Document,
        guarded,
        in_container,
        lift_memory_limit,
        once,
        read_disk,
        read_text,
    )


def collect_memory(order: "Mapping[str, Any]") -> "Document":
    """Memory as the kernel and the driver count it."""
    return {
        "meminfo": guarded(read_meminfo),
        "pressure": guarded(lambda: read_text("/proc/pressure/memory")),
        "shm": guarded(lambda: read_disk("/dev/shm")),
        "cgroup_limit": guarded(read_memory_limit),
        "nvml": once("nvml", read_nvml),
        "kernels": guarded(lambda: [name_kernel(row) for row in find_kernel_processes()]),
        "asked_torch": guarded(ask_torch) if order["parameters"].get("context") == "yes" else None,
        "machine": platform.machine(),
        "container": in_container(),
    }


def name_kernel(row: "Mapping[str, Any]") -> "Document":
    """A running kernel with the notebook that its server named; of its variables no other."""
    words = read_text("/proc/{}/environ".format(int(row["pid"]))).split("\0")
    names = [word.partition("=")[2] for word in words if word.startswith("JPY_SESSION_NAME=")]
    notebook = os.path.basename(names[0])[:80] if names else ""
    return {"pid": row["pid"], "bytes": row["bytes"], "notebook": notebook}


def ask_torch() -> "Document":
    """Open a CUDA context, only on request: it takes memory itself."""
    lift_memory_limit()
    torch = importlib.import_module("torch")
    free, total = torch.cuda.mem_get_info()
    return {"free": free, "total": total}


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
