"""After "it did not help": what comes next, and never what was tried."""

from __future__ import annotations

from dataclasses import replace

from assistant.followup import build_followup, deciding_probes, tried_before
from assistant.probes.registry import PROBES
from assistant.records import Record
from assistant.types import FixText, Match
from tests.course import course_entries
from tests.fakes import fake_entry

ENTRIES = course_entries()
TIMM, LAP, WHY = "missing-timm", "missing-lap", "why-3x3"
ASKED = Record(
    matches=tuple(Match(id_, id_, 0.5) for id_ in (TIMM, "not-in-this-guide", LAP, WHY)),
    fix=FixText(TIMM, "Install it."),
)


def test_the_next_best_entry_that_was_not_tried() -> None:
    first = build_followup(ASKED, ENTRIES)
    assert first is not None
    assert (first.entry.id, first.tried) == (LAP, (TIMM,))
    second = build_followup(replace(ASKED, tried=(TIMM,)), ENTRIES)
    assert second is not None
    assert second.entry.id == LAP, "the one with no entry in this guide counts as shown"
    third = build_followup(replace(ASKED, tried=(TIMM, "not-in-this-guide")), ENTRIES)
    assert third is not None
    assert (third.entry.id, third.tried[-1]) == (WHY, LAP)
    earlier = build_followup(ASKED, ENTRIES, tried=(LAP,))
    assert earlier is not None
    assert earlier.entry.id == WHY
    assert build_followup(replace(ASKED, tried=ASKED.entries), ENTRIES) is None


def test_what_hardly_comes_near_is_not_offered() -> None:
    far = (ASKED.matches[0], Match(LAP, "lap", 0.04))
    assert build_followup(replace(ASKED, matches=far), ENTRIES) is None


def test_what_differs_is_the_guides_word_or_the_symptoms() -> None:
    followup = build_followup(ASKED, ENTRIES)
    assert followup is not None
    assert "you see: ModuleNotFoundError: No module named 'lap'" in followup.differs
    assert "before is for: ModuleNotFoundError: No module named 'timm'" in followup.differs
    body = "**Symptoms**:\n- x\n\n**Tell it apart**: Only with `lap`.\n\n**Solution**: y"
    told = build_followup(ASKED, {LAP: replace(ENTRIES[LAP], body=body)})
    assert told is not None
    assert told.differs == "Only with `lap`."


def test_the_probes_that_decide_between_two_entries() -> None:
    probes = [row.info for row in PROBES]
    missing = replace(fake_entry("x"), title="ModuleNotFoundError: No module named 'timm'")
    chosen = deciding_probes([missing, fake_entry("out-of-memory")], probes)
    assert "packages" in chosen
    assert "yolo" not in chosen
    assert deciding_probes([], probes) == ()
    named = next(row for row in PROBES if row.entries)
    assert named.id in deciding_probes([fake_entry(named.entries[0])], probes)


def test_what_was_tried_in_a_conversation_is_remembered_once() -> None:
    turns = (replace(ASKED, tried=(TIMM, LAP)), ASKED, replace(ASKED, tried=(LAP, WHY)))
    assert tried_before(turns) == (TIMM, LAP, WHY)
