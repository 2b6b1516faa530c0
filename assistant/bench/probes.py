"""What a probe costs: each row's time beside the bare start of the same interpreter.

Both are measured in the same run, alternating, so that a busy machine slows both. It refuses to
know what a row finds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.errors import UsageError
from assistant.probes.collector import Collector
from assistant.probes.registry import PROBES
from assistant.probes.row import Probe
from assistant.render import render_markdown_table
from assistant.types import Prober, Target


@dataclass(frozen=True, slots=True)
class ProbeTime:
    """Medians in seconds: `row` with its process, `bare` an interpreter that does nothing."""

    id: str
    row: float
    bare: float

    @property
    def ratio(self) -> float:
        """How many bare starts one run of the row takes."""
        return self.row / self.bare if self.bare else 0.0


def time_probes(
    prober: Prober,
    collector: Collector,
    *,
    target: str | None = None,
    runs: int = 3,
    rows: Sequence[Probe] = PROBES,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[ProbeTime, ...]:
    """Time the quick rows on a target (None: the default). Raises UsageError if there is none."""
    place = _find(prober, target)
    found = []
    for row in rows:
        if not row.quick:
            continue
        whole, bare = [], []
        for _ in range(runs):
            bare.append(_time(collector, place, [], clock))
            whole.append(_time(collector, place, [row], clock))
        found.append(ProbeTime(row.id, statistics.median(whole), statistics.median(bare)))
    return tuple(found)


def bench_json(times: Sequence[ProbeTime]) -> dict[str, Any]:
    """The `bench probes` object: seconds and ratios by row."""
    return {
        "rows": [
            {
                "id": time.id,
                "seconds": round(time.row, 3),
                "bare": round(time.bare, 3),
                "ratio": round(time.ratio, 2),
            }
            for time in times
        ]
    }


def render_bench(times: Sequence[ProbeTime]) -> str:
    """The same as a table."""
    rows = [[t.id, f"{t.row:.2f} s", f"{t.bare:.2f} s", f"{t.ratio:.1f}"] for t in times]
    return render_markdown_table(("row", "with the row", "bare start", "ratio"), rows)


def _find(prober: Prober, name: str | None) -> Target:
    for place in prober.targets():
        if name in (None, place.name):
            return place
    offered = ", ".join(place.name for place in prober.targets()) or "none"
    raise UsageError(f"There is no target {name!a}.", hint=f"Choose one of: {offered}.")


def _time(
    collector: Collector, place: Target, rows: Sequence[Probe], clock: Callable[[], float]
) -> float:
    start = clock()
    if rows:
        collector.collect(place, rows, values={}, folder=place.folder)
    else:
        collector.start_bare(place)
    return clock() - start
