"""The Gradio page: its elements and which handler each of them calls.

The wiring gives the typed text back after any failure, and never locks the box or a button, so
that there is nothing to unlock. No handler takes the chat as an input. It refuses to know what an
answer is (room.py) and how the page is served (app.py, guard.py).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.settings import Settings
from assistant.types import ProbeInfo, Target
from assistant.web.room import CANDIDATES, NO_SESSION, Assistant, Room
from assistant.web.session import View

TITLE = "Computer-vision troubleshooter"
CSS_FILE = Path(__file__).with_name("page.css")
JS_FILE = Path(__file__).with_name("page.js")
QUICK_PROBES = {
    "gpu": "GPU",
    "memory": "Memory",
    "packages": "Packages",
    "environment": "Environment",
}

WAITING = 32  # requests that may wait for each kind of handler; more are told so at once
SPARE_ASKS = 8  # asks that never wait for the model, beyond those that do
STATUS_SECONDS = 2.0
NONCE_SECONDS = 240.0  # nonces live for 600

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

Outputs = tuple[Any, ...]
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The page's elements that handlers read or write."""

    chat: gr.Chatbot
    status: gr.Markdown
    box: gr.Textbox
    sent: gr.Textbox
    send: gr.Button
    stop: gr.Button
    clear: gr.Button
    candidates: list[gr.Button]
    target: gr.Dropdown | None
    probes: dict[str, gr.Button]
    nonces: dict[str, gr.Textbox]
    examples: list[gr.Button] = field(default_factory=list)

    @property
    def shown(self) -> list[gr.components.Component]:
        """What every view fills: chat, status line, buttons of other candidates."""
        return [self.chat, self.status, *self.candidates]


