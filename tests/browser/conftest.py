"""A real headless Chromium, and apps served on a thread for it.

Playwright's own loop would stand in the way of async tests of the same thread, so the browser
lives as long as one module, and the tests here are plain functions.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from assistant.settings import Settings
from assistant.web.app import build_app
from assistant.web.room import Assistant
from assistant.web.serve import bind

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
Serve = Callable[..., str]

expect.set_options(timeout=15_000)


@contextlib.contextmanager
def running(app: object, *, port: int = 0) -> Iterator[int]:
    """Serve an ASGI app on a thread and yield its port."""
    with bind("127.0.0.1", port) as listener:
        options = {"log_level": "warning", "timeout_graceful_shutdown": 1, "proxy_headers": False}
        server = uvicorn.Server(uvicorn.Config(app, **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """An installed Chromium; Playwright's own download is not needed."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium found; install one: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One reader's browser profile, on which no request may leave the loopback interface."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    foreign: list[str] = []
    context.on("request", lambda request: foreign.append(request.url))
    yield context
    context.close()
    assert [
        url for url in foreign if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ] == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """One tab."""
    return context.new_page()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an assistant with settings and return the address of its page."""
    with contextlib.ExitStack() as stack:

        def start(assistant: Assistant, *, token: str | None = None, **values: object) -> str:
            app = build_app(assistant, Settings(**values), token=token)
            return f"http://127.0.0.1:{stack.enter_context(running(app))}"

        yield start
