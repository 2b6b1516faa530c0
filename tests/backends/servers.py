"""A server that misbehaves on real sockets: what a route of the OpenAI API may send, and worse."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Send = Callable[[bytes], None]
Behave = Callable[[Send, threading.Event], None]

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def chunk(text: object = None, *, finish: str | None = None) -> bytes:
    """One event of a streamed answer."""
    delta = {} if text is None else {"content": text}
    shape = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps(shape | {"choices": choices}).encode() + b"\n\n"


def answer(*pieces: str) -> Behave:
    """What a good server does."""

    def behave(send: Send, ended: threading.Event) -> None:
        send(STREAM)
        for piece in pieces:
            send(chunk(piece))
        send(chunk(finish="stop") + b"data: [DONE]\n\n")

    return behave


def status(code: int, body: bytes = b"", *headers: str) -> Behave:
    """A plain answer with a status code."""
    lines = [f"HTTP/1.1 {code} x", f"content-length: {len(body)}", "connection: close", *headers]
    return lambda send, _: send("\r\n".join([*lines, "", ""]).encode() + body)


@dataclass
class FakeServer:
    """Answers each request with the next behaviour; the last one is repeated."""

    behaviours: list[Behave]
    requests: list[bytes] = field(default_factory=list)
    closed_by_client: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(self, listener: socket.socket) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        with connection:
            try:
                self.requests.append(_read_request(connection))
                at = min(len(self.requests), len(self.behaviours)) - 1
                self.behaviours[at](connection.sendall, self.ended)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
            except OSError:
                self.closed_by_client.set()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-le" in line),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def fake_server(*behaviours: Behave, port: int = 0) -> Iterator[FakeServer]:
    """Listen on a free port of the loopback (or on `port`) until the block ends."""
    server = FakeServer(list(behaviours))
    with socket.create_server(("127.0.0.1", port)) as listener:
        server.port = listener.getsockname()[1]
        threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
        yield server
        server.ended.set()
        listener.shutdown(socket.SHUT_RDWR)


def drip(send: Send, ended: threading.Event) -> None:
    """A word every 50 ms, without end."""
    send(STREAM)
    while not ended.is_set():
        send(chunk("word "))
        time.sleep(0.05)


def flood(send: Send, ended: threading.Event) -> None:
    """One line that never ends."""
    send(STREAM + b"data: ")
    while not ended.is_set():
        send(b"x" * 1_000_000)


def silence(send: Send, ended: threading.Event) -> None:
    """Accepts, and says nothing."""
    ended.wait(20)


def drop(send: Send, ended: threading.Event) -> None:
    """Breaks off after two words."""
    send(STREAM + chunk("Half an ") + chunk("answer"))
