"""Commands that prove guides and help to write them: verify, new-entry."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.app import JsonOption, app, read_settings
from assistant.errors import InputError, UsageError
from assistant.render import strip_controls
from assistant.terminal import print_json

if TYPE_CHECKING:
    from assistant.interpreter import Interpreter
    from assistant.types import Entry
    from assistant.verified import Verified
    from assistant.verify import Verdict

_WORDS = {True: "yes", False: "NO", None: "-"}
_SHOWN_OUTPUT = 4000


@app.command()
def verify(
    guides: Annotated[list[str] | None, typer.Argument(help="Guide files or folders.")] = None,
    entry: Annotated[list[str] | None, typer.Option(help="Only this entry, by its id.")] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Entries whose code is not the one last verified.")
    ] = False,
    sample: Annotated[bool, typer.Option("--sample", help="A fixed tenth of the entries.")] = False,
    python: Annotated[str, typer.Option(help="Path of the Python that runs the code.")] = "",
    write: Annotated[
        bool, typer.Option("--write", help="Record what held in knowledge/verified.json.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the code of guides: is each error reproduced, found and fixed?

    This runs programs that stand in the guides, with your rights. Give only guides that you trust.
    """
    from assistant.build import build_retriever, prepare_environment
    from assistant.interpreter import read_interpreter
    from assistant.library import find_guide_files, load_library, with_neighbours
    from assistant.needs import build_missing
    from assistant.verified import load_verified
    from assistant.verify import verdicts_json, verify_entries

    prepare_environment(os.environ)
    files = find_guide_files(tuple(guides or ()))
    library = load_library(with_neighbours(files))
    known = load_verified()
    asked = {path.resolve() for path in files}
    mine = [e for e in library.entries.values() if Path(e.file).resolve() in asked]
    chosen = _choose(mine, entry or (), changed=changed, sample=sample, known=known)
    for file in dict.fromkeys(e.file for e in chosen if e.proof):
        print(strip_controls(f"Running the code in {file}"), file=sys.stderr)
    environment = dict(os.environ)
    # not resolved: a virtual environment is known by the name of its link
    program = str(Path(python).absolute()) if "/" in python else python or sys.executable
    interpreter = read_interpreter(program, environment=environment)
    retriever = cache(lambda: build_retriever(read_settings())(library, True)[0])
    if any(e.proof for e in chosen):
        retriever()  # now, so that the first entry's seconds are its own
    verdicts = []
    for verdict in verify_entries(
        chosen,
        interpreter=interpreter,
        environment=environment,
        missing=build_missing(interpreter, environment),
        search=lambda query: retriever().search(query),
    ):
        verdicts.append(verdict)
        if not as_json and (verdict.kind == "error" or library.entries[verdict.id].proof):
            _print_row(verdict, with_output=bool(entry))
    if as_json:
        print_json(verdicts_json(verdicts))
    else:
        _print_summary(verdicts, known)
        _print_versions(known, interpreter)
    if write:
        _record(chosen, verdicts, interpreter=interpreter)
    raise typer.Exit(int(any(verdict.has_failed for verdict in verdicts)))


@app.command("new-entry")
def new_entry(
    to: Annotated[
        Path | None, typer.Option(help="Guide file to append to; without it, print the entry.")
    ] = None,
) -> None:
    """Ask a few questions and write the skeleton of an entry. Answers may come through a pipe."""
    from assistant.skeleton import QUESTIONS, render_new_guide, render_skeleton

    answers = {}
    for name, question in QUESTIONS.items():
        print(question, end=" ", file=sys.stderr, flush=True)
        answers[name] = sys.stdin.readline().strip()
    text = render_skeleton(answers)
    if to is None:
        print(text)
        return
    try:
        head = "" if to.exists() and to.stat().st_size else render_new_guide(to.stem)
        with to.open("a", encoding="utf-8") as guide:
            guide.write(f"{head}\n{text}")
    except OSError as error:
        raise InputError(
            f"The guide {to} cannot be written: {error.strerror or error}.",
            hint="Check the path, or leave --to away to print the entry.",
        ) from error
    print(
        f"Appended to {to}. Next: assistant lint {to} names the lines to write, then "
        f"assistant verify {to} runs them.",
        file=sys.stderr,
    )


