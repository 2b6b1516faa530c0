"""Whatever people hand over becomes clean text, or one line that says why not."""

from __future__ import annotations

import contextlib
import io
import json
import unicodedata
import zipfile

import pytest

from assistant.errors import InputError
from assistant.inputs import MAX_TEXT, CleanText, clean_text, read_bytes
from assistant.reading import read_query

ERROR = "ModuleNotFoundError: No module named 'timm'"

CLEANED = {
    "colours": ("\x1b[31mred\x1b[0m \x1b[38;5;28;01mbold\x1b[39;00m", "red bold"),
    "lost escapes": ("[0;31mred[0m [38;5;28;01mimport[39;00m x", "red import x"),
    "link": ("\x1b]8;;https://x.example\x07text\x1b]8;;\x07", "text"),
    "cursor": ("\x1b[2K\x1b[1A50%\x1b(B", "50%(B"),
    "brackets that stay": (
        "x[5m] a[0] [1, 2] [12m 3s] [CLS] tensor([31, 4]) f[1;2]",
        "x[5m] a[0] [1, 2] [12m 3s] [CLS] tensor([31, 4]) f[1;2]",
    ),
    "line ends": ("a\r\nb\rc\nd", "a\nb\nc\nd"),
    "tabs stay": ("\tMissing key(s)", "\tMissing key(s)"),
    "control characters": ("a\x00b\x07c\x08d\x0be\x0cf\x7fg\x85h", "abcdefgh"),
    "right to left": ("a\u202eb\u202cc\u2066d\u2069\u200fe", "abcde"),
    "zero width": ("ti\u200bmm\u00ad\ufeff\u2060", "timm"),
    "hidden tags": ("a\U000e0041\U000e007fb", "ab"),
    "surrogates": ("a\ud800b\udfffc", "a\ufffdb\ufffdc"),
    "composed": ("e\u0301", "\u00e9"),
    "right-to-left words stay": (
        "\u05e9\u05dc\u05d5\u05dd Error",
        "\u05e9\u05dc\u05d5\u05dd Error",
    ),
    "markup stays text": ("<script>alert(1)</script> **b**", "<script>alert(1)</script> **b**"),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("raw", "wanted"), CLEANED.values(), ids=CLEANED)
def test_clean_text(raw: str, wanted: str) -> None:
    clean = clean_text(raw)
    assert clean.text == wanted
    assert clean_text(clean.text).text == wanted
    clean.text.encode("utf-8")


def test_binary_characters_are_mentioned() -> None:
    assert clean_text("a\x00b").notices == ("Some unreadable (binary) characters were left out.",)
    assert clean_text("plain").notices == ()


# --- long pastes -------------------------------------------------------------------------------

NOISE = "epoch 1 step 12 loss 0.1234 and so on and on\n"


def test_a_long_paste_keeps_beginning_end_and_errors() -> None:
    before, after = NOISE * 40_000, NOISE * 60_000
    raw = f"first words\n{before}Traceback (most recent call last):\n{ERROR}\n{after}last words"
    clean = clean_text(raw)
    assert len(clean.text) < MAX_TEXT + 200_000
    for kept in ("first words\n", f"{ERROR}\n", "last words"):
        assert kept in clean.text
    assert clean.notices[0].startswith(f"The paste has {len(raw):,} characters")
    assert set(clean.text.split("\n")) <= set(raw.split("\n"))


def test_errors_close_together_are_kept_in_one_piece() -> None:
    errors = "".join(f"ValueError: number {n}\n{NOISE * 30}" for n in range(30))
    clean = clean_text(NOISE * 9_000 + errors + NOISE * 9_000)
    assert errors.strip() in clean.text


def cut_places(secret: str) -> list[str]:
    """Long pastes with the secret at every place around the two cuts."""
    word = "x " * 210_000
    near = [*range(19_940, 20_040, 9), *range(len(word) - 180_060, len(word) - 179_960, 9)]
    return [f"{word[:n]}{secret} {word[n:]}" for n in near]


def test_no_half_of_a_word_is_left_at_a_cut() -> None:
    token = "hf_" + "FAKE0fake1" * 4
    for text in cut_places(token):
        clean = clean_text(text).text
        assert token in clean or "FAKE0" not in clean


