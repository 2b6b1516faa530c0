"""The `ask` object as a short Markdown text, and as a plain one, for notebooks.

Everything in it is data: guide Markdown is written anew, all else escaped (see markdown.py). It
refuses to know who shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant.figures import describe_figures
from assistant.render import MARKS, strip_controls
from assistant.web.markdown import escape, guide_markdown, sentence_markdown

_SURE = {"answer": "A sure match", "likely": "A likely match, not a certain one"}


def render_diagnosis(shape: Mapping[str, Any]) -> dict[str, str]:
    """Return {markdown, plain} for what `ask_json` made."""
    return {"markdown": _markdown(shape), "plain": _plain(shape)}


def _markdown(shape: Mapping[str, Any]) -> str:
    parts = [_finding(row) for row in shape["evidence"]]
    fix = shape["fix"]
    if fix is not None:
        first = shape["matches"][0]
        why = "; ".join(escape(reason) for reason in first["why"])
        parts += [f"### {escape(first['title'])}", f"*{_SURE.get(shape['status'], '')}: {why}*"]
        parts.append(guide_markdown(describe_figures(fix["text"])))
    if shape["text"]:
        parts.append(sentence_markdown(shape["text"]))
    parts.extend(f"*{escape(notice)}*" for notice in shape["notices"])
    return "\n\n".join(part for part in parts if part)


def _plain(shape: Mapping[str, Any]) -> str:
    parts = [f"{MARKS[row['status']]} {row['summary']} {row['next']}" for row in shape["evidence"]]
    fix = shape["fix"]
    if fix is not None:
        first = shape["matches"][0]
        parts += [f"{first['title']}\n{_SURE.get(shape['status'], '')}: {'; '.join(first['why'])}"]
        parts.append(describe_figures(fix["text"]))
    parts += [shape["text"], *shape["notices"]]
    return strip_controls("\n\n".join(part for part in parts if part.strip()))


def _finding(row: Mapping[str, Any]) -> str:
    where = f"Looked at: {escape(row['where'])}\n\n" if row["where"] else ""
    following = f" **Next**: {escape(row['next'])}" if row["next"] else ""
    return f"{where}{MARKS[row['status']]} {escape(row['summary'])}{following}"
