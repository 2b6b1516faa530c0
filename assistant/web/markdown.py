"""Markdown that is safe to show: data as data, a guide's Markdown without HTML.

Three ways in: `escape` (text that stays text), `fence` (a code block that nothing inside can
close) and `guide_markdown` / `sentence_markdown` (Markdown parsed and written anew, so that only
known constructs come out; of all images only the figures that we ship). It refuses to know
events, entries and Gradio.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from assistant.figures import is_figure

# Languages whose colouring is harmless; others (mermaid would draw) are shown as plain text.
LANGUAGES = frozenset(
    ("python", "bash", "console", "text", "json", "yaml", "toml", "ini", "diff", "dockerfile")
)
ALIASES = {"sh": "bash", "shell": "bash", "py": "python", "pycon": "python", "yml": "yaml"}

# Characters that mean something in Markdown: `*a*`, `[x](y)`, `<b>`, `a@b.c`, `$x$`;
# and `!`, which makes a picture of a link that follows it
_SPECIAL = re.compile(r"[\\`*_\[\]#|~@${}!]")
# Bare addresses that would become links: `https://x`, `www.x`
_AUTOLINK = re.compile(r"(?i)(?<=[a-z])(://)|(?<=\bwww)(\.)")
# What would start a list, a rule or an underlined heading: `- a`, `12. a`, `===`
_LINE_START = re.compile(r"(?m)^([ \t]*)([-+=]|\d+(?=[.)]))")
# Controls that hide, reorder or end something: bidi marks, zero width, line separators
_INVISIBLE = re.compile(r"[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")
_C0 = re.compile(r"[\x00-\x08\x0b-\x1f]")
_C1 = re.compile(r"[\x80-\x9f\ud800-\udfff]")
_BACKTICKS = re.compile(r"`+")

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")


def printable(text: str) -> str:
    """Make every character visible: controls become pictures, lone surrogates U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _C0.sub(lambda found: chr(0x2400 + ord(found[0])), text).replace("\x7f", "\u2421")
    text = _C1.sub("\ufffd", text)
    return _INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def escape(text: str) -> str:
    """Write text so that Markdown and HTML show it as it stands (line breaks are kept)."""
    text = _SPECIAL.sub(lambda found: "\\" + found[0], printable(text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _AUTOLINK.sub(lambda found: "\\" + found[0], text)
    return _LINE_START.sub(_escape_start, text)


def code(text: str) -> str:
    """Write text as inline code, on one line."""
    text = " ".join(printable(text).split("\n"))
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or text.strip() != text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}" if text.strip() else ""


def fence(text: str, *, language: str = "text") -> str:
    """Write text as a code block whose fence is longer than any run of backticks in it."""
    body = printable(text).rstrip("\n")
    ticks = "`" * max(3, _longest_run(body) + 1)
    name = ALIASES.get(language, language)
    return f"{ticks}{name if name in LANGUAGES else 'text'}\n{body}\n{ticks}"


def guide_markdown(text: str) -> str:
    """Write a guide's Markdown anew: no HTML, links only http(s), no image but our figures."""
    return _blocks(SyntaxTreeNode(_PARSER.parse(printable(text))).children, links=True)


def sentence_markdown(text: str) -> str:
    """Write a model's sentence as one line: emphasis and inline code only, no link, no image."""
    tokens = _PARSER.parseInline(" ".join(printable(text).split()))
    return _inlines(SyntaxTreeNode(tokens).children, links=False)


def _escape_start(found: re.Match[str]) -> str:
    """`- a` → `\\- a`; `12. a` → `12\\. a` (the dot itself follows the match)."""
    return f"{found[1]}{found[2]}\\" if found[2].isdigit() else f"{found[1]}\\{found[2]}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


# --- blocks: a syntax tree back to Markdown ------------------------------------------------------


def _blocks(nodes: list[SyntaxTreeNode], *, links: bool) -> str:
    return "\n\n".join(part for part in (_block(node, links=links) for node in nodes) if part)


def _block(node: SyntaxTreeNode, *, links: bool) -> str:
    if node.type in ("fence", "code_block"):
        return fence(node.content, language=(node.info.split() or ["text"])[0].lower())
    if node.type == "table":
        return _table(node, links=links)
    if node.type in ("bullet_list", "ordered_list"):
        return _list(node, links=links)
    if node.type == "blockquote":
        return _indent(_blocks(node.children, links=links), first="> ", rest="> ")
    if node.type == "hr":
        return "---"
    if node.type == "heading":
        # An entry is a part of an answer, so its own headings rank below the answer's.
        return f"#### {_inlines(node.children, links=links)}"
    return _inlines(node.children, links=links)


def _list(node: SyntaxTreeNode, *, links: bool) -> str:
    start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    items = []
    for offset, item in enumerate(node.children):
        marker = "- " if start is None else f"{start + offset}. "
        body = _blocks(item.children, links=links)
        items.append(_indent(body, first=marker, rest=" " * len(marker)))
    return "\n".join(items)


def _indent(text: str, *, first: str, rest: str) -> str:
    head, *tail = text.split("\n")
    return "\n".join([first + head, *((rest + line).rstrip() for line in tail)])


def _table(node: SyntaxTreeNode, *, links: bool) -> str:
    rows = [row for part in node.children for row in part.children]
    lines = [
        "| " + " | ".join(_cell(cell, links=links) for cell in row.children) + " |" for row in rows
    ]
    rule = "|" + " --- |" * len(rows[0].children)
    return "\n".join([lines[0], rule, *lines[1:]])


def _cell(node: SyntaxTreeNode, *, links: bool) -> str:
    # escape() has marked the bars of text; those inside inline code still need it
    return re.sub(r"(?<!\\)\|", r"\\|", _inlines(node.children, links=links))


# --- inlines -------------------------------------------------------------------------------------


def _inlines(nodes: list[SyntaxTreeNode], *, links: bool) -> str:
    return "".join(_inline(node, links=links) for node in nodes)


def _inline(node: SyntaxTreeNode, *, links: bool) -> str:
    inside: Callable[[], str] = lambda: _inlines(node.children, links=links)  # noqa: E731
    match node.type:
        case "text":
            return escape(node.content)
        case "code_inline":
            return code(node.content)
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "\\\n"
        case "strong":
            return f"**{inside()}**"
        case "em":
            return f"*{inside()}*"
        case "link":
            return _link(inside(), str(node.attrs.get("href", "")), links=links)
        case "image":
            return _image(escape(node.content), str(node.attrs.get("src", "")), links=links)
        case _:
            return inside() if node.children else escape(node.content)


def _image(label: str, address: str, *, links: bool) -> str:
    """One of our figures, by an address relative to the page (so a proxy's path is kept)."""
    if links and is_figure(address):
        return f"![{' '.join(label.split())}]({address})"
    return f"(picture: {label or 'no name'})"


def _link(label: str, address: str, *, links: bool) -> str:
    parts = urlsplit(address)
    if not links or parts.scheme not in ("http", "https") or not parts.netloc:
        return label
    safe = re.sub(r"[\s<>()\\\"'`]", lambda found: f"%{ord(found[0]):02X}", address)
    return f"[{label}](<{safe}>)"
