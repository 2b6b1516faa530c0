"""Lines without what stands around them, and what a text's outline promises."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant import fact_rows, redact
from assistant.lines import Lines, line_forms, outline

BARE = [
    ("plain", "plain"),
    ("  indented \t", "  indented"),
    ("> > quoted", "quoted"),
    ("│ in a box   │", "in a box"),
    ("[rank12]: x", "x"),
    ("E   assert 3 == 4", "assert 3 == 4"),
    ("trainer-1  | x", "x"),
    ("(trainer pid=411, ip=10.0.0.7) x", "x"),
    ("2025-12-03T10:11:12.123Z x", "x"),
    ("2025-12-03 10:11:12,123 ERROR x", "x"),
    ("[ERROR] x", "x"),
    ("> [rank1]: INFO: ERROR: three at most", "ERROR: three at most"),
]


@pytest.mark.parametrize(("row", "bare"), BARE)
def test_what_stands_around_a_line_is_taken_off(row: str, bare: str) -> None:
    text = f"first 1\n{row}\nlast 3"
    line = Lines(text)[1]
    assert line.text == bare
    assert text[line.start : line.start + len(bare)] == bare
    assert text[line.end] == "\n"


ODD = st.text(st.sampled_from("ab 09\u0663\u00b2\ud800é│>|\n\r\x85:,-[]") | st.characters())


@settings(max_examples=100, deadline=None)
@given(ODD)
def test_lines_stand_where_they_say_and_forms_are_as_long(text: str) -> None:
    lines = Lines(text)
    assert lines.rows == text.split("\n")
    assert [len(form) for form in lines.forms] == [len(row) for row in lines.rows]
    for at, row in enumerate(lines.rows):
        line = lines[at]
        assert text[line.start : line.start + len(line.text)] == line.text
        assert text[: line.end].endswith(row)
        assert re.sub("[0-9]", "0", line.text) == lines.bare[lines.forms[at]]
        assert lines.forms[at] in outline(text).split("\n")


def test_a_log_has_a_handful_of_forms() -> None:
    log = "\n".join(f"2026-11-20 10:{n % 60:02d}:00 step {n:04d}" for n in range(2000))
    assert outline(log) == "0000-00-00 00:00:00 step 0000"
    assert len(line_forms(log)) == 2000


# A row is only tried where an outline has one of its hints: no match without one. What looks ahead
# or behind in a pattern is tried by drawing and rejecting, so many draws are thrown away.
DRAWN = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)
ROWS = [(row.pattern, row.hints) for row in fact_rows.ROWS]
RULES = [(rule.pattern, rule.hints) for rule in redact.RULES]


@pytest.mark.parametrize(("pattern", "hints"), ROWS, ids=[hints[0] for _, hints in ROWS])
@DRAWN
@given(data=st.data())
def test_a_fact_comes_with_a_hint(
    pattern: re.Pattern[str], hints: tuple[str, ...], data: st.DataObject
) -> None:
    said = data.draw(st.from_regex(pattern))
    assert any(hint in outline(said) for hint in hints)


@pytest.mark.parametrize(("pattern", "hints"), RULES, ids=[hints[0] for _, hints in RULES])
@DRAWN
@given(data=st.data())
def test_a_secret_comes_with_a_hint(
    pattern: re.Pattern[str], hints: tuple[str, ...], data: st.DataObject
) -> None:
    said = outline(data.draw(st.from_regex(pattern))).casefold()
    assert any(outline(hint) in said for hint in hints)
