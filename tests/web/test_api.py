"""The route for programs: the `ask` object, behind the same guard as the page."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from markdown_it import MarkdownIt

from assistant.history import open_history, session_key
from assistant.settings import Settings
from assistant.types import Target
from assistant.web import api
from assistant.web.app import build_app
from assistant.web.diagnosis import render_diagnosis
from tests.api_server import TOKEN, api_app, course_assistant
from tests.course import TIMM
from tests.fakes import FakeAssistant, FakeBackend

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:7860")


@pytest.fixture
async def backend_and_client(tmp_path: Path) -> AsyncIterator[Any]:
    backend = FakeBackend("The package timm is not installed in your notebook. ")
    assistant = course_assistant(backend)
    assistant.start()
    history = open_history(tmp_path / "history.sqlite3")
    yield backend, client(api_app(assistant, history)), history
    await assistant.aclose()


async def test_an_error_gets_its_fix_and_is_kept(backend_and_client: Any) -> None:
    backend, http, history = backend_and_client
    secret = "HF_TOKEN=hf_abcdefghijklmnopqrstuvwx"
    answer = await http.post("/api/ask", json={"text": f"{secret}\n{TIMM}"}, headers=HEADERS)
    shape = answer.json()
    assert answer.status_code == 200
    assert (shape["answered"], shape["fix"]["entry"]) == (True, "missing-timm")
    assert set(shape) > {"query", "matches", "status", "evidence", "seconds", "markdown", "plain"}
    assert "```bash\npython -m pip install timm\n```" in shape["markdown"]
    assert "pip install timm" in shape["plain"]
    assert "hf_abc" not in answer.text
    assert backend.prompts == [], "no model unless asked"
    (kept,) = history.load_session(session_key("api"))
    assert (kept.state, kept.entries[0]) == ("done", "missing-timm")
    explained = await http.post("/api/ask", json={"text": TIMM, "explain": True}, headers=HEADERS)
    assert "not installed in your notebook" in explained.json()["text"]
    assert len(backend.prompts) == 1


async def test_a_question_without_an_entry(backend_and_client: Any) -> None:
    _, http, _ = backend_and_client
    answer = await http.post(
        "/api/ask", json={"text": "how do I bake <b>bread</b>?"}, headers=HEADERS
    )
    assert (answer.status_code, answer.json()["answered"]) == (200, False)
    assert "no entry" in answer.json()["markdown"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"text": "x"}', {}, 401),
        (b'{"text": "x"}', {"authorization": "Bearer wrong"}, 401),
        (b'{"text": "x"}', {"origin": "http://evil.example"}, 403),
        (b'{"text": "x"}', {"content-type": "text/plain"}, 415),
        (b'{"text": ""}', {}, 400),
        (b'{"text": 5}', {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"text": "x", "paths": ["a", 1]}', {}, 400),
        (b'{"text": "' + b"x" * 60_000 + b'"}', {}, 413),
    ],
)
async def test_what_is_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    asked = FakeAssistant()
    known = {} if status == 401 else HEADERS
    sent = {"content-type": "application/json", **known, **headers}
    answer = await client(api_app(asked)).post("/api/ask", content=body, headers=sent)
    assert answer.status_code == status
    assert asked.calls == []


async def test_a_hint_picks_a_known_python_and_starts_nothing_else() -> None:
    targets = (
        Target("kernel-a", "kernel", ("/opt/a/bin/python",), "a", pid=4711),
        Target("own", "own", (sys.executable,), "ours"),
    )
    rows = {
        "/tmp/ipykernel_4711/1.py": "kernel-a",
        f"{sys.prefix}/lib/python3.11/site-packages/x.py": "own",
        "/evil/bin/python": "kernel-a",  # the only one that runs
    }
    for path, name in rows.items():
        asked = FakeAssistant(targets=targets)
        body = {"text": "x", "paths": [path], "probe": "gpu", "target": "/evil/bin/python"}
        await client(api_app(asked)).post("/api/ask", json=body, headers=HEADERS)
        assert [(call.target, call.probe) for call in asked.calls] == [(name, None)]


async def test_pythons_are_looked_for_beside_the_event_loop() -> None:
    """That reads the disk; all readers share the loop."""
    looked_in: list[threading.Thread] = []

    class Noting(FakeAssistant):
        def targets(self) -> tuple[Target, ...]:
            looked_in.append(threading.current_thread())
            return super().targets()

    app = api_app(Noting())
    answer = await client(app).post("/api/ask", json={"text": "x"}, headers=HEADERS)
    assert answer.status_code == 200
    assert looked_in
    assert threading.current_thread() not in looked_in


async def test_a_failure_is_a_line_and_too_many_at_once_are_told(tmp_path: Path) -> None:
    broken = FakeAssistant(lambda text, probe: [RuntimeError("secret /home/x")])
    answer = await client(api_app(broken)).post("/api/ask", json={"text": "x"}, headers=HEADERS)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    slow = FakeAssistant(lambda text, probe: ["forever"])
    http = client(api_app(slow))
    waiting = [
        asyncio.create_task(http.post("/api/ask", json={"text": "x"}, headers=HEADERS))
        for _ in range(api.AT_ONCE)
    ]
    while len(slow.calls) < api.AT_ONCE:
        await asyncio.sleep(0.01)
    refused = await http.post("/api/ask", json={"text": "x"}, headers=HEADERS)
    assert (refused.status_code, len(slow.calls)) == (503, api.AT_ONCE)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert all(call.closed.is_set() for call in slow.calls)


async def test_the_page_s_app_has_the_route() -> None:
    app = build_app(FakeAssistant(), Settings(), token=TOKEN)
    http = client(app)
    assert (await http.post("/api/ask", json={"text": ""}, headers=HEADERS)).status_code == 400
    assert (await http.post("/api/ask", json={"text": "x"})).status_code == 401


def test_everything_in_the_markdown_is_data() -> None:
    evil = "<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://evil.example/z)"
    row = {"status": "warn", "summary": evil, "next": evil, "where": evil}
    shape = {
        "evidence": [row],
        "matches": [{"title": evil, "why": [evil]}],
        "status": "likely",
        "fix": {"text": f"{evil}\n\n```bash\nls\n```"},
        "text": evil,
        "notices": [f"{evil}\x1b[2J"],
    }
    shown = render_diagnosis(shape)
    html = MarkdownIt("commonmark").render(shown["markdown"])
    assert "alert(1)" in html
    assert not any(live in html for live in ("<script", "<img", "href=", 'javascript:alert(1)"'))
    assert "\x1b" not in shown["plain"]
