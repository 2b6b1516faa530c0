"""What happens behind the page: each handler turns a click into views that the page shows.

It refuses to know Gradio: everything that a page shows comes out as a `View`. A session keeps
questions (masked), answers and the conversation here on the server; nothing of it is taken back
from the browser. A probe runs only when its click redeems a permit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from assistant.errors import InputError
from assistant.events import Probed
from assistant.evidence import read_told
from assistant.followup import build_followup, deciding_probes
from assistant.history import History, open_history
from assistant.probes.runner import Audit
from assistant.records import SessionLine
from assistant.types import Finding
from assistant.web.browser import Visitor
from assistant.web.checks import CHECK_ALL, PANEL, Checks
from assistant.web.markdown import escape, guide_markdown
from assistant.web.messages import render_entry
from assistant.web.nonce import Nonces
from assistant.web.session import Exchange, Session, View
from assistant.web.shelf import Shelf
from assistant.web.talk import Assistant, Order, Talk, can_judge, is_broken

SESSIONS = 500
LEFT = 1000  # pages that have gone and may come back
STILL = "It still fails."  # what "Didn't help" asks


@dataclass(frozen=True, slots=True)
class Left:
    """What is remembered of a page that has gone: its conversation and the Python it looked at."""

    key: str
    target: str
    is_chosen: bool


class Room:
    """The page's handlers, one instance for all sessions; used from one event loop."""

    def __init__(
        self,
        assistant: Assistant,
        *,
        nonces: Nonces | None = None,
        history: History | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._assistant = assistant
        self.checks = Checks(assistant, nonces=nonces or Nonces(), audit=audit)
        self._shelf = Shelf(history if history is not None else open_history(None))
        self._talk = Talk(assistant, self.checks, self._shelf)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._left: OrderedDict[str, Left] = OrderedDict()
        self._entering = asyncio.Lock()

    # --- coming and going ------------------------------------------------------------------------

    async def open(self, visitor: Visitor) -> View:
        """A page was opened: bring back this browser's conversation.

        For a request that comes from no page nothing is kept; all other clicks of it are refused.
        """
        if not visitor.tab:
            return self._talk.view(Session(visitor))
        session = await self._enter(visitor)
        if not session.exchanges:
            await self._bring_back(session, await self._shelf.current(visitor.owner))
        self.checks.renew(session)
        return self._talk.view(session)

    async def stop(self, visitor: Visitor) -> View:
        """Stop what runs for this page; the streams' own handlers say so in the chat."""
        session = await self._enter(visitor)
        session.stop()
        return self._talk.view(session)

    async def clear(self, visitor: Visitor) -> View:
        """Stop, and begin a new conversation; the old one stays among the past ones."""
        session = await self._enter(visitor)
        session.clear()
        self.checks.forget(visitor)  # buttons of the old conversation are worth nothing now
        self.checks.renew(session)
        self._shelf.remember(session)
        return self._talk.view(session)

    def close(self, visitor: Visitor) -> None:
        """The page has gone: stop everything behind it and forget it.

        A laptop that sleeps looks like that too: which conversation it was, is remembered.
        """
        session = self._sessions.pop(visitor.id, None)
        if session is not None:
            self._left[visitor.id] = Left(session.key, session.target, session.is_chosen)
            while len(self._left) > LEFT:
                self._left.popitem(last=False)
            session.clear()
        self.checks.forget(visitor)

    def close_all(self) -> None:
        """The server is going: stop everything."""
        for session in list(self._sessions.values()):
            self.close(session.visitor)

    def is_ready(self) -> bool:
        """Whether nothing is loading any more."""
        return self._assistant.snapshot() is not None and (
            self._assistant.backend_status().state != "loading"
        )

    def status(self) -> str:
        """One line on what is loading or which model answers (Markdown)."""
        return self._talk.status()

    # --- asking ----------------------------------------------------------------------------------

    async def ask(self, visitor: Visitor, text: str) -> AsyncGenerator[View, None]:
        """Answer what was typed; the last view says whether the text is done with."""
        session = await self._enter(visitor)
        if not text.strip():
            line = "There is nothing to read yet. Paste an error, or ask in plain words."
            yield replace(self._talk.say(session, line), settled=True)
            return
        order = Order(self._shelf.begin(session), _encodable(text))
        async with aclosing(self._talk.run(session, order)) as views:
            async for view in views:
                yield view

    async def resume(self, visitor: Visitor) -> AsyncGenerator[View, None]:
        """Answer the last question again, in the place of the answer that was broken off."""
        session = await self._enter(visitor)
        last = session.last
        if last is None or not is_broken(session):
            yield self._talk.say(session, "There is nothing to resume.")
            return
        keeping = self._shelf.begin(session, number=last.number)
        # what was shown already stays until it comes again
        keeping.record = replace(last.record, state="running", sentences=(), dropped=(), notices=())
        session.kept.remove(last)
        broken = [key for key, one in session.exchanges.items() if one.question]
        for key in [key for key in broken[-1:] if session.exchanges[key].answer.turn is None]:
            del session.exchanges[key]
        async with aclosing(self._talk.run(session, Order(keeping, last.record.text))) as views:
            async for view in views:
                yield view

    async def show_candidate(self, visitor: Visitor, position: int) -> View:
        """Add another candidate's entry to the chat."""
        session = await self._enter(visitor)
        snapshot = self._assistant.snapshot()
        if snapshot is None or not 0 <= position < len(session.candidates):
            return self._talk.say(session, "That candidate is no longer there. Ask again, please.")
        entry = snapshot.entries.get(session.candidates[position].id)
        if entry is None:
            return self._talk.say(session, "The guide has changed: this entry is gone. Ask again.")
        session.add(Exchange(fixed=render_entry(entry)))
        return self._talk.view(session)

    # --- checks ----------------------------------------------------------------------------------

    async def check(
        self,
        visitor: Visitor,
        permit: str,
        *,
        target: str,
        parameters: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[View, None]:
        """Redeem the permit and run its check; without a good permit nothing is run."""
        session = await self._enter(visitor)
        redeem = self.checks.redeem(visitor, permit, target=target, parameters=parameters)
        row, reason = await redeem
        self.checks.renew(session)
        last = session.last
        if row == CHECK_ALL and last is None:
            row, reason = "", "there is no question yet that it could be about"
        if not row:
            line = f"**Nothing was run**: {reason}. Press the button again."
            yield self._talk.say(session, line)
            return
        order = self._order(session, row, target=target, parameters=parameters)
        async with aclosing(self._talk.run(session, order)) as views:
            async for view in views:
                yield view
        if order.check and last is not None and order.keeping.record.state == "done":
            await self._shelf.replace(last, order.keeping.record)
            yield self._talk.view(session)

    def _order(
        self, session: Session, row: str, *, target: str, parameters: Mapping[str, str] | None
    ) -> Order:
        """What a granted press of a button runs."""
        last, place = session.last, target or None
        if row == CHECK_ALL and last is not None:
            lead = "**Your question, with what the quick checks of this machine say:**"
            aside = self._shelf.aside(session)
            text = last.record.text
            return Order(aside, text, target=place, check=True, lead=lead, joins=last)
        proves = self._talk.entries().get(session.proving)
        if last is None:
            return Order(self._shelf.begin(session), probe=row, target=place, parameters=parameters)
        # an answer that is not whole must not be called so because a check has come to its end
        is_aside = proves is not None or last.record.state != "done"
        return Order(
            self._shelf.aside(session) if is_aside else last,
            probe=row,
            target=place,
            parameters=parameters,
            proves=proves,
            joins=last if is_aside else None,
        )

    async def aim(self, visitor: Visitor, target: str) -> View:
        """The reader chose an environment: the buttons are for that one now."""
        session = await self._enter(visitor)
        if target != session.target:
            session.target, session.is_chosen = target, True
        self.checks.renew(session)
        return self._talk.view(session)

    async def renew(self, visitor: Visitor) -> View:
        """Fresh permits for a page that has been open for a while."""
        session = await self._enter(visitor)
        self.checks.renew(session)
        return self._talk.view(session)

    async def told(self, visitor: Visitor, row: str) -> dict[str, str]:
        """What the last question says of the parameters of a check, by their names."""
        session = await self._enter(visitor)
        infos = [info for info in self.checks.infos if info.id == row]
        turns = session.conversation
        return read_told(turns[-1].query, infos) if turns else {}

    async def sample(
        self, visitor: Visitor, permit: str, *, target: str
    ) -> tuple[Finding | None, str, View]:
        """Redeem the panel's permit and read the memory; the finding or why there is none."""
        session = await self._enter(visitor)
        row, reason = await self.checks.redeem(visitor, permit, target=target)
        session.permits[PANEL] = self.checks.issue(visitor, "memory", target=session.target)
        finding = None
        if row:
            events = self._assistant.ask("", probe=row, target=target or None)
            found = [event.finding async for event in events if isinstance(event, Probed)]
            finding = found[0] if found else None
        return finding, reason, self._talk.view(session)

    def add_sample(
        self, visitor: Visitor, sample: tuple[float, float] | None, *, most: int
    ) -> tuple[tuple[float, float], ...]:
        """Remember a reading of the panel; return the last ones."""
        session = self._sessions.get(visitor.id) or Session(visitor)
        session.samples = [*session.samples, *([sample] if sample else [])][-most:]
        return tuple(session.samples)

    # --- after the answer ------------------------------------------------------------------------

    async def fixed(self, visitor: Visitor) -> View:
        """It helped: keep that, and offer what proves it."""
        session = await self._enter(visitor)
        last = session.last
        if last is None or not can_judge(last.record):
            return self._talk.say(session, "There is no fix to judge.")
        await self._shelf.judge(last, "fixed")
        session.proving = last.record.fix.entry if last.record.fix else ""
        entry = self._talk.entries().get(session.proving)
        parts = [f"**Noted: “{escape(entry.title if entry else 'this fix')}” helped.**"]
        if entry is not None and entry.check.strip():
            parts.append(f"To be sure, check it:\n\n{guide_markdown(entry.check)}")
        self.checks.offer(session, session.offered)
        if any(one.permit for one in session.offers):
            parts.append("The checks below look on this machine whether the fault is gone.")
        return self._talk.say(session, "\n\n".join(parts))

    async def failed(self, visitor: Visitor) -> AsyncGenerator[View, None]:
        """It did not help: keep that, and show the next best entry with what differs."""
        session = await self._enter(visitor)
        last = session.last
        if last is None or not can_judge(last.record):
            yield self._talk.say(session, "There is no fix to judge.")
            return
        session.stop()
        following = build_followup(last.record, self._talk.entries(), tried=session.tried)
        await self._shelf.judge(last, "not_fixed")
        if following is None:
            line = (
                "**Noted.** The guide has no other entry that comes near. The help packet below "
                "writes down what was asked, found and tried, to show to an instructor."
            )
            yield self._talk.say(session, line)
            return
        differs = guide_markdown(following.differs)
        lead = f"**What is different about this one**\n\n{differs}" if differs else ""
        order = Order(self._shelf.begin(session), STILL, lead=lead, lead_for=following.entry.id)
        async with aclosing(self._talk.run(session, order)) as views:
            async for view in views:
                yield view
        yield self._offer_between(session, (*following.tried[-1:], following.entry.id))

    def _offer_between(self, session: Session, ids: Sequence[str]) -> View:
        """Put the checks that decide between these entries before the others."""
        entries = [one for id_ in ids if (one := self._talk.entries().get(id_))]
        deciding = deciding_probes(entries, self.checks.infos)
        run = {one.id for one in session.last.record.findings} if session.last else set()
        session.offered = tuple(dict.fromkeys((*deciding, *session.offered)))
        self.checks.offer(session, [row for row in session.offered if row not in run])
        return self._talk.view(session)

    async def past(self, visitor: Visitor) -> tuple[SessionLine, ...]:
        """This browser's conversations, the latest first."""
        return await self._shelf.list(visitor.owner)

    async def open_past(self, visitor: Visitor, key: str) -> View:
        """Go on with a past conversation."""
        session = await self._enter(visitor)
        if not await self._bring_back(session, key):
            return self._talk.say(session, "That conversation is no longer there.")
        self._shelf.remember(session)
        return self._talk.view(session)

    async def delete_past(self, visitor: Visitor, key: str) -> View:
        """Forget a past conversation, also where a page shows it."""
        session = await self._enter(visitor)
        if await self._shelf.delete(visitor.owner, key):
            for one in self._sessions.values():
                if one.key == key:
                    one.clear()
                    self._shelf.remember(one)
        return self._talk.view(session)

    async def packet(self, owner: str) -> str:
        """The help packet of this browser's conversation, Markdown; '' if there is none."""
        mine = [one for one in reversed(self._sessions.values()) if one.visitor.owner == owner]
        records = [one.record for one in mine[0].kept] if owner and mine else []
        if not records:
            records = list(await self._shelf.load(owner, await self._shelf.current(owner)))
        return await self._shelf.packet(records) if records else ""

    # --- sessions and views ----------------------------------------------------------------------

    async def _enter(self, visitor: Visitor) -> Session:
        """The page's session; what it showed comes back if it was forgotten while away.

        Raises InputError for a request from no page: such requests would all share one session.
        """
        if not visitor.tab:
            raise InputError("This request came from no open page.", hint="Load the page again.")
        session = self._sessions.get(visitor.id)
        if session is None:
            async with self._entering:
                session = self._sessions.get(visitor.id) or await self._begin(visitor)
        self._sessions.move_to_end(visitor.id)
        while len(self._sessions) > SESSIONS:
            self.close(next(iter(self._sessions.values())).visitor)
        return session

    async def _begin(self, visitor: Visitor) -> Session:
        session = Session(visitor)
        left = self._left.pop(visitor.id, None)
        if left is not None:
            session.target, session.is_chosen = left.target, left.is_chosen
            await self._bring_back(session, left.key)
        else:
            targets = await self.checks.targets()
            session.target = targets[0].name if targets else ""
        self._sessions[visitor.id] = session
        self.checks.renew(session)
        return session

    async def _bring_back(self, session: Session, key: str) -> bool:
        records = await self._shelf.load(session.visitor.owner, key)
        if not records:
            return False
        await self._shelf.restore(session, key, records, self.checks.infos)
        self.checks.offer(session, session.offered)
        session.can_check = any(map(self.checks.is_quick, session.offered))
        return True


def _encodable(text: str) -> str:
    """A browser can send half a character (a lone surrogate); it becomes '?'."""
    return text.encode("utf-8", "replace").decode("utf-8")
