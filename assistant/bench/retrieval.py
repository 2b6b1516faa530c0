"""What finding costs: paste → matches beside the plain pipeline, and search in growing knowledge.

Both sides are measured in the same run, alternating. The plain pipeline is what one would write
first: encode the whole text, search the vector index. It refuses to know whether the matches are
right; `eval` measures that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.index import make_index
from assistant.reading import read_query
from assistant.render import render_markdown_table
from assistant.retrieval import HybridRetriever

SIZES = (50, 1_000, 10_000, 100_000)  # entries
PASSAGES = 3  # of an entry without phrases: title, symptom, explanation
_PASTES = 40  # of each kind, all different, so that nothing is remembered
_QUERIES = 30
_MEGABYTES = 5


@dataclass(frozen=True, slots=True)
class PasteTime:
    """Milliseconds for one kind of paste: ours, of which until the exact answer, and the plain."""

    kind: str
    exact: float
    ours_p50: float
    ours_p95: float
    plain_p50: float
    plain_p95: float
    stages: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """p95 of ours over p95 of the plain pipeline."""
        return self.ours_p95 / self.plain_p95


@dataclass(frozen=True, slots=True)
class SizeTime:
    """Milliseconds of one vector search among so many entries; `recall` of the flat one's best."""

    entries: int
    flat: float
    chosen: float
    kind: str
    recall: float


