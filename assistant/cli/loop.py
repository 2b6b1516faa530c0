"""Commands around an answer: run, fixed, didnt, packet, gaps, data, notebook-cell."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.app import JsonOption, app, read_settings
from assistant.errors import UsageError
from assistant.render import strip_controls
from assistant.terminal import print_json, print_markdown

if TYPE_CHECKING:
    from assistant.history import History
    from assistant.process import Passage
    from assistant.records import Outcome, Record
    from assistant.settings import Settings

_DIAGNOSIS_SECONDS = 120.0
_TURNS = 5  # of a help packet
_QUIET = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"})
data = typer.Typer(help="What is kept on this machine of questions and answers.")
app.add_typer(data, name="data", no_args_is_help=True)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def run(
    command: Annotated[list[str], typer.Argument(help="The command, after `--`.")],
    model: Annotated[
        str, typer.Option(help="Language model that explains the fix; 'none' for none.")
    ] = "none",
) -> None:
    """Run a command unchanged; when it fails, show the diagnosis below its output."""
    from assistant.process import end_like, run_through

    passage = run_through(command)
    if passage.refused:
        print(strip_controls(f"assistant run: {passage.refused}"), file=sys.stderr)
    elif _is_failure(passage):
        try:
            if sys.stderr.isatty():
                print("\nassistant: looking this up … (Ctrl-C to leave)", file=sys.stderr)
            _print_diagnosis(_diagnose(passage, model))
        except BaseException as error:  # the command's own ending matters more than our failure
            print(f"assistant: no diagnosis ({type(error).__name__}).", file=sys.stderr)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    end_like(passage.returncode)


@app.command()
def fixed() -> None:
    """Say that the last answer of `assistant ask` helped."""
    with contextlib.closing(_open_history(read_settings())) as history:
        turn = _last_turn(history)
        if not turn.shown:
            raise UsageError("The last answer showed no fix.", hint="Ask first: assistant ask …")
        _keep_outcome(history, turn, fixed=True)
        print(strip_controls(f"Kept: {turn.shown} helped."))
        check = _entries(read_settings()).get(turn.shown)
        if check is not None and check.check.strip():
            print("To prove it, run the entry's own check:")
            print_markdown(check.check)
        _offer_probe(turn, read_settings())


@app.command()
def didnt() -> None:
    """Say that the last answer did not help, and see the next best one."""
    from assistant.answer import build_fix
    from assistant.followup import build_followup

    settings = read_settings()
    with contextlib.closing(_open_history(settings)) as history:
        turn = _last_turn(history)
        if not turn.shown:
            raise UsageError(
                "There is no further entry to try for the last question.",
                hint="`assistant packet` writes down what was tried, to show to an instructor.",
            )
        following = build_followup(turn, _entries(settings))
        _keep_outcome(history, turn, fixed=False)
    if following is None:
        print("Kept. The guide has no other entry that comes near; `assistant packet` writes down")
        print("what was asked, found and tried, to show to an instructor.")
        _offer_probe(turn, settings)
        raise typer.Exit(1)
    print(strip_controls(f"Kept. The next best entry: {following.entry.title}"))
    if following.differs:
        print("How it differs:")
        print_markdown(following.differs)
    print_markdown(build_fix(following.entry).text)
    _offer_probe(turn, settings, between=(*following.tried[-1:], following.entry.id))
    print("Did it help? Say: assistant fixed, or: assistant didnt", file=sys.stderr)


@app.command()
def packet(
    last: Annotated[
        bool, typer.Option("--last", help="Only the last question, not the last five.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Write it into this new file.")] = None,
) -> None:
    """Write down what was asked, found and tried, to show to an instructor (masked)."""
    from assistant.packet import read_versions, render_packet

    with contextlib.closing(_open_history(read_settings())) as history:
        turns = history.load_turns()[-1 if last else -_TURNS :]
        if not turns:
            raise _nothing(history)
    text = render_packet(turns, read_versions(), now=time.time())
    if output is None:
        print(text, end="")
        return
    _write_new(output, text)
    print(f"Help packet: {output}. Read it before you share it.", file=sys.stderr)


@app.command()
def gaps(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day on (UTC).")
    ] = None,
    skeleton: Annotated[
        bool, typer.Option("--skeleton", help="Print draft entries for the largest groups.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """For the instructor: questions without an entry, entries and probes that did not help."""
    from assistant.gaps import find_gaps, gaps_json, render_gaps, render_skeleton

    begin = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    with contextlib.closing(_open_history(read_settings())) as history:
        found = find_gaps(history.load_turns(since=begin), history.load_failed_probes(since=begin))
    if as_json:
        print_json(gaps_json(found))
    else:
        print(strip_controls(render_skeleton(found) if skeleton else render_gaps(found)), end="")


@data.command()
def export() -> None:
    """Print everything that is kept as one JSON object."""
    with contextlib.closing(_open_history(read_settings())) as history:
        print_json(history.export())


@data.command()
def delete(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything that is kept."""
    settings = read_settings()
    if not yes:
        typer.confirm(f"Delete the whole history in {settings.data_dir}?", abort=True)
    with contextlib.closing(_open_history(settings)) as history:
        count = history.delete_all()
    print(f"Deleted: {count} question{'' if count == 1 else 's'}.")


