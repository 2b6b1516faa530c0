"""Repeated questions: what a language model said to the same prompt is said again at once.

The whole prompt is the key. It holds the guide's words, so an answer dies with the guide that it
was made from. It refuses to know which model speaks.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from assistant.types import Backend, BackendStatus, Message, Token, Waiting

_Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said; not `complete` if the reader had heard enough before the end."""

    pieces: tuple[str, ...]
    complete: bool


class ReplayBackend:
    """A Backend (types.py) before another one; remembers its last `size` answers.

    Only answers without a fault are remembered: not cancelled ones, not failed ones. One whose
    reader stopped listening is played up to there; who wants more gets the rest from the model.
    """

    def __init__(self, backend: Backend, *, size: int = 64) -> None:
        self._backend, self._size = backend, size
        self._said: OrderedDict[_Prompt, _Said] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's own name."""
        return self._backend.name

    @property
    def is_tiny(self) -> bool:
        """Whether the model behind is the small fallback model."""
        return self._backend.is_tiny

    def load(self) -> None:
        """Load the model behind. Raises BackendError."""
        self._backend.load()

    def status(self) -> BackendStatus:
        """The model's own status."""
        return self._backend.status()

    def unload(self) -> None:
        """Free the model behind; what it said stays known."""
        self._backend.unload()

    def close(self) -> None:
        """Close the model behind and forget everything."""
        self._backend.close()
        with self._lock:
            self._said.clear()

    def generate(
        self, messages: Sequence[Message], *, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        """Play what was said before, then ask the model for what is missing. Raises as it does."""
        prompt = tuple(messages)
        said = self._find(prompt)
        for piece in said.pieces:
            if cancel.is_set():
                return
            yield Token(piece)
        if not said.complete:
            yield from self._ask(prompt, "".join(said.pieces), cancel)

    def _ask(
        self, prompt: _Prompt, known: str, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        """Ask the model; the first `known` characters were played already and are left out."""
        heard: list[str] = []
        pieces = self._backend.generate(prompt, cancel=cancel)
        try:
            for piece in pieces:
                if isinstance(piece, Token):
                    before = sum(map(len, heard))
                    heard.append(piece.text)
                    text = piece.text[max(0, len(known) - before) :]
                    if not text:
                        continue
                    piece = Token(text)
                yield piece
            if not cancel.is_set():
                self._keep(prompt, _Said(tuple(heard), complete=True))
        except GeneratorExit:
            if not cancel.is_set():
                self._keep(prompt, _Said(tuple(heard), complete=False))
            raise
        finally:
            pieces.close()

    def _find(self, prompt: _Prompt) -> _Said:
        with self._lock:
            if prompt in self._said:
                self._said.move_to_end(prompt)
            return self._said.get(prompt, _Said((), complete=False))

    def _keep(self, prompt: _Prompt, said: _Said) -> None:
        if not said.pieces:
            return  # an answer cut off by the clock before its first word
        with self._lock:
            self._said[prompt] = said
            self._said.move_to_end(prompt)
            while len(self._said) > self._size:
                self._said.popitem(last=False)
