"""Row `environment`: which interpreter this is, and what around it can make programs fail.

It refuses to know how the document was collected. Of secrets it knows only whether they are set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    combine,
    describe_visible,
    get,
    get_number,
    get_section,
    get_text,
    python_command,
)
from assistant.types import Clue, Finding

SOURCE = "sys, platform, /etc/os-release, /dev/shm, resource limits, names of variables (no values)"
_SMALL_SHM = 1 << 30  # Docker's default is 64 MiB
_LITTLE_DISK, _NO_DISK = 10 << 30, 1 << 30
_FEW_FILES = 1024
_SHM = "/dev/shm"
_OTHER_PYTHON = r"(?:another|other|wrong|different) (?:Python|environment|interpreter|kernel|venv)"


def interpret_environment(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    complaints = [
        *_shared_memory(document),
        *_disk(document),
        *_pip(document),
        *_limits(document),
    ]
    healthy = f"Python {get_text(document, 'version')} in {_kind(document)}, nothing unusual."
    verdict = combine(complaints, healthy=healthy)
    if not get_text(document, "executable"):
        verdict = Verdict("no_data", "The interpreter did not say what it is.")
    facts = _facts(document)
    return build_finding(
        "environment",
        verdict,
        where=where,
        source=SOURCE,
        facts=facts,
        clues=list(_clues(document)),
    )


def _shared_memory(document: Document) -> Iterator[Verdict]:
    if not _is_small_shm(document):
        return
    size = get_number(document, "shm", "total") or 0.0
    yield Verdict(
        "warn",
        f"Shared memory (/dev/shm) is only {as_gib(size)}: DataLoader workers hang or die.",
        "Start the container with `--ipc=host` (or `--shm-size=8g`); until then `num_workers=0`.",
        ("dataloader-hang",),
    )


def _is_small_shm(document: Document) -> bool:
    size = get_number(document, "shm", "total")
    return size is not None and size < _SMALL_SHM and get_text(document, "shm", "path") == _SHM


def _shares_ipc(document: Document) -> str:
    """Whether a container has the machine's own /dev/shm, which is half of the memory."""
    size, memory = get_number(document, "shm", "total"), get_number(document, "memory_total")
    if not get_text(document, "container") or size is None or not memory:
        return ""
    return "in force, by the size of /dev/shm" if size >= 0.4 * memory else "not in force"


def _disk(document: Document) -> Iterator[Verdict]:
    """The fullest of the disks on which downloads are kept."""
    disks = [
        (free, get_text(document, name, "path"))
        for name in ("cache", "hub_cache", "torch_cache")
        if (free := get_number(document, name, "free")) is not None
    ]
    if not disks or min(disks)[0] >= _LITTLE_DISK:
        return
    free, path = min(disks)
    yield Verdict(
        "fail" if free < _NO_DISK else "warn",
        f"Only {as_gib(free)} are free on the disk of {path}, where downloaded models are kept.",
        "Make room there before the next download.",
    )


def _clues(document: Document) -> Iterator[Clue]:
    """What this place says about the faults that the row informs."""
    size = get_number(document, "shm", "total")
    if size is not None and get_text(document, "shm", "path") == _SHM:
        small = _is_small_shm(document)
        text = f"/dev/shm is {'only ' if small else ''}{as_gib(size)} large."
        cause = r"shared memory|/dev/shm|\bshm\b|--ipc"
        yield Clue("dataloader-worker", "confirmed" if small else "ruled_out", text, cause)
    files = get_number(document, "limits", "open_files")
    if files is not None:
        few = 0 <= files < _FEW_FILES
        text = f"A process may open {'any number of' if files < 0 else f'{files:.0f}'} files."
        cause = r"open files|file descriptors|ulimit"
        yield Clue("dataloader-worker", "confirmed" if few else "ruled_out", text, cause)
    other = get_text(document, "pip_command", "interpreter")
    if get(document, "known") and other:
        foreign = os.path.dirname(other) != os.path.dirname(get_text(document, "executable"))
        text = f"The command `pip` installs into {'another' if foreign else 'this same'} Python"
        text += f": {other}." if foreign else "."
        yield Clue("missing-module", "confirmed" if foreign else "ruled_out", text, _OTHER_PYTHON)


