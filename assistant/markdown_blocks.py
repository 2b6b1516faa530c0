"""Markdown text to its top-level blocks with line numbers, code fences kept as tokens.

Knows Markdown (markdown-it-py) and front matter; refuses to know what a guide or an entry is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_MARKS = re.compile(r"[`*]|\\(?=[\\`*_{}\[\]()#+.!-])")


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level Markdown block: lines `first`..`last` (1-based, inclusive) and its tokens."""

    kind: str
    first: int
    last: int
    text: str
    level: int = 0
    fences: tuple[Token, ...] = ()


def read_front_matter(lines: Sequence[str]) -> tuple[Mapping[str, object], int]:
    """YAML between '---' lines at the very top → (its mapping, number of lines to skip).

    What is not YAML at all is skipped with an empty mapping.
    """
    if not lines or lines[0].strip() != "---":
        return {}, 0
    for number in range(1, min(len(lines), 60)):
        if lines[number].strip() in {"---", "..."}:
            try:
                data = yaml.safe_load("\n".join(lines[1:number]))
            except (yaml.YAMLError, ValueError, RecursionError):
                return {}, number + 1
            return (data, number + 1) if isinstance(data, dict) else ({}, 0)
    return {}, 0


def read_blocks(lines: Sequence[str], skip: int) -> list[Block]:
    """Top-level blocks in order, with 1-based line ranges trimmed of blank lines at their end."""
    source = "\n".join(["" if n < skip else line for n, line in enumerate(lines)])
    tokens = _MARKDOWN.parse(source)
    blocks: list[Block] = []
    for position, token in enumerate(tokens):
        if token.level != 0 or token.map is None:
            continue
        first, end = token.map[0] + 1, token.map[1]
        while end > first and not lines[end - 1].strip():
            end -= 1
        blocks.append(_block(tokens, position, first, end))
    return blocks


def _block(tokens: Sequence[Token], position: int, first: int, last: int) -> Block:
    token = tokens[position]
    inside = list(_inside(tokens, position))
    fences = tuple(t for t in inside if t.type in {"fence", "code_block"})
    text = next((t.content for t in inside if t.type == "inline"), "")
    names = {"heading_open": "heading", "paragraph_open": "paragraph", "hr": "hr"}
    kind = names.get(token.type, "list" if token.type.endswith("list_open") else token.type)
    level = int(token.tag[1]) if kind == "heading" else 0
    return Block(kind=kind, first=first, last=last, text=text, level=level, fences=fences)


def _inside(tokens: Sequence[Token], position: int) -> Iterable[Token]:
    """The token itself, and everything up to the one that closes it."""
    yield tokens[position]
    if tokens[position].nesting == 1:
        for token in tokens[position + 1 :]:
            if token.level == 0 and token.nesting == -1:
                return
            yield token


def is_closed(fence: Token, lines: Sequence[str]) -> bool:
    """Whether a code fence has its closing line."""
    assert fence.map is not None
    if fence.map[1] - fence.map[0] < 2:
        return False
    closing = lines[fence.map[1] - 1].strip().lstrip("> ")
    return set(closing) == {fence.markup[0]} and len(closing) >= len(fence.markup)


def plain_title(markdown: str) -> str:
    """Take marks, emoji and backticks out of a heading: '❌ `x`' becomes 'x'."""
    text = _MARKS.sub("", markdown)
    kept = [c for c in text if unicodedata.category(c) not in {"So", "Sk", "Cf", "Mn"} or c in "^`"]
    return " ".join("".join(kept).split())
