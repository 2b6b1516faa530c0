"""One question in, one stream of events out: read → retrieve → fix → probe → explain.

`Assistant.ask` is what every face folds. It keeps no conversation: the caller hands in the turns so
far and gets the new one in `Done`. Knows ports only; `build.py` plugs the adapters in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from assistant.answer import ABOUT, EMPTY, build_fix
from assistant.checking import Checking
from assistant.conversation import FollowUp, read_followup
from assistant.errors import AssistantError
from assistant.events import (
    Done,
    Event,
    Fix,
    Loading,
    Notice,
    Probed,
    Question,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.evidence import (
    follow,
    keep_first,
    revise,
)
from assistant.explaining import Explaining
from assistant.inputs import CleanText
from assistant.progress import Progress
from assistant.provenance import describe_proof
from assistant.question import find_question
from assistant.reading import read_query
from assistant.snapshots import Snapshots
from assistant.types import (
    Backend,
    BackendStatus,
    Conversation,
    Message,
    ProbeInfo,
    Prober,
    Query,
    Retrieval,
    Snapshot,
    Status,
    Target,
    Turn,
)
from assistant.verified import Verified

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_LOAD_SECONDS = 300.0
_READ_SECONDS = 5.0
_DOCUMENT = '{"assistant_probe"'  # how the output of a check's cell begins
_UNREAD = ": nothing was read ("  # what stands in it where a cell found no variable


class Assistant:
    """The product behind every face. Thread- and task-safe; `aclose` cancels all that goes on."""

    def __init__(
        self,
        snapshots: Snapshots,
        backend: Backend,
        prober: Prober,
        *,
        verified: Mapping[str, Verified] = MappingProxyType({}),
    ) -> None:
        """`verified` is what is known of the entries' last verification, by id."""
        self._snapshots = snapshots
        self._prober = prober
        self._verified = verified
        self._checking = Checking(prober, verified)
        self._explaining = Explaining(backend)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="search")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="rerank")

    def start(self) -> None:
        """Begin loading knowledge and model in the background; returns at once."""
        self._snapshots.start()
        self._explaining.start()

    def snapshot(self) -> Snapshot | None:
        """The knowledge in force, None while it is being loaded."""
        return self._snapshots.current()

    def backend_status(self) -> BackendStatus:
        """Whether the language model can answer now."""
        return self._explaining.status()

    def probes(self) -> tuple[ProbeInfo, ...]:
        """The probes that can be run."""
        return self._prober.probes()

    def targets(self) -> tuple[Target, ...]:
        """The Python environments that probes can look at, the default first."""
        return self._prober.targets()

    def cell(self, probe_id: str) -> str:
        """A notebook cell that does what a probe does, for where we cannot look; '' if none."""
        return self._prober.cell(probe_id)

    def prompt(self, turn: Turn) -> tuple[Message, ...]:
        """What the language model gets to see for the answer of a first question, also where none
        was asked; () if the answer shows no entry. Secrets are masked."""
        snapshot = self._snapshots.current()
        entry = snapshot.entries.get(turn.fix.entry) if snapshot and turn.fix else None
        return self._explaining.prompt(turn, entry) if entry else ()

    async def ask(
        self,
        text: str | CleanText,
        *,
        conversation: Conversation = (),
        target: str | None = None,
        probe: str | None = None,
        parameters: Mapping[str, str] | None = None,
        check: bool = False,
        explain: bool = True,
    ) -> AsyncIterator[Event]:
        """Answer `text`; or, with `probe` and no text, run that probe on `target` (by name).

        `parameters` are the probe's, as texts. With `check` the quick probes that can tell more are
        run too, on `target` or on the environment that the traceback comes from. With `explain`
        false the answer ends with the guide's words; no model is asked.
        Expected failures are events, never exceptions. Closing the iterator cancels what goes on.
        Raises GuideError if there is no knowledge at all.
        """
        started = time.perf_counter()
        query = await self._run(read_query, text)
        answer = Progress(started, query, conversation)
        answer.mark("read")
        if probe is not None:
            async for event in self._press(answer, probe, target, parameters or {}):
                yield event
            if query.kind == "empty":
                async for event in self._join_last(answer):
                    yield event
                return
        pasted = await self._run(self._prober.read_pasted, query.text)
        answer.findings.extend(pasted)
        alone = _is_document(query.text) or (conversation and not query.exceptions)
        if answer.findings and alone:
            for finding in answer.findings:
                yield Probed(finding)
            async for event in self._join_last(answer):
                yield event
            return
        if pasted:
            rest = await self._run(read_query, _without_documents(query.text))
            query = answer.query = replace(rest, notices=query.notices)
        yield Understood(query)
        for line in query.notices:
            yield Notice(line)
        if query.kind in {"empty", "smalltalk"}:
            for event in self._talk(answer):
                yield event
            return
        for finding in pasted:
            yield Probed(finding)
        async for event in self._retrieve(answer):
            yield event
        async for event in self._check(answer, target, check=check):
            yield event
        if question := self._question(answer):
            yield question
        async for event in self._explaining.explain(answer, speak=explain):
            yield event
        yield self._done(answer)

    async def _press(
        self, answer: Progress, probe: str, target: str | None, parameters: Mapping[str, str]
    ) -> AsyncIterator[Event]:
        """Run the one probe that was asked for."""
        began = time.perf_counter()
        async for event in self._checking.run(answer, [probe], target, parameters):
            yield event
        answer.mark("probe", began)

    async def aclose(self) -> None:
        """Cancel everything that is going on and free the model."""
        await self._explaining.aclose()
        self._checking.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reading.shutdown(wait=False, cancel_futures=True)

    # --- what asks nothing ----------------------------------------------------------------------

    def _talk(self, answer: Progress) -> Iterator[Event]:
        """A fixed answer to a greeting, a question about us, or nothing at all."""
        for line in (EMPTY,) if answer.query.kind == "empty" else ABOUT:
            answer.sentences.append(line)
            yield Sentence(line)
        yield self._done(answer)

    async def _join_last(self, answer: Progress) -> AsyncIterator[Event]:
        """Findings alone: they belong to the last question, and may change its answer."""
        async for event in self._revise_last(answer):
            yield event
        yield self._probed_turn(answer)

    # --- stages --------------------------------------------------------------------------------

    async def _retrieve(self, answer: Progress) -> AsyncIterator[Event]:
        """Fast result, then the fused one, then what a reranker makes of it; the fix as soon as one
        of them has it, for no fix waits for a model."""
        began = time.perf_counter()
        self._snapshots.look()
        if self._snapshots.current() is None:
            yield Loading("the guide")
            await self._run(
                lambda: self._snapshots.wait(complete=False, seconds=_LOAD_SECONDS),
            )
        snapshot = self._snapshots.current()
        if snapshot is None:
            raise self._snapshots.failure or AssistantError(
                "The guide could not be loaded in time."
            )
        for line in snapshot.notices:
            yield Notice(line, "warning")
        first = await self._run(snapshot.retriever.fast, answer.query)
        answer.retrieval = first
        yield Retrieved(first.matches, first.status, final=False)
        if first.exact and first.status != "abstain":
            for event in self._show_fix(answer, snapshot):
                yield event
        if not self._snapshots.is_complete:
            yield Loading("the search model")
            await self._run(
                lambda: self._snapshots.wait(complete=True, seconds=_LOAD_SECONDS),
            )
            earlier, snapshot = snapshot, self._snapshots.current() or snapshot
            for line in snapshot.notices:
                if line not in earlier.notices:
                    yield Notice(line, "warning")
        answer.snapshot = snapshot
        followup = read_followup(answer.query, answer.conversation)
        if followup is not None:
            answer.query, answer.is_followup = followup.turn.query, True
        found = await self._search(snapshot, answer.query, first)
        answer.mark("retrieve", began)
        asks = snapshot.retriever.has_reranker and not found.exact and followup is None
        for event in self._settle(answer, snapshot, found, followup, final=not asks):
            yield event
        if asks:
            began = time.perf_counter()
            found = await self._read(snapshot, answer.query, found)
            answer.mark("rerank", began)
            for event in self._settle(answer, snapshot, found, followup, final=True):
                yield event

    async def _read(self, snapshot: Snapshot, query: Query, found: Retrieval) -> Retrieval:
        """What a reranker makes of it, in its own line, so that no search waits behind one; what
        was found where it is late or fails."""
        loop = asyncio.get_running_loop()
        try:
            reading = loop.run_in_executor(self._reading, snapshot.retriever.rerank, query, found)
            return await asyncio.wait_for(reading, _READ_SECONDS)
        except Exception as error:  # the search's result is good enough to go on with
            _LOG.warning("rerank: %s: %s", type(error).__name__, error)
            return found

    async def _search(self, snapshot: Snapshot, query: Query, fallback: Retrieval) -> Retrieval:
        try:
            return await self._run(snapshot.retriever.search, query)
        except AssistantError as error:
            _LOG.warning("search: %s", error)
            return fallback

    def _settle(
        self,
        answer: Progress,
        snapshot: Snapshot,
        found: Retrieval,
        followup: FollowUp | None,
        *,
        final: bool,
    ) -> Iterator[Event]:
        """What was found, as the conversation and the findings make it, and the fix."""
        if followup is not None:
            found = follow(followup, found, snapshot.entries)
        answer.retrieval = revise(found, answer.query, answer.known_findings(), snapshot.entries)
        yield Retrieved(answer.retrieval.matches, answer.retrieval.status, final=final)
        yield from self._show_fix(answer, snapshot)

    def _show_fix(self, answer: Progress, snapshot: Snapshot) -> Iterator[Event]:
        """A new `Fix` if what is to be shown has changed."""
        fix = None
        if answer.retrieval.status != "abstain" and answer.retrieval.matches:
            entry = snapshot.entries[answer.retrieval.matches[0].id]
            fix = replace(
                build_fix(entry, answer.query, answer.known_findings()),
                origin=entry.origin,
                sources=entry.sources,
                proof=describe_proof(entry, self._verified),
            )
        if fix == answer.fix:
            return
        answer.fix = fix
        answer.revision += 1
        if fix is not None:
            answer.mark("fix")
        yield Fix(fix, answer.revision)

    async def _check(
        self, answer: Progress, target: str | None, *, check: bool
    ) -> AsyncIterator[Event]:
        """Offer probes; where some were run, the answer is revised by what they found."""
        began, known = time.perf_counter(), len(answer.findings)
        async for event in self._checking.offer(answer, target, check=check):
            yield event
        if len(answer.findings) > known:
            answer.mark("probe", began)
            for event in self._revise(answer):
                yield event
        async for event in self._checking.compare_versions(answer):
            yield event

    def _revise(self, answer: Progress) -> Iterator[Event]:
        """New matches and a new fix where the findings change them."""
        snapshot = answer.snapshot
        if snapshot is None:
            return
        revised = revise(answer.retrieval, answer.query, answer.known_findings(), snapshot.entries)
        if revised != answer.retrieval:
            answer.retrieval = revised
            yield Retrieved(revised.matches, revised.status, final=True)
        yield from self._show_fix(answer, snapshot)

    async def _revise_last(self, answer: Progress) -> AsyncIterator[Event]:
        """After a probe of its own: the last answer again, if the finding changes it."""
        snapshot = self._snapshots.current()
        last = answer.conversation[-1] if answer.conversation else None
        if snapshot is None or last is None or last.fix is None:
            return
        if last.fix.entry not in snapshot.entries:
            return
        answer.snapshot, answer.query, answer.fix = snapshot, last.query, last.fix
        answer.revision = 0
        found = await self._run(snapshot.retriever.search, last.query)
        if snapshot.retriever.has_reranker and not found.exact:
            found = await self._read(snapshot, last.query, found)
        answer.retrieval = keep_first(found, last.fix.entry, snapshot.entries)
        for event in self._revise(answer):
            yield event
        async for event in self._checking.compare_versions(answer):
            yield event

    def _question(self, answer: Progress) -> Question | None:
        """What tells two near entries apart, where neither a finding nor the person has said it."""
        if answer.is_followup or answer.snapshot is None or answer.known_findings():
            return None
        return find_question(answer.retrieval, answer.snapshot.entries)

    def _probed_turn(self, answer: Progress) -> Done:
        """A probe alone: its findings join the last turn, so that what follows may rest on them."""
        done = self._done(answer)
        if not answer.conversation:
            return done
        last = answer.conversation[-1]
        findings = (*last.findings, *answer.findings)
        return replace(done, turn=replace(last, fix=answer.fix or last.fix, findings=findings))

    def _done(self, answer: Progress) -> Done:
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

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _without_documents(text: str) -> str:
    """The question around what cells printed, one line each: their names are not to be searched."""
    lines = text.splitlines()
    return "\n".join(
        line
        for line in lines
        if not line.lstrip().startswith(_DOCUMENT) and _UNREAD not in line[:60]
    )


def _is_document(text: str) -> bool:
    """Whether the whole text is what a cell printed: there is no question in it, and an exception
    that it names is part of what was found."""
    text = text.strip()
    unread = "\n" not in text and _UNREAD in text[:60]
    return unread or (text.startswith(_DOCUMENT) and text.endswith("}"))
