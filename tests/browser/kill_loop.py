"""Kills the real server in mid-answer, again and again, and looks in a real Chromium what is left.

    python -m tests.browser.kill_loop [ROUNDS]

`assistant serve` runs as its own process with its real guide, search and history; only the
language model is a fake: a slow server that never comes to an end. What the page has shown before a
kill must be there after the restart: every question, every fix, the text in the box. The broken
answer must be called so, and one click must go on with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from assistant.web.serve import bind

ROUNDS = 20
PATIENCE = 90_000.0  # milliseconds that a busy machine may take for anything
DRAFT = "half a question, not sent yet"
SPOKEN = "Install it yourself, then restart the kernel."


class SlowModel(BaseHTTPRequestHandler):
    """Speaks the OpenAI API one word at a time; after a true sentence it never ends."""

    def do_GET(self) -> None:
        self._answer("application/json", json.dumps({"data": [{"id": "slow"}]}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        words = [f"{word} " for word in SPOKEN.split()] + ["\n\n"] + ["and "] * 4000
        for word in words:
            piece = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            try:
                self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
                self.wfile.flush()
            except OSError:  # the reader was killed
                return
            time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def slow_model() -> Iterator[str]:
    """The fake model on a port of its own; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowModel)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()


class Mortal:
    """`assistant serve`, which can be killed and started again on the same port."""

    def __init__(self, data: Path, model_url: str) -> None:
        with bind("127.0.0.1", 0) as listener:
            self._port = int(listener.getsockname()[1])
        self._environment = {
            **os.environ,
            "ASSISTANT_DATA_DIR": str(data),
            "ASSISTANT_MODEL_URL": model_url,
        }
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it and return its address."""
        command = [sys.executable, "-m", "assistant", "serve", "--port", str(self._port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=self._environment
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert str(self._port) in line, f"no address in {line!r}"
        return f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """As a power cut would end it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)


def kill_loop(page: Page, server: Mortal, rounds: int, *, say: Callable[[str], None]) -> None:
    """Raises AssertionError with what was lost."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(server.start())
    box = page.get_by_label("Your error or question")
    resume = page.get_by_role("button", name="Resume this answer", exact=True)
    bots = page.locator("#chat [data-testid=bot]")
    for number in range(rounds):
        if number % 4 == 3:  # now and then it is the resumed answer that is killed
            before = len(_shown(page)["questions"])
            resume.click()
            expect(resume).to_be_hidden()
            expect(bots.last).not_to_contain_text("broken off")
            assert len(_shown(page)["questions"]) == before, "resuming asked a second time"
        else:
            box.fill(f"ModuleNotFoundError: No module named 'lap' (round {number})")
            box.press("Enter")
            expect(page.locator("#chat [data-testid=user]").last).to_contain_text(f"{number})")
        _wait_for_stage(page, number)
        box.fill(DRAFT)
        shown = _shown(page)
        server.kill()
        expect(page.locator("#away")).to_be_visible()
        assert box.input_value() == DRAFT
        server.start()
        expect(page.locator("#away")).to_have_count(0)
        expect(resume).to_be_visible()
        _assert_nothing_lost(shown, page)
        assert "broken off" in bots.last.inner_text()
        assert box.input_value() == DRAFT
        say(f"round {number + 1}: {len(shown['questions'])} questions, all there")


def _wait_for_stage(page: Page, number: int) -> None:
    """A different moment of an answer each time: understood, fix shown, model speaking."""
    last = page.locator("#chat [data-testid=bot]").last
    if number % 3 >= 1:
        expect(last.locator("h3")).to_have_count(1)
    if number % 3 == 2:
        expect(last).to_contain_text("The model is writing")
        page.wait_for_timeout(300.0 * (number % 5))


def _shown(page: Page) -> dict[str, list[str]]:
    """What a reader has been told: questions, and the titles of the fixes."""
    texts = "all => all.map(one => one.innerText.trim())"
    return {
        "questions": page.locator("#chat [data-testid=user]").evaluate_all(texts),
        "fixes": page.locator("#chat [data-testid=bot] h3").evaluate_all(texts),
    }


def _assert_nothing_lost(before: dict[str, list[str]], page: Page) -> None:
    """A browser may still be painting what has come back, so it is given some seconds."""
    for _ in range(50):
        lost = _find_lost(before, _shown(page))
        if not lost:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"lost: {lost}")


def _find_lost(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Each text once for each time that it stands in `before` more often than in `after`."""
    missing = (Counter(before[kind]) - Counter(after[kind]) for kind in before)
    return [text for one in missing for text in one.elements()]


def main() -> None:
    """Run the loop in a Chromium of its own and say how it went."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    from tests.browser.conftest import FLAGS, find_chromium

    with (
        tempfile.TemporaryDirectory() as folder,
        slow_model() as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        server = Mortal(Path(folder), url)
        try:
            kill_loop(browser.new_page(), server, rounds, say=lambda line: print(line, flush=True))
        finally:
            server.kill()
            browser.close()
    print(f"{rounds} kills, nothing lost")


if __name__ == "__main__":
    main()
