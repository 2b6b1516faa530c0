"""The policy for probes: which rows run on which target, with what they see and may take.

Protected: only rows of the registry on targets of the list; one fixed argv, without a shell; no
input; an environment scrubbed to a list; a private temporary folder as HOME and current folder;
limits for time, output, memory and processes; nothing that a target prints is trusted. Whatever
goes wrong in a target is a finding, never an exception.

Not protected: the interpreter's own start (site, .pth files, sitecustomize of the target) and
`import torch` run with the rights of this user, as in the learner's own programs.

It refuses to know what the rows mean.
"""

from __future__ import annotations

import json
import secrets
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from assistant.errors import ProcessError
from assistant.probes.document import Document, clean, get_error, get_number, get_section
from assistant.probes.packages import NAMES
from assistant.probes.registry import PROBES, Probe
from assistant.probes.source import probe_source
from assistant.process import Limits, ProcessResult, run_process, scrubbed_environment
from assistant.types import Finding, FindingStatus, ProbeInfo, Target

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "KAGGLE_KEY")
_OUTPUT_BYTES = 1_000_000
_MEMORY_BYTES = 8 << 30
_PROCESSES = 64


class RunProcess(Protocol):
    """The signature of `run_process`, so that tests can pass another."""

    def __call__(
        self, argv: Sequence[str], *, environment: Mapping[str, str], limits: Limits, cwd: Path
    ) -> ProcessResult:
        """Run a program to its end, or to a limit."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a target gave no document."""

    status: FindingStatus
    summary: str
    next: str = ""


