"""The one typed stream of events that every face folds: page, command line, JSON, tests.

Later events may revise earlier ones: a `Retrieved` replaces the one before it, and of two `Fix`
events the one with the higher `revision` counts. It refuses to know how a face shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.types import Finding, FixText, Match, Query, Status, Turn


@dataclass(frozen=True, slots=True)
class Loading:
    """Something must be loaded before the answer can go on; `what` is for a reader."""

    what: str


@dataclass(frozen=True, slots=True)
class Understood:
    """What was read from the paste (masked), before anything is searched."""

    query: Query


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Matches, best first. `final` is false while the dense search or a reranker is under way."""

    matches: tuple[Match, ...]
    status: Status
    final: bool


@dataclass(frozen=True, slots=True)
class Fix:
    """The fix to show, or None when a later result took it back. Highest `revision` counts."""

    fix: FixText | None
    revision: int


@dataclass(frozen=True, slots=True)
class Offered:
    """Probes that can tell more about this question, by id, the most telling first."""

    probes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Two entries fit nearly alike: what tells them apart, and their ids in the order of the
    letters A and B. The next text of the person may be the answer."""

    text: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe's finding."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Sentence:
    """A checked sentence of the model or a fixed one, with what it rests on: ids of entries and
    checks, or a place such as 'line 7 of your text'."""

    text: str
    citations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sentence of the model that did not pass the check; shown only on request."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the reader; `level` 'info' or 'warning'."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer. `seconds` by stage: read, retrieve, probe, fix, first_token, total.

    `first_token` is when the model gave its first piece, `first_sentence` when the first checked
    sentence was ready; absent keys were not reached. `backend` names who wrote the sentences, '' if
    there are none.
    """

    turn: Turn
    status: Status
    backend: str
    seconds: tuple[tuple[str, float], ...]


Event = (
    Loading
    | Understood
    | Retrieved
    | Fix
    | Offered
    | Question
    | Probed
    | Sentence
    | Dropped
    | Notice
    | Done
)
