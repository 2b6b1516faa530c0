"""The audit log: one JSON line for every run of a row: who, when, which row, where, how it ended.

Texts are masked and cut, the file is capped (the older half goes to a second file). What is refused
costs whoever asks nothing: so that it cannot push the runs out, only the first of it stands among
them, the rest in a file of its own. A log that cannot be written never breaks a probe. It refuses
to know what a probe found.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from assistant.probes.document import clean

_LARGEST = 1_000_000
_LARGEST_REFUSED = 100_000  # bytes of refusals among the runs
_LONGEST_FIELD = 120


class AuditLog:
    """Appends lines to a file of this user only; thread-safe."""

    def __init__(
        self, file: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._refused = 0  # bytes that this process wrote among the runs

    def write(self, *, who: str, row: str, target: str, status: str, seconds: float = 0.0) -> None:
        """Add one line; `status` is a finding's, or why a click was refused."""
        line = {
            "when": self._now().isoformat(timespec="seconds"),
            **{
                name: clean(text)[:_LONGEST_FIELD]
                for name, text in (("who", who), ("row", row), ("target", target))
            },
            "status": clean(status)[:_LONGEST_FIELD],
            "seconds": round(seconds, 3),
        }
        with self._lock, contextlib.suppress(OSError):
            text = json.dumps(line) + "\n"
            self._append(self._choose(text, refused=status.startswith("refused")), text)

    def _choose(self, line: str, *, refused: bool) -> Path:
        """The file that a line belongs to."""
        self._refused += len(line) if refused else 0
        crowded = refused and self._refused > _LARGEST_REFUSED
        return self._file.with_suffix(".refused.jsonl") if crowded else self._file

    def _append(self, file: Path, line: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(_Appended(file)) as log:
            full = log.size() > _LARGEST
            if not full:
                log.write(line)
        if full:
            os.replace(file, file.with_suffix(".old.jsonl"))
            with contextlib.closing(_Appended(file)) as log:
                log.write(line)


class _Appended:
    """A file of this user only, open at its end; never a link or a pipe."""

    def __init__(self, file: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        self._handle = os.open(file, flags, 0o600)

    def size(self) -> int:
        """Bytes in it."""
        return os.fstat(self._handle).st_size

    def write(self, line: str) -> None:
        """Add a line."""
        os.write(self._handle, line.encode())

    def close(self) -> None:
        """Give the handle back."""
        os.close(self._handle)
