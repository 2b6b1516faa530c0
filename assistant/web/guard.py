"""The door of the web app: who may enter, from where, with how much, and to which routes.

Pure ASGI, so that a reader who leaves is noticed by what runs behind it. In this order: host,
websocket, token, origin, route, size; and the same headers on every answer. It refuses to know
what is served behind it; every decision comes from a frozen `Policy`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from assistant.web.door import HEADERS, UNLOCK_PAGE, Throttle, limited, read_cookie

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
API = "/gradio_api/"
UPLOAD = "/api/read"
HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d+)?")  # `localhost:7860`, `[::1]`
SAFE = frozenset({"GET", "HEAD"})
UNGUESSABLE = 16  # characters of a token that nobody finds by trying

# What the page asks for in a browser, seen in Chromium; all else is 404.
ROUTES: tuple[tuple[str, str], ...] = (
    ("GET", r"/|/healthz|/readyz"),
    ("GET", r"/(theme\.css|favicon\.ico|manifest\.json|robots\.txt)"),
    ("GET", r"/(assets|static)/[\w./-]+"),
    ("GET", r"/figures/[a-z0-9-]+\.svg"),
    ("GET", r"/packet\.md"),
    ("GET", r"/gradio_api/queue/data"),
    ("GET", r"/gradio_api/app_id"),  # how the page notices that the server is back
    ("GET", r"/gradio_api/heartbeat/\w+"),
    ("POST", r"/gradio_api/queue/join"),
    ("POST", r"/gradio_api/run/predict"),
    ("POST", r"/gradio_api/cancel"),
    ("POST", UPLOAD),
    ("POST", r"/api/ask"),  # for programs: `%diagnose` in a notebook
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the guard decides by. `prefix` is a proxy's path, which it may strip or not."""

    hosts: frozenset[str] = LOOPBACK
    origins: frozenset[str] = frozenset()
    token: str | None = None
    prefix: str = ""
    cookie: str = "assistant"
    max_body: int = 8_000_000
    max_upload: int = 20_000_000
    routes: tuple[tuple[str, str], ...] = ROUTES
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def cookie_value(self) -> str:
        """What a cookie holds: made from the token and this process's secret, never the token."""
        return hmac.new(self.secret, (self.token or "").encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that the guard gives itself."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    html: bool = False


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(
        self, app: App, *, policy: Policy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._policy = policy
        self._throttle = Throttle(clock=clock)
        self._routes = [(method, re.compile(path)) for method, path in policy.routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page uses no websocket
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = {**scope, "path": self._path(scope["path"])}
        scope["raw_path"] = quote(scope["path"]).encode()
        started = False

        async def sealed(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            await self._guarded(scope, receive, sealed)
        except Exception as error:  # the rim: no detail of a failure leaves the house
            incident = secrets.token_hex(3)
            log.error("incident %s: %s", incident, type(error).__name__, exc_info=error)
            if not started:
                text = f"Something broke inside the assistant (incident {incident}, see its log)."
                await _answer(scope, sealed, Refusal(500, text))

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        refusal = (
            self._check_host(headers)
            or self._check_token(scope, headers)
            or self._check_origin(scope, headers)
            or self._check_route(scope)
            or _check_framing(headers)
        )
        if refusal is None and scope["method"] not in SAFE:
            cap = self._cap(scope["path"])
            body = await limited(receive, headers.get("content-length"), cap=cap)
            if body is not None:
                await self._app(scope, body, send)
                return
            refusal = Refusal(
                413,
                f"Too large: {cap / 1e6:.0f} MB is the limit here. Send the end of the text, with "
                "the error message, or raise the limit (setting max_body_mb or max_upload_mb).",
                headers=(("connection", "close"),),
            )
        if refusal is not None:
            await _answer(scope, send, refusal)
            return
        await self._app(scope, receive, send)

    # --- checks: None lets pass ------------------------------------------------------------------

    def _check_host(self, headers: dict[str, str]) -> Refusal | None:
        """A foreign name for this address is how DNS rebinding comes in."""
        forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip()
        for host in (headers.get("host", ""), *([forwarded] if forwarded else [])):
            if _host_name(host) not in self._policy.hosts:
                return Refusal(
                    400,
                    "This name is not known here. Open the page under localhost, or put the name "
                    "that your browser shows into the setting trusted_hosts.",
                )
        return None

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> Refusal | None:
        token = self._policy.token
        if token is None or scope["path"] == "/healthz":
            return None
        if _same(read_cookie(headers, self._policy.cookie), self._policy.cookie_value):
            return None
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token", "") if scope["method"] == "GET" else ""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        client = str((scope.get("client") or ("?",))[0])
        right = _same(bearer, token) or _same(given, token)
        wait = self._throttle.wait(client) if given or bearer else 0
        # behind a tunnel all readers are one client: only where a token could be guessed must the
        # right one wait for the wrong ones of others
        if wait and not (right and len(token) >= UNGUESSABLE):
            text = "Too many wrong tokens. Wait a minute, then try again."
            return Refusal(429, text, headers=(("retry-after", str(wait)),))
        if _same(bearer, token):
            return None
        if _same(given, token):
            return self._let_in(scope["path"], [pair for pair in query if pair[0] != "token"])
        if given or bearer:
            self._throttle.count(client)
        return Refusal(401, UNLOCK_PAGE, html=True)

    def _let_in(self, path: str, query: list[tuple[str, str]]) -> Refusal:
        """Put the cookie in the token's place and take the token out of the address."""
        prefix = self._policy.prefix
        place = f"{prefix}/{quote(path.lstrip('/'))}" + (f"?{urlencode(query)}" if query else "")
        cookie = (
            f"{self._policy.cookie}={self._policy.cookie_value}; Path={prefix or '/'}; "
            "HttpOnly; SameSite=Strict"
        )
        headers = (("location", place), ("set-cookie", cookie), ("cache-control", "no-store"))
        return Refusal(303, "", headers=headers)

    def _check_origin(self, scope: Scope, headers: dict[str, str]) -> Refusal | None:
        """Only this page's own scripts, and origins that the operator named, may send requests."""
        foreign = Refusal(
            403,
            "This request came from another page. If a proxy changes the Host header, put the "
            "address of the page into the setting trusted_origins.",
        )
        origin = headers.get("origin")
        if origin is not None and origin not in self._policy.origins:
            hosts = (headers.get("host"), headers.get("x-forwarded-host"))
            if not urlsplit(origin).netloc or urlsplit(origin).netloc not in hosts:
                return foreign
        writes = scope["method"] not in SAFE or scope["path"].startswith(API)
        if headers.get("sec-fetch-site") == "cross-site" and writes:
            return foreign
        return None

    def _check_route(self, scope: Scope) -> Refusal | None:
        path, method = scope["path"], scope["method"]
        method = "GET" if method == "HEAD" else method
        for allowed, pattern in self._routes:
            if allowed == method and pattern.fullmatch(path) and ".." not in path:
                return None
        return Refusal(404, "There is nothing here.")

    # --- the request -----------------------------------------------------------------------------

    def _path(self, path: str) -> str:
        """The path without the proxy's prefix, whether the proxy has stripped it or not."""
        prefix = self._policy.prefix
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return path.removeprefix(prefix) or "/"
        return path

    def _cap(self, path: str) -> int:
        return self._policy.max_upload if path == UPLOAD else self._policy.max_body


def _check_framing(headers: dict[str, str]) -> Refusal | None:
    """A body that announces its size in two ways has none that can be held to the cap."""
    if "transfer-encoding" in headers and "content-length" in headers:
        return Refusal(
            400,
            "A request has Content-Length or Transfer-Encoding, not both.",
            headers=(("connection", "close"),),
        )
    return None


def _headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def _host_name(host: str) -> str:
    """`localhost:7860` → `localhost`; `[::1]:7860` → `::1`; anything odd → ''."""
    found = HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _same(given: str, wanted: str) -> bool:
    return bool(given) and hmac.compare_digest(given.encode(), wanted.encode())


async def _answer(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Gradio's client reads JSON; people read a line."""
    kind, text = ("text/html" if refusal.html else "text/plain"), refusal.text
    if scope["path"].startswith(API):
        plain = "Open the page again with its token." if refusal.html else text
        kind, text = "application/json", json.dumps({"error": plain, "detail": plain})
    body = b"" if scope["method"] == "HEAD" else text.encode()
    own = [("content-type", f"{kind}; charset=utf-8"), ("content-length", str(len(text.encode())))]
    headers = [(name.encode(), value.encode("latin-1")) for name, value in (*own, *refusal.headers)]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
