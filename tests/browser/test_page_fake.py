"""The page in a real Chromium, in front of a scripted assistant."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from assistant.events import (
    Dropped,
    Fix,
    Loading,
    Offered,
    Probed,
    Question,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.reading import read_query
from assistant.settings import Settings
from assistant.types import Finding, FixText, Match, Parameter, ProbeInfo, Query, Target
from assistant.web.app import build_app
from tests.browser.conftest import running
from tests.fakes import ENTRIES, FakeAssistant, answer_script, fake_done, fake_entry
from tests.web.test_messages import XSS

pytestmark = pytest.mark.browser

PASTE = 'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\nNo timm'
FIX = "pip install missing-timm"


@pytest.fixture(scope="module")
def assistant_type() -> type:
    return FakeAssistant


def open_page(page: Page, address: str):
    page.goto(address)
    expect(page.get_by_text("Ready: ")).to_be_visible()
    return page.get_by_label("Your error or question")


def send(page: Page, address: str, text: str = PASTE):
    box = open_page(page, address)
    box.fill(text)
    box.press("Enter")
    return box


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def shown_fix(page: Page):
    """The command of the fix; the folded whole entry has it once more."""
    return page.locator("#chat code").filter(has_text=FIX, visible=True)


def wait_until(what, *, seconds: float = 15.0) -> None:
    """Retry an assertion about the server's side."""
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert what()


# --- answers -------------------------------------------------------------------------------------


def test_a_paste_gets_its_fix_with_source_and_candidates(page, serve):
    box = send(page, serve(FakeAssistant()))
    chat = page.locator("#chat")
    expect(shown_fix(page)).to_be_visible()
    expect(chat.get_by_text("section “Imports”, line 12")).to_be_visible()
    expect(chat.get_by_text("Your environment lacks")).to_be_visible()
    assert PASTE in chat.locator("[data-testid=user]").inner_text()  # as it stands, `<module>` too
    expect(box).to_have_value("")
    button(page, "Other candidate: Missing lap").click()
    expect(chat.get_by_text("pip install missing-lap")).to_be_visible()
    button(page, "Clear").last.click()
    expect(shown_fix(page)).to_have_count(0)


def test_shift_enter_is_a_new_line_and_keys_alone_do_it_all(page, serve):
    fake = FakeAssistant()
    box = open_page(page, serve(fake))
    box.focus()
    page.keyboard.type("first")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Send"
    page.keyboard.press("Enter")
    expect(shown_fix(page)).to_be_visible()
    assert fake.calls[0].text == "first\nsecond"


def test_an_example_goes_into_the_box(page, serve):
    box = open_page(page, serve(FakeAssistant()))
    button(page, "Example: a traceback").click()
    expect(box).to_have_value(re.compile("No module named 'timm'"))


def test_sentences_held_back_are_shown_on_request(page, serve):
    def script(text, probe):
        steps = list(answer_script(text, probe))
        return [*steps[:3], Dropped("Run pip install evil", "not in the guide"), *steps[3:]]

    send(page, serve(FakeAssistant(script)))
    held = page.get_by_text("Sentences held back (1)")
    expect(held).to_be_visible()
    expect(page.get_by_text("pip install evil")).to_be_hidden()
    held.click()
    expect(page.get_by_text("pip install evil")).to_be_visible()


def test_the_page_opens_while_things_are_loading_and_keeps_the_question(page, serve):
    gate = threading.Event()

    class Slow(FakeAssistant):
        async def ask(self, text, **options):
            yield Loading("the search model")
            while not gate.is_set():
                await asyncio.sleep(0.02)
            async for event in super().ask(text, **options):
                yield event

    fake = Slow(loading=True)
    page.goto(serve(fake))
    expect(page.get_by_text("Loading the guide and the search model")).to_be_visible()
    box = page.get_by_label("Your error or question")
    box.fill(PASTE)
    box.press("Enter")
    expect(page.get_by_text("Still loading: the search model")).to_be_visible()
    fake.loading = False
    gate.set()
    expect(shown_fix(page)).to_be_visible()
    expect(page.get_by_text("Ready: 3 guide entries")).to_be_visible()


