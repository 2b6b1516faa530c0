"""What happens behind the page: each handler turns a click into views that the page shows.

It refuses to know Gradio: everything that a page shows comes out as a `View`. A session keeps
questions (masked), answers and the conversation here on the server; nothing of it is taken back
from the browser. A probe runs only when its click redeems a nonce.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from assistant.errors import AssistantError
from assistant.events import Event
from assistant.types import BackendStatus, Conversation, Match, ProbeInfo, Snapshot, Target
from assistant.web.markdown import escape
from assistant.web.messages import (
    Answer,
    fold,
    render_answer,
    render_entry,
    render_failure,
    render_question,
)
from assistant.web.nonce import Nonces
from assistant.web.session import ChatMessage, Exchange, Session, View
from assistant.web.stream import Stream

log = logging.getLogger(__name__)

TURNS = 8  # of a conversation that a next question sees
SESSIONS = 500
RUNNING = 3  # streams of one session at a time
CANDIDATES = 3
LEAST_CANDIDATE = 0.15
NO_SESSION = ""

REFUSED = {
    "unknown": "this press of the button was already used, or did not come from this page",
    "expired": "the page was open for so long that the button's permission ran out",
    "other": "the permission was given for something else",
}


class Assistant(Protocol):
    """What the page needs of the assistant; `assistant.service.Assistant` has it."""

    def ask(
        self,
        text: str,
        *,
        conversation: Conversation = (),
        target: str | None = None,
        probe: str | None = None,
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


class Room:
    """The page's handlers, one instance for all sessions; used from one event loop."""

    def __init__(self, assistant: Assistant, *, nonces: Nonces | None = None) -> None:
        self._assistant = assistant
        self._nonces = nonces if nonces is not None else Nonces()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    async def ask(self, session_id: str, text: str) -> AsyncGenerator[View, None]:
        """Answer what was typed; the last view says whether the text is done with."""
        session = self._session(session_id)
        if not text.strip():
            line = "There is nothing to read yet. Paste an error, or ask in plain words."
            yield replace(self._say(session, line), settled=True)
            return
        async with aclosing(self._run(session, _encodable(text))) as views:
            async for view in views:
                yield view

    async def probe(
        self, session_id: str, row: str, *, nonce: str, target: str
    ) -> AsyncGenerator[View, None]:
        """Redeem the nonce and run the probe; without a good nonce nothing is run."""
        session = self._session(session_id)
        verdict = self._nonces.redeem(nonce, session_id, row=row, target=target)
        known = not target or target in {one.name for one in self._assistant.targets()}
        if verdict == "ok" and not (known and session_id != NO_SESSION):
            verdict = "other"
        if verdict != "ok":
            reason = REFUSED.get(verdict, REFUSED["unknown"])
            yield self._say(session, f"**Nothing was run**: {reason}. Press the button again.")
            return
        async with aclosing(self._run(session, "", probe=row, target=target or None)) as views:
            async for view in views:
                yield view

    def show_candidate(self, session_id: str, position: int) -> View:
        """Add another candidate's entry to the chat."""
        session = self._session(session_id)
        snapshot = self._assistant.snapshot()
        if snapshot is None or not 0 <= position < len(session.candidates):
            return self._say(session, "That candidate is no longer there. Ask again, please.")
        entry = snapshot.entries.get(session.candidates[position].id)
        if entry is None:
            return self._say(session, "The guide has changed: this entry is gone. Ask again.")
        session.add(Exchange(fixed=render_entry(entry)))
        return self._view(session)

    def stop(self, session_id: str) -> View:
        """Stop what runs for this page; the streams' own handlers say so in the chat."""
        session = self._session(session_id)
        session.stop()
        return self._view(session)

    def clear(self, session_id: str) -> View:
        """Stop, and forget chat and conversation."""
        session = self._session(session_id)
        session.clear()
        return self._view(session)

    def close(self, session_id: str) -> None:
        """The page has gone: stop everything behind it and forget it."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.clear()
        self._nonces.forget(session_id)

    def close_all(self) -> None:
        """The server is going: stop everything."""
        for session_id in list(self._sessions):
            self.close(session_id)

    def issue(self, session_id: str, rows: Iterable[str], *, target: str) -> tuple[str, ...]:
        """Return one fresh nonce for each probe button."""
        return tuple(self._nonces.issue(session_id, row, target=target) for row in rows)

    def is_ready(self) -> bool:
        """Whether nothing is loading any more."""
        return self._assistant.snapshot() is not None and (
            self._assistant.backend_status().state != "loading"
        )

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
        parts.append(backend.message or loading)
        return " ".join(escape(part) for part in parts if part)

    # --- one stream ------------------------------------------------------------------------------

    async def _run(
        self, session: Session, text: str, *, probe: str | None = None, target: str | None = None
    ) -> AsyncGenerator[View, None]:
        """Fold one stream into the chat; an error becomes a line in it."""
        if len(session.streams) >= RUNNING:
            yield self._say(session, "Other answers are still being written. Press Stop first.")
            return
        conversation = session.conversation
        stream = Stream(
            self._assistant.ask(text, conversation=conversation, target=target, probe=probe)
        )
        session.streams.add(stream)
        if probe is None:
            session.candidates = ()
        key = session.add(Exchange())
        try:
            async with aclosing(stream.batches()) as batches:
                async for batch in batches:
                    self._fold(session, key, batch)
                    yield self._view(session, key)
            self._finish(session, key, stream, is_probe=probe is not None)
            yield self._view(session, key)
        except Exception as error:  # the rim: whatever fails behind it, the page goes on
            self._end(session, key, _failure(error))
            yield self._view(session, key)
        finally:
            session.streams.discard(stream)
            stream.stop()

    def _fold(self, session: Session, key: int, batch: tuple[Event, ...]) -> None:
        exchange = session.exchanges.get(key)
        if exchange is None:  # cleared meanwhile
            return
        answer = exchange.answer
        for event in batch:
            answer = fold(answer, event)
        if answer.final and answer.matches:
            session.candidates = _worth_showing(answer)
        question = exchange.question
        if not question and answer.query is not None and answer.query.text.strip():
            question = render_question(answer.query.text)
        session.exchanges[key] = replace(exchange, question=question, answer=answer)

    def _finish(self, session: Session, key: int, stream: Stream[Event], *, is_probe: bool) -> None:
        """Keep the turn, or say how the stream ended without one."""
        exchange = session.exchanges.get(key)
        if exchange is None:
            return
        turn = exchange.answer.turn
        if turn is None:
            ended = "*Stopped.*" if stream.stopped else render_failure("The answer broke off.")
            self._end(session, key, ended)
            return
        # A probe's turn is the last question's, seen again with its finding.
        kept = session.conversation
        again = is_probe and kept and kept[-1].query == turn.query
        session.conversation = (*(kept[:-1] if again else kept), turn)[-TURNS:]

    def _end(self, session: Session, key: int, ended: str) -> None:
        exchange = session.exchanges.get(key)
        if exchange is not None:
            session.exchanges[key] = replace(exchange, answer=replace(exchange.answer, ended=ended))

    # --- sessions and views ----------------------------------------------------------------------

    def _session(self, session_id: str) -> Session:
        session = self._sessions.setdefault(session_id, Session())
        self._sessions.move_to_end(session_id)
        while len(self._sessions) > SESSIONS:
            self.close(next(iter(self._sessions)))
        return session

    def _say(self, session: Session, line: str) -> View:
        session.add(Exchange(fixed=line))
        return self._view(session)

    def _view(self, session: Session, running: int = 0) -> View:
        """What the session shows now; `running` is the key of the exchange that is under way."""
        messages = [
            message
            for key, exchange in session.exchanges.items()
            for message in self._messages(session, key, exchange)
        ]
        exchange = session.exchanges.get(running)
        return View(
            messages,
            status=self.status(),
            candidates=tuple(match.title for match in session.candidates),
            taken=exchange is not None and bool(exchange.question),
            settled=bool(running) and (exchange is None or exchange.answer.turn is not None),
        )

    def _messages(self, session: Session, key: int, exchange: Exchange) -> list[ChatMessage]:
        """Render an exchange once for each change of it."""
        rendered = session.shown.get(key)
        if rendered is not None and rendered[0] is exchange:
            return rendered[1]
        snapshot = self._assistant.snapshot()
        entries = snapshot.entries if snapshot else {}
        answer = exchange.fixed or render_answer(exchange.answer, entries)
        both = (("user", exchange.question), ("assistant", answer))
        messages = [{"role": role, "content": content} for role, content in both if content]
        session.shown[key] = (exchange, messages)
        return messages


def _worth_showing(answer: Answer) -> tuple[Match, ...]:
    """Other candidates; beside a shown fix only those that come near it."""
    least = LEAST_CANDIDATE if answer.fix else 0.0
    return tuple(match for match in answer.others if match.confidence >= least)[:CANDIDATES]


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


def _encodable(text: str) -> str:
    """A browser can send half a character (a lone surrogate); it becomes '?'."""
    return text.encode("utf-8", "replace").decode("utf-8")
