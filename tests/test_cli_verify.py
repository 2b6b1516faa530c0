"""`verify` and `new-entry` as an author runs them: real processes, exit codes, shapes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.test_cli import out, run, said, shape

PROOFS = str(Path(__file__).parent / "data" / "proofs.md")


def test_verify_names_the_guide_runs_it_and_shows_what_went_wrong() -> None:
    done = run("verify", PROOFS, "--entry", "good", "--entry", "bad-fix", "--entry", "needs-gpu")
    assert done.returncode == 1
    assert f"Running the code in {PROOFS}" in said(done)
    assert "fix (line 168) failed: TypeError" in out(done)
    assert "items = [1, 2] + None" in out(done)
    assert "needs an NVIDIA GPU" in out(done)
    assert "proofs.md: 1 of 3 errors reproduced and fixed" in out(done)


def test_nothing_tried_is_null_with_its_reason_and_no_failure() -> None:
    done = run("verify", PROOFS, "--entry", "unproven", "--entry", "question", "--json")
    assert done.returncode == 0, said(done)
    assert "Running" not in said(done)
    for row in shape(done)["entries"]:
        assert (row["reproduced"], row["rank"], row["fixed"]) == (None, None, None)
        assert row["reason"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--entry", "no-such-entry"), "There is no entry no-such-entry"),
        (("--entry", "good", "--python", "/bin/true"), "does not tell what it has installed"),
        (("no-such-guide.md",), "There is no guide at no-such-guide.md"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    done = run("verify", PROOFS, *arguments)
    assert done.returncode in {2, 3}
    assert message in said(done)
    assert "Traceback" not in said(done)


def test_another_python_may_be_named_by_a_relative_path() -> None:
    place = os.path.relpath(sys.executable)
    done = run("verify", PROOFS, "--entry", "good", "--python", place)
    assert done.returncode == 0, said(done)


def test_new_entry_reads_a_pipe_and_lint_and_verify_lead_on(tmp_path: Path) -> None:
    guide = tmp_path / "my-lab.md"
    answers = (
        'Losses are joined\nTypeError: can only concatenate list (not "int") to list\n'
        "A list is joined.\nDo it.\nhttps://example.org/x\n"
    )
    done = run("new-entry", "--to", str(guide), stdin=answers.encode())
    assert done.returncode == 0, said(done)
    text = guide.read_text()
    assert text.startswith("---\norigin: ")
    assert "# My lab" in text
    assert "{#losses-are-joined}" in text
    linted = run("lint", str(guide))
    assert linted.returncode == 1
    assert f"{guide}:2: still to be written: 'Say here where this knowledge" in out(linted)
    for words, written in (
        ("Say here where this knowledge comes from", "my lab"),
        ("Say here what looks alike and is another thing", "Nothing"),
        ("Say here what one sees when it works", "A number"),
        ("Say here in one to three sentences why that helps", "It adds"),
        ("# the lines that a learner would write", "total = [one + 1 for one in losses]"),
        ("assert True  # what holds after the fix, and not before", "assert total == [2]"),
        ("# the shortest lines whose package prints the message", "losses = [1]\nlosses + 1"),
    ):
        assert words in text
        text = text.replace(words, written)
    guide.write_text(text)
    assert run("lint", str(guide)).returncode == 0
    assert run("verify", str(guide)).returncode == 0
    printed = run("new-entry", stdin=b"")
    assert printed.returncode == 0
    assert "**Reproduce**:" in out(printed)


def test_new_entry_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = run("new-entry", "--to", str(tmp_path / "no" / "x.md"), stdin=b"a\n")
    assert done.returncode == 2
    assert "cannot be written" in said(done)
