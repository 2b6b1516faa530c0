"""An open page belongs to the browser that used it first; other browsers find nothing there."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from assistant.settings import Settings
from assistant.web.app import build_app
from assistant.web.tabs import Tabs
from tests.fakes import FakeAssistant

MINE, YOURS = "m" * 43, "y" * 43
JOIN, PREDICT, CANCEL, DATA, BEAT = (
    f"/gradio_api/{name}"
    for name in ("queue/join", "run/predict", "cancel", "queue/data", "heartbeat")
)


class Echo:
    """Stands for Gradio: answers with what it got; a heartbeat goes on until it is ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        if scope["path"].endswith("/beating"):
            await self.ended.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


class Browser:
    """Asks as one browser, known by its cookie ('' has none)."""

    def __init__(self, app, name: str = "") -> None:
        transport = httpx.ASGITransport(app=app)
        headers = {"cookie": f"other=1; names={name}"} if name else {}
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        )

    async def uses(self, place: str, tab: str) -> int:
        if place in (JOIN, PREDICT, CANCEL):
            body = {"data": ["x" * 100_000], "fn_index": 0, "session_hash": tab}
            answer = await self.http.post(place, json=body)
            assert answer.status_code == 404 or answer.json() == body
            return answer.status_code
        if place == DATA:
            return (await self.http.get(f"{DATA}?session_hash={tab}")).status_code
        return (await self.http.get(f"{BEAT}/{tab}")).status_code


@pytest.mark.parametrize("first", [JOIN, PREDICT, DATA, BEAT, CANCEL])
async def test_a_page_is_there_for_its_own_browser_only(first):
    tabs = Tabs(Echo(), cookie="names")
    me, you, nobody = Browser(tabs, MINE), Browser(tabs, YOURS), Browser(tabs)
    assert await me.uses(first, "mine") == 200
    for place in (JOIN, PREDICT, DATA, BEAT, CANCEL):
        assert await you.uses(place, "mine") == 404
        assert await nobody.uses(place, "mine") == 404
        assert await me.uses(place, "mine") == 200
        assert await you.uses(place, "yours") == 200


async def test_a_page_that_was_open_before_its_browser_had_a_name_goes_on():
    tabs = Tabs(Echo(), cookie="names")
    assert await Browser(tabs).uses(JOIN, "tab") == 200
    assert await Browser(tabs).uses(DATA, "tab") == 200
    assert await Browser(tabs, MINE).uses(JOIN, "tab") == 200
    assert await Browser(tabs, YOURS).uses(JOIN, "tab") == 404


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"session_hash": null}',
        b'{"session_hash": ""}',
        b'{"session_hash": 5}',
        b'{"session_hash": "a b"}',
        b'{"session_hash": "' + b"x" * 65 + b'"}',
        b'{"session_hash": "yours", "session_hash": "mine"}',
        '{"session_hash": "mine"}'.encode("utf-16"),
    ],
)
async def test_a_body_without_a_page_of_this_browser_goes_nowhere(body):
    tabs = Tabs(Echo(), cookie="names")
    await Browser(tabs, MINE).uses(JOIN, "mine")
    assert (await Browser(tabs, YOURS).http.post(JOIN, content=body)).status_code == 404


@pytest.mark.parametrize(
    "query", ["", "?session_hash=", "?session_hash=mine&session_hash=yours", "?session_hash=m%69ne"]
)
async def test_a_query_is_read_as_gradio_reads_it(query):
    tabs = Tabs(Echo(), cookie="names")
    await Browser(tabs, MINE).uses(JOIN, "mine")
    assert (await Browser(tabs, YOURS).http.get(DATA + query)).status_code == 404


async def test_what_is_about_no_page_passes():
    tabs = Tabs(Echo(), cookie="names")
    assert (await Browser(tabs).http.get("/assets/x.js")).status_code == 200
    assert len(tabs) == 0


async def test_memory_is_bounded_and_an_open_page_cannot_be_pushed_out():
    echo = Echo()
    tabs = Tabs(echo, cookie="names", capacity=10)
    me, you = Browser(tabs, MINE), Browser(tabs, YOURS)
    beating = asyncio.create_task(me.uses(BEAT, "beating"))
    await asyncio.sleep(0.05)
    for number in range(50):
        assert await you.uses(JOIN, f"flood{number}") == 200
    assert len(tabs) == 10
    assert await you.uses(JOIN, "beating") == 404
    echo.ended.set()
    assert await beating == 200


@pytest.mark.parametrize("root_path", ["", "/proxy/7860"])
async def test_the_app_binds_its_pages_also_behind_a_proxy(root_path):
    app = build_app(FakeAssistant(), Settings(root_path=root_path), token=None)
    transport = httpx.ASGITransport(app=app)
    me, you = (
        httpx.AsyncClient(transport=transport, base_url="http://localhost:7860") for _ in range(2)
    )
    for browser in (me, you):
        page = await browser.get(f"{root_path}/")
        assert page.status_code == 200
        assert browser.cookies
    body = json.dumps({"session_hash": "mine", "fn_index": 0, "event_id": "x"})
    cancel, json_type = f"{root_path}{CANCEL}", {"content-type": "application/json"}
    assert (await me.post(cancel, content=body, headers=json_type)).status_code == 200
    refused = await you.post(cancel, content=body, headers=json_type)
    assert (refused.status_code, "Load it again" in refused.json()["detail"]) == (404, True)
    assert "content-security-policy" in refused.headers
