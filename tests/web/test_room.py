"""What a click does: views, stopping, going on, and failures, without a page."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from assistant.errors import BackendError, InputError
from assistant.events import Fix, Notice, Offered, Probed, Retrieved, Sentence, Understood
from assistant.history import History, open_history, session_key
from assistant.types import Clue, Finding, FixText, Match, Query
from assistant.web.browser import Visitor
from assistant.web.checks import CHECK_ALL, PANEL
from assistant.web.room import Room
from assistant.web.session import EXCHANGES
from assistant.web.shelf import TURNS
from assistant.web.stream import Stream
from assistant.web.talk import RUNNING
from tests.fakes import ENTRIES, FakeAssistant, answer_script, fake_done, fake_entry

ME = Visitor("tab", session_key("me"))
MY_OTHER_TAB = Visitor("other tab", ME.owner)
YOU = Visitor("tab", session_key("you"))
QUESTION = "No module named 'timm'"


@pytest.fixture
def history(tmp_path) -> History:
    return open_history(tmp_path / "history.sqlite3")


async def collected(views) -> list:
    return [view async for view in views]


def last_text(view) -> str:
    return view.messages[-1]["content"]


async def asked(room: Room, text: str = QUESTION, *, who: Visitor = ME):
    return (await collected(room.ask(who, text)))[-1]


async def pressed(room: Room, permit: str, *, target: str = "own", who: Visitor = ME, **told):
    return (await collected(room.check(who, permit, target=target, **told)))[-1]


async def cut_off(
    room: Room, text: str = QUESTION, *, who: Visitor = ME, seen: str = "pip"
) -> None:
    """Ask, and leave once the answer shows `seen`, as a closed tab does."""
    async with aclosing(room.ask(who, text)) as views:
        async for view in views:
            if view.messages and seen in last_text(view):
                return


def until_forever(text: str, probe: str | None):
    """An answer whose model never comes to an end."""
    return [*answer_script(text, probe)[:4], "forever"]


# --- answers -------------------------------------------------------------------------------------


async def test_an_answer_is_folded_and_its_turn_is_kept():
    fake = FakeAssistant()
    room = Room(fake)
    view = await asked(room)
    assert [message["role"] for message in view.messages] == ["user", "assistant"]
    assert "pip install missing-timm" in last_text(view)
    assert (view.taken, view.settled, view.can_judge, view.can_resume) == (True, True, True, False)
    assert view.candidates == ("Missing lap", "Out of memory")
    await asked(room, "and now?")
    assert [len(call.conversation) for call in fake.calls] == [0, 1]


async def test_a_conversation_is_bounded_and_each_page_has_its_own():
    fake = FakeAssistant()
    room = Room(fake)
    for number in range(TURNS + 3):
        await asked(room, f"question {number}")
    await asked(room, "other", who=YOU)
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
        (BackendError("The model is away.", hint="Ask again."), "The model is away. Ask again"),
        (ValueError("secret /home/x/.netrc"), "incident"),
    ],
)
async def test_a_failure_in_the_middle_keeps_what_was_there(error, shown):
    script = [
        Understood(Query("question", "text")),
        Retrieved((), "answer", True),
        Fix(FixText("missing-timm", "A"), 1),
        error,
    ]
    view = await asked(Room(FakeAssistant(lambda *_: script)), "question")
    assert (view.taken, view.settled) == (True, False)  # the text goes back into the box
    assert "### Missing timm" in last_text(view)
    assert shown in last_text(view).replace("\\", "")
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
    views = room.ask(ME, "q")
    await anext(views)
    if way == "leave":
        await views.aclose()
    elif way == "close":
        room.close(ME)
        await collected(views)
    else:
        await getattr(room, way)(ME)
        rest = await collected(views)
        assert not rest[-1].settled or way != "stop"
    assert fake.calls[0].closed.is_set()


async def test_stop_says_so_and_the_next_question_works():
    fake = FakeAssistant(
        lambda text, _: ["forever"] if text == "slow" else answer_script(text, None)
    )
    room = Room(fake)
    task = asyncio.create_task(collected(room.ask(ME, "slow")))
    while not fake.calls:
        await asyncio.sleep(0.01)
    await room.stop(ME)
    assert "Stopped" in last_text((await task)[-1])
    assert (await asked(room, "quick")).settled


async def test_clear_forgets_chat_conversation_and_candidates():
    fake = FakeAssistant()
    room = Room(fake)
    await asked(room, "one")
    assert (await room.clear(ME)).messages == []
    await asked(room, "two")
    assert fake.calls[-1].conversation == ()


async def test_a_new_conversation_has_new_permits_and_the_old_ones_are_worth_nothing():
    fake = FakeAssistant()
    room = Room(fake)
    old = (await room.open(ME)).permits["gpu"]
    new = (await room.clear(ME)).permits["gpu"]
    assert "Nothing was run" in last_text(await pressed(room, old))
    assert fake.calls == []
    await pressed(room, new)
    assert [call.probe for call in fake.calls] == ["gpu"]


async def test_as_many_questions_are_remembered_as_the_chat_shows():
    room = Room(FakeAssistant())
    for number in range(EXCHANGES + 3):
        await asked(room, f"question {number}")
    session = room._sessions[ME.id]
    assert (len(session.kept), session.kept[-1].record.text) == (EXCHANGES, "question 42")


async def test_a_request_from_no_page_is_shown_a_page_and_nothing_else():
    """Programs that name no page would all be in the same one, and see each other's questions."""
    fake = FakeAssistant()
    room = Room(fake)
    nobody = Visitor("", ME.owner)
    view = await room.open(nobody)
    assert (view.messages, dict(view.permits)) == ([], {})
    for act in (room.ask(nobody, "x"), room.resume(nobody), room.check(nobody, "gpu x", target="")):
        with pytest.raises(InputError, match="no open page"):
            await anext(act)
    with pytest.raises(InputError):
        await room.clear(nobody)
    assert fake.calls == []