# --- failures give the text back -----------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 3], ids=["at once", "in the middle"])
def test_an_error_gives_the_box_back_with_the_text(page, serve, place):
    failing = [True]

    def script(text, probe):
        steps = list(answer_script(text, probe))
        return [*steps[:place], RuntimeError("secret token=abc"), *steps] if failing else steps

    box = send(page, serve(FakeAssistant(script)))
    expect(page.get_by_text("Something broke inside the assistant")).to_be_visible()
    expect(box).to_have_value(PASTE)
    expect(box).to_be_editable()
    assert "token=abc" not in page.content()
    failing.clear()
    button(page, "Send").click()
    expect(page.get_by_text("Your environment lacks")).to_be_visible()
    expect(box).to_have_value("")


def test_what_was_typed_meanwhile_is_not_overwritten(page, serve):
    gate = threading.Event()

    class Failing(FakeAssistant):
        async def ask(self, text, **options):
            yield Understood(Query(text, "text"))
            while not gate.is_set():
                await asyncio.sleep(0.02)
            raise RuntimeError("late")

    box = send(page, serve(Failing()))
    expect(box).to_have_value("")
    box.fill("my next question")
    gate.set()
    expect(page.get_by_text("Something broke inside")).to_be_visible()
    expect(box).to_have_value("my next question")


def test_a_text_over_the_limit_stays_in_the_box(page, serve):
    fake = FakeAssistant()
    address = serve(fake, max_body_mb=0.2)
    box = send(page, address, "x" * 400_000)
    expect(page.get_by_text("MB is the limit")).to_be_visible()
    assert len(box.input_value()) == 400_000
    box.fill("short")
    box.press("Enter")
    expect(shown_fix(page)).to_be_visible()
    assert [call.text for call in fake.calls] == ["short"]


def test_what_is_in_the_box_survives_a_reload(page, serve):
    fake = FakeAssistant()
    box = open_page(page, serve(fake))
    box.fill(PASTE)
    page.reload()
    expect(box).to_have_value(PASTE)
    box.press("Enter")
    expect(shown_fix(page)).to_be_visible()
    assert [call.text for call in fake.calls] == [PASTE]
    expect(box).to_have_value("")
    page.reload()
    expect(page.get_by_text("Ready: ")).to_be_visible()
    expect(box).to_have_value("")


def test_a_page_comes_back_with_its_server_and_its_text(page, serve):
    with running(build_app(FakeAssistant(), Settings(), token=None)) as port:
        box = open_page(page, f"http://127.0.0.1:{port}")
    box.fill(PASTE)
    box.press("Enter")
    expect(page.get_by_text("Connection to the server was lost").first).to_be_visible()
    expect(box).to_have_value(PASTE)
    with running(build_app(FakeAssistant(), Settings(), token=None), port=port):
        expect(page.get_by_text("Ready: ")).to_be_visible()
        expect(page.get_by_text("Connection to the server was lost")).to_have_count(0)
        expect(box).to_have_value(PASTE)
        box.press("Enter")
        expect(shown_fix(page)).to_be_visible()
        page.close()


def test_a_full_queue_keeps_the_text(page, serve):
    fake = FakeAssistant(lambda *_: ["forever"])
    address = serve(fake, model_queue=1)
    box = open_page(page, address)
    ask = ask_index(page)
    codes = []
    with httpx.Client(base_url=address) as client:
        for number in range(48):  # readers who submit and never listen
            body = {"data": [f"q{number}"], "fn_index": ask, "session_hash": f"leaver{number}"}
            codes.append(client.post("/gradio_api/queue/join", json=body).status_code)
    assert codes[-1] == 503
    assert len(fake.calls) <= 10
    box.fill(PASTE)
    box.press("Enter")
    expect(page.get_by_text("busy").or_(page.get_by_text("Queue is full")).first).to_be_visible()
    expect(box).to_have_value(PASTE)
    expect(box).to_be_editable()


# --- stopping ------------------------------------------------------------------------------------


def endless(text, probe):
    return [*answer_script(text, probe)[:4], "forever"]


@pytest.mark.parametrize("way", ["stop", "tab", "reload"])
def test_stop_reload_and_a_closed_tab_close_the_iterator(page, serve, way):
    fake = FakeAssistant(endless)
    box = send(page, serve(fake))
    expect(page.get_by_text("Your environment lacks")).to_be_visible()
    started = time.monotonic()
    if way == "stop":
        button(page, "Stop").click()
        expect(page.get_by_text("Stopped.")).to_be_visible()
        expect(box).to_have_value(PASTE)
    elif way == "tab":
        page.close()
    else:
        page.reload()
    assert fake.calls[0].closed.wait(5)
    assert time.monotonic() - started < 4


