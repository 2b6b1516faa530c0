"""Who may enter: host, token, origin, route and size, decided before the app sees a request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from assistant.settings import Settings
from assistant.web.app import build_policy, silence_gradio
from assistant.web.guard import UPLOAD, Guard, Policy

TOKEN = "right-token"
HOME = "http://localhost:7860"
JOIN = "/gradio_api/queue/join"


class Echo:
    """The app behind the guard: notes what reaches it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    async def __call__(self, scope, receive, send) -> None:
        size, more = 0, True
        while more and scope["method"] == "POST":
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.seen.append((scope["method"], scope["path"], size))
        if scope["path"] == "/readyz":
            raise RuntimeError("secret /home/x/.netrc token=abc")
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"through"})


def guarded(policy: Policy | None = None, *, base: str = HOME, clock=None):
    echo = Echo()
    extra = {"clock": clock} if clock else {}
    app = Guard(echo, policy=policy or Policy(), **extra)
    transport = httpx.ASGITransport(app=app, client=("10.0.0.7", 5))
    return httpx.AsyncClient(transport=transport, base_url=base), echo


# --- hosts ---------------------------------------------------------------------------------------

NAMES = frozenset({"localhost", "127.0.0.1", "::1", "spark.local"})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:7860", 200),
        ("LOCALHOST:7860", 200),
        ("127.0.0.1:9000", 200),
        ("[::1]:7860", 200),
        ("spark.local:7860", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("evil.example:localhost", 400),
        ("localhost@evil.example", 400),
        ("evil.example@localhost", 400),
        ("localhost, evil.example", 400),
        ("127.0.0.1.nip.io", 400),
        ("0.0.0.0:7860", 400),
        ("192.168.1.20:7860", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
async def test_only_known_names_open_the_page(host, status):
    client, echo = guarded(Policy(hosts=NAMES))
    for path, method in (("/", "GET"), (JOIN, "POST")):
        answer = await client.request(method, path, headers={"host": host})
        assert answer.status_code == status, (method, path)
    assert bool(echo.seen) == (status == 200)


async def test_a_forwarded_host_must_be_known_too():
    client, echo = guarded()
    answer = await client.get("/", headers={"x-forwarded-host": "evil.example"})
    assert (answer.status_code, echo.seen) == (400, [])
    assert "trusted_hosts" in answer.text


# --- origins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": HOME}, 200),
        ({"origin": "https://hub.example"}, 200),  # named by the operator
        ({"origin": HOME, "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:8888"}, 403),
        ({"origin": "http://localhost:7860.evil.example"}, 403),
        ({"origin": "https://hub.example.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_only_the_page_itself_may_send(headers, status):
    client, echo = guarded(Policy(origins=frozenset({"https://hub.example"})))
    answer = await client.post(JOIN, json={}, headers=headers)
    assert answer.status_code == status
    assert bool(echo.seen) == (status == 200)
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_link_on_another_site_opens_the_page_but_no_stream():
    client, _ = guarded()
    headers = {"sec-fetch-site": "cross-site"}
    assert (await client.get("/", headers=headers)).status_code == 200
    answer = await client.get("/gradio_api/queue/data?session_hash=x", headers=headers)
    assert answer.status_code == 403


async def test_websockets_are_closed():
    sent = []

    async def send(message) -> None:
        sent.append(message)

    await Guard(Echo(), policy=Policy())({"type": "websocket", "path": "/"}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


# --- tokens --------------------------------------------------------------------------------------

PLACES = (
    "/",
    "/readyz",
    "/theme.css",
    "/assets/x.js",
    "/config",
    "/nowhere",
    "/monitoring",
    "/gradio_api/queue/data",
    "/gradio_api/heartbeat/abc",
    "/gradio_api/mcp/",
)


@pytest.mark.parametrize("path", PLACES)
async def test_without_the_token_there_is_only_the_health_route(path):
    client, echo = guarded(Policy(token=TOKEN))
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        assert (await client.request(method, path)).status_code == 401
    assert (await client.get("/healthz")).status_code == 200
    assert [path for _, path, _ in echo.seen] == ["/healthz"]


async def test_the_refusal_says_where_the_token_is():
    client, _ = guarded(Policy(token=TOKEN))
    page = await client.get("/")
    assert "terminal" in page.text
    assert TOKEN not in page.text
    assert (await client.post(JOIN)).json()["detail"]


async def test_the_address_with_the_token_gives_a_cookie_and_a_clean_address():
    client, echo = guarded(Policy(token=TOKEN, cookie="assistant_7860"))
    answer = await client.get(f"/?token={TOKEN}&__theme=dark")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?__theme=dark")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("assistant_7860=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert (await client.get("/")).status_code == 200  # the client now sends the cookie
    assert echo.seen == [("GET", "/", 0)]


async def test_a_cookie_of_another_process_is_worth_nothing():
    first, _ = guarded(Policy(token=TOKEN))
    cookie = (await first.get(f"/?token={TOKEN}")).headers["set-cookie"].split(";")[0]
    second, _ = guarded(Policy(token=TOKEN))
    assert (await second.get("/", headers={"cookie": cookie})).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"cookie": f"assistant={TOKEN}"}, 401),
        ({"cookie": "assistant=; x\x01y=1"}, 401),
    ],
)
async def test_bearer(headers, status):
    client, _ = guarded(Policy(token=TOKEN))
    assert (await client.get("/", headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["//evil.example/", "//evil.example", "/\\evil.example"])
async def test_the_way_in_leads_nowhere_else(path):
    client, _ = guarded(Policy(token=TOKEN))
    answer = await client.get(f"{HOME}{path}?token={TOKEN}")
    assert answer.headers["location"].startswith("/")
    assert not answer.headers["location"].startswith(("//", "/\\"))


async def test_a_token_in_the_address_is_for_reading_only():
    client, _ = guarded(Policy(token=TOKEN))
    assert (await client.post(f"{JOIN}?token={TOKEN}")).status_code == 401


async def test_wrong_tokens_are_throttled_but_readers_inside_are_not():
    now = [0.0]
    client, _ = guarded(Policy(token=TOKEN), clock=lambda: now[0])
    cookie = (await client.get(f"/?token={TOKEN}")).headers["set-cookie"].split(";")[0]
    client.cookies.clear()
    codes = [(await client.get(f"/?token=wrong{n}")).status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert (await client.get("/", headers={"cookie": cookie})).status_code == 200
    late = await client.get(f"/?token={TOKEN}")
    assert (late.status_code, int(late.headers["retry-after"])) == (429, 60)
    now[0] = 61.0
    assert (await client.get(f"/?token={TOKEN}")).status_code == 303


async def test_a_token_that_nobody_guesses_opens_also_after_wrong_ones_of_others():
    """Behind a tunnel or a proxy all readers have the same address."""
    token = "a-token-of-24-characters"
    client, _ = guarded(Policy(token=token))
    codes = [(await client.get(f"/?token=wrong{n}")).status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    bearer = {"authorization": f"Bearer {token}"}
    assert (await client.get("/", headers=bearer)).status_code == 200
    assert (await client.get(f"/?token={token}")).status_code == 303


# --- routes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file=http://127.0.0.1/"),
        ("GET", "/gradio_api/proxy=http://evil.example/"),
        ("GET", "/gradio_api/deep_link?session_hash=x"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/mcp/schema"),
        ("GET", "/monitoring/summary"),
        ("GET", "/config"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/stream/x"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/call/probe"),
        ("POST", "/gradio_api/call/v2/probe"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/run/probe"),
        ("POST", "/gradio_api/vibe-edit/"),
        ("POST", "/login"),
        ("POST", "/"),
        ("DELETE", "/"),
        ("OPTIONS", JOIN),
        ("GET", "/assets/../../etc/passwd"),
        ("GET", "/assets/%2e%2e/%2e%2e/etc/passwd"),
        ("GET", "/static/..%2f..%2fetc/passwd"),
    ],
)
async def test_routes_that_the_page_does_not_need_are_not_there(method, path):
    client, echo = guarded()
    assert (await client.request(method, path)).status_code == 404
    assert echo.seen == []


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/proxy/7860/", "/"),
        ("/proxy/7860", "/"),
        ("/", "/"),
        ("/proxy/7860/theme.css", "/theme.css"),
        ("/theme.css", "/theme.css"),
    ],
)
async def test_a_proxy_may_strip_its_prefix_or_not(path, inside):
    client, echo = guarded(Policy(prefix="/proxy/7860"))
    assert (await client.get(path)).status_code == 200
    assert echo.seen == [("GET", inside, 0)]


async def test_behind_a_proxy_the_token_leads_back_to_the_prefix():
    client, _ = guarded(Policy(prefix="/proxy/7860", token=TOKEN))
    answer = await client.get(f"/?token={TOKEN}")
    assert answer.headers["location"] == "/proxy/7860/"
    assert "Path=/proxy/7860;" in answer.headers["set-cookie"]


# --- sizes ---------------------------------------------------------------------------------------


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


@pytest.mark.parametrize(
    ("path", "count", "status"),
    [
        (JOIN, 10, 200),
        (JOIN, 11, 413),
        (JOIN, 1000, 413),
        (UPLOAD, 50, 200),
        (UPLOAD, 51, 413),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_has_a_limit(path, count, status, is_chunked):
    client, echo = guarded(Policy(max_body=1000, max_upload=5000))
    content = chunks(count) if is_chunked else b"x" * 100 * count
    answer = await client.post(path, content=content)
    assert answer.status_code == status
    assert echo.seen == ([("POST", path, count * 100)] if status == 200 else [])
    if status == 413:
        assert "is the limit here" in answer.text


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "99999999999999999999"])
async def test_an_odd_length_is_no_way_around_it(length):
    client, echo = guarded(Policy(max_body=1000))
    headers = {"content-length": length}
    answer = await client.post(JOIN, content=b"x" * 5000, headers=headers)
    assert (answer.status_code, echo.seen) == (413, [])


async def test_two_announcements_of_a_size_are_refused():
    """Servers go by the chunks then: the announced length would let any size in."""
    client, echo = guarded(Policy(max_body=1000))
    headers = {"content-length": "10", "transfer-encoding": "chunked"}
    answer = await client.post(JOIN, content=b"x" * 5000, headers=headers)
    assert (answer.status_code, echo.seen) == (400, [])


# --- headers and faults --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/nowhere", "/readyz"])
async def test_every_answer_carries_the_headers(path):
    client, _ = guarded()
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "http:" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_a_failure_keeps_its_details_to_itself():
    client, _ = guarded()
    answer = await client.get("/readyz")
    assert answer.status_code == 500
    assert "netrc" not in answer.text
    assert "incident" in answer.text


@pytest.mark.parametrize(
    ("values", "known", "unknown"),
    [
        ({}, "localhost", "0.0.0.0"),
        ({"host": "0.0.0.0"}, "127.0.0.1", "0.0.0.0"),
        ({"host": "192.168.1.20"}, "192.168.1.20", "192.168.1.21"),
        ({"trusted_hosts": ("Hub.Example",)}, "hub.example", "example"),
    ],
)
def test_the_policy_follows_the_settings(values, known, unknown):
    policy = build_policy(Settings(**values), token=None)
    assert known in policy.hosts
    assert unknown not in policy.hosts


def test_gradio_can_not_be_talked_into_sharing():
    environ = {"GRADIO_SHARE": "True", "GRADIO_ROOT_PATH": "/x", "GRADIO_VIBE_MODE": "1"}
    silence_gradio(environ)
    assert environ["GRADIO_SHARE"] == environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert not {"GRADIO_ROOT_PATH", "GRADIO_VIBE_MODE"} & environ.keys()
