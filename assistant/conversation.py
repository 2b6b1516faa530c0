"""Follow-up turns: "it still fails", "what about the second one?", "B", "why?" after an answer.

Only short texts that name nothing new count; a new paste or a full question starts a new
diagnosis. It refuses to know entries: it says which of the earlier matches is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from assistant.types import Conversation, Query, Turn

_WORDS = 14  # a longer text says something of its own
_FAILED = re.compile(
    r"^\W*(?:(?:ok|no|nope|hm+|sorry|well|but|and|thanks)\W+)*"
    r"(?:(?:it|this|that|the fix|your fix|the solution)\s+)?"
    r"(?:(?:is|was|does|do|did)\s*(?:n[o']?t|not)?\s*)?(?:still\s+)?(?:the\s+)?"
    r"(?:fails?|failing|failed|same(?: error| problem| message| thing)?|broken|not working|"
    r"(?:n't|not) (?:work|help|fix)(?:ed|ing|s)?|no (?:change|difference|luck)|"
    r"does ?n[o']?t (?:work|help)|did ?n[o']?t (?:work|help|fix it)|"
    r"work(?:s|ed)? not|tried (?:that|it|this)(?: already)?|happens again|what else|"
    r"(?:any ?thing|something) else|next(?: one)?|other (?:idea|option|cause)s?)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\b(?:the\s+)?(?P<word>first|second|third|2nd|3rd|other)\s*"
    r"(?:one|option|entry|candidate|cause|fix|match|answer)?\s*\W*$",
    re.IGNORECASE,
)
_ASKS = re.compile(r"^\W*(?:and|what about|how about|show(?: me)?|try|the|is it)\b", re.IGNORECASE)
_WHY = re.compile(
    r"^\W*(?:but\s+)?(?:why(?:\s+(?:is that|does (?:it|that|this) (?:happen|help|work)|that|so))?|"
    r"how come|what does (?:that|it|this) mean|explain(?: (?:that|it|this|more))?|"
    r"tell me more|more details?)\W*$",
    re.IGNORECASE,
)
# "B", "b)", "it's A", "I think it is B", "option a, please"
_LETTER = re.compile(
    r"^\W*(?:(?:no|then|i|i'd|think|say|guess|it|it's|its|is|that|that's|the|answer|option|case|"
    r"rather|probably|more like)\W+)*(?P<letter>[ab])\b(?:\W+(?:please|fits|it is|one))?\W*$",
    re.IGNORECASE,
)
_NEITHER = re.compile(
    r"^\W*(?:neither|none|no+,? (?:neither|none))(?: of (?:them|these|those|the two|both))?"
    r"(?: fits?)?\W*$",
    re.IGNORECASE,
)
_PLACES = {"a": 0, "b": 1, "first": 0, "second": 1, "2nd": 1, "other": 1, "third": 2, "3rd": 2}


@dataclass(frozen=True, slots=True)
class FollowUp:
    """`turn` is the answer that is meant; `id` the entry to show now; `kind` what was asked for."""

    kind: Literal["failed", "numbered", "chosen", "why"]
    turn: Turn
    id: str


def read_followup(query: Query, conversation: Conversation) -> FollowUp | None:
    """Return which earlier match a short text means; None if it is a question of its own.

    After "it still fails" that is the best match that was not shown since that question was asked.
    """
    last = next((turn for turn in reversed(conversation) if turn.match_ids), None)
    text = query.text.strip()
    if last is None or query.exceptions or len(text.split()) > _WORDS or "\n" in text:
        return None
    if _WHY.match(text):
        return FollowUp("why", last, last.fix.entry) if last.fix else None
    if letter := _LETTER.match(text):
        return _choose(_first_for(last, conversation), letter["letter"].lower())
    numbered = _NUMBERED.search(text)
    if numbered and (_ASKS.match(text) or numbered.start() == 0):
        place = _PLACES[numbered["word"].lower()]
        if place < len(last.match_ids):
            return FollowUp("numbered", last, last.match_ids[place])
        return None
    neither = _NEITHER.match(text)
    if not neither and not _FAILED.match(text):
        return None
    shown = set(_shown_for(last, conversation)) | set(last.match_ids[:2] if neither else ())
    left = [id_ for id_ in last.match_ids if id_ not in shown]
    return FollowUp("failed", last, left[0] if left else "")


def _choose(turn: Turn, letter: str) -> FollowUp | None:
    """The letters are those of the first answer; what was shown since stands in another order."""
    place = _PLACES[letter]
    known = place < len(turn.match_ids)
    return FollowUp("chosen", turn, turn.match_ids[place]) if known else None


def _first_for(last: Turn, conversation: Conversation) -> Turn:
    """The answer that began the run of follow-ups which `last` ends."""
    first = last
    for turn in reversed(conversation):
        if turn.query != last.query:
            break
        first = turn
    return first


def _shown_for(last: Turn, conversation: Conversation) -> Iterable[str]:
    """Entries shown for the same question, this one and the follow-ups before it."""
    for turn in reversed(conversation):
        if turn.query != last.query and turn.match_ids != last.match_ids:
            return
        if turn.fix is not None:
            yield turn.fix.entry
