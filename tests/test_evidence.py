"""Findings against an answer: what they confirm, what they rule out, and what is shown then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.answer import build_fix
from assistant.events import Dropped, Fix, Notice, Offered, Probed, Retrieved, Sentence
from assistant.evidence import choose_probes, contradicts, find_objections, revise, weigh_causes
from assistant.reading import read_query
from assistant.types import Clue, Entry, Finding, Match, ProbeInfo, Retrieval, Target
from tests.course import TIMM, course_entries
from tests.fakes import FakeBackend, FakeProber
from tests.test_service import collect, done, make

ENTRIES = course_entries()
ENTRY = replace(
    ENTRIES["missing-timm"],
    causes=("timm is not installed.", "A file of that name lies in the folder.", "Solar wind."),
)
QUERY = read_query(TIMM)
INSTALLED = Clue("missing_module=timm", "ruled_out", "timm 1.0 is there.", "not installed")
ABSENT = Clue("missing_module=timm", "confirmed", "timm is not there.", "not installed")
SHADOW = Clue("missing_module=timm", "confirmed", "timm.py lies in /w.", "file of that name")
OTHER = Clue("missing_module=lap", "ruled_out", "lap is there.", "not installed")
WHOLE = Clue("missing_module=timm", "ruled_out", "timm imports.")
PLACE = Target("nb", "kernel", ("/opt/nb/bin/python",), "your notebook")


def finding(*clues: Clue, entries: tuple[str, ...] = (), next_: str = "") -> Finding:
    facts = (("python", "/opt/nb/bin/python"),)
    return Finding("packages", "ok", "…", next_, entries, where="nb", facts=facts, clues=clues)


@pytest.mark.parametrize(
    ("clues", "rulings"),
    [
        ((), [None, None, None]),
        ((ABSENT,), ["confirmed", None, None]),
        ((INSTALLED, SHADOW), ["ruled_out", "confirmed", None]),
        ((OTHER,), [None, None, None]),
        ((INSTALLED, ABSENT), ["confirmed", None, None]),  # the last one read counts
    ],
)
def test_each_cause_gets_its_ruling(clues: tuple[Clue, ...], rulings: list[str | None]) -> None:
    assert [c.ruling for c in weigh_causes(ENTRY, QUERY, [finding(*clues)])] == rulings


@pytest.mark.parametrize(
    ("clues", "against"),
    [
        ((INSTALLED,), [INSTALLED]),
        ((INSTALLED, SHADOW), []),  # a cause is left standing
        ((ABSENT,), []),
        ((WHOLE,), [WHOLE]),
        ((OTHER,), []),
    ],
)
def test_only_a_match_without_any_cause_left_is_objected_to(
    clues: tuple[Clue, ...], against: list[Clue]
) -> None:
    assert list(find_objections(ENTRY, QUERY, [finding(*clues)])) == against


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("You should install timm first.", True),
        ("The package timm is not installed in your notebook.", True),
        ("The package is missing.", True),
        ("Install it with pip.", True),
        ("Your notebook uses another Python than the one that has timm.", False),
        ("timm is installed, but a file hides it.", False),
        ("The line imports timm.", False),
    ],
)
def test_a_sentence_against_a_finding_is_told(sentence: str, wrong: bool) -> None:
    assert contradicts(sentence, QUERY, [finding(INSTALLED)]) is wrong
    assert not contradicts(sentence, QUERY, [finding(ABSENT)])
    assert not contradicts(sentence, QUERY, [])


async def test_the_model_cannot_contradict_a_probe() -> None:
    backend = FakeBackend("The package timm is not installed in your notebook. ")
    assistant = make(backend, prober=prober(INSTALLED, place=PLACE))
    events = await collect(assistant, check=True)
    assert [e.reason for e in events if isinstance(e, Dropped)] == ["a check found the opposite"]
    told = [event for event in events if isinstance(event, Sentence)]
    assert not any("not found" in e.text or "installing" in e.text for e in told)
    assert Sentence("A check found: timm 1.0 is there.", ("packages",)) in told


def test_a_ruled_out_match_is_demoted_once() -> None:
    entries = ENTRIES | {"missing-timm": ENTRY}
    matches = (Match("missing-timm", "t", 0.9), Match("why-3x3-convolutions", "w", 0.1))
    before = Retrieval(matches, "answer", exact=True)
    findings = [finding(INSTALLED)]
    after = revise(before, QUERY, findings, entries)
    assert after.status == "likely"
    assert after.matches[0].id == "missing-timm"
    assert after.matches[0].confidence == 0.45
    assert "timm 1.0 is there." in after.matches[0].why[-1]
    assert revise(after, QUERY, findings, entries) == after
    assert revise(before, QUERY, [finding(ABSENT)], entries) == before


def test_what_a_finding_points_at_comes_first() -> None:
    entries = ENTRIES | {"missing-timm": ENTRY}
    other = next(id_ for id_ in entries if id_ not in {"missing-timm", "missing-lap"})
    before = Retrieval((Match("missing-timm", "t", 0.9),), "answer")
    after = revise(before, QUERY, [finding(INSTALLED, entries=(other,))], entries)
    assert [match.id for match in after.matches] == [other, "missing-timm"]


def test_the_fix_says_what_speaks_against_it_before_anything_else() -> None:
    fix = build_fix(ENTRY, QUERY, [finding(INSTALLED, next_="Restart the kernel.")])
    assert fix.text.startswith("**It is probably something else.** timm 1.0 is there.")
    assert "Restart the kernel." in fix.text.partition("\n\n")[0]
    assert "(a check speaks against this: timm 1.0 is there.)" in fix.text


def test_the_fix_names_the_interpreter_that_was_looked_at() -> None:
    entry = replace(ENTRY, solution="```bash\npip install timm\n```")
    assert (
        "/opt/nb/bin/python -m pip install timm" in build_fix(entry, QUERY, [finding(ABSENT)]).text
    )
    assert "\npip install timm" in build_fix(entry, QUERY).text


def test_rows_that_inform_the_message_are_offered() -> None:
    rows = [
        ProbeInfo("a", "", "", "", informs=("dataloader-worker",)),
        ProbeInfo("b", "", "", "", informs=("missing-module",)),
        ProbeInfo("c", "", "", "", informs=("missing-module", "missing_module")),
        ProbeInfo("d", "", "", "", entries=("missing-timm",)),
    ]
    found = Retrieval((Match("missing-timm", "", 1.0),), "answer")
    assert choose_probes(QUERY, found, rows) == ("c", "b", "d")
    assert choose_probes(read_query("hello world"), Retrieval((), "abstain"), rows) == ()


# --- in the stream -------------------------------------------------------------------------------


def prober(*clues: Clue, **options: object) -> FakeProber:
    return FakeProber(finding(*clues), informs=("missing-module",), **options)  # type: ignore[arg-type]


async def test_probes_that_can_tell_more_are_offered_but_not_run() -> None:
    rows = prober(INSTALLED, place=PLACE)
    events = await collect(make(prober=rows))
    assert [e.probes for e in events if isinstance(e, Offered)] == [("packages",)]
    assert rows.runs == []


async def test_a_check_revises_the_answer() -> None:
    rows = prober(WHOLE, place=PLACE)
    events = await collect(make(FakeBackend(), prober=rows), check=True)
    assert rows.runs == [(("packages",), "nb")]
    at = next(n for n, e in enumerate(events) if isinstance(e, Probed))
    later = [e for e in events[at:] if isinstance(e, Retrieved | Fix)]
    assert isinstance(later[0], Retrieved)
    assert later[0].status == "likely"
    assert isinstance(later[1], Fix)
    assert later[1].revision == 1
    assert later[1].fix is not None
    assert later[1].fix.text.startswith("**It is probably something else.**")
    assert done(events).status == "likely"


async def test_without_a_place_nothing_is_checked_and_it_is_said() -> None:
    rows = prober(WHOLE)
    events = await collect(make(FakeBackend(), prober=rows), check=True)
    assert rows.runs == []
    assert any(isinstance(e, Notice) and "which Python" in e.text for e in events)


async def test_a_probe_after_an_answer_revises_that_answer() -> None:
    own = Target("own", "own", ("python",), "our own")
    assistant = make(FakeBackend(), prober=prober(WHOLE, place=own))
    first = done(await collect(assistant))
    events = await collect(assistant, "", conversation=(first.turn,), probe="packages")
    fix = next(e for e in events if isinstance(e, Fix))
    assert fix.revision == 1
    assert fix.fix is not None
    assert "timm imports." in fix.fix.text
    assert done(events).turn.query == first.turn.query
    assert done(events).turn.findings[0].clues == (WHOLE,)


async def test_our_own_python_says_nothing_about_the_learner_s() -> None:
    """FakeProber's only target is the assistant's own."""
    first = done(await collect(make(FakeBackend())))
    talk = (first.turn,)
    foreign = make(FakeBackend(), prober=prober(WHOLE))
    await collect(foreign)
    events = await collect(foreign, "", conversation=talk, probe="packages")
    assert not any(isinstance(e, Fix | Retrieved) for e in events)
    assert [e.finding.clues for e in events if isinstance(e, Probed)] == [()]
    own = Target("own", "own", ("python",), "our own")
    ours = make(FakeBackend(), prober=prober(WHOLE, place=own))
    await collect(ours)
    events = await collect(ours, "", conversation=talk, probe="packages")
    assert any(isinstance(e, Fix) for e in events)


async def test_pasted_evidence_revises_the_last_answer() -> None:
    assistant = make(FakeBackend(), prober=FakeProber(pasted=(finding(WHOLE),)))
    first = done(await collect(assistant))
    events = await collect(assistant, "PASTED", conversation=(first.turn,))
    assert any(isinstance(e, Probed) for e in events)
    assert any(isinstance(e, Fix) and e.revision == 1 for e in events)


async def test_it_still_fails_shows_the_next_entry() -> None:
    assistant = make(FakeBackend())
    first = done(await collect(assistant))
    events = await collect(assistant, "it still fails", conversation=(first.turn,))
    second = done(events)
    assert second.status == "likely"
    assert second.turn.fix is not None
    assert second.turn.fix.entry == first.turn.match_ids[1]
    assert second.turn.query == first.turn.query


def test_the_entry_is_as_the_guide_has_it() -> None:
    entry: Entry = ENTRIES["missing-timm"]
    assert build_fix(entry).text.startswith(entry.solution.strip()[:40])


def test_the_case_stands_behind_the_code_that_the_first_words_announce() -> None:
    solution = "Do this:\n\n```bash\npip install timm\n```\n\nOr that."
    text = build_fix(replace(ENTRY, solution=solution), QUERY).text
    assert text.index("```bash") < text.index("**Your case:**") < text.index("Or that.")
    long = solution.replace(":", ".", 1).replace("pip install timm", "ls\n" * 20 + "ls")
    text = build_fix(replace(ENTRY, solution=long), QUERY).text
    assert text.index("Do this.") < text.index("**Your case:**") < text.index("```bash")
