"""The Gradio page: its elements and which handler each of them calls.

The wiring gives the typed text back after any failure, and never locks the box or a button, so
that there is nothing to unlock. No handler takes the chat as an input. It refuses to know what an
answer is (room.py), what checks look like (page_checks.py) and how the page is served (app.py).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.settings import Settings
from assistant.web.browser import Visitor, read_owner
from assistant.web.checks import CHECK_ALL, OFFERS, PANEL, QUICK
from assistant.web.page_checks import CheckParts, lay_out_checks, lay_out_target, wire_checks
from assistant.web.page_past import lay_out_past, wire_past
from assistant.web.room import Room
from assistant.web.session import View
from assistant.web.shown import Outputs, Shown
from assistant.web.talk import CANDIDATES

TITLE = "Computer-vision troubleshooter"
CSS_FILE = Path(__file__).with_name("page.css")
JS_FILES = tuple(map(Path(__file__).with_name, ("page.js", "files.js")))

WAITING = 32  # requests that may wait for each kind of handler; more are told so at once
SPARE_ASKS = 8  # asks that never wait for the model, beyond those that do
STATUS_SECONDS = 2.0

# to the question which of two entries it is, as a reader would type them
CHOICES = (("It is A", "A"), ("It is B", "B"), ("Neither of them", "neither"))
EXAMPLES = (
    (
        "Example: a traceback",
        'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n'
        "    import timm\nModuleNotFoundError: No module named 'timm'",
    ),
    (
        "Example: in plain words",
        "My U-Net fails when I join the skip connection: the sizes differ by one pixel.",
    ),
    ("Example: a question", "Should I freeze all layers when I fine-tune a pretrained model?"),
    ("What can you do?", "What can you do?"),
)

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The page's elements that handlers read or write, beside those that every view fills."""

    box: gr.Textbox
    sent: gr.Textbox
    send: gr.Button
    stop: gr.Button
    clear: gr.Button
    checks: CheckParts
    examples: list[gr.Button] = field(default_factory=list)


def build_page(room: Room, *, settings: Settings, cookie: str) -> gr.Blocks:
    """Return the page; nothing is loaded or asked for before somebody opens it.

    `cookie` is the name of the cookie that tells browsers apart.
    """

    def visitor(request: gr.Request) -> Visitor:
        """The tab and its browser; requests without a tab may not run checks."""
        cookies = getattr(getattr(request, "request", None), "cookies", {})
        tab = str(getattr(request, "session_hash", None) or "")
        return Visitor(tab, read_owner(cookies, cookie))

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        shown, parts = _lay_out(room)
        wire = Wire(room, shown, visitor)
        limit = settings.model_queue + 1 + SPARE_ASKS
        _wire_ask(wire, parts, limit=limit)
        _wire_after(wire, limit=limit)
        wire_checks(room, shown, parts.checks, visitor=visitor, page=page)
        _wire_rest(wire, parts, page)
        wire_past(room, shown, lay_out_past(), visitor=visitor)
    return page.queue(max_size=WAITING, default_concurrency_limit=8, api_open=False)


@dataclass(frozen=True, slots=True)
class Wire:
    """What handlers are made of: the room, what they fill, and whose request it is."""

    room: Room
    shown: Shown
    visitor: Callable[[gr.Request], Visitor]

    async def follow(self, views: AsyncGenerator[View, None]) -> AsyncGenerator[Outputs, None]:
        """Views as values for the page's elements, each with only what has changed."""
        async with aclosing(views):
            async for view in views:
                yield self.shown.fill(view)


# --- elements ------------------------------------------------------------------------------------


def _lay_out(room: Room) -> tuple[Shown, Parts]:
    gr.Markdown(f"# {TITLE}\n\nPaste an error; get the guide's fix for it.", elem_id="title")
    status = gr.Markdown("Starting…", elem_id="status")
    chat = _lay_out_chat()
    with gr.Row(elem_id="after", elem_classes="buttons"):
        fixed = gr.Button("Fixed it", visible=False, size="sm", elem_id="fixed")
        failed = gr.Button("Didn't help", visible=False, size="sm")
        resume = gr.Button("Resume this answer", visible=False, size="sm", elem_id="resume")
        check_all = gr.Button("Check my machine", visible=False, size="sm")
        offers = [gr.Button(visible=False, size="sm") for _ in range(OFFERS)]
    with gr.Row(elem_id="choices", elem_classes="buttons"):
        choices = [gr.Button(label, visible=False, size="sm") for label, _ in CHOICES]
    with gr.Row(elem_id="candidates", elem_classes="buttons"):
        candidates = [gr.Button(visible=False, size="sm") for _ in range(CANDIDATES)]
    box = gr.Textbox(
        label="Your error or question (Enter sends, Shift+Enter starts a new line)",
        placeholder="Traceback (most recent call last): …",
        elem_id="box",
        lines=1,
        max_lines=14,
        autofocus=True,
    )
    with gr.Row(elem_classes="buttons"):
        send = gr.Button("Send", variant="primary", elem_id="send", min_width=120)
        stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=120)
        clear = gr.Button("New conversation", size="sm", min_width=120)
        gr.Button("Add a file", size="sm", min_width=120, elem_id="file")  # files.js does it
        gr.Button("Help packet", link="packet.md", size="sm", min_width=120, elem_id="packet")
    gr.Markdown(
        "Nothing helps? The help packet is a file for an instructor: what you asked, what was "
        "found and tried. Passwords and tokens are masked.",
        elem_classes="hint",
    )
    target, quick, refresh = lay_out_target()
    checks = lay_out_checks(room.checks.infos, quick=quick, refresh=refresh)
    with gr.Row(elem_id="examples", elem_classes="buttons"):
        examples = [gr.Button(label, size="sm", min_width=140) for label, _ in EXAMPLES]
    slots = (*QUICK, CHECK_ALL, PANEL)
    shown = Shown(
        chat,
        status,
        candidates,
        choices,
        offers,
        [gr.Textbox(visible=False) for _ in range(OFFERS)],
        check_all,
        fixed,
        failed,
        resume,
        target,
        {slot: gr.Textbox(visible=False) for slot in slots},
    )
    return shown, Parts(box, gr.Textbox(visible=False), send, stop, clear, checks, examples)


