"""A language model in this process: transformers and torch, one reader at a time.

It knows tokens and devices. It refuses to know what a prompt says, which model is a good one
(`models.py`), how a model gets into memory (`loading.py`) and how readers wait (`turns.py`).
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from assistant.backends.decoding import Decoding, write_answer
from assistant.backends.prefixes import PrefixCache
from assistant.errors import BackendError
from assistant.models import Dtype, LoadedModel, Loader, ModelChoice
from assistant.turns import Answer, Breaker, Clock, Line, Stop
from assistant.types import BackendStatus, Message, Token, Waiting

_LOG = logging.getLogger(__name__)
_LOOK = 0.1  # seconds between two looks at a reader who waits for the loading
_IDLE_LOOK = 15.0  # seconds at most between two looks at an idle model
_LOADING = BackendStatus("loading")
_FAREWELL = 10.0  # seconds that a running generation gets when everything is closed


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """What one reader may take: tokens, seconds of writing and of waiting; `queue` may wait.

    `prefix_megabytes` is for the beginnings of earlier prompts; after `idle_seconds` without a
    question the model is put aside (0: never).
    """

    max_new_tokens: int = 220
    answer_seconds: float = 90.0
    queue: int = 8
    wait_seconds: float = 300.0
    prefix_megabytes: float = 256.0
    idle_seconds: float = 0.0


class LocalBackend:
    """A Backend (types.py) around one model that `loader` brings (`loading.py`).

    CUDA computes in bfloat16, the CPU in float32 (with float16 weights where it can, `packed.py`):
    with 226 tokens of prompt one thread reaches the tiny model's first word in 0.8 s in float32 and
    5.6 s in bfloat16 (2 cores of an EPYC without bf16 instructions, CPU time, 2026-11-22). No
    static cache: it compiles on CUDA, and nobody has measured that on a Spark yet.
    `find_fault` is asked before each loading; what it returns ('' for nothing) refuses it.
    """

    def __init__(
        self,
        choice: ModelChoice,
        limits: LocalLimits,
        *,
        loader: Loader,
        device: str | None = None,
        dtype: Dtype | None = None,
        find_fault: Callable[[], str] = lambda: "",
        clock: Clock = time.monotonic,
    ) -> None:
        self._choice, self._limits, self._loader, self._clock = choice, limits, loader, clock
        self._find_fault = find_fault
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype: Dtype = dtype or ("bfloat16" if self._device == "cuda" else "float32")
        self._loading = threading.Lock()
        self._loaded: LoadedModel | None = None
        self._fault: BackendError | None = None
        self._line = Line(limits.queue)
        self._breaker = Breaker(clock)
        self._closed = threading.Event()
        self._prefixes = PrefixCache(limits.prefix_megabytes)
        self._used = clock()
        self._put_aside, self._refusal = False, ""
        self._watch: threading.Thread | None = None

    @property
    def name(self) -> str:
        """E.g. 'SmolLM2-135M-Instruct (tiny model, cpu, float32)'."""
        size = "tiny model, " if self._choice.tiny else ""
        return f"{self._choice.label} ({size}{self._device}, {self._dtype})"

    @property
    def is_tiny(self) -> bool:
        """Whether this is the small fallback model."""
        return self._choice.tiny

    def load(self) -> None:
        """Load now, once. A failed load is not tried again: each reader would pay for it; one that
        was refused for lack of memory is."""
        with self._loading:
            self._load_once()

    def status(self) -> BackendStatus:
        """Return at once: only attributes are read."""
        if self._closed.is_set():
            return BackendStatus("away", "The language model was shut down.")
        if self._fault is not None:
            return BackendStatus("away", self._fault.message)
        if self._breaker.is_open():
            return BackendStatus("away", "The language model rests after several failures.")
        if self._refusal:  # ready to try again: the next question asks anew
            return BackendStatus("ready", self._refusal)
        if self._put_aside:
            return BackendStatus(
                "ready", "The language model was put aside; the next question loads it again."
            )
        loaded = self._loaded
        return BackendStatus("ready", self._footprint(loaded)) if loaded else _LOADING

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has; loads the model if needed."""
        return len(self._require_loaded().tokenizer(text, add_special_tokens=False).input_ids)

    def prompt_tokens(self) -> int:
        """Return how long a prompt may be beside a full answer; loads the model if needed."""
        return self._require_loaded().context - self._limits.max_new_tokens

    def generate(
        self, messages: Sequence[Message], *, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        """Yield Waiting whenever the place in line changes, then the pieces of text.

        Ends quietly when cancelled, closed or out of time. Raises BackendError, and
        BackendBusyError when the line is full or does not move.
        """
        self._breaker.check()
        if not self._load_unless(cancel):
            return
        inputs = self._encode(messages)
        left, place, answer = threading.Event(), self._line.join(), None
        try:
            waiting = Stop(
                (cancel, left, self._closed), self._clock() + self._limits.wait_seconds, self._clock
            )
            for position in self._line.wait_turn(place, waiting):
                yield Waiting(position)
            self._breaker.check()
            if not waiting.is_left():
                answer = self._start(inputs, waiting.events, left=left, place=place)
        finally:
            if answer is None:
                self._line.leave(place)
        if answer is not None:
            with contextlib.closing(answer.pieces()) as pieces:
                yield from (Token(piece) for piece in pieces)

    def unload(self) -> None:
        """Free the memory if nobody uses the model or waits for it; a question loads it again."""
        with self._loading:
            if self._loaded is None or not self._line.is_empty():
                return
            self._loaded = None
            self._put_aside = True
            self._prefixes.clear()
        _free_memory()

    def close(self) -> None:
        """End running generations, send the waiting readers away, free the model."""
        self._closed.set()
        self._line.wait_empty(_FAREWELL)
        with self._loading:
            self._loaded = None
            self._prefixes.clear()
        _free_memory()

    def _footprint(self, loaded: LoadedModel) -> str:
        """What of the machine's memory is ours, for the page's line and the status."""
        held = loaded.gigabytes + self._prefixes.bytes() / 1e9
        return f"{self.name} holds {held:.1f} GB of memory." if loaded.gigabytes else ""

    def _load_unless(self, cancel: threading.Event) -> bool:
        """Load, or wait for the thread that loads; False if the reader left meanwhile."""
        while not self._loading.acquire(timeout=_LOOK):
            if cancel.is_set():
                return False
        try:
            self._load_once()
        finally:
            self._loading.release()
        return not cancel.is_set()

    def _load_once(self) -> None:
        if self._closed.is_set():
            raise BackendError("The language model was shut down.")
        if self._fault is not None:
            raise self._fault
        if self._loaded is None:
            self._refusal = self._find_fault()
            if self._refusal:
                raise BackendError(self._refusal)
            try:
                self._loaded = self._loader(self._choice, self._device, self._dtype)
            except BackendError as error:
                self._fault = error
                raise
            self._put_aside, self._used = False, self._clock()
            self._start_watch()

    def _start_watch(self) -> None:
        """A thread that puts the idle model aside; one for the life of this backend."""
        if self._limits.idle_seconds and self._watch is None:
            self._watch = threading.Thread(target=self._unload_idle, name="idle", daemon=True)
            self._watch.start()

    def _unload_idle(self) -> None:
        look = min(_IDLE_LOOK, self._limits.idle_seconds / 4)
        while not self._closed.wait(look):
            if self._clock() - self._used >= self._limits.idle_seconds:
                self.unload()

    def _require_loaded(self) -> LoadedModel:
        self.load()
        if self._loaded is None:
            raise BackendError("The language model was shut down.")
        return self._loaded

    def _encode(self, messages: Sequence[Message]) -> dict[str, Any]:
        """Messages to tokens. A prompt is never shortened here: its parts are the caller's."""
        tokenizer = self._require_loaded().tokenizer
        try:
            inputs = tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in messages],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
                enable_thinking=False,  # Qwen3-8B would think aloud; other templates ignore it
            )
        except Exception as error:  # a template is a program of the model's author
            raise BackendError("The language model does not accept this form of prompt.") from error
        length, room = inputs["input_ids"].shape[1], self.prompt_tokens()
        if length > room:
            raise BackendError(
                f"The text is too long for the language model: {length} tokens, {room} fit.",
                hint="Paste less of the log.",
            )
        return dict(inputs.to(self._device))

    def _start(
        self,
        inputs: dict[str, Any],
        events: tuple[threading.Event, ...],
        *,
        left: threading.Event,
        place: object,
    ) -> Answer:
        """Start the generation; from here on its thread gives the place in line up."""
        loaded = self._require_loaded()
        stop = Stop(events, self._clock() + self._limits.answer_seconds, self._clock)

        how = Decoding(self._limits.max_new_tokens, tiny=self._choice.tiny, guess=loaded.wide)

        def run(put: Callable[[str], None]) -> None:
            write_answer(loaded, inputs, how, prefixes=self._prefixes, stop=stop, put=put)

        def ended(error: BaseException | None) -> BackendError | None:
            self._breaker.record(failed=error is not None)
            self._used = self._clock()
            try:
                return None if error is None else _explain_run(error)
            finally:
                self._line.leave(place)

        answer = Answer(run, stop=stop, left=left, ended=ended)
        answer.start()
        return answer


def _explain_run(error: BaseException) -> BackendError:
    """Log the error, let go of the tensors that its frames hold, and say it in plain words."""
    _LOG.warning("generation failed", exc_info=error)
    error.__traceback__ = None
    _free_memory()
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error):
        return BackendError(
            "The language model ran out of memory, so it stopped.",
            hint="End notebooks that hold memory, or ask with a shorter text.",
        )
    reason = f"{type(error).__name__}: {str(error)[:200]}"
    return BackendError(f"The language model stopped working ({reason}).")


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
