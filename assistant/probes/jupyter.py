"""Row `jupyter`: which servers and kernels this user runs, with which interpreter, which are dead.

It refuses to know how the document was collected, and what is in a notebook. Tokens and keys are
never in the document.
"""

from __future__ import annotations

from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    combine,
    get,
    get_number,
    get_rows,
    get_text,
    get_texts,
)
from assistant.types import Finding

SOURCE = "Jupyter's runtime files (no token, no key) and /proc of this user's processes"
_ENTRIES = ("gpu-memory-reset", "clear-gpu-memory", "environment-reset")
_LARGE = 8 << 30  # bytes of one kernel that are worth a word
_MOST = 12  # rows that are shown


def interpret_jupyter(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    complaints = [*_gone(document), *_stuck(document), *_dead(document), *_large(document)]
    verdict = combine(complaints, healthy=_healthy(document))
    if get(document, "proc") is not True:
        verdict = Verdict("no_data", "This system does not list its processes.")
    facts = _facts(document)
    return build_finding("jupyter", verdict, where=where, source=SOURCE, facts=facts)


def _healthy(document: Document) -> str:
    servers, kernels = _living(document), get_rows(document, "kernels")
    if not servers and not kernels:
        return "No Jupyter server or kernel of this user runs here."
    pythons = len({get_text(kernel, "interpreter") for kernel in kernels})
    words = f"{_count(len(servers), 'server')} and {_count(len(kernels), 'kernel')} run"
    return (
        f"{words}, the kernels with {pythons} different interpreters."
        if pythons > 1
        else f"{words}."
    )


def _gone(document: Document) -> Iterator[Verdict]:
    """The file of a running interpreter was replaced or removed: its environment was rebuilt."""
    for kernel in get_rows(document, "kernels"):
        if get(kernel, "gone") is True:
            yield Verdict(
                "fail",
                f"The kernel {get_text(kernel, 'pid')} runs {get_text(kernel, 'interpreter')}, "
                "which was removed or replaced since it started.",
                "Restart that kernel.",
                ("environment-reset",),
            )


def _stuck(document: Document) -> Iterator[Verdict]:
    """T is stopped, Z is dead and not yet collected."""
    words = {"T": "is stopped", "Z": "is dead"}
    for kernel in get_rows(document, "kernels"):
        state = words.get(get_text(kernel, "state"))
        if state:
            pid = get_text(kernel, "pid")
            yield Verdict("warn", f"The kernel {pid} {state}.", "Restart it in Jupyter.", _ENTRIES)


def _dead(document: Document) -> Iterator[Verdict]:
    dead = [row for row in get_rows(document, "servers") if get(row, "alive") is not True]
    if dead and not _living(document) and not get_rows(document, "kernels"):
        yield Verdict(
            "warn",
            f"{_count(len(dead), 'server')} left a file behind but no longer run: Jupyter crashed "
            "or was killed.",
            "Start Jupyter again; if it dies while training, look at the row `memory`.",
            _ENTRIES,
        )


def _large(document: Document) -> Iterator[Verdict]:
    for kernel in get_rows(document, "kernels"):
        size = get_number(kernel, "bytes") or 0
        if size >= _LARGE:
            yield Verdict(
                "warn",
                f"The kernel {get_text(kernel, 'pid')} in {get_text(kernel, 'folder')} holds "
                f"{as_gib(size)} of main memory.",
                "If you need that notebook no more, shut its kernel down.",
                _ENTRIES,
            )


def _living(document: Document) -> list[Document]:
    return [row for row in get_rows(document, "servers") if get(row, "alive") is True]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _facts(document: Document) -> Facts:
    kernels = get_rows(document, "kernels")
    own = get_text(document, "executable")
    dead = [row for row in get_rows(document, "servers") if get(row, "alive") is not True]
    left = len(get_texts(document, "left_over"))
    return (
        ("runtime folder", get_text(document, "folder")),
        *((f"server {get_text(row, 'pid')}", _server(row)) for row in _living(document)[:_MOST]),
        *((f"kernel {get_text(row, 'pid')}", _kernel(row, own)) for row in kernels[:_MOST]),
        ("dead servers", ", ".join(get_text(row, "pid") for row in dead[:_MOST])),
        ("files of ended kernels", f"{left}, harmless" if left else ""),
    )


def _server(row: Document) -> str:
    port = get_text(row, "port")
    parts = [f"port {port}" if port else "", get_text(row, "root"), get_text(row, "interpreter")]
    return ", ".join(filter(None, parts))


def _kernel(row: Document, own: str) -> str:
    python, size = get_text(row, "interpreter"), get_number(row, "bytes")
    same = " (this Python)" if python and python == own else ""
    parts = [f"{python}{same}", get_text(row, "folder"), as_gib(size) if size else ""]
    return ", ".join(filter(None, parts))
