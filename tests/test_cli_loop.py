"""The commands around an answer, as a person runs them: real processes, files and exit codes."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from assistant.errors import AssistantError
from assistant.history import FILE, History, open_history, session_key
from assistant.library import find_problems, read_guide
from assistant.records import Record
from assistant.types import Finding, FixText, Match
from tests.course import GUIDE
from tests.test_cli import is_calm, out, run, said, shape

CLI = session_key("cli")
ASKED = Record(
    when=1000.0,
    text="ModuleNotFoundError: No module named 'timm' HF_TOKEN=hf_abcdefghijklmnopqrstuvwx",
    kind="message",
    matches=(Match("missing-timm", "timm", 0.9), Match("missing-lap", "lap", 0.5)),
    status="answer",
    fix=FixText("missing-timm", "Install it."),
    state="done",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def history(folder: Path) -> Iterator[History]:
    opened = open_history(folder / FILE)
    yield opened
    opened.close()


def loop(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """A real process, with the small guide."""
    return run(*arguments, guide=str(GUIDE), data_dir=str(folder), **settings)


def call(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """The same command inside this process, which has everything imported already."""
    given = {"guide": str(GUIDE), "data_dir": str(folder), **settings}
    environment = {f"ASSISTANT_{name.upper()}": value for name, value in given.items()}
    done = CliRunner().invoke(app, list(arguments), env=environment)
    error = done.exception if isinstance(done.exception, AssistantError) else None
    code = error.exit_code if error else done.exit_code
    stderr = done.stderr.encode() + (f"{error.message}\n{error.hint}\n".encode() if error else b"")
    return subprocess.CompletedProcess(arguments, code, done.stdout.encode(), stderr)


# --- fixed, didnt --------------------------------------------------------------------------------


def test_didnt_offers_the_next_one_once_and_fixed_says_how_to_prove_it(
    folder: Path, history: History
) -> None:
    history.record_turn(CLI, ASKED, face="cli")
    first = call(folder, "didnt")
    assert first.returncode == 0, said(first)
    assert "No module named 'lap'" in out(first)
    assert "python -m pip install lap" in out(first)
    assert "How it differs" in out(first)
    assert "assistant probe packages" in out(first)
    helped = call(folder, "fixed")
    assert helped.returncode == 0
    assert "missing-lap helped" in out(helped)
    (kept,) = history.load_session(CLI)
    assert (kept.outcome, kept.tried) == ("fixed", ("missing-timm",))
    second = call(folder, "didnt")
    assert second.returncode == 1
    assert "no other entry" in out(second)
    third = call(folder, "didnt")
    assert third.returncode == 2
    assert "assistant packet" in said(third)
    assert history.load_session(CLI)[0].tried == ("missing-timm", "missing-lap")
    assert all(is_calm(done) for done in (first, helped, second, third))


def test_the_entry_s_own_check_is_shown(folder: Path, history: History) -> None:
    history.record_turn(CLI, ASKED, face="cli")
    done = call(folder, "fixed")
    assert 'python -c "import timm"' in out(done)


@pytest.mark.parametrize("command", ["fixed", "didnt", "packet"])
def test_nothing_asked_and_nothing_kept_are_one_clear_line(folder: Path, command: str) -> None:
    nothing = call(folder, command)
    off = call(folder, command, history="off")
    assert nothing.returncode == off.returncode == 2
    assert said(nothing).startswith("Nothing was asked yet.")
    assert said(off).startswith("Nothing is kept")
    assert is_calm(nothing)


# --- ask -----------------------------------------------------------------------------------------


def test_ask_keeps_the_masked_question_and_off_keeps_nothing(folder: Path) -> None:
    """Small talk needs no search, so that this is quick; see the run below for a real answer."""
    done = loop(folder, "ask", "hello")
    assert done.returncode == 1
    assert "Did it help" not in said(done)
    (kept,) = open_history(folder / FILE).load_session(CLI)
    assert (kept.text, kept.kind, kept.state) == ("hello", "smalltalk", "done")
    off = loop(folder.with_name("off"), "ask", "hello", history="off")
    assert off.returncode == 1
    assert not folder.with_name("off").exists()


def test_a_history_that_cannot_be_kept_is_said_and_the_answer_comes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = loop(tmp_path / "file", "ask", "hello")
    assert done.returncode == 1
    assert "troubleshooting guide" in out(done)
    assert "answers go on" in said(done)


# --- packet, gaps, data --------------------------------------------------------------------------


BROKEN_TORCH = "raise ImportError('libcudart.so.13: cannot open shared object file')\n"


def test_the_packet_needs_no_torch(folder: Path, history: History, tmp_path: Path) -> None:
    (tmp_path / "broken" / "torch").mkdir(parents=True)
    (tmp_path / "broken" / "torch" / "__init__.py").write_text(BROKEN_TORCH)
    finding = Finding("packages", "warn", "timm is missing", where="your kernel")
    history.record_turn(CLI, replace(ASKED, findings=(finding,)))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'broken')!r});"
        "sys.argv = ['assistant', 'packet', '--output', sys.argv[1]];"
        "from assistant.cli import main; main()"
    )
    file = tmp_path / "packet.md"
    done = run(str(file), program=("-c", code), data_dir=str(folder))
    assert done.returncode == 0, said(done)
    text = file.read_text("utf-8")
    assert "timm is missing" in text
    assert "your kernel" in text
    assert "numpy" in text
    assert "hf_abc" not in text
    again = run(str(file), program=("-c", code), data_dir=str(folder))
    assert again.returncode == 2, "nothing is overwritten"
    assert "packet.md cannot be written" in said(again)


def test_gaps_of_a_class(folder: Path, history: History, tmp_path: Path) -> None:
    for n in range(3):
        text = f"RuntimeError: Sizes {n} and 7 of /home/u{n}/x/y do not agree"
        asked = Record(when=2e9 + n, text=text, kind="message", state="done")
        history.record_turn(session_key(f"browser {n}"), asked)
    history.record_turn(CLI, ASKED)
    history.set_outcome(CLI, 1, "not_fixed", tried=("missing-timm",))
    history.record_probes((Finding("gpu", "timeout", "slow"),))
    found = shape(call(folder, "gaps", "--json"))
    assert [(g["count"], g["sessions"]) for g in found["unanswered"]] == [(3, 3)]
    assert found["entries"] == [{"id": "missing-timm", "did_not_help": 1, "helped": 0}]
    assert found["probes"] == [{"id": "gpu", "status": "timeout", "count": 1}]
    late = shape(call(folder, "gaps", "--json", "--since", "2030-01-01"))
    assert (late["questions"], late["entries"]) == (3, [])
    drafts = tmp_path / "drafts.md"
    drafts.write_text(out(call(folder, "gaps", "--skeleton")), "utf-8")
    guide = read_guide(drafts)
    assert (len(guide.entries), find_problems([guide])) == (1, ())
    wrong = call(folder, "gaps", "--since", "yesterday")
    assert (wrong.returncode, is_calm(wrong)) == (2, True)


def test_export_and_delete(folder: Path, history: History) -> None:
    history.record_turn(CLI, ASKED)
    whole = shape(call(folder, "data", "export"))
    assert whole["turn"][0]["number"] == 1
    assert "hf_abc" not in json.dumps(whole)
    asked = call(folder, "data", "delete")
    assert asked.returncode != 0
    assert len(history.load_turns()) == 1, "no answer is no consent"
    done = call(folder, "data", "delete", "--yes")
    assert (done.returncode, out(done)) == (0, "Deleted: 1 question.\n")
    with sqlite3.connect(folder / FILE) as file:
        assert file.execute("SELECT count(*) FROM turn").fetchone() == (0,)
    file.close()


def test_the_cell_to_paste_is_the_file() -> None:
    done = call(Path("nowhere"), "notebook-cell")
    assert done.returncode == 0
    compile(out(done), "cell", "exec")
    assert "assistant" not in {
        line.split()[1].split(".")[0]
        for line in out(done).splitlines()
        if line.startswith(("import ", "from "))
    }


# --- run -----------------------------------------------------------------------------------------

FAILING = """
import sys
print("epoch 1", flush=True)
raise ModuleNotFoundError("No module named 'timm'", name="timm")
"""


def test_a_failing_command_is_followed_by_its_diagnosis(folder: Path, history: History) -> None:
    command = (sys.executable, "-c", FAILING)
    plain = subprocess.run(command, capture_output=True, check=False)
    done = loop(folder, "run", "--", *command)
    assert done.returncode == plain.returncode == 1
    assert done.stdout == plain.stdout == b"epoch 1\n", "our words go to standard error"
    assert done.stderr.startswith(plain.stderr)
    ours = said(done).removeprefix(plain.stderr.decode())
    assert "a sure match" in ours
    assert "python -m pip install timm" in ours
    assert "assistant fixed" in ours
    (kept,) = history.load_session(CLI)
    assert (kept.shown, kept.state) == ("missing-timm", "done")
    assert call(folder, "fixed").returncode == 0


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("true",), 0, ""),
        (("bash", "-c", "echo fine; echo hm >&2"), 0, "hm\n"),
        (("false",), 1, ""),
        (("bash", "-c", "kill -TERM $$"), -signal.SIGTERM, ""),
        (("bash", "-c", "exit 130"), 130, ""),
        (("no-such-program", "--help"), 127, "assistant run: no-such-program: No such file"),
    ],
)
def test_there_is_nothing_to_say_about(
    folder: Path, command: tuple[str, ...], code: int, words: str
) -> None:
    done = loop(folder, "run", *command)
    assert done.returncode == code
    assert said(done).startswith(words)
    assert said(done).count("\n") <= 1


def test_the_ending_is_the_command_s_also_when_we_fail(folder: Path, tmp_path: Path) -> None:
    """Settings that cannot be used, and a guide that is not there: one line."""
    for settings in ({"max_new_tokens": "none"}, {"guide": str(tmp_path / "none.md")}):
        done = run("run", "--", "bash", "-c", "echo no >&2; exit 42", **settings)
        assert done.returncode == 42
        assert said(done).startswith("no\nassistant: no diagnosis.")
        assert said(done).count("\n") == 2
        assert is_calm(done)
