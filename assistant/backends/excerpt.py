"""No language model: the guide's own words are the answer.

It refuses to know why there is no model; it only repeats the reason that it was given.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence

from assistant.types import BackendStatus, Message, Token, Waiting


class ExcerptBackend:
    """The rung below every model: it writes nothing, and says why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    @property
    def name(self) -> str:
        """What the answer's footer calls the writer."""
        return "guide's words"

    @property
    def is_tiny(self) -> bool:
        """It writes nothing, so this does not matter."""
        return False

    def load(self) -> None:
        """There is nothing to load."""

    def status(self) -> BackendStatus:
        """Away, with the reason."""
        return BackendStatus("away", self._reason)

    def generate(
        self, messages: Sequence[Message], *, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        """Yield nothing."""
        yield from ()

    def unload(self) -> None:
        """There is nothing to free."""

    def close(self) -> None:
        """There is nothing to free."""
