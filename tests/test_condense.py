from __future__ import annotations

import pytest

from assistant.condense import condense, search_text
from assistant.reading import read_query

LOG = "\n".join(
    f"2026-11-20 10:{n // 60:02d}:{n % 60:02d},123 INFO step {n} loss {2.3 - n / 200:.4f}"
    for n in range(200)
)
PLAIN_LOG = "\n".join(f"step {n} loss {2.3 - n / 200:.4f}" for n in range(200))
ODD_LOG = "\n".join(f"INFO {word} was loaded" for word in map(chr, range(65, 91))) * 2
QUESTION = "what does the global average pooling layer do?"


@pytest.mark.parametrize("log", [LOG, PLAIN_LOG, ODD_LOG], ids=["logging", "print", "many forms"])
def test_a_question_below_a_long_log_is_all_that_counts(log: str) -> None:
    assert search_text(read_query(f"{log}\n{QUESTION}")) == QUESTION


def test_a_log_alone_keeps_its_first_and_last_lines() -> None:
    kept = condense(PLAIN_LOG).splitlines()
    assert kept == ["step 0 loss 2.3000", "step 1 loss 2.2950", "step 199 loss 1.3050"]


def test_a_short_log_is_what_the_person_wants_to_show() -> None:
    text = "\n".join(["it does not learn", *(f"epoch {n} acc 0.10" for n in range(10))])
    assert "epoch 9 acc 0.10" in condense(text)


def test_a_warning_in_a_long_log_stays() -> None:
    line = "2026-11-20 10:05:00,000 WARNING 0 labels were found in train.cache"
    assert line in condense(f"{LOG}\n{line}\nwhy is that so, please?")


def test_frames_are_not_compared() -> None:
    text = (
        "why?\nTraceback (most recent call last):\n"
        '  File "/x/lib/python3.12/site-packages/a.py", line 3, in f\n    g()\n'
        "ValueError: bad size"
    )
    assert search_text(read_query(text)) == "why?\nValueError: bad size"
