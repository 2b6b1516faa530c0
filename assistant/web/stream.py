"""An event stream that a reader can stop, in batches that a screen can follow.

One task pulls the source; whoever reads gets what has come in since. The first batches follow each
other closely, since the fix is among them; later ones come at most once per `interval`.
Stopping or closing cancels the task and closes the source, whatever it is waiting for. It refuses
to know what the events are.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Generic, TypeVar

E = TypeVar("E")

CLOSE_SECONDS = 5.0
FIRST = 0.05  # seconds between the first two batches, some frames of a screen; then doubled
HELD = 0.06  # seconds that the first batch may wait for what `awaited` says: one screen less


class Stream(Generic[E]):
    """Reads `source` in a task of its own, from the first `batches()` on."""

    def __init__(
        self,
        source: AsyncIterator[E],
        *,
        interval: float = 1 / 12,
        pulse: float = 1.0,
        awaited: Callable[[E], bool] = lambda _: True,
    ) -> None:
        self._source = source
        self._awaited = awaited
        self._interval = interval
        self._pulse = pulse
        self._events: asyncio.Queue[E | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self.stopped = False

    def stop(self) -> None:
        """End the stream: the source is closed, `batches()` returns what it had and ends."""
        self.stopped = True
        if self._task is not None:
            self._task.cancel()

    async def batches(self) -> AsyncGenerator[tuple[E, ...], None]:
        """Yield what has come in, and () every `pulse` seconds, so that a closed tab is noticed.

        Raises what the source raised, after everything that came before it.
        """
        self._task = asyncio.create_task(self._pull())
        self._task.add_done_callback(lambda _: self._events.put_nowait(None))
        if self.stopped:
            self._task.cancel()
        try:
            batch, ended = await self._first()
            yield batch
            gap = FIRST
            while not ended:
                await asyncio.sleep(min(gap, self._interval))
                gap *= 2
                batch, ended = await self._batch(self._pulse)
                yield batch
            if self._error is not None:
                raise self._error
        finally:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)

    async def _first(self) -> tuple[tuple[E, ...], bool]:
        """What comes first; if nothing that is waited for is among it, what comes shortly after."""
        events, ended = await self._batch(self._pulse)
        until = time.monotonic() + HELD
        while not ended and not any(map(self._awaited, events)):
            left = until - time.monotonic()
            if left <= 0:
                break
            more, ended = await self._batch(left)
            events += more
        return events, ended

    async def _batch(self, seconds: float) -> tuple[tuple[E, ...], bool]:
        """Wait for something, take everything there is; the second value says it was the end."""
        events: list[E] = []
        with contextlib.suppress(asyncio.QueueEmpty, TimeoutError):
            async with asyncio.timeout(seconds):
                event = await self._events.get()
            while event is not None:
                events.append(event)
                event = self._events.get_nowait()
            return tuple(events), True
        return tuple(events), False

    async def _pull(self) -> None:
        try:
            async for event in self._source:
                self._events.put_nowait(event)
        except Exception as error:  # handed to the reader, in its place in the stream
            self._error = error
        finally:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                with contextlib.suppress(RuntimeError):
                    await close()
