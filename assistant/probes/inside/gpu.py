"""Row `gpu`, inside a target: the driver, and what torch makes of the device; no CUDA context."""

import glob
import importlib
import importlib.util
import os
import platform
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.nvml import read_nvml
    from assistant.probes.inside.shared import (
        Document,
        guarded,
        in_container,
        once,
        read_text,
    )


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