async def test_one_page_can_not_take_all_places():
    room = Room(FakeAssistant(lambda *_: ["forever"]))
    running = [room.ask(ME, "q") for _ in range(RUNNING)]
    for views in running:
        await anext(views)
    assert "Press Stop first" in last_text(await asked(room, "one more"))
    for views in running:
        await views.aclose()


# --- coming back ---------------------------------------------------------------------------------


async def test_a_conversation_is_there_again_in_a_new_tab_and_after_a_restart(history):
    room = Room(FakeAssistant(), history=history)
    before = (await asked(room)).messages
    assert (await room.open(MY_OTHER_TAB)).messages == before
    restarted = Room(fake := FakeAssistant(), history=history)
    view = await restarted.open(ME)
    assert (view.messages, view.can_judge) == (before, True)
    await asked(restarted, "and now?")
    assert [turn.fix.entry for turn in fake.calls[0].conversation] == ["missing-timm"]
    assert (await restarted.open(YOU)).messages == []


@pytest.mark.parametrize("way", ["in this process", "after a restart"])
async def test_a_broken_answer_is_marked_and_one_click_goes_on(history, way):
    room = Room(FakeAssistant(until_forever), history=history)
    await cut_off(room)
    if way == "after a restart":
        room = Room(FakeAssistant(), history=history)
    else:
        room.close(ME)
    view = await room.open(MY_OTHER_TAB)
    assert view.can_resume
    assert "pip install missing-timm" in last_text(view)
    assert "broken off" in last_text(view)
    room = Room(FakeAssistant(), history=history)
    await room.open(ME)
    view = (await collected(room.resume(ME)))[-1]
    assert [message["role"] for message in view.messages] == ["user", "assistant"]
    assert "Your environment lacks" in last_text(view)
    assert not view.can_resume
    (line,) = await room.past(ME)
    assert (line.turns, line.state) == (1, "done")


async def test_there_is_nothing_to_resume_after_a_whole_answer():
    room = Room(fake := FakeAssistant())
    await asked(room)
    assert "nothing to resume" in last_text((await collected(room.resume(ME)))[-1])
    assert len(fake.calls) == 1


async def test_a_page_that_slept_finds_its_conversation_and_its_python(history):
    """A closed lid ends the connection; the page that wakes up is the same one."""
    room = Room(fake := FakeAssistant(), history=history)
    await asked(room, "first")
    await room.aim(ME, "own")
    room.close(ME)
    view = await asked(room, "second")
    assert [one["content"] for one in view.messages if one["role"] == "user"] == ["first", "second"]
    assert [len(call.conversation) for call in fake.calls] == [0, 1]
    assert "Looked at" in last_text(await pressed(room, view.permits["gpu"]))