@app.command("notebook-cell")
def notebook_cell() -> None:
    """Print a cell for notebooks in whose Python the assistant is not installed."""
    from importlib import resources

    print(resources.files("assistant").joinpath("notebook_remote.py").read_text("utf-8"), end="")


# --- running -----------------------------------------------------------------------------------


def _is_failure(passage: Passage) -> bool:
    """A failure that nobody asked for; a shell says 128 + n for what ended by signal n."""
    code = passage.returncode
    names = {one.value: one.name for one in signal.Signals}
    asked = names.get(-code if code < 0 else code - 128) in _QUIET
    return code != 0 and not asked and not passage.asked_to_end


def _diagnose(passage: Passage, model: str) -> dict[str, Any]:
    """Ask in a process of its own: whatever a broken library does there, it cannot reach us."""
    from assistant.process import Limits, run_process

    text = passage.tail
    if passage.returncode < 0:  # what a shell would say below the output
        text += f"\n{signal.strsignal(-passage.returncode)}\n".encode()
    if not text.strip():
        return {}
    argv = (sys.executable, "-P", "-m", "assistant", "ask", "-", "--json", "--model", model)
    limits = Limits(seconds=_DIAGNOSIS_SECONDS, output_bytes=8_000_000)
    result = run_process(argv, environment=os.environ, limits=limits, stdin=text)
    shape = json.loads(result.stdout) if result.stdout else {"notices": [result.stderr.strip()]}
    return shape if isinstance(shape, dict) else {}


def _print_diagnosis(shape: dict[str, Any]) -> None:
    """Everything of ours goes to standard error: the command's output stays its own."""
    with contextlib.redirect_stdout(sys.stderr):
        fix = shape.get("fix")
        if fix:
            first = shape["matches"][0]
            word = "a sure match" if shape["status"] == "answer" else "a likely match"
            print(strip_controls(f"\n── assistant: {first['title']}"))
            print(strip_controls(f"   {word}: {'; '.join(first['why'])}"))
            print_markdown(fix["text"])
            if shape["text"]:
                print(strip_controls(shape["text"]))
            print("Did it help? Say: assistant fixed, or: assistant didnt")
        elif shape.get("matches") is not None:
            print("assistant: the guide has no entry for this failure.")
        elif shape:
            said = " ".join(" ".join(shape["notices"]).split())
            print(strip_controls(f"assistant: no diagnosis. {said}"[:300]))


# --- what is kept --------------------------------------------------------------------------------


def _open_history(settings: Settings) -> History:
    from assistant.build import build_history

    history = build_history(settings)
    for notice in history.notices:
        print(strip_controls(notice), file=sys.stderr)
    return history


def _last_turn(history: History) -> Record:
    from assistant.history import session_key

    turn = history.last_turn(session_key("cli"))
    if turn is None:
        raise _nothing(history)
    return turn


def _nothing(history: History) -> UsageError:
    if history.is_kept:
        return UsageError("Nothing was asked yet.", hint="Ask first: assistant ask …")
    return UsageError(
        "Nothing is kept: the history is off or cannot be used.",
        hint="ASSISTANT_HISTORY=on switches it on.",
    )


def _keep_outcome(history: History, turn: Record, *, fixed: bool) -> None:
    tried = turn.tried if fixed else (*turn.tried, turn.shown)
    outcome: Outcome = "fixed" if fixed else "not_fixed"
    if not history.set_outcome(turn.session, turn.number, outcome, tried=tried):
        for notice in history.notices:
            print(strip_controls(notice), file=sys.stderr)


def _offer_probe(turn: Record, settings: Settings, *, between: tuple[str, ...] = ()) -> None:
    """Name the check of this machine that decides between these entries, or can tell most about
    the question."""
    from assistant.build import build_prober
    from assistant.evidence import choose_probes
    from assistant.followup import deciding_probes
    from assistant.reading import read_query
    from assistant.types import Retrieval

    retrieval, probes = Retrieval(turn.matches, turn.status), build_prober(settings).probes()
    entries = _entries(settings) if between else {}
    deciding = deciding_probes([entries[id_] for id_ in between if id_ in entries], probes)
    chosen = (*deciding, *choose_probes(read_query(turn.text), retrieval, probes))
    if chosen:
        print(f"A check of this machine that can decide: assistant probe {chosen[0]}")


def _entries(settings: Settings) -> dict[str, Any]:
    from assistant.library import load_library

    return load_library(settings.guide).entries


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}.",
            hint="Give a new file in a folder of yours.",
        ) from error
