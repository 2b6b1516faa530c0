"""The policy for guide blocks: which are run, in what order, and what makes an entry proven.

An entry is played in three sessions, each in an empty folder, from the top: as a learner meets it
(its reproductions alone), with its checks but without its fix, and with both. A Python block is
played in a process of its own, after all Python blocks of the session before it, as cells of a
notebook; one that a later block replays anyway is not played once more by itself.

An entry is reproduced if what each reproduction prints, read like a paste, leads to it first. It
is fixed if the checks fail without the fix, and if with it both run.

It exists only on the command line, as it runs the code of a guide: `workshop.py` says what that
code may reach. It refuses to know how a process is started and how entries are searched.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from assistant.interpreter import Interpreter
from assistant.reading import read_query
from assistant.types import BlockRole, CodeBlock, Entry, EntryKind, Need, Query, Retrieval
from assistant.workshop import Ran, Step, Workshop, find_imports, is_preloaded

_CRASHED = 128  # exit codes from here on, and below 0, are signals


class Player(Protocol):
    """Runs steps in order: a `Workshop`, or what stands for it in a test."""

    def play(self, steps: Sequence[Step]) -> list[Ran]:
        """One result for each step."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen of one entry; None is what was not tried, and `reason` says why.

    `says` are the messages of its reproductions, a line for each; `output` is what the block
    printed that went wrong ('' if none did).
    """

    id: str
    kind: EntryKind
    guide: str
    reproduced: bool | None = None
    rank: int | None = None
    fixed: bool | None = None
    seconds: float = 0.0
    reason: str = ""
    says: str = ""
    output: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether something was tried and did not hold."""
        return self.reproduced is False or self.fixed is False


def verify_entries(
    entries: Sequence[Entry],
    *,
    interpreter: Interpreter,
    environment: Mapping[str, str],
    missing: Callable[[Need], str],
    search: Callable[[Query], Retrieval],
) -> Iterator[Verdict]:
    """Prove entries one after the other. `missing` says why a need is not met ('' if it is).

    An entry that fails is played again without the fork from a process that has imported its
    packages, so that this short cut never decides.
    """
    for entry in entries:
        started = time.monotonic()
        verdict = Verdict(entry.id, entry.kind, entry.file)
        for preload in (True, False):
            with tempfile.TemporaryDirectory(
                prefix="assistant-verify-", ignore_cleanup_errors=True
            ) as folder:
                place = Workshop(interpreter, Path(folder), environment, preload=preload)
                verdict = prove(entry, place, missing=missing, search=search)
            if not (verdict.has_failed and is_preloaded(entry.proof)):
                break
        yield replace(verdict, seconds=time.monotonic() - started)


def prove(
    entry: Entry,
    player: Player,
    *,
    missing: Callable[[Need], str],
    search: Callable[[Query], Retrieval],
) -> Verdict:
    """Play an entry's sessions and judge them."""
    verdict = Verdict(entry.id, entry.kind, entry.file)
    cases, fixes, checks = (_blocks(entry, role) for role in ("reproduce", "fix", "check"))
    if not cases:
        return replace(verdict, reason=entry.unproven or "has no block that reproduces it")
    lacking = _lacking(cases, missing)
    if lacking:
        return replace(verdict, reason=lacking)
    first = _steps("case", cases, judged=cases)
    unfixed, fixed, lacking = _later_steps(cases, fixes, checks, missing=missing)
    results = player.play([*first, *unfixed, *fixed])
    verdict = _judge_case(verdict, first, results[: len(first)], search=search)
    if lacking:
        return replace(verdict, reason=_join(verdict.reason, lacking))
    pairs = list(zip([*first, *unfixed, *fixed], results, strict=True))
    return _judge_fix(verdict, pairs[len(first) : -len(fixed)], pairs[-len(fixed) :])


