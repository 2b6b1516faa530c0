"""Fakes that come in through constructors: scripted, and they note what was asked of them."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from assistant.events import Done, Event, Fix, Probed, Retrieved, Sentence, Understood
from assistant.types import (
    BackendStatus,
    Conversation,
    Entry,
    Finding,
    FixText,
    Match,
    Message,
    Parameter,
    ProbeInfo,
    Query,
    Retrieval,
    Snapshot,
    Status,
    Target,
    Token,
    Turn,
    Waiting,
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
    parameters: Mapping[str, str] = field(default_factory=dict)
    check: bool = False
    started: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)


class FakeRetriever:
    """Finds nothing."""

    has_reranker = False

    def fast(self, query: Query) -> Retrieval:
        return Retrieval((), "abstain")

    def search(self, query: Query) -> Retrieval:
        return Retrieval((), "abstain")

    def rerank(self, query: Query, found: Retrieval) -> Retrieval:
        return found


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
        parameters: Mapping[str, str] | None = None,
        check: bool = False,
        explain: bool = True,
    ) -> AsyncIterator[Event]:
        call = Call(text, probe, target, conversation, dict(parameters or {}), check)
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
        quick = [ProbeInfo(name, name.capitalize(), f"the {name}", "nothing") for name in names]
        told = (
            Parameter("file", "an image file", "path"),
            Parameter("depth", "how deep", "choice", ("fast", "whole"), default="fast"),
            Parameter("most", "how many", "number", low=1, high=48, default="8"),
        )
        image = ProbeInfo("image", "Image", "an image", "nothing", parameters=told, quick=False)
        return (*quick, image)

    def cell(self, probe_id: str) -> str:
        return f"print({probe_id!r})"

    def targets(self) -> tuple[Target, ...]:
        return self._targets


# --- behind the service --------------------------------------------------------------------------

# A step of a backend's script: a piece, a place in the line, an exception, or "forever"
Piece = str | Waiting | Exception | Literal["forever"]


class FakeBackend:
    """Says its script to whoever asks, or what `answer` makes of the prompt."""

    name = "fake model"

    def __init__(
        self,
        *script: Piece,
        answer: Callable[[Sequence[Message]], Sequence[Piece]] | None = None,
        status: BackendStatus = BackendStatus("ready"),
        is_tiny: bool = False,
    ) -> None:
        self._answer = answer or (lambda messages: script)
        self._status = status
        self.is_tiny = is_tiny
        self.prompts: list[Sequence[Message]] = []
        self.cancels: list[threading.Event] = []
        self.ended = threading.Event()
        self.closed = False
        self.loads = self.unloads = 0

    def load(self) -> None:
        self.loads += 1

    def status(self) -> BackendStatus:
        return self._status

    def generate(
        self, messages: Sequence[Message], *, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        self.prompts.append(messages)
        self.cancels.append(cancel)
        try:
            for step in self._answer(messages):
                if cancel.is_set():
                    return
                if isinstance(step, Exception):
                    raise step
                if step == "forever":
                    cancel.wait(30)
                    return
                yield step if isinstance(step, Waiting) else Token(step)
        finally:
            self.ended.set()

    def unload(self) -> None:
        self.unloads += 1

    def close(self) -> None:
        self.closed = True
        for cancel in self.cancels:
            cancel.set()


class FakeProber:
    """Finds what it was told to find."""

    def __init__(
        self,
        *findings: Finding,
        informs: tuple[str, ...] = (),
        place: Target | None = None,
        pasted: tuple[Finding, ...] = (),
        parameters: tuple[Parameter, ...] = (),
    ) -> None:
        """Every row informs `informs` and takes `parameters`; `place` is where a traceback comes
        from; `pasted` is what a text that says PASTED holds."""
        self._findings = {finding.id: finding for finding in findings}
        self._informs = informs
        self._place = place
        self._pasted = pasted
        self._parameters = parameters
        self.runs: list[tuple[tuple[str, ...], str | None]] = []
        self.told: list[Mapping[str, str]] = []

    def probes(self) -> tuple[ProbeInfo, ...]:
        return tuple(
            ProbeInfo(id_, id_, "nothing", "anything", self._parameters, informs=self._informs)
            for id_ in self._findings
        )

    def read_pasted(self, text: str) -> tuple[Finding, ...]:
        return self._pasted if "PASTED" in text else ()

    def targets(self) -> tuple[Target, ...]:
        return (Target("own", "own", ("python",), "the assistant's own"),)

    def run(
        self,
        probe_ids: Sequence[str],
        *,
        target: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> tuple[Finding, ...]:
        self.runs.append((tuple(probe_ids), target))
        self.told.append(dict(parameters or {}))
        refused = Finding("", "refused", "There is no such check.")
        return tuple(self._findings.get(id_, refused) for id_ in probe_ids)

    def choose(self, paths: Sequence[str]) -> Target | None:
        return self._place if paths else None

    def cell(self, probe_id: str) -> str:
        return f"print({probe_id!r})" if probe_id in self._findings else ""


class FakeEncoder:
    """Hashes texts into a few numbers, in two views; counts what it encodes."""

    def __init__(self, name: str = "fake", dimension: int = 8) -> None:
        self.id = name
        self._dimension = dimension
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded.extend(texts)
        rows = [
            np.random.default_rng(zlib.crc32(t.encode())).normal(size=(2, self._dimension))
            for t in texts
        ]
        vectors = np.array(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
