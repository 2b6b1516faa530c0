"""A throwaway place for code blocks: a private folder with folders and environments to run in.

Not protected: blocks run with the rights of this user, read what it may read, and write wherever
it may write: HOME, caches and the current folder point into the workshop, absolute paths do not.
Nor does anything keep them from the network. So `verify` exists on the command line only. Time,
output, memory and processes are limited by `process.py`, whose docstring says what escapes.

It refuses to know entries, and what a result means.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant import cells
from assistant.interpreter import Interpreter, make_python
from assistant.process import Limits, ProcessResult, run_process, scrubbed_environment
from assistant.types import CodeBlock

_LOADING = 90.0  # seconds in which the interpreter may start and import what is preloaded
_OUTPUT_BYTES = 4_000_000
_FILE_BYTES = 4 << 30
_PROCESSES = 128
# what pip and downloads need to reach their servers; handed only to blocks that say so
_NETWORK_NAME = re.compile(
    r"PIP_[A-Z_]+|https?_proxy|no_proxy|all_proxy|(?:SSL|CURL|REQUESTS)_[A-Z_]+", re.IGNORECASE
)
LAB = ("torchvision", "ultralytics", "segment_anything", "timm", "lap")  # the extra `lab`
# imported once for all blocks of an entry that name them
_PRELOADED = ("torch", "torchvision", "timm", "ultralytics", "segment_anything", "cv2", "PIL")
# from torch import nn; import timm, numpy as np; python -c "import lap"
_NAMES = r"\w[\w.]*(?:[ \t]+as[ \t]+\w+)?"
_IMPORT = re.compile(
    rf"(?:^[ \t]*|[\"';][ \t]*)(?:from[ \t]+(?P<one>\w+)|"
    rf"import[ \t]+(?P<all>{_NAMES}(?:[ \t]*,[ \t]*{_NAMES})*))",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Step:
    """A block to be run, the Python blocks before it, and where: steps of one `session` share a
    folder; `absent` are import names of packages that must not be seen."""

    block: CodeBlock
    earlier: tuple[CodeBlock, ...]
    session: str
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a block ended: exit code (negative: a signal), what it printed, and why it was stopped
    ('', or time, output, memory, processes, crash). `replayed` is the number of the earlier block
    that failed, if that was why."""

    code: int | None
    output: str
    stopped: str = ""
    seconds: float = 0.0
    replayed: int | None = None


def find_imports(code: str) -> tuple[str, ...]:
    """The first parts of the names that lines of `code` import, shell lines included."""
    names = (found["one"] or found["all"] for found in _IMPORT.finditer(code))
    return tuple(
        dict.fromkeys(re.split(r"\W", part.strip())[0] for n in names for part in n.split(","))
    )


def is_preloaded(blocks: Sequence[CodeBlock]) -> bool:
    """Whether these blocks are forked from a process that has imported something for them."""
    return any(name in _PRELOADED for block in blocks for name in find_imports(block.code))