async def test_past_conversations_are_listed_opened_and_deleted_by_their_owner_alone(history):
    room = Room(FakeAssistant(), history=history)
    await asked(room, "first")
    await room.clear(ME)
    await asked(room, "second")
    lines = await room.past(ME)
    assert [line.title for line in lines] == ["second", "first"]
    old = lines[1].key
    assert await room.past(YOU) == ()
    assert await room.past(Visitor("tab")) == ()
    assert "no longer there" in last_text(await room.open_past(YOU, old))
    await room.delete_past(YOU, old)
    await room.delete_past(Visitor("tab"), old)
    assert "first" in str((await room.open_past(ME, old)).messages)
    assert (await room.delete_past(ME, old)).messages == []  # also where it is shown
    assert [line.title for line in await room.past(ME)] == ["second"]


async def test_the_packet_is_of_this_browser_s_conversation(history):
    room = Room(FakeAssistant(), history=history)
    await asked(room)
    assert "No module named 'timm'" in await room.packet(ME.owner)
    assert "No module named 'timm'" in await Room(FakeAssistant(), history=history).packet(ME.owner)
    assert [await room.packet(owner) for owner in (YOU.owner, "")] == ["", ""]


async def test_without_a_history_everything_works_while_the_page_is_open():
    room = Room(FakeAssistant())
    view = await asked(room, who=Visitor("tab"))
    assert view.settled
    assert "Noted" in last_text(await room.fixed(Visitor("tab")))
    assert await room.past(ME) == ()


# --- did it help? --------------------------------------------------------------------------------


def three_causes():
    """A script: a question with three near entries, of which each follow-up shows the next one."""
    ids = list(ENTRIES)
    turns = iter((ids, [*ids[1:], ids[0]], [ids[2], *ids[:2]]))

    def script(text: str, probe: str | None):
        query, order = Query(text, "text"), next(turns)
        matches = tuple(Match(id_, ENTRIES[id_].title, 0.5) for id_ in order)
        fix = FixText(order[0], ENTRIES[order[0]].solution)
        shown = [Understood(query), Retrieved(matches, "likely", True), Fix(fix, 1)]
        return [*shown, Offered(("packages", "image")), fake_done(query, fix=fix, status="likely")]

    return script


async def test_didnt_help_shows_the_next_entry_what_differs_and_never_the_same_again(history):
    room = Room(fake := FakeAssistant(three_causes()), history=history)
    await asked(room)
    view = (await collected(room.failed(ME)))[-1]
    assert "What is different about this one" in last_text(view)
    assert "The one before is for" in last_text(view)
    assert "pip install missing-lap" in last_text(view)
    assert "Missing timm" not in view.candidates
    assert [offer.row for offer in view.offers] == ["packages", "image"]
    assert [turn.fix.entry for turn in fake.calls[1].conversation] == ["missing-timm"]
    assert history.load_turns()[0].outcome == "not_fixed"
    again = Room(fake, history=history)  # also after a restart
    await again.open(ME)
    await collected(again.failed(ME))
    assert [turn.tried for turn in history.load_turns()] == [
        ("missing-timm",),
        ("missing-lap",),
        (),
    ]


async def test_what_did_not_help_before_is_called_so_when_it_comes_again(history):
    room = Room(FakeAssistant(), history=history)
    assert "You have tried this one" not in last_text(await asked(room))
    await collected(room.failed(ME))
    view = await asked(room)
    assert last_text(view).startswith("**You have tried this one in this conversation")
    assert "pip install missing-timm" in last_text(view)
    await room.clear(ME)
    assert "You have tried this one" not in last_text(await asked(room))


async def test_didnt_help_does_not_wait_for_the_model(history):
    """The fix is shown long before the answer ends; what follows must know which one it was."""
    room = Room(fake := FakeAssistant(until_forever), history=history)
    views = room.ask(ME, QUESTION)
    async for view in views:
        if view.can_judge:
            break
    fake.script = three_causes()
    await collected(room.failed(ME))
    assert [turn.fix.entry for turn in fake.calls[1].conversation] == ["missing-timm"]
    await collected(views)
    assert fake.calls[0].closed.is_set()


async def test_when_nothing_is_left_the_packet_is_named(history):
    room = Room(FakeAssistant(three_causes()), history=history)
    await asked(room)
    views = [(await collected(room.failed(ME)))[-1] for _ in range(3)]
    assert "pip install" in last_text(views[1])
    assert "no other entry" in last_text(views[2])
    assert "packet" in last_text(views[2])
    assert not views[2].can_judge


PROVEN = {
    "gone": ("ok", "ruled_out", "the fault is gone"),
    "still there": ("fail", "confirmed", "Not yet"),
}


