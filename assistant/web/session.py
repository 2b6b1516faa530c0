"""One open page as the server remembers it, and what the page shows of it.

It refuses to know how anything is rendered, asked, run or kept.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from assistant.events import Event
from assistant.history import session_key
from assistant.keeping import Keeping
from assistant.types import Conversation, Match
from assistant.web.browser import Visitor
from assistant.web.messages import Answer
from assistant.web.proof import Proof
from assistant.web.stream import Stream

EXCHANGES = 40  # that a chat shows

ChatMessage = dict[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question (Markdown, '' if a button was pressed) and its answer; `fixed` is a ready one.
    `lead` stands before the answer, if that shows the entry `lead_for` ('' for any). `proof` is
    what a check after "Fixed it" means; then the answer is its findings."""

    question: str = ""
    answer: Answer = field(default_factory=Answer)
    fixed: str = ""
    lead: str = ""
    lead_for: str = ""
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A check that can tell more about the last question. `permit` is '' for one that must be told
    something first: its button opens the form."""

    row: str
    title: str
    permit: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows.

    `taken`: the chat shows what was typed; `settled`: it need not go back into the input box.
    `permits` are those of the buttons that are always there, by slot; `target` is what the chooser
    shows. `can_judge`: the last answer shows a fix that nobody has judged yet; `can_resume`: it was
    broken off; `can_choose`: it asks which of two entries it is.
    """

    messages: list[ChatMessage]
    status: str = ""
    candidates: tuple[str, ...] = ()
    taken: bool = False
    settled: bool = False
    offers: tuple[Offer, ...] = ()
    permits: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    can_check: bool = False
    can_judge: bool = False
    can_resume: bool = False
    can_choose: bool = False


@dataclass(slots=True)
class Session:
    """One open page. `key` names its conversation in the history; `kept` are the questions of that
    conversation in order; `offered` are checks that can tell more about the last one, run or not;
    `proving` is the entry that the reader said to have helped, '' once something new is asked;
    `samples` are (used, total) GiB that the memory panel has read."""

    visitor: Visitor = field(default_factory=lambda: Visitor(""))
    key: str = field(default_factory=lambda: session_key(secrets.token_urlsafe()))
    exchanges: OrderedDict[int, Exchange] = field(default_factory=OrderedDict)
    conversation: Conversation = ()
    candidates: tuple[Match, ...] = ()
    streams: set[Stream[Event]] = field(default_factory=set)
    shown: dict[int, tuple[Exchange, list[ChatMessage]]] = field(default_factory=dict)
    count: int = 0
    kept: list[Keeping] = field(default_factory=list)
    target: str = ""
    is_chosen: bool = False
    offered: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    can_check: bool = False
    proving: str = ""
    permits: dict[str, str] = field(default_factory=dict)
    samples: list[tuple[float, float]] = field(default_factory=list)

    @property
    def last(self) -> Keeping | None:
        """The last question with what is kept of it."""
        return self.kept[-1] if self.kept else None

    @property
    def tried(self) -> tuple[str, ...]:
        """Entries that did not help in this conversation, each once, in order."""
        return tuple(dict.fromkeys(id_ for one in self.kept for id_ in one.record.tried))

    def keep(self, keeping: Keeping) -> None:
        """Append a question with what is kept of it; as many are remembered as the chat shows."""
        self.kept.append(keeping)
        del self.kept[:-EXCHANGES]

    def add(self, exchange: Exchange) -> int:
        """Append an exchange and return its key."""
        self.count += 1
        self.exchanges[self.count] = exchange
        while len(self.exchanges) > EXCHANGES:
            old, _ = self.exchanges.popitem(last=False)
            self.shown.pop(old, None)
        return self.count

    def stop(self) -> None:
        """Stop everything that runs for this page."""
        for stream in self.streams:
            stream.stop()

    def clear(self) -> None:
        """Stop, and begin a new conversation."""
        self.stop()
        self.exchanges.clear()
        self.shown.clear()
        self.kept.clear()
        self.conversation, self.candidates, self.offered, self.offers = (), (), (), ()
        self.can_check, self.proving = False, ""
        self.key = session_key(secrets.token_urlsafe())
