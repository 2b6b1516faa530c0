"""The snapshot in force: made in the background, watched for changed guides, swapped in one go.

First a lexical snapshot (a second or two), then, when the encoder is loaded, the full one. A guide
that becomes unreadable leaves the old snapshot in force, with a notice. Knows neither encoder nor
index: `build` makes a retriever, with or without the dense part.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from assistant.errors import AssistantError, FailureError
from assistant.library import Library, file_stamp, load_library
from assistant.types import Retriever, Snapshot

_LOG = logging.getLogger(__name__)
_LOOK_EVERY = 1.0  # seconds between two looks at the files

# (library, with the dense part?) → retriever and notices
BuildRetriever = Callable[[Library, bool], tuple[Retriever, tuple[str, ...]]]


class Snapshots:
    """Holds one `Snapshot`; readers take it with `current`, builders swap it under a lock."""

    def __init__(
        self,
        guides: Sequence[str],
        build: BuildRetriever,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guides = tuple(guides)
        self._build = build
        self._clock = clock
        self._building = threading.Lock()
        self._ready = threading.Event()
        self._complete = threading.Event()
        self._snapshot: Snapshot | None = None
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._failure: AssistantError | None = None
        self._looked = 0.0

    def load(self) -> None:
        """Build both stages now. Raises GuideError when there is no usable guide at all."""
        with self._building:
            if not self._complete.is_set():
                self._rebuild(first=True)

    def start(self) -> None:
        """Build in a thread; failures are kept for `failure`."""
        threading.Thread(target=self._load_quietly, name="snapshot", daemon=True).start()

    def current(self) -> Snapshot | None:
        """The snapshot in force, None while the first one is still being made."""
        return self._snapshot

    @property
    def is_complete(self) -> bool:
        """Is the dense part there (or known not to come)?"""
        return self._complete.is_set()

    @property
    def failure(self) -> AssistantError | None:
        """Why there is no snapshot at all, if that is so."""
        return self._failure if self._snapshot is None else None

    def wait(self, *, complete: bool, seconds: float) -> bool:
        """Wait for the first (or the complete) snapshot; False when it did not come in time."""
        return (self._complete if complete else self._ready).wait(seconds)

    def look(self) -> None:
        """Start a rebuild if a guide file has changed; cheap, and never more than one at a time."""
        now = self._clock()
        if now - self._looked < _LOOK_EVERY or not self._complete.is_set():
            return
        self._looked = now
        if file_stamp(self._guides) != self._stamp and self._building.acquire(blocking=False):
            threading.Thread(target=self._renew, name="snapshot", daemon=True).start()

    def _load_quietly(self) -> None:
        try:
            self.load()
        except AssistantError as error:
            _LOG.warning("knowledge: %s", error)
        except Exception as error:  # the rim of this thread: nobody must wait for what never comes
            _LOG.exception("knowledge")
            self._failure = FailureError(
                f"The guide could not be made searchable ({type(error).__name__}).",
                hint="Restart the assistant; its log says more.",
            )
        finally:
            self._ready.set()
            self._complete.set()

    def _renew(self) -> None:
        try:
            self._rebuild(first=False)
        except AssistantError as error:
            _LOG.warning("guide: %s", error)
        except Exception:  # the rim of this thread; the last good snapshot stays
            _LOG.exception("guide")
        finally:
            self._building.release()

    def _rebuild(self, *, first: bool) -> None:
        self._stamp = file_stamp(self._guides)
        try:
            library = load_library(self._guides)
        except AssistantError as error:
            self._failure = error
            if self._snapshot is not None:
                notice = f"{error.message} The last good version stays in use."
                self._snapshot = replace(self._snapshot, notices=(notice,))
            else:
                self._ready.set()
                self._complete.set()
            raise
        self._failure = None
        if first:
            self._swap(library, dense=False)
            self._ready.set()
        self._swap(library, dense=True)
        self._complete.set()

    def _swap(self, library: Library, *, dense: bool) -> None:
        retriever, notices = self._build(library, dense)
        self._snapshot = Snapshot(
            entries=library.entries,
            retriever=retriever,
            fingerprint=library.fingerprint,
            notices=(*library.notices, *notices),
            guides=library.guides,
        )
