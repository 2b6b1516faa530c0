"""Prompts from data files: what the language model gets to see, within a budget.

The entry and what matters of the paste, nothing else: never whole logs, never secrets (the query is
masked already). Knows no model; sizes are in characters, about four to a token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from assistant.types import Conversation, Entry, Finding, Message, Query
from assistant.wording import plain_markdown

# a line that looks like the end of the place where the paste stands
_RULER = re.compile(r"^([ \t]*=)[= \t]+$", re.MULTILINE)
_ENTRY_CHARACTERS = 1200
_PASTE_CHARACTERS = 700
_FACT_NAMES = {
    "missing_module": "missing module",
    "missing_file": "missing file",
    "http_status": "HTTP status",
    "http_host": "host",
    "input_dtype": "dtype of the input",
    "weight_dtype": "dtype of the weights",
    "model_class": "model class",
    "size_a": "first size",
    "size_b": "second size",
    "memory_asked": "memory asked for",
    "memory_free": "memory free",
    "own_file": "their file",
    "own_line": "line",
    "own_code": "their code there",
}


def build_prompt(
    query: Query,
    entry: Entry,
    *,
    findings: Sequence[Finding] = (),
    conversation: Conversation = (),
    tiny: bool = False,
) -> tuple[Message, ...]:
    """System and user message. What is the same for everybody stands first.

    A tiny model is asked for the cause only: asked for more it makes things up, and given examples
    it repeats them as its answer (SmolLM2-135M, 14 development cases read by eye, 2026-11-22).
    """
    if tiny:
        return _tiny_prompt(query, entry)
    user = _data("user.md").format(
        title=entry.title,
        entry=_entry_text(entry),
        paste=_paste_text(query),
        facts=_facts_text(query, findings, conversation),
    )
    return (Message("system", _data("system.md").strip()), Message("user", user.strip()))


def _tiny_prompt(query: Query, entry: Entry) -> tuple[Message, ...]:
    exception = query.exception
    asked = query.text if exception is None else f"{exception.name}: {exception.message}"
    cause = " ".join(entry.causes) or plain_markdown(entry.solution)
    user = _data("tiny-user.md").format(error=_cut(asked.rstrip(": "), 240), cause=_cut(cause, 420))
    return (Message("system", _data("tiny-system.md").strip()), Message("user", user.strip()))


def _entry_text(entry: Entry) -> str:
    causes = "\n".join(f"Cause: {cause}" for cause in entry.causes)
    return f"{_cut(causes, _ENTRY_CHARACTERS)}\n{_cut(entry.solution, _ENTRY_CHARACTERS)}".strip()


def _paste_text(query: Query) -> str:
    """The words and the exception; a long message keeps its beginning, which says what is wrong."""
    exception = query.exception
    if exception is None:
        return _cut(query.text, _PASTE_CHARACTERS)
    last = f"{exception.name}: {exception.message}".rstrip(": ")
    words = _cut(query.words, _PASTE_CHARACTERS // 2)
    return f"{words}\n{_cut(last, _PASTE_CHARACTERS)}".strip()


def _facts_text(query: Query, findings: Sequence[Finding], conversation: Conversation) -> str:
    lines = [
        f"{_FACT_NAMES[fact.kind]}: {_cut(fact.value, 160)}"
        for fact in query.facts
        if fact.kind in _FACT_NAMES
    ][:8]
    lines += [f"Found on this machine ({f.id}): {_cut(f.summary, 200)}" for f in findings[:4]]
    if conversation and conversation[-1].query.text:
        lines.append(f"Asked before: {_cut(conversation[-1].query.text, 160)}")
    return "\n".join(lines)


def _cut(text: str, limit: int) -> str:
    text = text.strip()
    cut = text if len(text) <= limit else f"{text[:limit].rsplit(maxsplit=1)[0]} …"
    return _RULER.sub(r"\1", cut)


def _data(name: str) -> str:
    return (resources.files("assistant.data") / "prompts" / name).read_text("utf-8")