# --- probes --------------------------------------------------------------------------------------

TARGETS = (
    Target("own", "own", ("python",), "the assistant's own Python"),
    Target("lab", "kernel", ("python",), "the notebook's kernel"),
)


def test_each_probe_button_runs_its_probe_and_can_be_pressed_again(page, serve):
    fake = FakeAssistant()
    open_page(page, serve(fake))
    for count, name in enumerate(("GPU", "Memory", "Packages", "Environment", "GPU"), start=1):
        button(page, name).click()
        expect(page.get_by_text("Looked at: the assistant's own Python")).to_have_count(count)
    probes = [call.probe for call in fake.calls]
    assert probes == ["gpu", "memory", "packages", "environment", "gpu"]


def test_a_check_can_be_pressed_once_the_page_may_run_it(page, serve):
    """A click before the page has its permits would be refused, or be painted over."""
    looked = threading.Event()

    class Slow(FakeAssistant):
        def targets(self):
            looked.wait(20)
            return super().targets()

    fake = Slow()
    page.goto(serve(fake, model_queue=8))  # a server of its own
    expect(button(page, "GPU")).to_be_disabled()
    looked.set()
    button(page, "GPU").click()  # waits until it can be pressed
    expect(page.get_by_text("Looked at: the assistant's own Python")).to_have_count(1)
    assert [call.probe for call in fake.calls] == ["gpu"]


def asking_which(text, probe):
    """Asks which of two entries it is, unless that is what was said."""
    steps = list(answer_script(text, probe))
    if text == PASTE:
        steps.insert(-1, Question("Which is it?\nA: one\nB: the other", ("missing-timm", "x")))
    return steps


@pytest.mark.parametrize(("pressed", "said"), [("It is B", "B"), ("Neither of them", "neither")])
def test_which_of_two_entries_it_is_can_be_pressed(page, serve, pressed, said):
    fake = FakeAssistant(asking_which)
    send(page, serve(fake))
    expect(page.get_by_text("Which is it?")).to_be_visible()
    button(page, pressed).click()
    expect(page.locator('#chat [data-testid="user"]')).to_have_count(2)
    wait_until(lambda: [call.text for call in fake.calls] == [PASTE, said])
    assert [call.text for call in fake.calls] == [PASTE, said]
    for label in ("It is A", "It is B", "Neither of them"):
        expect(button(page, label)).to_have_count(0)


def test_a_probe_looks_at_the_chosen_python(page, serve):
    fake = FakeAssistant(targets=TARGETS)
    open_page(page, serve(fake))
    page.get_by_label("Which Python to look at").click()
    with page.expect_response("**/run/predict"):  # the nonces for this target
        page.get_by_role("option", name="the notebook's kernel").click()
    button(page, "GPU").click()
    expect(page.get_by_text("Looked at:")).to_be_visible()
    assert [call.target for call in fake.calls] == ["lab"]


class Telling(FakeAssistant):
    """Reads its questions, and has a check that asks for a file that a question may name."""

    def probes(self):
        which = Parameter("file", "a file of weights", "path", told_by="missing_file")
        info = ProbeInfo("keys", "Keys", "a file", "nothing", parameters=(which,), quick=False)
        return (*super().probes()[:4], info)


def test_a_form_is_filled_with_what_the_question_told(page, serve):
    def reading(text, probe):
        query = read_query(text)
        found = [Understood(query), *answer_script(text, probe)[1:-1]]
        return [*found, Offered(("keys",)), fake_done(query)]

    said = "FileNotFoundError: [Errno 2] No such file or directory: 'runs/<b>net</b>.pt'"
    send(page, serve(Telling(reading), model_queue=8), said)  # a server of its own checks
    expect(page.get_by_text("complete after")).to_be_visible()
    button(page, "Check: Keys …").click()
    expect(page.get_by_label("A file of weights (needed)")).to_have_value("runs/<b>net</b>.pt")


