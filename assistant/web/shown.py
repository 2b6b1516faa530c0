"""The page's elements that every view fills, and a `View` as values for them.

It refuses to know handlers and what a click does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.web.session import Offer, View

Outputs = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Chat, status line, and the buttons whose presence depends on the last answer.

    `offers` are buttons with their hidden permits; `permits` those of the other buttons, by slot;
    `choices` answer the question which of two entries it is.
    """

    chat: gr.Chatbot
    status: gr.Markdown
    candidates: list[gr.Button]
    choices: list[gr.Button]
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
            *self.choices,
            *self.offers,
            *self.offer_permits,
            self.check_all,
            self.fixed,
            self.failed,
            self.resume,
            self.target,
            *self.permits.values(),
        ]

    @property
    def permit_boxes(self) -> list[gr.components.Component]:
        """The hidden permits in the order of `fill_permits`."""
        return [*self.offer_permits, *self.permits.values()]

    def fill(self, view: View) -> Outputs:
        """Values for `all`.

        None is skipped, though it be as before: a browser that gets two answers within one frame
        would forget what the first one changed.
        """
        candidates = [f"Other candidate: {title}" for title in view.candidates]
        offers = [f"Check: {one.title}{'' if one.permit else ' …'}" for one in view.offers]
        return (
            view.messages,
            view.status,
            *_buttons(candidates, self.candidates),
            *(gr.Button(visible=view.can_choose) for _ in self.choices),
            *_buttons(offers, self.offers),
            *_permits(view.offers, self.offers),
            gr.Button(visible=view.can_check),
            gr.Button(visible=view.can_judge),
            gr.Button(visible=view.can_judge),
            gr.Button(visible=view.can_resume),
            gr.update(value=view.target) if view.target else gr.skip(),
            *(view.permits.get(slot, "") for slot in self.permits),
        )

    def fill_permits(self, view: View) -> Outputs:
        """Values for `permit_boxes`, beside an answer that may be on its way into the chat."""
        permits = (view.permits.get(slot, "") for slot in self.permits)
        return (*_permits(view.offers, self.offers), *permits)


def _buttons(labels: list[str], buttons: list[gr.Button]) -> list[gr.Button]:
    shown = [gr.Button(label, visible=True) for label in labels[: len(buttons)]]
    return [*shown, *[gr.Button(visible=False)] * (len(buttons) - len(shown))]


def _permits(offers: tuple[Offer, ...], buttons: list[gr.Button]) -> list[str]:
    """A permit; or the row alone for a check that is told or copied first."""
    permits = [one.permit or f"{one.row} " for one in offers][: len(buttons)]
    return [*permits, *[""] * (len(buttons) - len(permits))]
