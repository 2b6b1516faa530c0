"""The command line: one function for each command; thin, as it only folds events.

Heavy imports stand inside the commands, so that `--help` answers at once. Exit codes: 0 answered,
1 no entry matches, 2 usage or configuration, 3 failure.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant import __version__
from assistant.errors import AssistantError, InputError
from assistant.render import doctor_json
from assistant.terminal import print_eval, print_event, print_findings, print_json

if TYPE_CHECKING:
    from assistant.events import Event
    from assistant.inputs import CleanText
    from assistant.settings import Settings
    from assistant.types import Finding

app = typer.Typer(
    name="assistant",
    help="From an error on the screen to a fix that works, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

GuideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--guide",
        "-g",
        help="Guide file or folder, also several; 'builtin' adds the shipped ones.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="Name of the Python to look at (see doctor).")
]
_SUFFIXES = {".log", ".txt", ".py", ".ipynb", ".png", ".jpg", ".jpeg"}


@app.command()
def ask(
    text: Annotated[
        str, typer.Argument(help="The error or question; '-' reads standard input; or a file.")
    ],
    guide: GuideOption = None,
    model: Annotated[
        str | None, typer.Option(help="Language model for this question; 'none' for none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the fix for an error, or the answer to a question."""
    from assistant.build import build_assistant
    from assistant.service import Assistant

    settings = _settings(guide=guide, model=model)
    query = _read_argument(text, settings)

    async def go(assistant: Assistant) -> list[Event]:
        shown: list[Event] = []
        try:
            async for event in assistant.ask(query):
                shown.append(event)
                if not as_json:
                    print_event(event)
        finally:
            await assistant.aclose()
        return shown

    assistant = build_assistant(settings)
    assistant.start()
    events = asyncio.run(go(assistant))
    from assistant.render import ask_json

    shape = ask_json(events)
    if as_json:
        print_json(shape)
    _leave(0 if shape["answered"] else 1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    guide: GuideOption = None,
    model: Annotated[str | None, typer.Option(help="Language model; 'none' for none.")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path prefix behind a proxy, e.g. /proxy/7860.")
    ] = None,
) -> None:
    """Open the page in a browser tab."""
    from assistant.build import build_assistant
    from assistant.library import find_guide_files

    settings = _settings(guide=guide, model=model, host=host, port=port, root_path=root_path)
    find_guide_files(settings.guide)
    assistant = build_assistant(settings)
    from assistant.web.app import build_app
    from assistant.web.serve import choose_token
    from assistant.web.serve import serve as serve_app

    token = choose_token(settings)
    web = build_app(assistant, settings, token=token)
    assistant.start()
    serve_app(web, settings, token=token, notify=lambda line: print(line, flush=True))
    _leave(0)


@app.command()
def setup() -> None:
    """Get the default language model and make the search index (once)."""
    from assistant.build import build_snapshots, prepare_environment

    prepare_environment(os.environ)
    settings = _settings()
    from assistant.files import check_folder

    check_folder(settings.cache_dir)
    from assistant.backends.convert import convert_gguf
    from assistant.setup import ensure_default_model

    folder = ensure_default_model(settings.cache_dir, convert=convert_gguf, report=print)
    print(f"Language model: {folder}")
    snapshots = build_snapshots(settings)
    print("Making the search index …")
    snapshots.load()
    snapshot = snapshots.current()
    for notice in snapshot.notices if snapshot else ():
        print(notice)
    print(f"Search index: {len(snapshot.entries) if snapshot else 0} entries are ready.")


@app.command()
def entries(guide: GuideOption = None, as_json: JsonOption = False) -> None:
    """List every entry with its id, kind, title, section, file and line."""
    from assistant.library import load_library
    from assistant.render import entries_json, strip_controls

    library = load_library(_settings(guide=guide).guide)
    if as_json:
        print_json(entries_json(library.entries.values()))
        return
    for entry in library.entries.values():
        place = f"{Path(entry.file).name}:{entry.line}"
        line = f"{entry.id:32} {entry.kind:9} {entry.title}  [{entry.section}] {place}"
        print(strip_controls(line))
    for notice in library.notices:
        print(notice, file=sys.stderr)