def test_a_probe_does_not_wait_for_an_answer(page, serve):
    fake = FakeAssistant(
        lambda text, probe: answer_script(text, probe) if probe else endless(text, probe)
    )
    send(page, serve(fake))
    expect(page.get_by_text("Your environment lacks")).to_be_visible()
    button(page, "GPU").click()
    expect(page.get_by_text("Looked at:")).to_be_visible()
    button(page, "Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_text("Looked at:")).to_be_visible()


def test_no_direct_call_runs_a_probe(page, serve):
    fake = FakeAssistant()
    address = serve(fake)
    open_page(page, address)
    config = page.evaluate("window.gradio_config")
    assert len(config["dependencies"]) > 10
    with httpx.Client(base_url=address, timeout=10) as client:
        for place in range(len(config["dependencies"])):
            for data in (["", "own"], ["guess", ""], ["x"], []):
                body = {"data": data, "fn_index": place, "session_hash": f"attacker{place}"}
                client.post("/gradio_api/run/predict", json=body)
                client.post("/gradio_api/queue/join", json=body)
        for path in ("call/probe", "call/v2/probe", "api/probe", "run/probe", "run/probe_1"):
            assert client.post(f"/gradio_api/{path}", json=body).status_code == 404
    button(page, "GPU").click()  # the page itself still can
    expect(page.get_by_text("Looked at:")).to_be_visible()
    assert [call.probe for call in fake.calls if call.probe] == ["gpu"]


def test_a_replayed_click_runs_nothing(page, serve):
    fake = FakeAssistant()
    open_page(page, serve(fake))
    bodies = []
    page.on(
        "request", lambda one: "queue/join" in one.url and bodies.append((one.url, one.post_data))
    )
    button(page, "GPU").click()
    expect(page.get_by_text("Looked at:")).to_be_visible()
    url, body = bodies[0]
    stolen = json.loads(body) | {"session_hash": "other"}
    for data, status in ((body, 404), (json.dumps(stolen), 200)):
        # under the page's own name it is not heard; under another it is refused in that one's chat
        answer = httpx.post(url, content=data, headers={"content-type": "application/json"})
        assert answer.status_code == status
    wait_until(lambda: len(fake.calls) == 1, seconds=1)
    expect(page.get_by_text("Looked at:")).to_have_count(1)
    assert len(fake.calls) == 1


def ask_index(page: Page) -> int:
    """The handler of Send, as an attacker would find it in the page's configuration."""
    config = page.evaluate("window.gradio_config")
    box = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "box")
    return next(one["id"] for one in config["dependencies"] if one["inputs"] == [box])


# --- nothing runs, nothing is fetched ------------------------------------------------------------


def test_nothing_in_paste_guide_model_or_probe_runs_or_is_fetched(page, serve):
    """The page fixture fails when any request leaves the loopback interface."""
    nasty = "\n\n".join(XSS)
    entries = {**ENTRIES, "bad": fake_entry("bad", title=XSS[1], solution=nasty)}
    query = Query(nasty, "text")
    fix = FixText("bad", nasty)

    def script(text, probe):
        finding = Finding(
            "gpu", "ok", XSS[1], nasty, ("bad",), XSS[2], 0.1, XSS[0], ((XSS[2], XSS[3]),)
        )
        matches = (Match("bad", XSS[1], 0.9, (XSS[3],)), Match("lap", XSS[2], 0.5))
        return [
            Understood(query),
            Retrieved(matches, "answer", final=True),
            Fix(fix, 1),
            Probed(finding),
            *(Sentence(one) for one in XSS),
            Dropped(nasty, XSS[1]),
            fake_done(query, fix=fix),
        ]

    ran = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    send(page, serve(FakeAssistant(script, entries=entries)), nasty)
    expect(page.get_by_text("Sentences held back (1)")).to_be_visible()
    chat = page.locator("#chat")
    assert ran == []
    for tag in ("img", "iframe", "form", "video", "picture", "object", "script", "base", "meta"):
        assert chat.locator(f".message {tag}").count() == 0, tag
    links = chat.locator(".message a").evaluate_all("all => all.map(one => one.href)")
    assert set(links) <= {"http://evil.example/"}  # the guide's own links, only when clicked
    assert chat.locator("[data-testid=user] a").count() == 0


# --- the door, for real --------------------------------------------------------------------------


