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
from assistant.evidence import contradicts, find_objections, relevant_clues, weigh_causes
from assistant.grounding import find_fault
from assistant.grounds import Grounds, build_grounds
from assistant.overlap import find_unsupported
from assistant.prompts import build_prompt
from assistant.quoting import is_harmless
from assistant.slots import aim, aim_code, fill, fill_code
from assistant.types import (
    Backend,
    CodeBlock,
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
    entry = fill_entry(entry, values)
    lead = _lead(entry, query, findings)
    if entry.kind != "error":
        first, _, rest = _answer_first(entry).partition("\n\n")
        return _fix(entry, [lead, first, _case(query), rest])
    before, code, after = _split_lead(entry.solution.strip())
    found = "" if lead else _found(entry, query, findings)
    parts = [lead, before, code, _case(query), found, _causes(entry, query, findings), after]
    if entry.check.strip():
        parts.append(f"**How to see that it worked:**\n\n{entry.check.strip()}")
    return _fix(entry, parts)


def slot_values(query: Query | None, findings: Sequence[Finding]) -> dict[str, str]:
    """Values for slots: facts of the paste, and from probes the interpreter they looked at."""
    values = case_values(query) if query is not None else {}
    for finding in findings:
        python = dict(finding.facts).get("python", "")
        # of another Python than the learner's there are no clues; a pasted one may be any program
        if finding.clues and not finding.pasted and _PYTHON.fullmatch(python):
            values["python"] = python
    return values


# /opt/venv/bin/python3.12: nothing else becomes the first word of a command
_PYTHON = re.compile(r"/(?:[\w.+@ -]+/)*python[\d.]*")


def fill_entry(entry: Entry, values: Mapping[str, str]) -> Entry:
    """The entry for one reader: its slots filled, its shell lines for the Python looked at."""
    written, python = entry.template or entry, values.get("python", "")

    def said(text: str) -> str:
        filled = fill(text, values)
        return aim(filled, python) if python.startswith("/") else filled

    def done(block: CodeBlock) -> CodeBlock:
        code = fill_code(block.code, values, language=block.language)
        if python.startswith("/"):
            code = aim_code(code, python, language=block.language)
        return replace(block, code=code)

    return replace(
        written,
        body=said(written.body),
        solution=said(written.solution),
        causes=tuple(said(cause) for cause in written.causes),
        check=said(written.check),
        blocks=tuple(done(block) for block in written.blocks),
    )


def _fix(entry: Entry, parts: Sequence[str]) -> FixText:
    return FixText(entry.id, "\n\n".join(part for part in parts if part), entry.blocks)


def _lead(entry: Entry, query: Query | None, findings: Sequence[Finding]) -> str:
    """What must be known before the fix is tried: findings that speak against it, and what then."""
    against = find_objections(entry, query, findings)
    if not against:
        return ""
    said = " ".join(_inert(clue.text) for clue in against[:3])
    steps = dict.fromkeys(f.next for f in findings if set(f.clues) & set(against) and f.next)
    place = next((f.where for f in findings if set(f.clues) & set(against)), "")
    where = f" (Looked at: {_inert(place)}.)" if place else ""
    return f"**It is probably something else.** {' '.join([said + where, *map(_inert, steps)])}"


def _found(entry: Entry, query: Query | None, findings: Sequence[Finding]) -> str:
    """What checks say is to be done here: the process to end, the place of the missing file.

    Those count that confirm a cause, or speak of the very file that the paste misses."""
    clues = {c for c in relevant_clues(entry, query, findings) if c.ruling == "confirmed"}
    files = (
        {f.value.rpartition("/")[2] for f in query.facts if f.kind == "missing_file"}
        if query
        else ()
    )
    steps = [
        f"- {_inert(f.next)} (Looked at: {_inert(f.where)}.)"
        for f in findings
        if f.next and (clues & set(f.clues) or any(name and name in f.summary for name in files))
    ]
    return "\n".join(["**On your machine:**\n", *dict.fromkeys(steps)]) if steps else ""


def _case(query: Query | None) -> str:
    """What the paste says about this case."""
    said = " ".join(describe_case(query)) if query is not None else ""
    return f"**Your case:** {said}" if said else ""


_RULINGS = {"confirmed": "a check confirms this", "ruled_out": "a check speaks against this"}


def _causes(entry: Entry, query: Query | None, findings: Sequence[Finding]) -> str:
    """The causes; once a check has decided one, each says what checks say about it."""
    causes = weigh_causes(entry, query, findings)
    rest = "*(no check has decided this)*" if any(c.ruling for c in causes) else ""
    lines = [
        f"{c.cause} " + (f"*({_RULINGS[c.ruling]}: {_inert(c.text)})*" if c.ruling else rest)
        for c in causes
    ]
    lines = [line.strip() for line in lines]
    if len(lines) == 1:
        return f"**Why it happens:** {lines[0]}"
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return f"**Why it happens:**\n\n{numbered}" if lines else ""


# what makes links, pictures, HTML, emphasis of a text; "_" only where it stands outside a name
_MARKS = re.compile(r"[\\`*\[\]]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w)")
_ADDRESS = re.compile(r"(?<=:)(?=//)")
_SPAN = re.compile(r"(`[^`\n]{1,200}`)")


def _inert(text: str) -> str:
    """A finding's words, as Markdown that shows them and no more.

    They hold names of a foreign program, or were pasted: no address becomes a link, and code spans
    stay only if they run nothing.
    """
    pieces = _SPAN.split(" ".join(text.split()))
    return "".join(
        piece if _SPAN.fullmatch(piece) and is_harmless(piece[1:-1]) else _escape(piece)
        for piece in pieces
    )


def _escape(text: str) -> str:
    plain = text[1:-1] if _SPAN.fullmatch(text) else text
    return _ADDRESS.sub(" ", _MARKS.sub(r"\\\g<0>", plain))


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
    entry = fill_entry(entry, slot_values(turn.query, turn.findings))
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
    values = slot_values(query, findings)
    # a name of the paste in a slot must not count as the guide's: it could stand after "install"
    safe = {kind: value for kind, value in values.items() if kind == "python" or value.isdigit()}
    grounds = build_grounds([fill_entry(entry, safe)], query, findings)
    entry = fill_entry(entry, values)
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
