"""The fix as the guide words it, and the model's sentences: kept, dropped, cited."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from assistant.answer import abstention, build_fix, prompt_of, tailor
from assistant.errors import BackendError
from assistant.events import Dropped, Notice, Sentence
from assistant.reading import read_query
from assistant.types import Finding, Match, Retrieval, Turn, Waiting
from tests.course import LAP, TIMM, course_entries
from tests.fakes import FakeBackend, Piece

ENTRIES = course_entries()
QUERY = read_query(TIMM)
GOOD = "The package timm is not installed in your notebook."


def say(*script: Piece, is_tiny: bool = False) -> list[Sentence | Dropped | Notice]:
    backend = FakeBackend(*script, is_tiny=is_tiny)
    return list(tailor(QUERY, ENTRIES["missing-timm"], backend, cancel=threading.Event()))


# --- the fix -------------------------------------------------------------------------------------


def test_the_fix_of_an_error_begins_with_the_solution_and_names_the_cause() -> None:
    fix = build_fix(ENTRIES["missing-timm"])
    assert fix.entry == "missing-timm"
    assert fix.text.startswith("Install it there.\n\n```bash\npython -m pip install timm\n```")
    assert "**Why it happens:** The package timm is not installed" in fix.text
    assert 'python -c "import timm"' in fix.text.partition("**How to see that it worked:**")[2]
    assert [(b.language, b.code) for b in fix.blocks] == [("bash", "python -m pip install timm")]


def test_several_causes_are_numbered_as_guides_refer_to_them() -> None:
    text = build_fix(ENTRIES["missing-lap"]).text
    assert "1. The tracker needs the package lap.\n2. It was installed for another Python." in text


def test_a_question_gets_its_whole_answer_and_an_error_without_extras_only_its_solution() -> None:
    assert build_fix(ENTRIES["why-3x3"]).text == ENTRIES["why-3x3"].body.strip()
    bare = replace(ENTRIES["missing-timm"], causes=(), check="")
    assert build_fix(bare).text == bare.solution.strip()


# --- abstaining ----------------------------------------------------------------------------------


def test_abstention_says_what_was_read_and_what_is_near() -> None:
    near = Retrieval((Match("a", "Title A", 0.3), Match("b", "Title B", 0.2)), "abstain")
    lines = abstention(read_query(TIMM.replace("timm", "pandas")), near)
    assert "ModuleNotFoundError: No module named 'pandas'" in lines[0]
    assert "Title A; Title B" in lines[1]
    assert lines[-1].startswith("Next: ")


def test_abstention_without_exception_and_matches_is_two_lines() -> None:
    assert len(abstention(read_query("my cat is green"), Retrieval((), "abstain"))) == 2


# --- the model's words ---------------------------------------------------------------------------


def test_good_sentences_are_cited_and_bad_ones_counted() -> None:
    said = say(f"{GOOD} Run pip install ", "timmm now. Your file train.py stops at line 24.")
    assert said[0] == Sentence(GOOD, ("missing-timm",))
    assert isinstance(said[1], Dropped)
    assert "timmm" in said[1].reason
    assert said[2] == Sentence("Your file train.py stops at line 24.", ("missing-timm",))
    assert len(said) == 3


def test_the_same_words_in_any_pieces() -> None:
    text = f"{GOOD} It is e.g. in another one. Use timmm.\n\n```bash\nrm -rf /\n```\nDone."
    assert say(*text) == say(text) == say(text[:50], text[50:])


def test_a_sentence_is_said_once_and_an_unfinished_one_not_at_all() -> None:
    said = say(f"{GOOD} {GOOD.upper()} It may be that")
    assert [type(event) for event in said] == [Sentence, Dropped, Dropped]
    assert said[1].reason == "it was said before"
    assert said[2].reason == "the model stopped in the middle of it"


def test_waiting_is_a_notice_and_the_first_token_is_reported_once() -> None:
    first: list[int] = []
    backend = FakeBackend(Waiting(2), Waiting(1), "  ", "The ", "end is near.", is_tiny=False)
    events = list(
        tailor(
            QUERY,
            ENTRIES["missing-timm"],
            backend,
            cancel=threading.Event(),
            on_first_token=lambda: first.append(len(first)),
        )
    )
    assert [event.text.partition(":")[2][:9] for event in events[:2]] == [" 2 before", " 1 before"]
    assert all(isinstance(event, Notice) for event in events[:2])
    assert first == [0]
    assert events[2] == Sentence("The end is near.", ("missing-timm",))


def test_an_error_of_the_model_comes_through_after_what_was_said() -> None:
    backend = FakeBackend(f"{GOOD} More ", BackendError("It broke."))
    speaking = tailor(QUERY, ENTRIES["missing-timm"], backend, cancel=threading.Event())
    assert next(speaking) == Sentence(GOOD, ("missing-timm",))
    with pytest.raises(BackendError, match="It broke"):
        next(speaking)


def test_closing_ends_the_generation() -> None:
    backend = FakeBackend(f"{GOOD} More ", "forever")
    speaking = tailor(QUERY, ENTRIES["missing-timm"], backend, cancel=threading.Event())
    next(speaking)
    speaking.close()  # type: ignore[attr-defined]
    assert backend.ended.wait(1)


def test_silence_says_nothing() -> None:
    assert say() == []
    assert say("", "  ", "\n") == []


def test_a_tiny_model_is_cut_off_after_its_first_good_sentence() -> None:
    said = say("Use timmm. ", f"{GOOD} Then bake ", "some bread. Yes.", is_tiny=True)
    assert [type(event) for event in said] == [Dropped, Sentence]
    bad = "Bake the green bread of Monday. "
    assert [
        type(e) for e in say(*[bad.replace("green", f"{n}x") for n in "abcdef"], is_tiny=True)
    ] == [Dropped] * 3


def test_a_tiny_models_labels_and_echoes_are_not_shown() -> None:
    said = say("Error: ModuleNotFoundError is here. ", f"Cause in the guide: {GOOD} ", is_tiny=True)
    assert isinstance(said[0], Dropped)
    assert said[-1] == Sentence(GOOD, ("missing-timm",))


def test_findings_ground_numbers_and_another_question_does_not() -> None:
    finding = Finding("packages", "ok", "torch 2.9.1 is installed.")
    sentence = "Your torch 2.9.1 is fine."
    with_finding = tailor(
        QUERY,
        ENTRIES["missing-timm"],
        FakeBackend(sentence),
        findings=[finding],
        cancel=threading.Event(),
    )
    assert isinstance(next(with_finding), Sentence)
    assert isinstance(say(sentence)[0], Dropped)
    other = tailor(
        read_query(LAP), ENTRIES["missing-lap"], FakeBackend(GOOD), cancel=threading.Event()
    )
    assert isinstance(next(other), Dropped)


# --- a ladder ------------------------------------------------------------------------------------

LONG = "```python\n" + "x = 1\n" * 20 + "```"


@pytest.mark.parametrize(
    ("solution", "first"),
    [
        ("Do it.\n\n```bash\nrun\n```\n\nMore.", "Do it.\n\n```bash\nrun\n```"),
        (f"Do it.\n\n{LONG}", "Do it."),
        (f"Do it so:\n\n{LONG}", f"Do it so:\n\n{LONG}"),
        ("```bash\nrun\n```", "Run this:\n\n```bash\nrun\n```"),
        ("```python\nx\n```\n\nMore.", "Do it like this:\n\n```python\nx\n```"),
    ],
)
def test_what_to_do_then_the_case_then_the_cause_then_the_rest(solution: str, first: str) -> None:
    entry = replace(ENTRIES["missing-timm"], solution=solution)
    text = build_fix(entry, QUERY).text
    assert text.startswith(first)
    case, cause = text.index("**Your case:** Python did not"), text.index("**Why it happens:**")
    assert len(first) < case < cause
    if "More." in solution:
        assert cause < text.index("More.")
    assert text.endswith(entry.check.strip())


def test_of_a_question_the_answer_comes_before_its_symptoms() -> None:
    body = "**Symptoms**:\n- it hangs\n- it dies\n\n**Solution**: Restart it.\n\nThen wait."
    question = replace(ENTRIES["why-3x3"], body=body)
    text = build_fix(question, QUERY).text
    assert text.startswith("Restart it.\n\n**Your case:** Python did not find the package `timm`.")
    assert text.endswith("Then wait.\n\n**Symptoms**:\n- it hangs\n- it dies")


def test_the_shown_prompt_is_the_one_that_the_model_got() -> None:
    backend = FakeBackend(GOOD)
    entry = ENTRIES["missing-timm"]
    finding = Finding("packages", "ok", "torch 2.9.1 is installed.")
    list(tailor(QUERY, entry, backend, findings=[finding], cancel=threading.Event()))
    turn = Turn(QUERY, ("missing-timm",), build_fix(entry), "", "f", (finding,))
    assert prompt_of(turn, entry, tiny=False) == backend.prompts[0]
