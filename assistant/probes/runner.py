"""The policy for probes: which rows run on which target, with what they see and may take.

Protected: only rows of the registry on targets of the list, with checked parameters; one fixed
argv, without a shell; no input; an environment scrubbed to a list; a private temporary folder as
HOME and current folder; limits for time, output, memory, processes and file size; at most a few
processes at once and one of a kind at a time; every run in the audit log; nothing that a target
prints is trusted. Whatever goes wrong in a target is a finding, never an exception.

Not protected: the interpreter's own start (site, .pth files, sitecustomize of the target) and
`import torch` run with the rights of this user, as in the learner's own programs. In a container
the time limit ends our `docker exec`, not what it started there.

It refuses to know what the rows mean.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from assistant.probes.cache import FindingCache
from assistant.probes.choice import choose_target, default_target
from assistant.probes.collector import Collector, Failure
from assistant.probes.document import Document, clean, get_error, get_number, get_section
from assistant.probes.mask import mask_finding
from assistant.probes.parameters import Value, check_parameters, find_roots
from assistant.probes.paste import build_cell, read_pasted
from assistant.probes.registry import PROBES
from assistant.probes.row import Probe
from assistant.types import Finding, ProbeInfo, Target

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "KAGGLE_KEY")
_AT_ONCE = 3  # processes of all readers together
_KEPT_SECONDS = 10.0
_OTHERS = 6  # further targets that a row may be compared with


class Audit(Protocol):
    """Where every run is noted."""

    def write(self, *, who: str, row: str, target: str, status: str, seconds: float = 0.0) -> None:
        """Add one line; never raise."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A row with its checked parameters."""

    row: Probe
    values: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class _Visit:
    """One call: the environment to look at, the ones to compare it with, and who asks."""

    place: Target
    others: tuple[Target, ...]
    who: str


