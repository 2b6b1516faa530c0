"""What the guard hands out and counts: headers, the page that asks for a token, sizes, tries.

It refuses to know routes, hosts and tokens; guard.py decides, this is what it decides with.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline'",  # Gradio's page starts with inline scripts
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "form-action 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'self'",
    )
)
HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

UNLOCK_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Token needed</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:1.05rem/1.5 sans-serif;max-width:38em;margin:3em auto;padding:0 1em}
input,button{font:inherit;padding:.4em}</style></head>
<body><h1>A token is needed</h1>
<p>The terminal in which the assistant was started shows its address with <code>?token=…</code> at
the end. Open that address, or paste the token here. If you set the token yourself, it is the
setting <code>ASSISTANT_TOKEN</code>.</p>
<form method="get" action=""><label>Token <input name="token" type="password"
autocomplete="off" required></label> <button>Open</button></form></body></html>
"""

DRAINED = 8  # a body that is too large is read on up to so many times the cap, so that the
# browser gets to see the answer instead of a broken connection


class Throttle:
    """Counts wrong tokens of each client; after `tries` within `seconds` it must wait."""

    def __init__(
        self,
        *,
        tries: int = 10,
        seconds: float = 60.0,
        capacity: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tries, self._seconds, self._capacity = tries, seconds, capacity
        self._clock = clock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Seconds that this client must wait; 0 if it may try."""
        now = self._clock()
        recent = [at for at in self._wrong.get(client, ()) if now - at < self._seconds]
        if len(recent) < self._tries:
            return 0
        return max(1, round(self._seconds - (now - recent[-self._tries])))

    def count(self, client: str) -> None:
        """Note a wrong token."""
        self._wrong[client] = [*self._wrong.pop(client, [])[-self._tries :], self._clock()]
        while len(self._wrong) > self._capacity:
            self._wrong.popitem(last=False)


def read_cookie(headers: Mapping[str, str], name: str) -> str:
    """Return a cookie's value, '' if there is none; `headers` have lower-case names."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


async def limited(receive: Receive, length: str | None, *, cap: int) -> Receive | None:
    """Return a `receive` for a body within the cap, or None (then the body has been drained).

    A body that announces its length is passed on as it comes (the server holds it to that
    length); any other is read here first, because only its end tells its size.
    """
    if length is not None and length.isdigit() and int(length) <= cap:
        return receive
    announced = length is not None
    chunks: list[MutableMapping[str, Any]] = []
    size, more = 0, True
    while more and size <= DRAINED * cap:
        message = await receive()
        size += len(message.get("body", b""))
        more = bool(message.get("more_body", False))
        if not announced and size <= cap:
            chunks.append(message)
    if announced or size > cap:
        return None
    waiting = iter(chunks)

    async def replay() -> MutableMapping[str, Any]:
        message = next(waiting, None)
        return message if message is not None else await receive()

    return replay
