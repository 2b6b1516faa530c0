"""Commands that answer: ask, serve, setup."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.app import GuideOption, JsonOption, TargetOption, app, leave, read_settings
from assistant.errors import InputError
from assistant.events import Done
from assistant.render import strip_controls
from assistant.terminal import FixFirst, print_event, print_json

if TYPE_CHECKING:
    from assistant.events import Event
    from assistant.inputs import CleanText
    from assistant.keeping import Keeping
    from assistant.service import Assistant
    from assistant.settings import Settings

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
    check: Annotated[
        bool, typer.Option("--probe", help="Also run the quick checks that can tell more.")
    ] = False,
    target: TargetOption = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Also print what the language model gets to see.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find the fix for an error, or the answer to a question."""
    from assistant.build import build_assistant, build_history

    settings = read_settings(guide=guide, model=model)
    query = _read_argument(text, settings)

    async def go(assistant: Assistant) -> list[Event]:
        shown: list[Event] = []
        try:
            async for event in keeping.keep(assistant.ask(query, check=check, target=target)):
                shown.append(event)
                for ready in () if as_json else screen.order(event):
                    print_event(ready)
        finally:
            await assistant.aclose()
        return shown

    assistant = build_assistant(settings)
    assistant.start()
    screen = FixFirst()
    from assistant.history import session_key
    from assistant.keeping import Keeping

    keeping = Keeping(build_history(settings), session_key("cli"), time.time, face="cli")
    events = asyncio.run(go(assistant))
    from assistant.render import ask_json

    shape = ask_json(events)
    if show_prompt:
        shape["prompt"] = _read_prompt(assistant, events)
    if as_json:
        print_json(shape)
    else:
        for message in shape.get("prompt", ()):
            print(strip_controls(f"\n--- {message['role']} ---\n{message['content']}"))
        _print_loop(keeping, answered=shape["answered"])
    keeping.history.close()
    leave(0 if shape["answered"] else 1)


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
    from assistant.build import build_assistant, build_audit, build_history, build_picture_reader
    from assistant.inputs import read_bytes
    from assistant.library import find_guide_files

    settings = read_settings(guide=guide, model=model, host=host, port=port, root_path=root_path)
    find_guide_files(settings.guide)
    assistant = build_assistant(settings, reads=True)
    from assistant.web.app import build_app
    from assistant.web.serve import choose_token
    from assistant.web.serve import serve as serve_app

    token = choose_token(settings)
    history = build_history(settings)
    for notice in history.notices:
        print(strip_controls(notice), file=sys.stderr)
    history.interrupted()
    audit = build_audit(settings)
    read_file = partial(read_bytes, read_picture=build_picture_reader())
    web = build_app(
        assistant, settings, token=token, history=history, audit=audit, read_file=read_file
    )
    assistant.start()
    serve_app(web, settings, token=token, notify=lambda line: print(line, flush=True))
    leave(0)


@app.command()
def setup(
    reranker: Annotated[
        bool,
        typer.Option("--reranker", help="Also get the second model that reads (4.5 GB of disk)."),
    ] = False,
) -> None:
    """Get the default language model and make the search index (once)."""
    from assistant.build import build_snapshots, prepare_environment

    prepare_environment(os.environ)
    settings = read_settings()
    from assistant.files import check_folder

    check_folder(settings.cache_dir)
    from assistant.backends.convert import convert_gguf, convert_without_head
    from assistant.models import is_complete
    from assistant.setup import RERANKER_SOURCE, ensure_model, reranker_folder

    folder = ensure_model(settings.cache_dir, convert=convert_gguf, report=print)
    print(f"Language model: {folder}")
    if reranker:
        folder = ensure_model(
            settings.cache_dir,
            convert=convert_without_head,
            source=RERANKER_SOURCE,
            report=print,
        )
        print(f"Reranker: {folder}")
    elif not is_complete(reranker_folder(settings.cache_dir)):
        print("`assistant setup --reranker` adds a model that reads entries beside your question.")
    snapshots = build_snapshots(settings)
    print("Making the search index …")
    snapshots.load()
    snapshot = snapshots.current()
    for notice in snapshot.notices if snapshot else ():
        print(notice)
    print(f"Search index: {len(snapshot.entries) if snapshot else 0} entries are ready.")


def _read_prompt(assistant: Assistant, events: list[Event]) -> list[dict[str, str]]:
    """The prompt of this answer, masked; [] where no entry is shown."""
    turns = [event.turn for event in events if isinstance(event, Done)]
    messages = assistant.prompt(turns[-1]) if turns else ()
    return [{"role": message.role, "content": message.content} for message in messages]


def _print_loop(keeping: Keeping, *, answered: bool) -> None:
    """How to say whether it helped, or why nothing was kept."""
    for notice in keeping.history.notices:
        print(strip_controls(notice), file=sys.stderr)
    if keeping.number and answered:
        print("Did it help? Say: assistant fixed, or: assistant didnt", file=sys.stderr)
    elif keeping.number and keeping.record.kind not in {"smalltalk", "empty"}:
        print("`assistant packet` writes this down for an instructor.", file=sys.stderr)


def _read_argument(text: str, settings: Settings) -> CleanText:
    """Standard input, a file that exists, or the text itself (contracts, shapes)."""
    from assistant.build import build_picture_reader
    from assistant.inputs import clean_text, read_bytes

    limit = int(settings.max_upload_mb * 1_000_000)
    reader = build_picture_reader()
    if text == "-":
        data = _within(sys.stdin.buffer.read(limit + 1), limit, "standard input")
        return read_bytes(data, name="standard input", read_picture=reader)
    path = Path(text) if len(text) < 4096 and "\n" not in text and "\0" not in text else None
    try:
        is_file = path is not None and path.is_file()
    except OSError:
        is_file = False
    if path is not None and is_file:
        with path.open("rb") as file:
            data = _within(file.read(limit + 1), limit, text)
        return read_bytes(data, name=path.name, read_picture=reader)
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
