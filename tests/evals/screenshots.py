"""Do screenshots lead where their text leads? Renders development cases and asks both.

`python -m tests.evals.screenshots --count 48` draws cases as terminals and notebooks show them
(dark and light, several fonts and sizes, JPEG of quality 60, wrapped at the edge), reads the
pictures, and prints for each style how many lead to the same first entry and status as the text.
Cases of the test split are not used.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
FONTS = Path("/usr/share/fonts/truetype")
MONO = FONTS / "dejavu" / "DejaVuSansMono.ttf"
OTHER = FONTS / "liberation" / "LiberationMono-Regular.ttf"
Colour = tuple[int, int, int]
DARK: tuple[Colour, Colour] = ((30, 30, 30), (212, 212, 212))
LIGHT: tuple[Colour, Colour] = ((255, 255, 255), (36, 41, 46))
ROWS = 34  # rows of a screen


@dataclass(frozen=True, slots=True)
class Style:
    """How a terminal looks."""

    name: str
    font: Path = MONO
    size: int = 14
    ground: Colour = DARK[0]
    ink: Colour = DARK[1]
    columns: int = 110
    jpeg: int = 0


STYLES = (
    Style("dark 14"),
    Style("light 13", OTHER, 13, *LIGHT),
    Style("dark 11", size=11),
    Style("light 18 in 80 columns", MONO, 18, *LIGHT, 80),
    Style("purple 15 as JPEG 60", OTHER, 15, (48, 10, 36), (238, 238, 236), 100, 60),
    Style("solarized 16 as JPEG 60", MONO, 16, (0, 43, 54), (131, 148, 150), 100, 60),
)


def draw(text: str, style: Style) -> bytes:
    """A terminal that shows the text, wrapped at its edge, as PNG or JPEG."""
    font = ImageFont.truetype(str(style.font), style.size)
    lines = list(_wrap(text, style.columns))
    wide, high = font.getlength("m"), round(style.size * 1.3)
    size = (round(wide * max(map(len, lines))) + 24, high * len(lines) + 20)
    image = Image.new("RGB", size, style.ground)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        pen.text((12, 10 + number * high), line, font=font, fill=style.ink)
    out = io.BytesIO()
    if style.jpeg:
        image.save(out, "JPEG", quality=style.jpeg)
    else:
        image.save(out, "PNG")
    return out.getvalue()


def _wrap(text: str, columns: int) -> Iterator[str]:
    for line in text.expandtabs(8).split("\n"):
        yield from [line[n : n + columns] for n in range(0, max(1, len(line)), columns)]


NOTEBOOK = """<style>body{margin:0;background:%s}pre{margin:0;padding:6px 12px;color:%s;
background:%s;font:%dpx/1.25 monospace;white-space:pre-wrap;width:960px;overflow-wrap:anywhere}
b{font-weight:normal;color:%s}i{font-style:normal;color:%s}</style><pre>%s</pre>"""
# page, text, output, size, names, marks
NOTEBOOKS = {
    "notebook light": ("#fff", "#222", "#fdd", 13, "#e75c58", "#00a250"),
    "notebook dark": ("#111", "#e0e0e0", "#3b2b2b", 14, "#e75c58", "#5ec27b"),
}


def in_colours(text: str) -> str:
    """HTML with the exception's name and the arrows coloured as Jupyter does."""
    lines = []
    for line in html.escape(text, quote=False).split("\n"):
        name, colon, rest = line.partition(":")
        if name.endswith(("Error", "Exception")) and " " not in name:
            line = f"<b>{name}</b>{colon}{rest}"
        elif line.startswith("--"):
            line = f"<i>{line}</i>"
        lines.append(line)
    return "\n".join(lines)


def shoot(texts: list[tuple[str, str]]) -> list[bytes]:
    """Pictures of notebook outputs, by Chromium; (style, text) in, PNG out."""
    from playwright.sync_api import sync_playwright

    pictures = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page(viewport={"width": 1000, "height": 300})
        for style, text in texts:
            page.set_content(NOTEBOOK % (*NOTEBOOKS[style], in_colours(text)))
            pictures.append(page.locator("pre").screenshot())
        browser.close()
    return pictures


def choose_cases(count: int) -> list[tuple[str, str]]:
    """(id, text on one screen) of development cases that look like errors or logs."""
    cases = []
    for file in ("development.jsonl", "own-dev.jsonl"):
        for line in (HERE / file).read_text("utf-8").splitlines():
            case = json.loads(line)
            if case["kind"] in {"traceback", "oneline", "log"} and "text" in case:
                rows = case["text"].rstrip().split("\n")
                cases.append((case["id"], "\n".join(rows[-ROWS // 2 :])))
    step = max(1, len(cases) // count)
    return cases[::step][:count]


def measure(cases: list[tuple[str, str]], search: Callable[[str], tuple[str, str]]) -> None:
    """Print how many pictures lead where their texts lead."""
    from assistant.screenshots import ScreenshotReader

    names = [*(style.name for style in STYLES), *NOTEBOOKS]
    jobs = [(names[n % len(names)], *case) for n, case in enumerate(cases)]
    notebooks = iter(shoot([(style, text) for style, _, text in jobs if style in NOTEBOOKS]))
    styles = {style.name: style for style in STYLES}
    reader, same, all_ = ScreenshotReader(), Counter[str](), Counter[str]()
    started = time.perf_counter()
    for name, id_, text in jobs:
        picture = next(notebooks) if name in NOTEBOOKS else draw(text, styles[name])
        seen = reader(picture, name="shot").text
        wanted, found = search(text), search(seen)
        all_[name] += 1
        same[name] += wanted == found
        if wanted != found:
            print(f"--- {id_} ({name}): {wanted} but {found}\n{seen}\n---")
    for name in names:
        print(f"{name}: {same[name]} of {all_[name]}", flush=True)
    print(f"all: {same.total()} of {all_.total()}, {time.perf_counter() - started:.0f} s")


def main() -> None:
    """Measure with the shipped guides."""
    from assistant.build import build_pipelines
    from assistant.settings import load_settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=48)
    options = parser.parse_args()
    ours = build_pipelines(load_settings(), compare=False)["assistant"]

    def search(text: str) -> tuple[str, str]:
        found = ours(text)
        return (found.matches[0].id if found.matches else "", found.status)

    measure(choose_cases(options.count), search)


if __name__ == "__main__":
    main()
