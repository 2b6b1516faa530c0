"""Row `dataloader`: do DataLoader workers deliver here, and if not, why?

It refuses to know how the document was collected. The error's own words decide; that a run worked
rules shared memory out only for batches as large as the ones that were tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    get,
    get_number,
    get_rows,
    get_section,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "torch.utils.data.DataLoader over zeros, 0 and 2 workers, in a process of its own"
_TOPIC = "dataloader-worker"
_ENTRIES = ("dataloader-hang",)
_SMALL_SHM = 1 << 30  # Docker's default is 64 MiB
_SHARED_CAUSE = r"shared memory|/dev/shm|\bshm\b|shm-size|--ipc|\bIPC\b"
_ROOM = "Start the container with `--ipc=host` or `--shm-size=8g`; until then `num_workers=0`."

# RuntimeError: unable to allocate shared memory(shm) for file </torch_9_1>: No space left on
# device (28) / DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that …
_NO_ROOM = re.compile(
    r"No space left on device|shared memory|Bus error|unable to write to file </t"
)
# DataLoader timed out after 10 seconds
_TIMED_OUT = re.compile(r"timed out after")
# DataLoader worker (pid 9) is killed by signal: Killed.
_SIGNAL = re.compile(r"killed by signal: (\w[\w ]{0,30})")
# DataLoader worker (pid(s) 9) exited unexpectedly
_EXITED = re.compile(r"exited unexpectedly")
# OSError: [Errno 24] Too many open files / received 0 items of ancdata
_FILES = re.compile(r"Too many open files|ancdata|unable to open shared memory object")
# Can't get attribute 'Pets' on <module '__main__'> / cannot pickle 'module' object
_PICKLE = re.compile(r"Can't get attribute|[Cc]an't pickle|cannot pickle|Can't find")


def interpret_dataloader(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict, clues = _judge(document)
    facts = _facts(document)
    return build_finding(
        "dataloader", verdict, where=where, source=SOURCE, facts=facts, clues=clues
    )


def _judge(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    if get(document, "found") is False:
        return Verdict("fail", "PyTorch is not installed in this Python."), ()
    runs = get_rows(document, "runs")
    if not runs:
        return Verdict("no_data", "No DataLoader could be tried here."), ()
    last = runs[-1]
    if get(last, "ok") is not True:
        return _failed(document, last)
    if not get_number(last, "workers"):
        return Verdict("no_data", "Only loading without workers could be tried here."), ()
    if get_text(last, "skipped"):
        return _untested(document)
    return _worked(document, last)


def _failed(document: Document, run: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    """Say why a run failed, by the error's words."""
    said = f"{get_text(run, 'error_text', 'kind')}: {get_text(run, 'error_text', 'text')}"
    if not get_number(run, "workers"):
        words = f"Loading fails even without workers: {said}"
        return Verdict("fail", words, "The workers are not to blame.", ()), ()
    if _NO_ROOM.search(said):
        return _no_room(document, run, said)
    if _TIMED_OUT.search(said):
        return _hangs(document)
    if _FILES.search(said):
        words = f"DataLoader workers run out of open files: {said}"
        advice = "`ulimit -n 65535` where Jupyter is started."
        clue = Clue(_TOPIC, "confirmed", words, r"open files|file descriptors?|ulimit")
        return Verdict("fail", words, advice, _ENTRIES), (clue,)
    if _PICKLE.search(said):
        words = f"What is loaded cannot be handed to a worker: {said}"
        return Verdict("fail", words, _start_advice(document), _ENTRIES), ()
    found = _SIGNAL.search(said)
    if found is not None or _EXITED.search(said):
        return _killed(found[1].strip() if found else "")
    return Verdict("fail", f"DataLoader workers fail here: {said}", "", _ENTRIES), ()


def _killed(signal: str) -> tuple[Verdict, tuple[Clue, ...]]:
    """The kernel kills by the signal named Killed when memory runs out; others say less."""
    how = f"killed from outside ({signal})" if signal else "gone without a word"
    words = f"A DataLoader worker was {how}."
    advice = "Most often the machine ran out of memory: fewer workers, smaller batches."
    clue = Clue(_TOPIC, "confirmed", words, r"out of memory|memory ran out|\bOOM\b|killed")
    return Verdict("fail", words, advice, _ENTRIES), (clue,) if signal == "Killed" else ()


