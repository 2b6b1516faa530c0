"""Binds an open page to the browser that used it first.

Gradio knows a page by its `session_hash` alone: who learns it could read the page's answers as they
come and end them. This layer remembers the browser (by its cookie) beside each one; a request of
another browser finds nothing there. It refuses to know what a page asks for and who may enter.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse

from assistant.web.browser import read_owner
from assistant.web.door import read_cookie

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where the hash stands: in the path, in the query, in the JSON body
_HEARTBEAT = "/gradio_api/heartbeat/"
_DATA = "/gradio_api/queue/data"
_BODIES = frozenset(("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel"))
_HASH = re.compile(r"[A-Za-z0-9_-]{1,64}")
FOREIGN = "This page is not known in this browser. Load it again."


@dataclass(slots=True)
class Tab:
    """An open page's browser ('' while it has shown no cookie) and its requests under way."""

    owner: str
    live: int = 0


class Tabs:
    """ASGI middleware around Gradio; remembers `capacity` pages, those in use before all others."""

    def __init__(self, app: App, *, cookie: str, capacity: int = 4096) -> None:
        self._app, self._cookie, self._capacity = app, cookie, capacity
        self._tabs: OrderedDict[str, Tab] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tabs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is about no page, or about a page of the browser that asks."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path != _DATA and path not in _BODIES and not path.startswith(_HEARTBEAT):
            await self._app(scope, receive, send)
            return
        hash_, receive = await _find_hash(scope, receive)
        tab = self._claim(hash_, self._owner(scope)) if _HASH.fullmatch(hash_) else None
        if tab is None:
            answer = JSONResponse({"error": FOREIGN, "detail": FOREIGN}, status_code=404)
            await answer(scope, receive, send)
            return
        tab.live += 1
        try:
            await self._app(scope, receive, send)
        finally:
            tab.live -= 1

    def _claim(self, hash_: str, owner: str) -> Tab | None:
        """The page, if it is this browser's; an unknown one becomes that."""
        tab = self._tabs.get(hash_)
        if tab is None:
            if len(self._tabs) >= self._capacity and not self._forget_one():
                return None
            tab = self._tabs[hash_] = Tab(owner)
        elif not tab.owner:
            tab.owner = owner  # a page that was open before its browser got a name
        elif tab.owner != owner:
            return None
        self._tabs.move_to_end(hash_)
        return tab

    def _forget_one(self) -> bool:
        """The page that was not used for longest; one whose heartbeat goes on is never forgotten,
        so that nobody takes an open page over by asking for many."""
        idle = next((hash_ for hash_, tab in self._tabs.items() if not tab.live), None)
        if idle is not None:
            del self._tabs[idle]
        return idle is not None

    def _owner(self, scope: Scope) -> str:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        return read_owner({self._cookie: read_cookie(headers, self._cookie)}, self._cookie)


async def _find_hash(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The page's hash as the request gives it, '' without one; and what reads its body."""
    path: str = scope["path"]
    if path in _BODIES:
        body, receive = await _read_body(receive)
        return _hash_in_body(body), receive
    if path == _DATA:
        return _hash_in_query(scope.get("query_string", b"")), receive
    return path.removeprefix(_HEARTBEAT), receive


def _hash_in_body(body: bytes) -> str:
    """As Gradio's own reader sees it (of two the last counts); '' if there is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    found = said.get("session_hash") if isinstance(said, dict) else None
    return found if isinstance(found, str) else ""


def _hash_in_query(query: bytes) -> str:
    """'' also if there are two: readers differ in which one counts."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    found = [value for name, value in pairs if name == "session_hash"]
    return found[0] if len(found) == 1 else ""


async def _read_body(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body (the guard has seen to its size), and a `receive` that gives it once more;
    nothing of one whose sender has left."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return b"", receive
        chunks.append(message.get("body", b""))
        more = bool(message.get("more_body", False))
    body = b"".join(chunks)
    waiting = [body]

    async def again() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return body, again
