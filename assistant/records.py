"""A question with its answer as it is kept: folded from the events, and turned into them again.

One record holds what redraws a chat, goes on after a restart, fills a help packet and is counted
for the instructor. It holds masked text only, and refuses to know where it is kept.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

from assistant.events import (
    Done,
    Dropped,
    Event,
    Fix,
    Notice,
    Probed,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.redact import redact
from assistant.types import Clue, CodeBlock, Finding, FixText, Match, Query, QueryKind, Status, Turn

TurnState = Literal["running", "done", "interrupted"]
Outcome = Literal["fixed", "not_fixed"]
Face = Literal["page", "cli", "notebook", "api"]

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Record:
    """One turn. `when` is seconds since 1970 (UTC); `tried` are entries that did not help.

    `session` and `number` say where it is kept ('' and 0: nowhere yet).
    """

    session: str = ""
    number: int = 0
    when: float = 0.0
    text: str = ""
    kind: QueryKind = "empty"
    matches: tuple[Match, ...] = ()
    status: Status = "abstain"
    fix: FixText | None = None
    sentences: tuple[Sentence, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    notices: tuple[Notice, ...] = ()
    findings: tuple[Finding, ...] = ()
    fingerprint: str = ""
    backend: str = ""
    seconds: tuple[tuple[str, float], ...] = ()
    state: TurnState = "running"
    outcome: Outcome | None = None
    tried: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[str, ...]:
        """Ids of the matches, best first."""
        return tuple(match.id for match in self.matches)

    @property
    def shown(self) -> str:
        """Id of the entry that a person is looking at: the best one not tried; '' if none is."""
        left = [id_ for id_ in self.entries if id_ not in self.tried]
        return left[0] if left and (self.fix is not None or self.tried) else ""


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One conversation in a list. `key` and `owner` are hashes; `title` begins its first question;
    `state` is that of its last turn."""

    key: str
    owner: str
    face: Face
    began: float
    last: float
    turns: int
    title: str
    state: TurnState


@dataclass(frozen=True, slots=True)
class ProbeFailure:
    """A probe run that said nothing useful: which one, how it ended, where, and when."""

    probe: str
    status: str
    where: str
    summary: str
    when: float


def follow(record: Record, event: Event) -> Record:
    """Return the record with one more event in it."""
    match event:
        case Understood(query):
            return replace(record, text=mask(query.text), kind=query.kind)
        case Retrieved(matches, status):
            return replace(record, matches=matches, status=status)
        case Fix(fix):
            return replace(record, fix=fix)
        case Probed(finding):
            return replace(record, findings=(*record.findings, finding))
        case Sentence():
            return replace(record, sentences=(*record.sentences, event))
        case Dropped():
            return replace(record, dropped=(*record.dropped, event))
        case Notice():
            return replace(record, notices=(*record.notices, event))
        case Done(turn, status, backend, seconds):
            done = replace(record, backend=backend, seconds=seconds, state="done")
            if not turn.match_ids and record.matches:
                return done  # a probe alone: the answer that it joins stays
            return replace(done, status=status, fingerprint=turn.fingerprint)
        case _:
            return record


def replay(record: Record, query: Query) -> Iterator[Event]:
    """The events that made this record; `query` is its text, read again. A turn that was broken
    off ends without `Done`."""
    yield Understood(query)
    if record.matches or record.status != "abstain":
        yield Retrieved(record.matches, record.status, final=record.state == "done")
    if record.fix is not None:
        yield Fix(record.fix, 0)
    for finding in record.findings:
        yield Probed(finding)
    yield from record.sentences
    yield from record.dropped
    yield from record.notices
    if record.state == "done":
        yield Done(build_turn(record, query), record.status, record.backend, record.seconds)


def build_turn(record: Record, query: Query) -> Turn:
    """The turn that a next question sees."""
    return Turn(
        query=query,
        match_ids=record.entries,
        fix=record.fix,
        text=" ".join(sentence.text for sentence in record.sentences),
        fingerprint=record.fingerprint,
        findings=record.findings,
    )


# --- text of a column --------------------------------------------------------------------------

_ANSWER = ("matches", "fix", "sentences", "dropped", "notices", "backend", "seconds")


def dump_answer(record: Record) -> str:
    """The answer as JSON, every string of it masked once more."""
    whole = asdict(record)
    return dump({name: whole[name] for name in _ANSWER})


def dump_findings(record: Record) -> str:
    """The findings as JSON, every string of it masked once more."""
    return dump([asdict(finding) for finding in record.findings])


def dump(value: Any) -> str:
    """JSON with every string of `value` masked."""
    return json.dumps(_masked(value), ensure_ascii=False)


def mask(text: str) -> str:
    """The text without secrets; half characters, which no file can hold, become '?'."""
    return redact(text).encode("utf-8", "replace").decode()


def parse_answer(text: str) -> dict[str, Any]:
    """The fields of a record that `dump_answer` wrote. Raises ValueError if it did not."""
    held = _load(text, dict)
    fix = held.get("fix")
    return {
        "matches": tuple(_make(Match, one) for one in held.get("matches", ())),
        "fix": _make_fix(fix) if isinstance(fix, dict) else None,
        "sentences": tuple(_make(Sentence, one) for one in held.get("sentences", ())),
        "dropped": tuple(_make(Dropped, one) for one in held.get("dropped", ())),
        "notices": tuple(_make(Notice, one) for one in held.get("notices", ())),
        "backend": str(held.get("backend", "")),
        "seconds": _tuples(held.get("seconds", ())),
    }


def parse_findings(text: str) -> tuple[Finding, ...]:
    """What `dump_findings` wrote. Raises ValueError if it did not."""
    return tuple(_make_finding(one) for one in _load(text, list))


def parse_names(text: str) -> tuple[str, ...]:
    """A list of texts. Raises ValueError if it is none."""
    return tuple(str(name) for name in _load(text, list))


def _load(text: str, kind: type[_V]) -> _V:
    value = json.loads(text)
    if not isinstance(value, kind):
        raise ValueError(f"not a {kind.__name__}: {text[:40]}")
    return value


def _make(kind: type[_V], held: Mapping[str, Any]) -> _V:
    """A value from its fields; fields that an older or newer version has are passed over."""
    known = {one.name for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(**{name: _tuples(value) for name, value in held.items() if name in known})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a {kind.__name__}") from error


def _make_finding(held: Mapping[str, Any]) -> Finding:
    finding = _make(Finding, {**held, "clues": ()})
    return replace(finding, clues=tuple(_make(Clue, one) for one in held.get("clues", ())))


def _make_fix(held: Mapping[str, Any]) -> FixText:
    fix = _make(FixText, {**held, "blocks": ()})
    blocks = held.get("blocks", ())
    shown = (CodeBlock(str(one["language"]), str(one["code"])) for one in blocks)
    return replace(fix, blocks=tuple(shown))


def _tuples(value: Any) -> Any:
    """Lists become tuples, at every depth that a value has; mappings stay."""
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: _masked(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(one) for one in value]
    return value
