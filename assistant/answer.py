"""The answer to a retrieved entry: the fix at once, then the model's checked sentences.

The fix is the guide's own text and code. The model's words go through `grounding`, sentence by
sentence; what does not pass is counted, never shown as text. Knows backends as a port only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from assistant.case import case_values, describe_case
from assistant.events import Dropped, Notice, Sentence
from assistant.evidence import contradicts, find_objections, weigh_causes
from assistant.grounding import find_fault
from assistant.grounds import Grounds, build_grounds
from assistant.overlap import find_unsupported
from assistant.prompts import build_prompt
from assistant.slots import aim_pip, fill, fill_code
from assistant.types import (
    Backend,
    Conversation,
    Entry,
    Finding,
    FixText,
    Message,
    Query,
    Retrieval,
    Turn,
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


def build_fix(
    entry: Entry, query: Query | None = None, findings: Sequence[Finding] = ()
) -> FixText:
    """The entry's fix as the guide words it, with this person's values in its slots.

    A ladder: what to do in one or two lines, with its code if that is short; what the paste says
    about this case; the causes, with what the findings say about each; then the rest. `blocks` are
    the fix's code, filled in the same way.
    """
    values = slot_values(query, findings)
    lead = _lead(entry, query, findings)
    if entry.kind != "error":
        first, _, rest = _answer_first(entry).partition("\n\n")
        return _filled(entry, "\n\n".join(filter(None, (lead, first, _case(query), rest))), values)
    before, code, after = _split_lead(entry.solution.strip())
    parts = [lead, before, code, _case(query), _causes(entry, query, findings), after]
    if entry.check.strip():
        parts.append(f"**How to see that it worked:**\n\n{entry.check.strip()}")
    return _filled(entry, "\n\n".join(part for part in parts if part), values)


def slot_values(query: Query | None, findings: Sequence[Finding]) -> dict[str, str]:
    """Values for slots: facts of the paste, and from probes the interpreter they looked at."""
    values = case_values(query) if query is not None else {}
    for finding in findings:
        if finding.clues:  # of another Python than the learner's there are none
            values |= {kind: value for kind, value in finding.facts if kind == "python"}
    return values


def _filled(entry: Entry, text: str, values: Mapping[str, str]) -> FixText:
    blocks = tuple(
        replace(block, code=fill_code(block.code, values, language=block.language))
        for block in entry.blocks
    )
    filled = fill(text, values)
    python = values.get("python", "")
    if python.startswith("/"):
        filled = aim_pip(filled, python)
        blocks = tuple(replace(block, code=aim_pip(block.code, python)) for block in blocks)
    return FixText(entry.id, filled, blocks)


def _lead(entry: Entry, query: Query | None, findings: Sequence[Finding]) -> str:
    """What must be known before the fix is tried: findings that speak against it, and what then."""
    against = find_objections(entry, query, findings)
    if not against:
        return ""
    said = " ".join(clue.text for clue in against[:3])
    steps = dict.fromkeys(f.next for f in findings if set(f.clues) & set(against) and f.next)
    place = next((f.where for f in findings if set(f.clues) & set(against)), "")
    where = f" (Looked at: {place}.)" if place else ""
    return f"**It is probably something else.** {' '.join([said + where, *steps])}"


def _case(query: Query | None) -> str:
    """What the paste says about this case."""
    said = " ".join(describe_case(query)) if query is not None else ""
    return f"**Your case:** {said}" if said else ""


_RULINGS = {"confirmed": "a check confirms this", "ruled_out": "a check speaks against this"}


def _causes(entry: Entry, query: Query | None, findings: Sequence[Finding]) -> str:
    lines = [
        f"{cause.cause} *({_RULINGS[cause.ruling]}: {cause.text})*" if cause.ruling else cause.cause
        for cause in weigh_causes(entry, query, findings)
    ]
    if len(lines) == 1:
        return f"**Why it happens:** {lines[0]}"
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return f"**Why it happens:**\n\n{numbered}" if lines else ""


_SHORT = 8  # lines of code that may stand between what to do and why
_FIRST_FENCE = re.compile(r"\s*^(```|~~~)(?P<language>\w*)(?:.|\n)*?^\1[ \t]*$", re.MULTILINE)
_RUN = frozenset({"bash", "sh", "shell", "console", "zsh"})
_SYMPTOMS = re.compile(
    r"\A\*\*Symptoms?(?::\*\*|\*\*\s*:).*?(?=\n\s*\n(?!\s*[-*+] )|\Z)", re.DOTALL
)


def _split_lead(solution: str) -> tuple[str, str, str]:
    """What to do in words, the code that comes with it, the rest. A solution that begins with code
    is told in one line; longer code comes last, unless the words announce it."""
    first, _, rest = solution.partition("\n\n")
    code = _FIRST_FENCE.match(solution)
    if code is not None:
        words = "Run this:" if code["language"].lower() in _RUN else "Do it like this:"
        return words, code[0].strip(), solution[code.end() :].strip()
    if first.lstrip().startswith(("-", "*", "1", "|", "#")) and not first.startswith("**"):
        return "", "", solution
    code = _FIRST_FENCE.match(rest)
    is_short = code is not None and code[0].strip().count("\n") - 1 <= _SHORT
    if code is None or not (is_short or first.rstrip().endswith(":")):
        return first, "", rest.strip()
    return first, code[0].strip(), rest[code.end() :].strip()


def _answer_first(entry: Entry) -> str:
    """A question's or procedure's text; symptoms that stand before the answer go behind it."""
    body = entry.body.strip()
    symptoms = _SYMPTOMS.match(body)
    if symptoms is None:
        return body
    rest = re.sub(r"\A\*\*Solution(?::\*\*|\*\*\s*:)\s*", "", body[symptoms.end() :].strip())
    return f"{rest}\n\n{symptoms[0].strip()}"


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


def prompt_of(turn: Turn, entry: Entry, *, tiny: bool) -> tuple[Message, ...]:
    """The prompt that a first question's answer was explained from; masked, as the query is."""
    return build_prompt(turn.query, entry, findings=turn.findings, tiny=tiny)


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
        if contradicts(sentence, query, findings):
            return Dropped(sentence, "a check found the opposite")
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
