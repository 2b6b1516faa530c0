"""A file sent by the page: its text comes back masked, a failure comes back in words."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from assistant.inputs import CleanText, read_bytes
from assistant.web.files import AT_ONCE, READ, add_files, show_name
from assistant.web.guard import Guard, Policy

BYTES = {"content-type": "application/octet-stream", "x-file-name": "lab%203.ipynb"}
TRACEBACK = "Traceback (most recent call last):\n  x\nModuleNotFoundError: No module named 'timm'\n"
ERROR = {
    "output_type": "error",
    "ename": "KeyError",
    "evalue": "'x'",
    "traceback": ["KeyError: 'x'"],
}
NOTEBOOK = {"cells": [{"cell_type": "code", "source": "d['x']", "outputs": [ERROR]}], "nbformat": 4}


def client(read_file: Any = read_bytes, *, seconds: float = 60.0) -> httpx.AsyncClient:
    app = FastAPI()
    add_files(app, read_file, seconds=seconds)
    app.add_middleware(Guard, policy=Policy(max_upload=1000))
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:7860")


async def test_a_text_comes_back_clean_and_masked():
    secret = "HF_TOKEN=hf_abcdefghijklmnopqrstuvwx"
    answer = await client().post(READ, content=f"\x1b[31m{secret}\n{TRACEBACK}", headers=BYTES)
    assert answer.status_code == 200
    text = answer.json()["text"]
    assert TRACEBACK.strip() in text
    assert "hf_abc" not in answer.text
    assert "\x1b" not in text


async def test_a_notebook_comes_back_as_its_errors():
    answer = await client().post(READ, content=json.dumps(NOTEBOOK), headers=BYTES)
    assert "KeyError: 'x'" in answer.json()["text"]
    assert "nbformat" not in answer.json()["text"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lab 3.ipynb is empty"),
        (b"PK\x03\x04" + bytes(50), "not a text"),
        (b'{"cells": [], "nbformat": 4}', "no error output"),
        (bytes(range(256)) * 3, "lab 3.ipynb"),
    ],
)
async def test_what_can_not_be_read_is_said_in_words(content, said):
    answer = await client().post(READ, content=content, headers=BYTES)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


async def test_a_form_of_another_page_and_a_large_file_are_refused():
    form = BYTES | {"content-type": "text/plain"}
    assert (await client().post(READ, content=b"x", headers=form)).status_code == 415
    assert (await client().post(READ, content=b"x" * 1001, headers=BYTES)).status_code == 413
    foreign = BYTES | {"origin": "http://evil.example"}
    assert (await client().post(READ, content=b"x", headers=foreign)).status_code == 403


async def test_only_so_many_files_are_read_at_once():
    gate = threading.Event()

    def slow(data: bytes, *, name: str) -> CleanText:
        gate.wait(10)
        return CleanText(data.decode())

    http = client(slow)
    waiting = [
        asyncio.create_task(http.post(READ, content=b"x", headers=BYTES)) for _ in range(AT_ONCE)
    ]
    await asyncio.sleep(0.1)
    assert (await http.post(READ, content=b"x", headers=BYTES)).status_code == 503
    gate.set()
    assert [(await one).status_code for one in waiting] == [200] * AT_ONCE


async def test_slow_senders_hold_nobody_up_and_are_told():
    gate = asyncio.Event()

    async def dribble() -> AsyncIterator[bytes]:
        yield b"abc"
        await gate.wait()

    http = client(seconds=0.5)
    announced = BYTES | {"content-length": "500"}
    slow = [
        asyncio.create_task(http.post(READ, content=dribble(), headers=announced))
        for _ in range(AT_ONCE)
    ]
    await asyncio.sleep(0.1)
    assert (await http.post(READ, content=b"hello", headers=BYTES)).status_code == 200
    answers = await asyncio.wait_for(asyncio.gather(*slow), 10)
    assert [one.status_code for one in answers] == [408] * AT_ONCE
    assert "Send it again" in answers[0].json()["error"]
    gate.set()


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ("train%20log.txt", "train log.txt"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C%3A%5Cx%5Cshot.png", "shot.png"),
        ("%3Cimg%20src%3Dx%3E.log", "_img src_x_.log"),
        ("a%0Ab%1B%5B31m.log", "a_b__31m.log"),
        ("%", "_"),
        ("", "the file"),
        ("..", "the file"),
        ("x" * 500, "x" * 80),
    ],
)
def test_a_name_is_fit_for_a_message(quoted, shown):
    assert show_name(quoted) == shown