@pytest.mark.parametrize("end", PROVEN)
async def test_fixed_it_offers_the_check_and_says_what_it_found(history, end):
    status, ruling, words = PROVEN[end]
    clue = Clue("missing-timm", ruling, "timm 1.0 is here", "not installed")
    finding = Finding("packages", status, "timm", where="lab", clues=(clue,))
    check = "It imports:\n\n```python\nimport timm\n```"
    entry = replace(fake_entry("missing-timm"), check=check, causes=("It is not installed.",))
    query = Query("No module named 'timm'", "text")
    fix = FixText("missing-timm", "Install it.")
    other = FixText("missing-lap", "Another one.")

    def script(text, probe):
        if probe:
            better = Retrieved((Match("missing-lap", "lap", 0.9),), "likely", True)
            revised = [Probed(finding), better, Fix(other, 2)]
            return [*revised, fake_done(Query("", "empty"), fix=other)]
        found = Retrieved((Match("missing-timm", "timm", 0.9),), "answer", True)
        shown = [Understood(query), found, Fix(fix, 1), Offered(("packages",))]
        return [*shown, fake_done(query, fix=fix)]

    fake = FakeAssistant(script, entries={**ENTRIES, "missing-timm": entry})
    room = Room(fake, history=history)
    await asked(room)
    view = await room.fixed(ME)
    assert "import timm" in last_text(view)
    assert not view.can_judge
    (offer,) = view.offers
    view = await pressed(room, offer.permit)
    assert last_text(view).startswith("**")
    assert words in last_text(view).split("\n")[0]
    assert "Another one" not in last_text(view)  # it changes no answer
    assert view.can_judge == (end == "still there")
    (turn,) = history.load_turns()
    assert (turn.fix.entry, [one.id for one in turn.findings]) == ("missing-timm", ["packages"])
    assert turn.outcome == ("fixed" if end == "gone" else None)
    assert len(history.load_failed_probes()) == (end == "still there")


@pytest.mark.parametrize("way", ["fixed", "failed"])
async def test_without_a_fix_there_is_nothing_to_judge(way):
    room = Room(FakeAssistant())
    said = getattr(room, way)(ME)
    view = await said if way == "fixed" else (await collected(said))[-1]
    assert "no fix to judge" in last_text(view)


# --- checks --------------------------------------------------------------------------------------


async def test_a_click_runs_its_check_once():
    room = Room(fake := FakeAssistant())
    permit = (await room.open(ME)).permits["gpu"]
    view = await pressed(room, permit)
    assert last_text(view).startswith("**Looked at: the assistant's own Python")
    assert [(call.probe, call.target) for call in fake.calls] == [("gpu", "own")]
    assert "Nothing was run" in last_text(await pressed(room, permit))
    assert len(fake.calls) == 1
    assert view.permits["gpu"] not in ("", permit)  # and can be pressed again


@pytest.mark.parametrize(
    ("change", "target", "who"),
    [
        (lambda permit: permit.replace("gpu", "memory"), "own", ME),
        (lambda permit: permit, "elsewhere", ME),
        (lambda permit: permit, "own", YOU),
        (lambda permit: permit, "own", MY_OTHER_TAB),
        (lambda permit: permit.replace("gpu", "gpu; rm -rf /"), "own", ME),
        (lambda permit: permit.partition(" ")[2], "own", ME),
        (lambda permit: "gpu guess", "own", ME),
        (lambda permit: "", "own", ME),
    ],
    ids=["row", "target", "browser", "tab", "row with more", "no row", "guess", "none"],
)
async def test_a_permit_for_something_else_runs_nothing(change, target, who):
    room = Room(fake := FakeAssistant())
    permit = (await room.open(ME)).permits["gpu"]
    view = await pressed(room, change(permit), target=target, who=who)
    assert "Nothing was run" in last_text(view)
    assert fake.calls == []


async def test_parameters_are_part_of_the_permission():
    room = Room(fake := FakeAssistant())
    await room.open(ME)
    told = {"file": "a.png", "most": "4"}

    def permit() -> str:
        return room.checks.issue(ME, "image", target="own", parameters=told)

    for other in ({"file": "/etc/passwd", "most": "4"}, {"file": "a.png"}, None):
        assert "Nothing was run" in last_text(await pressed(room, permit(), parameters=other))
    await pressed(room, permit(), parameters=told)
    assert [(call.probe, call.parameters) for call in fake.calls] == [("image", told)]


