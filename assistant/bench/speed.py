"""How fast and how large: one run of a model, and what several runs amount to."""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STATUS, _REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Run:
    """One answer: seconds until its first token and until its end, and how many tokens it has."""

    first: float
    total: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over runs: `first` in seconds, `rate` in tokens per second after the first token;
    `load` in seconds and `megabytes` at most, both beyond what the process held before."""

    name: str
    first: float
    rate: float
    load: float
    megabytes: float


def summarise(name: str, runs: Sequence[Run], *, load: float, megabytes: float) -> Speed:
    """Put several runs together; of each the first token is left out of the rate."""
    written = sum(run.tokens - 1 for run in runs if run.tokens > 1)
    seconds = sum(run.total - run.first for run in runs if run.tokens > 1)
    first = statistics.median(run.first for run in runs)
    return Speed(name, first, written / seconds if seconds else 0.0, load, megabytes)


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """Yields a function: the MB that this process needed at most since the block began, beyond what
    it held then; 0 where Linux does not say."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before does not hide what comes
    with suppress(OSError):
        _REFS.write_text("5")  # begins the peak anew
    before = _read("VmRSS")
    yield lambda: max(0.0, _read("VmHWM") - before)


def _read(name: str) -> float:
    with suppress(OSError, StopIteration, ValueError):
        lines = _STATUS.read_text("utf-8").splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[1]) / 1000
    return 0.0
