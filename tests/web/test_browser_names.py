"""A browser gets a name once; only its hash goes further."""

from __future__ import annotations

import httpx
import pytest

from assistant.web.browser import Names, Visitor, read_owner

NAME = "n" * 43


async def answer(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


async def asked(path: str = "/", *, method: str = "GET", cookie: str = "") -> httpx.Response:
    app = Names(answer, cookie="names", prefix="/proxy/1", make=lambda: NAME)
    headers = {"cookie": cookie} if cookie else {}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, headers=headers)


async def test_the_page_brings_a_name_that_scripts_cannot_read():
    line = (await asked()).headers["set-cookie"]
    assert line.startswith(f"names={NAME}; Path=/proxy/1; Max-Age=")
    assert line.endswith("HttpOnly; SameSite=Lax")


@pytest.mark.parametrize(
    ("path", "method", "cookie"),
    [("/", "GET", f"names={NAME}"), ("/assets/x.js", "GET", ""), ("/", "POST", "")],
)
async def test_only_an_unnamed_browser_that_opens_the_page_gets_one(path, method, cookie):
    assert "set-cookie" not in (await asked(path, method=method, cookie=cookie)).headers


@pytest.mark.parametrize("cookie", ["names=short", "names=" + "x" * 44, "names='; DROP", "other=1"])
async def test_a_cookie_that_is_no_name_is_replaced_and_owns_nothing(cookie):
    assert "set-cookie" in (await asked(cookie=cookie)).headers
    name, _, value = cookie.partition("=")
    assert read_owner({name: value}, "names") == ""


def test_the_name_itself_is_not_what_is_kept():
    owner = read_owner({"names": NAME}, "names")
    assert len(owner) == 32
    assert NAME not in owner
    assert owner != read_owner({"names": NAME[:-1] + "m"}, "names")
    assert Visitor("tab", owner).id != Visitor("tab").id
    assert owner not in Visitor("tab", owner).audit_name
