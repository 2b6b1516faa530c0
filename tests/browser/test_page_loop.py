"""What comes after an answer, in a real Chromium: going on, coming back, checks, the keyboard."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from assistant.events import Fix, Offered, Probed, Retrieved, Understood
from assistant.history import open_history
from assistant.settings import Settings
from assistant.types import Finding, FixText, Match, Query
from assistant.web.app import build_app
from tests.browser.conftest import Switch, running
from tests.fakes import ENTRIES, FakeAssistant, answer_script, fake_done

pytestmark = pytest.mark.browser

QUESTION = "No module named 'timm'"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Switch, str]]:
    """One server with a history on the disk; tests change the assistant behind it."""
    switch = Switch()
    switch.now = FakeAssistant()
    history = open_history(tmp_path_factory.mktemp("house") / "history.sqlite3")
    with running(build_app(switch, Settings(), token=None, history=history)) as port:
        yield switch, f"http://127.0.0.1:{port}"


@pytest.fixture
def reader(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been here."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(reader: BrowserContext, house: tuple[Switch, str]) -> Page:
    house[0].now = FakeAssistant()
    return opened(reader.new_page(), house[1])


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.get_by_text("Ready: ")).to_be_visible()
    return page


def send(page: Page, text: str = QUESTION) -> None:
    box = page.get_by_label("Your error or question")
    box.fill(text)
    box.press("Enter")


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def bots(page: Page):
    return page.locator("#chat [data-testid=bot]")


def questions(page: Page) -> list[str]:
    texts = "all => all.map(one => one.innerText.trim())"
    return page.locator("#chat [data-testid=user]").evaluate_all(texts)


def endless(text: str, probe: str | None):
    return [*answer_script(text, probe)[:4], "forever"]


def with_three_entries() -> Callable:
    """A question with three near entries, of which each follow-up shows the next one."""
    ids = list(ENTRIES)
    turns = iter((ids, [*ids[1:], ids[0]], [ids[2], *ids[:2]]))

    def script(text: str, probe: str | None):
        if probe:
            return answer_script(text, probe)
        query, order = Query(text, "text"), next(turns)
        matches = tuple(Match(id_, ENTRIES[id_].title, 0.5) for id_ in order)
        fix = FixText(order[0], ENTRIES[order[0]].solution)
        found = [Understood(query), Retrieved(matches, "likely", True), Fix(fix, 1)]
        return [*found, Offered(("packages", "image")), fake_done(query, fix=fix, status="likely")]

    return script


# --- did it help? --------------------------------------------------------------------------------


def test_didnt_help_goes_from_entry_to_entry_and_fixed_it_proves_the_last(page, house):
    house[0].now = fake = FakeAssistant(with_three_entries())
    send(page)
    expect(bots(page).last).to_contain_text("Likely: Missing timm")
    button(page, "Didn't help").click()
    expect(bots(page).last).to_contain_text("What is different about this one")
    expect(bots(page).last).to_contain_text("Likely: Missing lap")
    expect(button(page, "Other candidate: Missing timm")).to_have_count(0)
    button(page, "Fixed it").click()
    expect(bots(page).last).to_contain_text("Noted: “Missing lap” helped.")
    expect(button(page, "Fixed it")).to_be_hidden()
    button(page, "Check: Packages").click()
    expect(bots(page).last).to_contain_text("The check finds nothing wrong.")
    assert [call.probe for call in fake.calls] == [None, None, "packages"]


def test_a_check_that_needs_a_file_opens_its_form_and_runs_with_what_it_was_told(page, house):
    house[0].now = fake = FakeAssistant(with_three_entries())
    send(page)
    button(page, "Check: Image …").click()
    form = page.locator("#more")
    expect(form.get_by_text("Reads an image.")).to_be_visible()
    form.get_by_label("An image file (needed)").fill("cat.png")
    form.get_by_label("How many").fill("4")
    button(page, "Run this check").click()
    expect(bots(page).last).to_contain_text("Looked at:")
    told = {"file": "cat.png", "depth": "fast", "most": "4"}
    assert [(call.probe, call.parameters) for call in fake.calls[1:]] == [("image", told)]
    cell = form.locator("#cell textarea")
    assert cell.input_value() == "print('image')"
    assert not cell.is_editable()
    expect(form.get_by_role("button", name="Copy")).to_be_visible()


# --- nothing lost --------------------------------------------------------------------------------


def test_a_reload_in_mid_answer_keeps_it_and_one_click_goes_on(page, house):
    house[0].now = FakeAssistant(endless)
    send(page)
    expect(bots(page).last).to_contain_text("Your environment lacks")
    page.get_by_label("Your error or question").fill("my next question")
    page.reload()
    expect(bots(page).last).to_contain_text("broken off")
    expect(bots(page).last).to_contain_text("pip install missing-timm")
    expect(page.get_by_label("Your error or question")).to_have_value("my next question")
    house[0].now = FakeAssistant()
    button(page, "Resume this answer").click()
    expect(bots(page).last).to_contain_text("Install it there.")
    expect(button(page, "Resume this answer")).to_be_hidden()
    assert questions(page) == [QUESTION]
    assert bots(page).count() == 1


def test_a_second_tab_shows_the_conversation_and_another_browser_does_not(page, house, chromium):
    send(page)
    expect(bots(page).last).to_contain_text("Install it there.")
    second = opened(page.context.new_page(), house[1])
    expect(bots(second).last).to_contain_text("Install it there.")
    send(second, "and lap?")
    expect(bots(second)).to_have_count(2)
    page.reload()
    expect(bots(page)).to_have_count(2)
    assert questions(page) == [QUESTION, "and lap?"]
    stranger = chromium.new_context()
    assert questions(opened(stranger.new_page(), house[1])) == []
    stranger.close()


def test_past_conversations_are_opened_and_deleted(page):
    for text in ("the first one", "the second one"):
        send(page, text)
        expect(bots(page).last).to_contain_text("Install it there.")
        button(page, "New conversation").click()
        expect(bots(page)).to_have_count(0)
    page.get_by_role("button", name="Past conversations").click()
    past = page.get_by_label("On this machine, of this browser only")
    expect(past).to_have_value(re.compile("the second one · 1 question"))
    past.click()
    page.get_by_role("option", name=re.compile("the first one")).click()
    button(page, "Open it").click()
    expect(bots(page)).to_have_count(1)
    assert questions(page) == ["the first one"]
    button(page, "Delete it").click()
    expect(bots(page)).to_have_count(0)
    expect(past).to_have_value(re.compile("the second one"))


class Cable:
    """Stands between browser and server, and can be pulled out: what a sleeping laptop does."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        """End all connections; new ones can be made at once."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def close(self) -> None:
        self._listener.close()
        self.pull()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._upstream))
            self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)


