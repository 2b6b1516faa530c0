"""What an answer costs: until the fix, until the first token, per token, in memory; in one run.

Ours stands beside a plain `model.generate` with the same weights and beside llama.cpp with the same
model as GGUF, on the same prompts, one after the other so that none disturbs the next. It refuses
to know whether the words are good.
"""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assistant.answer import build_fix
from assistant.bench.speed import Run, Speed, peak_memory, summarise
from assistant.prompts import build_prompt
from assistant.reading import read_query
from assistant.render import render_markdown_table
from assistant.retrieval import HybridRetriever
from assistant.types import Entry, Message, Token

Prompts = Sequence[Sequence[Message]]
Generate = Callable[[Sequence[Message]], Run]

_FIXES = 40
_ENTRIES = 4  # different ones; each is asked by two people
_PASTES = (
    "ModuleNotFoundError: No module named 'timm'",
    "RuntimeError: The size of tensor a ({n}) must match the size of tensor b (23) at "
    "non-singleton dimension 2",
    "FileNotFoundError: [Errno 2] No such file or directory: 'weights/sam_vit_b_01ec64_{n}.pth'",
    "RuntimeError: CUDA out of memory. Tried to allocate {n}.00 MiB",
)


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """Seconds to the fix for an exact signature, what each engine did, and on a GPU the part of the
    memory's speed that writing reaches (0.0 if not measured)."""

    fix_p50: float
    fix_p95: float
    speeds: tuple[Speed, ...]
    device: str
    bandwidth_share: float = 0.0

    def ratio(self, name: str) -> float:
        """Our tokens per second over those of another engine, 0.0 if it was not measured."""
        ours, other = self._find("ours, beginnings known"), self._find(name)
        return ours.rate / other.rate if ours and other and other.rate else 0.0

    def _find(self, name: str) -> Speed | None:
        return next((speed for speed in self.speeds if speed.name == name), None)


class Speaks(Protocol):
    """What of a backend is measured."""

    def generate(self, messages: Sequence[Message], *, cancel: threading.Event) -> Any:
        """Yield tokens and places in the line."""


def time_fixes(
    retriever: HybridRetriever,
    entries: Mapping[str, Entry],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median and 95th percentile of paste → fix where the message decides; each text is new."""
    seconds = []
    for number in range(_FIXES):
        text = _paste(number)
        start = clock()
        query = read_query(text)
        found = retriever.fast(query)
        build_fix(entries[found.matches[0].id], query)
        seconds.append(clock() - start)
    ordered = sorted(seconds[len(_PASTES) :])
    return statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]


def make_prompts(
    retriever: HybridRetriever, entries: Mapping[str, Entry], *, tiny: bool
) -> tuple[Prompts, Prompts]:
    """Prompts of one person for each of a few entries, and of another person for the same ones."""
    groups: list[list[tuple[Message, ...]]] = []
    for person in (0, 1):
        queries = [read_query(_paste(_ENTRIES * person + n)) for n in range(_ENTRIES)]
        found = [(q, entries[retriever.fast(q).matches[0].id]) for q in queries]
        groups.append([build_prompt(query, entry, tiny=tiny) for query, entry in found])
    return groups[0], groups[1]


def time_engine(
    name: str,
    make: Callable[[], Generate],
    prompts: Prompts,
    *,
    before: Prompts = (),
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Load an engine, let it answer `before` unmeasured (one prompt at least), then `prompts`."""
    gc.collect()
    with peak_memory() as megabytes:
        start = clock()
        generate = make()
        load = clock() - start
        for prompt in before or prompts[:1]:
            generate(prompt)
        runs = [generate(prompt) for prompt in prompts]
        return summarise(name, runs, load=load, megabytes=megabytes())


def run_backend(
    backend: Speaks,
    count: Callable[[str], int],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Generate:
    """How a backend of ours answers one prompt."""

    def generate(messages: Sequence[Message]) -> Run:
        start, first, pieces = clock(), 0.0, []
        for piece in backend.generate(messages, cancel=threading.Event()):
            if isinstance(piece, Token):
                first = first or clock() - start
                pieces.append(piece.text)
        return Run(first, clock() - start, count("".join(pieces)))

    return generate


def answers_json(times: AnswerTimes) -> dict[str, Any]:
    """The `bench answers` object."""
    return {
        "device": times.device,
        "fix_ms": {"p50": _round(1000 * times.fix_p50), "p95": _round(1000 * times.fix_p95)},
        "engines": [
            {
                "name": speed.name,
                "load_seconds": _round(speed.load),
                "first_token_seconds": _round(speed.first),
                "tokens_per_second": _round(speed.rate),
                "peak_mb": _round(speed.megabytes),
                "our_ratio": _round(times.ratio(speed.name)),
            }
            for speed in times.speeds
        ],
        "bandwidth_share": _round(times.bandwidth_share) if times.bandwidth_share else None,
    }


def render_answers(times: AnswerTimes) -> str:
    """The same as text."""
    rows = [
        (
            speed.name,
            f"{speed.load:.2f} s",
            f"{speed.first:.3f} s",
            f"{speed.rate:.1f}",
            f"{speed.megabytes:.0f} MB",
            f"{times.ratio(speed.name):.2f}",
        )
        for speed in times.speeds
    ]
    heads = ("engine", "load", "first token", "tokens/s", "peak memory", "ours / it")
    share = (
        f"\nWriting reaches {times.bandwidth_share:.0%} of what the memory's copy speed allows."
        if times.bandwidth_share
        else "\nThe share of the memory's speed was not measured: no GPU here; run this there."
    )
    fix = f"Paste to fix: p50 {1000 * times.fix_p50:.1f} ms, p95 {1000 * times.fix_p95:.1f} ms."
    return f"On {times.device}. {fix}\n\n{render_markdown_table(heads, rows)}\n{share}"


def _paste(number: int) -> str:
    text = _PASTES[number % len(_PASTES)].format(n=number + 24)
    return f"person {number} asks about this:\n{text}"


def _round(value: float) -> float:
    return round(value, 4)
