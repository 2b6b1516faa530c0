"""What has been said so far to one question. It refuses to know how it was found out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant.types import Conversation, Finding, FixText, Query, Retrieval, Snapshot


@dataclass(slots=True)
class Progress:
    """What has been sent so far for one question; lives as long as its stream."""

    started: float
    query: Query
    conversation: Conversation
    retrieval: Retrieval = field(default_factory=lambda: Retrieval((), "abstain"))
    fix: FixText | None = None
    revision: int = -1
    sentences: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    backend: str = ""
    snapshot: Snapshot | None = None
    is_followup: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str, since: float | None = None) -> None:
        """Note the seconds of a stage: since `since`, or since the question came."""
        now = time.perf_counter()
        self.seconds.setdefault(stage, round(now - (since or self.started), 4))

    def known_findings(self) -> Sequence[Finding]:
        """What was found in this conversation, the latest of each probe and place, oldest first."""
        turns = self.conversation[-3:]
        earlier = [finding for turn in turns for finding in turn.findings]
        latest = {(f.id, f.where): f for f in (*earlier, *self.findings)}
        return list(latest.values())


def paths_of(query: Query) -> Sequence[str]:
    """Files of the pasted traceback's frames: they tell which environment it comes from."""
    return [frame.file for exception in query.exceptions for frame in exception.frames]
