"""Events to JSON and to text that cannot drive a terminal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from assistant.events import (
    Done,
    Dropped,
    Fix,
    Loading,
    Notice,
    Offered,
    Probed,
    Question,
    Retrieved,
    Sentence,
)
from assistant.events import Understood as Read
from assistant.render import (
    MARKS,
    ask_json,
    doctor_json,
    entries_json,
    finding_json,
    probes_json,
    render_markdown_table,
    render_match,
    strip_controls,
)
from assistant.types import CodeBlock, Finding, FixText, Match, Parameter, ProbeInfo, Query, Turn
from tests.course import course_entries

FIX = FixText("b", "Do it.", (CodeBlock("bash", "ls", 3),))
FINDING = Finding(
    "gpu", "warn", "No GPU.", "Get one.", ("a",), "nvml", 0.123456, "here", (("n", "1"),)
)


def test_the_last_revision_of_everything_counts() -> None:
    query = Query("text", "message")
    turn = Turn(query, ("b",), FIX, "One. Two.", "f")
    shape = ask_json(
        [
            Loading("x"),
            Read(query),
            Retrieved((Match("a", "A", 0.5),), "likely", final=False),
            Fix(FixText("a", "old"), 0),
            Retrieved((Match("b", "B", 0.9, ("because",)),), "answer", final=True),
            Fix(FIX, 1),
            Offered(("gpu", "labels")),
            Question("Which?", ("b", "a")),
            Probed(FINDING),
            Sentence("One.", ("b",)),
            Dropped("Bad.", "no"),
            Sentence("Two.", ("b",)),
            Notice("Note."),
            Done(turn, "answer", "model", (("read", 0.1), ("fix", 0.2), ("total", 0.3))),
        ]
    )
    assert json.loads(json.dumps(shape)) == shape
    assert shape == {
        "query": {"text": "text", "kind": "message"},
        "matches": [{"id": "b", "title": "B", "confidence": 0.9, "why": ["because"]}],
        "status": "answer",
        "answered": True,
        "fix": {"entry": "b", "text": "Do it.", "blocks": [{"language": "bash", "code": "ls"}]},
        "text": "One. Two.",
        "sentences": [{"text": text, "citations": ["b"]} for text in ("One.", "Two.")],
        "dropped": [{"text": "Bad.", "reason": "no"}],
        "evidence": [finding_json(FINDING)],
        "offered": ["gpu", "labels"],
        "question": {"text": "Which?", "choices": ["b", "a"]},
        "notices": ["Note."],
        "backend": "model",
        "seconds": {
            "read": 0.1,
            "retrieve": None,
            "probe": None,
            "fix": 0.2,
            "first_token": None,
            "total": 0.3,
        },
    }


def test_a_fix_that_was_taken_back_is_no_answer() -> None:
    turn = Turn(Query("t", "text"), (), None, "", "f")
    shape = ask_json([Fix(FIX, 0), Fix(None, 1), Done(turn, "abstain", "", ())])
    assert (shape["fix"], shape["answered"], shape["status"]) == (None, False, "abstain")


def test_an_empty_stream_is_a_whole_object() -> None:
    shape = ask_json([])
    assert shape["answered"] is False
    assert set(shape) >= {"query", "matches", "status", "fix", "text", "dropped", "evidence"}


def test_the_shapes_of_the_other_commands() -> None:
    assert doctor_json("own", [FINDING]) == {"target": "own", "rows": [finding_json(FINDING)]}
    row = finding_json(FINDING)
    old = finding_json(replace(FINDING, age=3.0, pasted=True))
    assert old == {**row, "age": 3.0, "pasted": True}, "only where there is something to say"
    assert list(row)[:7] == ["id", "status", "summary", "next", "entries", "source", "seconds"]
    assert row["seconds"] == 0.1235
    limit = Parameter("seconds", "how long", "number", low=1, high=9, default="3")
    info = ProbeInfo("gpu", "GPU", "the driver", "nothing", (limit,))
    [shape] = probes_json([info])["probes"]
    assert list(shape) == ["id", "title", "reads", "parameters"]
    assert shape["parameters"] == [
        {"name": "seconds", "title": "how long", "kind": "number", "default": "3"}
        | {"low": 1, "high": 9}
    ]
    rows = entries_json(course_entries().values())["entries"]
    assert [list(row) for row in rows] == [["id", "kind", "title", "section", "file", "line"]] * 3
    assert rows[0]["id"] == "missing-timm"
    assert rows[0]["line"] == 5


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[31mred\x1b[0m",
        "\x1b]52;c;cm0gLXJmIC8=\x07",
        "\x1b]8;;http://evil\x1b\\x",
        "\x9b31m",
        "\x07\x08\x7f\x00",
        "over\rwritten",
        "\u202egnp.exe\u202c",
        "a\u200bb\u200f\u2066\u2069\u2028\u2029",
        "a\ufeffb\u061cc",
        "tag\U000e0041\U000e007f",
        "\x85\x90",
        "\u00ad\ufff9",
    ],
)
def test_nothing_that_drives_or_deceives_a_terminal_is_left(attack: str) -> None:
    import unicodedata

    left = strip_controls(f"a {attack} b")
    assert {unicodedata.category(c) for c in left} & {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} == set()


def test_text_with_lines_tabs_and_letters_stays() -> None:
    text = "Zeile\tüber\n模块 ✓ – “x” 🙂"
    assert strip_controls(text) == text


def test_a_table_escapes_its_cells() -> None:
    table = render_markdown_table(["a", "b"], [["x|y", "two\nlines"]])
    assert table == "| a | b |\n| --- | --- |\n| x\\|y | two lines |"


def test_a_match_says_why_and_what_else_it_could_be() -> None:
    matches = [Match("a", "A", 0.9, ("it says so", "so it is")), Match("b", "B", 0.5)]
    assert render_match(matches, "answer") == "A\n  a sure match: it says so; so it is"
    assert render_match(matches, "likely").splitlines()[1:] == [
        "  a likely match: it says so; so it is",
        "  or: B",
    ]
    assert "or:" not in render_match(matches[:1], "likely")


def test_every_status_has_a_mark() -> None:
    assert set(MARKS) == {"ok", "warn", "fail", "no_data", "refused", "timeout"}
