"""Row `memory`: how much memory is left, who holds it, and what only looks used.

It refuses to know how the document was collected. On unified memory (a DGX Spark) NVML says
NotSupported, which is normal; the verdict rests on the kernel's MemAvailable, which counts the
page cache as free, as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    get_error,
    get_number,
    get_rows,
    get_section,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "NVML (libnvidia-ml), /proc/meminfo, /proc/pressure/memory, /dev/shm; no CUDA context"
_ENTRIES = ("gpu-memory-reset", "clear-gpu-memory", "batch-size")
_LOW, _VERY_LOW = 0.15, 0.05  # share of the memory that is left
_CACHE_SHARE = 0.2  # page cache worth a word
_PRESSURE = 10.0  # percent of the last 10 s in which every program waited for memory

_LARGE_KERNEL = 1 << 30
_MOST_KERNELS = 10
_HELD = (
    r"(?:other|another|previous|earlier|old) (?:\w+ )?(?:process|program|notebook|kernel|model|run)"
    r"|not (?:been )?(?:released|freed)|still (?:holds?|held|in memory|loaded)|leftover|zombie"
    r"|(?:something|somebody|someone) else (?:still )?holds"
)
_TOO_LITTLE = r"out of memory|too little|not enough|insufficient|\bRAM\b|exhausted"

# full avg10=0.00 avg60=0.00 avg300=0.00 total=0
_FULL_PRESSURE = re.compile(r"full avg10=(\d+\.\d+)")
_UNIFIED_NAME = re.compile(r"\bGB10\b|\bThor\b|\bOrin\b")


def interpret_memory(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict, facts = _judge(document), _facts(document)
    clues = list(_clues(document, verdict))
    return build_finding("memory", verdict, where=where, source=SOURCE, facts=facts, clues=clues)


def is_unified(document: Document) -> bool:
    """Whether GPU and CPU share one memory, by name or by what NVML cannot say on Arm."""
    devices = get_rows(document, "nvml", "devices")
    return any(
        _UNIFIED_NAME.search(get_text(device, "name"))
        or ("not supported" in _memory_error(device) and get_text(document, "machine") == "aarch64")
        for device in devices
    )


def read_available(document: Document) -> tuple[float, float] | None:
    """Return (left, total) bytes of main memory; huge pages count alone where there are any."""
    info = get_section(document, "meminfo")
    total, left = get_number(info, "MemTotal"), get_number(info, "MemAvailable")
    if not total or left is None:
        return None
    huge, size = get_number(info, "HugePages_Total"), get_number(info, "Hugepagesize")
    if huge and size and is_unified(document):
        return (get_number(info, "HugePages_Free") or 0.0) * size * 1024, huge * size * 1024
    return left * 1024, total * 1024


def _judge(document: Document) -> Verdict:
    main = read_available(document)
    cards = [] if is_unified(document) else _cards(document)
    if main is None and not cards:
        return Verdict("no_data", "Neither the driver nor /proc/meminfo said how much is left.")
    words, shares = [], []
    for name, left, total in cards:
        words.append(f"{as_gib(left)} of {as_gib(total)} are free on {name}.")
        shares.append(left / total)
    if main is not None:
        what = "memory shared by GPU and CPU" if is_unified(document) else "main memory"
        words.append(f"{as_gib(main[0])} of {as_gib(main[1])} {what} are available.")
        shares.append(main[0] / main[1])
    words.append(_cache_words(document))
    summary = " ".join(filter(None, words))
    pressed = _pressure(document) >= _PRESSURE
    if min(shares) >= _LOW and not pressed:
        return Verdict("ok", summary)
    status = "fail" if min(shares) < _VERY_LOW else "warn"
    if pressed:
        summary += " Programs are waiting for memory right now."
    return Verdict("fail" if status == "fail" else "warn", summary, _advice(document), _ENTRIES)


def _advice(document: Document) -> str:
    """Which process to shut down: the one that holds most, by the name a learner knows it by, and
    which come next."""
    kernels = {pid: notebook for _, pid, notebook in _kernels(document)}
    holders = sorted(_holders(document), reverse=True)
    if holders:
        used, pid, name = holders[0]
        if pid in kernels:
            return (
                f"The kernel of {kernels[pid]} (process {pid}) holds most on the GPU: "
                f"{as_gib(used)}. Shut it down if you need it no more.{_next_words(holders)}"
            )
        holder = f"Process {pid} ({name or 'name unknown'}) holds most on the GPU: {as_gib(used)}. "
        notebook = "If it is a notebook of yours that you need no more, shut its kernel down."
        return f"{holder}{notebook}{_next_words(holders)}"
    largest = sorted(_kernels(document), reverse=True)
    if largest and largest[0][0] >= _LARGE_KERNEL:
        used, pid, notebook = largest[0]
        return (
            f"Of your notebooks {notebook} (process {pid}) holds most: {as_gib(used)}. Shut its "
            "kernel down if you need it no more."
        )
    return "Shut down the kernels of notebooks that you need no more; this assistant ends nothing."


def _next_words(holders: list[tuple[float, str, str]]) -> str:
    named = [f"{pid} ({name or 'name unknown'}) {as_gib(used)}" for used, pid, name in holders[1:4]]
    large = [text for text, holder in zip(named, holders[1:], strict=False) if holder[0] >= _SOME]
    return f" Then come: {', '.join(large)}." if large else ""


def _clues(document: Document, verdict: Verdict) -> Iterator[Clue]:
    """What memory says about running out of it. That there is room now rules others' use out
    only where we see who holds what; it says nothing about the failed run itself."""
    holders = sorted(_holders(document), reverse=True)
    if verdict.status in ("warn", "fail"):
        for topic in ("out-of-memory", "process-killed"):
            yield Clue(topic, "confirmed", verdict.summary, _TOO_LITTLE)
        if holders:
            yield Clue("out-of-memory", "confirmed", _advice(document), _HELD)
    elif verdict.status == "ok" and get_rows(document, "nvml", "devices"):
        if not holders:
            text = "No process holds GPU memory now."
            yield Clue("out-of-memory", "ruled_out", text, _HELD)
        elif sum(used for used, _, _ in holders) < _LARGE_KERNEL:
            text = f"Programs on the GPU hold only {as_gib(sum(h[0] for h in holders))} together."
            yield Clue("out-of-memory", "ruled_out", text, _HELD)
    if cache := _cache_words(document):
        yield Clue("out-of-memory", "ruled_out", cache, r"\bleak")


_SOME = 64 << 20  # bytes on the GPU that are worth a word


def _cards(document: Document) -> list[tuple[str, float, float]]:
    """Return (name, free, total) of the devices that have a memory of their own."""
    found = []
    for device in get_rows(document, "nvml", "devices"):
        free, total = get_number(device, "memory", "free"), get_number(device, "memory", "total")
        if free is not None and total:
            found.append((get_text(device, "name") or "the GPU", free, total))
    return found


def _holders(document: Document) -> list[tuple[float, str, str]]:
    """Return (bytes, pid, name) of the processes that hold GPU memory."""
    return [
        (get_number(process, "used") or 0.0, get_text(process, "pid"), get_text(process, "name"))
        for device in get_rows(document, "nvml", "devices")
        for process in get_rows(device, "processes")
    ]


def _kernels(document: Document) -> list[tuple[float, str, str]]:
    """Return (bytes, pid, notebook) of the running Jupyter kernels of this user."""
    return [
        (
            get_number(row, "bytes") or 0.0,
            get_text(row, "pid"),
            get_text(row, "notebook") or "a notebook",
        )
        for row in get_rows(document, "kernels")
    ]


def _cache_words(document: Document) -> str:
    """Say 'cache, not a leak' when much of what looks used is page cache."""
    info = get_section(document, "meminfo")
    total, free = get_number(info, "MemTotal"), get_number(info, "MemFree")
    left = get_number(info, "MemAvailable")
    if not total or free is None or left is None or (left - free) / total < _CACHE_SHARE:
        return ""
    words = f"{as_gib((left - free) * 1024)} that look used are page cache, not a leak."
    if is_unified(document):
        words += " torch.cuda.mem_get_info() counts them as used, wrongly."
    return words


def _pressure(document: Document) -> float:
    found = _FULL_PRESSURE.search(get_text(document, "pressure"))
    return float(found[1]) if found else 0.0


def _memory_error(device: Document) -> str:
    """The driver's words in lower case, whichever of the two readers asked."""
    return get_error(device, "memory").lower().replace("not_supported", "not supported")


