"""The help packet: what was asked, found and tried, with versions, as Markdown for an instructor.

Masked. It imports nothing that a broken installation could break: versions come from what is
written about the installed packages. It refuses to know where turns are kept.
"""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from assistant.records import Record
from assistant.redact import redact
from assistant.render import MARKS, strip_controls
from assistant.types import Finding

PACKAGES = (
    "torch", "torchvision", "timm", "ultralytics", "segment-anything", "transformers", "numpy",
    "opencv-python", "opencv-python-headless", "lap", "pillow", "cv-troubleshooter",
)  # fmt: skip
_TICKS = re.compile(r"`{3,}")
_SPECIAL = re.compile(r"[\\`*_\[\]#|~<>&]")  # what means something in Markdown or HTML
_LONGEST = 20_000  # characters of one question; the error stands at the end
_STATUS = {
    "answer": "a sure match",
    "likely": "a likely match, not a certain one",
    "abstain": "the guide has no entry for it",
}


def render_packet(turns: Sequence[Record], versions: Mapping[str, str], *, now: float) -> str:
    """Markdown with a section for each turn, the first one first, then the versions.

    `versions` maps names of packages and systems to their versions; `now` is seconds since 1970.
    """
    parts = ["# Help packet", f"Made by the troubleshooting assistant on {_day(now)}."]
    for number, turn in enumerate(turns, start=1):
        parts.extend(_turn(turn, f"## Question {number}" if len(turns) > 1 else "## Question"))
    lines = "\n".join(f"{name:<24} {version}" for name, version in versions.items())
    parts += ["## Versions", _fence(lines)]
    return redact(strip_controls("\n\n".join(part for part in parts if part))) + "\n"


def read_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions by name, this Python and system first; no package is imported."""
    found = {"Python": platform.python_version(), "system": platform.platform()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed in the assistant's Python"
    return found


def _turn(turn: Record, title: str) -> list[str]:
    shown = turn.text if len(turn.text) <= _LONGEST else f"[…]\n{turn.text[-_LONGEST:]}"
    broken = " The answer was broken off." if turn.state != "done" else ""
    parts = [title, f"Asked on {_day(turn.when)}.{broken}", _fence(shown)]
    parts += ["### What the assistant found", f"Status: {_STATUS[turn.status]}."]
    if turn.matches and turn.status == "abstain":
        parts.append("The nearest entries, none of which was near enough:")
    if turn.matches:
        parts.append("\n".join(f"- {_escape(one.title)} (`{one.id}`)" for one in turn.matches))
    parts += ["### What was tried", _tried(turn)]
    if turn.findings:
        parts += ["### What checks of the machine said", *(_finding(one) for one in turn.findings)]
    return parts


def _tried(turn: Record) -> str:
    lines = [f"- `{id_}`: it did not help" for id_ in turn.tried]
    if turn.shown and turn.fix is not None:
        said = "it helped" if turn.outcome == "fixed" else "shown; not said whether it helped"
        lines.append(f"- `{turn.shown}`: {said}")
    return "\n".join(lines) or "Nothing yet."


def _finding(finding: Finding) -> str:
    head = f"{MARKS[finding.status]} **{_escape(finding.id)}**: {_escape(finding.summary)}"
    if finding.where:
        head += f" (looked at: {_escape(finding.where)})"
    facts = "\n".join(f"{name:<24} {value}" for name, value in finding.facts)
    return f"{head}\n\n{_fence(facts)}" if facts else head


def _fence(text: str) -> str:
    """A block whose fence is longer than any run of backticks in it."""
    ticks = "`" * max([3, *(len(run) + 1 for run in _TICKS.findall(text))])
    return f"{ticks}text\n{text.strip()}\n{ticks}"


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found[0], " ".join(text.split()))


def _day(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
