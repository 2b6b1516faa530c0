"""What is kept of a browser's conversations, and how it comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.events import Fix, Retrieved, Sentence, Understood
from assistant.history import open_history, session_key
from assistant.records import Record, follow
from assistant.types import Finding, FixText, Match, Query
from assistant.web.browser import Visitor
from assistant.web.messages import Answer
from assistant.web.session import Session
from assistant.web.shelf import TURNS, Shelf, build_conversation
from tests.fakes import fake_done

ME = Visitor("tab", session_key("me"))


def record(text: str, *, state: str = "done", entry: str = "missing-timm", **values) -> Record:
    query = Query(text, "text")
    fix = FixText(entry, "Do it.") if entry else None
    matches = tuple(Match(id_, id_, 0.5) for id_ in (entry, "other") if id_)
    events = [Understood(query), Retrieved(matches, "answer", True), Fix(fix, 0), Sentence("So.")]
    made = Record(**values)
    for event in [*events, *([fake_done(query, fix=fix)] if state == "done" else [])]:
        made = follow(made, event)
    return replace(made, state=state)


@pytest.mark.parametrize(
    ("records", "texts"),
    [
        ([], []),
        ([record("one"), record("two")], ["one", "two"]),
        ([record(str(n)) for n in range(TURNS + 2)], [str(n) for n in range(2, TURNS + 2)]),
        ([record("a", state="interrupted")], ["a"]),  # its fix was shown
        ([record("a", state="interrupted", entry="")], []),
        ([record("a"), record("It still fails.", entry="other")], ["a", "a"]),
    ],
    ids=["none", "all", "the last ones", "broken off", "without a fix", "a follow-up"],
)
def test_what_a_next_question_sees(records, texts):
    assert [turn.query.text for turn in build_conversation(records)] == texts


async def test_a_conversation_comes_back_with_its_last_answer_s_checks(tmp_path):
    history = open_history(tmp_path / "history.sqlite3")
    for state in ("done", "interrupted"):
        kept = record(f"Question, {state}", state=state)
        history.record_turn("k" * 32, kept, owner=ME.owner)
    shelf = Shelf(history)
    session = Session(ME)
    await shelf.restore(session, "k" * 32, await shelf.load(ME.owner, "k" * 32), ())
    assert session.key == "k" * 32
    assert [one.number for one in session.kept] == [1, 2]
    first, second = session.exchanges.values()
    assert first.answer.turn is not None
    assert "broken off" in second.answer.ended


async def test_later_evidence_joins_its_question_and_outcomes_are_kept(tmp_path):
    history = open_history(tmp_path / "history.sqlite3")
    shelf = Shelf(history)
    keeping = shelf.begin(Session(ME))
    keeping.record = record("Question")
    keeping.number = history.record_turn(keeping.session, keeping.record, owner=ME.owner)
    await shelf.join(keeping, Answer(findings=(Finding("gpu", "ok", "fine"),)))
    await shelf.judge(keeping, "not_fixed")
    (turn,) = history.load_turns()
    assert ([one.id for one in turn.findings], turn.outcome) == (["gpu"], "not_fixed")
    assert turn.tried == keeping.record.tried == ("missing-timm",)
    await shelf.judge(keeping, None)
    assert history.load_turns()[0].outcome is None


async def test_without_an_owner_nothing_is_listed_loaded_or_deleted(tmp_path):
    history = open_history(tmp_path / "history.sqlite3")
    history.record_turn("k" * 32, record("Question"), owner="")
    shelf = Shelf(history)
    assert await shelf.list("") == ()
    assert await shelf.load("", "k" * 32) == ()
    assert not await shelf.delete("", "k" * 32)
    assert not await shelf.delete(ME.owner, "k" * 32)
    assert len(history.load_turns()) == 1
