"""Files on the page in a real Chromium: chosen, dropped, pasted; their text goes into the box."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_page_fake import button, open_page
from tests.fakes import FakeAssistant

pytestmark = pytest.mark.browser

LOG = "ModuleNotFoundError: No module named 'timm'"
# What a browser does with a dropped or pasted file; the mouse and the clipboard are not at hand.
GIVE = """([kind, name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  const target = document.querySelector("#box textarea");
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}"""


@pytest.fixture(scope="module")
def assistant_type() -> type:
    return FakeAssistant


def choose(page, name: str, content: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        button(page, "Add a file").click()
    chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})


def test_a_chosen_file_goes_into_the_box_and_is_sent_by_hand(page, serve):
    fake = FakeAssistant()
    box = open_page(page, serve(fake))
    box.fill("This is what I did:")
    choose(page, "train.log", f"step 1\n{LOG}\n".encode())
    expect(box).to_have_value(re.compile(f"^This is what I did:\n\nstep 1\n{re.escape(LOG)}"))
    expect(page.get_by_text("Read train.log. Look it over, then press Send.")).to_be_visible()
    assert fake.calls == []
    button(page, "Send").click()
    expect(page.locator("#chat").get_by_text("pip install missing-timm").first).to_be_visible()
    assert LOG in fake.calls[0].text


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_dropped_and_a_pasted_file_are_read_too(page, serve, way):
    box = open_page(page, serve(FakeAssistant()))
    assert page.evaluate(GIVE, [way, "train.log", LOG])
    expect(box).to_have_value(LOG)


def drop_from_disk(page, path: Path) -> None:
    """What a file manager does: the browser gets a path."""
    browser = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 300, "y": 300, "data": data}
        browser.send("Input.dispatchDragEvent", event)


def test_what_can_not_be_read_is_said_and_the_text_stays(page, serve, tmp_path):
    box = open_page(page, serve(FakeAssistant()))
    box.fill("my words")
    choose(page, "<b>weights</b>.pth", b"PK\x03\x04" + bytes(40))
    expect(page.get_by_text("is a zip file")).to_be_visible()
    expect(box).to_have_value("my words")
    assert page.locator("#file-note b").count() == 0
    drop_from_disk(page, tmp_path)
    expect(page.get_by_text("it is a folder, or it was moved")).to_be_visible()
    expect(box).to_have_value("my words")
    choose(page, "huge.log", b"x" * 20_100_000)
    expect(
        page.get_by_text("20 MB is the limit").or_(page.get_by_text("too large"))
    ).to_be_visible()