def verdicts_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The `verify` object of the command line; null for what was not tried."""
    return {
        "entries": [
            {
                "id": v.id,
                "kind": v.kind,
                "guide": v.guide,
                "reproduced": v.reproduced,
                "rank": v.rank,
                "fixed": v.fixed,
                "seconds": round(v.seconds, 2),
                "reason": v.reason,
            }
            for v in verdicts
        ]
    }


def imported_packages(entry: Entry, interpreter: Interpreter) -> dict[str, str]:
    """Versions by name of the installed packages that an entry's blocks import."""
    names = {name for block in entry.proof for name in find_imports(block.code)}
    found = [interpreter.packages[name] for name in names if name in interpreter.packages]
    return {package.name: package.version for package in sorted(found, key=lambda p: p.name)}


# --- what is run -------------------------------------------------------------------------------


def _blocks(entry: Entry, role: BlockRole) -> list[CodeBlock]:
    """The entry's blocks of one role, as a learner without facts would see them."""
    return [block for block in entry.proof if block.role == role]


def _later_steps(
    cases: Sequence[CodeBlock],
    fixes: Sequence[CodeBlock],
    checks: Sequence[CodeBlock],
    *,
    missing: Callable[[Need], str],
) -> tuple[list[Step], list[Step], str]:
    """The sessions without and with the fix, or why they are not played."""
    if not fixes or not checks:
        return [], [], f"has no {'fix' if not fixes else 'check'} to be run"
    lacking = _lacking([*fixes, *checks], missing)
    if lacking:
        return [], [], f"fix: {lacking}"
    unfixed = _steps("unfixed", [*cases, *checks], judged=checks)
    fixed = _steps("fixed", [*cases, *fixes, *checks], judged=[*fixes, *checks])
    return unfixed, fixed, ""


def _steps(session: str, blocks: Sequence[CodeBlock], *, judged: Sequence[CodeBlock]) -> list[Step]:
    """A session's blocks as steps; `judged` are those whose own output or end is looked at.

    Shell blocks are always played, for what they leave behind. A Python block that a later one
    replays is not played by itself, nor is the last reproduction before shell blocks: it ends in an
    exception, and what it needs stands in the blocks before it. Without shell blocks each step has
    its own folder, as it replays all that was before.
    """
    steps = []
    before = _absent(blocks, ("reproduce", "check"))
    after = _absent(blocks, ("fix",))
    has_fix = any(block.role == "fix" for block in blocks)
    has_shell = any(block.language == "bash" for block in blocks)
    last_case = [block for block in blocks if block.role == "reproduce"][-1]
    for number, block in enumerate(blocks):
        is_python = block.language == "python"
        is_replayed = [b.language for b in blocks[number + 1 : number + 2]] == ["python"]
        if is_python and block not in judged and (block is last_case or is_replayed):
            continue
        if is_python and block.role == "fix" and is_replayed:
            continue
        earlier = tuple(b for b in blocks[:number] if b.language == "python")
        absent = after if has_fix and block.role != "reproduce" else before
        place = session if has_shell else f"{session}-{number}"
        steps.append(Step(block, earlier if is_python else (), place, absent))
    return steps


def _absent(blocks: Sequence[CodeBlock], roles: Sequence[str]) -> frozenset[str]:
    return frozenset(name for b in blocks if b.role in roles for name in b.terms.without)


def _lacking(blocks: Sequence[CodeBlock], missing: Callable[[Need], str]) -> str:
    """Why these blocks cannot be tried here, '' if they can."""
    needs = dict.fromkeys(need for block in blocks for need in block.terms.needs)
    return "; ".join(filter(None, (missing(need) for need in needs)))


# --- what it means -----------------------------------------------------------------------------