def _pip(document: Document) -> Iterator[Verdict]:
    """Only of our own Python and of running kernels do we know the PATH that its user has."""
    python = get_text(document, "executable")
    other = get_text(document, "pip_command", "interpreter")
    if get(document, "pip", "found") is False:
        yield Verdict(
            "warn",
            "This Python has no pip.",
            f"{python_command(document)} -m ensurepip, or `apt install python3-pip` on Ubuntu.",
            ("environment-reset",),
        )
    elif get(document, "known") and other and os.path.dirname(other) != os.path.dirname(python):
        yield Verdict(
            "warn",
            f"The command `pip` installs into another Python: {other}.",
            f"Install with `{python_command(document)} -m pip install …`, or `%pip` in a notebook.",
            ("environment-reset",),
        )


def _limits(document: Document) -> Iterator[Verdict]:
    files = get_number(document, "limits", "open_files")
    if files is not None and 0 <= files < _FEW_FILES:
        yield Verdict(
            "warn",
            f"A process may open only {files:.0f} files: DataLoader workers may run out of them.",
            "Raise it in the shell that starts Jupyter: `ulimit -n 4096`.",
            ("dataloader-hang",),
        )
    encoding = get_text(document, "encoding").lower()
    if encoding and encoding not in ("utf-8", "utf8"):
        yield Verdict(
            "warn",
            f"File names are read as {encoding}, not UTF-8: names with accents fail.",
            "Set `LANG=C.UTF-8` where Jupyter is started.",
        )


def _kind(document: Document) -> str:
    """What kind of place the interpreter lives in, in words."""
    if get(document, "conda"):
        kind = "a conda environment"
    elif get_text(document, "prefix") != get_text(document, "base_prefix"):
        kind = "a virtual environment (venv)"
    else:
        kind = "no virtual environment"
    if get_text(document, "ngc"):
        return f"{kind}, in NVIDIA's container {get_text(document, 'ngc')}"
    return f"{kind}, in a container" if get_text(document, "container") else kind


def _facts(document: Document) -> Facts:
    return (
        ("python", get_text(document, "executable")),
        ("version", get_text(document, "version")),
        ("kind", _kind(document)),
        ("prefix", get_text(document, "prefix")),
        ("pip of this Python", get_text(document, "pip", "version") or "none"),
        ("first pip command", _pip_words(document)),
        ("container", get_text(document, "container") or "no"),
        ("NGC release", get_text(document, "ngc")),
        ("pip constraint", "/etc/pip/constraint.txt" if get(document, "pip_constraint") else ""),
        ("machine", get_text(document, "machine")),
        ("system", get_text(document, "system")),
        ("/dev/shm", _size(document, "shm", "total")),
        ("--ipc=host", _shares_ipc(document)),
        ("open files", _limit(document, "open_files")),
        ("locked memory", _limit(document, "locked_memory")),
        ("file name encoding", get_text(document, "encoding")),
        ("free for downloads", _size(document, "cache", "free")),
        ("free for the hub's files", _size(document, "hub_cache", "free")),
        ("CUDA_VISIBLE_DEVICES", describe_visible(document)),
        *((name, "set" if value else "not set") for name, value in _secrets(document)),
        ("hub token file", "there" if get(document, "token_file") else "none"),
    )


def _secrets(document: Document) -> list[tuple[str, bool]]:
    section = get_section(document, "secrets")
    return [(str(name), value is True) for name, value in section.items()]


def _pip_words(document: Document) -> str:
    file = get_text(document, "pip_command", "file")
    interpreter = get_text(document, "pip_command", "interpreter")
    return f"{file} (of {interpreter or 'an unknown Python'})" if file else "none"


def _size(document: Document, *path: str) -> str:
    value = get_number(document, *path)
    return "" if value is None else as_gib(value)


def _limit(document: Document, name: str) -> str:
    value = get_number(document, "limits", name)
    if value is None:
        return ""
    return "unlimited" if value < 0 else f"{value:.0f}"
