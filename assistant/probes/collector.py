"""One process in a target: our code, an order, what it may see and take; its document or its end.

It is the only caller of `run_process` among the probes. It refuses to know what the rows mean, and
who asks.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assistant.errors import ProcessError
from assistant.probes.document import Document, clean
from assistant.probes.packages import NAMES
from assistant.probes.parameters import Value
from assistant.probes.row import Probe
from assistant.probes.source import probe_source
from assistant.probes.variables import listed_variables
from assistant.process import Limits, ProcessResult, run_process, scrubbed_environment
from assistant.redact import redact
from assistant.types import FindingStatus, Target

_OUTPUT_BYTES = 1_000_000
_ADDRESS_BYTES = 4 << 30  # of a process that does not import torch
_PROCESSES = 64
_VISIBLE = "CUDA_VISIBLE_DEVICES"  # ours says nothing about another Python's programs
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class RunProcess(Protocol):
    """The signature of `run_process`, so that tests can pass another."""

    def __call__(
        self, argv: Sequence[str], *, environment: Mapping[str, str], limits: Limits, cwd: Path
    ) -> ProcessResult:
        """Run a program to its end, or to a limit."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a target gave no document."""

    status: FindingStatus
    summary: str
    next: str = ""


class Collector:
    """Runs rows inside targets; holds no state."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        run: RunProcess = run_process,
        marker: Callable[[], str] = lambda: f"--{secrets.token_hex(16)}--",
    ) -> None:
        """`environment` is ours, scrubbed before anything sees it; `marker` makes what encloses
        the document in a target's output."""
        self._environment = environment
        self._run = run
        self._marker = marker

    def variables(self, target: Target) -> dict[str, str]:
        """The listed variables that programs of a target see, as far as we know them."""
        own = target.kind == "own"
        return dict(listed_variables(self._environment) if own else target.environment or ())

    def collect(
        self,
        target: Target,
        rows: Sequence[Probe],
        *,
        values: Mapping[str, Mapping[str, Value]],
        folder: str,
        roots: Sequence[str] = (),
    ) -> tuple[Document | Failure, float]:
        """Start the target's interpreter with our code and read its document.

        `values` are checked parameters by row; `folder` is listed ('': the process's own); `roots`
        are the folders that may be searched. Returns
        the document or why there is none, and the seconds that the process took.
        """
        marker = self._marker()
        order = {
            "rows": [row.id for row in rows],
            "marker": marker,
            "folder": folder,
            "roots": list(roots),
            "home": self._home(target),
            "packages": NAMES,
            "parameters": values,
            "paths": self._paths(target),
            "variables": {n: redact(value) for n, value in self.variables(target).items()},
            "address_bytes": None if any(row.torch for row in rows) else _ADDRESS_BYTES,
        }
        limits = Limits(
            seconds=max(row.seconds for row in rows),
            output_bytes=_OUTPUT_BYTES,
            memory_bytes=max(row.memory_bytes for row in rows),
            processes=_PROCESSES,
            file_bytes=max(row.file_bytes for row in rows),
        )
        source = probe_source([row.id for row in rows])
        network = any(row.network for row in rows)
        try:
            with tempfile.TemporaryDirectory(
                prefix="assistant-probe-", ignore_cleanup_errors=True
            ) as home:
                environment = self._build_environment(target, home=Path(home), network=network)
                argv = (*target.argv, "-c", source, json.dumps(order))
                result = self._run(argv, environment=environment, limits=limits, cwd=Path(home))
        except (ProcessError, OSError) as error:
            return Failure("fail", f"This Python cannot be started. {clean(error)}"), 0.0
        document = parse_document(result.stdout, marker)
        return document if document is not None else explain(result), result.seconds

    def start_bare(self, target: Target, *, torch: bool = False) -> ProcessResult:
        """Start and end the interpreter, with `torch` after importing that, for comparison.

        Raises ProcessError.
        """
        limits = Limits(seconds=90.0, memory_bytes=8 << 30, processes=_PROCESSES)
        with tempfile.TemporaryDirectory(prefix="assistant-probe-") as home:
            environment = self._build_environment(target, home=Path(home), network=False)
            argv = (*target.argv, "-c", "import torch" if torch else "pass")
            return self._run(argv, environment=environment, limits=limits, cwd=Path(home))

    def _home(self, target: Target) -> str:
        """The learner's real home; '' lets the process say it (in a container)."""
        if target.kind == "container":
            return ""
        return self.variables(target).get("HOME") or self._environment.get("HOME", "/")

    def _paths(self, target: Target) -> list[str]:
        """PYTHONPATH of the target's programs: it is put on the path after our own imports."""
        if target.kind == "own":
            return []
        entries = self.variables(target).get("PYTHONPATH", "").split(os.pathsep)
        return [entry for entry in entries if os.path.isabs(entry)]

    def _build_environment(self, target: Target, *, home: Path, network: bool) -> dict[str, str]:
        """What our own process sees is not what another interpreter's user sees."""
        base = {"HOME": "/", **self._environment}
        if target.kind != "own":
            kept = ("PATH", "HOME", "LANG") if target.pid else base.keys() - {_VISIBLE}
            base = {name: base[name] for name in kept if name in base} | self.variables(target)
        environment = scrubbed_environment(base, home=home)
        if "PYTHONNOUSERSITE" in base:
            environment["PYTHONNOUSERSITE"] = base["PYTHONNOUSERSITE"]
        if network:
            environment |= {name: value for name, value in base.items() if name.lower() in _PROXIES}
        else:
            environment |= {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true"}
        return environment | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}


def parse_document(output: str, marker: str) -> Document | None:
    """Take the document from between two markers, whatever was printed around it."""
    parts = output.split(marker)
    if len(parts) != 3:
        return None
    try:
        value = json.loads(parts[1])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("rows"), dict) else None


def explain(result: ProcessResult) -> Failure:
    """Say in words how a target ended that gave no document."""
    if result.timed_out:
        words = f"This Python did not finish within {result.seconds:.0f} seconds; it was stopped."
        return Failure("timeout", words, "Try again when the machine is less busy.")
    if result.truncated:
        return Failure("fail", "This Python printed without end; it was stopped.")
    if result.killed_for_memory:
        return Failure("fail", "This Python took too much memory; it was stopped.")
    if result.killed_for_processes:
        return Failure("fail", "This Python started too many processes; it was stopped.")
    last = clean(next(reversed(result.stderr.strip().splitlines()), ""))
    said = f" Its last words: {last}" if last else ""
    if result.returncode is not None and result.returncode < 0:
        return Failure("fail", f"This Python crashed ({_signal_name(-result.returncode)}).{said}")
    if result.returncode:
        return Failure("fail", f"This Python ended with exit code {result.returncode}.{said}")
    return Failure("fail", f"This Python printed something else than our report.{said}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
