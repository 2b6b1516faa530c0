"""The SQLite file of the history: its tables, its versions, how it is opened and set aside.

It refuses to know what is kept in it and why.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    StaticPool,
    Table,
    Text,
    create_engine,
    event,
)

BUSY_SECONDS = 5.0  # that a write waits for other processes' writes
_WAL_TRIES = 100  # switching a new file to WAL is the one thing that SQLite does not wait for

_TABLES = MetaData()
SESSION = Table(
    "session",
    _TABLES,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("face", Text, nullable=False),
    Column("began", Float, nullable=False),
)
TURN = Table(
    "turn",
    _TABLES,
    Column("session", ForeignKey("session.key", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("began", Float, nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entries", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text),
    Column("tried", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("writer", Text, nullable=False),
    Column("answer", Text, nullable=False),
)
PROBE = Table(
    "probe_failure",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("began", Float, nullable=False),
    Column("probe", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("summary", Text, nullable=False),
)

Step = Callable[[Connection], None]
# Step n takes a file from `user_version` n to n + 1. Add steps; never change one that has shipped.
STEPS: tuple[Step, ...] = (
    lambda file: _TABLES.create_all(file, tables=[SESSION, TURN]),
    lambda file: _TABLES.create_all(file, tables=[PROBE]),
)


class DamagedError(Exception):
    """The file is no history, or no longer one."""


class NewerError(Exception):
    """The file was written by a later version of this program."""


def open_file(path: Path, *, steps: tuple[Step, ...] = STEPS) -> Engine:
    """Open or make the file, readable for its owner only, and bring it to the latest version.

    The engine holds one connection: whoever uses it takes turns. Transactions are made with
    `engine.begin()`; with the execution option `begin="BEGIN IMMEDIATE"` they may write.
    Raises OSError, sqlalchemy's DatabaseError, DamagedError or NewerError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine("sqlite://", creator=lambda: _connect(path), poolclass=StaticPool)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as file:
            found = file.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise DamagedError(str(found))
        with engine.execution_options(begin="BEGIN IMMEDIATE").begin() as file:
            _migrate(file, steps)
    except BaseException:
        engine.dispose()
        raise
    return engine


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is broken, not that it is busy or full."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlite_errorcode", 0) or 0
    broken = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(cause, DamagedError) or code & 0xFF in broken


def move_aside(path: Path, *, now: float) -> Path | None:
    """Rename a damaged file, with its log; return its new name, None if it is not damaged (then
    another process has already put a new one in its place). Raises OSError."""
    before = path.stat().st_ino
    if _is_sound(path) or path.stat().st_ino != before:
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    aside = path.with_name(f"{path.name}.damaged-{stamp}-{os.getpid()}")
    for ending in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{aside}{ending}")
    return aside


def _is_sound(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as file:
        try:
            return bool(file.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False


def shrink(engine: Engine) -> None:
    """Give the space of what was deleted back to the disk, so that nothing of it stays there."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """A connection without Python's own idea of transactions."""
    file = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _set_wal(file)
        # FULL: a commit is on the disk when it returns, also if the power fails a moment later.
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            file.execute(f"PRAGMA {pragma}")
    except BaseException:
        file.close()
        raise
    return file


def _set_wal(file: sqlite3.Connection) -> None:
    """Where a file system cannot do WAL, SQLite stays with its own journal, which is as safe."""
    for tries_left in reversed(range(_WAL_TRIES)):
        try:
            file.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not tries_left:
                raise
            time.sleep(BUSY_SECONDS / _WAL_TRIES)


def _begin(file: Connection) -> None:
    file.exec_driver_sql(file.get_execution_options().get("begin", "BEGIN"))


def _migrate(file: Connection, steps: tuple[Step, ...]) -> None:
    version = int(file.exec_driver_sql("PRAGMA user_version").scalar() or 0)
    if version > len(steps):
        raise NewerError(f"version {version}")
    for step in steps[version:]:
        step(file)
    file.exec_driver_sql(f"PRAGMA user_version = {len(steps)}")
