"""Events to the JSON shapes of the command line and to plain terminal text. Knows no terminal.

Text for a terminal has its control codes taken out, so that nothing that a person pasted or a model
wrote can drive it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from assistant.events import (
    Done,
    Dropped,
    Event,
    Fix,
    Notice,
    Offered,
    Probed,
    Question,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.types import Entry, Finding, FixText, Match, Parameter, ProbeInfo, Status

# control codes but tab and newline; characters that hide or reorder; halves of characters
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_TIMES = ("read", "retrieve", "probe", "fix", "first_token", "total")

MARKS = {"ok": "✓", "warn": "!", "fail": "✗", "no_data": "–", "refused": "✗", "timeout": "!"}


def strip_controls(text: str) -> str:
    """Take out everything that a terminal would obey (escapes, bells, carriage returns, bidi)."""
    return _CONTROL.sub("", text)


def ask_json(events: Iterable[Event]) -> dict[str, Any]:
    """Fold a whole stream into the `ask` object; the last revision of everything counts."""
    shape: dict[str, Any] = {
        "query": {"text": "", "kind": "empty"},
        "matches": [],
        "status": "abstain",
        "answered": False,
        "fix": None,
        "text": "",
        "sentences": [],
        "dropped": [],
        "evidence": [],
        "offered": [],
        "question": None,
        "notices": [],
        "backend": "",
        "seconds": {},
    }
    for event in events:
        if isinstance(event, Understood):
            shape["query"] = {"text": event.query.text, "kind": event.query.kind}
        elif isinstance(event, Retrieved):
            shape["matches"] = [match_json(match) for match in event.matches]
        elif isinstance(event, Fix):
            shape["fix"] = fix_json(event.fix)
        elif isinstance(event, Sentence):
            citations = list(event.citations)
            shape["sentences"].append({"text": event.text, "citations": citations})
        elif isinstance(event, Dropped):
            shape["dropped"].append({"text": event.text, "reason": event.reason})
        elif isinstance(event, Probed):
            shape["evidence"].append(finding_json(event.finding))
        elif isinstance(event, Offered):
            shape["offered"] = list(event.probes)
        elif isinstance(event, Question):
            shape["question"] = {"text": event.text, "choices": list(event.choices)}
        elif isinstance(event, Notice):
            shape["notices"].append(event.text)
        elif isinstance(event, Done):
            shape["status"] = event.status
            shape["backend"] = event.backend
            seconds = dict(event.seconds)
            shape["seconds"] = {name: seconds.get(name) for name in _TIMES}
    shape["text"] = " ".join(sentence["text"] for sentence in shape["sentences"])
    shape["answered"] = shape["fix"] is not None
    return shape


def match_json(match: Match) -> dict[str, Any]:
    """One match."""
    return {
        "id": match.id,
        "title": match.title,
        "confidence": match.confidence,
        "why": list(match.why),
    }


def fix_json(fix: FixText | None) -> dict[str, Any] | None:
    """The shown fix, None when abstaining."""
    if fix is None:
        return None
    blocks = [{"language": block.language, "code": block.code} for block in fix.blocks]
    return {"entry": fix.entry, "text": fix.text, "blocks": blocks}


def render_provenance(fix: FixText) -> str:
    """Where the shown fix comes from, how far it was proven, and what it rests on; '' if nothing
    is known."""
    head = " ".join(filter(None, (f"From: {fix.origin}." if fix.origin else "", fix.proof)))
    return "\n".join(filter(None, (head, f"Sources: {fix.sources}" if fix.sources else "")))


def finding_json(finding: Finding) -> dict[str, Any]:
    """One row of `doctor`; as evidence it may be some seconds old, or pasted by a person."""
    return {
        "id": finding.id,
        "status": finding.status,
        "summary": finding.summary,
        "next": finding.next,
        "entries": list(finding.entries),
        "source": finding.source,
        "seconds": round(finding.seconds, 4),
        "where": finding.where,
        "facts": dict(finding.facts),
        **({"age": finding.age} if finding.age else {}),
        **({"pasted": True} if finding.pasted else {}),
    }


def entries_json(entries: Iterable[Entry]) -> dict[str, Any]:
    """The `entries` object."""
    return {
        "entries": [
            {
                "id": entry.id,
                "kind": entry.kind,
                "title": entry.title,
                "section": entry.section,
                "file": entry.file,
                "line": entry.line,
            }
            for entry in entries
        ]
    }


def doctor_json(target: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """The `doctor` object."""
    return {"target": target, "rows": [finding_json(finding) for finding in findings]}


def probes_json(probes: Iterable[ProbeInfo]) -> dict[str, Any]:
    """The `probe --list` object."""
    return {
        "probes": [
            {
                "id": probe.id,
                "title": probe.title,
                "reads": probe.reads,
                "parameters": [parameter_json(parameter) for parameter in probe.parameters],
                **({"is_cell": True} if probe.is_cell else {}),
            }
            for probe in probes
        ]
    }


def parameter_json(parameter: Parameter) -> dict[str, Any]:
    """One parameter of a probe; a number's limits, a choice's choices, a path's default."""
    shape: dict[str, Any] = {"name": parameter.name, "title": parameter.title}
    shape |= {"kind": parameter.kind, "default": parameter.default}
    if parameter.kind == "choice":
        shape["choices"] = list(parameter.choices)
    elif parameter.kind == "number":
        shape |= {"low": parameter.low, "high": parameter.high}
    return shape


def render_markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; '|' in cells is escaped."""
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    for row in rows:
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render_match(matches: Sequence[Match], status: Status) -> str:
    """Which entry it is, why, and which others it could be."""
    first, *others = matches
    word = "a sure match" if status == "answer" else "a likely match"
    lines = [first.title, f"  {word}: {'; '.join(first.why)}"]
    if status == "likely" and others:
        lines.append(f"  or: {'; '.join(match.title for match in others[:2])}")
    return "\n".join(lines)
