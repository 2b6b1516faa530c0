"""Keeping an answer while it goes by: on the disk before it is seen, marked if it is broken off."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from assistant.events import Event, Sentence, Understood
from assistant.history import History, open_history
from assistant.keeping import Keeping
from tests.test_records import STREAM


class Source:
    """Sends the events, waits for ever after them if told to, and notices that it is closed."""

    def __init__(self, *events: Event | Exception, stays: bool = False) -> None:
        self._events, self._stays = events, stays
        self.closed = False

    async def stream(self) -> AsyncGenerator[Event, None]:
        try:
            for event in self._events:
                if isinstance(event, Exception):
                    raise event
                yield event
            if self._stays:
                await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.fixture
def history(tmp_path: Path) -> History:
    return open_history(tmp_path / "history.sqlite3")


def keeping(history: History) -> Keeping:
    return Keeping(history, "s", lambda: 7.0, face="cli")


async def test_every_event_passes_and_the_whole_answer_is_kept(history: History) -> None:
    kept = keeping(history)
    seen: list[Event] = []
    async for event in kept.keep(Source(*STREAM).stream()):
        said = sum(isinstance(one, Sentence) for one in seen)
        seen.append(event)
        if isinstance(event, Understood):
            assert history.load_session("s")[0].state == "running", "before it is seen"
        assert len(history.load_session("s")[0].sentences) >= said, "once it was seen"
    assert seen == STREAM
    (record,) = history.load_session("s")
    assert (record.state, record.number, record.when) == ("done", kept.number, 7.0)
    assert record.sentences


@pytest.mark.parametrize("ending", ["closed", "cancelled", "raised"])
async def test_what_is_broken_off_is_kept_as_interrupted(history: History, ending: str) -> None:
    broken = (OSError("gone"),) if ending == "raised" else ()
    source = Source(*STREAM[:7], *broken, stays=True)
    events = keeping(history).keep(source.stream())

    async def read() -> None:
        async for event in events:
            if isinstance(event, Sentence) and ending == "closed":
                await events.aclose()
                return

    task = asyncio.create_task(read())
    if ending == "cancelled":
        while not history.load_session("s") or history.load_session("s")[0].fix is None:
            await asyncio.sleep(0.01)
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (record,) = history.load_session("s")
    assert (record.state, record.text) == ("interrupted", STREAM[0].query.text)
    assert record.fix is not None
    assert source.closed


async def test_a_reader_who_leaves_while_the_question_is_written(
    history: History, tmp_path: Path
) -> None:
    """Another process holds the file meanwhile; what is written then is no answer that runs."""
    other = sqlite3.connect(tmp_path / "history.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    events = keeping(history).keep(Source(*STREAM, stays=True).stream())
    task = asyncio.create_task(anext(events))
    await asyncio.sleep(0.2)
    task.cancel()
    other.execute("ROLLBACK")
    other.close()
    await asyncio.gather(task, return_exceptions=True)
    (record,) = history.load_session("s")
    assert record.state == "interrupted"


async def test_stopping_holds_up_no_other_reader_while_the_file_is_held(
    history: History, tmp_path: Path
) -> None:
    """All readers share one event loop: it goes on while the end of one answer waits."""
    events = keeping(history).keep(Source(*STREAM[:7], stays=True).stream())
    for _ in STREAM[:7]:
        await anext(events)
    other = sqlite3.connect(tmp_path / "history.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    closing = asyncio.create_task(events.aclose())
    began = time.perf_counter()
    await asyncio.sleep(0.1)
    assert time.perf_counter() - began < 1.0
    assert not closing.done()
    other.execute("ROLLBACK")
    other.close()
    await closing
    assert history.load_session("s")[0].state == "interrupted"


async def test_findings_that_come_before_the_question_are_kept(history: History) -> None:
    async for _ in keeping(history).keep(Source(STREAM[5], *STREAM).stream()):
        pass
    assert len(history.load_session("s")[0].findings) == 2


async def test_a_store_that_fails_holds_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = keeping(open_history(tmp_path / "file" / "x"))
    assert [event async for event in kept.keep(Source(*STREAM).stream())] == STREAM
    assert kept.number == 0


async def test_a_probe_joins_the_answer_before_it(history: History) -> None:
    first = keeping(history)
    async for _ in first.keep(Source(*STREAM).stream()):
        pass
    second = Keeping(history, "s", lambda: 8.0, record=first.record, number=first.number)
    async for _ in second.keep(Source(STREAM[5], STREAM[-1]).stream()):
        pass
    (record,) = history.load_session("s")
    assert len(record.findings) == 2
    assert record.state == "done"
