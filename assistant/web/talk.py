"""One answer on its way into a page: its events folded into the chat, and the chat as a view.

Whatever fails behind it becomes a line in the chat. It refuses to know Gradio, which click began an
answer, and which sessions there are.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from assistant.errors import AssistantError
from assistant.events import Event, Fix, Probed
from assistant.keeping import Keeping
from assistant.records import Record
from assistant.types import (
    BackendStatus,
    Conversation,
    Entry,
    Match,
    ProbeInfo,
    Snapshot,
    Target,
    Turn,
)
from assistant.web.checks import Checks
from assistant.web.markdown import escape
from assistant.web.messages import (
    Answer,
    fold,
    render_answer,
    render_failure,
    render_question,
)
from assistant.web.proof import judge_proof, render_proof
from assistant.web.session import ChatMessage, Exchange, Session, View
from assistant.web.shelf import TURNS, Shelf
from assistant.web.stream import Stream

log = logging.getLogger(__name__)

RUNNING = 3  # streams of one session at a time
CANDIDATES = 3
LEAST_CANDIDATE = 0.15
TRIED = (
    "**You have tried this one in this conversation, and it did not help.** "
    "“Didn't help” shows what comes next."
)
PASTED = "*(What the cell of a check printed.)*"


class Assistant(Protocol):
    """What the page needs of the assistant; `assistant.service.Assistant` has it."""

    def ask(
        self,
        text: str,
        *,
        conversation: Conversation = (),
        target: str | None = None,
        probe: str | None = None,
        parameters: Mapping[str, str] | None = None,
        check: bool = False,
        explain: bool = True,
    ) -> AsyncIterator[Event]:
        """Answer as events; closing the iterator cancels everything behind it."""

    def snapshot(self) -> Snapshot | None:
        """Return the knowledge, None while it is loading."""

    def backend_status(self) -> BackendStatus:
        """Say whether the model can answer now."""

    def probes(self) -> tuple[ProbeInfo, ...]:
        """Return the probes that can be run."""

    def targets(self) -> tuple[Target, ...]:
        """Return the environments that can be looked at, the default first."""

    def cell(self, probe_id: str) -> str:
        """Return a notebook cell that does what a probe does, '' if there is none."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one stream answers: a question, a probe, or (`check`) the last question with all quick
    probes. `lead` and `lead_for` are the exchange's. A probe after "Fixed it" `proves` an entry: it
    says whether the fault is gone, and changes no answer. `joins` is the question that a probe's
    findings are kept with, where `keeping` does not keep them itself."""

    keeping: Keeping
    text: str = ""
    probe: str | None = None
    target: str | None = None
    parameters: Mapping[str, str] | None = None
    check: bool = False
    lead: str = ""
    lead_for: str = ""
    proves: Entry | None = None
    joins: Keeping | None = None

    @property
    def is_question(self) -> bool:
        """Whether it begins a new turn, rather than joining the last one."""
        return self.probe is None and not self.check


class Talk:
    """Runs orders for sessions and shows sessions as views."""

    def __init__(self, assistant: Assistant, checks: Checks, shelf: Shelf) -> None:
        self._assistant, self._checks, self._shelf = assistant, checks, shelf

    async def run(self, session: Session, order: Order) -> AsyncGenerator[View, None]:
        """Fold one stream into the chat; an error becomes a line in it."""
        if len(session.streams) >= RUNNING:
            yield self.say(session, "Other answers are still being written. Press Stop first.")
            return
        session.conversation = await self._shelf.converse(session)
        events = self._assistant.ask(
            order.text,
            conversation=session.conversation,
            target=order.target or (session.target or None if order.check else None),
            probe=order.probe,
            parameters=order.parameters,
            check=order.check,
        )
        stream = Stream(order.keeping.keep(events), awaited=lambda event: isinstance(event, Fix))
        session.streams.add(stream)
        if order.is_question:
            session.candidates, session.offered, session.offers = (), (), ()
            session.can_check, session.proving = False, ""
        key = session.add(Exchange(lead=order.lead, lead_for=order.lead_for))
        try:
            async with aclosing(stream.batches()) as batches:
                async for batch in batches:
                    self._fold(session, key, batch, order)
                    await self._aim(session, key, order)
                    await self._keep_found(session, key, batch, order)
                    yield self.view(session, key)
            session.streams.discard(stream)
            self._finish(session, key, stream, order)
            await self._join(session, key, order)
            yield self.view(session, key)
        except Exception as error:  # the rim: whatever fails behind it, the page goes on
            session.streams.discard(stream)
            self._end(session, key, _failure(error))
            yield self.view(session, key)
        finally:
            session.streams.discard(stream)
            stream.stop()

    def _fold(self, session: Session, key: int, batch: tuple[Event, ...], order: Order) -> None:
        exchange = session.exchanges.get(key)
        if exchange is None:  # cleared meanwhile
            return
        answer = exchange.answer
        for event in batch:
            answer = fold(answer, event)
        if answer.final and answer.matches and order.proves is None:
            session.candidates = _worth_showing(answer, session.tried)
        question = exchange.question
        if order.is_question and not question and answer.query is not None:
            question = render_question(answer.query.text) if answer.query.text.strip() else ""
            session.keep(order.keeping)
            self._shelf.remember(session)
        elif order.is_question and answer.query is None and answer.findings:
            question = PASTED
        proof = None
        if order.proves is not None and answer.findings:
            asked = session.conversation[-1].query if session.conversation else None
            proof = judge_proof(order.proves, asked, answer.findings)
        again = order.is_question and _was_tried(session, order, answer)
        lead, lead_for = (TRIED, "") if again else (order.lead, order.lead_for)
        exchange = replace(exchange, lead=lead, lead_for=lead_for)
        session.exchanges[key] = replace(exchange, question=question, answer=answer, proof=proof)
        self._offer(session, answer, order)

    def _offer(self, session: Session, answer: Answer, order: Order) -> None:
        """The checks that can tell more and were not run for this answer yet."""
        if answer.offered and answer.offered != session.offered:
            session.offered = answer.offered
            self._checks.offer(session, answer.offered)
            session.can_check = order.is_question and any(
                map(self._checks.is_quick, answer.offered)
            )
        run = {finding.id for finding in answer.findings}
        session.offers = tuple(offer for offer in session.offers if offer.row not in run)
        session.can_check = session.can_check and not order.check

    async def _aim(self, session: Session, key: int, order: Order) -> None:
        """Look at the environment that the traceback comes from, unless the reader chose one."""
        exchange = session.exchanges.get(key)
        query = exchange.answer.query if exchange else None
        if session.is_chosen or not order.is_question or query is None or not query.exceptions:
            return
        target = await self._checks.find_target(query)
        if target and target != session.target:
            session.target = target
            self._checks.renew(session)

    def _finish(self, session: Session, key: int, stream: Stream[Event], order: Order) -> None:
        """Keep the turn, or say how the stream ended without one."""
        exchange = session.exchanges.get(key)
        if exchange is None:
            return
        turn = exchange.answer.turn
        if turn is None:
            ended = "*Stopped.*" if stream.stopped else render_failure("The answer broke off.")
            self._end(session, key, ended)
            return
        if order.proves is not None:
            return
        # A probe's turn is the last question's, seen again with its finding; a pasted one's too.
        kept = session.conversation
        joins = not order.is_question or exchange.answer.query is None
        again = joins and kept and kept[-1].query == turn.query
        kept = tuple(one for one in kept[: -1 if again else None] if not _is_same(one, turn))
        session.conversation = (*kept, turn)[-TURNS:]

    async def _keep_found(
        self, session: Session, key: int, batch: tuple[Event, ...], order: Order
    ) -> None:
        """Keep findings that came aside with their question, before they are shown."""
        question = self._question_of(session, key, order)
        found = tuple(event.finding for event in batch if isinstance(event, Probed))
        if found and question is not None:
            await self._shelf.join(question, Answer(findings=found))
            if order.joins is not None:
                await self._shelf.note_failures(found)

    async def _join(self, session: Session, key: int, order: Order) -> None:
        """Keep what those findings have changed."""
        question, exchange = self._question_of(session, key, order), session.exchanges.get(key)
        if question is None or exchange is None or order.check:
            return
        if order.proves is None and question.record.state != "running":
            await self._shelf.join(question, replace(exchange.answer, findings=()))
        if exchange.proof == "still there":
            await self._shelf.judge(question, None)

    def _question_of(self, session: Session, key: int, order: Order) -> Keeping | None:
        """The question that evidence which came aside (pasted, in mid-answer, as a proof, with all
        quick checks) belongs to."""
        exchange = session.exchanges.get(key)
        if exchange is None:
            return None
        return session.last if exchange.question == PASTED else order.joins

    def _end(self, session: Session, key: int, ended: str) -> None:
        exchange = session.exchanges.get(key)
        if exchange is not None:
            session.exchanges[key] = replace(exchange, answer=replace(exchange.answer, ended=ended))

    # --- views -----------------------------------------------------------------------------------

    def status(self) -> str:
        """One line on what is loading or which model answers (Markdown)."""
        snapshot, backend = self._assistant.snapshot(), self._assistant.backend_status()
        parts = []
        if snapshot is None:
            parts.append("Loading the guide and the search model… You can ask already.")
        elif not snapshot.entries:
            parts.append("No guide could be read: there is nothing to answer from.")
        else:
            parts.append(f"Ready: {len(snapshot.entries)} guide entries.")
            parts.extend(snapshot.notices)
        loading = "Loading the language model…" if backend.state == "loading" else ""
        parts += [backend.message or loading, *self._shelf.notices]
        return " ".join(escape(part) for part in parts if part)

    def entries(self) -> Mapping[str, Entry]:
        """The guide's entries by id; none while it is loading."""
        snapshot = self._assistant.snapshot()
        return snapshot.entries if snapshot else {}

    def say(self, session: Session, line: str) -> View:
        """Add a line of ours (Markdown) to the chat."""
        session.add(Exchange(fixed=line))
        return self.view(session)

    def view(self, session: Session, running: int = 0) -> View:
        """What the session shows now; `running` is the key of the exchange that is under way."""
        messages = [
            message
            for key, exchange in session.exchanges.items()
            for message in self._messages(session, key, exchange)
        ]
        exchange = session.exchanges.get(running)
        last = session.last
        return View(
            messages,
            status=self.status(),
            candidates=tuple(match.title for match in session.candidates),
            taken=exchange is not None and bool(exchange.question),
            settled=bool(running) and (exchange is None or exchange.answer.turn is not None),
            offers=session.offers,
            permits=dict(session.permits),
            target=session.target,
            can_check=session.can_check,
            can_judge=last is not None and can_judge(last.record),
            can_resume=is_broken(session),
            can_choose=_asks(session),
        )

    def _messages(self, session: Session, key: int, exchange: Exchange) -> list[ChatMessage]:
        """Render an exchange once for each change of it."""
        rendered = session.shown.get(key)
        if rendered is not None and rendered[0] is exchange:
            return rendered[1]
        titles = self._checks.titles
        if exchange.proof is not None:
            answer = render_proof(exchange.proof, exchange.answer.findings, titles)
        else:
            answer = exchange.fixed or render_answer(exchange.answer, self.entries(), titles=titles)
        fix = exchange.answer.fix
        if exchange.lead and (not exchange.lead_for or (fix and fix.entry == exchange.lead_for)):
            answer = f"{exchange.lead}\n\n{answer}"
        both = (("user", exchange.question), ("assistant", answer))
        messages = [{"role": role, "content": content} for role, content in both if content]
        session.shown[key] = (exchange, messages)
        return messages


