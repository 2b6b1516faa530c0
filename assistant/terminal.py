"""Events and findings as plain terminal text.

Everything that comes from a person, a model or a machine has its control codes taken out. Knows no
commands and decides nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from assistant.events import (
    Done,
    Event,
    Fix,
    Loading,
    Notice,
    Offered,
    Probed,
    Question,
    Retrieved,
    Sentence,
)
from assistant.figures import describe_figures
from assistant.render import (
    MARKS,
    render_markdown_table,
    render_match,
    render_provenance,
    strip_controls,
)
from assistant.types import Finding


class FixFirst:
    """Puts a sure answer before the line that says which entry it is: what to do comes first.

    A likely one is called likely before it is read.
    """

    def __init__(self) -> None:
        self._held: Retrieved | None = None

    def order(self, event: Event) -> tuple[Event, ...]:
        """The events to print now."""
        if isinstance(event, Retrieved):
            self._held = event if event.final and event.status == "answer" else None
            return () if self._held else (event,)
        if self._held is None or isinstance(event, Loading | Notice):
            return (event,)
        held, self._held = self._held, None
        return (event, held) if isinstance(event, Fix) else (held, event)


def print_event(event: Event) -> None:
    """Print one event: the answer to standard output, what is going on to standard error."""
    match event:
        case Loading(what=what):
            print(f"(loading {what} …)", file=sys.stderr)
        case Retrieved(matches=matches, status=status, final=True) if status != "abstain":
            print(strip_controls(render_match(matches, status)))
        case Fix(fix=fix) if fix is not None:
            print_markdown(fix.text)
            if provenance := render_provenance(fix):
                print(strip_controls(f"{provenance}\n"))
        case Question(text=text):
            print(strip_controls(f"\n{text}\n"))
        case Sentence(text=text):
            print(strip_controls(text))
        case Offered(probes=probes):
            names = ", ".join(probes)
            print(f"(Checks that can tell more: {names}. assistant probe NAME)", file=sys.stderr)
        case Probed(finding=finding):
            print_findings((finding,))
            print(strip_controls(f"    read: {finding.source}"))
        case Notice(text=text):
            print(strip_controls(f"({text})"), file=sys.stderr)
        case Done(backend=backend) if backend:
            print(strip_controls(f"— explained by {backend}; the fix is the guide's own"))
        case _:
            pass


def print_markdown(text: str) -> None:
    """Print guide text: laid out in a terminal, as it stands in a pipe."""
    clean = describe_figures(strip_controls(text))
    if not sys.stdout.isatty():
        print(f"\n{clean}\n", flush=True)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(clean, hyperlinks=False))


def print_findings(findings: tuple[Finding, ...]) -> None:
    """Print what probes found, below the environment that they looked at."""
    for where in dict.fromkeys(finding.where for finding in findings):
        print(strip_controls(f"Looked at: {where}"))
    for finding in findings:
        print(strip_controls(f"{MARKS[finding.status]} {finding.id:12} {finding.summary}"))
        if finding.next:
            print(strip_controls(f"    → {finding.next}"))
        if finding.status != "ok" and finding.entries:
            print(f"    see: {', '.join(finding.entries)}")
        if finding.age:
            print(f"    read {finding.age:.0f} seconds ago")


def print_eval(shape: dict[str, Any]) -> None:
    """Print the figures of an `eval` object as tables."""
    pipelines = shape["pipelines"]
    first = next(iter(pipelines.values()))
    names = [name for name in first if not name.startswith("by_")]
    rows = [[name, *(_figure(pipelines[p][name]) for p in pipelines)] for name in names]
    print(render_markdown_table(("figure", *pipelines), rows))
    kinds = [
        [kind, str(group["cases"]), _figure(group["right_answer_rate"])]
        for kind, group in first["by_kind"].items()
    ]
    print("\n" + render_markdown_table(("kind", "cases", "right_answer_rate"), kinds))


def print_json(shape: dict[str, Any]) -> None:
    """Print one JSON object; control codes are escaped by JSON itself."""
    print(json.dumps(shape, ensure_ascii=False, indent=2))


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