def test_after_a_closed_lid_the_conversation_goes_on(reader, house):
    house[0].now = fake = FakeAssistant()
    cable = Cable(int(house[1].rpartition(":")[2]))
    page = opened(reader.new_page(), f"http://127.0.0.1:{cable.port}")
    send(page, "before the lid was closed")
    expect(bots(page).last).to_contain_text("Install it there.")
    cable.pull()
    page.wait_for_timeout(1500)  # the server notices, and forgets the page
    send(page, "after it")
    page.wait_for_timeout(3000)  # a browser that met a dead connection loads the page anew
    expect(page.get_by_text("Ready: ")).to_be_visible()
    if bots(page).count() == 1:
        expect(page.get_by_label("Your error or question")).to_have_value("after it")
        button(page, "Send").click()
    expect(bots(page)).to_have_count(2)
    expect(bots(page).last).to_contain_text("Install it there.")
    assert questions(page) == ["before the lid was closed", "after it"]
    assert len(fake.calls[-1].conversation) == 1
    page.close()
    cable.close()


def test_when_the_server_is_away_the_page_says_so_and_comes_back(reader, tmp_path):
    history = open_history(tmp_path / "history.sqlite3")
    page = reader.new_page()
    with running(build_app(FakeAssistant(), Settings(), token=None, history=history)) as port:
        opened(page, f"http://127.0.0.1:{port}")
        send(page)
        expect(bots(page).last).to_contain_text("Install it there.")
        page.get_by_label("Your error or question").fill("half a question")
    expect(page.get_by_role("alert").filter(has_text="The server is away")).to_be_visible()
    app = build_app(FakeAssistant(), Settings(), token=None, history=history)
    with running(app, port=port):
        expect(page.locator("#away")).to_have_count(0)
        expect(bots(page).last).to_contain_text("Install it there.")
        expect(page.get_by_label("Your error or question")).to_have_value("half a question")
        page.close()