async def test_a_check_revises_the_last_turn_and_is_kept_with_it(history):
    query = Query("question", "text")
    fix = FixText("missing-lap", "Second thought")
    finding = Finding("gpu", "ok", "It is fine", where="lab")

    def script(text: str, probe: str | None):
        matches = (Match("missing-lap", "Missing lap", 0.9),)
        revised = [Retrieved(matches, "answer", True), Fix(fix, 2), fake_done(query, fix=fix)]
        return [Probed(finding), *revised] if probe else [Understood(query), fake_done(query)]

    room = Room(fake := FakeAssistant(script), history=history)
    view = await asked(room, "question")
    assert "Second thought" in last_text(await pressed(room, view.permits["gpu"]))
    await asked(room, "next")
    (turn,) = fake.calls[-1].conversation
    assert turn.fix.entry == "missing-lap"
    kept = history.load_turns()[0]
    assert (kept.fix.entry, [one.id for one in kept.findings]) == ("missing-lap", ["gpu"])


@pytest.mark.parametrize("when", ["while it is written", "after it broke off"])
async def test_a_check_in_mid_answer_joins_it_and_does_not_call_it_whole(history, when):
    script = lambda text, row: (answer_script if row else until_forever)(text, row)  # noqa: E731
    room = Room(FakeAssistant(script), history=history)
    views = room.ask(ME, QUESTION)
    async for view in views:
        if view.can_judge:
            break
    if when == "after it broke off":
        await room.stop(ME)
        await collected(views)
    view = await pressed(room, view.permits["gpu"])
    assert "Looked at" in last_text(view)
    await views.aclose()
    (turn,) = history.load_turns()
    assert (turn.state, [one.id for one in turn.findings]) == ("interrupted", ["gpu"])
    assert turn.fix.entry == "missing-timm"
    assert (await room.renew(ME)).can_resume


def with_quick_check(text: str, probe: str | None):
    steps = list(answer_script(text, probe))
    return [*steps[:3], Offered(("packages",)), *steps[3:]]


async def test_check_my_machine_answers_again_and_replaces_the_answer_only_when_whole(history):
    room = Room(fake := FakeAssistant(with_quick_check), history=history)
    view = await asked(room)
    assert view.can_check
    finding = Finding("packages", "warn", "timm is elsewhere", where="lab")
    query = Query(QUESTION, "text")
    whole = [Understood(query), Probed(finding), Sentence("Look there."), fake_done(query)]
    before = history.load_turns()
    assert before[0].state == "done"
    fake.script = lambda *_: [*whole[:-1], "forever"]
    views = room.check(ME, view.permits[CHECK_ALL], target="own")
    async for one in views:
        if "Look there" in last_text(one):
            break
    view = await room.stop(ME)
    await collected(views)
    (kept,) = history.load_turns()
    assert [one.id for one in kept.findings] == ["packages"]  # it was shown, so it is kept
    assert replace(kept, findings=()) == before[0]
    fake.script = lambda *_: whole
    view = await pressed(room, (await room.renew(ME)).permits[CHECK_ALL])
    assert fake.calls[-1].check
    assert not view.can_check
    (turn,) = history.load_turns()
    assert [one.text for one in turn.sentences] == ["Look there."]
    assert [one.id for one in turn.findings] == ["packages"]
    assert [one.probe for one in history.load_failed_probes()] == []


async def test_check_my_machine_needs_a_question():
    room = Room(fake := FakeAssistant())
    permit = (await room.open(ME)).permits[CHECK_ALL]
    assert "no question yet" in last_text(await pressed(room, permit))
    assert fake.calls == []


async def test_the_panel_reads_with_a_permit_of_its_own_and_adds_nothing_to_the_chat():
    room = Room(fake := FakeAssistant())
    permit = (await room.open(ME)).permits[PANEL]
    finding, reason, view = await room.sample(ME, permit, target="own")
    assert (finding.id, reason, view.messages) == ("memory", "", [])
    finding, reason, view = await room.sample(ME, permit, target="own")
    assert finding is None
    assert "already used" in reason
    assert (await room.sample(ME, view.permits[PANEL], target="own"))[0] is not None
    assert [call.probe for call in fake.calls] == ["memory", "memory"]
    for number in range(5):
        samples = room.add_sample(ME, (float(number), 8.0), most=3)
    assert samples == ((2.0, 8.0), (3.0, 8.0), (4.0, 8.0))


# --- candidates and status -----------------------------------------------------------------------


async def test_a_candidate_shows_its_entry():
    room = Room(FakeAssistant())
    await asked(room, "question")
    assert "pip install missing-lap" in last_text(await room.show_candidate(ME, 0))
    for position in (-1, 2, 99):
        assert "no longer there" in last_text(await room.show_candidate(ME, position))


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