def network_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment leads to package indexes and proxies."""
    return {k: v for k, v in environment.items() if _NETWORK_NAME.fullmatch(k)}


@dataclass(slots=True)
class Workshop:
    """A throwaway place in `folder`, for the blocks of one entry. `environment` is scrubbed."""

    interpreter: Interpreter
    folder: Path
    environment: Mapping[str, str]
    preload: bool = True
    _pythons: dict[tuple[str, frozenset[str]], Path] = field(default_factory=dict)

    def play(self, steps: Sequence[Step]) -> list[Ran]:
        """Run all steps in order. Python steps that may share a process to be forked from do."""
        shells = {step.session for step in steps if step.block.language == "bash"}
        results: list[Ran] = []
        group: list[Step] = []
        for step in steps:
            if group and not _may_share(group[-1], step, shells):
                results.extend(self._play_python(group, shells))
                group = []
            if step.block.language == "bash":
                results.append(self._play_bash(step, shells))
            else:
                group.append(step)
        return [*results, *(self._play_python(group, shells) if group else ())]

    def _play_python(self, steps: Sequence[Step], shells: set[str]) -> list[Ran]:
        """Run Python steps in children of one process; singly, if that gives no results."""
        blocks = [block for step in steps for block in (*step.earlier, step.block)]
        needs = {need for block in blocks for need in block.terms.needs}
        named = {name for block in blocks for name in find_imports(block.code)}
        allowed = named - steps[0].absent if self.preload and not needs & {"gpu", "spark"} else ()
        runs = [self._run_json(step) for step in steps]
        order = {"preload": [name for name in _PRELOADED if name in allowed], "runs": runs}
        result = self._start(
            [str(self._python(steps[0], shells)), "-c", Path(cells.__file__).read_text("utf-8")],
            blocks=blocks,
            seconds=_LOADING + sum(float(run["seconds"]) for run in runs),
            folder=self._made("start"),
            stdin=json.dumps(order).encode(),
        )
        try:
            answers = json.loads(result.stdout)["results"]
            return [Ran(**answer) for answer in answers]
        except (ValueError, KeyError, TypeError):
            if len(steps) > 1:
                return [ran for step in steps for ran in self._play_python([step], shells)]
            return [Ran(None, result.stderr, _stopped(result) or "crash", result.seconds)]

    def _play_bash(self, step: Step, shells: set[str]) -> Ran:
        python = self._python(step, shells)
        result = self._start(
            ["bash", "-eu", "-c", f"exec 2>&1\n{step.block.code}"],
            blocks=[step.block],
            seconds=step.block.terms.seconds,
            folder=self._made(f"work-{step.session}"),
            programs=python.parent,
        )
        output = result.stdout + result.stderr
        return Ran(result.returncode, output, _stopped(result), result.seconds)

    def _start(
        self,
        argv: Sequence[str],
        *,
        blocks: Sequence[CodeBlock],
        seconds: float,
        folder: Path,
        programs: Path | None = None,
        stdin: bytes = b"",
    ) -> ProcessResult:
        limits = Limits(
            seconds=seconds,
            output_bytes=_OUTPUT_BYTES,
            memory_bytes=int(max(block.terms.memory_gb for block in blocks) * (1 << 30)),
            processes=_PROCESSES,
            file_bytes=_FILE_BYTES,
        )
        needs = {need for block in blocks for need in block.terms.needs}
        environment = self._surroundings(online=bool(needs & {"pypi", "network"}))
        place = programs or Path(argv[0]).parent
        environment["PATH"] = f"{place}{os.pathsep}{environment.get('PATH', os.defpath)}"
        environment["VIRTUAL_ENV"] = str(place.parent)
        return run_process(argv, environment=environment, limits=limits, stdin=stdin, cwd=folder)

    def _surroundings(self, *, online: bool) -> dict[str, str]:
        home = self._made("home")
        environment = scrubbed_environment(self.environment, home=home)
        environment |= {"PYTHONUSERBASE": str(home / "user"), "TERM": "dumb"}
        environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
        if not online:
            return environment | {"PIP_NO_INDEX": "1"}
        return environment | network_environment(self.environment)

    def _run_json(self, step: Step) -> dict[str, Any]:
        blocks = (*step.earlier, step.block)
        played = [
            {"name": f"{block.role}-{number}.py", "code": block.code, "role": block.role}
            for number, block in enumerate(blocks, start=1)
        ]
        seconds = sum(block.terms.seconds for block in blocks)
        folder = self._made(f"work-{step.session}")
        return {"cells": played, "folder": str(folder), "seconds": seconds}

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def _python(self, step: Step, shells: set[str]) -> Path:
        """The Python of a step; sessions with shell blocks, which may install, have their own."""
        key = (step.session if step.session in shells else "", step.absent)
        if key not in self._pythons:
            folder = self.folder / f"python-{len(self._pythons)}"
            self._pythons[key] = make_python(self.interpreter, folder, absent=step.absent)
        return self._pythons[key]


def _may_share(one: Step, two: Step, shells: set[str]) -> bool:
    """May two steps be forked from one process: same packages, and pip has not run between."""
    if "bash" in (one.block.language, two.block.language):
        return False
    if {one.session, two.session} & shells and one.session != two.session:
        return False
    needs = {*one.block.terms.needs, *two.block.terms.needs}
    return one.absent == two.absent and not needs - {"lab"}


def _stopped(result: ProcessResult) -> str:
    reasons = {
        "time": result.timed_out,
        "output": result.truncated,
        "memory": result.killed_for_memory,
        "processes": result.killed_for_processes,
    }
    return next((name for name, is_so in reasons.items() if is_so), "")
