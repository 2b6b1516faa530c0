"""The fields of an entry: what its bold labels say is a symptom, a cause, the solution.

Knows the labels of troubleshooting guides; refuses to know where an entry begins and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from assistant.markdown_blocks import Block, plain_title
from assistant.types import CodeBlock

# "**Cause**: text", "**Cause:** text", "**Causes**:", "**A**: text"
# and with more to it: "**Solution 2**:", "**Solution 2 (slow):**", "**Solution 2: Use less**"
_LABEL = re.compile(
    r"^\*\*(?P<name>[A-Za-z][A-Za-z' ]{0,30}?)"
    r"(?P<more>(?:\s*#?\d{1,2})?(?:\s*\([^)*\n]{1,60}\))?)\s*"
    r"(?::\*\*|\*\*\s*:|(?P<text>:[ \t][^*\n]{1,120}\*\*))[ \t]*"
)
_FENCE = re.compile(r"\s*(?:```|~~~)")

_FIELDS = {
    "symptom": "symptoms",
    "symptoms": "symptoms",
    "cause": "causes",
    "causes": "causes",
    "why": "causes",
    "solution": "solution",
    "solutions": "solution",
    "fix": "solution",
    "fixes": "solution",
    "a": "solution",
    "answer": "solution",
    "check": "check",
    "verify": "check",
    "sources": "sources",
    "source": "sources",
    "tell it apart": "apart",
    "why it works": "reason",
    "prevention": "reason",
    "note": "",
    "notes": "",
}


@dataclass(slots=True)
class Fields:
    """What the labels of one entry hold; `unknown` are (line, label) that no row knows."""

    symptoms: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    solution: str = ""
    check: str = ""
    sources: str = ""
    blocks: list[CodeBlock] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)


def read_fields(body: Sequence[Block], lines: Sequence[str]) -> Fields:
    """Sort the blocks of an entry by the bold label that stands before them."""
    fields = Fields()
    parts: dict[str, list[str]] = {}
    current = "solution"
    for block in body:
        for text in _labelled_parts(block, lines):
            current, text = _take_label(block, text, current, fields)
            if text.strip():
                parts.setdefault(current, []).append(text)
        if current == "solution":
            fields.blocks.extend(_code(fence, block) for fence in block.fences)
    fields.symptoms = _items(parts.get("symptoms", []))
    fields.causes = _items(parts.get("causes", []))
    fields.solution = "\n\n".join(parts.get("solution", []))
    fields.check = "\n\n".join(parts.get("check", []))
    fields.sources = "\n\n".join(parts.get("sources", []))
    return fields


def _labelled_parts(block: Block, lines: Sequence[str]) -> list[str]:
    """The block's text; a paragraph is cut before each line that begins with a known label."""
    text = "\n".join(lines[block.first - 1 : block.last])
    if block.kind not in {"paragraph", "answer"}:
        return [text]
    parts: list[str] = []
    for line in (block.text if block.kind == "answer" else text).split("\n"):
        label = _LABEL.match(line)
        if not parts or (label and label["name"].strip().lower() in _FIELDS):
            parts.append(line)
        else:
            parts[-1] = f"{parts[-1]}\n{line}"
    return parts


def _take_label(block: Block, text: str, current: str, fields: Fields) -> tuple[str, str]:
    """The field that `text` belongs to, and `text` without its label (kept if it says more)."""
    label = _LABEL.match(text) if block.kind in {"paragraph", "answer"} else None
    if label is None:
        return current, text
    name = label["name"].strip()
    known = _FIELDS.get(name.lower())
    if known is None:
        fields.unknown.append((block.first, name))
    says_more = label["more"] or label["text"]
    return known or current, text[label.end() :] if known and not says_more else text


def _code(fence: Token, block: Block) -> CodeBlock:
    language = fence.info.split()[0].lower() if fence.info.strip() else ""
    line = (fence.map[0] + 1) if fence.map else block.first
    return CodeBlock(language=language, code=fence.content.rstrip("\n"), line=line)


def _items(texts: Iterable[str]) -> list[str]:
    """List items, paragraphs and lines of code as plain one-line texts."""
    found: list[str] = []
    for text in texts:
        found.append("")
        fenced = False
        for line in text.split("\n"):
            item = re.sub(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+", "", line)
            if fence := _FENCE.match(item):
                fenced = not fenced
            if item != line or fence or fenced or not line.strip():
                found.append("")
            found[-1] += "" if fence else f" {item.strip()}"
    return [plain_title(item) for item in found if item.strip("`* ")]
