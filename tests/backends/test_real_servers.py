"""The client against two real servers: streaming, two readers, stopping, a crash under load.

Slow: each server imports and loads a model. Skipped, with the reason, where it cannot be had.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.backends.openai_compat import OpenAICompatBackend, ServerLimits
from assistant.errors import BackendError
from assistant.events import Event, Notice, Sentence
from assistant.models import ModelChoice
from assistant.service import Assistant
from assistant.telling import WRITER
from assistant.types import Message, Token
from tests.backends.real_servers import (
    free_port,
    kill,
    llama_command,
    running,
    transformers_command,
)
from tests.course import TIMM, course_snapshots
from tests.fakes import FakeProber

pytestmark = [pytest.mark.slow, pytest.mark.model, pytest.mark.timeout(600)]
LIMITS = ServerLimits(
    max_new_tokens=60, answer_seconds=120.0, read_seconds=60.0, connect_seconds=3.0, retries=0
)
LONG = (Message("system", "You tell stories."), Message("user", "Tell a long story about a cat."))


@dataclass(frozen=True, slots=True)
class Place:
    """How to start a server, where it listens and what its model is called ('' to ask it)."""

    command: list[str]
    port: int
    model: str


@pytest.fixture(params=["transformers", "llama.cpp"])
def place(request: pytest.FixtureRequest, tiny_model_folder: Path) -> Place:
    port = free_port()
    if request.param == "llama.cpp":
        return Place(llama_command(port), port, "")
    return Place(transformers_command(tiny_model_folder, port), port, str(tiny_model_folder))


class Clock:
    """Time that a test may push on, so that nobody waits for the breaker."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def build(place: Place, clock: Clock) -> OpenAICompatBackend:
    choice = ModelChoice("server", f"http://127.0.0.1:{place.port}/v1", place.model)
    return OpenAICompatBackend(choice, LIMITS, clock=clock)


def read(backend: OpenAICompatBackend) -> str:
    pieces = backend.generate(LONG, cancel=threading.Event())
    return "".join(piece.text for piece in pieces if isinstance(piece, Token))


def read_or_fail(backend: OpenAICompatBackend) -> str | BackendError:
    try:
        return read(backend)
    except BackendError as error:
        return error


async def ask(backend: OpenAICompatBackend) -> list[Event]:
    assistant = Assistant(course_snapshots(), backend, FakeProber())
    assistant.start()
    return [event async for event in assistant.ask(TIMM)]


async def test_a_real_server_speaks_is_stopped_dies_under_load_and_comes_back(place: Place) -> None:
    clock = Clock()
    backend = build(place, clock)
    with running(place.command, place.port) as server, ThreadPoolExecutor(3) as readers:
        first, second = readers.map(read, [backend] * 2)
        assert len(first) > 20, "two readers at once, each with an answer"
        assert len(second) > 20

        pieces: Iterator[object] = backend.generate(LONG, cancel=threading.Event())
        next(pieces)
        start = time.monotonic()
        pieces.close()  # type: ignore[attr-defined]
        assert time.monotonic() - start < 5, "a reader who leaves does not wait"
        assert len(read(backend)) > 20, "and nobody else suffers from it"

        said = readers.map(read_or_fail, [backend] * 3)
        time.sleep(0.5)
        kill(server)  # three are reading or waiting
        assert any(isinstance(one, BackendError) for one in said)
        events = await ask(backend)
        notices = [event for event in events if isinstance(event, Notice)]
        assert len(notices) == 1, "one line says why"
        assert [event for event in events if isinstance(event, Sentence)], "the rest is told"
        assert events[-1].backend == WRITER  # type: ignore[union-attr]
    with running(place.command, place.port):
        clock.ahead += 60.0  # the breaker has closed
        assert len(read(backend)) > 20, "it recovers by itself"
        assert backend.status().state == "ready"
    backend.close()
