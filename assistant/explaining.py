"""What an answer means for this person: a model's checked sentences, or fixed ones where it says
too little; and what to do next where no entry is good enough.

It refuses to know which entry answers, and how a sentence is checked (answer.py does).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from assistant.answer import abstention, prompt_of, tailor
from assistant.errors import AssistantError
from assistant.events import Dropped, Event, Loading, Notice, Sentence
from assistant.evidence import contradicts
from assistant.progress import Progress
from assistant.streaming import stream
from assistant.telling import WRITER, tell
from assistant.types import Backend, BackendStatus, Entry, Message, Turn

_LOG = logging.getLogger(__name__)
_ENOUGH = 2  # sentences of a model; with fewer, fixed ones speak as well
_NEAR = 0.3  # confidence of another entry from which it is worth comparing with


class Explaining:
    """Speaks for answers; thread- and task-safe."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="model")
        self._cancels: set[threading.Event] = set()

    def start(self) -> None:
        """Begin loading the model in the background; returns at once."""
        threading.Thread(target=self._load, name="model-load", daemon=True).start()

    def status(self) -> BackendStatus:
        """Whether the language model can answer now."""
        return self._backend.status()

    def prompt(self, turn: Turn, entry: Entry) -> tuple[Message, ...]:
        """What the model gets to see for the answer of a first question."""
        return prompt_of(turn, entry, tiny=self._backend.is_tiny)

    async def aclose(self) -> None:
        """Cancel everything that is being said and free the model."""
        for cancel in tuple(self._cancels):
            cancel.set()
        await asyncio.to_thread(self._backend.close)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def explain(self, answer: Progress, *, speak: bool) -> AsyncIterator[Event]:
        """What it means for this person; with `speak` false only that nothing was found."""
        snapshot = answer.snapshot  # the one that the fix came from, also if guides changed since
        if answer.fix is None or snapshot is None:
            for line in abstention(answer.query, answer.retrieval):
                answer.sentences.append(line)
                yield Sentence(line)
            return
        if not speak:
            return
        entry = snapshot.entries[answer.fix.entry]
        spoken = 0
        async for event in self._speak(answer, entry):
            spoken += isinstance(event, Sentence)
            yield event
        if spoken < _ENOUGH:
            told = await asyncio.to_thread(_find_words, answer, entry)
            for sentence in told:
                answer.mark("first_sentence")
                answer.sentences.append(sentence.text)
                yield sentence
            if told:
                answer.backend = f"{answer.backend}; and {WRITER}" if answer.backend else WRITER

    async def _speak(self, answer: Progress, entry: Entry) -> AsyncIterator[Event]:
        """The model's checked sentences; one line where it is away."""
        status = self._backend.status()
        if status.state == "away":
            if status.message:
                yield Notice(status.message)
            return
        if status.state == "loading":
            yield Loading(status.message or "the language model")
        findings = answer.known_findings()
        cancel = threading.Event()
        speaking = stream(
            lambda: tailor(
                answer.query,
                entry,
                self._backend,
                findings=findings,
                conversation=answer.conversation,
                cancel=cancel,
                on_first_token=lambda: answer.mark("first_token"),
            ),
            cancel=cancel,
            pool=self._pool,
        )
        self._cancels.add(cancel)
        try:
            async for event in speaking:
                if isinstance(event, Sentence):
                    answer.mark("first_sentence")
                    answer.sentences.append(event.text)
                if isinstance(event, Sentence | Dropped):
                    answer.backend = self._backend.name
                yield event
        finally:
            self._cancels.discard(cancel)
            await speaking.aclose()

    def _load(self) -> None:
        try:
            self._backend.load()
        except AssistantError as error:
            _LOG.warning("language model: %s", error)


def _find_words(answer: Progress, entry: Entry) -> tuple[Sentence, ...]:
    """Fixed sentences with this person's values, but for those that a finding speaks against."""
    others = [match for match in answer.retrieval.matches[1:] if match.confidence >= _NEAR]
    findings = answer.known_findings()
    return tuple(
        sentence
        for sentence in tell(answer.query, entry, findings, others=others)
        if not contradicts(sentence.text, answer.query, findings)
    )
