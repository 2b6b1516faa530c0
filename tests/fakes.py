"""Fakes that come in through constructors: scripted, and they note what was asked of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from assistant.events import Done, Event, Fix, Probed, Retrieved, Sentence, Understood
from assistant.types import (
    BackendStatus,
    Conversation,
    Entry,
    Finding,
    FixText,
    Match,
    ProbeInfo,
    Query,
    Retrieval,
    Snapshot,
    Status,
    Target,
    Turn,
)

# A step of a script: an event, seconds to wait, an exception to raise, or "forever"
Step = Event | float | Exception | Literal["forever"]
Script = Callable[[str, str | None], Sequence[Step]]


@dataclass
class Call:
    """One `ask`: what it was given, and whether it was started and closed."""

    text: str
    probe: str | None
    target: str | None
    conversation: Conversation
    started: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)


class FakeRetriever:
    """Finds nothing."""

    def fast(self, query: Query) -> Retrieval:
        return Retrieval((), "abstain")

    def search(self, query: Query) -> Retrieval:
        return Retrieval((), "abstain")


def fake_entry(name: str, *, title: str = "", solution: str = "") -> Entry:
    title = title or name.replace("-", " ").capitalize()
    solution = solution or f"Install it:\n\n```bash\npip install {name}\n```\n"
    return Entry(
        name,
        "error",
        title,
        "Imports",
        "guides/course.md",
        12,
        20,
        solution,
        solution,
        (f"No {name}",),
    )


ENTRIES = {name: fake_entry(name) for name in ("missing-timm", "missing-lap", "out-of-memory")}


def fake_done(query: Query, *, fix: FixText | None = None, status: Status = "answer") -> Done:
    turn = Turn(query, (fix.entry,) if fix else (), fix, "", "fingerprint")
    return Done(turn, status, "fake model", (("fix", 0.1), ("total", 0.2)))


def answer_script(text: str, probe: str | None) -> Sequence[Step]:
    """A whole answer, or a finding when a probe was pressed."""
    if probe:
        finding = Finding(
            probe,
            "ok",
            f"The {probe} is fine",
            where="the assistant's own Python 3.11, not your notebook's",
            source="nvidia-smi",
            facts=(("name", "NVIDIA GB10"), ("memory", "128 GB")),
        )
        return [Probed(finding), fake_done(Query("", "empty"))]
    query = Query(text, "text")
    fix = FixText("missing-timm", ENTRIES["missing-timm"].solution)
    matches = tuple(
        Match(entry.id, entry.title, 0.9 - 0.2 * place, ("message signature",))
        for place, entry in enumerate(ENTRIES.values())
    )
    return [
        Understood(query),
        Retrieved(matches, "answer", final=True),
        Fix(fix, 1),
        Sentence("Your environment lacks `timm`.", ("missing-timm",)),
        Sentence("Install it there.", ("missing-timm",)),
        fake_done(query, fix=fix),
    ]


class FakeAssistant:
    """Plays a script for each `ask`; has the methods that the page needs."""

    def __init__(
        self,
        script: Script = answer_script,
        *,
        entries: dict[str, Entry] | None = None,
        backend: BackendStatus = BackendStatus("ready", "Model: fake (tiny)."),
        targets: tuple[Target, ...] = (Target("own", "own", ("python",), "the assistant's own"),),
        loading: bool = False,
    ) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.backend = backend
        self.loading = loading
        self._targets = targets
        known = ENTRIES if entries is None else entries
        self._snapshot = Snapshot(known, FakeRetriever(), "fingerprint")

    async def ask(
        self,
        text: str,
        *,
        conversation: Conversation = (),
        target: str | None = None,
        probe: str | None = None,
    ) -> AsyncIterator[Event]:
        call = Call(text, probe, target, conversation)
        self.calls.append(call)
        call.started.set()
        try:
            for step in self.script(text, probe):
                if isinstance(step, Exception):
                    raise step
                if step == "forever":
                    await asyncio.Event().wait()
                elif isinstance(step, (int, float)):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            call.closed.set()

    def snapshot(self) -> Snapshot | None:
        return None if self.loading else self._snapshot

    def backend_status(self) -> BackendStatus:
        return self.backend

    def probes(self) -> tuple[ProbeInfo, ...]:
        names = ("gpu", "memory", "packages", "environment")
        return tuple(ProbeInfo(name, name.capitalize(), f"the {name}", "nothing") for name in names)

    def targets(self) -> tuple[Target, ...]:
        return self._targets
