"""The whole product in one Chromium session: real guide, encoder, language model and probes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from assistant.settings import load_settings
from assistant.setup import default_model_folder

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.slow]

# A notebook's traceback as it is copied from a browser, colour codes included.
PASTE = (
    "\x1b[0;31m---------------------------------------------------------------------------\x1b[0m\n"
    "\x1b[0;31mRuntimeError\x1b[0m                              Traceback (most recent call last)\n"
    "Cell \x1b[0;32mIn[7], line 2\x1b[0m\n"
    "\x1b[1;32m      1\x1b[0m head = nn.Linear(512, 5).to(torch.bfloat16)\n"
    "\x1b[0;32m----> 2\x1b[0m scores = head(features)\n\n"
    "\x1b[0;31mRuntimeError\x1b[0m: mat1 and mat2 must have the same dtype, "
    "but got Float and BFloat16"
)
SHOTS = os.environ.get("ASSISTANT_SHOTS")  # a folder that keeps the screenshot


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """`assistant serve` as its own process on a free port."""
    if not default_model_folder(load_settings().cache_dir).exists():
        pytest.skip("the default language model is not set up; run: assistant setup")
    command = [sys.executable, "-m", "assistant", "serve", "--port", "0", "--model", "tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, f"no address in {line!r}"
        yield found.group(0)
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def tab(chromium: Browser, address: str) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(address)
    yield page
    page.close()


def test_a_question_asked_while_loading_is_answered(tab: Page) -> None:
    box = tab.get_by_label("Your error or question")
    box.fill(PASTE)
    tab.get_by_role("button", name="Send", exact=True).click()
    expect(tab.get_by_text("For training, keep the model in float32").first).to_be_visible(
        timeout=90_000
    )
    expect(box).to_have_value("")


def test_the_model_speaks_below_the_fix(tab: Page) -> None:
    """Its sentences, or the count of those that did not pass the check; never nothing."""
    spoken = tab.get_by_text("Written by SmolLM2").or_(tab.get_by_text("Sentences held back"))
    expect(spoken.first).to_be_attached(timeout=90_000)
    expect(tab.get_by_text("complete after").first).to_be_attached(timeout=90_000)


def test_the_first_line_in_view_is_what_to_do(tab: Page) -> None:
    expect(tab.get_by_text("For training, keep the model in float32").first).to_be_in_viewport()


def test_on_a_phone_too(chromium: Browser, address: str) -> None:
    """There the Send button stands below the fold, and pressing it has scrolled the chat away."""
    phone = chromium.new_page(viewport={"width": 390, "height": 844})
    phone.goto(address)
    phone.get_by_label("Your error or question").fill("No module named 'lap'")
    phone.get_by_role("button", name="Send", exact=True).click()
    expect(phone.get_by_text("complete after").first).to_be_attached(timeout=90_000)
    expect(phone.locator("#chat h3").last).to_be_in_viewport()
    phone.close()


def test_no_control_code_reaches_the_page(tab: Page) -> None:
    assert "\x1b" not in tab.content()
    assert "[0;31m" not in tab.inner_text("#chat")


def test_a_probe_names_the_python_it_looked_at(tab: Page) -> None:
    tab.get_by_role("button", name="Memory", exact=True).click()
    expect(tab.get_by_text("the assistant's own Python").first).to_be_visible(timeout=60_000)
    tab.get_by_text("What was read").last.click()
    expect(tab.get_by_text("MemAvailable").last).to_be_visible(timeout=60_000)


def test_a_screenshot_can_be_taken(tab: Page, tmp_path: Path) -> None:
    picture = Path(SHOTS or tmp_path) / "page.png"
    tab.screenshot(path=str(picture))
    assert picture.stat().st_size > 20_000
