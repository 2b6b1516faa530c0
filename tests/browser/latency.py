"""How long a reader waits for the fix: from Enter to the fix on the screen, in a real Chromium.

    python -m tests.browser.latency [--count 40]

A benchmark, not a test: it serves the real app (real knowledge, no language model), asks one
question after another in one page, and prints percentiles for messages with an exact signature
and for plain words, with the server's own time to the fix in the same run beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import statistics
import time
from collections.abc import Sequence

from playwright.sync_api import Page, sync_playwright

from assistant.build import build_assistant, prepare_environment
from assistant.events import Fix
from assistant.service import Assistant
from assistant.settings import load_settings
from assistant.web.app import build_app
from tests.browser.conftest import FLAGS, find_chromium, running

EXACT = "ModuleNotFoundError: No module named 'timm'"
WORDS = "my U-Net gives an IoU of zero although the masks look right"
# Notes when Enter was pressed, and when one more heading of an answer has been painted.
WATCH = """
window.waits = [];
addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const start = performance.now();
  const before = document.querySelectorAll("#chat h3").length;
  const look = () => {
    if (document.querySelectorAll("#chat h3").length > before)
      requestAnimationFrame(() => window.waits.push(performance.now() - start));
    else
      requestAnimationFrame(look);
  };
  look();
}, true);
"""


def measure_page(page: Page, text: str, count: int) -> list[float]:
    """Milliseconds from Enter to the fix on the screen, one for each of `count` questions."""
    box = page.get_by_label("Your error or question")
    page.evaluate("window.waits = []")
    for place in range(count):
        page.get_by_role("button", name="New conversation").click()
        page.wait_for_function("() => document.querySelectorAll('#chat h3').length === 0")
        box.fill(text)
        box.press("Enter")
        page.wait_for_function("n => window.waits.length > n", arg=place)
        page.get_by_text("complete after").wait_for()
    return list(page.evaluate("window.waits"))


async def measure_server(assistant: Assistant, text: str, count: int) -> list[float]:
    """Milliseconds from the call to the first `Fix`, without a page."""
    waits = []
    for _ in range(count):
        began = time.perf_counter()
        first = None
        async for event in assistant.ask(text):
            if isinstance(event, Fix) and first is None:
                first = time.perf_counter() - began
        waits.append(1000 * (first if first is not None else math.nan))
    return waits


def percentiles(values: Sequence[float]) -> str:
    """ "p50 84 ms, p95 120 ms"."""
    half, most = statistics.median(values), statistics.quantiles(values, n=20)[-1]
    return f"p50 {half:.0f} ms, p95 {most:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=40)
    count = parser.parse_args().count
    prepare_environment(os.environ)
    settings = load_settings(model="none", history=False)
    assistant = build_assistant(settings)
    assistant.start()
    while assistant.snapshot() is None:
        time.sleep(0.1)
    with running(build_app(assistant, settings, token=None)) as port, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        page = browser.new_page()
        page.add_init_script(WATCH)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_text("Ready: ").wait_for()
        measure_page(page, EXACT, 3)
        seen = {text: measure_page(page, text, count) for text in (EXACT, WORDS)}
        browser.close()
    for text in (EXACT, WORDS):
        server = asyncio.run(measure_server(assistant, text, count))
        print(f"{text}\n  browser {percentiles(seen[text])}; server {percentiles(server)}")


if __name__ == "__main__":
    main()
