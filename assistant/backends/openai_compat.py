"""A language model behind an address that speaks the OpenAI API: vLLM, SGLang, NIM, Ollama,
llama.cpp's server, `transformers serve`.

Each answer has a connection of its own, so that ending one ends nothing else. It refuses to know
what a prompt says, who runs the server and whether its address may be trusted (`models.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from assistant.errors import BackendBusyError, BackendError
from assistant.models import TINY_NAME, ModelChoice
from assistant.turns import Answer, Breaker, Clock, Stop
from assistant.types import BackendStatus, Message, Token, Waiting

_LOG = logging.getLogger(__name__)
_LOOK = 0.05  # seconds between two looks at who has left
# The largest piece of an event stream that one token may cost (servers send about 300 bytes), and
# what headers and a list of models may cost besides.
_BYTES_PER_TOKEN, _BYTES_ALLOWED = 4_000, 1_000_000
_NO_KEY = "none"  # the client demands one; servers without a key ignore it


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one reader may take (tokens, seconds), how many may read at once, and what is waited
    for: the connection, the next piece, and how often a failed beginning is tried again."""

    max_new_tokens: int = 220
    answer_seconds: float = 90.0
    readers: int = 12
    connect_seconds: float = 3.0
    read_seconds: float = 30.0
    retries: int = 2


class OpenAICompatBackend:
    """A Backend (types.py) that asks a server; `choice.where` is its address ending in /v1.

    `choice.label` is the model's name there, '' to take the first one that the server lists.
    `key` is sent as a bearer token, never logged, never shown. A beginning that fails is tried
    again with growing pauses; three failed answers in a row, and nobody waits for 30 seconds.
    Redirects are not followed: they would carry prompt and key to an address nobody chose.
    """

    def __init__(
        self,
        choice: ModelChoice,
        limits: ServerLimits,
        *,
        key: str = "",
        clock: Clock = time.monotonic,
    ) -> None:
        self._choice, self._limits, self._clock = choice, limits, clock
        self._key = _Masked(key)
        self._model = choice.label
        self._places = threading.BoundedSemaphore(limits.readers)
        self._breaker = Breaker(clock)
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        """E.g. 'Qwen3-4B-Instruct (server 127.0.0.1:8000)'."""
        place = self._choice.where.partition("://")[2].partition("/")[0]
        return f"{self._model or 'model'} (server {place})"

    @property
    def is_tiny(self) -> bool:
        """Whether the server runs the small fallback model, by its name."""
        return TINY_NAME.lower() in self._model.lower()

    def load(self) -> None:
        """Find out the model's name if it was not given. Raises BackendError."""
        if self._model or self._closed.is_set():
            return
        stop = Stop((self._closed,), self._clock() + self._limits.read_seconds, self._clock)
        try:
            asyncio.run(self._within(stop, self._find_model))
        except Exception as error:  # whatever a client library raises: the server is away
            raise self._explain(error) from None

    def status(self) -> BackendStatus:
        """Return at once; a server that was away is tried again when the breaker closes."""
        if self._closed.is_set():
            return BackendStatus("away", "The language model was shut down.")
        if self._breaker.is_open():
            return BackendStatus(
                "away",
                "The language model's server does not answer; the guide's words are complete, and "
                "it is tried again within half a minute.",
            )
        return BackendStatus("ready")

    def unload(self) -> None:
        """The server's memory is not ours to free."""

    def generate(
        self, messages: Sequence[Message], *, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        """Yield the pieces of text as the server sends them.

        Ends quietly when cancelled, closed, or out of time after some words. Raises BackendError,
        and BackendBusyError when too many read at once or the server says so.
        """
        self._breaker.check()
        if not self._places.acquire(blocking=False):
            raise BackendBusyError(
                "Too many readers are waiting for the language model.", hint="Ask again soon."
            )
        left = threading.Event()
        events = (cancel, left, self._closed)
        stop = Stop(events, self._clock() + self._limits.answer_seconds, self._clock)
        answer = Answer(
            lambda put: self._talk(messages, put, stop),
            stop=stop,
            left=left,
            ended=lambda error: self._ended(error, stop),
        )
        answer.start()
        with contextlib.closing(answer.pieces()) as pieces:
            yield from (Token(piece) for piece in pieces)

    def close(self) -> None:
        """End running answers."""
        self._closed.set()

    def _talk(self, messages: Sequence[Message], put: Callable[[str], None], stop: Stop) -> None:
        """Runs in the answer's own thread, with an event loop of its own."""
        wrote: list[int] = []

        def note(piece: str) -> None:
            wrote.append(len(piece))
            put(piece)

        async def ask(client: openai.AsyncOpenAI) -> None:
            await self._find_model(client)
            await self._read(client, messages, note)

        try:
            asyncio.run(self._within(stop, ask))
        except TimeoutError:
            if not wrote:
                raise

    async def _within(self, stop: Stop, work: Callable[[openai.AsyncOpenAI], Any]) -> None:
        """Do `work` until it is done or `stop` is due; then its connection is closed at once.

        Raises TimeoutError when the time is over, and what `work` raises.
        """
        async with self._client() as client:
            task = asyncio.ensure_future(work(client))
            while not (await asyncio.wait({task}, timeout=_LOOK))[0]:
                if stop.is_due():
                    task.cancel()
                    await asyncio.wait({task})
                    if not stop.is_left():
                        raise TimeoutError
                    return
            task.result()

    async def _find_model(self, client: openai.AsyncOpenAI) -> None:
        """The name of the first model that the server lists, if no name was given."""
        if not self._model:
            async for model in client.models.list():
                self._model = str(model.id)[:200]
                return
            raise _NotAsPromisedError("it lists no model")

    async def _read(
        self,
        client: openai.AsyncOpenAI,
        messages: Sequence[Message],
        put: Callable[[str], None],
    ) -> None:
        stream: Any = await client.chat.completions.create(
            model=self._model,
            messages=[{"role": m.role, "content": m.content} for m in messages],  # type: ignore[misc]
            max_tokens=self._limits.max_new_tokens,
            temperature=0.0,
            stream=True,
        )
        guard = asyncio.ensure_future(self._guard(stream.response, asyncio.current_task()))
        try:
            await self._pass_on(stream, put)
        finally:
            guard.cancel()
            await stream.close()

    async def _pass_on(self, stream: Any, put: Callable[[str], None]) -> None:
        """Hand the text on; nothing in a chunk is believed to have the right form."""
        pieces = 0
        async for chunk in stream:
            for choice in getattr(chunk, "choices", None) or ():
                delta = getattr(choice, "delta", None)
                text = getattr(delta, "content", None)
                if isinstance(text, str) and text:
                    put(text.encode("utf-8", "replace").decode("utf-8"))  # no lone surrogates
                    pieces += 1
                if getattr(choice, "finish_reason", None):
                    return
            if pieces >= 2 * self._limits.max_new_tokens:
                return  # it does not keep to the number of tokens that it was given
        raise _NotAsPromisedError("it broke off in the middle" if pieces else "it sent no answer")

    async def _guard(self, response: Any, reading: asyncio.Task[Any] | None) -> None:
        """End the reading of an answer that fills the memory."""
        allowed = _BYTES_ALLOWED + _BYTES_PER_TOKEN * self._limits.max_new_tokens
        while response.num_bytes_downloaded <= allowed:
            await asyncio.sleep(_LOOK)
        if reading is not None:
            reading.cancel("more bytes than an answer can have")

    def _client(self) -> openai.AsyncOpenAI:
        limits = self._limits
        timeout = openai.Timeout(limits.read_seconds, connect=limits.connect_seconds)
        client = openai.AsyncOpenAI(
            base_url=self._choice.where,
            api_key=self._key.value or _NO_KEY,
            timeout=timeout,
            max_retries=limits.retries,
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                timeout=timeout,
                trust_env=False,  # no proxy and no .netrc: prompt and key go to this address only
            ),
        )
        client.organization = client.project = None  # it takes them from OPENAI_* variables
        return client

    def _ended(self, error: BaseException | None, stop: Stop) -> BackendError | None:
        """Give the place up, count, and say it in plain words; who left is told nothing."""
        self._places.release()
        if error is None or stop.is_left():
            if not stop.is_left():
                self._breaker.record(failed=False)
            return None
        return self._explain(error)

    def _explain(self, error: BaseException) -> BackendError:
        """Only kinds and status codes: a server's own words may hold anything, the key too."""
        explained = _explain(error, self.name)
        if not isinstance(explained, BackendBusyError):
            self._breaker.record(failed=True)
        _LOG.warning("%s: %s", self.name, type(error).__name__)
        return explained


