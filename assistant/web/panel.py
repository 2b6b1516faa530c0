"""The memory panel: a finding of the row `memory` as a line of text and a small curve.

Numbers come out of the finding's facts; all its words are escaped. It refuses to know who asks for
the finding, and how often.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from assistant.types import Finding

SAMPLES = 60  # ten minutes
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) (MiB|GiB)")  # "22.9 GiB"
_WIDTH, _HEIGHT = 600, 90
_SHOWN = ("MemTotal", "MemAvailable", "SwapFree", "GPU processes together")
EMPTY = "<p>Nothing was read yet.</p>"

Sample = tuple[float, float]


def read_sample(finding: Finding) -> Sample | None:
    """Return (used, total) GiB of the memory, None if the finding does not say it."""
    facts = dict(finding.facts)
    total, left = _gib(facts.get("MemTotal", "")), _gib(facts.get("MemAvailable", ""))
    return (max(0.0, total - left), total) if total and left is not None else None


def render_panel(finding: Finding, samples: Sequence[Sample]) -> str:
    """Return the panel's HTML."""
    rows = [(name, value) for name, value in finding.facts if name in _SHOWN or "process " in name]
    listed = "".join(f"<li>{escape(name)}: {escape(value)}</li>" for name, value in rows)
    return (
        f"<p>{escape(finding.summary)}</p>{_plot(samples)}"
        f"<ul>{listed}</ul><p>Looked at: {escape(finding.where)}. Read again every 10 seconds "
        "while this is open and the tab is in front.</p>"
    )


def render_refusal(reason: str) -> str:
    """Return why there is nothing to see."""
    return f"<p>Nothing was read: {escape(reason)}. Press Refresh.</p>"


def _plot(samples: Sequence[Sample]) -> str:
    """Used memory over the last ten minutes, the newest at the right; the frame is all of it."""
    if not samples:
        return ""
    step = _WIDTH / (SAMPLES - 1)
    first = _WIDTH - step * (len(samples) - 1)
    points = " ".join(
        f"{first + step * place:.1f},{_HEIGHT * (1 - used / total):.1f}"
        for place, (used, total) in enumerate(samples)
    )
    used, total = samples[-1]
    label = f"{used:.1f} of {total:.1f} GiB in use; {len(samples)} readings, 10 s apart"
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" '
        f'preserveAspectRatio="none"><rect width="{_WIDTH}" height="{_HEIGHT}"/>'
        f'<polyline points="{points} {_WIDTH},{points.rsplit(",", 1)[1]}"/></svg>'
        f"<figcaption>{label}</figcaption></figure>"
    )


def _gib(text: str) -> float | None:
    found = _SIZE.fullmatch(text)
    return float(found[1]) / (1024 if found[2] == "MiB" else 1) if found else None
