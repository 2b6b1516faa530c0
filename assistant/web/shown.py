"""The page's elements that every view fills, and a `View` as values for them.

It refuses to know handlers and what a click does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from assistant.web.session import Offer, View

Outputs = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Chat, status line, and the buttons whose presence depends on the last answer.

    `offers` are buttons with their hidden permits; `permits` those of the other buttons, by slot.
    """

    chat: gr.Chatbot
    status: gr.Markdown
    candidates: list[gr.Button]
    offers: list[gr.Button]
    offer_permits: list[gr.Textbox]
    check_all: gr.Button
    fixed: gr.Button
    failed: gr.Button
    resume: gr.Button
    target: gr.Dropdown
    permits: dict[str, gr.Textbox]

    @property
    def all(self) -> list[gr.components.Component]:
        """The elements in the order of `fill`."""
        return [
            self.chat,
            self.status,
            *self.candidates,
            *self.offers,
            *self.offer_permits,
            self.check_all,
            self.fixed,
            self.failed,
            self.resume,
            self.target,
            *self.permits.values(),
        ]

    def fill(self, view: View, before: View | None = None) -> Outputs:
        """Values for `all`; what is as in `before` is left alone."""

        def is_new(name: str) -> bool:
            return before is None or getattr(view, name) != getattr(before, name)

        skip = gr.skip()
        candidates = [f"Other candidate: {title}" for title in view.candidates]
        offers = [f"Check: {one.title}{'' if one.permit else ' …'}" for one in view.offers]
        judge = [gr.Button(visible=view.can_judge)] * 2
        return (
            view.messages if is_new("messages") else skip,
            view.status if is_new("status") else skip,
            *(_buttons(candidates, self.candidates) if is_new("candidates") else _skips(3)),
            *(_buttons(offers, self.offers) if is_new("offers") else _skips(4)),
            *(_permits(view.offers, self.offers) if is_new("offers") else _skips(4)),
            gr.Button(visible=view.can_check) if is_new("can_check") else skip,
            *(judge if is_new("can_judge") else _skips(2)),
            gr.Button(visible=view.can_resume) if is_new("can_resume") else skip,
            gr.update(value=view.target) if view.target and is_new("target") else skip,
            *(view.permits.get(slot, "") if is_new("permits") else skip for slot in self.permits),
        )

    def fill_permits(self, view: View) -> Outputs:
        """Values for `all` that leave the chat alone: an answer may be on its way into it."""
        return self.fill(view, replace(view, permits={}, offers=(Offer("", ""),), target=""))


def _skips(count: int) -> list[Any]:
    return [gr.skip()] * count


def _buttons(labels: list[str], buttons: list[gr.Button]) -> list[gr.Button]:
    shown = [gr.Button(label, visible=True) for label in labels[: len(buttons)]]
    return [*shown, *[gr.Button(visible=False)] * (len(buttons) - len(shown))]


def _permits(offers: tuple[Offer, ...], buttons: list[gr.Button]) -> list[str]:
    """A permit; or the row alone for a check that is told or copied first."""
    permits = [one.permit or f"{one.row} " for one in offers][: len(buttons)]
    return [*permits, *[""] * (len(buttons) - len(permits))]