def _lay_out_chat() -> gr.Chatbot:
    return gr.Chatbot(
        label="Conversation",
        show_label=False,
        elem_id="chat",
        group_consecutive_messages=False,
        height="56vh",
        buttons=["copy"],
        sanitize_html=True,
        allow_tags=False,
        latex_delimiters=[],
        line_breaks=False,
        feedback_options=None,
        autoscroll=False,  # page.js keeps the answer's first line in view
        placeholder="Paste a traceback below, or describe what goes wrong.",
    )


# --- wiring --------------------------------------------------------------------------------------


def _wire_ask(wire: Wire, parts: Parts, *, limit: int) -> None:
    """The box is emptied once the chat shows its text; `sent` keeps the text until it is answered.

    Gradio's `js=` would do this in the browser, but needs eval, which the CSP forbids.
    """

    async def ask(text: str, request: gr.Request) -> AsyncGenerator[Outputs, None]:
        taken = False
        async with aclosing(wire.room.ask(wire.visitor(request), text or "")) as views:
            async for view in views:
                is_first = view.taken and not taken
                taken = taken or view.taken
                sent: Any = "" if view.settled else text if taken else gr.skip()
                yield *wire.shown.fill(view), "" if is_first else gr.skip(), sent

    async def give_back(text: str, sent: str) -> Outputs:
        return (gr.skip() if (text or "").strip() or not sent else sent), ""

    both = [parts.box, parts.sent]
    answered = gr.on(
        [parts.box.submit, parts.send.click],
        ask,
        parts.box,
        [*wire.shown.all, *both],
        concurrency_id="ask",
        concurrency_limit=limit,
        **LONG,
    )
    answered.success(give_back, both, both, **QUIET)
    answered.failure(give_back, both, both, **QUIET)


def _wire_after(wire: Wire, *, limit: int) -> None:
    """What is pressed after an answer: whether it helped, and going on with a broken one."""

    async def fixed(request: gr.Request) -> Outputs:
        return wire.shown.fill(await wire.room.fixed(wire.visitor(request)))

    async def failed(request: gr.Request) -> AsyncGenerator[Outputs, None]:
        async for values in wire.follow(wire.room.failed(wire.visitor(request))):
            yield values

    async def resume(request: gr.Request) -> AsyncGenerator[Outputs, None]:
        async for values in wire.follow(wire.room.resume(wire.visitor(request))):
            yield values

    shown = wire.shown
    asks = {"concurrency_id": "ask", "concurrency_limit": limit}
    shown.fixed.click(fixed, None, shown.all, **QUIET)
    shown.failed.click(failed, None, shown.all, **asks, **LONG)
    shown.resume.click(resume, None, shown.all, **asks, **LONG)
    for button, (_, said) in zip(shown.choices, CHOICES, strict=True):
        button.click(_choice(wire, said), None, shown.all, **asks, **LONG)


def _wire_rest(wire: Wire, parts: Parts, page: gr.Blocks) -> None:
    """Stop, new conversation, candidates, examples, the status line, the end of a session."""
    room, shown = wire.room, wire.shown

    async def stop(request: gr.Request) -> None:
        """The stopped streams show it; a view from here might come after theirs, and be older."""
        await room.stop(wire.visitor(request))

    async def clear(request: gr.Request) -> Outputs:
        return shown.fill(await room.clear(wire.visitor(request)))

    async def status() -> Outputs:
        return room.status(), gr.Timer(active=not room.is_ready())

    async def close(request: gr.Request) -> None:
        room.close(wire.visitor(request))

    parts.stop.click(stop, None, None, **QUIET)
    parts.clear.click(clear, None, shown.all, **QUIET)
    shown.chat.clear(clear, None, shown.all, **QUIET)
    for position, button in enumerate(shown.candidates):
        button.click(_candidate(wire, position), None, shown.all, **QUIET)
    for button, (_, text) in zip(parts.examples, EXAMPLES, strict=True):
        button.click(_example(text), None, parts.box, **QUIET)
    timer = gr.Timer(STATUS_SECONDS)
    timer.tick(status, None, [shown.status, timer], **QUIET)  # opening the page shows it too
    page.unload(close)


def _candidate(wire: Wire, position: int) -> Callable[..., Any]:
    async def show(request: gr.Request) -> Outputs:
        return wire.shown.fill(await wire.room.show_candidate(wire.visitor(request), position))

    return show


def _choice(wire: Wire, said: str) -> Callable[..., Any]:
    async def choose(request: gr.Request) -> AsyncGenerator[Outputs, None]:
        async for values in wire.follow(wire.room.ask(wire.visitor(request), said)):
            yield values

    return choose


def _example(text: str) -> Callable[..., Any]:
    async def fill() -> str:
        return text

    return fill
