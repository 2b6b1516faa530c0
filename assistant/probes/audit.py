"""The audit log: one JSON line for every run of a row: who, when, which row, where, how it ended.

Texts are masked and cut, the file is capped (the older half goes to a second file). A log that
cannot be written never breaks a probe. It refuses to know what a probe found.
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
from assistant.redact import redact

_LARGEST = 1_000_000
_LONGEST_FIELD = 120


class AuditLog:
    """Appends lines to a file of this user only; thread-safe."""

    def __init__(
        self, file: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._file = file
        self._now = now
        self._lock = threading.Lock()

    def write(self, *, who: str, row: str, target: str, status: str, seconds: float = 0.0) -> None:
        """Add one line; `status` is a finding's, or why a click was refused."""
        line = {
            "when": self._now().isoformat(timespec="seconds"),
            **{
                name: redact(clean(text))[:_LONGEST_FIELD]
                for name, text in (("who", who), ("row", row), ("target", target))
            },
            "status": redact(clean(status))[:_LONGEST_FIELD],
            "seconds": round(seconds, 3),
        }
        with self._lock, contextlib.suppress(OSError):
            self._append(json.dumps(line) + "\n")

    def _append(self, line: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(self._file, flags, 0o600)
        try:
            if os.fstat(handle).st_size > _LARGEST:
                os.replace(self._file, self._file.with_suffix(".old.jsonl"))
                os.close(handle)
                handle = os.open(self._file, flags, 0o600)
            os.write(handle, line.encode())
        finally:
            os.close(handle)
