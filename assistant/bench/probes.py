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
from assistant.errors import UsageError
from assistant.probes.collector import Collector
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


def time_probes(
    prober: Prober,
    collector: Collector,
    *,
    target: str | None = None,
    runs: int = 3,
    rows: Sequence[Probe] = PROBES,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[ProbeTime, ...]:
    """Time rows on a target (None: the default), heavy ones once; without those that need weights.

    Raises UsageError if there is no such target.
    """
    place = _find(prober, target)
    with tempfile.TemporaryDirectory(prefix="assistant-bench-") as folder:
        samples = write_samples(Path(folder))
        chosen = [row for row in rows if not row.cell and (row.id in samples or not row.needs_path)]
        return tuple(
            _time(row, place, samples, collector=collector, runs=runs, clock=clock)
            for row in chosen
        )


def _time(
    row: Probe,
    place: Target,
    samples: Mapping[str, Mapping[str, str]],
    *,
    collector: Collector,
    runs: int,
    clock: Callable[[], float],
) -> ProbeTime:
    whole, bare = [], []
    for _ in range(1 if row.alone or row.network else runs):
        start = clock()
        collector.start_bare(place, torch=row.torch)
        bare.append(clock() - start)
        start = clock()
        collector.collect(place, [row], values=samples, folder=place.folder)
        whole.append(clock() - start)
    times = statistics.median(whole), statistics.median(bare)
    return ProbeTime(row.id, *times, needs_torch=row.torch)


def bench_json(times: Sequence[ProbeTime]) -> dict[str, Any]:
    """The `bench probes` object: seconds and ratios by row."""
    return {
        "rows": [
            {
                "id": time.id,
                "seconds": round(time.row, 3),
                "bare": round(time.bare, 3),
                "ratio": round(time.ratio, 2),
                "command": _command(time),
            }
            for time in times
        ]
    }


def render_bench(times: Sequence[ProbeTime]) -> str:
    """The same as a table."""
    rows = [
        [t.id, f"{t.row:.2f} s", f"{t.bare:.2f} s", f"{t.ratio:.1f}", f"`{_command(t)}`"]
        for t in times
    ]
    return render_markdown_table(("row", "with the row", "bare", "ratio", "bare command"), rows)


def _command(time: ProbeTime) -> str:
    return 'python -c "import torch"' if time.needs_torch else "python -c pass"


def _find(prober: Prober, name: str | None) -> Target:
    for place in prober.targets():
        if name in (None, place.name):
            return place
    offered = ", ".join(place.name for place in prober.targets()) or "none"
    raise UsageError(f"There is no target {name!a}.", hint=f"Choose one of: {offered}.")