def _facts(document: Document) -> Facts:
    info = get_section(document, "meminfo")
    kib = {name: get_number(info, name) for name in info}
    sizes = [
        (name, as_gib(value * 1024))
        for name, value in kib.items()
        if value is not None and name in _SHOWN
    ]
    shm = get_number(document, "shm", "total")
    holders = [
        (
            f"GPU process {pid}",
            f"{name or 'name unknown'}: {as_gib(used) if used else 'size not said'}",
        )
        for used, pid, name in sorted(_holders(document), reverse=True)
    ]
    limit = get_number(document, "cgroup_limit")
    return (
        ("NVML", _nvml_words(document)),
        *sizes,
        ("pressure (full, last 10 s)", f"{_pressure(document):.1f}%" if shm is not None else ""),
        ("/dev/shm", as_gib(shm) if shm is not None else ""),
        ("container limit", as_gib(limit) if limit else ""),
        ("huge pages", _huge_words(kib)),
        *holders,
        *(
            (f"kernel {pid}", f"{notebook}: {as_gib(used)} of main memory")
            for used, pid, notebook in sorted(_kernels(document), reverse=True)[:_MOST_KERNELS]
        ),
        ("torch.cuda.mem_get_info()", _torch_words(document)),
        (
            "GPU processes together",
            as_gib(sum(h[0] for h in _holders(document))) if holders else "",
        ),
    )


def _huge_words(info: Mapping[str, float | None]) -> str:
    """Memory that is set aside as huge pages; '' if there are none."""
    count, size = info.get("HugePages_Total"), info.get("Hugepagesize")
    if not count or not size:
        return ""
    free = info.get("HugePages_Free") or 0.0
    return f"{as_gib(count * size * 1024)}, {as_gib(free * size * 1024)} free"


_SHOWN = ("MemTotal", "MemAvailable", "MemFree", "Cached", "SReclaimable", "SwapTotal", "SwapFree")


def _torch_words(document: Document) -> str:
    """What torch said, if it was asked; on unified memory its free half misses the cache."""
    free, total = (get_number(document, "asked_torch", name) for name in ("free", "total"))
    if free is None or total is None:
        return get_error(document, "asked_torch")
    return f"{as_gib(free)} of {as_gib(total)} free"


def _nvml_words(document: Document) -> str:
    if error := get_error(document, "nvml"):
        return f"not readable: {error}"
    if any("not supported" in _memory_error(d) for d in get_rows(document, "nvml", "devices")):
        if is_unified(document):
            return "memory: Not Supported, which is normal on unified memory"
        return "memory: Not Supported by this device"
    return get_text(document, "nvml", "by")
