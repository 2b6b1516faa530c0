"""Row `gpu`: does the driver answer, and can this Python's torch use the device?

It refuses to know how the document was collected. Rules are asked in order; the first that has
something to say decides. Code for sm_120 runs on a 12.1 device (same major number), so that the
absence of sm_121 from torch's list is no fault; a list that ends at sm_90 is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from assistant.probes.document import (
    Document,
    Verdict,
    build_finding,
    describe_visible,
    get,
    get_error,
    get_number,
    get_rows,
    get_section,
    get_text,
    get_texts,
    python_command,
)
from assistant.types import Clue, Finding

SOURCE = (
    "NVML (libnvidia-ml), torch.cuda.is_available(), torch.cuda.get_arch_list(); no CUDA context"
)
_CPU_ENTRIES = ("why-ngc-container", "environment-reset")
_SLOW_MHZ = 1000  # a GB10 under load runs at about 2400 MHz
_BUSY_PERCENT = 80

_CPU_BUILD = r"CPU|x86|without CUDA|not compiled with CUDA"
_ARCHITECTURES = r"architecture|capability|sm_\d|compiled for|built for|too old"
_HIDDEN = r"CUDA_VISIBLE_DEVICES"
_NO_DRIVER = r"--gpus all|no driver|without (?:a )?driver"
_CLOCK = r"\bclocks?\b|\bpower\b"
_SLOW_ENTRIES = ("vit-training-slow", "gpu-clock-stuck")
_LOAD = r"shared (?:object|library)|cannot be loaded|CUDA 12|runtime"

# libcudart.so.12: cannot open shared object file
_LIBRARY = re.compile(r"(lib[\w+-]{1,40})\.so")
# sm_90, sm_90a, sm_120f, compute_120: kind, digits (the last is the minor version), variant
_ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


def interpret_gpu(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict = next(filter(None, (rule(document) for rule in _RULES)), None) or _healthy(document)
    return build_finding(
        "gpu",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document),
        clues=list(_clues(document)),
    )


def runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    """Whether code for `architecture` ('sm_120') runs on a device of `capability` ((12, 1))."""
    found = _ARCHITECTURE.fullmatch(architecture)
    if found is None:
        return False
    built = (int(found[2]), int(found[3]))
    if found[4] == "a":
        return built == capability
    if found[1] == "compute":
        return built <= capability
    return built[0] == capability[0] and built[1] <= capability[1]


def _torch_missing(document: Document) -> Verdict | None:
    if get(document, "torch", "found") is not False:
        return None
    return Verdict(
        "fail",
        f"PyTorch is not installed in this Python.{_device_words(document)}",
        "Choose the Python in which your notebooks run, or install torch into this one. "
        f"{_install_words(document)}",
        ("environment-reset",),
    )


def _torch_broken(document: Document) -> Verdict | None:
    error = get_error(document, "torch")
    if not error:
        return None
    if "libcudart.so.12" in error:
        advice = "This torch was built for CUDA 12, which is not here. " + _install_words(document)
    else:
        advice = "Install torch anew in this Python, and see whether a local file has its name."
    return Verdict("fail", f"`import torch` fails: {error}", advice, ("environment-reset",))


def _cpu_only(document: Document) -> Verdict | None:
    if not get_text(document, "torch", "version") or get(document, "torch", "cuda"):
        return None
    if get(document, "torch", "hip") or not _has_gpu(document):
        return None
    return Verdict(
        "fail",
        f"torch {get_text(document, 'torch', 'version')} is a CPU-only build: it cannot use "
        f"the GPU that is here.{_device_words(document)}",
        _install_words(document),
        _CPU_ENTRIES,
    )


def _hidden(document: Document) -> Verdict | None:
    value = get(document, "visible_devices")
    if value not in ("", "-1", "none") or not _has_gpu(document):
        return None
    return Verdict(
        "fail",
        f'CUDA_VISIBLE_DEVICES is set to "{value}": it hides the GPU from every program.',
        "Remove it (`unset CUDA_VISIBLE_DEVICES`) and restart the notebook's kernel.",
    )


def _driver_silent(document: Document) -> Verdict | None:
    error = get_error(document, "nvml")
    if not error and get_number(document, "nvml", "count"):
        return None
    words = f" NVML says: {error}." if error else " NVML lists no device."
    if _has_gpu(document):
        lost = "in this container, " if get_text(document, "container") else ""
        return Verdict(
            "fail",
            f"A driver is loaded on this machine, but {lost}it shows no GPU.{words}",
            "Start the container with `--gpus all`; if it worked before, recreate the container. "
            "Outside a container: restart the machine after a driver update.",
            ("why-ngc-container",),
        )
    return Verdict(
        "no_data",
        f"There is no NVIDIA driver here: everything runs on the CPU.{words}",
        "Nothing to do on a machine without a GPU. In a container: start it with `--gpus all`.",
    )


def _no_kernels(document: Document) -> Verdict | None:
    capability = _capability(document)
    listed = get_texts(document, "torch", "architectures")
    if capability is None or not listed or any(runs_on(name, capability) for name in listed):
        return None
    return Verdict(
        "fail",
        f"torch {get_text(document, 'torch', 'version')} holds no code for this device "
        f"({capability[0]}.{capability[1]}): its list ends at {listed[-1]}.",
        _install_words(document),
        _CPU_ENTRIES,
    )


def _old_driver(document: Document) -> Verdict | None:
    """The quiet way of asking does not start CUDA, so that it misses a driver that is too old."""
    built, driver = get_text(document, "torch", "cuda"), get_number(document, "nvml", "cuda")
    major = built.partition(".")[0]
    if not driver or not major.isdecimal() or int(major) <= driver // 1000:
        return None
    return Verdict(
        "warn",
        f"torch was built for CUDA {built}, but the driver only knows CUDA {_cuda_words(driver)}.",
        "Update the driver, or take a torch that was built for the driver's CUDA version.",
        _CPU_ENTRIES,
    )


def _unavailable(document: Document) -> Verdict | None:
    if get(document, "torch", "available") is True:
        return None
    heard = get_texts(document, "torch", "warnings")
    why = heard[0] if heard else get_error(document, "torch", "available")
    return Verdict(
        "fail",
        f"torch.cuda.is_available() is False although the driver answers. {why}".strip(),
        "Restart the kernel. If it stays so, compare the CUDA versions below: the driver's must "
        "not be older than torch's.",
        _CPU_ENTRIES,
    )


def _stuck_clock(document: Document) -> Verdict | None:
    busy, clock = _busy_clock(document)
    if not busy or clock >= _SLOW_MHZ:
        return None
    return Verdict(
        "warn",
        f"The GPU is {busy:.0f}% busy at only {clock:.0f} MHz: users report this when "
        "its power supply negotiated too little power.",
        "Shut down, unplug the power brick from the wall and the unit for a minute.",
        _SLOW_ENTRIES,
    )


def _busy_clock(document: Document) -> tuple[float, float]:
    """Utilisation and MHz of the slowest device under load; (0, 0) if none is: an idle one rests
    at a low clock."""
    found = []
    for device in get_rows(document, "nvml", "devices"):
        clock, busy = get_number(device, "sm_clock"), get_number(device, "utilization")
        if clock and busy and busy >= _BUSY_PERCENT:
            found.append((clock, busy))
    clock, busy = min(found, default=(0.0, 0.0))
    return busy, clock


_RULES: tuple[Callable[[Document], Verdict | None], ...] = (
    _torch_missing,
    _torch_broken,
    _cpu_only,
    _hidden,
    _driver_silent,
    _no_kernels,
    _old_driver,
    _unavailable,
    _stuck_clock,
)


def _healthy(document: Document) -> Verdict:
    version = get_text(document, "torch", "version")
    return Verdict("ok", f"torch {version} can use the GPU.{_device_words(document)}")


def _clues(document: Document) -> Iterator[Clue]:
    """What torch and the device say about the faults that this row informs."""
    version = get_text(document, "torch", "version")
    error = get_error(document, "torch")
    if found := _LIBRARY.search(error):
        text = f"`import torch` fails in this Python too: {error}"
        yield Clue("missing-library", "confirmed", text, rf"{found[1]}|CUDA|library")
    elif version:
        yield Clue("missing-library", "ruled_out", f"torch {version} can be imported.", _LOAD)
    if version and not get(document, "torch", "cuda") and not get(document, "torch", "hip"):
        text = f"torch {version} is a CPU-only build."
        for topic in ("cpu-only-torch", f"torch_version={version}"):
            yield Clue(topic, "confirmed", text, _CPU_BUILD)
    elif version:
        text = f"torch {version} was built for CUDA {get_text(document, 'torch', 'cuda')}."
        yield Clue("cpu-only-torch", "ruled_out", text, _CPU_BUILD)
    yield from _access_clues(document)
    busy, clock = _busy_clock(document)
    for topic in _SLOW_ENTRIES if busy else ():
        text = f"The GPU is {busy:.0f}% busy at {clock:.0f} MHz."
        yield Clue(topic, "confirmed" if clock < _SLOW_MHZ else "ruled_out", text, _CLOCK)
    capability = _capability(document)
    if capability and (bad := _no_kernels(document)):
        yield Clue("no-kernel-image", "confirmed", bad.summary, _ARCHITECTURES)
    elif capability and get_texts(document, "torch", "architectures"):
        name = f"{capability[0]}.{capability[1]}"
        text = _harmless_words(document) or f"torch {version} holds code for this device ({name})"
        yield Clue("no-kernel-image", "ruled_out", f"{text}.", _ARCHITECTURES)


def _access_clues(document: Document) -> Iterator[Clue]:
    """What stands between a sound torch and the GPU."""
    if get_number(document, "nvml", "count"):
        text = f"The driver answers.{_device_words(document)}"
        yield Clue("cpu-only-torch", "ruled_out", text, _NO_DRIVER)
    elif get_text(document, "container") and get_section(document, "nvml"):
        text = "No driver answers in this container."
        yield Clue("cpu-only-torch", "confirmed", text, _NO_DRIVER)
    if hidden := _hidden(document):
        yield Clue("cpu-only-torch", "confirmed", hidden.summary, _HIDDEN)
    elif get(document, "known") and get(document, "visible_devices") is None:
        text = "CUDA_VISIBLE_DEVICES is not set."
        yield Clue("cpu-only-torch", "ruled_out", text, _HIDDEN)


def _has_gpu(document: Document) -> bool:
    """NVML may be silent in a container while the kernel's driver file is there."""
    return bool(
        get_number(document, "nvml", "count")
        or get_text(document, "driver_file")
        or get_texts(document, "device_files")
    )


