"""What the tests of the running rows share: real runs, the code as one text, hostile data."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from assistant.probes.collector import Collector
from assistant.probes.registry import PROBES
from assistant.probes.runner import ProbeRunner
from assistant.probes.source import probe_source
from assistant.probes.targets import own_target
from assistant.types import Finding, Target

MARKER = "@@@@"
GIB = 1 << 30
HOSTILE: tuple[Any, ...] = (
    None, True, False, -1, 0, 10**400, 1e308, float("nan"), float("-inf"), "", "x" * 5000,
    "\x1b[31mred\x1b[0m\nline\r\u202eabc\u2028", "<script>alert(1)</script>", [], {}, [[]],
    [None, 1, "x", {"error": "x"}], {"error": "no\nway\x1b[2J"}, {"failed": []},
)  # fmt: skip


def run_row(
    row: str,
    folder: Path,
    parameters: Mapping[str, str] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    target: Target | None = None,
) -> Finding:
    """Run one row for real, on this interpreter unless told otherwise."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
    place = target or own_target(sys.executable)
    runner = ProbeRunner(lambda: [place], Collector(given), folder=folder, home=folder)
    (finding,) = runner.run([row], target=place.name, parameters=parameters or {})
    return finding


def load_inside(row: str) -> dict[str, Any]:
    """The names of a row's code as it stands in a target, without running `main`."""
    lines = probe_source([row]).splitlines()[1:-1]
    names: dict[str, Any] = {"__name__": "inside"}
    exec(compile("\n".join(lines), row, "exec"), names)
    return names


def find_row(row: str) -> Any:
    return next(probe for probe in PROBES if probe.id == row)


def iter_spoiled(document: Any) -> Iterator[Any]:
    """The document with each of its parts replaced by each hostile value in turn."""
    for path in iter_paths(document):
        for value in HOSTILE:
            yield replace_at(document, path, value)


def iter_paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(document, dict):
        for name, value in document.items():
            yield from iter_paths(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from iter_paths(value, (*path, index))


def replace_at(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


def check_harmless(finding: Finding) -> None:
    """Whatever a target wrote, a finding is short, in one line, and has no control characters."""
    texts = [finding.summary, finding.next, *(text for fact in finding.facts for text in fact)]
    texts += [clue.text for clue in finding.clues]
    assert finding.summary
    for text in texts:
        assert len(text) < 2000
        assert text.isprintable() or not text


def check_all_spoiled(interpret: Callable[..., Finding], document: Any) -> None:
    for spoiled in iter_spoiled(document):
        check_harmless(interpret(spoiled, where="here"))


def find_python(minor: int) -> str:
    """An interpreter of this version: ours, pyenv's, or one on the PATH; else skips the test."""
    kept = glob.glob(os.path.expanduser(f"~/.pyenv/versions/3.{minor}.*/bin/python"))
    python = sys.executable if sys.version_info[1] == minor else ""
    python = python or (kept[0] if kept else shutil.which(f"python3.{minor}") or "")
    if not python:
        pytest.skip(f"there is no Python 3.{minor} here: only its syntax was checked")
    return python


def needs(name: str) -> Any:
    return pytest.importorskip(name)
