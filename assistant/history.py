"""The local log: conversations, turns, outcomes and failed probe runs.

Several processes may write at once: each write is one short transaction, and waits for the others.
What a method acknowledges is on the disk: it returns after the commit. A failure of the store
never reaches an answer: writes then return 0 or False, reads nothing, and `notices` says why, once.
It refuses to know how an answer is made or shown: it keeps records and gives them back, masked.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from assistant.history_file import (
    PROBE,
    SESSION,
    STEPS,
    TURN,
    NewerError,
    is_damage,
    move_aside,
    open_file,
    shrink,
)
from assistant.records import (
    Face,
    Outcome,
    ProbeFailure,
    Record,
    SessionLine,
    TurnState,
    dump,
    dump_answer,
    dump_findings,
    mask,
    parse_answer,
    parse_findings,
    parse_names,
)
from assistant.supervisor import process_table
from assistant.types import Finding

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_TITLE = 80
_FAILED = frozenset({"fail", "no_data", "timeout", "refused"})
FILE = "history.sqlite3"


def session_key(opaque: str) -> str:
    """What stands in the file for the secret name of a browser or a face; it cannot be undone."""
    return hashlib.sha256(f"cv-troubleshooter session {opaque}".encode()).hexdigest()[:32]


def open_history(path: Path | None, *, clock: Callable[[], float] = time.time) -> History:
    """Open or make the file; None gives a history that keeps nothing. Never raises.

    A damaged file is moved aside. If nothing can be kept, `notices` of what is returned says why.
    """
    return History(path, clock=clock)


class History:
    """One open history; usable from any thread. Sessions and owners are named by `session_key`."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._notices: list[str] = []
        self._writer = _writer_name()
        if path is not None:
            with self._lock:
                self._open(path)

    @property
    def notices(self) -> tuple[str, ...]:
        """What went wrong, each thing once, for a reader."""
        return tuple(self._notices)

    @property
    def is_kept(self) -> bool:
        """Whether there is a file that is written to."""
        return self._engine is not None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    # --- writing -------------------------------------------------------------------------------

    def record_turn(
        self, session: str, record: Record, *, owner: str = "", face: Face = "page"
    ) -> int:
        """Keep a new turn and return its number (from 1) once it is on the disk; 0 if it is not.

        `owner` is the key of whoever may list the session, '' for nobody.
        """
        values = self._columns(record) | {"session": session, "began": record.when}
        values |= {"outcome": record.outcome, "tried": dump(record.tried)}

        def write(file: Connection) -> int:
            known = select(SESSION.c.key).where(SESSION.c.key == session)
            if file.execute(known).first() is None:
                row = {"key": session, "owner": owner, "face": face, "began": record.when}
                file.execute(insert(SESSION).values(row))
            last = select(func.max(TURN.c.number)).where(TURN.c.session == session)
            number = int(file.execute(last).scalar() or 0) + 1
            file.execute(insert(TURN).values(values | {"number": number}))
            return number

        return self._run(write, 0, writes=True)

    def update_turn(self, session: str, number: int, record: Record) -> bool:
        """Replace what is kept of question and answer; True once it is on the disk.

        Outcome and tried entries stay as they are. False if the turn was deleted meanwhile, or if
        a broken answer would replace one that another tab has completed.
        """
        keep: TurnState | None = "done" if record.state == "interrupted" else None
        return self._set(session, number, self._columns(record), keep=keep)

    def set_outcome(
        self, session: str, number: int, outcome: Outcome | None, *, tried: Sequence[str] = ()
    ) -> bool:
        """Keep whether it helped, and which entries did not; True once it is on the disk."""
        return self._set(session, number, {"outcome": outcome, "tried": dump(tried)})

    def record_probes(self, findings: Iterable[Finding]) -> bool:
        """Keep those probe runs that failed; True once they are on the disk."""
        rows = [
            {
                "began": self._clock(),
                "probe": mask(finding.id),
                "status": finding.status,
                "place": mask(finding.where),
                "summary": mask(finding.summary),
            }
            for finding in findings
            if finding.status in _FAILED
        ]
        if not rows:
            return self.is_kept

        def write(file: Connection) -> bool:
            file.execute(insert(PROBE), rows)
            return True

        return self._run(write, False, writes=True)

    def interrupted(self) -> int:
        """Mark turns that still run, but whose process is gone; return how many. Call at start.

        A process that cannot be seen from here (another container) counts as gone; its turn heals
        with its next update.
        """
        alive = {_writer(one.pid, one.started) for one in process_table().values()} | {self._writer}

        def write(file: Connection) -> int:
            gone = (TURN.c.state == "running", TURN.c.writer.not_in(alive))
            return int(file.execute(update(TURN).where(*gone).values(state="interrupted")).rowcount)

        return self._run(write, 0, writes=True)

    def delete_session(self, session: str, *, owner: str | None = None) -> bool:
        """Forget a conversation; with `owner` only if it is that one's. False if there is none."""
        query = delete(SESSION).where(SESSION.c.key == session)
        if owner is not None:
            query = query.where(SESSION.c.owner == owner)
        return self._run(lambda file: file.execute(query).rowcount > 0, False, writes=True)

    def delete_all(self) -> int:
        """Forget everything and give the space back; return how many turns there were."""

        def write(file: Connection) -> int:
            count = int(file.execute(select(func.count()).select_from(TURN)).scalar() or 0)
            for table in (TURN, SESSION, PROBE):
                file.execute(delete(table))
            return count

        count = self._run(write, 0, writes=True)
        with self._lock:
            self._attempt(lambda engine: shrink(engine), None)
        return count

    # --- reading -------------------------------------------------------------------------------

    def list_sessions(self, *, owner: str | None = None) -> tuple[SessionLine, ...]:
        """All conversations, or one owner's, the latest first."""
        columns = (*SESSION.c, TURN.c.began.label("asked"), TURN.c.text, TURN.c.state)
        query = select(*columns).join(TURN).order_by(TURN.c.session, TURN.c.number)
        if owner is not None:
            query = query.where(SESSION.c.owner == owner)
        lines: dict[str, SessionLine] = {}
        for row in self._rows(query):
            line = lines.get(row["key"]) or _session_line(row)
            line = replace(line, last=row["asked"], state=row["state"], turns=line.turns + 1)
            lines[row["key"]] = line
        return tuple(sorted(lines.values(), key=lambda line: -line.last))

    def load_session(self, session: str, *, owner: str | None = None) -> tuple[Record, ...]:
        """The turns of a conversation in order; () if there is none, or not that owner's."""
        query = select(TURN).where(TURN.c.session == session).order_by(TURN.c.number)
        if owner is not None:
            query = query.join(SESSION).where(SESSION.c.owner == owner)
        return tuple(_record(row) for row in self._rows(query))

    def last_turn(self, session: str) -> Record | None:
        """The last turn of a conversation, None if there is none."""
        query = select(TURN).where(TURN.c.session == session)
        rows = self._rows(query.order_by(TURN.c.number.desc()).limit(1))
        return _record(rows[0]) if rows else None

    def load_turns(self, *, since: float = 0.0) -> tuple[Record, ...]:
        """All turns since a time (seconds since 1970), the oldest first."""
        query = select(TURN).where(TURN.c.began >= since).order_by(TURN.c.began)
        return tuple(_record(row) for row in self._rows(query))

    def load_failed_probes(self, *, since: float = 0.0) -> tuple[ProbeFailure, ...]:
        """All failed probe runs since a time, the oldest first."""
        rows = self._rows(select(PROBE).where(PROBE.c.began >= since).order_by(PROBE.c.id))
        return tuple(
            ProbeFailure(row["probe"], row["status"], row["place"], row["summary"], row["began"])
            for row in rows
        )

    def export(self) -> dict[str, Any]:
        """Everything that is kept, as one JSON object: the rows of the three tables."""
        tables = (SESSION, TURN, PROBE)
        rows = {table.name: [dict(row) for row in self._rows(select(table))] for table in tables}
        return {"version": len(STEPS), **rows}

    # --- one transaction -----------------------------------------------------------------------

    def _set(
        self, session: str, number: int, values: Mapping[str, Any], *, keep: TurnState | None = None
    ) -> bool:
        """Change a turn, unless its state is `keep`."""
        query = update(TURN).where(TURN.c.session == session, TURN.c.number == number)
        if keep is not None:
            query = query.where(TURN.c.state != keep)
        query = query.values(dict(values))
        return self._run(lambda file: file.execute(query).rowcount > 0, False, writes=True)

    def _rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        return self._run(lambda file: file.execute(query).mappings().all(), ())

    def _run(self, work: Callable[[Connection], _T], otherwise: _T, *, writes: bool = False) -> _T:
        """Do `work` in one transaction; `otherwise` if it cannot be done."""
        options = {"begin": "BEGIN IMMEDIATE" if writes else "BEGIN"}

        def transact(engine: Engine) -> _T:
            with engine.execution_options(**options).begin() as file:
                return work(file)

        with self._lock:
            return self._attempt(transact, otherwise)

    def _attempt(self, work: Callable[[Engine], _T], otherwise: _T) -> _T:
        """Try; once more with a new file if the old one turned out to be damaged."""
        for last in (False, True):
            if self._engine is None or self._path is None:
                return otherwise
            try:
                return work(self._engine)
            except (SQLAlchemyError, OSError) as error:
                if last or not is_damage(error):
                    self._say(_reason(error, self._path))
                    return otherwise
                self._engine.dispose()
                self._engine = None
                self._renew(self._path)
        return otherwise

    def _open(self, path: Path) -> None:
        try:
            self._engine = open_file(path)
        except NewerError:
            self._say(
                f"The history {path} was written by a later version of the assistant, so this one "
                "leaves it alone; answers go on without it."
            )
        except Exception as error:  # the rim of the store: whatever it is, answers go on
            if is_damage(error):
                self._renew(path)
            else:
                self._say(_reason(error, path))

    def _renew(self, path: Path) -> None:
        """Move the damaged file aside and begin a new one."""
        try:
            aside = move_aside(path, now=self._clock())
            self._engine = open_file(path)
        except Exception as error:  # the rim of the store
            self._say(_reason(error, path))
            return
        if aside is not None:
            self._say(
                f"The history was damaged. It was moved aside to {aside}, and a new one was begun."
            )

    def _say(self, notice: str) -> None:
        if notice not in self._notices:
            _LOG.warning("history: %s", notice)
            self._notices.append(notice)

    def _columns(self, record: Record) -> dict[str, Any]:
        """What an update may change; every text is masked once more."""
        return {
            "text": mask(record.text),
            "kind": record.kind,
            "entries": dump(record.entries),
            "status": record.status,
            "findings": dump_findings(record),
            "fingerprint": record.fingerprint,
            "state": record.state,
            "writer": self._writer,
            "answer": dump_answer(record),
        }


