"""Commands that measure: `bench probes` (and, below it, what else is measured on this machine)."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from assistant.cli.app import JsonOption, TargetOption, app, read_settings
from assistant.terminal import print_json

bench = typer.Typer(help="Measure on this machine.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.command("probes")
def bench_probes(
    target: TargetOption = None,
    runs: Annotated[
        int,
        typer.Option("--runs", min=1, max=20, help="Runs of each quick row; heavy ones run once."),
    ] = 3,
    as_json: JsonOption = False,
) -> None:
    """Time each check against the bare start of the same Python, in one run."""
    from assistant.bench.probes import bench_json, render_bench, time_probes
    from assistant.build import build_collector, build_prober

    prober = build_prober(read_settings())
    times = time_probes(prober, build_collector(), target=target, runs=runs)
    if as_json:
        print_json(bench_json(times))
    else:
        print(render_bench(times))


@bench.command("retrieval")
def bench_retrieval(as_json: JsonOption = False) -> None:
    """Time paste → matches against the plain pipeline, and search by size, in one run."""
    from assistant.bench.retrieval import (
        render_retrieval,
        retrieval_json,
        time_pastes,
        time_reading,
        time_sizes,
    )
    from assistant.build import build_search, prepare_environment

    prepare_environment(os.environ)
    retriever, encoder, vectors = build_search(read_settings())
    figures = time_pastes(retriever, encoder.encode_plainly, vectors), time_sizes(), time_reading()
    if as_json:
        print_json(retrieval_json(*figures))
    else:
        print(render_retrieval(*figures))


@bench.command("answers")
def bench_answers(
    tokens: Annotated[int, typer.Option(min=8, max=400, help="Longest answer.")] = 64,
    as_json: JsonOption = False,
) -> None:
    """Time the fix, the first token and the writing: ours, plain generate, llama.cpp."""
    from assistant.bench.answers import answers_json, render_answers
    from assistant.bench.engines import time_answers
    from assistant.build import build_search, prepare_environment

    prepare_environment(os.environ)
    settings = read_settings(model="tiny", max_new_tokens=tokens)
    times = time_answers(settings, build_search(settings)[0], tokens=tokens)
    print_json(answers_json(times)) if as_json else print(render_answers(times))