def _capability(document: Document) -> tuple[int, int] | None:
    for device in get_rows(document, "nvml", "devices"):
        match get(device, "capability"):
            case [int(major), int(minor)]:
                return major, minor
    return None


def _device_words(document: Document) -> str:
    names = [get_text(device, "name") for device in get_rows(document, "nvml", "devices")]
    return f" Device: {', '.join(names)}." if any(names) else ""


def _install_words(document: Document) -> str:
    """How to get a build that fits; wheels for Arm hold CUDA since torch 2.11."""
    pip = f"{python_command(document)} -m pip"
    if ".nv" in get_text(document, "torch", "version"):
        return "Start a newer NGC image (nvcr.io/nvidia/pytorch, 25.09 or later)."
    if get_text(document, "machine") == "aarch64":
        return (
            f'Install a CUDA 13 build: `{pip} install --upgrade "torch>=2.11" torchvision` '
            "(before 2.11 the wheels for Arm on PyPI were CPU-only), or use the NGC container."
        )
    return f"Install a CUDA build: `{pip} install --upgrade torch torchvision`."


def _harmless_words(document: Document) -> str:
    """Say of the known scare what it is, when the list holds a near relative of the device."""
    capability = _capability(document)
    if capability is None:
        return ""
    listed = get_texts(document, "torch", "architectures")
    exact = f"sm_{capability[0]}{capability[1]}"
    fitting = [name for name in listed if runs_on(name, capability)]
    if exact in listed or not fitting:
        return ""
    number = f"{capability[0]}.{capability[1]}"
    return (
        f"{exact} is not in the list and need not be: {fitting[-1]} runs on {number}, "
        f"a warning that names {number} is harmless"
    )


