"""Writes a finding as evidence: what was found, what to do, where it was read, from what, and when.

Everything in it is data of a foreign program: it is escaped or fenced (see markdown.py). It refuses
to know how a finding was made and where it is shown.
"""

from __future__ import annotations

from assistant.types import Finding
from assistant.web.markdown import escape, fence

FINDING_WORDS = {
    "ok": "✓ all right",
    "warn": "! look at this",
    "fail": "✗ a problem",
    "no_data": "? could not be read",
    "refused": "– not run",
    "timeout": "– took too long, stopped",
}
_WIDEST = 32  # name that the values are lined up behind


def render_finding(finding: Finding, *, title: str = "") -> str:
    """Write a probe's finding; the first line names the Python that was looked at."""
    where = escape(finding.where) or "not said by the probe"
    pasted = " · *pasted by you*" if finding.pasted and "pasted" not in finding.where else ""
    lines = [
        f"**Looked at: {where}**{pasted}",
        f"**{escape(title or finding.id)}**: {FINDING_WORDS[finding.status]}. "
        f"{_oneline(finding.summary)}",
    ]
    if finding.next:
        lines.append(f"**Next**: {_oneline(finding.next)}")
    if finding.source:
        lines.append(f"*Read from: {_oneline(finding.source)}; {_when(finding)}*")
    if finding.facts:
        lines.append(_facts(finding))
    return "\n\n".join(lines)


def _when(finding: Finding) -> str:
    """How long it took, and how old it was when it came here."""
    if finding.pasted:
        return "when, is not known."
    age = f"read {finding.age:.0f} s before this" if finding.age >= 1 else "read just now"
    return f"{age}, in {finding.seconds:.1f} s."


def _facts(finding: Finding) -> str:
    """The values, folded; the block has a copy button."""
    width = min(_WIDEST, max(len(name) for name, _ in finding.facts))
    block = fence("\n".join(f"{name:<{width}}  {value}" for name, value in finding.facts))
    count = len(finding.facts)
    words = "1 value" if count == 1 else f"{count} values"
    return f"<details><summary>What was read ({words})</summary>\n\n{block}\n\n</details>"


def _oneline(text: str) -> str:
    return escape(" ".join(text.split()))