class _NotAsPromisedError(Exception):
    """The server answered, but not as its API says."""


@dataclass(frozen=True, slots=True)
class _Masked:
    """A secret that no representation shows."""

    value: str

    def __repr__(self) -> str:
        return "**********" if self.value else "''"


def _explain(error: BaseException, name: str) -> BackendError:
    """What happened and what to do, for a learner or the one who runs the server."""
    code = getattr(error, "status_code", None)
    if code == 429:
        return BackendBusyError(f"The language model {name} is too busy.", hint="Ask again soon.")
    if code in (401, 403):
        return BackendError(
            f"The language model {name} refuses the key.",
            hint="Put its key into the environment variable ASSISTANT_MODEL_KEY.",
        )
    if code == 404:
        return BackendError(
            f"The server has no model or no address like this: {name}.",
            hint="Check ASSISTANT_MODEL (the model's name there) and ASSISTANT_MODEL_URL.",
        )
    if code is not None:
        return BackendError(f"The language model {name} failed (HTTP status {code}).")
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return BackendError(f"The language model {name} did not answer in time.")
    if isinstance(error, _NotAsPromisedError):
        return BackendError(f"The language model {name} cannot be used: {error}.")
    if isinstance(error, openai.APIConnectionError):
        return BackendError(
            f"The language model {name} cannot be reached, or it broke off.",
            hint="Start its server, or correct ASSISTANT_MODEL_URL.",
        )
    if isinstance(error, asyncio.CancelledError):
        return BackendError(f"The language model {name} sends more than an answer can have.")
    return BackendError(f"The language model {name} sent something that is no answer.")
