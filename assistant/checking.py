"""Checks for one answer: which can tell more, running them, and what their findings speak of.

Probes wait for one another in a pool of two threads; what reads only the file system waits for
none of them. It refuses to know rows (the prober does) and what a finding changes (evidence.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from assistant.events import Event, Notice, Offered, Probed
from assistant.evidence import choose_probes, read_told, without_claims
from assistant.progress import Progress, paths_of
from assistant.provenance import find_other_versions, installed_versions
from assistant.types import Prober, Query
from assistant.verified import Verified


class Checking:
    """Runs probes for answers. `verified` is what is known of the entries' last verification."""

    def __init__(self, prober: Prober, verified: Mapping[str, Verified]) -> None:
        self._prober = prober
        self._verified = verified
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="probe")

    def close(self) -> None:
        """Begin nothing new."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(
        self,
        answer: Progress,
        probes: Sequence[str],
        target: str | None,
        told: Mapping[str, str],
    ) -> AsyncIterator[Event]:
        """Run the probes, told what the paste says and `told`; their findings join the answer."""
        is_alone = answer.query.kind == "empty" and answer.conversation
        asked = answer.conversation[-1].query if is_alone else answer.query
        parameters = self._parameters(asked, probes, told)
        findings = await asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: self._prober.run(probes, target=target, parameters=parameters)
        )
        if await asyncio.to_thread(self._is_foreign, target, asked):
            findings = tuple(without_claims(finding) for finding in findings)
        answer.findings.extend(findings)
        for finding in findings:
            yield Probed(finding)

    async def offer(
        self, answer: Progress, target: str | None, *, check: bool
    ) -> AsyncIterator[Event]:
        """Say which probes can tell more; with `check` the quick ones are run."""
        rows = self._prober.probes()
        chosen = choose_probes(answer.query, answer.retrieval, rows)
        if chosen:
            yield Offered(chosen)
        quick = [row.id for row in rows if row.quick and row.id in chosen]
        if not check or not quick:
            return
        if target is None:
            place = await asyncio.to_thread(self._prober.choose, paths_of(answer.query))
            if place is None:
                names = ", ".join(one.name for one in await asyncio.to_thread(self._prober.targets))
                yield Notice(
                    "Nothing was checked: say which Python your program uses (--target). "
                    f"There are: {names}."
                )
                return
            target = place.name
        async for event in self.run(answer, quick, target, {}):
            yield event

    async def compare_versions(self, answer: Progress) -> AsyncIterator[Event]:
        """A notice if the learner's packages are not those that the entry was verified with: as a
        probe found them, or our own ones if ours is the Python in question."""
        if answer.fix is None or answer.snapshot is None:
            return
        row = self._verified.get(answer.fix.entry)
        if row is None or not row.packages:
            return
        findings = answer.known_findings()
        own: tuple[str, ...] = ()
        if not installed_versions(findings):
            place = await asyncio.to_thread(self._prober.choose, paths_of(answer.query))
            own = tuple(row.packages) if place is not None and place.kind == "own" else ()
        entry = answer.snapshot.entries[answer.fix.entry]
        if line := find_other_versions(entry, self._verified, findings, own):
            yield Notice(line)

    def _is_foreign(self, target: str | None, asked: Query) -> bool:
        """Whether we looked at our own Python while the error comes from another, for all we know:
        what is installed here then says nothing about it."""
        targets = self._prober.targets()
        looked = next((place for place in targets if target in (None, place.name)), None)
        if looked is None or looked.kind != "own":
            return False
        own = self._prober.choose(paths_of(asked))
        return own is None or own.kind != "own"

    def _parameters(
        self, query: Query, probes: Sequence[str], given: Mapping[str, str]
    ) -> dict[str, str]:
        """What these probes can be told by the paste (the package, file or network it names), and
        what a person chose; a form that was left as it is chooses nothing."""
        rows = [row for row in self._prober.probes() if row.id in probes]
        defaults = {one.name: one.default for row in rows for one in row.parameters}
        chosen = {name: value for name, value in given.items() if value != defaults.get(name)}
        return read_told(query, rows) | chosen
