"""What a recogniser saw on a screen becomes lines again: spaces, underscores, rows, signs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.screen_text import Piece, mend_line, screen_text

WIDE = 10.0  # pixels of a character


def piece(shown: str, *, row: int = 0, column: int = 0, seen: str | None = None) -> Piece:
    """What a recogniser reports of `shown`: as a rule all but its spaces; or `seen`."""
    at = {n: (column + n + 0.5) * WIDE for n in range(len(shown))}
    kept = [n for n, sign in enumerate(shown) if sign != " "]
    text = "".join(shown[n] for n in kept) if seen is None else seen
    places = tuple(at[n] for n in kept)[: len(text)]
    blanks = [(at[n] - 8.0, at[n] + 8.0) for n, sign in enumerate(shown) if sign == " "]
    lows = [(at[n] - 5.0, at[n] + 5.0) for n, sign in enumerate(shown) if sign == "_"]
    return Piece(text, places, tuple(blanks), tuple(lows), row * 20.0, row * 20.0 + 16.0)


@pytest.mark.parametrize(
    "line",
    [
        "ModuleNotFoundError: No module named 'timm'",
        "ab c d ef",
        "    return _bootstrap._gcd_import(name[level:], package, level)",
        "x = {'a': 1, 'b': 2}",
    ],
)
def test_spaces_come_back(line: str) -> None:
    assert screen_text([piece("|"), piece(line, row=1)]) == f"|\n{line}"


def test_underscores_come_back_and_are_not_doubled() -> None:
    shown = "min_area=__init__"
    places = [n for n, sign in enumerate(shown) if sign != "_"]
    lost = Piece(
        "".join(shown[n] for n in places),
        tuple((n + 0.5) * WIDE for n in places),
        (),
        ((31.0, 39.0), (91.0, 109.0), (151.0, 169.0)),
        0.0,
        16.0,
    )
    assert screen_text([lost]) == shown
    assert screen_text([piece(shown)]) == shown
    assert screen_text([piece("min_area", seen="min.area")]) == "min_area"


def test_pieces_of_a_row_are_joined_and_what_two_show_is_shown_once() -> None:
    row = [piece("call last):", column=18), piece("Traceback", column=0), piece("(most", column=10)]
    assert screen_text(row) == "Traceback (most   call last):"
    shared = [piece("line 1, l"), piece("line 2", column=8)]
    assert screen_text(shared) == "line 1, line 2"


def test_lines_that_the_edge_broke_are_joined() -> None:
    lines = ['  File "/a/very_long', '_name/train.py", lin', "e 3, in f", "    x", "ValueError: x"]
    seen = screen_text([piece(line, row=n) for n, line in enumerate(lines)])
    assert seen == '  File "/a/very_long_name/train.py", line 3, in f\n    x\nValueError: x'


def test_the_longest_line_alone_is_no_broken_one() -> None:
    lines = ["    raise KeyError(key)", "KeyError: 'a'", "Now what?"]
    seen = screen_text([piece(line, row=n) for n, line in enumerate(lines)])
    assert seen == "\n".join(lines)


MENDED = [
    ("Traceback（most recent call last）：", "Traceback (most recent call last):"),
    ("ModuleNotFoundError:Nomodulenamed 'timm'", "ModuleNotFoundError:No module named 'timm'"),
    ("        AAAAAAAAAAAA", "        ^^^^^^^^^^^^"),
    ("json.decoder.JsoNDecodeErr0r: x", "json.decoder.JSONDecodeError: x"),
    ('  File "/x/_init_-py"，1ine l2，in f', '  File "/x/__init__.py", line 12, in f'),
    ('File"a.py".line 3', 'File "a.py", line 3'),
    ("RuntimeError: got cl0::BFloatl6", "RuntimeError: got c10::BFloat16"),
    ("Cell In[l], line 2", "Cell In[1], line 2"),
    ("KeyError: 'data", "KeyError: 'data'"),
    ("torch.Size([l0, 5l2])", "torch.Size([10, 512])"),
    # values stay as they were read
    ("sam_vit_l_0b3195.pth", "sam_vit_l_0b3195.pth"),
    ("sam_vit_h_4b8939.pth", "sam_vit_h_4b8939.pth"),
    ("No module named 'tirnm'", "No module named 'tirnm'"),
    ("AAAA is a module", "AAAA is a module"),
    ("", ""),
]


@pytest.mark.parametrize(("line", "mended"), MENDED)
def test_mistaken_signs_are_mended(line: str, mended: str) -> None:
    assert mend_line(line) == mended
    assert mend_line(mended) == mended


NUMBER = st.floats(0, 3000, allow_nan=False)
STRETCH = st.tuples(NUMBER, NUMBER)


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    text = draw(st.text(max_size=20))
    places = sorted(draw(st.lists(NUMBER, min_size=len(text), max_size=len(text))))
    blanks, lows = draw(st.lists(STRETCH, max_size=3)), draw(st.lists(STRETCH, max_size=3))
    return Piece(text, tuple(places), tuple(blanks), tuple(lows), draw(NUMBER), draw(NUMBER))


@settings(max_examples=80, deadline=None)
@given(st.lists(pieces(), max_size=6))
def test_nothing_that_a_recogniser_reports_breaks_it(seen: list[Piece]) -> None:
    assert isinstance(screen_text(seen), str)
