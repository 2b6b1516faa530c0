"""Takes secrets out of a finding before anybody sees it. It refuses to know what was found."""

from __future__ import annotations

from dataclasses import replace

from assistant.redact import redact
from assistant.types import Finding


def mask_finding(finding: Finding) -> Finding:
    """The finding with every secret in its texts masked; paths and proxies may hold some."""
    return replace(
        finding,
        summary=redact(finding.summary),
        next=redact(finding.next),
        facts=tuple((redact(name), redact(value)) for name, value in finding.facts),
        clues=tuple(replace(clue, text=redact(clue.text)) for clue in finding.clues),
    )