def _facts(document: Document) -> list[tuple[str, str]]:
    capability = _capability(document)
    cuda = get_number(document, "nvml", "cuda")
    version = get_text(document, "torch", "version")
    devices = get_rows(document, "nvml", "devices")
    return [
        ("device", ", ".join(get_text(device, "name") for device in devices)),
        ("compute capability", f"{capability[0]}.{capability[1]}" if capability else ""),
        ("driver", get_text(document, "nvml", "driver")),
        ("CUDA of the driver", _cuda_words(cuda) if cuda else ""),
        ("torch", version + (" (NVIDIA's own build)" if ".nv" in version else "")),
        ("CUDA of torch", get_text(document, "torch", "cuda")),
        ("torch.cuda.is_available()", _as_yes(get(document, "torch", "available"))),
        ("architectures", " ".join(get_texts(document, "torch", "architectures"))),
        ("harmless", _harmless_words(document)),
        ("CUDA_VISIBLE_DEVICES", describe_visible(document)),
        ("torch warned", " / ".join(get_texts(document, "torch", "warnings"))),
        ("torch from", get_text(document, "torch", "file")),
    ]


def _cuda_words(version: float) -> str:
    """NVML's 12090 is CUDA 12.9."""
    return f"{int(version) // 1000}.{int(version) % 1000 // 10}"


def _as_yes(value: object) -> str:
    return str(value) if isinstance(value, bool) else ""
