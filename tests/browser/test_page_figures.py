"""A guide's figure in the chat of a real Chromium, and its words inside its card."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from assistant.events import Fix, Retrieved, Understood
from assistant.types import FixText, Match, Query
from tests.docs_figures import FIGURES, FOLDER
from tests.fakes import ENTRIES, FakeAssistant, fake_done

pytestmark = pytest.mark.browser

ALT = "A U-Net halves a picture four times and doubles it again"
TEXT = (
    f"![{ALT}](figures/unet-shapes.svg)\n\n![a spy](http://evil.example/spy.svg)\n\n"
    "![not ours](figures/other.svg)"
)
# lines of text whose ends leave the picture
OUTSIDE = """root => [...root.querySelectorAll('text')].filter(line => {
  const box = line.getBBox();
  return box.x < 8 || box.x + box.width > root.viewBox.baseVal.width - 8;
}).map(line => line.textContent)"""


def figure_script(text: str, probe: str | None):
    query, fix = Query(text, "text"), FixText("missing-timm", TEXT)
    match = Match("missing-timm", ENTRIES["missing-timm"].title, 0.9)
    return [Understood(query), Retrieved((match,), "answer", final=True), Fix(fix, 1),
            fake_done(query, fix=fix)]  # fmt: skip


@pytest.fixture(scope="module")
def assistant_type() -> type:
    return FakeAssistant


@pytest.mark.parametrize("settings", [{}, {"root_path": "/proxy/7860"}])
def test_the_chat_shows_our_figure_and_no_other_picture(page: Page, serve, settings):
    prefix = settings.get("root_path", "")
    page.goto(f"{serve(FakeAssistant(figure_script), **settings)}{prefix}/")
    expect(page.get_by_text("Ready: ")).to_be_visible()
    page.get_by_label("Your error or question").fill("U-Net sizes")
    page.get_by_label("Your error or question").press("Enter")
    chat = page.locator("#chat")
    expect(chat.get_by_text("(picture: not ours)")).to_be_visible()
    pictures = chat.locator("[data-testid=bot] .message-content img, [data-testid=bot] img")
    expect(pictures).to_have_count(1)
    expect(chat.get_by_role("img", name=ALT)).to_be_visible()
    page.wait_for_function("document.querySelector('#chat [data-testid=bot] img').naturalWidth > 0")


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_the_words_of_a_figure_stay_inside_it(chromium, name):
    page = chromium.new_page()
    page.goto((FOLDER / f"{name}.svg").as_uri())
    assert page.locator("svg").first.evaluate(OUTSIDE) == []
    page.close()