def _worth_showing(answer: Answer, tried: tuple[str, ...]) -> tuple[Match, ...]:
    """Other candidates, but for those that did not help; beside a fix only those near it."""
    least = LEAST_CANDIDATE if answer.fix else 0.0
    others = [match for match in answer.others if match.id not in tried]
    return tuple(match for match in others if match.confidence >= least)[:CANDIDATES]


def _was_tried(session: Session, order: Order, answer: Answer) -> bool:
    """Whether an earlier answer of this conversation showed the same fix, and it did not help."""
    earlier = [one.record.tried for one in session.kept if one is not order.keeping]
    return answer.fix is not None and any(answer.fix.entry in tried for tried in earlier)


def _is_same(turn: Turn, later: Turn) -> bool:
    """Whether two turns show the same fix for the same question: the later one is complete."""
    shown = (turn.fix.entry if turn.fix else "", later.fix.entry if later.fix else "")
    return turn.query == later.query and shown[0] == shown[1]


def can_judge(record: Record) -> bool:
    """Whether a fix is shown of which nobody has said yet if it helped."""
    return record.fix is not None and record.outcome is None and bool(record.matches)


def is_broken(session: Session) -> bool:
    """Whether the last answer was broken off, and nothing runs that could go on with it."""
    last = session.last
    return last is not None and last.record.state != "done" and not session.streams


def _asks(session: Session) -> bool:
    """Whether the last answer ends with the question which of two entries it is."""
    last = next((one for one in reversed(session.exchanges.values()) if one.question), None)
    return last is not None and last.answer.turn is not None and last.answer.question is not None


def _failure(error: Exception) -> str:
    """An expected error speaks for itself; any other gets a number that the log shows too."""
    if isinstance(error, AssistantError):
        return render_failure(error.message, hint=error.hint)
    incident = secrets.token_hex(3)
    log.error("incident %s: %s", incident, type(error).__name__, exc_info=error)
    return render_failure(
        f"Something broke inside the assistant (incident {incident}, see its log).",
        hint="Your text is in the box again.",
    )
