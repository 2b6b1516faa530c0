"""Tracebacks that are made, printed in the forms of several Pythons, and read back unchanged."""

from __future__ import annotations

import sys
import traceback

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.tracebacks import parse_exceptions
from assistant.types import ExceptionText, Frame

NAMES = st.sampled_from(
    "ValueError KeyError RuntimeError torch.OutOfMemoryError cv2.error ModuleNotFoundError "
    "json.decoder.JSONDecodeError PIL.UnidentifiedImageError queue.Empty FileNotFoundError".split()
)
WORD = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
# What a message may hold, but what begins another thing: a frame, a prefix, a box.
MESSAGE = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f|>│┃\xa0\xad"),
    min_size=1,
    max_size=60,
).filter(lambda text: text.isprintable())
CODE = st.lists(WORD, min_size=1, max_size=4).map(lambda words: f"{words[0]} = f({words[-1]})")


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    file = f"/home/{draw(WORD)}/{draw(WORD)}.py"
    function = draw(st.one_of(WORD, st.just("<module>"), st.just("<lambda>")))
    return Frame(file, draw(st.integers(1, 99999)), function, draw(CODE), own=True)


EXCEPTIONS = st.lists(
    st.tuples(NAMES, MESSAGE, st.lists(frames(), min_size=1, max_size=5)), min_size=1, max_size=3
)
CHAINS = (
    "\nDuring handling of the above exception, another exception occurred:\n\n",
    "\nThe above exception was the direct cause of the following exception:\n\n",
)


def underline(code: str, form: str) -> str:
    """The line below a line of code: none in 3.8, carets in 3.11, tildes with them in 3.13."""
    marks = {"3.8": "", "3.11": "^" * len(code), "3.13": "~" * (len(code) - 1) + "^"}[form]
    return f"    {marks}\n" if marks else ""


def show(name: str, message: str, stack: list[Frame], form: str) -> str:
    """As that Python prints it."""
    lines = "".join(
        f'  File "{f.file}", line {f.line}, in {f.function}\n    {f.code}\n'
        f"{underline(f.code, form)}"
        for f in stack
    )
    return f"Traceback (most recent call last):\n{lines}{name}: {message}\n"


@settings(max_examples=60, deadline=None)
@given(
    EXCEPTIONS,
    st.sampled_from(["3.8", "3.11", "3.13"]),
    st.sampled_from(CHAINS),
    st.sampled_from(["", "> ", "[rank0]: ", "2026-11-20 10:11:12,123 ERROR ", "trainer-1  | "]),
)
def test_what_is_printed_is_read_back(
    made: list[tuple[str, str, list[Frame]]], form: str, chain: str, prefix: str
) -> None:
    text = chain.join(show(*exception, form) for exception in made)
    text = "\n".join(prefix + line for line in text.split("\n"))
    found = parse_exceptions(text)
    assert [(e.name, e.message, list(e.frames)) for e in found] == made
    again = "\n".join(
        prefix + line for line in chain.join(shown(e, form) for e in found).split("\n")
    )
    assert again == text


def shown(exception: ExceptionText, form: str) -> str:
    return show(exception.name, exception.message, list(exception.frames), form)


def dive(depth: int, message: str) -> None:
    if depth == 0:
        raise ValueError(message)
    try:
        dive(depth - 1, message)
    except ValueError as error:
        if depth % 3 == 0:
            raise KeyError(message) from error
        raise


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), MESSAGE)
def test_what_this_python_prints_is_read(depth: int, message: str) -> None:
    try:
        dive(depth, message)
    except (ValueError, KeyError) as error:
        text = "".join(traceback.format_exception(error))
        chain = [error]
        while chain[0].__cause__ is not None:
            chain.insert(0, chain[0].__cause__)
    found = parse_exceptions(text)
    assert [e.name for e in found] == [type(e).__name__ for e in chain]
    assert [e.message for e in found] == [str(e) for e in chain]
    assert all(frame.file == __file__ for e in found for frame in e.frames)
    assert {frame.function for e in found for frame in e.frames} <= {
        "dive",
        sys._getframe().f_code.co_name,
    }
