"""How readers take turns at something slow: the line, the answer in its thread, the breaker.

One reader at a time holds the model, and gives it up only when the thread that works for him has
really returned. It refuses to know what a model is: it moves pieces of text and exceptions.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from assistant.errors import BackendBusyError, BackendError

Clock = Callable[[], float]
Run = Callable[[Callable[[str], None]], None]  # writes an answer through what it is given

_LOOK = 0.1  # seconds between two looks at events and clocks
_GRACE = 20.0  # seconds past the deadline: reading a long prompt cannot be cut short


@dataclass(frozen=True, slots=True)
class Stop:
    """When an answer must end: somebody left, or its time is over."""

    events: tuple[threading.Event, ...]
    deadline: float
    clock: Clock

    def is_left(self) -> bool:
        """Whether nobody reads any more."""
        return any(event.is_set() for event in self.events)

    def seconds_over(self) -> float:
        """How long the deadline has passed; negative before."""
        return self.clock() - self.deadline

    def is_due(self) -> bool:
        """Whether to write no further piece."""
        return self.is_left() or self.seconds_over() > 0


class Line:
    """Readers in order of arrival; the first one holds the model, at most `waiting` others wait."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._places: deque[object] = deque()
        self._changed = threading.Condition()

    def join(self) -> object:
        """Return a new place at the end. Raises BackendBusyError if the line is full."""
        with self._changed:
            if len(self._places) > self._waiting:
                raise _busy()
            self._places.append(place := object())
            return place

    def leave(self, place: object) -> None:
        """Give a place up."""
        with self._changed:
            self._places.remove(place)
            self._changed.notify_all()

    def wait_turn(self, place: object, stop: Stop) -> Iterator[int]:
        """Yield how many come before, whenever that changes, until it is none or the reader left.

        Raises BackendBusyError when `stop`'s time is over.
        """
        shown = 0
        while position := self._position(place):
            if stop.is_left():
                return
            if stop.is_due():
                raise _busy()
            if position != shown:
                shown = position
                yield position
            with self._changed:
                self._changed.wait(_LOOK)

    def wait_empty(self, seconds: float) -> None:
        """Return when everybody left, or after some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._places, timeout=seconds)

    def is_empty(self) -> bool:
        """Whether nobody uses the model or waits for it."""
        return not self._places

    def _position(self, place: object) -> int:
        with self._changed:
            return self._places.index(place)


class Answer:
    """One answer, written in its own thread and read by one reader.

    `ended` is called in that thread when it has done its last work, with the exception or None,
    and returns what the reader gets instead of it. `left` is set when the reader is gone.
    """

    def __init__(
        self,
        run: Run,
        *,
        stop: Stop,
        left: threading.Event,
        ended: Callable[[BaseException | None], BackendError | None],
    ) -> None:
        self._run, self._stop, self._left, self._ended = run, stop, left, ended
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._error: BackendError | None = None

    def start(self) -> None:
        """Begin to write, whether somebody reads or not."""
        threading.Thread(target=self._work, name="answer", daemon=True).start()

    def pieces(self) -> Generator[str, None, None]:
        """Yield until the end; closing this iterator tells the thread to stop."""
        try:
            while not self._stop.is_left():
                try:
                    piece = self._pieces.get(timeout=_LOOK)
                except queue.Empty:
                    if self._stop.seconds_over() > _GRACE:
                        raise BackendError("The language model does not come to an end.") from None
                    continue
                if piece is None:
                    break
                if piece:
                    yield piece
            if self._error is not None:
                raise self._error
        finally:
            self._left.set()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            self._run(self._pieces.put)
        except BaseException as raised:  # the rim: whatever it is, it belongs to the reader
            error = raised
        try:
            self._error = self._ended(error)
        finally:
            self._pieces.put(None)  # or the reader waits for ever


class Breaker:
    """After some failures in a row the model rests: nobody waits for the next failure."""

    def __init__(self, clock: Clock, *, failures: int = 3, seconds: float = 30.0) -> None:
        self._clock, self._limit, self._seconds = clock, failures, seconds
        self._failures, self._until = 0, float("-inf")
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        """Whether the model rests now."""
        return self._clock() < self._until

    def check(self) -> None:
        """Raise BackendError at once while the model rests."""
        if self.is_open():
            raise BackendError(
                "The language model failed several times in a row and rests for a while.",
                hint=f"It is tried again within {self._seconds:.0f} seconds.",
            )

    def record(self, *, failed: bool) -> None:
        """Count; after a rest one more failure is enough for the next rest."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= self._limit:
                self._until = self._clock() + self._seconds


def _busy() -> BackendBusyError:
    return BackendBusyError(
        "Too many readers are waiting for the language model.", hint="Ask again in a minute."
    )
