"""The memory panel: a finding of the row `memory` as lines of text and a small curve, Markdown.

Numbers come out of the finding's facts; all its words are escaped. The curve is an image in the
text itself: Gradio's HTML element needs eval, which the CSP forbids. It refuses to know who asks
for the finding, and how often.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from assistant.types import Finding
from assistant.web.markdown import escape

SAMPLES = 60  # ten minutes
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) (MiB|GiB)")  # "22.9 GiB"
_WIDTH, _HEIGHT = 600, 90
_SHOWN = ("MemTotal", "MemAvailable", "SwapFree", "GPU processes together")
EMPTY = "Nothing was read yet."
_AGAIN = "Read again every 10 seconds while this is open and the tab is in front."
_BUSY = "This machine is busy, so it is read again only when you press Refresh."

Sample = tuple[float, float]


def read_sample(finding: Finding) -> Sample | None:
    """Return (used, total) GiB of the memory, None if the finding does not say it."""
    facts = dict(finding.facts)
    total, left = _gib(facts.get("MemTotal", "")), _gib(facts.get("MemAvailable", ""))
    return (max(0.0, total - left), total) if total and left is not None else None


def is_busy(load: float, *, cpus: int) -> bool:
    """Whether more programs want to run than there are processors: then nothing more is added."""
    return load > max(1, cpus)


def render_panel(finding: Finding, samples: Sequence[Sample], *, busy: bool = False) -> str:
    """Return the panel's Markdown; page.js reads in it whether it may ask again by itself."""
    rows = [(name, value) for name, value in finding.facts if name in _SHOWN or "process " in name]
    listed = "\n".join(f"- {_oneline(name)}: {_oneline(value)}" for name, value in rows)
    end = f"Looked at: {_oneline(finding.where)}. {_BUSY if busy else _AGAIN}"
    parts = [_oneline(finding.summary), *_plot(samples), listed, end]
    return "\n\n".join(part for part in parts if part)


def render_refusal(reason: str) -> str:
    """Return why there is nothing to see."""
    return f"Nothing was read: {_oneline(reason)}. Press Refresh."


def _plot(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Used memory over the last ten minutes, the newest at the right; the frame is all of it."""
    if not samples:
        return ()
    used, total = samples[-1]
    label = f"{used:.1f} of {total:.1f} GiB in use; {len(samples)} readings, 10 s apart"
    drawn = base64.b64encode(draw_curve(samples).encode()).decode()
    return f"![{label}](data:image/svg+xml;base64,{drawn})", escape(label)


def draw_curve(samples: Sequence[Sample]) -> str:
    """The curve as SVG; nothing but numbers goes into it."""
    step = _WIDTH / (SAMPLES - 1)
    first = _WIDTH - step * (len(samples) - 1)
    points = " ".join(
        f"{first + step * place:.1f},{_HEIGHT * (1 - used / total):.1f}"
        for place, (used, total) in enumerate(samples)
    )
    newest = f"{_WIDTH},{points.rsplit(',', 1)[1]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {_WIDTH + 4} {_HEIGHT + 4}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#8a8a8a"/>'
        f'<polyline points="{points} {newest}" fill="none" stroke="#c2410c" stroke-width="2"/>'
        f'<circle cx="{_WIDTH}" cy="{newest.rsplit(",", 1)[1]}" r="2" fill="#c2410c"/></svg>'
    )


def _gib(text: str) -> float | None:
    found = _SIZE.fullmatch(text)
    return float(found[1]) / (1024 if found[2] == "MiB" else 1) if found else None


def _oneline(text: str) -> str:
    return escape(" ".join(text.split()))
