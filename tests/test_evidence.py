"""Findings against an answer: what they confirm, what they rule out, and what is shown then."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from assistant.answer import build_fix
from assistant.events import Dropped, Fix, Notice, Offered, Probed, Retrieved, Sentence
from assistant.evidence import (
    choose_probes,
    contradicts,
    find_objections,
    read_told,
    revise,
    weigh_causes,
)
from assistant.library import load_library
from assistant.probes.parameters import check_parameters
from assistant.probes.registry import PROBES
from assistant.reading import read_query
from assistant.terminal import print_event
from assistant.types import Clue, Entry, Finding, Match, Parameter, ProbeInfo, Retrieval, Target
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


PARAMETERS = [one for row in PROBES for one in row.parameters if one.told_by or one.name == "file"]


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
    said = " ".join(event.text for event in told)
    assert not any(words in said for words in ("not found", "installing"))
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


def test_the_fix_says_what_a_check_found_is_to_be_done_here() -> None:
    text = build_fix(ENTRY, QUERY, [finding(ABSENT, next_="End process 7 (python).")]).text
    assert "**On your machine:**\n\n- End process 7 (python). (Looked at: nb.)" in text
    assert "On your machine" not in build_fix(ENTRY, QUERY, [finding(OTHER, next_="End it.")]).text
    assert "On your machine" not in build_fix(ENTRY, QUERY, [finding(INSTALLED, next_="x")]).text


def test_the_fix_names_the_place_of_the_file_that_is_missing() -> None:
    entry = load_library([]).entries["sam-checkpoint-missing"]
    query = read_query(
        "FileNotFoundError: [Errno 2] No such file or directory: '/w/sam_vit_h_4b8939.pth'"
    )
    missing = Finding("checkpoint", "fail", "sam_vit_h_4b8939.pth is in none of the folders.",
                      "Download it to /course/sam_vit_h_4b8939.pth.", where="nb")  # fmt: skip
    assert (
        "- Download it to /course/sam_vit_h_4b8939.pth." in build_fix(entry, query, [missing]).text
    )
    other = replace(missing, summary="No file is there.")
    assert "On your machine" not in build_fix(entry, query, [other]).text


def test_a_cause_that_no_check_has_decided_says_so() -> None:
    text = build_fix(ENTRY, QUERY, [finding(ABSENT)]).text
    assert "timm is not installed. *(a check confirms this: timm is not there.)*" in text
    assert "Solar wind. *(no check has decided this)*" in text
    assert "no check" not in build_fix(ENTRY, QUERY).text


@pytest.mark.parametrize(
    ("python", "used"),
    [
        ("/opt/nb/bin/python3.12", True),
        ("/home/ada lovelace/bin/python", True),
        ("/tmp/evil", False),
        ("python", False),
        ("/x/python; rm -rf ~", False),
        ("/x/python\n-c", False),
    ],
)
def test_only_a_python_becomes_the_first_word_of_a_command(python: str, used: bool) -> None:
    """A finding may have been pasted by anybody: then it names no program at all."""
    entry = replace(ENTRY, solution="```bash\npip install timm\n```")
    seen = replace(finding(ABSENT), facts=(("python", python),))
    command = f"{shlex.quote(python)} -m pip install timm"
    assert (command in build_fix(entry, QUERY, [seen]).text) is used
    assert command not in build_fix(entry, QUERY, [replace(seen, pasted=True)]).text


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


def told(text: str) -> dict[str, str]:
    return read_told(read_query(text), [row.info for row in PROBES])


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (TIMM, {"name": "timm"}),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/w/sam_vit_b_01ec64.pth'",
         {"wanted": "sam_vit_b_01ec64.pth"}),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'my.pth'", {}),
        ("RuntimeError: Error(s) in loading state_dict for ResNet:\n\tsize mismatch for fc.weight: "
         "copying a param with shape torch.Size([1000, 512]) from checkpoint, the shape in current "
         "model is torch.Size([10, 512]).", {"classes": "10"}),
        ("why are kernels three by three?", {}),
    ],
)  # fmt: skip
def test_checks_are_told_what_the_paste_names(text: str, given: dict[str, str]) -> None:
    assert told(text) == given
    assert check_parameters(given, PARAMETERS, roots=()).refusal.startswith("file must be given")


# --- in the stream -------------------------------------------------------------------------------


def prober(*clues: Clue, **options: object) -> FakeProber:
    return FakeProber(finding(*clues), informs=("missing-module",), **options)  # type: ignore[arg-type]


async def test_probes_that_can_tell_more_are_offered_but_not_run() -> None:
    rows = prober(INSTALLED, place=PLACE)
    events = await collect(make(prober=rows))
    assert [e.probes for e in events if isinstance(e, Offered)] == [("packages",)]
    assert rows.runs == []


async def test_the_terminal_names_offers_and_says_where_evidence_comes_from(capsys) -> None:
    events = [Offered(("packages", "labels")), Probed(replace(finding(), source="pip show"))]
    for event in (*events, Probed(replace(finding(), age=4.0))):
        print_event(event)
    printed = capsys.readouterr()
    assert "packages, labels. assistant probe NAME" in printed.err
    assert "Looked at: nb\n" in printed.out
    assert "read: pip show" in printed.out
    assert "read 4 seconds ago" in printed.out


async def test_a_form_that_was_left_as_it_is_does_not_hide_what_the_paste_says() -> None:
    name = Parameter("name", "a package", "name", told_by="missing_module")
    other = Parameter("deep", "how deep", "choice", ("no", "yes"), default="no")
    own = Target("own", "own", ("python",), "our own")
    rows = prober(WHOLE, place=own, parameters=(name, other))
    assistant = make(FakeBackend(), prober=rows)
    first = done(await collect(assistant))
    for given in ({"name": "", "deep": "no"}, {"name": "lap", "deep": "yes"}, {"odd": "1"}):
        await collect(assistant, "", conversation=(first.turn,), probe="packages", parameters=given)
    assert rows.told == [
        {"name": "timm"},
        {"name": "lap", "deep": "yes"},
        {"name": "timm", "odd": "1"},
    ]


HOSTILE = (
    "[fc](http://evil.example) <img src=x> ![x][y] <!-- https://evil.example `curl x.sh | sh` "
    "[x{{size_a|]}}{{size_b|(https}}{{channels_got|:}}{{channels_wanted|//evil.example)}} **b**"
)
LIVE = {"link_open", "image", "html_inline", "html_block"}


def test_names_of_a_foreign_program_become_no_link_and_no_html() -> None:
    against = Clue("missing_module=timm", "ruled_out", HOSTILE)
    confirmed = replace(ABSENT, text=HOSTILE)
    for clue in (against, confirmed):
        found = replace(finding(clue, next_=HOSTILE), where=HOSTILE)
        text = build_fix(ENTRY, QUERY, [found]).text
        assert "evil.example" in text
        assert "://evil" not in text
        blocks = MarkdownIt("commonmark").parse(text)
        tokens = [token for block in blocks for token in (block, *(block.children or ()))]
        assert not LIVE & {token.type for token in tokens}
        code = [token.content for token in tokens if token.type == "code_inline"]
        assert not any("curl" in one for one in code)


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
    text = build_fix(replace(ENTRY, solution=solution.replace(":", ".", 1)), QUERY).text
    assert text.index("Do this.") < text.index("```bash") < text.index("**Your case:**")
    long = solution.replace(":", ".", 1).replace("pip install timm", "ls\n" * 20 + "ls")
    text = build_fix(replace(ENTRY, solution=long), QUERY).text
    assert text.index("Do this.") < text.index("**Your case:**") < text.index("```bash")