def _judge_case(
    verdict: Verdict,
    steps: Sequence[Step],
    results: Sequence[Ran],
    *,
    search: Callable[[Query], Retrieval],
) -> Verdict:
    """Whether each reproduction shows something, and leads to the entry; the worst rank counts."""
    for step, ran in zip(steps, results, strict=True):
        if step is not steps[-1] and _is_preparation(step, ran):
            continue
        fault = _fault(ran) if ran.stopped else ""
        if fault or not ran.output.strip():
            reason = f"{_name(step, ran)} {fault or 'shows no symptom'}"
            return replace(verdict, reproduced=False, reason=reason, output=ran.output)
        query = read_query(ran.output)
        found = search(query)
        ids = [match.id for match in found.matches]
        rank = ids.index(verdict.id) + 1 if verdict.id in ids else None
        verdict = replace(
            verdict,
            rank=max(rank, verdict.rank or 1) if rank else None,
            reproduced=rank == 1,
            says="\n".join(filter(None, (verdict.says, _message(query)))),
        )
        if rank != 1:
            reason = f"{_name(step, ran)} leads to {', '.join(ids[:2]) or 'no entry'}"
            return replace(verdict, reason=reason, output=ran.output)
        if found.status == "abstain":
            verdict = replace(verdict, reason="is first, but too unsure to be shown")
    return verdict


_LONGEST = 400  # characters of a message that are kept and compared
# /tmp/assistant-verify-x1/home/ in front of a file's name; not the path of an address
_FOLDERS = re.compile(r"(?<![\w:/.])(?:/[\w.+-]+)+/")
# SomeWarning: …, ERROR: …, error: …
_SAYS = re.compile(r"\b\w*(?:Warning|Error|ERROR)\b|^\W*error\b")


def _message(query: Query) -> str:
    """What the package said, on one line: the exception and its whole message, else the last line
    that names a warning or an error, else the last line. Folders differ from run to run."""
    exception = query.exception
    lines = [line for line in query.text.splitlines() if line.strip()]
    said = next(filter(_SAYS.search, reversed(lines)), lines[-1] if lines else "")
    if exception is not None:
        said = f"{exception.name}: {exception.message}"
    return _FOLDERS.sub("…/", " ".join(said.split()))[:_LONGEST]


def _is_preparation(step: Step, ran: Ran) -> bool:
    """A block that ends well and shows nothing; what pip says in a shell is no symptom."""
    is_quiet = not ran.output.strip() or step.block.language == "bash"
    return is_quiet and ran.code == 0 and not ran.stopped


def _judge_fix(
    verdict: Verdict,
    without: Sequence[tuple[Step, Ran]],
    with_fix: Sequence[tuple[Step, Ran]],
) -> Verdict:
    """Whether the checks fail without the fix, and nothing fails with it."""
    checked = [ran for step, ran in without if step.block.role == "check"]
    if all(ran.code == 0 and not ran.stopped for ran in checked):
        reason = _join(verdict.reason, "the check passes without the fix")
        return replace(verdict, fixed=False, reason=reason)
    for step, ran in with_fix:
        if step.block.role != "reproduce" and (ran.code != 0 or ran.stopped):
            reason = _join(verdict.reason, f"{_name(step, ran)} {_fault(ran)}")
            return replace(verdict, fixed=False, reason=reason, output=ran.output)
    return replace(verdict, fixed=True)


def _fault(ran: Ran) -> str:
    """What went wrong with a block, in words."""
    if ran.stopped == "crash":
        return "ended the process that ran it"
    if ran.stopped:
        return f"was stopped: too much {ran.stopped}"
    if ran.code is not None and (ran.code < 0 or ran.code > _CRASHED):
        return f"was killed by signal {ran.code % _CRASHED if ran.code > 0 else -ran.code}"
    return f"failed: {_last_line(ran.output)[:160]}"


def _name(step: Step, ran: Ran) -> str:
    """The block that failed: the step's own, or one before it that was replayed."""
    block = step.block if ran.replayed is None else step.earlier[ran.replayed]
    return f"{block.role} (line {block.line})"


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _join(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))
