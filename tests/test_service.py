"""One question in, one stream of events out; real snapshots, scripted model and probes."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import BackendBusyError, BackendError, EncoderError, GuideError
from assistant.events import (
    Done,
    Dropped,
    Event,
    Fix,
    Loading,
    Notice,
    Probed,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.inputs import CleanText
from assistant.library import Library
from assistant.service import Assistant
from assistant.snapshots import Snapshots
from assistant.telling import WRITER
from assistant.types import (
    BackendStatus,
    Finding,
    Message,
    Query,
    Retrieval,
    Retriever,
    Waiting,
)
from tests.course import GUIDE, LAP, TIMM, build_lexical_retriever, course_snapshots
from tests.fakes import FakeBackend, FakeProber, FakeRetriever

GOOD = "The package timm is not installed in your notebook."
MORE = "It may well be in another one."
GPU = Finding("gpu", "warn", "No GPU was found.", where="the assistant's own")


def make(
    backend: FakeBackend | None = None,
    *,
    snapshots: Snapshots | None = None,
    prober: FakeProber | None = None,
) -> Assistant:
    snapshots = snapshots or course_snapshots()
    return Assistant(
        snapshots, backend or FakeBackend(f"{GOOD} {MORE} "), prober or FakeProber(GPU)
    )


async def collect(
    assistant: Assistant, text: str | CleanText = TIMM, **options: Any
) -> list[Event]:
    if assistant.snapshot() is None:
        assistant.start()
    return [event async for event in assistant.ask(text, **options)]


def kinds(events: list[Event]) -> list[str]:
    return [type(e).__name__ for e in events if not isinstance(e, Loading)]


def done(events: list[Event]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def texts(events: list[Event], kind: type[Sentence] | type[Notice] | type[Dropped]) -> list[str]:
    return [event.text for event in events if isinstance(event, kind)]


# --- the order of events -------------------------------------------------------------------------


async def test_an_exact_signature_shows_the_fix_before_the_final_result() -> None:
    events = await collect(make())
    assert kinds(events)[:6] == ["Understood", "Retrieved", "Fix", "Retrieved", *["Sentence"] * 2]
    first, final = [e for e in events if isinstance(e, Retrieved)]
    assert (first.final, final.final) == (False, True)
    assert first.matches[0].id == final.matches[0].id == "missing-timm"
    fix = next(e for e in events if isinstance(e, Fix))
    assert fix.revision == 0
    assert fix.fix is not None
    end = done(events)
    assert end.status == "answer"
    assert end.backend == "fake model"
    assert end.turn.fix == fix.fix
    assert end.turn.text == f"{GOOD} {MORE}"
    assert end.turn.match_ids[0] == "missing-timm"
    assert end.turn.fingerprint
    seconds = dict(end.seconds)
    assert {"read", "retrieve", "fix", "first_token", "first_sentence", "total"} <= set(seconds)
    assert seconds["fix"] <= seconds["first_token"] <= seconds["total"]


async def test_words_wait_for_the_final_result() -> None:
    events = await collect(make(FakeBackend()), "Why are kernels three by three?")
    assert kinds(events)[:4] == ["Understood", "Retrieved", "Retrieved", "Fix"]
    assert done(events).status in {"answer", "likely"}


class ChangingRetriever(FakeRetriever):
    """Certain at first, and of something else at last."""

    def __init__(self, real: Retriever, last: str | None, error: Exception | None = None) -> None:
        self._real, self._last, self._error = real, last, error

    def fast(self, query: Query) -> Retrieval:
        return self._real.fast(query)

    def search(self, query: Query) -> Retrieval:
        if self._error:
            raise self._error
        if self._last is None:
            return Retrieval((), "abstain")
        return self._real.search(Query(self._last, "text"))

    def rerank(self, query: Query, found: Retrieval) -> Retrieval:
        return found


def changing(last: str | None, error: Exception | None = None) -> Snapshots:
    def build(library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
        return ChangingRetriever(build_lexical_retriever(library, dense)[0], last, error), ()

    return Snapshots((str(GUIDE),), build)


async def test_a_later_result_revises_the_fix() -> None:
    question = "Why are kernels three by three?"
    events = await collect(make(FakeBackend(), snapshots=changing(question)))
    fixes = [event for event in events if isinstance(event, Fix)]
    assert [fix.revision for fix in fixes] == [0, 1]
    assert [fix.fix.entry for fix in fixes if fix.fix] == ["missing-timm", "why-3x3"]
    assert done(events).turn.fix == fixes[-1].fix


async def test_a_later_result_may_take_the_fix_back() -> None:
    events = await collect(make(snapshots=changing(None)))
    fixes = [event for event in events if isinstance(event, Fix)]
    assert [(fix.fix is None, fix.revision) for fix in fixes] == [(False, 0), (True, 1)]
    assert done(events).status == "abstain"
    assert done(events).turn.fix is None


class ReadingRetriever(ChangingRetriever):
    """Has a reranker, which lets the first match stand, or takes it back."""

    has_reranker = True

    def __init__(
        self, real: Retriever, last: str, *, stands: bool, error: Exception | None
    ) -> None:
        super().__init__(real, last)
        self._stands, self._fails, self.read = stands, error, 0
        self.hold: threading.Event | None = None

    def rerank(self, query: Query, found: Retrieval) -> Retrieval:
        self.read += 1
        if self.hold:
            self.hold.wait(20)
        if self._fails:
            raise self._fails
        return found if self._stands else replace(found, status="abstain")


def reading(
    last: str, *, stands: bool, error: Exception | None = None
) -> tuple[Snapshots, list[ReadingRetriever]]:
    made: list[ReadingRetriever] = []

    def build(library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
        real, _ = build_lexical_retriever(library, dense)
        made.append(ReadingRetriever(real, last, stands=stands, error=error))
        return made[-1], ()

    return Snapshots((str(GUIDE),), build), made


WORDS = "Why are kernels three by three?"


async def test_the_fix_is_shown_before_it_is_read_again() -> None:
    snapshots, made = reading(WORDS, stands=True)
    events = await collect(make(FakeBackend(), snapshots=snapshots), WORDS)
    assert kinds(events)[:5] == ["Understood", "Retrieved", "Retrieved", "Fix", "Retrieved"]
    results = [event.final for event in events if isinstance(event, Retrieved)]
    assert results == [False, False, True]
    assert sum(one.read for one in made) == 1  # whichever snapshot answered
    assert "rerank" in dict(done(events).seconds)
    assert done(events).turn.fix is not None


async def test_a_reranker_may_take_the_fix_back() -> None:
    snapshots, _ = reading(WORDS, stands=False)
    events = await collect(make(snapshots=snapshots), WORDS)
    fixes = [event for event in events if isinstance(event, Fix)]
    assert [(fix.fix is None, fix.revision) for fix in fixes] == [(False, 0), (True, 1)]
    assert done(events).status == "abstain"


async def test_a_reranker_that_fails_changes_nothing() -> None:
    snapshots, made = reading(WORDS, stands=False, error=ValueError("of another library"))
    events = await collect(make(snapshots=snapshots), WORDS)
    assert sum(one.read for one in made) == 1  # whichever snapshot answered
    assert [event.final for event in events if isinstance(event, Retrieved)][-1]
    assert done(events).turn.fix is not None


async def test_no_fix_waits_behind_a_reranker() -> None:
    snapshots, made = reading(WORDS, stands=True)
    assistant = make(snapshots=snapshots)
    await collect(assistant, TIMM)  # loads
    held, before = threading.Event(), made[-1].read
    made[-1].hold = held
    slow = [asyncio.create_task(collect(assistant, WORDS)) for _ in range(6)]
    while made[-1].read == before:
        await asyncio.sleep(0.01)
    async for event in assistant.ask(WORDS):
        if isinstance(event, Fix):
            break
    assert event.fix is not None
    assert not any(task.done() for task in slow)
    held.set()
    await asyncio.gather(*slow)


async def test_a_followup_is_not_read_again() -> None:
    snapshots, made = reading(WORDS, stands=True)
    assistant = make(snapshots=snapshots)
    turn = done(await collect(assistant, WORDS)).turn
    before = made[-1].read
    await collect(assistant, "it still fails", conversation=(turn,))
    assert made[-1].read == before


async def test_what_an_exact_signature_found_is_not_read_again() -> None:
    snapshots, made = reading(TIMM, stands=False)
    events = await collect(make(snapshots=snapshots), TIMM)
    assert made[-1].read == 0
    assert done(events).status == "answer"
    assert "rerank" not in dict(done(events).seconds)


async def test_without_the_encoder_the_first_result_counts() -> None:
    events = await collect(make(snapshots=changing(None, EncoderError("no encoder"))))
    assert done(events).turn.match_ids[0] == "missing-timm"
    assert done(events).status == "answer"


# --- no entry, small talk, nothing ---------------------------------------------------------------


async def test_abstaining_asks_no_model() -> None:
    backend = FakeBackend("Bread is nice.")
    events = await collect(make(backend), "how do I bake bread")
    assert done(events).status == "abstain"
    assert not any(isinstance(event, Fix) for event in events)
    assert any("no entry" in text for text in texts(events, Sentence))
    assert backend.prompts == []


@pytest.mark.parametrize("text", ["hello", "what are you?", "what do you store?"])
async def test_small_talk_gets_the_fixed_answer(text: str) -> None:
    backend = FakeBackend("Hi.")
    events = await collect(make(backend), text)
    assert kinds(events) == ["Understood", "Sentence", "Sentence", "Done"]
    assert done(events).status == "abstain"
    assert done(events).turn.match_ids == ()
    assert backend.prompts == []


@pytest.mark.parametrize("text", ["", "  \n\t ", "\x00\x00", "\u200b\u202e"])
async def test_nothing_gets_one_line(text: str) -> None:
    events = await collect(make(), text)
    assert kinds([e for e in events if not isinstance(e, Notice)]) == [
        "Understood",
        "Sentence",
        "Done",
    ]
    assert done(events).status == "abstain"


async def test_what_was_left_out_is_said() -> None:
    events = await collect(make(), CleanText(TIMM, ("Something was cut.",)))
    assert texts(events, Notice) == ["Something was cut."]


async def test_secrets_are_masked_in_every_event() -> None:
    backend = FakeBackend("Your token hf_abcdefghijklmnopqrstuvwx is fine. ")
    events = await collect(make(backend), f"HF_TOKEN=hf_abcdefghijklmnopqrstuvwx\n{TIMM}")
    shown = [event for event in events if not isinstance(event, Dropped)]
    assert "hf_abc" not in repr(shown)
    assert "hf_abc" not in repr(backend.prompts)
    assert texts(events, Dropped)


# --- the model -----------------------------------------------------------------------------------


async def test_waiting_is_told_with_the_fix_already_there() -> None:
    events = await collect(make(FakeBackend(Waiting(2), f"{GOOD} ")))
    names = kinds(events)
    assert names.index("Fix") < names.index("Notice") < names.index("Sentence")
    assert "2 before you" in texts(events, Notice)[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BackendError("The model broke.", hint="Restart it."), "The model broke. Restart it."),
        (BackendBusyError("Too many readers."), "Too many readers."),
        (ValueError("secret internals"), "The language model stopped"),
    ],
)
async def test_a_failing_model_is_one_line_and_the_fix_stays(error: Exception, said: str) -> None:
    events = await collect(make(FakeBackend(f"{GOOD} And ", error)))
    notices = texts(events, Notice)
    assert len(notices) == 1
    assert said in notices[0]
    assert "internals" not in notices[0]
    assert texts(events, Sentence)[0] == GOOD
    assert len(texts(events, Sentence)) > 1, "what the model left unsaid is told"
    assert done(events).status == "answer"


async def test_a_model_that_is_away_is_one_line() -> None:
    backend = FakeBackend("No. ", status=BackendStatus("away", "There is no model."))
    events = await collect(make(backend))
    assert texts(events, Notice) == ["There is no model."]
    assert backend.prompts == []
    silent = FakeBackend(status=BackendStatus("away"))
    assert texts(await collect(make(silent)), Notice) == []
    said = [event for event in events if isinstance(event, Sentence)]
    assert said
    assert all(one.citations for one in said)
    assert done(events).backend == WRITER


async def test_a_model_that_loads_is_announced() -> None:
    backend = FakeBackend(f"{GOOD} {MORE} ", status=BackendStatus("loading", "the model"))
    events = await collect(make(backend))
    assert Loading("the model") in events
    assert texts(events, Sentence) == [GOOD, MORE]


async def test_only_bad_sentences_still_name_the_model() -> None:
    events = await collect(make(FakeBackend("Run pip install timmm. ")))
    assert len(texts(events, Dropped)) == 1
    assert "timmm" not in " ".join(texts(events, Sentence))
    assert done(events).backend == f"fake model; and {WRITER}"


async def test_leaving_ends_a_generation_that_never_ends() -> None:
    backend = FakeBackend(f"{GOOD} More ", "forever")
    assistant = make(backend)
    assistant.start()
    stream: AsyncIterator[Event] = assistant.ask(TIMM)
    async for event in stream:
        if isinstance(event, Sentence):
            break
    await stream.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(backend.ended.wait, 2)
    assert backend.cancels[0].is_set()


async def test_cancelling_the_readers_task_ends_the_generation() -> None:
    backend = FakeBackend(f"{GOOD} More ", "forever")
    assistant = make(backend)
    task = asyncio.create_task(collect(assistant))
    while not backend.cancels:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(backend.ended.wait, 2)


async def test_aclose_ends_everything() -> None:
    backend = FakeBackend("forever")
    assistant = make(backend)
    task = asyncio.create_task(collect(assistant))
    while not backend.cancels:
        await asyncio.sleep(0.01)
    await assistant.aclose()
    assert backend.closed
    assert done(await asyncio.wait_for(task, 2)).status == "answer"


async def test_two_readers_at_once_get_their_own_answers() -> None:
    both = threading.Barrier(2, timeout=10)

    def answer(messages: list[Message]) -> Any:
        name = "lap" if "'lap'" in messages[-1].content else "timm"
        for _ in range(5):
            both.wait()
            yield f"The package {name} is not "
            yield "installed in your notebook. "

    assistant = make(FakeBackend(answer=answer))
    one, two = await asyncio.gather(collect(assistant, TIMM), collect(assistant, LAP))
    assert done(one).turn.match_ids[0] == "missing-timm"
    assert done(two).turn.match_ids[0] == "missing-lap"
    assert texts(one, Sentence)[0] == GOOD
    assert texts(two, Sentence)[0] == GOOD.replace("timm", "lap")
    assert "lap" not in " ".join(texts(one, Sentence))
    assert "timm" not in " ".join(texts(two, Sentence))
    assert done(one).turn.fix != done(two).turn.fix


# --- probes --------------------------------------------------------------------------------------


async def test_a_probe_alone_is_a_finding_and_joins_the_last_turn() -> None:
    prober = FakeProber(GPU)
    assistant = make(FakeBackend(), prober=prober)
    first = done(await collect(assistant)).turn
    events = await collect(assistant, "", probe="gpu", target="own", conversation=(first,))
    assert kinds(events) == ["Probed", "Done"]
    assert prober.runs == [(("gpu",), "own")]
    turn = done(events).turn
    assert turn.query == first.query
    assert turn.fix == first.fix
    assert turn.findings == (GPU,)
    again = done(await collect(assistant, "", probe="gpu", conversation=(turn,))).turn
    assert again.findings == (GPU, GPU)


async def test_a_probe_before_any_question_is_a_turn_of_its_own() -> None:
    events = await collect(make(), "", probe="gpu")
    assert done(events).turn.findings == (GPU,)
    assert done(events).status == "abstain"


async def test_an_unknown_probe_is_refused_not_raised() -> None:
    events = await collect(make(), "", probe="nope")
    assert [event.finding.status for event in events if isinstance(event, Probed)] == ["refused"]


async def test_a_probe_with_a_question_is_evidence_for_the_answer() -> None:
    backend = FakeBackend(f"{GOOD} ")
    events = await collect(make(backend), probe="gpu")
    assert kinds(events)[0] == "Probed"
    assert done(events).turn.findings == (GPU,)
    assert "No GPU was found." in backend.prompts[0][-1].content


async def test_earlier_findings_reach_the_model() -> None:
    backend = FakeBackend(f"{GOOD} ")
    assistant = make(backend)
    turn = done(await collect(assistant, "", probe="gpu")).turn
    await collect(assistant, conversation=(turn,))
    assert "No GPU was found." in backend.prompts[0][-1].content


# --- knowledge -----------------------------------------------------------------------------------


class Gate:
    """Builds the retriever only when opened; first the lexical one, then the complete one."""

    def __init__(self) -> None:
        self.lexical, self.dense = threading.Event(), threading.Event()

    def __call__(self, library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
        assert (self.dense if dense else self.lexical).wait(10)
        return build_lexical_retriever(library, dense)


async def test_a_question_asked_while_loading_is_answered() -> None:
    gate = Gate()
    assistant = make(snapshots=Snapshots((str(GUIDE),), gate))
    assistant.start()
    events: list[Event] = []

    async def read() -> None:
        async for event in assistant.ask(TIMM):
            events.append(event)

    async def until(wanted: Callable[[Event], bool]) -> None:
        while not any(wanted(event) for event in events):
            await asyncio.sleep(0.01)

    task = asyncio.create_task(read())
    await asyncio.wait_for(until(lambda e: e == Loading("the guide")), 5)
    assert assistant.snapshot() is None
    gate.lexical.set()
    await asyncio.wait_for(until(lambda e: e == Loading("the search model")), 5)
    assert any(isinstance(event, Fix) for event in events), "the fix does not wait for the encoder"
    gate.dense.set()
    await asyncio.wait_for(task, 5)
    assert done(events).status == "answer"


async def test_without_any_guide_the_reason_is_raised(tmp_path: Path) -> None:
    assistant = make(snapshots=course_snapshots(tmp_path / "none.md"))
    with pytest.raises(GuideError, match="There is no guide"):
        await collect(assistant)


def change(guide: Path, text: str) -> None:
    guide.write_text(text, "utf-8")
    os.utime(guide, ns=(time.time_ns(), time.time_ns()))


async def test_a_changed_guide_is_picked_up_without_a_failed_request(tmp_path: Path) -> None:
    guide = Path(shutil.copy(GUIDE, tmp_path / "course.md"))
    clock = iter(range(0, 1_000_000, 2))
    snapshots = Snapshots((str(guide),), build_lexical_retriever, clock=lambda: float(next(clock)))
    assistant = make(FakeBackend(), snapshots=snapshots)
    before = done(await collect(assistant)).turn
    change(guide, GUIDE.read_text("utf-8").replace("Install it there.", "Install it HERE."))
    async with asyncio.timeout(10):
        while True:
            turn = done(await collect(assistant)).turn
            assert turn.fix is not None, "no request fails meanwhile"
            if turn.fingerprint != before.fingerprint:
                break
            await asyncio.sleep(0.02)
    assert turn.fix.text.startswith("Install it HERE.")

    change(guide, "")
    async with asyncio.timeout(10):
        while not texts(events := await collect(assistant), Notice):
            await asyncio.sleep(0.02)
    assert done(events).turn.fix == turn.fix
    notices = texts(events, Notice)
    assert len(notices) == 1
    assert "last good version" in notices[0]

    guide.unlink()
    async with asyncio.timeout(10):
        while "no guide" not in " ".join(texts(events := await collect(assistant), Notice)):
            await asyncio.sleep(0.02)
    assert done(events).turn.fix == turn.fix

    change(guide, GUIDE.read_text("utf-8"))
    async with asyncio.timeout(10):
        while texts(events := await collect(assistant), Notice):
            await asyncio.sleep(0.02)
    assert done(events).turn.fingerprint == before.fingerprint


async def test_the_model_loads_in_the_background_and_its_failure_is_no_ones_problem() -> None:
    class FakeBrokenBackend(FakeBackend):
        def load(self) -> None:
            raise BackendError("no")

    assistant = make(FakeBrokenBackend(f"{GOOD} "))
    assert texts(await collect(assistant), Sentence)[0] == GOOD
    assert assistant.backend_status().state == "ready"
    assert [info.id for info in assistant.probes()] == ["gpu"]
    assert [target.name for target in assistant.targets()] == ["own"]
    await assistant.aclose()


async def test_understood_holds_the_query_that_was_read() -> None:
    events = await collect(make())
    understood = events[0]
    assert isinstance(understood, Understood)
    assert understood.query.exception is not None
    assert understood.query.exception.message == "No module named 'timm'"
