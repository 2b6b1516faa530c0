"""Records: folded from events, replayed into the same events, whatever the file gives back."""

from __future__ import annotations

import pytest

from assistant.events import Done, Event, Fix, Probed, Retrieved, Sentence, Understood
from assistant.reading import read_query
from assistant.records import (
    Record,
    build_turn,
    dump_answer,
    dump_findings,
    follow,
    mask,
    parse_answer,
    parse_findings,
    parse_names,
    replay,
)
from assistant.types import Turn
from assistant.web.messages import Answer, fold, render_answer
from tests.course import TIMM
from tests.test_history import FULL

QUERY = read_query(TIMM)
TURN = Turn(QUERY, FULL.entries, FULL.fix, "It is not installed.", "f", FULL.findings)
STREAM: list[Event] = [
    Understood(QUERY),
    Retrieved(FULL.matches[1:], "likely", final=False),
    Fix(None, 0),
    Retrieved(FULL.matches, "answer", final=True),
    Fix(FULL.fix, 1),
    Probed(FULL.findings[0]),
    Sentence("It is not installed.", ("missing-timm",)),
    *FULL.dropped,
    *FULL.notices,
    Done(TURN, "answer", "tiny", (("total", 1.5),)),
]


def folded(events: list[Event]) -> Record:
    record = Record()
    for event in events:
        record = follow(record, event)
    return record


def test_a_stream_folds_into_what_is_kept() -> None:
    record = folded(STREAM)
    assert (record.text, record.kind) == (TIMM, "traceback")
    assert record.matches == FULL.matches
    assert (record.fix, record.findings, record.sentences) == (
        FULL.fix,
        FULL.findings,
        FULL.sentences,
    )
    assert (record.status, record.state, record.backend) == ("answer", "done", "tiny")
    assert record.entries == ("missing-timm", "missing-lap")


def test_a_replay_shows_the_page_the_same_answer() -> None:
    record = folded(STREAM)
    live, again = Answer(), Answer()
    for event in STREAM:
        live = fold(live, event)
    for event in replay(record, read_query(record.text)):
        again = fold(again, event)
    assert render_answer(again, {}) == render_answer(live, {})
    assert build_turn(record, QUERY) == TURN
    assert folded(list(replay(record, QUERY))) == record


@pytest.mark.parametrize("events", range(1, len(STREAM)))
def test_a_broken_stream_replays_without_an_end(events: int) -> None:
    record = folded(STREAM[:events])
    assert record.state == "running"
    assert not any(isinstance(event, Done) for event in replay(record, QUERY))


def test_a_probe_alone_leaves_the_answer_that_it_joins() -> None:
    record = folded(STREAM)
    alone = Turn(QUERY, (), None, "", "", FULL.findings)
    joined = follow(follow(record, Probed(FULL.findings[0])), Done(alone, "abstain", "", ()))
    assert (joined.status, joined.fingerprint, len(joined.findings)) == ("answer", "f", 2)


def test_what_is_shown_is_the_best_one_not_tried() -> None:
    record = folded(STREAM)
    rows = {(): "missing-timm", ("missing-timm",): "missing-lap", record.entries: ""}
    for tried, shown in rows.items():
        assert Record(matches=FULL.matches, fix=FULL.fix, tried=tried).shown == shown
    assert Record(matches=FULL.matches).shown == "", "nothing was shown"


@pytest.mark.parametrize("text", ["", "{}x", "[1]", "null", '"x"', '{"matches": [{"no": 1}]}'])
def test_a_column_that_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_answer(text)


def test_columns_come_back_and_are_masked() -> None:
    assert parse_answer(dump_answer(FULL))["fix"] == FULL.fix
    assert parse_findings(dump_findings(FULL)) == FULL.findings
    with pytest.raises(ValueError):
        parse_names("{}")
    assert mask("hf_abcdefghijklmnopqrstuvwx \udc80") == "<REDACTED:hf_token> ?"
