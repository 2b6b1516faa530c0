"""The page's checks: which Python is looked at, the buttons, the form, the cell, the memory panel.

Each button hands in its permit. A form asks for its permit first, for exactly what its fields say.
It refuses to know what a check does (the probes) and who may press (checks.py).
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.types import Parameter, ParameterKind, ProbeInfo
from assistant.web.browser import Visitor
from assistant.web.checks import (
    CHECK_ALL,
    PANEL,
    QUICK,
    build_slots,
    fit_slots,
    needs_form,
    read_slots,
)
from assistant.web.markdown import escape
from assistant.web.panel import (
    EMPTY,
    SAMPLES,
    is_busy,
    read_sample,
    render_panel,
    render_refusal,
)
from assistant.web.room import Room
from assistant.web.session import View
from assistant.web.shown import Outputs, Shown

PERMIT_SECONDS = 240.0  # permits live for 600
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
RUN: dict[str, Any] = {
    "concurrency_id": "probe",
    "concurrency_limit": 4,
    "show_progress": "hidden",
    "api_visibility": "private",
}
WhoAsks = Callable[[gr.Request], Visitor]


@dataclass(frozen=True, slots=True)
class CheckParts:
    """The elements; `fields` are those of a form that fits every check, `kinds` what they take."""

    quick: dict[str, gr.Button]
    refresh: gr.Button
    more: gr.Accordion
    row: gr.Dropdown
    about: gr.Markdown
    fields: list[gr.components.Component]
    kinds: tuple[ParameterKind, ...]
    run: gr.Button
    permit: gr.Textbox
    cell: gr.Textbox
    panel: gr.Markdown
    sample: gr.Button
    infos: dict[str, ProbeInfo]

    @property
    def form(self) -> list[gr.components.Component]:
        """What choosing a check fills, in the order of `fill_form`."""
        return [self.about, *self.fields, self.run, self.cell]

    def fill_form(self, row: str, cell: str, told: Mapping[str, str]) -> Outputs:
        """The form of one check: its fields, filled with what the question told by name, and the
        cell that does the same elsewhere."""
        info = self.infos.get(row)
        fitted = fit_slots(info, self.kinds)
        return (
            _describe(info),
            *(_field(kind, one, told) for kind, one in zip(self.kinds, fitted, strict=True)),
            gr.Button(visible=info is not None and not info.is_cell),
            gr.Textbox(value=cell, visible=bool(cell)),
        )


def lay_out_target() -> tuple[gr.Dropdown, dict[str, gr.Button], gr.Button]:
    """The quick buttons, and the chooser of the Python that they look at."""
    gr.Markdown(
        "Look at this computer (each button reads only, and says what):", elem_classes="hint"
    )
    with gr.Row(elem_classes="buttons"):
        # they can be pressed once the page has its permits: an earlier click would be refused
        quick = {
            row: gr.Button(label, min_width=120, interactive=False, elem_id=f"quick-{row}")
            for row, label in QUICK.items()
        }
    with gr.Row(elem_id="where"):
        target = gr.Dropdown([], label="Which Python to look at", scale=4)
        refresh = gr.Button("Refresh the list", size="sm", scale=1, min_width=120)
    return target, quick, refresh


def lay_out_checks(
    infos: tuple[ProbeInfo, ...], *, quick: dict[str, gr.Button], refresh: gr.Button
) -> CheckParts:
    """All other checks and the memory panel, folded."""
    kinds = build_slots(infos)
    with gr.Accordion("More checks …", open=False, elem_id="more") as more:
        row = gr.Dropdown(
            [(info.title, info.id) for info in infos], value=None, label="Check", elem_id="row"
        )
        about = gr.Markdown()
        fields = [_new_field(kind) for kind in kinds]
        run = gr.Button("Run this check", visible=False, elem_id="run-check")
        cell = gr.Textbox(
            visible=False,
            label="Where we cannot look: copy this cell, run it there, paste here what it prints",
            lines=4,
            max_lines=8,
            interactive=False,
            buttons=["copy"],
            elem_id="cell",
        )
    with gr.Accordion("This machine: memory", open=False, elem_id="machine"):
        panel = gr.Markdown(EMPTY, elem_id="panel")
        sample = gr.Button("Refresh", size="sm", elem_id="panel-refresh")
    permit = gr.Textbox(visible=False)
    known = {info.id: info for info in infos}
    return CheckParts(
        quick, refresh, more, row, about, fields, kinds, run, permit, cell, panel, sample, known
    )


def wire_checks(
    room: Room, shown: Shown, parts: CheckParts, *, visitor: WhoAsks, page: gr.Blocks
) -> None:
    """Connect all of it."""
    run = _runner(room, shown, visitor)
    for slot in QUICK:
        parts.quick[slot].click(run, [shown.permits[slot], shown.target], shown.all, **RUN)
    shown.check_all.click(run, [shown.permits[CHECK_ALL], shown.target], shown.all, **RUN)
    for button, permit in zip(shown.offers, shown.offer_permits, strict=True):
        button.click(run, [permit, shown.target], shown.all, **RUN)
        opened = [parts.more, parts.row, *parts.form]
        button.click(_opener(room, parts, visitor), permit, opened, **QUIET)
    _wire_target(room, shown, parts, visitor=visitor, page=page)
    _wire_form(room, shown, parts, visitor=visitor)
    _wire_panel(room, shown, parts, visitor=visitor)


# --- wiring --------------------------------------------------------------------------------------


def _runner(room: Room, shown: Shown, visitor: WhoAsks) -> Callable[..., Any]:
    """A click with its permit; one without a nonce opens a form, and runs nothing."""

    async def run(permit: str, target: str, request: gr.Request) -> AsyncGenerator[Outputs, None]:
        if permit and not permit.partition(" ")[2]:
            yield tuple(gr.skip() for _ in shown.all)
            return
        views = room.check(visitor(request), str(permit), target=str(target or ""))
        async for values in _follow(shown, views):
            yield values

    return run


async def _follow(shown: Shown, views: AsyncGenerator[View, None]) -> AsyncGenerator[Outputs, None]:
    async with aclosing(views):
        async for view in views:
            yield shown.fill(view)


def _opener(room: Room, parts: CheckParts, visitor: WhoAsks) -> Callable[..., Any]:
    async def open_form(permit: str, request: gr.Request) -> Outputs:
        row, _, nonce = str(permit).partition(" ")
        if nonce or row not in parts.infos:
            return tuple(gr.skip() for _ in range(2 + len(parts.form)))
        told = await room.told(visitor(request), row)
        filled = parts.fill_form(row, room.checks.cell(row), told)
        return gr.Accordion(open=True), gr.update(value=row), *filled

    return open_form


def _wire_target(
    room: Room, shown: Shown, parts: CheckParts, *, visitor: WhoAsks, page: gr.Blocks
) -> None:
    """The list is made when the page is opened, and again on demand."""
    place = shown.all.index(shown.target)

    def chooser(view: View, choices: list[tuple[str, str]]) -> gr.Dropdown:
        return gr.Dropdown(choices=choices, value=view.target or None)

    async def choices() -> list[tuple[str, str]]:
        return [(one.label or one.name, one.name) for one in await room.checks.targets()]

    async def opened(request: gr.Request) -> Outputs:
        found = await choices()  # first: what is asked meanwhile must stand in the view
        view = await room.open(visitor(request))
        values = list(shown.fill(view))
        values[place] = chooser(view, found)
        return *values, *(gr.Button(interactive=True) for _ in parts.quick)

    async def refresh(request: gr.Request) -> Outputs:
        found = await choices()
        view = await room.renew(visitor(request))
        if view.target not in {name for _, name in found} and found:
            view = await room.aim(visitor(request), found[0][1])
        return chooser(view, found), *shown.fill_permits(view)

    async def aim(target: str, request: gr.Request) -> Outputs:
        return shown.fill_permits(await room.aim(visitor(request), str(target or "")))

    async def renew(request: gr.Request) -> Outputs:
        return shown.fill_permits(await room.renew(visitor(request)))

    page.load(opened, None, [*shown.all, *parts.quick.values()], **QUIET)
    parts.refresh.click(refresh, None, [shown.target, *shown.permit_boxes], **QUIET)
    shown.target.input(aim, shown.target, shown.permit_boxes, **QUIET)
    gr.Timer(PERMIT_SECONDS).tick(renew, None, shown.permit_boxes, **QUIET)


def _wire_form(room: Room, shown: Shown, parts: CheckParts, *, visitor: WhoAsks) -> None:
    """Choosing a check shows its fields; pressing asks for a permit for exactly what they say."""

    async def choose(row: str, request: gr.Request) -> Outputs:
        row = str(row or "")
        told = await room.told(visitor(request), row)
        return parts.fill_form(row, room.checks.cell(row), told)

    def told(row: str, values: tuple[Any, ...]) -> dict[str, str]:
        return read_slots(parts.infos.get(row), parts.kinds, values)

    async def propose(request: gr.Request, row: str, target: str, *values: Any) -> str:
        row, target = str(row or ""), str(target or "")
        if row not in parts.infos:
            return ""
        who, said = visitor(request), told(row, values)
        return room.checks.issue(who, row, target=target, parameters=said)

    async def run(
        request: gr.Request, permit: str, row: str, target: str, *values: Any
    ) -> AsyncGenerator[Outputs, None]:
        said = told(str(row or ""), values)
        place = str(target or "")
        views = room.check(visitor(request), str(permit), target=place, parameters=said)
        async for filled in _follow(shown, views):
            yield filled

    said = [parts.row, shown.target, *parts.fields]
    parts.row.input(choose, parts.row, parts.form, **QUIET)
    pressed = parts.run.click(propose, said, parts.permit, **QUIET)
    pressed.success(run, [parts.permit, *said], shown.all, **RUN)


def _wire_panel(room: Room, shown: Shown, parts: CheckParts, *, visitor: WhoAsks) -> None:
    """page.js presses Refresh every ten seconds while the panel is open and the tab in front."""

    async def sample(permit: str, target: str, request: gr.Request) -> Outputs:
        who = visitor(request)
        finding, reason, view = await room.sample(who, str(permit), target=str(target or ""))
        if finding is None:
            return render_refusal(reason or "the check said nothing"), view.permits[PANEL]
        samples = room.add_sample(who, read_sample(finding), most=SAMPLES)
        busy = is_busy(os.getloadavg()[0], cpus=os.cpu_count() or 1)
        return render_panel(finding, samples, busy=busy), view.permits[PANEL]

    permit = shown.permits[PANEL]
    parts.sample.click(sample, [permit, shown.target], [parts.panel, permit], **RUN)


# --- fields --------------------------------------------------------------------------------------


def _new_field(kind: ParameterKind) -> gr.components.Component:
    if kind == "choice":
        return gr.Dropdown([], visible=False)
    if kind == "number":
        return gr.Number(visible=False)
    return gr.Textbox(visible=False, max_lines=1)


def _field(kind: ParameterKind, parameter: Parameter | None, told: Mapping[str, str]) -> Any:
    """How a field asks for a parameter; hidden and empty where it asks for none."""
    if parameter is None:
        return gr.update(visible=False, value=None if kind != "path" else "")
    label = parameter.title[:1].upper() + parameter.title[1:]
    value = told.get(parameter.name, parameter.default)
    if kind == "choice":
        choices = list(parameter.choices)
        return gr.Dropdown(choices, value=value, label=label, visible=True)
    if kind == "number":
        low, high = parameter.low, parameter.high
        return gr.Number(float(value or low), minimum=low, maximum=high, label=label, visible=True)
    needed = " (needed)" if kind == "path" and not parameter.default else ""
    return gr.Textbox(value=value, label=label + needed, visible=True)


def _describe(info: ProbeInfo | None) -> str:
    if info is None:
        return ""
    if info.is_cell:
        how = "It looks at your own variables, so it is not run here: copy the cell below."
    else:
        told = "It must be told a file. " if needs_form(info) else ""
        how = f"{told}It may take up to {info.seconds:.0f} s."
    return f"Reads {escape(info.reads)}. It {escape(info.never)}. {how}"
