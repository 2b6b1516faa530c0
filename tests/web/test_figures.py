"""Our own figures are shown, and no other picture: files, route, Markdown, terminal."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from markdown_it import MarkdownIt

from assistant.figures import describe_figures, is_figure, load_figures
from assistant.settings import Settings
from assistant.web.app import build_app
from assistant.web.markdown import guide_markdown, sentence_markdown
from tests.docs_figures import FIGURES, find_stale
from tests.fakes import FakeAssistant

READER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
KNOWLEDGE = Path(__file__).parents[2] / "knowledge"
NAMES = sorted(FIGURES)
REACHES_OUT = re.compile(
    r"(?i)<script|<foreignobject|<image|<use|\bon\w+\s*=|href|url\(|@import|://"
)


def images(markdown: str) -> list[tuple[str, str]]:
    """(alt text, address) of each image that a reader of the Markdown finds."""
    tokens = [one for token in READER.parse(markdown) for one in (token, *(token.children or ()))]
    return [(one.content, str(one.attrGet("src"))) for one in tokens if one.type == "image"]


# --- the files -----------------------------------------------------------------------------------


def test_the_figures_are_what_the_script_draws():
    assert [path.name for path in find_stale()] == []


def test_the_package_holds_exactly_the_drawn_figures():
    assert sorted(load_figures()) == NAMES
    assert sorted(path.stem for path in (KNOWLEDGE / "figures").iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_small_inert_and_says_what_it_shows(name):
    text = load_figures()[name].decode("utf-8")
    assert len(text.encode()) < 8192
    root = ElementTree.fromstring(text)
    found = {element.tag.partition("}")[2]: (element.text or "").strip() for element in root}
    assert len(found["title"]) > 10
    assert len(found["desc"]) > 60
    assert root.get("role") == "img"
    own = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert REACHES_OUT.search(own) is None


@pytest.mark.parametrize(
    "bad",
    ["<script>", 'x onload="a"', "<use href='#a'/>", "fill:url(http://evil)", "<image/>"],
)
def test_the_search_for_what_reaches_out_finds_it(bad):
    assert REACHES_OUT.search(bad)


def test_every_picture_that_a_guide_asks_for_is_ours_and_described():
    for guide in KNOWLEDGE.glob("*.md"):
        for alt, address in images(guide.read_text("utf-8")):
            assert is_figure(address), f"{guide.name}: {address}"
            assert len(alt) > 30, f"{guide.name}: {address} needs a description"


# --- the route -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app():
    return build_app(FakeAssistant(), Settings(root_path="/proxy/7860"), token=None)


def client(app, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:7860", headers=headers)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", ["", "/proxy/7860"])
async def test_a_figure_is_served_as_itself_and_sealed(app, name, prefix):
    async with client(app) as browser:
        answer = await browser.get(f"{prefix}/figures/{name}.svg")
    assert answer.status_code == 200
    assert answer.content == load_figures()[name]
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (
        "default-src 'none'; style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    )


@pytest.mark.parametrize(
    "path",
    [
        "/figures/",
        "/figures/other.svg",
        "/figures/ids.svg",
        "/figures/unet-shapes",
        "/figures/unet-shapes.svg/",
        "/figures/unet-shapes.svg.md",
        "/figures/UNET-SHAPES.svg",
        "/figures/../ids.tsv",
        "/figures/..%2fids.svg",
        "/figures/%2e%2e/figures/unet-shapes.svg",
        "/figures/unet-shapes%00.svg",
        "//figures/unet-shapes.svg",
    ],
)
async def test_nothing_else_is_served_there(app, path):
    async with client(app) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 404
    assert b"<svg" not in answer.content


async def test_a_figure_is_behind_the_same_door_as_the_page():
    app = build_app(FakeAssistant(), Settings(), token="secret")
    async with client(app) as browser:
        assert (await browser.get("/figures/unet-shapes.svg")).status_code == 401
        foreign = await browser.get("/figures/unet-shapes.svg", headers={"host": "evil.example"})
        assert foreign.status_code == 400
        posted = await browser.post(
            "/figures/unet-shapes.svg", headers={"authorization": "Bearer secret"}
        )
        assert posted.status_code == 404


# --- Markdown and terminal -----------------------------------------------------------------------


def test_a_guide_shows_our_figure_with_its_words():
    shown = guide_markdown("![Shapes of a [U-Net], \"x\" & <b>](figures/unet-shapes.svg 'a title')")
    assert READER.render(shown).strip() == (
        '<p><img src="figures/unet-shapes.svg" '
        'alt="Shapes of a [U-Net], &quot;x&quot; &amp; &lt;b&gt;" /></p>'
    )


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/figures/unet-shapes.svg",
        "//evil.example/figures/unet-shapes.svg",
        "/figures/unet-shapes.svg",
        "./figures/unet-shapes.svg",
        "figures/../figures/unet-shapes.svg",
        "figures/unet-shapes.svg?x=http://evil.example",
        "figures/unet-shapes.svg#x",
        "figures/UNET-SHAPES.svg",
        "figures/other.svg",
        "figures/unet-shapes.png",
        "figures\\unet-shapes.svg",
        "data:image/svg+xml,<svg/>",
        "javascript:figures/unet-shapes.svg",
        "",
    ],
)
def test_any_other_picture_stays_words(address):
    shown = guide_markdown(f"![A picture]({address})")
    assert images(shown) == []


def test_a_model_shows_no_picture_not_even_ours():
    shown = sentence_markdown("![U-Net](figures/unet-shapes.svg)")
    assert images(shown) == []
    assert "U-Net" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\n![The U](figures/unet-shapes.svg)\n\nb", "a\n\n[figure: The U]\n\nb"),
        ("  ![The U](figures/unet-shapes.svg)", "  [figure: The U]"),
        ("see ![x](figures/unet-shapes.svg)", "see ![x](figures/unet-shapes.svg)"),
        ("![x](http://evil.example/a.svg)", "![x](http://evil.example/a.svg)"),
    ],
)
def test_a_terminal_gets_the_words(text, shown):
    assert describe_figures(text) == shown
