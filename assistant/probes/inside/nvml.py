"""The part of the probe code that reads NVIDIA's management library (NVML), tolerating absences.

Like all code that runs inside a target: only the standard library, Python 3.8 to 3.14, types in
quotes, no `from __future__`. It refuses to know what the numbers mean.
"""

import importlib
import importlib.util
import warnings
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from assistant.probes.inside.shared import Document, guarded, read_text


class _Nvml:
    """The few functions of NVML that we use, by ctypes, named as in the module `pynvml`."""

    NVML_CLOCK_SM = 1

    def __init__(self) -> None:
        import ctypes

        self._c = ctypes
        self._library = ctypes.CDLL("libnvidia-ml.so.1")
        self._library.nvmlErrorString.restype = ctypes.c_char_p

        class Memory(ctypes.Structure):
            _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]

        class Utilization(ctypes.Structure):
            _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]

        class ProcessInfo(ctypes.Structure):
            _fields_ = [
                ("pid", ctypes.c_uint),
                ("usedGpuMemory", ctypes.c_ulonglong),
                ("gpuInstanceId", ctypes.c_uint),
                ("computeInstanceId", ctypes.c_uint),
            ]

        self._memory, self._utilization, self._process = Memory, Utilization, ProcessInfo

    def _call(self, name: str, *arguments: "Any") -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise OSError(self._library.nvmlErrorString(code).decode("utf-8", "replace"))

    def _get(self, name: str, value: "Any", *arguments: "Any") -> "Any":
        self._call(name, *arguments, self._c.byref(value))
        return value

    def _text(self, name: str, *arguments: "Any") -> str:
        buffer = self._c.create_string_buffer(128)
        self._call(name, *arguments, buffer, self._c.c_uint(128))
        return str(buffer.value.decode("utf-8", "replace"))

    def nvmlInit(self) -> None:
        self._call("nvmlInit_v2")

    def nvmlSystemGetDriverVersion(self) -> str:
        return self._text("nvmlSystemGetDriverVersion")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return int(self._get("nvmlSystemGetCudaDriverVersion_v2", self._c.c_int()).value)

    def nvmlDeviceGetCount(self) -> int:
        return int(self._get("nvmlDeviceGetCount_v2", self._c.c_uint()).value)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> "Any":
        place = self._c.c_uint(index)
        return self._get("nvmlDeviceGetHandleByIndex_v2", self._c.c_void_p(), place)

    def nvmlDeviceGetName(self, device: "Any") -> str:
        return self._text("nvmlDeviceGetName", device)

    def nvmlDeviceGetCudaComputeCapability(self, device: "Any") -> "list[int]":
        major, minor = self._c.c_int(), self._c.c_int()
        name = "nvmlDeviceGetCudaComputeCapability"
        self._call(name, device, self._c.byref(major), self._c.byref(minor))
        return [major.value, minor.value]

    def nvmlDeviceGetMemoryInfo(self, device: "Any") -> "Any":
        return self._get("nvmlDeviceGetMemoryInfo", self._memory(), device)

    def nvmlDeviceGetUtilizationRates(self, device: "Any") -> "Any":
        return self._get("nvmlDeviceGetUtilizationRates", self._utilization(), device)

    def nvmlDeviceGetClockInfo(self, device: "Any", kind: int) -> int:
        value, which = self._c.c_uint(), self._c.c_uint(kind)
        return int(self._get("nvmlDeviceGetClockInfo", value, device, which).value)

    def nvmlDeviceGetPowerUsage(self, device: "Any") -> int:
        return int(self._get("nvmlDeviceGetPowerUsage", self._c.c_uint(), device).value)

    def nvmlDeviceGetComputeRunningProcesses(self, device: "Any") -> "list[Any]":
        count = self._c.c_uint(256)
        rows = (self._process * 256)()
        name = "nvmlDeviceGetComputeRunningProcesses_v3"
        self._call(name, device, self._c.byref(count), rows)
        return list(rows[: count.value])


def load_nvml() -> "Any":
    """Return the module pynvml where there is one, else our own reader; both initialised."""
    if importlib.util.find_spec("pynvml"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nvml: Any = importlib.import_module("pynvml")
    else:
        nvml = _Nvml()
    nvml.nvmlInit()
    return nvml


def read_nvml() -> "Document":
    """Ask the driver for its versions and devices; every field may be an {"error": …}."""
    nvml = guarded(load_nvml)
    if isinstance(nvml, dict):
        return nvml
    count = guarded(nvml.nvmlDeviceGetCount)
    return {
        "by": "pynvml" if not isinstance(nvml, _Nvml) else "libnvidia-ml.so.1",
        "driver": guarded(lambda: as_text(nvml.nvmlSystemGetDriverVersion())),
        "cuda": guarded(nvml.nvmlSystemGetCudaDriverVersion_v2),
        "count": count,
        "devices": [
            guarded(partial(read_device, nvml, index))
            for index in range(count if isinstance(count, int) else 0)
        ],
    }


def read_device(nvml: "Any", index: int) -> "Document":
    """Ask for one device. On unified memory `memory` is an error: that is normal there."""
    device = nvml.nvmlDeviceGetHandleByIndex(index)

    def memory() -> "Document":
        info = nvml.nvmlDeviceGetMemoryInfo(device)
        return {"total": info.total, "free": info.free, "used": info.used}

    return {
        "name": guarded(lambda: as_text(nvml.nvmlDeviceGetName(device))),
        "capability": guarded(lambda: list(nvml.nvmlDeviceGetCudaComputeCapability(device))),
        "memory": guarded(memory),
        "utilization": guarded(lambda: nvml.nvmlDeviceGetUtilizationRates(device).gpu),
        "sm_clock": guarded(lambda: nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_SM)),
        "milliwatts": guarded(lambda: nvml.nvmlDeviceGetPowerUsage(device)),
        "processes": guarded(
            lambda: [
                {
                    "pid": row.pid,
                    "name": process_name(row.pid),
                    "used": None if (row.usedGpuMemory or 0) >> 63 else row.usedGpuMemory,
                }
                for row in nvml.nvmlDeviceGetComputeRunningProcesses(device)
            ]
        ),
    }


def process_name(pid: int) -> str:
    """The short name only: a command line may hold somebody's secrets."""
    try:
        return read_text(f"/proc/{int(pid)}/comm").strip()
    except OSError:
        return ""


def as_text(value: "Any") -> str:
    """Older versions of pynvml answer bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
