"""Where the server listens, what it prints, and what it says when it can not."""

from __future__ import annotations

import asyncio
import socket

import pytest
from fastapi import FastAPI

from assistant.errors import ServeError
from assistant.settings import Settings
from assistant.web.serve import address_lines, bind, choose_token, is_loopback, serve


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.20", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_any_bind_but_loopback_demands_a_token(host, loopback):
    settings = Settings(host=host)
    assert is_loopback(host) == loopback
    assert (choose_token(settings) is None) == loopback
    if not loopback:
        assert len(choose_token(settings)) >= 32
        assert choose_token(settings) != choose_token(settings)
        with pytest.raises(ServeError, match="no token"):
            serve(FastAPI(), settings, token=None, notify=print, environ={})


def test_a_set_token_is_used_on_loopback_too():
    assert choose_token(Settings(token="mine")) == "mine"
    assert choose_token(Settings(token="")) is None


@pytest.mark.parametrize(
    ("values", "token", "environ", "lines"),
    [
        ({}, None, {}, ["Open http://127.0.0.1:7860/"]),
        ({}, "a/b", {}, ["Open http://127.0.0.1:7860/?token=a/b"]),
        ({"host": "::1"}, None, {}, ["Open http://[::1]:7860/"]),
        (
            {"root_path": "/proxy/7860"},
            "t",
            {},
            ["Open http://127.0.0.1:7860/?token=t", "Behind the proxy: …/proxy/7860/?token=t"],
        ),
        (
            {},
            None,
            {"SSH_CONNECTION": "10.0.0.9 51000 10.0.0.7 22", "USER": "ada"},
            [
                "Open http://127.0.0.1:7860/",
                "On your laptop first: ssh -L 7860:127.0.0.1:7860 ada@10.0.0.7",
            ],
        ),
    ],
)
def test_the_lines_that_are_printed(values, token, environ, lines):
    assert address_lines(Settings(**values), 7860, token=token, environ=environ) == lines


def test_a_port_in_use_is_said_with_what_to_do():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"Port {port}") as caught:
            bind("127.0.0.1", port)
    assert f"--port {port + 1}" in caught.value.hint


def test_an_address_of_another_machine_is_said():
    with pytest.raises(ServeError, match="not an address of this machine"):
        bind("192.0.2.1", 0)


def test_a_stream_is_not_held_back_for_acknowledgements() -> None:
    """Nagle's algorithm is off on every connection: it made each answer 40 ms later."""

    async def connect() -> int:
        seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            seen.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = bind("127.0.0.1", 0)
        async with await asyncio.start_server(accepted, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            option = await asyncio.wait_for(seen, 10)
            writer.close()
            return option

    assert asyncio.run(connect()) == 1
