"""What a click does: views, stopping, nonces and failures, without a page."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from assistant.errors import BackendError
from assistant.events import Fix, Notice, Retrieved, Understood
from assistant.types import FixText, Match, Query
from assistant.web.room import NO_SESSION, RUNNING, TURNS, Room
from assistant.web.stream import Stream
from tests.fakes import FakeAssistant, answer_script, fake_done


async def collected(views) -> list:
    return [view async for view in views]


def last_text(view) -> str:
    return view.messages[-1]["content"]


async def asked(room: Room, text: str, *, session: str = "me"):
    return (await collected(room.ask(session, text)))[-1]


async def probed(room: Room, row: str, *, nonce: str, target: str = "own", session: str = "me"):
    return (await collected(room.probe(session, row, nonce=nonce, target=target)))[-1]


# --- answers -------------------------------------------------------------------------------------


async def test_an_answer_is_folded_and_its_turn_is_kept():
    fake = FakeAssistant()
    room = Room(fake)
    view = await asked(room, "No module named 'timm'")
    assert [message["role"] for message in view.messages] == ["user", "assistant"]
    assert "pip install missing-timm" in last_text(view)
    assert (view.taken, view.settled) == (True, True)
    assert view.candidates == ("Missing lap", "Out of memory")
    await asked(room, "and now?")
    assert [len(call.conversation) for call in fake.calls] == [0, 1]


async def test_a_conversation_is_bounded_and_each_page_has_its_own():
    fake = FakeAssistant()
    room = Room(fake)
    for number in range(TURNS + 3):
        await asked(room, f"question {number}")
    await asked(room, "other", session="you")
    assert [len(call.conversation) for call in fake.calls[-2:]] == [TURNS, 0]


@pytest.mark.parametrize("text", ["", "  \n\t "])
async def test_an_empty_question_asks_nothing(text):
    fake = FakeAssistant()
    view = await asked(Room(fake), text)
    assert "nothing to read" in last_text(view)
    assert fake.calls == []


@pytest.mark.parametrize("text", ["a\ud800b", "nul\x00", "\u202eabc", "x" * 5_000_000])
async def test_odd_text_reaches_the_assistant_and_can_be_shown(text):
    fake = FakeAssistant()
    view = await asked(Room(fake), text)
    assert view.settled
    assert len(str(view.messages).encode()) < 100_000
    assert len(fake.calls[0].text) == len(text)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (BackendError("The model is away.", hint="Ask again."), "The model is away\\. Ask again"),
        (ValueError("secret /home/x/.netrc"), "incident"),
    ],
)
async def test_a_failure_in_the_middle_keeps_what_was_there(error, shown):
    query = Query("question", "text")
    script = [
        Understood(query),
        Retrieved((), "answer", True),
        Fix(FixText("missing-timm", "A"), 1),
        error,
    ]
    view = await asked(Room(FakeAssistant(lambda *_: script)), "question")
    assert (view.taken, view.settled) == (True, False)  # the text goes back into the box
    assert "### Missing timm" in last_text(view)
    assert shown.replace("\\", "") in last_text(view).replace("\\", "")
    assert "netrc" not in str(view.messages)


async def test_a_stream_that_ends_without_a_turn_is_called_broken_off():
    view = await asked(Room(FakeAssistant(lambda *_: [Notice("x")])), "question")
    assert "broke off" in last_text(view)
    assert not view.settled


# --- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stop", "clear", "close", "leave"])
async def test_every_way_to_end_closes_the_iterator(way):
    fake = FakeAssistant(lambda *_: [Understood(Query("q", "text")), "forever"])
    room = Room(fake)
    views = room.ask("me", "q")
    await anext(views)
    if way == "leave":
        await views.aclose()
    else:
        getattr(room, way)("me")
        rest = await collected(views)
        assert not rest[-1].settled or way != "stop"
    assert fake.calls[0].closed.is_set()


async def test_stop_says_so_and_the_next_question_works():
    fake = FakeAssistant(
        lambda text, _: ["forever"] if text == "slow" else answer_script(text, None)
    )
    room = Room(fake)
    views = room.ask("me", "slow")
    task = asyncio.create_task(collected(views))
    await asyncio.to_thread(_wait_for_call, fake)
    room.stop("me")
    assert "Stopped" in last_text((await task)[-1])
    assert (await asked(room, "quick")).settled


def _wait_for_call(fake: FakeAssistant) -> None:
    while not fake.calls:
        pass
    assert fake.calls[0].started.wait(5)


async def test_clear_forgets_chat_conversation_and_candidates():
    fake = FakeAssistant()
    room = Room(fake)
    await asked(room, "one")
    assert room.clear("me").messages == []
    await asked(room, "two")
    assert fake.calls[-1].conversation == ()


async def test_one_page_can_not_take_all_places():
    room = Room(FakeAssistant(lambda *_: ["forever"]))
    running = [room.ask("me", "q") for _ in range(RUNNING)]
    for views in running:
        await anext(views)
    assert "Press Stop first" in last_text(await asked(room, "one more"))
    for views in running:
        await views.aclose()


# --- probes --------------------------------------------------------------------------------------


async def test_a_click_runs_its_probe_once():
    fake = FakeAssistant()
    room = Room(fake)
    (nonce,) = room.issue("me", ["gpu"], target="own")
    view = await probed(room, "gpu", nonce=nonce)
    assert last_text(view).startswith("**Looked at: the assistant's own Python")
    assert [(call.probe, call.target) for call in fake.calls] == [("gpu", "own")]
    assert "Nothing was run" in last_text(await probed(room, "gpu", nonce=nonce))
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    ("row", "target", "session"),
    [
        ("memory", "own", "me"),
        ("gpu", "elsewhere", "me"),
        ("gpu", "own", "you"),
        ("gpu; rm -rf /", "own", "me"),
        ("gpu", "own", NO_SESSION),
    ],
)
async def test_a_nonce_for_something_else_runs_nothing(row, target, session):
    fake = FakeAssistant()
    room = Room(fake)
    (nonce,) = room.issue("me", ["gpu"], target="own")
    view = await probed(room, row, nonce=nonce, target=target, session=session)
    assert "Nothing was run" in last_text(view)
    assert fake.calls == []


@pytest.mark.parametrize(("session", "target"), [(NO_SESSION, "own"), ("me", "invented")])
async def test_even_a_matching_nonce_needs_a_session_and_a_known_target(session, target):
    fake = FakeAssistant()
    room = Room(fake)
    (nonce,) = room.issue(session, ["gpu"], target=target)
    view = await probed(room, "gpu", nonce=nonce, target=target, session=session)
    assert "Nothing was run" in last_text(view)
    assert fake.calls == []


async def test_a_probe_revises_the_last_turn_instead_of_adding_one():
    query = Query("question", "text")

    def script(text: str, probe: str | None):
        matches = (Match("missing-lap", "Missing lap", 0.9),)
        fix = FixText("missing-lap", "Second thought")
        revised = [Retrieved(matches, "answer", True), Fix(fix, 2), fake_done(query, fix=fix)]
        return revised if probe else [Understood(query), fake_done(query)]

    fake = FakeAssistant(script)
    room = Room(fake)
    await asked(room, "question")
    (nonce,) = room.issue("me", ["gpu"], target="own")
    assert "Second thought" in last_text(await probed(room, "gpu", nonce=nonce))
    await asked(room, "next")
    (turn,) = fake.calls[-1].conversation
    assert turn.fix.entry == "missing-lap"


# --- candidates and status -----------------------------------------------------------------------


async def test_a_candidate_shows_its_entry():
    room = Room(FakeAssistant())
    await asked(room, "question")
    assert "pip install missing-lap" in last_text(room.show_candidate("me", 0))
    for position in (-1, 2, 99):
        assert "no longer there" in last_text(room.show_candidate("me", position))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({}, "Ready: 3 guide entries. Model: fake (tiny)."),
        ({"loading": True}, "Loading the guide"),
        ({"entries": {}}, "No guide could be read"),
    ],
)
def test_the_status_line(options, part):
    assert part in Room(FakeAssistant(**options)).status()


# --- the stream ----------------------------------------------------------------------------------


async def numbers(count: int):
    for number in range(count):
        yield number


async def test_a_flood_of_events_becomes_few_batches():
    stream = Stream(numbers(10_000), interval=0.01)
    batches = [batch async for batch in stream.batches()]
    assert [number for batch in batches for number in batch] == list(range(10_000))
    assert len(batches) < 20


async def test_a_silent_source_still_gives_a_pulse():
    fake = FakeAssistant(lambda *_: ["forever"])
    stream = Stream(fake.ask("q"), interval=0.0, pulse=0.01)
    async with aclosing(stream.batches()) as batches:
        assert [await anext(batches) for _ in range(3)] == [(), (), ()]
    assert fake.calls[0].closed.is_set()


async def test_a_stream_stopped_before_its_start_ends_at_once():
    stream = Stream(numbers(3))
    stream.stop()
    assert [batch async for batch in stream.batches()] == [()]
