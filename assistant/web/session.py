"""One open page as the server remembers it, and what the page shows of it.

It refuses to know how anything is rendered, asked or run.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from assistant.events import Event
from assistant.types import Conversation, Match
from assistant.web.messages import Answer
from assistant.web.stream import Stream

EXCHANGES = 40  # that a chat shows

ChatMessage = dict[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question (Markdown, '' if a button was pressed) and its answer; `fixed` is a ready one."""

    question: str = ""
    answer: Answer = field(default_factory=Answer)
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows.

    `taken`: the chat shows what was typed; `settled`: it need not go back into the input box.
    """

    messages: list[ChatMessage]
    status: str = ""
    candidates: tuple[str, ...] = ()
    taken: bool = False
    settled: bool = False


@dataclass(slots=True)
class Session:
    """One open page."""

    exchanges: OrderedDict[int, Exchange] = field(default_factory=OrderedDict)
    conversation: Conversation = ()
    candidates: tuple[Match, ...] = ()
    streams: set[Stream[Event]] = field(default_factory=set)
    shown: dict[int, tuple[Exchange, list[ChatMessage]]] = field(default_factory=dict)
    count: int = 0

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
        """Stop, and forget what was said."""
        self.stop()
        self.exchanges.clear()
        self.shown.clear()
        self.conversation, self.candidates = (), ()
