"""The real server, killed in mid-answer: a few rounds of `kill_loop`, which can do many."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.kill_loop import Mortal, kill_loop, slow_model

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.slow]


@pytest.mark.timeout(600)  # the server starts four times, and loads its search model twice
def test_nothing_acknowledged_is_lost(chromium: Browser, tmp_path: Path) -> None:
    with slow_model() as url:
        server = Mortal(tmp_path, url)
        page = chromium.new_page()
        try:
            kill_loop(page, server, 3, say=print)
        finally:
            server.kill()
            page.close()
