"""Which browser a request comes from: a random name in a cookie, of which only a hash is kept.

The name is no permission to enter (that is the guard's matter): it tells one reader's
conversations from another's. It refuses to know what is kept under it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from assistant.history import session_key
from assistant.web.door import read_cookie

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_NAME = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 random bytes, as `secrets.token_urlsafe` writes them
_SECONDS = 180 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who presses: `tab` is an open page's id ('' if it has none: then no check is run for it),
    `owner` the key under which this browser's conversations are kept ('' if it has none)."""

    tab: str
    owner: str = ""

    @property
    def id(self) -> str:
        """Both: a stolen tab's id is worth nothing in another browser."""
        return f"{self.tab} {self.owner}"

    @property
    def audit_name(self) -> str:
        """How the audit log calls this reader."""
        return f"page:{self.owner[:12] or 'unknown'}"


def read_owner(cookies: Mapping[str, str], cookie: str) -> str:
    """Return the key that stands for this browser in the history, '' without a proper cookie."""
    name = cookies.get(cookie, "")
    return session_key(f"browser {name}") if _NAME.fullmatch(name) else ""


class Names:
    """ASGI middleware: gives a browser that opens the page its name."""

    def __init__(
        self,
        app: App,
        *,
        cookie: str,
        prefix: str = "",
        make: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._app, self._cookie, self._prefix, self._make = app, cookie, prefix, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; the answer to `GET /` brings the cookie where it is missing."""
        is_page = scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "GET"
        if not is_page or self._has_name(scope):
            await self._app(scope, receive, send)
            return
        line = (
            f"{self._cookie}={self._make()}; Path={self._prefix or '/'}; Max-Age={_SECONDS}; "
            # Lax, as a link on a course's page must find the conversations too; it lets nobody in
            "HttpOnly; SameSite=Lax"
        )

        async def named(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                cookie = (b"set-cookie", line.encode())
                message["headers"] = [*message.get("headers", ()), cookie]
            await send(message)

        await self._app(scope, receive, named)

    def _has_name(self, scope: Scope) -> bool:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        return bool(_NAME.fullmatch(read_cookie(headers, self._cookie)))
