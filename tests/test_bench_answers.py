"""`bench answers`: what is counted, with engines whose speed is known."""

from __future__ import annotations

import pytest

from assistant.bench.answers import (
    AnswerTimes,
    answers_json,
    make_prompts,
    render_answers,
    run_backend,
    time_engine,
    time_fixes,
)
from assistant.bench.speed import Run, Speed, peak_memory, summarise
from assistant.library import load_library
from assistant.types import Message
from tests.course import build_lexical_retriever
from tests.fakes import FakeBackend

PROMPT = (Message("user", "Why?"),)


class Clock:
    """Goes on by one second each time it is asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_first_token_is_left_out_of_the_rate() -> None:
    runs = [Run(2.0, 12.0, 21), Run(4.0, 14.0, 21), Run(9.0, 9.0, 1)]
    speed = summarise("x", runs, load=1.0, megabytes=5.0)
    assert speed == Speed("x", 4.0, 2.0, 1.0, 5.0)
    assert summarise("x", [Run(1.0, 1.0, 0)], load=0.0, megabytes=0.0).rate == 0.0


def test_an_engine_is_loaded_warmed_and_timed() -> None:
    asked: list[object] = []

    def make() -> object:
        return lambda prompt: asked.append(prompt) or Run(1.0, 3.0, 5)

    speed = time_engine("x", make, [PROMPT, PROMPT], before=["earlier"], clock=Clock())  # type: ignore[arg-type,list-item]
    assert asked == ["earlier", PROMPT, PROMPT]
    assert (speed.first, speed.rate, speed.load) == (1.0, 2.0, 1.0)


def test_a_backend_of_ours_is_timed_at_its_first_piece() -> None:
    run = run_backend(FakeBackend("one ", "two"), lambda text: len(text.split()), clock=Clock())
    assert run(PROMPT) == Run(1.0, 2.0, 2)


def test_memory_that_is_taken_in_between_is_seen() -> None:
    with peak_memory() as megabytes:
        held = bytearray(64_000_000)
        held[::4096] = b"x" * len(held[::4096])
        del held
        assert megabytes() == 0.0 or 50 < megabytes() < 200


def test_fixes_and_prompts_are_of_several_entries() -> None:
    library = load_library(("builtin",))
    retriever, _ = build_lexical_retriever(library, False)
    median, slow = time_fixes(retriever, library.entries)  # type: ignore[arg-type]
    assert 0 < median <= slow
    one, other = make_prompts(retriever, library.entries, tiny=False)  # type: ignore[arg-type]
    assert len(one) == len(other) == len({prompt[1].content for prompt in one})
    for first, second in zip(one, other, strict=True):
        assert first != second
        shared = len("".join(m.content for m in first).partition("pasted:")[0])
        assert (
            "".join(m.content for m in first)[:shared]
            == "".join(m.content for m in second)[:shared]
        )


def test_ratios_and_what_was_not_measured_are_said() -> None:
    ours = Speed("ours, beginnings known", 0.1, 60.0, 0.5, 300.0)
    times = AnswerTimes(0.004, 0.02, (Speed("plain generate", 0.5, 30.0, 1.0, 700.0), ours), "cpu")
    assert times.ratio("plain generate") == 2.0
    assert times.ratio("llama.cpp (GGUF)") == 0.0
    shape = answers_json(times)
    assert [row["our_ratio"] for row in shape["engines"]] == [2.0, 1.0]
    assert shape["fix_ms"] == {"p50": 4.0, "p95": 20.0}
    assert shape["bandwidth_share"] is None
    text = render_answers(times)
    assert "| plain generate | 1.00 s | 0.500 s | 30.0 | 700 MB | 2.00 |" in text
    assert "was not measured" in text
    assert "reaches 50%" in render_answers(AnswerTimes(0.1, 0.1, (ours,), "cuda", 0.5))


@pytest.mark.slow
@pytest.mark.model
def test_the_whole_bench_runs(capsys: pytest.CaptureFixture[str]) -> None:
    from assistant.bench.engines import time_answers
    from assistant.build import build_search
    from assistant.models import is_complete
    from assistant.settings import load_settings
    from assistant.setup import default_model_folder

    settings = load_settings()
    if not is_complete(default_model_folder(settings.cache_dir)):
        pytest.skip("the default model is not set up")
    times = time_answers(settings, build_search(settings)[0], tokens=8)
    assert {"plain generate", "ours, beginnings known"} <= {speed.name for speed in times.speeds}
    assert all(speed.rate > 0 for speed in times.speeds)
