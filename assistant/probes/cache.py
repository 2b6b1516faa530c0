"""Findings of the last seconds, so that pressing a button twice does not run a probe twice.

A finding that comes from here says its age. It refuses to know what is in a finding, but for this:
one that was refused or that ran out of time is not kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import replace

from assistant.types import Finding

_MOST = 200


class FindingCache:
    """Keeps findings for `seconds`; thread-safe. `clock` counts seconds, as time.monotonic."""

    def __init__(self, *, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Finding]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Finding | None:
        """Return the finding with its age, None if there is none that is young enough."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            return None
        age = self._clock() - kept[0]
        return replace(kept[1], age=max(0.1, round(age, 1))) if age <= self._seconds else None

    def keep(self, key: Hashable, finding: Finding) -> None:
        """Remember a fresh finding."""
        if finding.status in ("refused", "timeout"):
            return
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (self._clock(), finding)
            while len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]
