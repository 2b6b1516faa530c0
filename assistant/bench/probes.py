"""What a probe costs: each row's time beside the bare command, the start of the same interpreter.

A row that uses torch stands beside a bare `import torch`. Both are measured in the same run,
alternating, so that a busy machine slows both. It refuses to know what a row finds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.bench.samples import write_samples
from assistant.bench.weights import write_weights
from assistant.errors import UsageError
from assistant.probes.collector import Collector, Failure
from assistant.probes.document import Document, get_error, get_section
from assistant.probes.registry import PROBES
from assistant.probes.row import Probe
from assistant.render import render_markdown_table
from assistant.types import Prober, Target


@dataclass(frozen=True, slots=True)
class ProbeTime:
    """Medians in seconds: `row` with its process, `bare` the interpreter alone (with torch where
    the row `needs_torch`)."""

    id: str
    row: float
    bare: float
    needs_torch: bool = False

    @property
    def ratio(self) -> float:
        """How many bare starts one run of the row takes."""
        return self.row / self.bare if self.bare else 0.0


@dataclass(frozen=True, slots=True)
class ProbeTimes:
    """What was timed, in order, and by row id why the rest was not."""

    rows: tuple[ProbeTime, ...]
    missing: Mapping[str, str]


def time_probes(
    prober: Prober,
    collector: Collector,
    *,
    target: str | None = None,
    runs: int = 3,
    rows: Sequence[Probe] = PROBES,
    clock: Callable[[], float] = time.perf_counter,
) -> ProbeTimes:
    """Time rows on a target (None: the default), heavy ones once; on files made for it.

    Raises UsageError if there is no such target.
    """
    place = _find(prober, target)
    missing = {row.id: "a cell, which runs in a notebook" for row in rows if row.cell}
    heavy = [row.id for row in rows if row.torch]
    if heavy and collector.start_bare(place, torch=True).returncode != 0:
        missing |= dict.fromkeys(heavy, "torch can't be imported there")
    with tempfile.TemporaryDirectory(prefix="assistant-bench-") as name:
        folder = Path(name)
        files = write_samples(folder)
        weights, without = write_weights(
            folder,
            {row.id for row in rows if row.id not in missing},
            image=Path(files["image"]["image"]),
        )
        missing |= without
        timed = []
        for row in (row for row in rows if row.id not in missing):
            found = _time(row, place, files | weights, collector=collector, runs=runs, clock=clock)
            if isinstance(found, ProbeTime):
                timed.append(found)
            else:
                missing[row.id] = found
    return ProbeTimes(tuple(timed), missing)


def _time(
    row: Probe,
    place: Target,
    samples: Mapping[str, Mapping[str, str]],
    *,
    collector: Collector,
    runs: int,
    clock: Callable[[], float],
) -> ProbeTime | str:
    """The times, or why the row could not do its work: what ends at once is not fast."""
    whole, bare = [], []
    for _ in range(1 if row.alone or row.network else runs):
        start = clock()
        started = collector.start_bare(place, torch=row.torch)
        bare.append(clock() - start)
        if started.returncode != 0:
            return "that Python does not start"
        start = clock()
        document, _ = collector.collect(place, [row], values=samples, folder=place.folder)
        whole.append(clock() - start)
        if reason := _find_fault(row, document, place, given=row.id in samples):
            return reason
    times = statistics.median(whole), statistics.median(bare)
    return ProbeTime(row.id, *times, needs_torch=row.torch)


def _find_fault(row: Probe, document: Document | Failure, place: Target, *, given: bool) -> str:
    """Why the run was none, '' if it was one. A row with a file of ours must have read it."""
    if isinstance(document, Failure):
        return document.summary
    section = get_section(document, "rows", row.id)
    if not section or get_error(section):
        return get_error(section) if section else "nothing was collected"
    finding = row.read(section, where=place.label)
    return finding.summary if given and finding.status in ("no_data", "refused") else ""


def bench_json(times: ProbeTimes) -> dict[str, Any]:
    """The `bench probes` object: seconds and ratios by row, and why the others have none."""
    return {
        "rows": [
            {
                "id": time.id,
                "seconds": round(time.row, 3),
                "bare": round(time.bare, 3),
                "ratio": round(time.ratio, 2),
                "command": _command(time),
            }
            for time in times.rows
        ],
        "missing": [{"id": id_, "reason": reason} for id_, reason in times.missing.items()],
    }


def render_bench(times: ProbeTimes) -> str:
    """The same as a table, and a line for each reason why a row is not in it."""
    rows = [
        [t.id, f"{t.row:.2f} s", f"{t.bare:.2f} s", f"{t.ratio:.1f}", f"`{_command(t)}`"]
        for t in times.rows
    ]
    table = render_markdown_table(("row", "with the row", "bare", "ratio", "bare command"), rows)
    named: dict[str, list[str]] = {}
    for id_, reason in times.missing.items():
        named.setdefault(reason, []).append(f"`{id_}`")
    left = [f"Not timed: {', '.join(ids)} ({reason})." for reason, ids in named.items()]
    return "\n\n".join([table.rstrip("\n"), *left]) + "\n"


def _command(time: ProbeTime) -> str:
    return 'python -c "import torch"' if time.needs_torch else "python -c pass"


def _find(prober: Prober, name: str | None) -> Target:
    for place in prober.targets():
        if name in (None, place.name):
            return place
    offered = ", ".join(place.name for place in prober.targets()) or "none"
    raise UsageError(f"There is no target {name!a}.", hint=f"Choose one of: {offered}.")
