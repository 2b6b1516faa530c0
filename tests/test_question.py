"""The one question that tells two near entries apart: when it is asked, and what an answer does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.conversation import read_followup
from assistant.events import Event, Fix, Probed, Question, Retrieved
from assistant.library import Library
from assistant.question import build_question, find_question
from assistant.reading import read_query
from assistant.render import ask_json
from assistant.service import Assistant
from assistant.snapshots import Snapshots
from assistant.terminal import print_event
from assistant.types import Clue, Entry, Finding, FixText, Match, Query, Retrieval, Status, Turn
from tests.fakes import FakeBackend, FakeProber, fake_entry
from tests.test_service import collect, done

CNN = replace(
    fake_entry("cnn", title="Accuracy stays at chance"),
    symptoms=("The accuracy stays at 10 %", "It is as good as guessing"),
)
VIT = replace(
    fake_entry("vit", title="ViT is worse than a CNN"),
    symptoms=("The accuracy stays at 10 %.", "The CNN gets 90 %, the ViT 60 %"),
)
APART = replace(
    fake_entry("apart", title="Slow"),
    symptoms=(),
    body="**Cause**: x\n\n**Tell it apart**: Each step is slow. The other is not.\n\nMore.",
)
BARE = replace(fake_entry("bare", title="Odd " * 60), symptoms=())
RESET = replace(fake_entry("reset"), kind="procedure")
ENTRIES = {entry.id: entry for entry in (CNN, VIT, APART, BARE, RESET)}


def found(*pairs: tuple[str, float], status: Status = "likely") -> Retrieval:
    return Retrieval(tuple(Match(id_, id_, value) for id_, value in pairs), status)


@pytest.mark.parametrize(
    ("retrieval", "asked"),
    [
        (found(("cnn", 0.7), ("vit", 0.65)), True),
        (found(("cnn", 0.7), ("vit", 0.43)), True),
        (found(("cnn", 0.7), ("vit", 0.42)), False),  # far enough ahead
        (found(("cnn", 0.7), ("vit", 0.7), status="answer"), False),
        (found(("cnn", 0.7), ("vit", 0.7), status="abstain"), False),
        (found(("cnn", 0.7)), False),
        (found(("cnn", 0.7), ("gone", 0.7)), False),
        (found(("cnn", 0.7), ("reset", 0.7)), False),
    ],
)
def test_it_is_asked_where_a_likely_match_is_hardly_ahead(retrieval, asked) -> None:
    question = find_question(retrieval, ENTRIES)
    assert (question is not None) is asked
    if question is not None:
        assert question.choices == ("cnn", "vit")


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        (CNN, VIT, ["A: Accuracy stays at chance (you see: It is as good as guessing)",
                    "B: ViT is worse than a CNN (you see: The CNN gets 90 %, the ViT 60 %)"]),
        (APART, CNN, ["A: Slow (Each step is slow.)",
                      "B: Accuracy stays at chance (you see: The accuracy stays at 10 %)"]),
        (BARE, APART, ["A: " + ("Odd " * 60)[:159] + "…", "B: Slow (Each step is slow.)"]),
    ],
)  # fmt: skip
def test_it_is_made_of_what_one_sees_in_the_guides_words(
    first: Entry, second: Entry, lines: list[str]
) -> None:
    whole = ["Which is it?", *lines, "Answer A, B or neither."]
    assert build_question(first, second).split("\n") == whole


# --- the answer to it ----------------------------------------------------------------------------

IDS = ("cnn", "vit", "apart")


def turn(*shown: str, ids: tuple[str, ...] = IDS) -> tuple[Turn, ...]:
    query = read_query("it is bad")
    return tuple(Turn(query, ids, FixText(id_, ""), "", "f") for id_ in shown)


@pytest.mark.parametrize(
    ("text", "kind", "id_"),
    [
        ("B", "chosen", "vit"), ("b)", "chosen", "vit"), ("it's A", "chosen", "cnn"),
        ("I think it is B", "chosen", "vit"), ("option a, please", "chosen", "cnn"),
        ("B fits", "chosen", "vit"), ("neither", "failed", "apart"),
        ("Neither of them.", "failed", "apart"), ("none of these", "failed", "apart"),
        ("no, none", "failed", "apart"),
    ],
)  # fmt: skip
def test_answers_are_read(text: str, kind: str, id_: str) -> None:
    followup = read_followup(read_query(text), turn("cnn"))
    assert followup is not None
    assert (followup.kind, followup.id) == (kind, id_)


@pytest.mark.parametrize(
    "text", ["C", "AB", "a b", "A/B testing", "is a CNN better?", "none of my images load", "be"]
)
def test_other_texts_are_no_answer(text: str) -> None:
    assert read_followup(read_query(text), turn("cnn")) is None


def test_the_letters_stay_those_of_the_question() -> None:
    """After B was shown the matches stand in another order; "A" is still the first of them."""
    query = read_query("it is bad")
    after = Turn(query, ("vit", "cnn", "apart"), FixText("vit", ""), "", "f")
    followup = read_followup(read_query("A"), (*turn("cnn"), after))
    assert followup is not None
    assert followup.id == "cnn"


def test_where_there_is_nothing_else_neither_leads_to_no_entry() -> None:
    followup = read_followup(read_query("neither"), turn("cnn", ids=("cnn", "vit")))
    assert followup is not None
    assert followup.id == ""
    assert read_followup(read_query("B"), turn("cnn", ids=("cnn",))) is None
    assert read_followup(read_query("B"), ()) is None


# --- in the stream -------------------------------------------------------------------------------

GUIDE = """# Guide

