"""A real headless Chromium, and apps served on a thread for it.

Playwright's own loop would stand in the way of async tests of the same thread, so the browser
lives as long as one module, and the tests here are plain functions.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from assistant.settings import Settings
from assistant.web.app import build_app
from assistant.web.serve import bind
from assistant.web.talk import Assistant

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


def find_chromium() -> str | None:
    """Path of an installed Chromium, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


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
            getattr(getattr(app, "state", None), "leave", lambda: None)()
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """An installed Chromium; Playwright's own download is not needed."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium found; install one: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


class Switch:
    """Stands in front of the assistant of the moment, so that one server serves many tests."""

    def __init__(self) -> None:
        self.now: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


@pytest.fixture(scope="module")
def shared(assistant_type: type) -> Iterator[tuple[Switch, str]]:
    """One server for all tests of a module that need no settings of their own."""
    switch = Switch()
    switch.now = assistant_type()
    with running(build_app(switch, Settings(), token=None)) as port:
        yield switch, f"http://127.0.0.1:{port}"


@pytest.fixture
def serve(shared: tuple[Switch, str]) -> Iterator[Serve]:
    """Put an assistant behind a page and return its address; settings give it its own server."""
    with contextlib.ExitStack() as stack:

        def start(assistant: Assistant, *, token: str | None = None, **values: object) -> str:
            if token is None and not values and len(assistant.targets()) == 1:
                shared[0].now = assistant
                return shared[1]
            app = build_app(assistant, Settings(**values), token=token)
            return f"http://127.0.0.1:{stack.enter_context(running(app))}"

        yield start


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One reader's browser profile, whose cache makes later pages quick."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, serve: Serve) -> Iterator[Page]:
    """One tab, no request of which may leave the loopback interface.

    It asks for `serve` so that the tab is closed before its server.
    """
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    context.clear_cookies()
    assert [
        url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ] == []
