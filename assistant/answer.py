"""The answer to a retrieved entry: the fix at once, then the model's checked sentences.

The fix is the guide's own text and code. The model's words go through `grounding`, sentence by
sentence; what does not pass is counted, never shown as text. Knows backends as a port only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from assistant.events import Dropped, Notice, Sentence
from assistant.grounding import Grounds, build_grounds, find_fault
from assistant.overlap import find_unsupported
from assistant.prompts import build_prompt
from assistant.types import (
    Backend,
    Conversation,
    Entry,
    Finding,
    FixText,
    Query,
    Retrieval,
    Waiting,
)
from assistant.wording import take_sentences

ABOUT = (
    "I find the fix for an error in the course's troubleshooting guide. Paste a traceback or ask a "
    "question in your own words; I show the guide's fix at once and explain it for your code.",
    "I run on this machine only. The four buttons run fixed, read-only checks; nothing that you "
    "type is ever run. Passwords and tokens in a paste are masked before anything else happens, "
    "and nothing is sent to the internet.",
)
EMPTY = (
    "There is nothing to look up yet. Paste the error (its last lines matter most) or ask a "
    "question."
)


def build_fix(entry: Entry) -> FixText:
    """The entry's fix as the guide words it: for an error its solution first, then the cause."""
    if entry.kind != "error":
        return FixText(entry.id, entry.body.strip(), entry.blocks)
    parts = [entry.solution.strip()]
    if entry.causes:
        several = "\n\n" + "\n".join(f"- {cause}" for cause in entry.causes)
        why = f" {entry.causes[0]}" if len(entry.causes) == 1 else several
        parts.append(f"**Why it happens:**{why}")
    if entry.check.strip():
        parts.append(f"**How to see that it worked:**\n\n{entry.check.strip()}")
    return FixText(entry.id, "\n\n".join(parts), entry.blocks)


def abstention(query: Query, retrieval: Retrieval) -> tuple[str, ...]:
    """What to say when no entry is good enough: what was understood, what to do next."""
    exception = query.exception
    if exception is not None:
        said = f"{exception.name}: {exception.message}".rstrip(": ").partition("\n")[0][:160]
        first = f"The guide has no entry for this error. I read: {said}"
    else:
        first = "The guide has no entry that answers this."
    nearest = "; ".join(match.title for match in retrieval.matches[:3])
    second = f"The nearest entries, which may not fit: {nearest}." if nearest else ""
    third = (
        "Next: paste the whole traceback with its last line, or press a check to see what this "
        "machine says."
    )
    return tuple(part for part in (first, second, third) if part)


def tailor(
    query: Query,
    entry: Entry,
    backend: Backend,
    *,
    findings: Sequence[Finding] = (),
    conversation: Conversation = (),
    cancel: threading.Event,
    on_first_token: Callable[[], None] = lambda: None,
) -> Iterator[Sentence | Dropped | Notice]:
    """Let the model explain the entry for this query, checked sentence by sentence.

    Raises BackendError (and BackendBusyError) when the model cannot speak.
    """
    grounds = build_grounds([entry], query, findings)
    prompt = build_prompt(
        query, entry, findings=findings, conversation=conversation, tiny=backend.is_tiny
    )
    said: set[str] = set()
    sources = f"{entry.title}\n{entry.body}\n{query.text}" if backend.is_tiny else ""

    def judge(sentence: str) -> Sentence | Dropped:
        return _judge(sentence, entry, grounds, said=said, sources=sources)

    buffer, spoke, poor = "", False, 0
    with closing(backend.generate(prompt, cancel=cancel)) as pieces:
        for piece in pieces:
            if isinstance(piece, Waiting):
                yield Notice(
                    f"The language model is busy: {piece.position} before you. "
                    "The fix above is complete."
                )
                continue
            if not spoke and piece.text.strip():
                spoke = True
                on_first_token()
            sentences, buffer = take_sentences(buffer + piece.text)
            for sentence in sentences:
                judged = judge(sentence)
                yield judged
                poor += isinstance(judged, Dropped)
                if backend.is_tiny and (isinstance(judged, Sentence) or poor >= _TINY_TRIES):
                    return  # what a tiny model says after its first good sentence is seldom true
    sentences, _ = take_sentences(buffer, at_end=True)
    for sentence in sentences:
        yield judge(sentence)


# a model that repeats the form it was asked in: "Cause in the guide: The weights …"
_LABEL = re.compile(r"^(?:.*\n)?\s*(?:Cause(?: in the guide)?|Answer|C|A):\s+", re.DOTALL)
_ECHO = re.compile(r"^(?:Error|E|Question|Why did this error happen)\b\s*[:?]")
_TINY_TRIES = 3


def _judge(
    sentence: str, entry: Entry, grounds: Grounds, *, said: set[str], sources: str
) -> Sentence | Dropped:
    """Keep or drop; with `sources` the sentence must also be made of their words."""
    sentence = _LABEL.sub("", sentence)
    reason = "it repeats the question" if _ECHO.match(sentence) else find_fault(sentence, grounds)
    if reason is None and sources:
        reason = find_unsupported(sentence, sources)
    if sentence.casefold() in said:
        reason = "it was said before"
    elif not sentence.rstrip("\"')*_ ").endswith((".", "!", "?", ":")):
        reason = reason or "the model stopped in the middle of it"
    said.add(sentence.casefold())
    return Dropped(sentence, reason) if reason else Sentence(sentence, (entry.id,))