def _choose(
    entries: Sequence[Entry],
    names: Sequence[str],
    *,
    changed: bool,
    sample: bool,
    known: Mapping[str, Verified],
) -> list[Entry]:
    """The entries that were asked for; all without a restriction. Raises UsageError."""
    from assistant.verified import blocks_digest, is_in_sample

    unknown = set(names) - {entry.id for entry in entries}
    if unknown:
        raise UsageError(
            f"There is no entry {', '.join(sorted(unknown))} in these guides.",
            hint="See: assistant entries",
        )
    if not (names or changed or sample):
        return list(entries)

    def is_changed(entry: Entry) -> bool:
        return entry.id not in known or known[entry.id].blocks != blocks_digest(entry)

    return [
        entry
        for entry in entries
        if entry.id in names
        or (changed and entry.proof and is_changed(entry))
        or (sample and entry.proof and is_in_sample(entry.id))
    ]


def _print_row(verdict: Verdict, *, with_output: bool) -> None:
    rank = "-" if verdict.rank is None else str(verdict.rank)
    line = (
        f"{verdict.id:32} reproduced {_WORDS[verdict.reproduced]:4} found {rank:2} "
        f"fixed {_WORDS[verdict.fixed]:4} {verdict.seconds:6.1f} s  {verdict.reason}"
    )
    print(strip_controls(line.rstrip()), flush=True)
    if with_output and verdict.output:
        print(strip_controls(verdict.output[-_SHOWN_OUTPUT:]))


def _print_summary(verdicts: Sequence[Verdict], known: Mapping[str, Verified]) -> None:
    """How many errors were proven, by guide, and which messages are not the recorded ones."""
    from assistant.verified import find_changed_messages

    errors = [v for v in verdicts if v.kind == "error"]
    proven = Counter(v.guide for v in errors if v.reproduced and v.fixed)
    for guide, count in Counter(v.guide for v in errors).items():
        print(
            strip_controls(
                f"{Path(guide).name}: {proven[guide]} of {count} errors reproduced and fixed"
            )
        )
    for v in verdicts:
        before = known[v.id].says if v.id in known else ""
        for was, now in find_changed_messages(before, v.says):
            print(strip_controls(f"{v.id}: the message was: {was}"))
            print(strip_controls(f"{'':{len(v.id)}}            it is: {now}"))


def _print_versions(known: Mapping[str, Verified], interpreter: Interpreter) -> None:
    """Which packages are not those of the recorded runs: what `make verify-latest` has tried."""
    installed = {package.name: package.version for package in interpreter.packages.values()}
    recorded: dict[str, set[str]] = {}
    for row in known.values():
        for name, version in row.packages.items():
            recorded.setdefault(name, set()).add(version)
    for name, versions in sorted(recorded.items()):
        if name in installed and versions != {installed[name]}:
            before = ", ".join(sorted(versions))
            print(strip_controls(f"{name} {installed[name]}; recorded with {before}"))


def _record(
    entries: Sequence[Entry],
    verdicts: Sequence[Verdict],
    *,
    interpreter: Interpreter,
) -> None:
    """Write down what held; what did not hold, or is other code by now, is no longer verified.

    The file is read anew, as another run may have written it meanwhile.
    """
    from assistant.verified import Verified, blocks_digest, load_verified, save_verified
    from assistant.verify import imported_packages

    rows = dict(load_verified())
    for entry, verdict in zip(entries, verdicts, strict=True):
        digest = blocks_digest(entry)
        is_changed = entry.id in rows and rows[entry.id].blocks != digest
        if verdict.has_failed or not entry.proof or (verdict.fixed is None and is_changed):
            rows.pop(entry.id, None)
        elif verdict.reproduced and verdict.fixed:
            rows[entry.id] = Verified(
                date=date.today().isoformat(),
                machine=platform.machine(),
                python=interpreter.version,
                packages=imported_packages(entry, interpreter),
                blocks=digest,
                says=verdict.says,
            )
    save_verified(rows)
