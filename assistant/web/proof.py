"""What a check says after "Fixed it": is the fault gone?

The check's own rule decides (its clues), never a guess. It refuses to know how checks are run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from assistant.evidence import find_objections, weigh_causes
from assistant.types import Entry, Finding, Query
from assistant.web.findings import render_finding
from assistant.web.markdown import escape

Proof = Literal["gone", "still there", "well", "look", "open"]
_WORDS: dict[Proof, str] = {
    "gone": "The check agrees: the fault is gone.",
    "still there": "Not yet: the check still finds it. Press “Didn't help” for what to try next.",
    "well": "The check finds nothing wrong.",
    "look": "The check cannot say whether the fault is gone, but it found something to look at.",
    "open": "The check could not tell.",
}


def judge_proof(entry: Entry, query: Query | None, findings: Sequence[Finding]) -> Proof:
    """Say what findings mean for the fault that `entry` is about."""
    if any(one.ruling == "confirmed" for one in weigh_causes(entry, query, findings)):
        return "still there"
    if find_objections(entry, query, findings):
        return "gone"
    states = {finding.status for finding in findings}
    if states & {"warn", "fail"}:
        return "look"
    return "well" if states == {"ok"} else "open"


def render_proof(proof: Proof, findings: Sequence[Finding], titles: Mapping[str, str]) -> str:
    """Write the verdict and, below it, what was found (Markdown)."""
    shown = [render_finding(one, title=titles.get(one.id, "")) for one in findings]
    return "\n\n".join([f"**{escape(_WORDS[proof])}**", *shown])
