"""Keeps one answer in the history while its events go by.

The question is on the disk before anybody sees that it was understood, the whole answer before its
end is seen. A fix, a finding and a sentence are shown first and kept then. What is broken off stays
there as interrupted. It refuses to know who reads the events, and it drops none for a store that
fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from assistant.events import Done, Event, Fix, Probed, Sentence, Understood
from assistant.history import History
from assistant.records import Face, Record, follow


@dataclass(slots=True)
class Keeping:
    """One answer. `session` and `owner` are keys; `number` is the turn's, 0 while it is not kept.

    To keep the events of a probe that joins an earlier answer, give that answer's `record` and
    `number`; to answer a question again in its old place, an empty `record` and the `number`.
    """

    history: History
    session: str
    clock: Callable[[], float]
    owner: str = ""
    face: Face = "page"
    record: Record = field(default_factory=Record)
    number: int = 0

    async def keep(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        """Pass the events on and keep them."""
        try:
            async with aclosing(_closable(events)) as source:
                async for event in source:
                    if isinstance(event, Understood):
                        await _surely(partial(self._begin, event))
                    else:
                        self.record = follow(self.record, event)
                    if isinstance(event, Done):
                        await _surely(self._write)
                    yield event
                    if isinstance(event, Probed):
                        await asyncio.to_thread(self.history.record_probes, (event.finding,))
                    if isinstance(event, (Fix, Probed, Sentence)):
                        await _surely(self._write)
        finally:
            if self.number and self.record.state == "running":
                self.record = replace(self.record, state="interrupted")
                await _surely(self._write)  # another program may hold the file for seconds

    def _begin(self, event: Understood) -> None:
        self.record = replace(follow(self.record, event), when=self.clock())
        if self.number:
            self._write()
            return
        self.number = self.history.record_turn(
            self.session, self.record, owner=self.owner, face=self.face
        )

    def _write(self) -> None:
        if self.number:
            self.history.update_turn(self.session, self.number, self.record)


async def _surely(work: Callable[[], None]) -> None:
    """Do it in a thread, to its end also if we are cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _closable(events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
    """The service's streams are generators, which must be closed to cancel what goes on."""
    return cast("AsyncGenerator[Event, None]", events)
