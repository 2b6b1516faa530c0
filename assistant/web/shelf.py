"""The conversations of each browser: which one goes on, what is kept of it, how it comes back.

A browser is known by its owner key. What cannot be kept (no cookie, history off, a full disk) still
works while the page is open. It refuses to know how an answer is made and shown.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from assistant.conversation import read_followup
from assistant.evidence import choose_probes
from assistant.history import History, open_history
from assistant.keeping import Keeping
from assistant.packet import read_versions, render_packet
from assistant.reading import read_query
from assistant.records import Outcome, Record, SessionLine, build_turn, replay
from assistant.types import Conversation, Finding, ProbeInfo, Query, Retrieval
from assistant.web.messages import Answer, fold, render_question
from assistant.web.session import EXCHANGES, Exchange, Session

TURNS = 8  # of a conversation that a next question sees
BROWSERS = 1000  # whose current conversation is remembered
BROKEN = "*This answer was broken off before its end.*"
ELSEWHERE = "*This answer is not finished: it is being written in another tab, or was broken off.*"


class Shelf:
    """Keeps and brings back; every method that reads or writes the file does so in a thread."""

    def __init__(self, history: History, *, clock: Callable[[], float] = time.time) -> None:
        self._history = history
        self._clock = clock
        self._current: OrderedDict[str, str] = OrderedDict()
        self._nothing = open_history(None)

    @property
    def notices(self) -> tuple[str, ...]:
        """Why nothing is kept, if so."""
        return self._history.notices

    def begin(self, session: Session, *, number: int = 0) -> Keeping:
        """What keeps the next answer; with `number` in the place of an earlier question."""
        owner = session.visitor.owner
        return Keeping(self._history, session.key, self._clock, owner=owner, number=number)

    def remember(self, session: Session) -> None:
        """This is the conversation that the browser's next page shows."""
        if session.visitor.owner:
            self._current[session.visitor.owner] = session.key
            self._current.move_to_end(session.visitor.owner)
            while len(self._current) > BROWSERS:
                self._current.popitem(last=False)

    async def list(self, owner: str) -> tuple[SessionLine, ...]:
        """This browser's conversations, the latest first."""
        if not owner:
            return ()
        return await asyncio.to_thread(self._history.list_sessions, owner=owner)

    async def load(self, owner: str, key: str) -> tuple[Record, ...]:
        """The turns of one of this browser's conversations; () if it is not this browser's."""
        if not owner or not key:
            return ()
        return await asyncio.to_thread(self._history.load_session, key, owner=owner)

    async def current(self, owner: str) -> str:
        """Key of the conversation that goes on; '' if there is none."""
        known = self._current.get(owner, "")
        return known or next((line.key for line in await self.list(owner)), "")

    async def delete(self, owner: str, key: str) -> bool:
        """Forget one of this browser's conversations."""
        if not owner:
            return False
        return await asyncio.to_thread(self._history.delete_session, key, owner=owner)

    async def judge(self, keeping: Keeping, outcome: Outcome | None) -> None:
        """Keep whether the shown fix helped; None takes back what was said."""
        record = keeping.record
        failed = (record.fix.entry,) if record.fix and outcome == "not_fixed" else ()
        tried = tuple(dict.fromkeys((*record.tried, *failed)))
        keeping.record = replace(record, outcome=outcome, tried=tried)
        if keeping.number:
            await asyncio.to_thread(
                self._history.set_outcome, keeping.session, keeping.number, outcome, tried=tried
            )

    async def join(self, keeping: Keeping, answer: Answer) -> None:
        """Keep findings that came later, and what they have changed, with their question."""
        record = keeping.record
        keeping.record = replace(
            record,
            findings=(*record.findings, *answer.findings),
            fix=answer.fix or record.fix,
            matches=answer.matches or record.matches,
            status=answer.status if answer.matches and answer.status else record.status,
        )
        if keeping.number:
            number, kept = keeping.number, keeping.record
            await asyncio.to_thread(self._history.update_turn, keeping.session, number, kept)

    async def note_failures(self, findings: Sequence[Finding]) -> None:
        """Keep those of the findings that came aside which failed: the instructor counts them."""
        await asyncio.to_thread(self._history.record_probes, findings)

    async def packet(self, records: Sequence[Record]) -> str:
        """The help packet of these turns, Markdown."""
        return await asyncio.to_thread(_write_packet, tuple(records), self._clock())

    async def restore(
        self, session: Session, key: str, records: Sequence[Record], infos: Sequence[ProbeInfo]
    ) -> None:
        """Put a kept conversation into the page, its last answer with its offers."""
        shown = records[-EXCHANGES:]
        conversation, exchanges, offered = await asyncio.to_thread(_read_again, shown, infos)
        session.clear()
        session.key = key
        session.conversation, session.offered = conversation, offered
        for record, exchange in zip(shown, exchanges, strict=True):
            keeping = self.begin(session, number=record.number)
            keeping.record = record
            session.keep(keeping)
            session.add(exchange)

    async def converse(self, session: Session) -> Conversation:
        """The turns that a next question sees, with the last answer as far as it had come."""
        if session.last is None or session.last.record.state == "done":
            return session.conversation
        records = tuple(one.record for one in session.kept)
        return await asyncio.to_thread(build_conversation, records)

    def aside(self, session: Session) -> Keeping:
        """Collects a second answer to a question that has one; the first one stays meanwhile."""
        return Keeping(self._nothing, session.key, self._clock, owner=session.visitor.owner)

    async def replace(self, keeping: Keeping, record: Record) -> None:
        """Put a whole second answer in the place of the first one; all findings stay."""
        first = keeping.record
        found = {(one.id, one.where): one for one in (*first.findings, *record.findings)}
        keeping.record = replace(
            record,
            when=first.when,
            findings=tuple(found.values()),
            outcome=first.outcome,
            tried=first.tried,
            session=first.session,
            number=first.number,
        )
        if keeping.number:
            number, kept = keeping.number, keeping.record
            await asyncio.to_thread(self._history.update_turn, keeping.session, number, kept)


def build_conversation(records: Sequence[Record]) -> Conversation:
    """The turns that a next question sees; "it still fails" means the question before it."""
    turns: Conversation = ()
    for record in [one for one in records if one.state == "done" or one.fix][-TURNS:]:
        query = read_query(record.text)
        followup = read_followup(query, turns)
        turns = (*turns, build_turn(record, followup.turn.query if followup else query))
    return turns


def _read_again(
    records: Sequence[Record], infos: Sequence[ProbeInfo]
) -> tuple[Conversation, list[Exchange], tuple[str, ...]]:
    """What a page needs of kept turns; long pastes take their time."""
    offered: tuple[str, ...] = ()
    if records and records[-1].matches:
        last = records[-1]
        offered = choose_probes(read_query(last.text), Retrieval(last.matches, last.status), infos)
    return build_conversation(records), [_exchange(one) for one in records], offered


def _exchange(record: Record) -> Exchange:
    answer = Answer()
    for event in replay(record, _query(record)):
        answer = fold(answer, event)
    if record.state != "done":
        answer = replace(answer, ended=BROKEN if record.state == "interrupted" else ELSEWHERE)
    return Exchange(question=render_question(record.text), answer=answer)


def _query(record: Record) -> Query:
    """The question as far as showing it goes: it is not read again."""
    return Query(record.text, record.kind)


def _write_packet(records: tuple[Record, ...], now: float) -> str:
    return render_packet(records, read_versions(), now=now)