@app.command()
def lint(
    guides: Annotated[list[str] | None, typer.Argument(help="Guide files or folders.")] = None,
) -> None:
    """Check guides: problems with line numbers; exit code 1 if there are any."""
    from assistant.library import find_guide_files, find_problems, read_guide
    from assistant.render import strip_controls

    parsed = [read_guide(path) for path in find_guide_files(tuple(guides or ()))]
    problems = find_problems(parsed)
    for problem in problems:
        print(strip_controls(f"{problem.file}:{problem.line}: {problem.message}"))
    for guide in parsed:
        ignored = sum(span.last - span.first + 1 for span in guide.ignored)
        print(
            strip_controls(
                f"{guide.file}: {len(guide.entries)} entries, {len(guide.headings)} heading lines, "
                f"{ignored} lines outside entries"
            )
        )
        for span in guide.ignored:
            if span.reason != "rule":
                print(f"  lines {span.first}-{span.last}: {span.reason}")
    if problems:
        raise typer.Exit(1)


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

    prober = build_prober(_settings())
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

    prober = build_prober(_settings())
    findings = prober.run([info.id for info in prober.probes()], target=target)
    _show_findings(findings, target, as_json)
    _leave_by(findings)


@app.command("eval")
def evaluate(
    cases: Annotated[list[Path], typer.Argument(help="Files of labelled cases (JSON lines).")],
    guide: GuideOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also measure plain dense search and BM25 alone.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure on labelled cases how well entries are found."""
    from assistant.build import build_pipelines, prepare_environment
    from assistant.evaluation import eval_json, load_cases, run_cases, with_best_threshold

    prepare_environment(os.environ)
    settings = _settings(guide=guide)
    loaded = load_cases(cases)
    outcomes = {}
    for name, search in build_pipelines(settings, compare=compare).items():
        found = run_cases(loaded, search)
        outcomes[name] = found if name == "assistant" else with_best_threshold(found)
    shape = eval_json(",".join(settings.guide), outcomes)
    if as_json:
        print_json(shape)
        return
    print_eval(shape)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the version when asked."""
    if version:
        print(f"assistant {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every expected failure is one clear message and an exit code."""
    try:
        code = app(standalone_mode=False)  # click returns the code of an Exit, or None
        sys.exit(code if isinstance(code, int) else 0)
    except AssistantError as error:
        _fail(error)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # the rim of the command line: no traceback in a learner's face
        shown = getattr(error, "format_message", None)
        if shown is not None:  # click's usage errors
            print(f"{shown()}\nTry: assistant --help", file=sys.stderr)
            sys.exit(2)
        if os.environ.get("ASSISTANT_DEBUG"):
            raise
        print(
            f"Something inside the assistant went wrong ({type(error).__name__}). Your text is not "
            "lost; run the same command with ASSISTANT_DEBUG=1 to see where.",
            file=sys.stderr,
        )
        sys.exit(3)


# --- what the commands share -----------------------------------------------------------------


def _settings(**arguments: Any) -> Settings:
    from assistant.settings import load_settings

    if arguments.get("guide") is not None:
        arguments["guide"] = tuple(arguments["guide"])
    return load_settings(**arguments)


def _read_argument(text: str, settings: Settings) -> CleanText:
    """Standard input, a file that exists, or the text itself (contracts, shapes)."""
    from assistant.inputs import clean_text, read_bytes

    limit = int(settings.max_upload_mb * 1_000_000)
    if text == "-":
        data = sys.stdin.buffer.read(limit + 1)
        return read_bytes(_within(data, limit, "standard input"), name="standard input")
    path = Path(text) if len(text) < 4096 and "\n" not in text and "\0" not in text else None
    try:
        is_file = path is not None and path.is_file()
    except OSError:
        is_file = False
    if path is not None and is_file:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        return read_bytes(_within(data, limit, text), name=path.name)
    if path is not None and path.suffix.lower() in _SUFFIXES and len(text.split()) == 1:
        raise InputError(
            f"There is no file {text}.",
            hint="Check the path, or put the error text itself in quotes.",
        )
    return clean_text(text)


def _within(data: bytes, limit: int, name: str) -> bytes:
    if len(data) > limit:
        raise InputError(
            f"{name} is larger than {limit // 1_000_000} MB.",
            hint="Give the last part, for example: tail -n 2000 FILE | assistant ask -",
        )
    return data


def _show_findings(findings: tuple[Finding, ...], target: str | None, as_json: bool) -> None:
    if as_json:
        print_json(doctor_json(target or "own", findings))
    else:
        print_findings(findings)


def _leave_by(findings: tuple[Finding, ...]) -> None:
    """A refused row is a usage error; what a probe found is not a failure of the command."""
    if any(finding.status == "refused" for finding in findings):
        raise typer.Exit(2)


def _fail(error: AssistantError) -> None:
    from assistant.render import strip_controls

    print(strip_controls(f"{error.message}\n{error.hint}".strip()), file=sys.stderr)
    _leave(error.exit_code)


def _leave(code: int) -> None:
    """End at once: threads of model libraries may still hold the interpreter."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
