"""What of a query is compared with the knowledge: the person's words and the exception.

The person's words are read in English, whatever language they are in; the exception is as it is.
Library frames say where, not what; lines that a program printed by the dozen say nothing once they
have been seen. It refuses to know what the text is compared with.
"""

from __future__ import annotations

import re
from collections import Counter

from assistant.glossary import gloss
from assistant.lines import line_forms
from assistant.types import Query

_WORDS = 700  # characters of what a person wrote around an exception
_MESSAGE = 400  # of the exception
_TEXT = 1000  # of a text without an exception
_MANY = 40  # lines: a log with so many of a kind is a program's, not the person's
_OFTEN = 8
_FORM = 300  # characters of a line that tell its kind
_NUMBER = re.compile(r"\d[\d.]*")
# 2026-11-20 10:03:19,123 INFO …; [10:03:19] …; INFO:root:…; worker-0 | …
_LOGGED = re.compile(
    r"^\W{0,3}(?:\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|(?:INFO|DEBUG|TRACE|NOTICE)\b)", re.IGNORECASE
)
_TROUBLE = re.compile(r"\b(?:warn|error|fail|exception|critical|killed|fatal)", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]{2,}")


def search_text(query: Query) -> str:
    """Return the person's words in English and the exception that explains the failure."""
    exception = query.exception
    if exception is None:
        return gloss(_head_and_tail(condense(query.text), _TEXT)).text
    last = f"{exception.name.rpartition('.')[2]}: {exception.message}"[:_MESSAGE]
    words = gloss(_head_and_tail(condense(query.words), _WORDS)).text
    return f"{words}\n{last}".strip()


def condense(text: str) -> str:
    """Of lines that differ in numbers only the first two and the last stay; of a long log none.

    A long log that has nothing but such lines is treated like a short one.
    """
    lines = text.splitlines()
    alike = line_forms("\n".join(lines))[: len(lines)]  # of no line, none
    kinds = {line: _NUMBER.sub("#", line[:_FORM]).strip() for line in set(alike)}
    forms = [kinds[line] for line in alike]
    counts = Counter(form for form in forms if form)
    noisy = {line for line, form in kinds.items() if _is_noise(line, counts[form])}
    noise = {n for n, line in enumerate(alike) if line in noisy}
    if len(noise) >= _MANY:
        rest = [line for n, line in enumerate(lines) if n not in noise]
        if len(_LETTERS.findall(" ".join(rest))) >= 3:
            return "\n".join(rest)
    last = {form: number for number, form in enumerate(forms)}
    seen: Counter[str] = Counter()
    kept = []
    for number, (line, form) in enumerate(zip(lines, forms, strict=True)):
        seen[form] += 1
        if seen[form] <= 2 or last[form] == number or not form:
            kept.append(line)
    return "\n".join(kept)


def _is_noise(line: str, count: int) -> bool:
    """Whether a line is one of many of its kind, or an ordinary line of a log."""
    return count >= _OFTEN or (bool(_LOGGED.match(line)) and not _TROUBLE.search(line))


def _head_and_tail(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n{text[-limit // 2 :]}"
