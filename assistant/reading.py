"""Raw text to a `Query`: cleaned, masked, its exceptions and facts found, its kind told.

The one entrance for everything that a person hands over; nothing behind it sees the original.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from assistant.facts import find_facts
from assistant.glossary import gloss
from assistant.inputs import CleanText, clean_text
from assistant.lines import Lines, prompt_end
from assistant.redact import redact
from assistant.tracebacks import parse_exceptions, pick_cause
from assistant.types import ExceptionText, Query, QueryKind
from assistant.unwrap import unwrap

_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|hallo|hola|yo|good (?:morning|evening|afternoon)|thanks?(?: you)?|thx|"
    r"ok(?:ay)?|bye|test|你好|ciao|salut)"
    r"(?:\s+(?:there|all|everyone|bot|assistant|a lot|so much))?\W*$",
    re.IGNORECASE,
)
_ABOUT_US = re.compile(
    r"^\W*(?:(?:who|what) are you|"
    r"what (?:is|are|can|do) (?:you|this (?:app|assistant|tool|bot|page|chat))\b"
    r"(?!.{0,60}\b(?:error|model|train|loss)).{0,80}|"
    r"what (?:do|does) (?:you|it) (?:store|save|log|run|do|know)\b.{0,60}|"
    r"do you (?:store|save|log|send|keep|run)\b.{0,60}|"
    r"(?:are|is) (?:you|this) (?:a bot|an ai|human|chatgpt)\b.{0,40}|"
    r"help|how do i use (?:you|this(?: \w+)?)|where does my (?:data|text|paste) go)\W*$",
    re.IGNORECASE,
)
_LOG_LINE = re.compile(
    r"^[ \t]{0,40}(?:\[?\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\[ {0,6}\d{1,9}\.\d{6}\] |"
    r"\[?(?:INFO|WARN|WARNING|ERROR|DEBUG|CRITICAL)\b|"
    r"epoch\s*[\[ ]?\d+|image \d+/\d+|\d+: \d+x\d+ )",
    re.IGNORECASE | re.MULTILINE,
)


def read_query(raw: str | CleanText) -> Query:
    """Read a paste. Never raises; linear in its length. The result holds masked text only."""
    clean = clean_text(raw) if isinstance(raw, str) else raw
    text = redact(unwrap(clean.text)).strip("\n")
    exceptions = parse_exceptions(text)
    cause = pick_cause(text, exceptions)
    kind, words = _kind(text, exceptions), _words(text, exceptions)
    return Query(
        text=text,
        kind=kind,
        words=words,
        exceptions=exceptions,
        cause=cause,
        facts=find_facts(text, exceptions, cause=cause),
        notices=(*clean.notices, *_language(kind, words)),
    )


def _language(kind: QueryKind, words: str) -> tuple[str, ...]:
    """Say that words of another language are read one by one, so that nobody expects more."""
    told = None if kind == "smalltalk" else gloss(words[:_TOLD]).language
    return (f"Read as {told}, word by word. The answer is in English.",) if told else ()


def _kind(text: str, exceptions: tuple[ExceptionText, ...]) -> QueryKind:
    stripped = text.strip()
    if not stripped:
        return "empty"
    if _GREETING.match(stripped) or _ABOUT_US.match(stripped):
        return "smalltalk"
    if any(exception.frames for exception in exceptions):
        return "traceback"
    if exceptions:
        return "message"
    return "log" if len(_LOG_LINE.findall(stripped)) >= 2 else "text"


_TOLD = 700  # characters that tell the language
_HEAD, _TAIL = 300, 700  # lines
_MACHINE_LINE = re.compile(
    r"^\s*(?:File \"|Traceback|\^|~|-{3,}|={3,}|\.{3}|[│╭╰┃]|>>>|\$ |In \[|\d+\s|-+>|"
    r"Cell In|The above exc|During handling|\+-|Exception ignored |Exception in thread |"
    r"Process \S{1,40}:$|Task exception was never|future: <|(?:Current t|T)hread \dx|"
    r"\S{1,80}RemoteTraceback:|"
    r"\S{1,300}\.py:\d{1,9}:(?:$| in \S{1,200}$| [\w.]{1,200}(?:Error|Exception|Exit)\b)|"
    r"[`~]{3,}\w{0,12}$|"
    # pytest: "..F [100%]", "___ test_x ___", "FAILED test_x.py::test_x - …", "1 failed in 0.1s"
    r"[.FEsxX]{1,200}\s{1,300}\[\s{0,3}\d{1,3}%\]$|_{3,}|(?:_ ){3,}|!{3,}|"
    r"(?:FAILED|ERROR) \S{1,300}\.py\b|\d{1,6} (?:failed|passed|errors?)\b.{0,120} in [\d.]{1,9}s|"
    r"platform \w{1,20} -- Python|(?:rootdir|plugins|configfile): |collected \d{1,6} items?\b|"
    r"ImportError while importing test module)"
    r"|^\s{4,}\S|^\W*$"
)


def _words(text: str, exceptions: tuple[ExceptionText, ...]) -> str:
    """What the person wrote around the paste: the lines outside exceptions and frames."""
    if not exceptions:
        return text.strip()
    kept, index, traceback_open = [], 0, False
    lines = Lines(text)
    places: Sequence[int] = range(len(lines))
    if len(lines) > _HEAD + _TAIL:  # nobody writes in the middle of a long log
        places = [*places[:_HEAD], *places[-_TAIL:]]
    is_machine_line = cache(_is_machine_line)
    for at in places:
        bare, form = lines[at], lines.forms[at]
        while index < len(exceptions) and exceptions[index].end <= bare.end - len(form):
            index += 1
        # a name alone, "KeyError when I load …", is no last line: the rest are the person's words
        inside = index < len(exceptions) and (
            exceptions[index].start <= bare.start
            and bare.start + len(bare.text) <= exceptions[index].end
        )
        if inside or "Traceback (most" in bare.text:
            traceback_open = "Traceback (most" in bare.text
        elif not traceback_open and not is_machine_line(form, lines.bare[form]):
            kept.append(lines.rows[at].strip())
    return "\n".join(kept).strip()


def _is_machine_line(*forms: str) -> bool:
    return any(
        _MACHINE_LINE.match(form) or prompt_end(form) >= len(form.rstrip()) for form in forms
    )
