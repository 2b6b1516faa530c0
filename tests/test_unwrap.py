"""Copies that a terminal broke at its edge are joined; whatever else has lines keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.inputs import clean_text
from assistant.tracebacks import parse_exceptions
from assistant.unwrap import unwrap

TEXTS = Path(__file__).parent / "data" / "tracebacks"
PLAIN = sorted(path.stem for path in TEXTS.glob("*.txt"))
TORN = ["plain_311", "plain_313", "dataloader_worker", "chained_from", "ipython_plain", "quoted"]


def text_of(name: str) -> str:
    return clean_text((TEXTS / f"{name}.txt").read_text("utf-8")).text.expandtabs(8)


def tear(text: str, width: int) -> str:
    return "\n".join(
        line[n : n + width] for line in text.split("\n") for n in range(0, max(1, len(line)), width)
    )


@pytest.mark.parametrize("width", [70, 80, 100])
@pytest.mark.parametrize("name", TORN)
def test_a_torn_traceback_says_what_the_whole_one_says(name: str, width: int) -> None:
    text = text_of(name)
    whole, torn = parse_exceptions(text), parse_exceptions(unwrap(tear(text, width)))
    assert [(e.name, e.message.split("\n")[0]) for e in torn] == [
        (e.name, e.message.split("\n")[0]) for e in whole
    ]


def test_quoting_after_tearing_is_undone_too() -> None:
    text = text_of("plain_311")
    quoted = "\n".join(f"> {line}" for line in tear(text, 80).split("\n"))
    assert parse_exceptions(unwrap(quoted))[-1].message == parse_exceptions(text)[-1].message


@pytest.mark.parametrize("name", PLAIN)
def test_what_nothing_tore_stays_as_it_is(name: str) -> None:
    text = text_of(name)
    assert unwrap(text) == text


STAY = [
    "",
    "one line",
    "just words that were broken by a mail program at some\nplace, without any error at all",
    "I wrapped this mail myself and so the lines are of about the same\n"
    "length everywhere, and then I got ValueError: bad shape somewhere\n"
    "in the middle of the training, which I do not understand at all.",
    "worker-0  | ImportError: this file needs timm. Run `pip install timm`\nworker-0 exited with 1",
    "trial 0  allocated  6.1 GB  reserved  7.9 GB or so it says\n"
    "trial 1  allocated 12.0 GB  reserved 15.5 GB or so it says\n"
    "RuntimeError: CUDA out of memory.",
    "RuntimeError: CUDA error: device-side assert triggered and so on and on\n"
    "For debugging consider passing CUDA_LAUNCH_BLOCKING=1",
]


@pytest.mark.parametrize("text", STAY)
def test_lines_that_somebody_meant_stay(text: str) -> None:
    assert unwrap(text) == text


PIECES = st.sampled_from(
    [
        *('  File "/a/b.py", line 3, in f\n', "    x = 1\n", "ValueError: x\n", "> ", "\n"),
        *(
            "a" * 60 + "\n",
            "b" * 60 + "\n",
            "-" * 60 + "\n",
            "Traceback (most recent call last):\n",
        ),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=10)), max_size=20).map("".join))
def test_only_line_ends_and_quotes_are_taken_out(text: str) -> None:
    joined = unwrap(text)
    assert len(joined) <= len(text)
    for sign in set(joined) - set("\n> "):
        assert joined.count(sign) == text.count(sign)