def test_who_learns_a_page_s_name_can_neither_read_nor_end_its_answer(page, serve):
    fake = FakeAssistant(endless)
    address = serve(fake)
    asked = []
    page.on("request", lambda one: "queue/data" in one.url and asked.append(one.url))
    send(page, address)
    expect(page.get_by_text("Your environment lacks")).to_be_visible()
    (tab,) = {parse_qs(urlsplit(url).query)["session_hash"][0] for url in asked}
    with httpx.Client(base_url=f"{address}/gradio_api/") as thief:
        thief.get(address)  # gets a name of its own
        body = {"session_hash": tab, "fn_index": ask_index(page), "event_id": "x", "data": ["x"]}
        codes = [thief.get(f"queue/data?session_hash={tab}"), thief.get(f"heartbeat/{tab}")]
        codes += [thief.post(path, json=body) for path in ("queue/join", "run/predict", "cancel")]
    assert [answer.status_code for answer in codes] == [404] * 5
    assert not fake.calls[0].closed.wait(0.5)
    button(page, "Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()


def test_hosts_and_origins_at_the_real_server(serve):
    fake = FakeAssistant()
    address = serve(fake)
    body = {"data": ["x"], "fn_index": 0, "session_hash": "s"}
    for path in ("/", "/healthz"):
        assert httpx.get(address + path, headers={"host": "evil.example"}).status_code == 400
    for origin in ("http://evil.example", "null"):
        for path in ("queue/join", "run/predict"):
            headers = {"origin": origin}
            answer = httpx.post(f"{address}/gradio_api/{path}", json=body, headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    assert httpx.options(f"{address}/gradio_api/queue/join", headers=headers).status_code == 403
    assert fake.calls == []
    page = httpx.get(address)
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "gradio_api_info" not in page.text or '"named_endpoints":{}' in page.text


def test_health_and_readiness(serve):
    fake = FakeAssistant(loading=True)
    address = serve(fake)
    assert httpx.get(f"{address}/healthz").json() == {"ok": True}
    answer = httpx.get(f"{address}/readyz")
    assert (answer.status_code, answer.json()["loading"]) == (503, ["knowledge"])
    fake.loading = False
    answer = httpx.get(f"{address}/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert httpx.get(f"{serve(FakeAssistant(entries={}))}/readyz").json()["missing"] == [
        "knowledge"
    ]


def test_the_token_opens_the_page_once_and_leaves_the_address(page, serve):
    address = serve(FakeAssistant(), token="right")
    page.goto(address)
    expect(page.get_by_text("A token is needed")).to_be_visible()
    page.get_by_label("Token").fill("right")
    button(page, "Open").click()
    expect(page.get_by_text("Ready: ")).to_be_visible()
    assert "token" not in page.url
    box = page.get_by_label("Your error or question")
    box.fill(PASTE)
    box.press("Enter")
    expect(shown_fix(page)).to_be_visible()
    cookies = {one["name"]: one for one in page.context.cookies()}
    assert set(cookies) == {"assistant_7860", "assistant_7860_browser"}
    for cookie in cookies.values():
        assert cookie["httpOnly"]
        assert cookie["value"] != "right"


# --- behind a proxy ------------------------------------------------------------------------------


def reverse_proxy(upstream: str, *, prefix: str, is_stripping: bool):
    """A small one of the kind of jupyter-server-proxy: Host is passed on as it came."""

    async def app(scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if not path.startswith(prefix + "/"):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"not mine"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        inner = path.removeprefix(prefix) if is_stripping else path
        url = f"{upstream}{inner}?{scope['query_string'].decode()}"
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream(scope["method"], url, headers=scope["headers"], content=body) as answer,
        ):
            start = {"type": "http.response.start", "status": answer.status_code}
            await send({**start, "headers": answer.headers.raw})
            with contextlib.suppress(httpx.HTTPError):
                async for chunk in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize("is_stripping", [True, False], ids=["stripping", "passing on"])
def test_the_page_works_below_a_proxy_prefix(page, serve, is_stripping):
    prefix = "/proxy/7860"
    upstream = serve(FakeAssistant(), token="right", root_path=prefix)
    proxy = reverse_proxy(upstream, prefix=prefix, is_stripping=is_stripping)
    with running(proxy) as port:
        failed = []
        page.on("response", lambda one: one.status >= 400 and failed.append(one.url))
        box = open_page(page, f"http://127.0.0.1:{port}{prefix}/?token=right")
        assert page.url == f"http://127.0.0.1:{port}{prefix}/"
        box.fill(PASTE)
        box.press("Enter")
        expect(shown_fix(page)).to_be_visible()
        button(page, "GPU").click()
        expect(page.get_by_text("Looked at:")).to_be_visible()
        assert failed == []
        page.close()
