"""ReplayBackend: the same prompt is answered from memory, anything else by the model."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from assistant.backends.replay import ReplayBackend
from assistant.errors import BackendError
from assistant.types import Message, Token, Waiting
from tests.fakes import FakeBackend, Piece


def prompt(text: str) -> tuple[Message, ...]:
    return (Message("system", "Be short."), Message("user", text))


def counting() -> FakeBackend:
    """Says the question, then how often it was asked."""

    def say(messages: Sequence[Message]) -> Sequence[Piece]:
        return (Waiting(1), messages[-1].content, f" {len(backend.prompts)}")

    backend = FakeBackend(answer=say)
    return backend


def read(backend: ReplayBackend, text: str) -> list[str]:
    events = backend.generate(prompt(text), cancel=threading.Event())
    return [event.text for event in events if isinstance(event, Token)]


def test_the_same_prompt_is_answered_once() -> None:
    model = counting()
    backend = ReplayBackend(model)
    assert read(backend, "a") == read(backend, "a") == ["a", " 1"]
    assert read(backend, "b") == ["b", " 2"]
    assert len(model.prompts) == 2


def test_one_other_character_is_another_prompt() -> None:
    """The guide's text stands in the prompt: a guide that changed gets a new answer."""
    model = counting()
    backend = ReplayBackend(model)
    first = (Message("system", "guide v1"), Message("user", "a"))
    second = (Message("system", "guide v2"), Message("user", "a"))
    for messages in (first, second, first):
        list(backend.generate(messages, cancel=threading.Event()))
    assert [p[0].content for p in model.prompts] == ["guide v1", "guide v2"]


def test_a_reader_who_had_enough_is_served_again_and_may_want_more() -> None:
    model = FakeBackend("one ", "two ", "three")
    backend = ReplayBackend(model)
    for _ in range(2):
        events = backend.generate(prompt("a"), cancel=threading.Event())
        assert [next(events), next(events)] == [Token("one "), Token("two ")]
        events.close()
    assert len(model.prompts) == 1
    assert "".join(read(backend, "a")) == "one two three"
    assert "".join(read(backend, "a")) == "one two three"
    assert len(model.prompts) == 2


def test_failures_and_cancelled_answers_are_not_kept() -> None:
    failing = FakeBackend("half", BackendError("broken"))
    backend = ReplayBackend(failing)
    for _ in range(2):
        with pytest.raises(BackendError):
            read(backend, "a")
    assert len(failing.prompts) == 2
    model, cancel = FakeBackend("one ", "two "), threading.Event()
    backend = ReplayBackend(model)
    events = backend.generate(prompt("a"), cancel=cancel)
    next(events)
    cancel.set()
    assert list(events) == []
    assert read(backend, "a") == ["one ", "two "]
    assert len(model.prompts) == 2


def test_a_replay_stops_when_cancelled() -> None:
    backend, cancel = ReplayBackend(FakeBackend("one ", "two ")), threading.Event()
    read(backend, "a")
    events = backend.generate(prompt("a"), cancel=cancel)
    next(events)
    cancel.set()
    assert list(events) == []


def test_the_oldest_is_forgotten_and_close_forgets_all() -> None:
    model = counting()
    backend = ReplayBackend(model, size=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        read(backend, text)
    assert [p[1].content for p in model.prompts] == ["a", "b", "c", "b"]
    backend.close()
    assert model.closed
    read(backend, "a")
    assert len(model.prompts) == 5