def _no_room(document: Document, run: Document, said: str) -> tuple[Verdict, tuple[Clue, ...]]:
    size = get_number(document, "shm", "total")
    words = (
        f"Two DataLoader workers found too little shared memory for {_size(run)} of images: "
        f"/dev/shm is {as_gib(size) if size is not None else 'of unknown size'}."
    )
    clue = Clue(_TOPIC, "confirmed", f"{words} {said}"[:280], _SHARED_CAUSE)
    return Verdict("fail", words, _ROOM, _ENTRIES), (clue,)


def _hangs(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    """It hangs without any code of the learner's."""
    words = "Two DataLoader workers started and gave nothing within 10 seconds: they hang."
    advice = "Use `num_workers=0` until then; restart the kernel and the container."
    clues = [Clue(_TOPIC, "confirmed", words, r"\bdeadlock|\bforks?\b|\block\b")]
    if (get_number(document, "shm", "free") or 0) >= _SMALL_SHM:
        room = f"{_shm_words(document)}: it is large enough."
        clues.append(Clue(_TOPIC, "ruled_out", room, _SHARED_CAUSE))
    return Verdict("fail", words, advice, _ENTRIES), tuple(clues)


def _untested(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    """Other programs use shared memory, which we did not fill; its size still says something."""
    size = get_number(document, "shm", "total")
    words = f"Two DataLoader workers work with small batches. {_shm_words(document)}"
    if size is not None and size < _SMALL_SHM:
        words += ", too little for batches of photos; it is in use, so that this was not tried."
        clue = Clue(_TOPIC, "confirmed", words, _SHARED_CAUSE)
        return Verdict("warn", words, _ROOM, _ENTRIES), (clue,)
    words += ", in use by other programs, so that large batches were not tried."
    return Verdict("ok", words), ()


def _worked(document: Document, run: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    words = f"Two DataLoader workers deliver {_size(run)} of images here."
    clue = Clue(_TOPIC, "ruled_out", f"{words} {_shm_words(document)}.", _SHARED_CAUSE)
    if get_text(document, "start_method") in ("", "fork"):
        advice = "If your own loader hangs, its Dataset does: try it with `num_workers=0`."
        return Verdict("ok", words, advice), (clue,)
    words += f" This Python starts workers by {get_text(document, 'start_method')[:20]}."
    return Verdict("warn", words, _start_advice(document), _ENTRIES), (clue,)


def _start_advice(document: Document) -> str:
    """Workers that are started anew import what they need; a notebook cannot be imported."""
    method = get_text(document, "start_method")[:20] or "spawn"
    return (
        f"With the start method {method} a worker cannot see classes defined in a notebook cell: "
        "put the Dataset into a .py file beside the notebook and import it, or pass "
        '`multiprocessing_context="fork"`.'
    )


def _size(run: Document) -> str:
    return as_gib(get_number(run, "bytes") or 0.0)


def _shm_words(document: Document) -> str:
    total, free = (get_number(document, "shm", name) for name in ("total", "free"))
    if total is None or free is None:
        return "The size of /dev/shm is unknown"
    return f"/dev/shm is {as_gib(total)}, {as_gib(free)} of it free"


def _facts(document: Document) -> Facts:
    files = get_number(document, "limits", "open_files")
    return (
        ("python", get_text(document, "executable")),
        ("torch", get_text(document, "torch")),
        *_run_facts(document),
        ("/dev/shm", _shm_words(document) if get_section(document, "shm") else ""),
        ("start method", get_text(document, "start_method")),
        ("sharing strategy", get_text(document, "sharing")),
        ("open files", f"{files:.0f}" if files is not None and files >= 0 else ""),
        ("processors", get_text(document, "processors")),
    )


def _run_facts(document: Document) -> Iterator[tuple[str, str]]:
    for run in get_rows(document, "runs")[:6]:
        workers, seconds = get_number(run, "workers") or 0, get_number(run, "seconds") or 0
        ending = f"worked, {seconds:.1f} s" if get(run, "ok") is True else ""
        ending = ending or get_text(run, "error_text", "text") or "failed"
        ending = get_text(run, "skipped") or ending
        yield f"{workers:.0f} workers, {_size(run)}", ending
