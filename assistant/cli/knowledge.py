"""Commands about guides: entries, lint, eval."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.app import GuideOption, JsonOption, app, read_settings
from assistant.terminal import print_eval, print_json


@app.command()
def entries(guide: GuideOption = None, as_json: JsonOption = False) -> None:
    """List every entry with its id, kind, title, section, file and line."""
    from assistant.library import load_library
    from assistant.render import entries_json, strip_controls

    library = load_library(read_settings(guide=guide).guide)
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
    from assistant.build import build_picture_reader, build_pipelines, prepare_environment
    from assistant.evaluation import eval_json, load_cases, run_cases, with_best_threshold
    from assistant.library import load_library

    prepare_environment(os.environ)
    settings = read_settings(guide=guide)
    known = load_library(settings.guide).entries
    loaded = load_cases(cases, known, read_picture=build_picture_reader())
    outcomes = {}
    for name, search in build_pipelines(settings, compare=compare).items():
        found = run_cases(loaded, search)
        outcomes[name] = found if name == "assistant" else with_best_threshold(found)
    shape = eval_json(",".join(settings.guide), outcomes)
    if as_json:
        print_json(shape)
        return
    print_eval(shape)