def time_pastes(
    retriever: HybridRetriever,
    encode: Callable[[Sequence[str]], np.ndarray],
    vectors: np.ndarray,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[PasteTime, ...]:
    """Time three kinds of paste; the plain pipeline is `encode`, then a search in `vectors`
    [n, dim]."""
    index = make_index(vectors)
    encode(["once, to load"])
    retriever.search(read_query("once, to load"))
    found = []
    for kind, make in _KINDS.items():
        ours, plain, exact, stages = [], [], [], []
        for number in range(_PASTES):
            text = make(number)
            start = clock()
            index.search(encode([text]), 5)
            plain.append(clock() - start)
            start = clock()
            query = read_query(text)
            read = clock()
            retriever.fast(query)
            fast = clock()
            retriever.search(query)
            end = clock()
            ours.append((read - start) + (end - fast))
            exact.append(fast - start)
            stages.append((read - start, end - fast))
        found.append(_paste_time(kind, ours, plain, exact, stages))
    return tuple(found)


def time_sizes(
    *, dimension: int = 384, clock: Callable[[], float] = time.perf_counter
) -> tuple[SizeTime, ...]:
    """Time vector search at each size, on generated vectors in clusters as texts have them."""
    found = []
    for entries in SIZES:
        vectors = _clustered(entries * PASSAGES, dimension)
        queries = _near(vectors[:: max(1, len(vectors) // _QUERIES)][:_QUERIES])
        flat, chosen = make_index(vectors, approximate=False), make_index(vectors)
        flat_ms, best = _time_searches(flat, queries, clock)
        chosen_ms, rows = _time_searches(chosen, queries, clock)
        kind = type(chosen).__name__.removeprefix("Index")
        found.append(SizeTime(entries, flat_ms, chosen_ms, kind, float(np.mean(rows == best))))
    return tuple(found)


def time_reading(clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds to read a log of 5 MB."""
    line = "2026-11-20 10:00:00,123 INFO step {} of the training loop took 0.{} s\n"
    text = "".join(line.format(n, n) for n in range(_MEGABYTES * 1_000_000 // 70))
    start = clock()
    read_query(text[: _MEGABYTES * 1_000_000])
    return clock() - start


def retrieval_json(
    pastes: Sequence[PasteTime], sizes: Sequence[SizeTime], reading: float
) -> dict[str, Any]:
    """All figures as one object."""
    return {
        "pastes": [
            {
                "kind": p.kind,
                "exact_ms": p.exact,
                "p50_ms": p.ours_p50,
                "p95_ms": p.ours_p95,
                "plain_p50_ms": p.plain_p50,
                "plain_p95_ms": p.plain_p95,
                "ratio_p95": p.ratio,
                "stages": dict(p.stages),
            }
            for p in pastes
        ],
        "sizes": [
            {
                "entries": s.entries,
                "flat_ms": s.flat,
                "chosen_ms": s.chosen,
                "index": s.kind,
                "recall": s.recall,
            }
            for s in sizes
        ],
        "read_5mb_seconds": reading,
    }


def render_retrieval(pastes: Sequence[PasteTime], sizes: Sequence[SizeTime], reading: float) -> str:
    """All figures as tables."""
    rows = [
        (p.kind, _ms(p.exact), _ms(p.ours_p50), _ms(p.ours_p95), _ms(p.plain_p50),
         _ms(p.plain_p95), f"{p.ratio:.2f}", ", ".join(f"{k} {v:.0%}" for k, v in p.stages.items()))
        for p in pastes
    ]  # fmt: skip
    heads = ("paste", "exact p50", "p50", "p95", "plain p50", "plain p95", "p95 ratio", "stages")
    table = render_markdown_table(heads, rows)
    by_size = render_markdown_table(
        ("entries", "flat", "chosen", "index", "same nearest"),
        [(f"{s.entries:,}", _ms(s.flat), _ms(s.chosen), s.kind, f"{s.recall:.0%}") for s in sizes],
    )
    return f"{table}\n\n{by_size}\n\nA log of {_MEGABYTES} MB is read in {reading:.2f} s."


def _one_line(number: int) -> str:
    return f"RuntimeError: The size of tensor a ({number + 40}) must match tensor b ({number + 41})"


def _traceback(number: int) -> str:
    frames = "".join(
        f'  File "/usr/lib/python3.12/site-packages/torch/nn/modules/module_{n}.py", line {n + 9}, '
        f"in call_{n}\n    return self.forward_{n}(*args, **kwargs)  # {number}\n"
        for n in range(40)
    )
    return f"Traceback (most recent call last):\n{frames}{_one_line(number)}"


def _log(number: int) -> str:
    lines = [
        f"2026-11-20 10:{n // 60 % 60:02d}:{n % 60:02d},123 INFO step {n} loss {number}.{n:04d}"
        for n in range(5000)
    ]
    return "\n".join([*lines, _traceback(number)])


_KINDS: dict[str, Callable[[int], str]] = {
    "one-line error": _one_line,
    "traceback of 40 frames": _traceback,
    "log of 5,000 lines": _log,
}


def _paste_time(
    kind: str,
    ours: Sequence[float],
    plain: Sequence[float],
    exact: Sequence[float],
    stages: Sequence[tuple[float, float]],
) -> PasteTime:
    def at(values: Sequence[float], percent: float) -> float:
        return round(1000 * float(np.percentile(values, percent)), 3)

    read, search = (sum(part) for part in zip(*stages, strict=True))
    share = {"reading": read / (read + search), "searching": search / (read + search)}
    return PasteTime(
        kind, at(exact, 50), at(ours, 50), at(ours, 95), at(plain, 50), at(plain, 95), share
    )


def _clustered(count: int, dimension: int) -> np.ndarray:
    """Unit vectors around one centre for each 30: [count, dimension] float32."""
    random = np.random.default_rng(count)
    centres = random.standard_normal((max(1, count // 30), dimension), dtype=np.float32)
    rows = centres[random.integers(len(centres), size=count)]
    rows = rows + 0.7 * random.standard_normal((count, dimension), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _near(vectors: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)
    moved = vectors + 0.02 * random.standard_normal(vectors.shape, dtype=np.float32)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)


def _time_searches(
    index: Any, queries: np.ndarray, clock: Callable[[], float]
) -> tuple[float, np.ndarray]:
    """Median milliseconds of one query, and the nearest row of each."""
    seconds, rows = [], []
    for query in queries:
        start = clock()
        _, found = index.search(query[None], 100)
        seconds.append(clock() - start)
        rows.append(found[0, 0])
    return round(1000 * float(np.median(seconds)), 3), np.array(rows)


def _ms(value: float) -> str:
    return f"{value:.2f} ms"
