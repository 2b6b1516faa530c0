"""Real pictures through the real recogniser, and pictures that are none."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from assistant.build import build_picture_reader
from assistant.errors import InputError
from assistant.evaluation import load_cases
from assistant.inputs import read_bytes
from assistant.reading import read_query
from tests.evals.screenshots import MONO, Style, draw

pytest.importorskip("rapidocr_onnxruntime", reason="the extra `ocr` is not installed")
screenshots = pytest.importorskip("assistant.screenshots")

TEXT = (
    "Traceback (most recent call last):\n"
    '  File "/home/me/lab/train.py", line 41, in fit\n'
    "    loss = criterion(out, target_mask)\n"
    "ModuleNotFoundError: No module named 'segment_anything'"
)
needs_font = pytest.mark.skipif(not MONO.exists(), reason="the font DejaVu Sans Mono is absent")


@pytest.fixture(scope="module")
def reader():
    return screenshots.ScreenshotReader()


@needs_font
@pytest.mark.parametrize(
    "style",
    [
        Style("dark and wrapped", size=15, columns=44),
        Style("light, JPEG 60", size=18, ground=(255, 255, 255), ink=(30, 30, 30), jpeg=60),
    ],
    ids=lambda style: style.name,
)
def test_a_traceback_on_a_screenshot_is_read(reader, style: Style) -> None:
    clean = reader(draw(TEXT, style), name="shot.png")
    query = read_query(clean)
    assert query.exception is not None
    assert query.exception.name == "ModuleNotFoundError"
    facts = {(fact.kind, fact.value) for fact in query.facts}
    assert ("missing_module", "segment_anything") in facts
    assert ("own_line", "41") in facts
    assert "picture" in query.notices[0]


@needs_font
def test_a_picture_without_text_is_said_in_one_line(reader) -> None:
    with pytest.raises(InputError, match="No text was found on the picture shot\\.png"):
        reader(draw(" \n ", Style("empty", size=60, columns=40)), name="shot.png")


def png(width: int, height: int, *chunks: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(chunk(data[:4], data[4:]) for data in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


BOMB = zlib.compress(bytes(30_000_000), 9)
JPEG_HEADER = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")

REFUSED = {
    "100 megapixels": (png(10_000, 10_000, b"IDAT" + BOMB), "10000 x 10000 pixels"),
    "a line of 4 gigapixels": (png(2**31 - 1, 2, b"IDAT" + BOMB), "pixels|not a sound"),
    "no PNG behind its first bytes": (b"\x89PNG\r\n\x1a\nhello, this is no picture", "not a sound"),
    "header only": (png(300, 200), "not a sound"),
    "too little inside": (png(300, 200, b"IDAT" + zlib.compress(b"x")), "not a sound"),
    "text that unpacks to 30 MB": (png(20, 20, b"zTXtk\0\0" + BOMB), "not a sound"),
    "a JPEG that ends": (JPEG_HEADER, "not a sound"),
    "no JPEG behind its first bytes": (b"\xff\xd8\xff" + b"hello" * 9, "not a sound"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_screenshot_is_said_in_one_line(reader, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        reader(data, name="shot.png")
    assert "\n" not in str(raised.value)
    assert raised.value.hint


@needs_font
def test_damaged_pictures_are_pixels_or_one_line() -> None:
    whole = draw("ValueError: x", Style("small", size=12))
    jpeg = draw("ValueError: x", Style("small", size=12, jpeg=60))
    for data in (whole, jpeg):
        for at in range(8, len(data), max(1, len(data) // 60)):
            damaged = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            for broken in (damaged, data[:at]):
                with contextlib.suppress(InputError):
                    assert screenshots.open_picture(broken, name="x").ndim == 3


@needs_font
def test_a_file_that_is_a_screenshot_by_its_content_is_read() -> None:
    data = draw(TEXT.splitlines()[-1], Style("dark", size=16))
    clean = read_bytes(data, name="shot.log", read_picture=build_picture_reader())
    assert clean.text == TEXT.splitlines()[-1]


@needs_font
def test_a_case_may_be_a_screenshot(tmp_path: Path) -> None:
    (tmp_path / "shot.png").write_bytes(draw(TEXT.splitlines()[-1], Style("dark", size=16)))
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"id": "a", "file": "shot.png", "gold": ["err-x"], "kind": "shot"}\n')
    case = load_cases([cases], read_picture=build_picture_reader())[0]
    assert "No module named 'segment_anything'" in case.text
    with pytest.raises(InputError, match=r"cases\.jsonl:1: shot\.png is a picture"):
        load_cases([cases])


def test_without_the_extra_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    """An import of the recogniser that fails, in a process of its own."""
    (tmp_path / "rapidocr_onnxruntime.py").write_text("raise ImportError('absent')")
    (tmp_path / "shot.png").write_bytes(png(20, 20))
    command = [sys.executable, "-m", "assistant", "ask", "shot.png", "--model", "none"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert "pip install rapidocr-onnxruntime" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
