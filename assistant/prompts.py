"""Prompts from data files: what the language model gets to see, within a budget.

The entry and what matters of the paste, nothing else: never whole logs, never secrets (the query is
masked already). Knows no model: tokens are counted from above, so that they fit whatever tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from assistant.types import Conversation, Entry, Finding, Message, Query
from assistant.wording import plain_markdown

# a line that looks like the end of the place where the paste stands
_RULER, _ONE = re.compile(r"^([ \t]*=)[= \t]+$", re.MULTILINE), r"\1"
# Tokens, counted from above: causes and solution each, the paste, one line of facts, the parts of
# the tiny prompt. BUDGET is what all of it may take, the frame included.
BUDGET = 1900
_ENTRY, _PASTE, _LINE, _TINY_ERROR, _TINY_CAUSE = 400, 360, 50, 90, 140
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
    user = _data("tiny-user.md").format(
        error=_cut(asked.rstrip(": "), _TINY_ERROR), cause=_cut(cause, _TINY_CAUSE)
    )
    return (Message("system", _data("tiny-system.md").strip()), Message("user", user.strip()))


# what tokenizers make a token of at most: three letters, one digit, one mark, a byte of the rest
_TOKENS = re.compile(r"[A-Za-z]{1,3}|\s+|.", re.DOTALL)


def count_tokens(text: str) -> int:
    """Return at least as many tokens as a tokenizer of a language model makes of `text`."""
    return sum(_size(found[0]) for found in _TOKENS.finditer(text))


def _size(piece: str) -> int:
    if piece == " ":
        return 0  # a space belongs to the word behind it
    return 1 if piece.isascii() else len(piece.encode())


def _entry_text(entry: Entry) -> str:
    causes = "\n".join(f"Cause: {cause}" for cause in entry.causes)
    return f"{_cut(causes, _ENTRY)}\n{_cut(entry.solution, _ENTRY)}".strip()


def _paste_text(query: Query) -> str:
    """The words and the exception. The exception comes first in need: it is reduced by whole lines,
    never cut in the middle, and the words share what is left."""
    exception = query.exception
    if exception is None:
        return _cut(query.text, _PASTE)
    last = reduce_exception(f"{exception.name}: {exception.message}".rstrip(": "), _PASTE)
    words = _cut(query.words, max(40, (_PASTE - count_tokens(last)) // 2))
    return f"{words}\n{_RULER.sub(_ONE, last)}".strip()


def reduce_exception(text: str, tokens: int) -> str:
    """An exception of at most so many tokens: its first lines whole, the rest counted. Of a first
    line that is too long by itself the beginning stays, up to the end of a word."""
    if count_tokens(text) <= tokens:
        return text
    lines = text.splitlines()
    kept = [lines[0] if count_tokens(lines[0]) <= tokens else _cut(lines[0], tokens)]
    room = tokens - count_tokens(kept[0]) - 8
    for line in lines[1:]:
        room -= count_tokens(line) + 1
        if room < 0:
            break
        kept.append(line)
    left_out = len(lines) - len(kept)
    return "\n".join([*kept, *([f"[{left_out} more lines]"] if left_out else [])])


def _facts_text(query: Query, findings: Sequence[Finding], conversation: Conversation) -> str:
    lines = [
        f"{_FACT_NAMES[fact.kind]}: {_cut(fact.value, _LINE)}"
        for fact in query.facts
        if fact.kind in _FACT_NAMES
    ][:8]
    lines += [f"Found on this machine ({f.id}): {_cut(f.summary, _LINE)}" for f in findings[:4]]
    if conversation and conversation[-1].query.text:
        lines.append(f"Asked before: {_cut(conversation[-1].query.text, _LINE)}")
    return "\n".join(lines)


def _cut(text: str, tokens: int) -> str:
    """The beginning of a text, up to the end of a word, in at most so many tokens."""
    text = text.strip()
    if count_tokens(text) > tokens:
        room, end = tokens, 0
        for piece in _TOKENS.finditer(text):
            room -= _size(piece[0])
            if room < 0:
                break
            end = piece.end()
        text = f"{text[:end].rsplit(maxsplit=1)[0] if ' ' in text[:end] else text[:end]} …"
    return _RULER.sub(_ONE, text)


def _data(name: str) -> str:
    return (resources.files("assistant.data") / "prompts" / name).read_text("utf-8")