# --- what else stands on the page ----------------------------------------------------------------


def test_the_memory_panel_draws_a_curve_and_is_read_again(page, house):
    facts = (("MemTotal", "16 GiB"), ("MemAvailable", "12 GiB"), ("process 7", "python: 3 GiB"))
    finding = Finding("memory", "ok", "12 GiB are left.", where="lab", facts=facts)
    script = lambda *_: [Probed(finding), fake_done(Query("", "empty"))]  # noqa: E731
    house[0].now = fake = FakeAssistant(script)
    assert fake.calls == []  # nothing is read before it is opened
    page.get_by_role("button", name="This machine: memory").click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text("4.0 of 16.0 GiB in use")
    expect(panel).to_contain_text("python: 3 GiB")
    curve = panel.get_by_role("img")
    assert curve.evaluate("one => one.complete && one.naturalWidth > 0")
    button(page, "Refresh").click()
    expect(panel).to_contain_text("2 readings")
    assert bots(page).count() == 0


def test_a_citation_opens_the_entry_that_it_rests_on(page):
    send(page)
    whole = page.locator("#chat details").first
    expect(whole).not_to_have_attribute("open", re.compile(".*"))
    page.get_by_role("link", name="[1]").first.click()
    expect(whole).to_have_attribute("open", re.compile(".*"))
    assert "#" not in page.url


def test_the_help_packet_is_one_click(page, tmp_path):
    send(page)
    expect(bots(page).last).to_contain_text("Install it there.")
    with page.expect_download() as download:
        page.get_by_role("link", name="Help packet").click()
    assert download.value.suggested_filename == "help-packet.md"
    download.value.save_as(tmp_path / "packet.md")
    text = Path(tmp_path / "packet.md").read_text()
    assert QUESTION in text
    assert "## Versions" in text


# --- for everybody -------------------------------------------------------------------------------


def test_every_button_is_reached_by_the_keyboard_has_a_name_and_shows_its_focus(page, house):
    house[0].now = FakeAssistant(with_three_entries())
    send(page)
    expect(button(page, "Check: Image …")).to_be_visible()
    wanted = set(
        page.locator("button:visible, a:visible, summary:visible").evaluate_all(
            "all => all.filter(one => !one.disabled).map(one => "
            "(one.getAttribute('aria-label') || one.title || one.innerText).trim())"
        )
    )
    page.evaluate("document.activeElement.blur()")
    reached, bare = set(), []
    for _ in range(80):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => {
              const one = document.activeElement, style = getComputedStyle(one);
              const name = one.getAttribute('aria-label') || one.title || one.innerText || '';
              return [name.trim(), one.tagName + ' ' + style.outlineStyle + style.boxShadow];
            }"""
        )
        reached.add(name)
        if outline.startswith(("BUTTON", "A ", "SUMMARY")) and outline.endswith(" nonenone"):
            bare.append(name)
    assert "" not in wanted
    assert wanted - reached == set()
    assert bare == []


def test_at_twice_the_size_nothing_is_cut_off_or_covered(chromium, house):
    """A window of 1280 at 200 % is a page of 640."""
    house[0].now = FakeAssistant(with_three_entries())
    context = chromium.new_context(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    page = opened(context.new_page(), house[1])
    send(page)
    expect(button(page, "Check: Image …")).to_be_visible()
    wide, shown = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= shown
    boxes = page.locator("button:visible").evaluate_all(
        "all => all.filter(one => !one.closest('#chat')).map(one => one.getBoundingClientRect())"
        ".map(one => [one.left, one.top, one.right, one.bottom])"
    )
    overlaps = [
        (one, other)
        for place, one in enumerate(boxes)
        for other in boxes[place + 1 :]
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]
    assert overlaps == []
    context.close()
