"""Commands that look at the machine: targets, probe, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.app import JsonOption, TargetOption, app, read_settings
from assistant.errors import UsageError
from assistant.render import doctor_json, strip_controls
from assistant.terminal import print_findings, print_json

if TYPE_CHECKING:
    from assistant.types import Finding, ProbeInfo, Prober


@app.command()
def targets(as_json: JsonOption = False) -> None:
    """List the Python environments that can be looked at, the default first."""
    from assistant.build import build_prober

    found = build_prober(read_settings()).targets()
    if as_json:
        rows = [
            {"name": t.name, "kind": t.kind, "label": t.label, "python": t.argv[-1]} for t in found
        ]
        print_json({"targets": rows})
        return
    for target in found:
        print(strip_controls(f"{target.name:20} {target.kind:12} {target.label}"))


@app.command()
def probe(
    name: Annotated[str | None, typer.Argument(help="Which check to run (see --list).")] = None,
    target: TargetOption = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter as name=value, also several.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the checks.")] = False,
    cell: Annotated[
        bool,
        typer.Option("--cell", help="Print a notebook cell for where the assistant cannot look."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run one read-only check of this machine."""
    from assistant.build import build_prober

    parameters = _read_parameters(given or [])
    prober = build_prober(read_settings())
    if show_list or name is None:
        _show_list(prober.probes(), as_json)
    elif cell:
        _print_cell(prober, name)
    else:
        findings = prober.run([name], target=target, parameters=parameters)
        _show_findings(prober, findings, target, as_json)
        _leave_by(findings, strict=False)


@app.command()
def doctor(
    target: TargetOption = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="Also write a support report (zip) to read and share."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The quick diagnostic: every quick check at once. Exit code 1: something to fix."""
    from assistant.build import build_prober

    if bundle is not None and bundle.exists():
        raise UsageError(f"{bundle} is already there.", hint="Give the report another name.")
    prober = build_prober(read_settings())
    quick = [info.id for info in prober.probes() if info.quick]
    findings = prober.run(quick, target=target)
    _show_findings(prober, findings, target, as_json)
    if bundle is not None:
        _write_bundle(bundle, doctor_json(_target_name(prober, target), findings), findings)
    _leave_by(findings, strict=True)


def _read_parameters(given: list[str]) -> dict[str, str]:
    """Raises UsageError for what is not name=value."""
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name or name in found:
            raise UsageError(
                f"The parameter {text[:80]!a} cannot be used.",
                hint="Write --set name=value, each name once; `assistant probe --list` has them.",
            )
        found[name] = value
    return found


def _show_list(infos: tuple[ProbeInfo, ...], as_json: bool) -> None:
    from assistant.render import probes_json

    if as_json:
        print_json(probes_json(infos))
        return
    for info in infos:
        mark = " (a cell to copy: --cell)" if info.is_cell else ""
        print(f"{info.id:16} {info.title}{mark}: reads {info.reads}; never: {info.never}")
        for parameter in info.parameters:
            default = f" (otherwise {parameter.default})" if parameter.default else ""
            print(f"{'':16} --set {parameter.name}=…  {parameter.title}{default}")


def _print_cell(prober: Prober, name: str) -> None:
    """Raises UsageError for a check that must be told a file, or that is none."""
    cell = prober.cell(name)
    if not cell:
        offered = ", ".join(info.id for info in prober.probes() if prober.cell(info.id))
        raise UsageError(f"There is no cell for {name[:60]!a}.", hint=f"Choose one of: {offered}.")
    print(cell, end="")


def _target_name(prober: Prober, target: str | None) -> str:
    """The name of the environment that was looked at."""
    return target or next((place.name for place in prober.targets()), "own")


def _show_findings(
    prober: Prober, findings: tuple[Finding, ...], target: str | None, as_json: bool
) -> None:
    name = _target_name(prober, target)
    if as_json:
        print_json(doctor_json(name, findings))
        return
    print_findings(findings)
    others = [place.name for place in prober.targets() if place.name != name]
    if target is None and others:
        print(f"Not looked at: {', '.join(others)}. Choose with --target NAME.", file=sys.stderr)


def _write_bundle(file: Path, shape: dict[str, object], findings: tuple[Finding, ...]) -> None:
    from assistant.bundle import build_bundle

    try:
        with file.open("xb") as stream:
            stream.write(build_bundle(shape, findings, home=str(Path.home())))
    except OSError as error:
        raise UsageError(
            f"The report cannot be written: {error}.", hint="Give a file in a folder of yours."
        ) from error
    print(f"Support report: {file}. Read report.txt in it before you share it.", file=sys.stderr)


def _leave_by(findings: tuple[Finding, ...], *, strict: bool) -> None:
    """A refused row is a usage error; with `strict` a fault that was found gives exit code 1."""
    if any(finding.status == "refused" for finding in findings):
        raise typer.Exit(2)
    if strict and any(finding.status in ("fail", "timeout") for finding in findings):
        raise typer.Exit(1)