class ProbeRunner:
    """Runs read-only rows on targets (the port `Prober`)."""

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        environment: Mapping[str, str],
        folder: Path,
        run: RunProcess = run_process,
        marker: Callable[[], str] = lambda: f"--{secrets.token_hex(16)}--",
        rows: Sequence[Probe] = PROBES,
    ) -> None:
        """`environment` is scrubbed before anything sees it; `folder` is where the learner works
        and is only listed; `marker` makes what encloses the document in a target's output."""
        self._targets = {target.name: target for target in targets}
        self._environment = environment
        self._folder = folder
        self._run = run
        self._marker = marker
        self._rows = {row.id: row for row in rows}

    def probes(self) -> tuple[ProbeInfo, ...]:
        """Return the rows that can be run, in display order."""
        return tuple(row.info for row in self._rows.values())

    def targets(self) -> tuple[Target, ...]:
        """Return the environments that can be looked at, the default first."""
        return tuple(self._targets.values())

    def run(
        self,
        probe_ids: Sequence[str],
        *,
        target: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> tuple[Finding, ...]:
        """Run rows on the named target (None: the first) and return one finding for each."""
        place = self._find_target(target)
        if place is None:
            words = _offer("environment", target or "", self._targets)
            return tuple(_refused(probe_id, words) for probe_id in probe_ids)
        wanted = [self._rows[name] for name in dict.fromkeys(probe_ids) if name in self._rows]
        found = {finding.id: finding for finding in self._look(place, wanted)} if wanted else {}
        return tuple(
            found.get(name) or _refused(name, _offer("probe", name, self._rows), place.label)
            for name in probe_ids
        )

    def _find_target(self, name: str | None) -> Target | None:
        if name is None:
            return next(iter(self._targets.values()), None)
        return self._targets.get(name)

    def _look(self, target: Target, rows: Sequence[Probe]) -> list[Finding]:
        """Run rows in one process; if that gives no document, each by itself."""
        document, seconds = self._collect(target, rows)
        if not isinstance(document, _Failure):
            return [self._interpret(row, target, document=document) for row in rows]
        if len(rows) > 1:
            return [finding for row in rows for finding in self._look(target, [row])]
        return [
            Finding(
                rows[0].id,
                document.status,
                document.summary,
                document.next,
                source=f"{target.argv[0]} -c (our probe code)",
                seconds=seconds,
                where=target.label,
            )
        ]

    def _collect(self, target: Target, rows: Sequence[Probe]) -> tuple[Document | _Failure, float]:
        """Start the target's interpreter with our code and read its document."""
        marker = self._marker()
        order = {
            "rows": [row.id for row in rows],
            "marker": marker,
            "folder": str(self._folder),
            "home": self._environment.get("HOME", "/"),
            "packages": NAMES,
        }
        limits = Limits(
            seconds=max(row.seconds for row in rows),
            output_bytes=_OUTPUT_BYTES,
            memory_bytes=_MEMORY_BYTES,
            processes=_PROCESSES,
        )
        argv = (*target.argv, "-c", probe_source(), json.dumps(order))
        try:
            with tempfile.TemporaryDirectory(
                prefix="assistant-probe-", ignore_cleanup_errors=True
            ) as home:
                environment = self._build_environment(target, home=Path(home))
                result = self._run(argv, environment=environment, limits=limits, cwd=Path(home))
        except (ProcessError, OSError) as error:
            return _Failure("fail", f"This Python cannot be started. {clean(error)}"), 0.0
        document = _parse_document(result.stdout, marker)
        return document if document is not None else _explain(result), result.seconds

    def _build_environment(self, target: Target, *, home: Path) -> dict[str, str]:
        """What our own process sees is not what another interpreter's user sees."""
        environment = scrubbed_environment(self._environment, home=home)
        if target.kind != "own":
            environment.pop("CUDA_VISIBLE_DEVICES", None)
        offline = {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true"}
        return environment | offline | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}

    def _interpret(self, row: Probe, target: Target, *, document: Document) -> Finding:
        section = dict(get_section(document, "rows", row.id))
        error = get_error(section) if section else "nothing was collected"
        seconds = get_number(document, "seconds", row.id) or 0.0
        if error:
            summary = f"This could not be read: {error}"
            return Finding(row.id, "fail", summary, seconds=seconds, where=target.label)
        section["own"] = target.kind == "own"
        if section["own"]:
            section["secrets"] = {name: bool(self._environment.get(name)) for name in SECRETS}
        return replace(row.interpret(section, where=target.label), seconds=seconds)


def _parse_document(output: str, marker: str) -> Document | None:
    """Take the document from between two markers, whatever was printed around it."""
    parts = output.split(marker)
    if len(parts) != 3:
        return None
    try:
        value = json.loads(parts[1])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("rows"), dict) else None


def _explain(result: ProcessResult) -> _Failure:
    """Say in words how a target ended that gave no document."""
    if result.timed_out:
        words = f"This Python did not finish within {result.seconds:.0f} seconds; it was stopped."
        return _Failure("timeout", words, "Try again when the machine is less busy.")
    if result.truncated:
        return _Failure("fail", "This Python printed without end; it was stopped.")
    if result.killed_for_memory:
        return _Failure("fail", "This Python took too much memory; it was stopped.")
    if result.killed_for_processes:
        return _Failure("fail", "This Python started too many processes; it was stopped.")
    last = clean(next(reversed(result.stderr.strip().splitlines()), ""))
    said = f" Its last words: {last}" if last else ""
    if result.returncode is not None and result.returncode < 0:
        return _Failure("fail", f"This Python crashed ({_signal_name(-result.returncode)}).{said}")
    if result.returncode:
        return _Failure("fail", f"This Python ended with exit code {result.returncode}.{said}")
    return _Failure("fail", f"This Python printed something else than our report.{said}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _offer(kind: str, name: str, choices: Mapping[str, object]) -> str:
    offered = ", ".join(choices) or "none"
    return f"There is no {kind} {clean(name)[:60]!a}. Choose one of: {offered}."


def _refused(probe_id: str, summary: str, where: str = "") -> Finding:
    return Finding(clean(probe_id)[:60], "refused", summary, where=where)
