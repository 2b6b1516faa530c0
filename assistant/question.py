"""The one question that tells two near entries apart: which of these do you see?

Pure: entries in, a text out, all of it the guide's own words. It refuses to know how near is
measured, and how the answer is read (conversation.py does).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assistant.events import Question
from assistant.followup import read_apart
from assistant.types import Entry, Retrieval

NEAR = 0.6  # of the first match's confidence: closer than this, the first is hardly better
_LONGEST = 160
_ANSWER = "Answer A, B or neither."
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def find_question(retrieval: Retrieval, entries: Mapping[str, Entry]) -> Question | None:
    """The question on the first two matches of a likely answer; None where one is far ahead.

    A procedure is no rival: one does not see it.
    """
    if retrieval.status != "likely" or len(retrieval.matches) < 2:
        return None
    first, second = retrieval.matches[:2]
    if second.confidence <= NEAR * first.confidence:
        return None
    rivals = [entries[match.id] for match in (first, second) if match.id in entries]
    if len(rivals) < 2 or any(entry.kind == "procedure" for entry in rivals):
        return None
    return Question(build_question(*rivals), (first.id, second.id))


def build_question(first: Entry, second: Entry) -> str:
    """Ask which of two entries fits: a line for each with its title and what one sees; plain text.

    What one sees is the first symptom that the other does not have; without one, the first sentence
    of the guide on telling it apart; else the title stands alone.
    """
    sides = (("A", _describe(first, second)), ("B", _describe(second, first)))
    return "\n".join(["Which is it?", *(f"{letter}: {text}" for letter, text in sides), _ANSWER])


def _describe(entry: Entry, other: Entry) -> str:
    told = {_plain(text) for text in (*other.symptoms, other.title, entry.title)}
    own = next((text for text in entry.symptoms if _plain(text) not in told), "")
    title = _shorten(entry.title)
    if own:
        return f"{title} (you see: {_shorten(own)})"
    apart = "" if entry.symptoms else _SENTENCE_END.split(read_apart(entry), maxsplit=1)[0]
    return f"{title} ({_shorten(apart)})" if apart else title


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