def test_no_half_of_a_private_key_is_left_at_a_cut() -> None:
    body = "FAKE0fake1FAKE0fake1FAKE0fake1\n" * 50
    key = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"
    for at in range(len(NOISE) * 9_000 - 181_500, len(NOISE) * 9_000 - 179_500, 331):
        text = NOISE * 9_000
        clean = clean_text(text[:at] + "\n" + key + text[at:]).text
        assert "-----BEGIN" in clean or "FAKE0" not in clean


def test_five_megabytes_on_one_line() -> None:
    clean = clean_text("a" * 2_500_000 + f" {ERROR} " + "b" * 2_500_000)
    assert ERROR in clean.text
    assert len(clean.text) < MAX_TEXT


# --- files -------------------------------------------------------------------------------------

READ = {
    "utf-8": (ERROR.encode(), ERROR),
    "utf-8 with bom": (b"\xef\xbb\xbf" + ERROR.encode(), ERROR),
    "utf-16": (ERROR.encode("utf-16"), ERROR),
    "utf-16 big endian": (b"\xfe\xff" + ERROR.encode("utf-16-be"), ERROR),
    "invalid utf-8": (b"caf\xe9 " + ERROR.encode(), "caf\ufffd " + ERROR),
    "a few nul": (b"a" * 100 + b"\x00" + b"b", "a" * 100 + "b"),
    "begins like a bitmap": (b"BM25 found nothing, why?", "BM25 found nothing, why?"),
    "begins like a wave file": (b"RIFF? what is that", "RIFF? what is that"),
    "begins like a gif": (b"GIF8 is no format", "GIF8 is no format"),
    "python": (b"import timm\n", "import timm\n"),
}


@pytest.mark.parametrize(("data", "wanted"), READ.values(), ids=READ)
def test_read_bytes(data: bytes, wanted: str) -> None:
    assert read_bytes(data, name="x.log").text == wanted


REFUSED = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\t", "is empty"),
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is a picture"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is a picture"),
    "gif": (b"GIF89a\x01\x00", "is a picture"),
    "bmp": (b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00", "is a picture"),
    "webp": (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "is a picture"),
    "zip": (b"PK\x03\x04\x14\x00", "a zip file"),
    "pdf": (b"%PDF-1.7", "a PDF"),
    "gzip": (b"\x1f\x8b\x08", "a gzip archive"),
    "program": (b"\x7fELF\x02", "a program"),
    "pickle 2": (b"\x80\x02}q\x00", "a Python pickle"),
    "pickle 4": (b"\x80\x04\x95\x00", "a Python pickle"),
    "binary": (bytes(range(256)) * 20 + b"\x00" * 600, "is a binary file"),
    "utf-16 without bom": (ERROR.encode("utf-16-le"), "is a binary file"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_said_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_bytes(data, name="thing.bin")
    assert "thing.bin" in str(raised.value)
    assert raised.value.hint
    assert "\n" not in str(raised.value)


def test_screenshots_go_to_the_reader_of_pictures_and_nothing_else_does() -> None:
    seen: list[str] = []

    def reader(data: bytes, *, name: str) -> CleanText:
        seen.append(name)
        return CleanText(ERROR)

    for name in ("png", "jpeg"):
        assert read_bytes(REFUSED[name][0], name=name, read_picture=reader) == CleanText(ERROR)
    for name in ("gif", "bmp", "webp", "zip"):
        with pytest.raises(InputError):
            read_bytes(REFUSED[name][0], name=name, read_picture=reader)
    assert read_bytes(ERROR.encode(), name="shot.png", read_picture=reader).text == ERROR
    assert seen == ["png", "jpeg"]


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lab.ipynb", bytes(30_000_000))
    return out.getvalue()


def test_a_zip_bomb_is_refused_unopened() -> None:
    data = zip_bomb()
    assert len(data) < 50_000
    with pytest.raises(InputError, match="a zip file"):
        read_bytes(data, name="lab.ipynb")


def test_the_name_of_a_file_decides_nothing() -> None:
    assert read_bytes(ERROR.encode(), name="x.png") == CleanText(ERROR)


# --- notebooks ---------------------------------------------------------------------------------


def notebook(*outputs: object) -> str:
    cell = {
        "cell_type": "code",
        "execution_count": 4,
        "source": ["def fit():\n", "\n", "    import timm\n", "fit()"],
        "outputs": list(outputs),
    }
    cells = [{"cell_type": "markdown", "source": "# words"}, cell]
    return json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}, indent=1)