### Error: Accuracy stays at chance {#cnn}

**Symptoms**:
- It is as good as guessing

**Cause**: The learning rate is too high.

**Solution**: Lower it.

### Error: ViT is worse than a CNN {#vit}

**Symptoms**:
- The CNN gets 90 %, the ViT 60 %

**Cause**: Too few images.

**Solution**: Use pretrained weights.

### Error: The loss rises {#loss}

**Symptoms**:
- The loss rises

**Cause**: Too large steps.

**Solution**: Take smaller ones.
"""


class Near:
    """A search that finds the entries of the guide above all alike."""

    has_reranker = False

    def search(self, query: Query) -> Retrieval:
        return found(("cnn", 0.6), ("vit", 0.55), ("loss", 0.5))

    fast = search


def make(folder: Path, prober: FakeProber | None = None) -> Assistant:
    file = folder / "guide.md"
    file.write_text(GUIDE)

    def build(library: Library, dense: bool) -> tuple[Any, tuple[str, ...]]:
        return Near(), ()

    return Assistant(Snapshots((str(file),), build), FakeBackend(), prober or FakeProber())


def shown(events: list[Event]) -> str | None:
    fix = next((e.fix for e in reversed(events) if isinstance(e, Fix)), None)
    return fix.entry if fix else None


async def test_letters_lead_on_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    assistant = make(tmp_path)
    events = await collect(assistant, "my network is bad")
    (question,) = (e for e in events if isinstance(e, Question))
    assert question.choices == ("cnn", "vit")
    assert shown(events) == "cnn"
    first = done(events).turn
    chosen = await collect(assistant, "B", conversation=(first,))
    assert shown(chosen) == "vit"
    (why,) = {e.matches[0].why for e in chosen if isinstance(e, Retrieved) and e.final}
    assert why == ("you said that this one fits",)
    assert done(chosen).turn.query == first.query
    back = await collect(assistant, "no, A", conversation=(first, done(chosen).turn))
    neither = await collect(assistant, "neither", conversation=(first,))
    assert shown(neither) == "loss"
    for later in (chosen, back, neither):
        assert not any(isinstance(e, Question) for e in later)
    new = await collect(assistant, "another network is bad", conversation=(first,))
    assert any(isinstance(e, Question) for e in new)


async def test_a_finding_is_better_than_a_question(tmp_path: Path) -> None:
    text = "All images get the same answer."
    clue = Clue("cnn", "confirmed", text, "learning rate")
    prober = FakeProber(pasted=(Finding("predictions", "fail", text, clues=(clue,)),))
    events = await collect(make(tmp_path, prober), "my network is bad PASTED")
    assert any(isinstance(e, Probed) for e in events)
    assert not any(isinstance(e, Question) for e in events)
    assert shown(events) == "cnn"


async def test_terminal_and_json_show_it(tmp_path: Path, capsys: Any) -> None:
    events = await collect(make(tmp_path), "my network is bad")
    for event in events:
        print_event(event)
    printed = capsys.readouterr().out
    assert "Which is it?\nA: Accuracy stays at chance (you see: It is as good" in printed
    assert printed.index("Lower it.") < printed.index("Which is it?")
    shape = json.loads(json.dumps(ask_json(events)))
    assert shape["question"]["choices"] == ["cnn", "vit"]
    assert shape["question"]["text"].startswith("Which is it?\nA: ")
    assert (shape["status"], shape["answered"]) == ("likely", True)
    assert ask_json([])["question"] is None


def test_what_a_guide_holds_does_not_drive_the_terminal(capsys: Any) -> None:
    print_event(Question("Which?\nA: \x1b[2Jx\u202e", ("a", "b")))
    assert "\x1b" not in (printed := capsys.readouterr().out)
    assert "\u202e" not in printed
