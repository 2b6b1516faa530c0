"""One question in, one stream of events out: read → retrieve → fix → probe → explain.

`Assistant.ask` is what every face folds. It keeps no conversation: the caller hands in the turns so
far and gets the new one in `Done`. Knows ports only; `build.py` plugs the adapters in.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from assistant.answer import ABOUT, EMPTY, abstention, build_fix, tailor
from assistant.errors import AssistantError
from assistant.events import (
    Done,
    Dropped,
    Event,
    Fix,
    Loading,
    Notice,
    Probed,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.inputs import CleanText
from assistant.reading import read_query
from assistant.snapshots import Snapshots
from assistant.types import (
    Backend,
    BackendStatus,
    Conversation,
    Finding,
    FixText,
    ProbeInfo,
    Prober,
    Query,
    Retrieval,
    Snapshot,
    Status,
    Target,
    Turn,
)

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_LOAD_SECONDS = 300.0


@dataclass(slots=True)
class _Answer:
    """What has been sent so far for one question; lives as long as its stream."""

    started: float
    query: Query
    conversation: Conversation
    retrieval: Retrieval = field(default_factory=lambda: Retrieval((), "abstain"))
    fix: FixText | None = None
    revision: int = -1
    sentences: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    backend: str = ""
    snapshot: Snapshot | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str, since: float | None = None) -> None:
        """Note the seconds of a stage: since `since`, or since the question came."""
        now = time.perf_counter()
        self.seconds.setdefault(stage, round(now - (since or self.started), 4))


class Assistant:
    """The product behind every face. Thread- and task-safe; `aclose` cancels all that goes on."""

    def __init__(self, snapshots: Snapshots, backend: Backend, prober: Prober) -> None:
        self._snapshots = snapshots
        self._backend = backend
        self._prober = prober
        self._search_pool = ThreadPoolExecutor(4, thread_name_prefix="search")
        self._probe_pool = ThreadPoolExecutor(2, thread_name_prefix="probe")
        self._model_pool = ThreadPoolExecutor(16, thread_name_prefix="model")
        self._cancels: set[threading.Event] = set()

    def start(self) -> None:
        """Begin loading knowledge and model in the background; returns at once."""
        self._snapshots.start()
        threading.Thread(target=self._load_backend, name="model-load", daemon=True).start()

    def snapshot(self) -> Snapshot | None:
        """The knowledge in force, None while it is being loaded."""
        return self._snapshots.current()

    def backend_status(self) -> BackendStatus:
        """Whether the language model can answer now."""
        return self._backend.status()

    def probes(self) -> tuple[ProbeInfo, ...]:
        """The probes that can be run."""
        return self._prober.probes()

    def targets(self) -> tuple[Target, ...]:
        """The Python environments that probes can look at, the default first."""
        return self._prober.targets()

    async def ask(
        self,
        text: str | CleanText,
        *,
        conversation: Conversation = (),
        target: str | None = None,
        probe: str | None = None,
    ) -> AsyncIterator[Event]:
        """Answer `text`; or, with `probe` and no text, run that probe on `target` (by name).

        Expected failures are events, never exceptions. Closing the iterator cancels what goes on.
        Raises GuideError if there is no knowledge at all.
        """
        started = time.perf_counter()
        query = await self._run(self._search_pool, read_query, text)
        answer = _Answer(started, query, conversation)
        answer.mark("read")
        if probe is not None:
            async for event in self._probe(answer, probe, target):
                yield event
            if query.kind == "empty":
                yield self._probed_turn(answer)
                return
        yield Understood(query)
        for line in query.notices:
            yield Notice(line)
        if query.kind in {"empty", "smalltalk"}:
            for line in (EMPTY,) if query.kind == "empty" else ABOUT:
                answer.sentences.append(line)
                yield Sentence(line)
            yield self._done(answer)
            return
        async for event in self._retrieve(answer):
            yield event
        async for event in self._explain(answer):
            yield event
        yield self._done(answer)

    async def aclose(self) -> None:
        """Cancel everything that is going on and free the model."""
        for cancel in tuple(self._cancels):
            cancel.set()
        await asyncio.to_thread(self._backend.close)
        for pool in (self._search_pool, self._probe_pool, self._model_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    # --- stages --------------------------------------------------------------------------------

    async def _retrieve(self, answer: _Answer) -> AsyncIterator[Event]:
        """Fast result, then the fused one; the fix as soon as it is certain."""
        began = time.perf_counter()
        self._snapshots.look()
        if self._snapshots.current() is None:
            yield Loading("the guide")
            await self._run(
                self._search_pool,
                lambda: self._snapshots.wait(complete=False, seconds=_LOAD_SECONDS),
            )
        snapshot = self._snapshots.current()
        if snapshot is None:
            raise self._snapshots.failure or AssistantError(
                "The guide could not be loaded in time."
            )
        for line in snapshot.notices:
            yield Notice(line, "warning")
        first = await self._run(self._search_pool, snapshot.retriever.fast, answer.query)
        answer.retrieval = first
        yield Retrieved(first.matches, first.status, final=False)
        if first.exact and first.status != "abstain":
            for event in self._show_fix(answer, snapshot):
                yield event
        if not self._snapshots.is_complete:
            yield Loading("the search model")
            await self._run(
                self._search_pool,
                lambda: self._snapshots.wait(complete=True, seconds=_LOAD_SECONDS),
            )
            earlier, snapshot = snapshot, self._snapshots.current() or snapshot
            for line in snapshot.notices:
                if line not in earlier.notices:
                    yield Notice(line, "warning")
        answer.snapshot = snapshot
        answer.retrieval = await self._search(snapshot, answer.query, first)
        answer.mark("retrieve", began)
        yield Retrieved(answer.retrieval.matches, answer.retrieval.status, final=True)
        for event in self._show_fix(answer, snapshot):
            yield event

    async def _search(self, snapshot: Snapshot, query: Query, fallback: Retrieval) -> Retrieval:
        try:
            return await self._run(self._search_pool, snapshot.retriever.search, query)
        except AssistantError as error:
            _LOG.warning("search: %s", error)
            return fallback

    def _show_fix(self, answer: _Answer, snapshot: Snapshot) -> Iterator[Event]:
        """A new `Fix` if what is to be shown has changed."""
        fix = None
        if answer.retrieval.status != "abstain" and answer.retrieval.matches:
            fix = build_fix(snapshot.entries[answer.retrieval.matches[0].id])
        if fix == answer.fix:
            return
        answer.fix = fix
        answer.revision += 1
        if fix is not None:
            answer.mark("fix")
        yield Fix(fix, answer.revision)

    async def _probe(self, answer: _Answer, probe: str, target: str | None) -> AsyncIterator[Event]:
        began = time.perf_counter()
        findings = await self._run(
            self._probe_pool, lambda: self._prober.run([probe], target=target)
        )
        answer.findings.extend(findings)
        answer.mark("probe", began)
        for finding in findings:
            yield Probed(finding)

    async def _explain(self, answer: _Answer) -> AsyncIterator[Event]:
        """The model's checked sentences, or what to do when no entry is good enough."""
        snapshot = answer.snapshot  # the one that the fix came from, also if guides changed since
        if answer.fix is None or snapshot is None:
            for line in abstention(answer.query, answer.retrieval):
                answer.sentences.append(line)
                yield Sentence(line)
            return
        entry = snapshot.entries[answer.fix.entry]
        status = self._backend.status()
        if status.state == "away":
            if status.message:
                yield Notice(status.message)
            return
        if status.state == "loading":
            yield Loading(status.message or "the language model")
        findings = [*self._earlier_findings(answer), *answer.findings]
        cancel = threading.Event()
        speaking = self._stream(
            lambda: tailor(
                answer.query,
                entry,
                self._backend,
                findings=findings,
                conversation=answer.conversation,
                cancel=cancel,
                on_first_token=lambda: answer.mark("first_token"),
            ),
            cancel,
        )
        async for event in speaking:
            if isinstance(event, Sentence):
                answer.mark("first_sentence")
                answer.sentences.append(event.text)
                answer.backend = self._backend.name
            elif isinstance(event, Dropped):
                answer.backend = self._backend.name
            yield event

    def _earlier_findings(self, answer: _Answer) -> Sequence[Finding]:
        return [finding for turn in answer.conversation[-3:] for finding in turn.findings]

    def _probed_turn(self, answer: _Answer) -> Done:
        """A probe alone: its findings join the last turn, so that what follows may rest on them."""
        done = self._done(answer)
        if not answer.conversation:
            return done
        last = answer.conversation[-1]
        return replace(done, turn=replace(last, findings=(*last.findings, *answer.findings)))

    def _done(self, answer: _Answer) -> Done:
        answer.mark("total")
        status: Status = answer.retrieval.status if answer.fix is not None else "abstain"
        turn = Turn(
            query=answer.query,
            match_ids=tuple(match.id for match in answer.retrieval.matches),
            fix=answer.fix,
            text=" ".join(answer.sentences),
            fingerprint=answer.snapshot.fingerprint if answer.snapshot else "",
            findings=tuple(answer.findings),
        )
        return Done(turn, status, answer.backend, tuple(answer.seconds.items()))

    # --- threads -------------------------------------------------------------------------------

    def _load_backend(self) -> None:
        try:
            self._backend.load()
        except AssistantError as error:
            _LOG.warning("language model: %s", error)

    async def _run(
        self, pool: ThreadPoolExecutor, function: Callable[..., _T], *arguments: object
    ) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    async def _stream(
        self, make: Callable[[], Iterator[Event]], cancel: threading.Event
    ) -> AsyncIterator[Event]:
        """Run a blocking iterator in the model pool; its errors become a `Notice`.

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
                put(
                    Notice(
                        "The language model stopped; the guide's words above are complete.",
                        "warning",
                    )
                )
            finally:
                put(None)

        self._cancels.add(cancel)
        self._model_pool.submit(work)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            cancel.set()
            self._cancels.discard(cancel)