ERROR_OUTPUT = {
    "output_type": "error",
    "ename": "ModuleNotFoundError",
    "evalue": "No module named 'timm'",
    "traceback": ["\x1b[31m-----\x1b[39m", f"\x1b[31m{ERROR}\x1b[39m"],
}
STDERR = {"output_type": "stream", "name": "stderr", "text": ["Warn", "ing: x\n"]}
STDOUT = {"output_type": "stream", "name": "stdout", "text": "hello"}

CODE = "In [4]:\n    def fit():\n\n        import timm\n    fit()\n\n"

NOTEBOOKS = {
    "error": (notebook(STDOUT, ERROR_OUTPUT), f"{CODE}-----\n{ERROR}"),
    "error without a traceback": (notebook({**ERROR_OUTPUT, "traceback": []}), CODE + ERROR),
    "stderr": (notebook(STDERR, ERROR_OUTPUT), f"{CODE}Warning: x\n\n\n-----\n{ERROR}"),
    "text is a string": (notebook({**STDERR, "text": "Oh"}), "Oh"),
    "odd parts": (
        notebook(3, None, "x", {"output_type": 5}, {**ERROR_OUTPUT, "traceback": [1, None]}),
        f"{CODE}1\nNone",
    ),
}


@pytest.mark.parametrize(("text", "wanted"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_notebooks_give_their_errors_with_the_code_of_the_cell(text: str, wanted: str) -> None:
    assert read_bytes(text.encode(), name="lab.ipynb").text == wanted


ODD_CELLS = [
    {"source": 3, "execution_count": "x"},
    {"source": None},
    {"source": ["a = 1", {"b": 2}], "execution_count": True},
    {},
    {"source": "ValueError: x\nTraceback (most recent call last):\nraise KeyError\n" * 5000},
]


@pytest.mark.parametrize("cell", ODD_CELLS)
def test_the_code_of_a_cell_changes_nothing_that_the_error_says(cell: dict[str, object]) -> None:
    cells = [{**cell, "outputs": [ERROR_OUTPUT]}]
    query = read_query(read_bytes(json.dumps({"cells": cells}).encode(), name="lab.ipynb"))
    assert query.words == ""
    assert [e.name for e in query.exceptions][-1:] == ["ModuleNotFoundError"]
    assert query.exception is not None
    assert query.exception.message == "No module named 'timm'"


AS_TEXT = {
    "cells are no list": '{"cells": 3}',
    "huge nesting": '{"cells": ' + "[" * 200_000,
    "another json": '{"a": ["cells"]}',
    "long number": '{"cells": [' + "1" * 6000 + "]}",
}


@pytest.mark.parametrize("text", AS_TEXT.values(), ids=AS_TEXT)
def test_malformed_notebooks_are_read_as_text_and_that_is_said(text: str) -> None:
    read = read_bytes(text.encode(), name="lab.ipynb")
    assert read.text == text
    assert read.notices[0].startswith("lab.ipynb is not a whole notebook (not valid JSON)")
    assert "\n" not in read.notices[0]


def test_a_text_that_is_no_notebook_needs_no_notice() -> None:
    assert read_bytes(b'{"a": ["cells"]}', name="lab.json").notices == ()


@pytest.mark.parametrize("cut", [20, 60])
def test_a_notebook_that_is_cut_off_still_shows_its_error(cut: int) -> None:
    read = read_bytes(notebook(ERROR_OUTPUT)[:-cut].encode(), name="lab.ipynb")
    assert read.text in {f"-----\n{ERROR}", "-----"}
    assert "not valid JSON" in read.notices[0]


@pytest.mark.parametrize("text", [notebook(), notebook(STDOUT), '{"cells": []}', '{"cells": [1]}'])
def test_a_notebook_without_an_error_is_said_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="holds no error output"):
        read_bytes(text.encode(), name="lab.ipynb")


def test_deeply_nested_but_complete_notebook() -> None:
    text = '{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with contextlib.suppress(InputError):  # whether it is JSON at all depends on the stack
        assert read_bytes(text.encode(), name="lab.ipynb").text


def test_long_runs_of_combining_marks_are_normalised_in_pieces() -> None:
    text = "a" + "\u0301\u0323" * 1500
    pieces = (text[n : n + 2000] for n in range(0, len(text), 2000))
    assert clean_text(text).text == "".join(unicodedata.normalize("NFC", p) for p in pieces)
