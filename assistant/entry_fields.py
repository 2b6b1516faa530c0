"""The fields of an entry: what its bold labels say is a symptom, a cause, the solution.

Knows the labels of troubleshooting guides; refuses to know where an entry begins and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from assistant.info_string import Info, parse_info
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
    "reproduce": "reproduce",
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
    """What the labels of one entry hold; `unknown` are (line, label) that no row knows.

    `proof` are the blocks with a role, `hidden` the lines of the reproduction, which is run but not
    shown, `faults` are (line, what is wrong with an info string).
    """

    symptoms: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    solution: str = ""
    check: str = ""
    sources: str = ""
    unproven: str = ""
    blocks: list[CodeBlock] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)
    proof: list[CodeBlock] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    faults: list[tuple[int, str]] = field(default_factory=list)


def read_fields(body: Sequence[Block], lines: Sequence[str]) -> Fields:
    """Sort the blocks of an entry by the bold label that stands before them.

    A fence by itself that reproduces or checks belongs there, whatever label stands before it.
    """
    fields = Fields()
    parts: dict[str, list[str]] = {}
    current = "solution"
    for block in body:
        codes = [_code(fence, block, fields) for fence in block.fences]
        place = _place_by_role(block, codes)
        for text in _labelled_parts(block, lines):
            current, text = _take_label(block, text, current, fields)
            if text.strip():
                parts.setdefault(place or current, []).append(text)
        if (place or current) == "solution":
            fields.blocks.extend(codes)
        if (place or current) == "reproduce":
            fields.hidden.update(range(block.first, block.last + 1))
        fields.proof.extend(code for code in codes if code.role)
    fields.symptoms = _items(parts.get("symptoms", []))
    fields.causes = _items(parts.get("causes", []))
    fields.solution = "\n\n".join(parts.get("solution", []))
    fields.check = "\n\n".join(parts.get("check", []))
    fields.sources = "\n\n".join(parts.get("sources", []))
    if not any(code.role == "reproduce" for code in fields.proof):
        fields.unproven = " ".join(" ".join(parts.get("reproduce", [])).split())
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


def _code(fence: Token, block: Block, fields: Fields) -> CodeBlock:
    info = parse_info(fence.info) if fence.type == "fence" else Info("")
    line = (fence.map[0] + 1) if fence.map else block.first
    fields.faults.extend((line, fault) for fault in info.faults)
    code = fence.content.rstrip("\n")
    return CodeBlock(info.language, code, line, role=info.role, terms=info.terms)


def _place_by_role(block: Block, codes: Sequence[CodeBlock]) -> str:
    """Where a fence that stands by itself belongs, if its role says so."""
    role = codes[0].role if block.kind == "fence" and codes else ""
    return role if role in {"reproduce", "check"} else ""


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
