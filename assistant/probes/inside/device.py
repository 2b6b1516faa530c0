"""What the running rows share inside a target: torch if there is one, and room on its device.

It refuses to take memory that a learner's program may need: the driver and the kernel are asked
first, and without enough room the CPU is used, with the reason.
"""

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from assistant.probes.inside.memory import read_meminfo
    from assistant.probes.inside.nvml import read_nvml
    from assistant.probes.inside.shared import Document, guarded, once

CONTEXT_BYTES = 1 << 30  # what starting CUDA itself may take
UNIFIED_BYTES = 4 << 30  # one memory for all: running out freezes the whole machine


def import_or_none(name: str) -> "Any":
    """The module, None if it is not installed; whatever its own import raises is passed on."""
    return None if importlib.util.find_spec(name) is None else importlib.import_module(name)


def import_torch() -> "Any":
    """torch, None if it is not installed; without its telemetry of a driver context."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    return import_or_none("torch")


def choose_device(torch: "Any", needed: int) -> "Document":
    """Name the device on which `needed` bytes may be taken: {device, gpu, free, why}."""
    if not torch.cuda.is_available():
        return {"device": "cpu", "why": "torch sees no GPU here"}
    free, unified = free_bytes()
    wanted = needed + (UNIFIED_BYTES if unified else CONTEXT_BYTES)
    if free is None or free < wanted:
        return {"device": "cpu", "free": free, "why": "too little GPU memory is free to try it"}
    name = guarded(lambda: str(torch.cuda.get_device_name(0)))
    return {"device": "cuda", "gpu": name, "free": free, "why": ""}


def free_bytes() -> "tuple[int | None, bool]":
    """Bytes free on the fullest device, and whether GPU and CPU share one memory."""
    rows = once("nvml", read_nvml)
    devices = rows.get("devices") or [] if isinstance(rows, dict) else []
    frees = [device.get("memory", {}).get("free") for device in devices]
    if frees and all(isinstance(free, int) for free in frees):
        return min(frees), False
    return available_bytes(), True


def available_bytes() -> "int | None":
    """Main memory that programs can still get, as the kernel counts it."""
    left = guarded(read_meminfo).get("MemAvailable")
    return left * 1024 if isinstance(left, int) else None


def describe_failure(error: BaseException) -> "Document":
    """Kind and last line of an error (a worker's whole traceback stands above it), and of what
    caused it: how a worker was killed is said only there."""
    cause = error.__cause__
    text = last_line(error) + (" <- " + last_line(cause) if cause and str(cause) else "")
    return {"kind": type(error).__name__, "text": text[:290]}


def last_line(error: BaseException) -> str:
    """The last line of a message that holds something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
