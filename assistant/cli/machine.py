"""Commands that look at the machine: probe, doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.app import JsonOption, TargetOption, app, read_settings
from assistant.render import doctor_json
from assistant.terminal import print_findings, print_json

if TYPE_CHECKING:
    from assistant.types import Finding


@app.command()
def probe(
    name: Annotated[str | None, typer.Argument(help="Which probe to run.")] = None,
    target: TargetOption = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the probes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run one read-only check of this machine."""
    from assistant.build import build_prober
    from assistant.render import probes_json

    prober = build_prober(read_settings())
    if show_list or name is None:
        if as_json:
            print_json(probes_json(prober.probes()))
            return
        for info in prober.probes():
            print(f"{info.id:12} {info.title}: reads {info.reads}; never {info.never}")
        return
    findings = prober.run([name], target=target)
    _show_findings(findings, target, as_json)
    _leave_by(findings)


@app.command()
def doctor(target: TargetOption = None, as_json: JsonOption = False) -> None:
    """The quick diagnostic: every check at once."""
    from assistant.build import build_prober

    prober = build_prober(read_settings())
    findings = prober.run([info.id for info in prober.probes()], target=target)
    _show_findings(findings, target, as_json)
    _leave_by(findings)


def _show_findings(findings: tuple[Finding, ...], target: str | None, as_json: bool) -> None:
    if as_json:
        print_json(doctor_json(target or "own", findings))
    else:
        print_findings(findings)


def _leave_by(findings: tuple[Finding, ...]) -> None:
    """A refused row is a usage error; what a probe found is not a failure of the command."""
    if any(finding.status == "refused" for finding in findings):
        raise typer.Exit(2)
