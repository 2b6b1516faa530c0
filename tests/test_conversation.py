from __future__ import annotations

import pytest

from assistant.conversation import read_followup
from assistant.reading import read_query
from assistant.types import Conversation, FixText, Turn

IDS = ("first", "second", "third")


def turn(shown: str, text: str = "it prints an error") -> Turn:
    return Turn(read_query(text), IDS, FixText(shown, ""), "", "f")


ONE: Conversation = (turn("first"),)


@pytest.mark.parametrize(
    ("text", "kind", "id_"),
    [
        ("it still fails", "failed", "second"),
        ("still the same error", "failed", "second"),
        ("didn't work", "failed", "second"),
        ("Does not help.", "failed", "second"),
        ("no, that doesn't work either", "failed", "second"),
        ("same problem", "failed", "second"),
        ("what else?", "failed", "second"),
        ("nope, not working", "failed", "second"),
        ("what about the second one?", "numbered", "second"),
        ("and the third?", "numbered", "third"),
        ("show me the other one", "numbered", "second"),
        ("why?", "why", "first"),
        ("why does this happen?", "why", "first"),
        ("explain that", "why", "first"),
    ],
)
def test_followups(text: str, kind: str, id_: str) -> None:
    found = read_followup(read_query(text), ONE)
    assert found is not None
    assert (found.kind, found.id) == (kind, id_)


@pytest.mark.parametrize(
    "text",
    [
        "why are 3x3 kernels used?",
        "why does my training loss go to nan",
        "ModuleNotFoundError: No module named 'timm'",
        "my second GPU is not used",
        "what does the first layer of a CNN see?",
        "the other model works",
        "it still fails\nRuntimeError: CUDA out of memory",
        "what is the difference between semantic and instance segmentation",
        "what about the fifth one?",
        "",
    ],
)
def test_questions_of_their_own(text: str) -> None:
    assert read_followup(read_query(text), ONE) is None


def test_without_an_earlier_answer_there_is_nothing_to_follow() -> None:
    assert read_followup(read_query("it still fails"), ()) is None


def test_what_was_tried_is_not_offered_again() -> None:
    talk: Conversation = (turn("first"), turn("second"))
    found = read_followup(read_query("still fails"), talk)
    assert found is not None
    assert found.id == "third"
    found = read_followup(read_query("still fails"), (*talk, turn("third")))
    assert found is not None
    assert found.id == ""
