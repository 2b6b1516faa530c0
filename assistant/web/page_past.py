"""The list of this browser's past conversations: open one, delete one.

It refuses to know where they are kept; a key from the browser counts only for its owner.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.records import SessionLine
from assistant.web.browser import Visitor
from assistant.web.room import Room
from assistant.web.shown import Outputs, Shown

MOST = 50
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True, slots=True)
class PastParts:
    """The elements."""

    folder: gr.Accordion
    list: gr.Dropdown
    open: gr.Button
    delete: gr.Button


def lay_out_past() -> PastParts:
    """The folded list; it is read when it is opened."""
    with gr.Accordion("Past conversations", open=False, elem_id="past") as folder:
        chooser = gr.Dropdown(
            [], label="On this machine, of this browser only", elem_id="past-list"
        )
        with gr.Row(elem_classes="buttons"):
            open_it = gr.Button("Open it", size="sm")
            delete = gr.Button("Delete it", size="sm")
    return PastParts(folder, chooser, open_it, delete)


def wire_past(
    room: Room, shown: Shown, parts: PastParts, *, visitor: Callable[[gr.Request], Visitor]
) -> None:
    """Connect it."""

    async def listed(request: gr.Request) -> Any:
        lines = (await room.past(visitor(request)))[:MOST]
        choices = [(_name(line), line.key) for line in lines]
        return gr.Dropdown(choices=choices, value=choices[0][1] if choices else None)

    async def open_it(key: str, request: gr.Request) -> Outputs:
        return shown.fill(await room.open_past(visitor(request), str(key or "")))

    async def delete(key: str, request: gr.Request) -> Outputs:
        return shown.fill(await room.delete_past(visitor(request), str(key or "")))

    parts.folder.expand(listed, None, parts.list, **QUIET)
    parts.open.click(open_it, parts.list, shown.all, **QUIET)
    deleted = parts.delete.click(delete, parts.list, shown.all, **QUIET)
    deleted.success(listed, None, parts.list, **QUIET)


def _name(line: SessionLine) -> str:
    """ "2026-11-23 12:04 · ModuleNotFoundError: No module named 'timm' · 3 questions"."""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(line.last))
    count = "1 question" if line.turns == 1 else f"{line.turns} questions"
    broken = "" if line.state == "done" else " · broken off"
    return f"{when} · {line.title or 'a question'} · {count}{broken}"