class ProbeRunner:
    """Runs read-only rows on targets (the port `Prober`)."""

    def __init__(
        self,
        targets: Callable[[], Sequence[Target]],
        collector: Collector,
        *,
        folder: Path,
        home: Path,
        roots: Sequence[Path] = (),
        audit: Audit | None = None,
        clock: Callable[[], float] = time.monotonic,
        rows: Sequence[Probe] = PROBES,
    ) -> None:
        """`targets` discovers anew at each call; `folder` is where the learner works where the
        target does not say it; `roots` are the operator's folders for path parameters."""
        self._discover = targets
        self._collector = collector
        self._folder = folder
        self._home = home
        self._roots = tuple(roots)
        self._audit = audit
        self._rows = {row.id: row for row in rows}
        self._cache = FindingCache(seconds=_KEPT_SECONDS, clock=clock)
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._kinds = {row.id: threading.Lock() for row in rows}

    def probes(self) -> tuple[ProbeInfo, ...]:
        """Return the rows that can be run, in display order."""
        return tuple(row.info for row in self._rows.values())

    def targets(self) -> tuple[Target, ...]:
        """Return the environments that can be looked at, the default first."""
        found = tuple(self._discover())
        first = default_target(found)
        return tuple(sorted(found, key=lambda target: target is not first))

    def read_pasted(self, text: str) -> tuple[Finding, ...]:
        """Return what a person brought from where we cannot look, marked as pasted; () if none."""
        return read_pasted(text)

    def choose(self, paths: Sequence[str]) -> Target | None:
        """Return the environment that the paths of a traceback's frames belong to, else the only
        running kernel, else None: ask."""
        return choose_target(paths, tuple(self._discover()))

    def cell(self, probe_id: str) -> str:
        """Return a notebook cell that does the same where we cannot look; '' for a row that must be
        told something, or that is none."""
        row = self._rows.get(probe_id)
        return "" if row is None or row.needs_path else build_cell(row)

    def run(
        self,
        probe_ids: Sequence[str],
        *,
        target: str | None = None,
        parameters: Mapping[str, str] | None = None,
        who: str = "cli",
    ) -> tuple[Finding, ...]:
        """Run rows on the named target (None: the default) and return one finding for each.

        A parameter goes to the rows that know it. `who` is only noted in the audit log.
        """
        targets = self.targets()
        place = next((t for t in targets if target in (None, t.name)), None)
        if place is None:
            words = _offer("environment", target or "", [t.name for t in targets])
            found = {name: _refused(name, words) for name in probe_ids}
        else:
            found = self._run_on(_Visit(place, targets, who), probe_ids, parameters or {})
        found = {name: mask_finding(finding) for name, finding in found.items()}
        for finding in found.values():
            if not finding.age:
                name = place.name if place else ""
                self._note(who, finding.id, name, finding.status, finding.seconds)
        return tuple(found[name] for name in probe_ids)

    def _run_on(
        self, visit: _Visit, probe_ids: Sequence[str], given: Mapping[str, str]
    ) -> dict[str, Finding]:
        """Return one finding for each id."""
        place = visit.place
        found: dict[str, Finding] = {}
        jobs: list[_Job] = []
        for name in dict.fromkeys(probe_ids):
            job = self._prepare(name, place, given, probe_ids)
            if isinstance(job, _Job):
                jobs.append(job)
            else:
                found[name] = _refused(name, job, place.label)
        together = [job for job in jobs if not job.row.alone]
        alone = [[job] for job in jobs if job.row.alone]
        for group in filter(None, [together, *alone]):
            for finding in self._look(visit, group):
                found[finding.id] = finding
        return found

    def _prepare(
        self, name: str, place: Target, given: Mapping[str, str], asked: Iterable[str]
    ) -> _Job | str:
        """Return what to run, or in one line why it is refused."""
        row = self._rows.get(name)
        if row is None:
            return _offer("probe", name, self._rows)
        if row.cell:
            return (
                "This check looks at your own variables: copy its cell (on the page it is under "
                f"“More checks …”, in a terminal `assistant probe {row.id} --cell` prints it), run "
                "it in your notebook and paste here what it prints."
            )
        if place.kind == "container" and not row.quick:
            return "This check is not run in containers: start the assistant in there instead."
        elsewhere = {
            definition.name
            for other in asked
            if other in self._rows and other != name
            for definition in self._rows[other].parameters
        }
        own = {definition.name for definition in row.parameters}
        mine = {key: value for key, value in given.items() if key in own or key not in elsewhere}
        checked = check_parameters(mine, row.parameters, roots=self._allowed_roots(place))
        return checked.refusal or _Job(row, tuple(sorted(checked.values.items())))

    def _allowed_roots(self, place: Target) -> tuple[Path, ...]:
        variables = self._collector.variables(place)
        folder = Path(place.folder) if place.folder else self._folder
        return find_roots(folder, environment=variables, home=self._home, extra=self._roots)

    def _searchable(self, place: Target) -> list[str]:
        """The allowed roots as texts; of a container we know none."""
        roots = () if place.kind == "container" else self._allowed_roots(place)
        return [str(root) for root in roots]

    def _look(self, visit: _Visit, jobs: Sequence[_Job]) -> list[Finding]:
        """Run jobs in one process, one of a kind at a time; what is fresh is not run again."""
        with ExitStack() as held:
            for name in sorted(job.row.id for job in jobs):
                held.enter_context(self._kinds[name])
            kept = {job: self._cache.get((visit.place, job)) for job in jobs}
            stale = [job for job in jobs if kept[job] is None]
            fresh = self._collect(visit, stale) if stale else {}
            for job, finding in fresh.items():
                self._cache.keep((visit.place, job), finding)
        return [kept[job] or fresh[job] for job in jobs]

    def _collect(self, visit: _Visit, jobs: Sequence[_Job]) -> dict[_Job, Finding]:
        """One process for all; if that gives no document, each by itself."""
        place = visit.place
        document, seconds = self._ask(place, jobs)
        if not isinstance(document, Failure):
            return {job: self._interpret(job, visit, document) for job in jobs}
        if len(jobs) > 1:
            alone = [self._collect(visit, [job]) for job in jobs]
            return {job: finding for part in alone for job, finding in part.items()}
        finding = Finding(
            jobs[0].row.id,
            document.status,
            document.summary,
            document.next,
            source=f"{place.argv[0]} -c (our probe code)",
            seconds=seconds,
            where=place.label,
        )
        return {jobs[0]: finding}

    def _ask(self, place: Target, jobs: Sequence[_Job]) -> tuple[Document | Failure, float]:
        rows = sorted((job.row for job in jobs), key=lambda row: row.torch)
        values = {job.row.id: dict(job.values) for job in jobs}
        folder = place.folder or (str(self._folder) if place.kind != "container" else "")
        with self._slots:
            return self._collector.collect(
                place, rows, values=values, folder=folder, roots=self._searchable(place)
            )

    def _interpret(self, job: _Job, visit: _Visit, document: Document) -> Finding:
        row, place = job.row, visit.place
        section = dict(get_section(document, "rows", row.id))
        error = get_error(section) if section else "nothing was collected"
        seconds = get_number(document, "seconds", row.id) or 0.0
        if error:
            summary = f"This could not be read: {error}"
            return Finding(row.id, "fail", summary, seconds=seconds, where=place.label)
        section |= self._context(job, place)
        if row.compares is not None and row.compares(section):
            section["others"] = self._compare(job, visit)
        return replace(row.read(section, where=place.label), seconds=seconds)

    def _context(self, job: _Job, place: Target) -> dict[str, object]:
        """What we know and the target's document does not say."""
        variables = self._collector.variables(place)
        known = place.kind == "own" or bool(place.pid)
        return {
            "own": place.kind == "own",
            "known": known,
            "variables": variables,
            "secrets": {name: bool(variables.get(name)) for name in SECRETS} if known else {},
            "parameters": dict(job.values),
        }

    def _compare(self, job: _Job, visit: _Visit) -> list[dict[str, object]]:
        """The same row's sections of other interpreters, each once."""
        others = {t.argv: t for t in reversed(visit.others) if t.kind != "container"}
        others.pop(visit.place.argv, None)
        chosen = list(reversed(others.values()))[:_OTHERS]
        names = {d.name for d in job.row.parameters if d.kind == "name"}  # no heavy wishes
        job = _Job(job.row, tuple(value for value in job.values if value[0] in names))
        with ThreadPoolExecutor(2) as pool:
            asked = list(pool.map(lambda target: self._ask(target, [job]), chosen))
        sections: list[dict[str, object]] = []
        for target, (document, seconds) in zip(chosen, asked, strict=True):
            if isinstance(document, Failure):
                self._note(visit.who, job.row.id, target.name, document.status, seconds)
            else:
                self._note(visit.who, job.row.id, target.name, "compared", seconds)
                own = target.kind == "own"
                label = "the assistant's own Python" if own else target.label
                section = get_section(document, "rows", job.row.id)
                sections.append({**section, "label": label, "own": own})
        return sections

    def _note(self, who: str, row: str, target: str, status: str, seconds: float) -> None:
        if self._audit is not None:
            self._audit.write(who=who, row=row, target=target, status=status, seconds=seconds)


def _offer(kind: str, name: str, choices: Iterable[str]) -> str:
    offered = ", ".join(choices) or "none"
    return f"There is no {kind} {clean(name)[:60]!a}. Choose one of: {offered}."


def _refused(probe_id: str, summary: str, where: str = "") -> Finding:
    return Finding(clean(probe_id)[:60], "refused", summary, where=where)
