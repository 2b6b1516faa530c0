"""A blocking iterator in a thread, read as an async one: how a model's words reach an event loop.

It refuses to know what the events are about.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor

from assistant.errors import AssistantError
from assistant.events import Event, Notice

_LOG = logging.getLogger(__name__)
_STOPPED = "The language model stopped; the guide's words above are complete."


async def stream(
    make: Callable[[], Iterator[Event]], *, cancel: threading.Event, pool: Executor
) -> AsyncGenerator[Event, None]:
    """Run a blocking iterator in `pool`; its errors become a `Notice`.

    Closing this iterator sets `cancel`, which ends the work behind it within one token.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event | None] = asyncio.Queue()

    def put(event: Event | None) -> None:
        # the loop may be closed when a reader left during shutdown
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, event)

    def work() -> None:
        try:
            for event in make():
                put(event)
                if cancel.is_set():
                    break
        except AssistantError as error:
            put(Notice(f"{error} The guide's words above are complete.", "warning"))
        except Exception:  # the rim: whatever a model library raises must not reach a reader
            _LOG.exception("language model")
            put(Notice(_STOPPED, "warning"))
        finally:
            put(None)

    pool.submit(work)
    try:
        while (event := await queue.get()) is not None:
            yield event
    finally:
        cancel.set()
