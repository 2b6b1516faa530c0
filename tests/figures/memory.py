"""One memory for CPU and GPU, and what a file in the cache does to its numbers."""

from __future__ import annotations

from tests.figures.svg import MARGIN, WIDTH, arrow, box, figure, labelled, shape, words

# Seen by a user on a GB10 (unslothai/unsloth issue 10704), in GiB; the total is what users'
# /proc/meminfo shows (127600748 kB, XuehaiPan/nvitop pull request 208).
TOTAL = 127_600_748 / 2**20
AVAILABLE, FREE_BEFORE, FREE_AFTER, FILE = 115.7, 103.3, 41.5, 60


def unified_memory() -> str:
    parts = [
        words(MARGIN, 30, "One memory for CPU and GPU", "h"),
        words(MARGIN, 58, "Usual PC", "b"),
        labelled(MARGIN, 66, 84, 52, "CPU", "memory", look="blue"),
        labelled(140, 66, 84, 52, "GPU", "memory", look="green"),
        arrow(104, 86, 136, 86),
        arrow(136, 98, 104, 98),
        words(MARGIN, 138, "copied back and forth", "s"),
        words(256, 58, "DGX Spark", "b"),
        labelled(256, 66, 208, 52, "one memory, 128 GB", "for CPU and GPU", look="yellow"),
        words(256, 138, f"{TOTAL:.1f} GiB for all programs", "s"),
        words(MARGIN, 174, f"What a {FILE} GiB file does to the numbers (GiB)", "b"),
        *_bar(186, FREE_BEFORE, "Before (grey: programs, orange: file cache)"),
        *_bar(300, FREE_AFTER, "After: the file is in the cache"),
        words(MARGIN, 432, "MemAvailable counts the cache as yours: trust it.", "b"),
        words(MARGIN, 452, "CUDA’s “free” is MemFree. nvidia-smi: Not Supported."),
        words(MARGIN, 474, "To scale; seen by a user on a Spark (unsloth issue 10704).", "s"),
    ]
    return figure(
        *parts,
        name="unified-memory",
        title="One memory for CPU and GPU",
        summary=f"On a DGX Spark the system, the file cache, notebooks and models share about "
        f"{TOTAL:.1f} GiB. Writing a {FILE} GiB file lowered MemFree, which CUDA calls free, from "
        f"{FREE_BEFORE} to {FREE_AFTER} GiB, while MemAvailable stayed at {AVAILABLE} GiB.",
        height=490,
    )


def _bar(top: float, free: float, title: str) -> list[str]:
    """Programs, file cache and free memory to scale, with what MemFree and MemAvailable span."""
    scale = (WIDTH - 2 * MARGIN) / TOTAL
    start, end = MARGIN + (TOTAL - AVAILABLE) * scale, WIDTH - MARGIN
    edge = end - free * scale
    cache = f"file cache {AVAILABLE - free:.1f}" if edge - start > 150 else ""
    return [
        words(MARGIN, top + 16, title, "s"),
        box(MARGIN, top + 24, start - MARGIN, 30, "grey", corner=0),
        box(start, top + 24, edge - start, 30, "orange", corner=0),
        box(edge, top + 24, end - edge, 30, "green", corner=0),
        words((start + edge) / 2, top + 44, cache, anchor="middle") if cache else "",
        words((edge + end) / 2, top + 44, f"free {free:g}", anchor="middle"),
        shape(f"M{edge:g} {top + 59:g}v6h{end - edge:g}v-6", "line"),
        words((edge + end) / 2, top + 81, f"MemFree {free:g}", "s", anchor="middle"),
        shape(f"M{start:g} {top + 59:g}v28h{end - start:g}v-28", "line"),
        words((start + end) / 2, top + 104, f"MemAvailable {AVAILABLE:g}", "b", anchor="middle"),
    ]