def build_page(room: Room, assistant: Assistant, *, settings: Settings) -> gr.Blocks:
    """Return the page; nothing is loaded or asked for before somebody opens it."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        quick = tuple(info for info in assistant.probes() if info.quick)  # one press is enough
        parts = _lay_out(quick, assistant.targets())
        _wire_ask(room, parts, limit=settings.model_queue + 1 + SPARE_ASKS)
        _wire_probes(room, parts, page)
        _wire_rest(room, parts, page)
    return page.queue(max_size=WAITING, default_concurrency_limit=8, api_open=False)


# --- elements ------------------------------------------------------------------------------------


def _lay_out(infos: tuple[ProbeInfo, ...], targets: tuple[Target, ...]) -> Parts:
    gr.Markdown(f"# {TITLE}\n\nPaste an error; get the guide's fix for it.", elem_id="title")
    status = gr.Markdown("Starting…", elem_id="status")
    chat = gr.Chatbot(
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
        clear = gr.Button("Clear", min_width=120)
    target, probes, nonces = _lay_out_probes(infos, targets)
    with gr.Row(elem_id="examples", elem_classes="buttons"):
        examples = [gr.Button(label, size="sm", min_width=140) for label, _ in EXAMPLES]
    sent = gr.Textbox(visible=False)
    return Parts(
        chat, status, box, sent, send, stop, clear, candidates, target, probes, nonces, examples
    )


def _lay_out_probes(
    infos: tuple[ProbeInfo, ...], targets: tuple[Target, ...]
) -> tuple[gr.Dropdown | None, dict[str, gr.Button], dict[str, gr.Textbox]]:
    known = [info for info in infos if info.id in QUICK_PROBES]
    if not known:
        return None, {}, {}
    gr.Markdown(
        "Look at this computer (each button reads only, and says what):", elem_classes="hint"
    )
    with gr.Row(elem_classes="buttons"):
        probes = {info.id: gr.Button(QUICK_PROBES[info.id], min_width=120) for info in known}
    target = None
    if len(targets) > 1:
        choices = [(one.label or one.name, one.name) for one in targets]
        target = gr.Dropdown(choices, value=targets[0].name, label="Which Python to look at")
    nonces = {info.id: gr.Textbox(visible=False) for info in known}
    return target, probes, nonces


# --- wiring --------------------------------------------------------------------------------------


def _wire_ask(room: Room, parts: Parts, *, limit: int) -> None:
    """The box is emptied once the chat shows its text; `sent` keeps the text until it is answered.

    Gradio's `js=` would do this in the browser, but needs eval, which the CSP forbids.
    """

    async def ask(text: str, request: gr.Request) -> AsyncGenerator[Outputs, None]:
        taken = False
        async with aclosing(room.ask(_session_id(request), text or "")) as views:
            async for view in views:
                box: Any = "" if view.taken and not taken else gr.skip()
                sent: Any = text if view.taken and not taken else gr.skip()
                taken = taken or view.taken
                yield *_show(view), box, "" if view.settled else sent

    async def give_back(text: str, sent: str) -> Outputs:
        return (gr.skip() if (text or "").strip() or not sent else sent), ""

    both = [parts.box, parts.sent]
    answered = gr.on(
        [parts.box.submit, parts.send.click],
        ask,
        parts.box,
        [*parts.shown, *both],
        concurrency_id="ask",
        concurrency_limit=limit,
        show_progress="hidden",
        api_visibility="private",
    )
    answered.success(give_back, both, both, **QUIET)
    answered.failure(give_back, both, both, **QUIET)


def _wire_probes(room: Room, parts: Parts, page: gr.Blocks) -> None:
    """Each button hands in its nonce, and gets a new one with the answer."""
    fallback = gr.State("")  # no chooser: the default target
    target_input = parts.target if parts.target is not None else fallback

    def handler(row: str) -> Callable[..., AsyncGenerator[Outputs, None]]:
        async def probe(
            nonce: str, target: str, request: gr.Request
        ) -> AsyncGenerator[Outputs, None]:
            session_id = _session_id(request)
            views = room.probe(session_id, row, nonce=str(nonce), target=str(target or ""))
            fresh: Any = room.issue(session_id, [row], target=str(target or ""))[0]
            async with aclosing(views):
                async for view in views:
                    yield *_show(view), fresh
                    fresh = gr.skip()

        return probe

    for row, button in parts.probes.items():
        button.click(
            handler(row),
            [parts.nonces[row], target_input],
            [*parts.shown, parts.nonces[row]],
            concurrency_id="probe",
            concurrency_limit=4,
            show_progress="hidden",
            api_visibility="private",
        )

    async def issue(target: str, request: gr.Request) -> list[str]:
        return list(room.issue(_session_id(request), parts.probes, target=str(target or "")))

    nonces = list(parts.nonces.values())
    if nonces:
        page.load(issue, target_input, nonces, **QUIET)
        gr.Timer(NONCE_SECONDS).tick(issue, target_input, nonces, **QUIET)
        if parts.target is not None:
            parts.target.change(issue, target_input, nonces, **QUIET)


def _wire_rest(room: Room, parts: Parts, page: gr.Blocks) -> None:
    """Stop, Clear, candidates, examples, the status line, and the end of a session."""

    async def stop(request: gr.Request) -> Outputs:
        return _show(room.stop(_session_id(request)))

    async def clear(request: gr.Request) -> Outputs:
        return _show(room.clear(_session_id(request)))

    async def status() -> Outputs:
        return room.status(), gr.Timer(active=not room.is_ready())

    async def close(request: gr.Request) -> None:
        room.close(_session_id(request))

    parts.stop.click(stop, None, parts.shown, **QUIET)
    parts.clear.click(clear, None, parts.shown, **QUIET)
    parts.chat.clear(clear, None, parts.shown, **QUIET)
    for position, button in enumerate(parts.candidates):
        button.click(_candidate(room, position), None, parts.shown, **QUIET)
    for button, (_, text) in zip(parts.examples, EXAMPLES, strict=True):
        button.click(_example(text), None, parts.box, **QUIET)
    timer = gr.Timer(STATUS_SECONDS)
    gr.on([page.load, timer.tick], status, None, [parts.status, timer], **QUIET)
    page.unload(close)


def _candidate(room: Room, position: int) -> Callable[..., Any]:
    async def show(request: gr.Request) -> Outputs:
        return _show(room.show_candidate(_session_id(request), position))

    return show


def _example(text: str) -> Callable[..., Any]:
    async def fill() -> str:
        return text

    return fill


def _show(view: View) -> Outputs:
    """A view as values for `Parts.shown`."""
    buttons = [gr.Button(f"Other candidate: {title}", visible=True) for title in view.candidates]
    hidden = [gr.Button(visible=False)] * (CANDIDATES - len(buttons))
    return (view.messages, view.status, *buttons, *hidden)


def _session_id(request: gr.Request) -> str:
    """The browser tab's id; requests without one share a session that may not run probes."""
    return str(getattr(request, "session_hash", None) or NO_SESSION)