def _record(row: RowMapping) -> Record:
    """A row as a record; what of its answer cannot be read is left out."""
    record = Record(
        session=row["session"],
        number=row["number"],
        when=row["began"],
        text=row["text"],
        kind=row["kind"],
        status=row["status"],
        fingerprint=row["fingerprint"],
        state=row["state"],
        outcome=row["outcome"],
    )
    try:
        return replace(
            record,
            tried=parse_names(row["tried"]),
            findings=parse_findings(row["findings"]),
            **parse_answer(row["answer"]),
        )
    except ValueError as error:
        _LOG.warning("history: turn %s cannot be read: %s", row["number"], error)
        return record


def _session_line(row: RowMapping) -> SessionLine:
    first = next((line for line in reversed(row["text"].splitlines()) if line.strip()), "")
    return SessionLine(
        key=row["key"],
        owner=row["owner"],
        face=row["face"],
        began=row["began"],
        last=row["asked"],
        turns=0,
        title=first.strip()[:_TITLE],
        state=row["state"],
    )


def _writer_name() -> str:
    own = process_table().get(os.getpid())
    return _writer(os.getpid(), own.started if own else 0)


def _writer(pid: int, started: int) -> str:
    """Names a process; its start tells it from a later one of the same number."""
    return f"{pid}-{started}"


def _reason(error: BaseException, path: Path) -> str:
    """One line for a reader: why nothing is kept, and what that means."""
    said = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
    if "full" in said.lower() or "No space" in said:
        said = "the disk is full"
    elif "locked" in said:
        said = "another program holds the file"
    return (
        f"The history {path} cannot be used ({said}); answers go on, but this is not kept. "
        "ASSISTANT_DATA_DIR names another folder, ASSISTANT_HISTORY=off keeps nothing at all."
    )
