"""The history: what is acknowledged is there, whatever happens to the process, file or disk."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.events import Dropped, Notice, Sentence
from assistant.history import History, open_history, session_key
from assistant.history_file import STEPS, move_aside, open_file
from assistant.records import Record
from assistant.types import Clue, CodeBlock, Finding, FixText, Match

A, B = session_key("a"), session_key("b")

FULL = Record(
    when=5.0,
    text="ModuleNotFoundError: No module named 'timm'",
    kind="message",
    matches=(Match("missing-timm", "timm", 0.9, ("it says so",)), Match("missing-lap", "lap", 0.2)),
    status="answer",
    fix=FixText("missing-timm", "Install it.", (CodeBlock("bash", "pip install timm"),)),
    sentences=(Sentence("It is not installed.", ("missing-timm",)),),
    dropped=(Dropped("Buy a GPU.", "not in the guide"),),
    notices=(Notice("A notice.", "warning"),),
    findings=(
        Finding(
            "packages",
            "warn",
            "timm is missing",
            facts=(("timm", "none"),),
            clues=(Clue("missing_module=timm", "confirmed", "It is not there."),),
        ),
    ),
    fingerprint="f",
    backend="tiny",
    seconds=(("total", 1.5),),
    state="done",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "history.sqlite3"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    opened = open_history(path, clock=lambda: 100.0)
    yield opened
    opened.close()


def question(text: str, when: float = 1.0) -> Record:
    return Record(when=when, text=text, kind="text")


# --- what is kept -------------------------------------------------------------------------------


def test_a_turn_comes_back_as_it_was(history: History, path: Path) -> None:
    assert history.record_turn(A, FULL) == 1
    (kept,) = history.load_session(A)
    assert kept == replace(FULL, session=A, number=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_update_leaves_the_outcome_and_an_outcome_the_answer(history: History) -> None:
    number = history.record_turn(A, question("why?"))
    assert history.set_outcome(A, number, "not_fixed", tried=("x",))
    assert history.update_turn(A, number, FULL)
    (kept,) = history.load_session(A)
    assert (kept.outcome, kept.tried, kept.fix) == ("not_fixed", ("x",), FULL.fix)
    assert history.set_outcome(A, number, "fixed", tried=("x",))
    assert history.last_turn(A) == replace(kept, outcome="fixed")
    assert not history.update_turn(A, 99, FULL)
    assert not history.set_outcome(B, 1, "fixed")


def test_a_broken_answer_never_replaces_one_that_was_completed(history: History) -> None:
    """Two tabs may write one answer: the one that goes away late has less to say."""
    number = history.record_turn(A, replace(FULL, state="running"))
    assert history.update_turn(A, number, replace(FULL, state="interrupted"))
    assert history.update_turn(A, number, FULL)
    assert not history.update_turn(A, number, replace(FULL, state="interrupted", fix=None))
    (kept,) = history.load_session(A)
    assert (kept.state, kept.fix) == ("done", FULL.fix)


def test_sessions_are_listed_for_their_owner_alone(history: History) -> None:
    history.record_turn(A, question("first question\nsecond line", 1.0), owner="me")
    history.record_turn(A, question("again", 2.0), owner="me")
    history.record_turn(B, question("another", 3.0), owner="you", face="api")
    mine = history.list_sessions(owner="me")
    assert [(line.key, line.turns, line.title) for line in mine] == [(A, 2, "second line")]
    assert (mine[0].began, mine[0].last, mine[0].state) == (1.0, 2.0, "running")
    assert [line.key for line in history.list_sessions()] == [B, A]
    assert history.load_session(B, owner="me") == ()
    assert len(history.load_session(A, owner="me")) == 2
    assert not history.delete_session(B, owner="me")
    assert history.delete_session(A, owner="me")
    assert history.load_session(A) == ()
    assert len(history.load_turns()) == 1
    assert history.load_turns(since=4.0) == ()


def test_failed_probes_are_kept_and_good_ones_are_not(history: History) -> None:
    good, bad = Finding("gpu", "ok", "fine"), Finding("memory", "timeout", "slow", where="here")
    assert history.record_probes((good,))
    assert history.record_probes((good, bad, replace(bad, status="fail")))
    rows = history.load_failed_probes()
    assert [(row.probe, row.status, row.where, row.when) for row in rows] == [
        ("memory", "timeout", "here", 100.0),
        ("memory", "fail", "here", 100.0),
    ]
    assert history.load_failed_probes(since=101.0) == ()


def test_no_secret_and_no_name_of_a_session_reaches_the_file(history: History, path: Path) -> None:
    leaky = replace(
        FULL,
        text="HF_TOKEN=hf_abcdefghijklmnopqrstuvwx \ud800",
        sentences=(Sentence("use nvapi-abcdefghijklmnopqrstuvwxyz0123"),),
        findings=(Finding("x", "fail", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),),
        notices=(Notice("https://me:hunter2000@example.org/x"),),
    )
    history.record_turn(session_key("cookie-of-a-browser"), leaky)
    history.record_probes(leaky.findings)
    history.close()
    held = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for secret in (b"hf_abc", b"nvapi-abc", b"ghp_abc", b"hunter2000", b"cookie-of"):
        assert secret not in held
    assert b"REDACTED" in held


def test_what_is_deleted_is_gone_from_the_disk(history: History, path: Path) -> None:
    history.record_turn(A, question("a very private question" * 50))
    history.record_probes((Finding("gpu", "fail", "a private summary"),))
    assert history.delete_all() == 1
    assert history.export()["turn"] == history.export()["probe_failure"] == []
    held = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"private" not in held


def test_export_is_json(history: History) -> None:
    history.record_turn(A, FULL)
    whole = json.loads(json.dumps(history.export()))
    assert whole["version"] == len(STEPS)
    assert whole["turn"][0]["text"] == FULL.text


def test_off_keeps_nothing_and_says_nothing() -> None:
    history = open_history(None)
    assert history.record_turn(A, FULL) == 0
    assert not history.update_turn(A, 1, FULL)
    assert not history.record_probes(FULL.findings)
    assert history.load_session(A) == history.list_sessions() == history.notices == ()
    assert (history.last_turn(A), history.delete_all(), history.interrupted()) == (None, 0, 0)
    assert not history.is_kept


# --- what was broken off --------------------------------------------------------------------------


def test_turns_of_a_dead_process_are_marked_and_ours_are_not(history: History, path: Path) -> None:
    code = (
        "import sys, pathlib; from assistant.history import *; from assistant.records import *;"
        "h = open_history(pathlib.Path(sys.argv[1]));"
        "h.record_turn('dead', Record(text='left alone', kind='text'))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    history.record_turn(A, question("still running"))
    assert history.interrupted() == 1
    (dead,), (ours,) = history.load_session("dead"), history.load_session(A)
    assert (dead.state, ours.state) == ("interrupted", "running")
    assert history.interrupted() == 0
    history.update_turn("dead", 1, replace(dead, state="done"))
    assert history.load_session("dead")[0].state == "done", "it heals with its next update"


# A parent that forks writers and kills each in the middle of its writing; prints what was
# acknowledged, so that the test can look for it.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from assistant.history import open_history
from assistant.records import Record
path, acknowledged = Path(sys.argv[1]), []
for run in range(20):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        history = open_history(path)
        for n in range(10_000):
            text = f"run {run} question {n} " + "x" * 3000
            number = history.record_turn(f"s{run}", Record(text=text, kind="text"))
            os.write(write, f"{number} {n} 0\\n".encode())
            history.update_turn(f"s{run}", number, Record(text=text, kind="text", state="done"))
            os.write(write, f"{number} {n} 1\\n".encode())
    os.close(write)
    with open(read) as pipe:
        lines = [pipe.readline() for _ in range(2 + run % 5)]
        os.kill(child, signal.SIGKILL)
        lines += pipe.readlines()
    os.waitpid(child, 0)
    acknowledged += [[run, *map(int, line.split())] for line in lines if line.endswith("\\n")]
print(json.dumps(acknowledged))
"""


def test_twenty_writers_are_killed_and_nothing_acknowledged_is_lost(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], capture_output=True, check=True, timeout=200
    )
    acknowledged = json.loads(done.stdout)
    assert len({run for run, *_ in acknowledged}) == 20
    history = open_history(path)
    assert history.notices == ()
    kept = {(turn.session, turn.number): turn for turn in history.load_turns()}
    for run, number, n, updated in acknowledged:
        turn = kept[f"s{run}", number]
        assert turn.text.startswith(f"run {run} question {n} ")
        assert turn.state == "done" or not updated
    assert history.interrupted() == sum(turn.state == "running" for turn in kept.values())
    history.close()


WRITER = """
import sys
from pathlib import Path
from assistant.history import open_history
from assistant.records import Record
history = open_history(Path(sys.argv[1]))
sys.stdin.readline()
for n in range(40):
    assert history.record_turn(sys.argv[2], Record(text=str(n), kind="text")), history.notices
assert not history.notices
"""


def test_two_processes_and_four_threads_write_at_once(path: Path) -> None:
    """Each to a session of its own and all to one that they share; the file is new."""
    argv = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*argv, name], stdin=subprocess.PIPE) for name in ("p1", "shared")]
    history = open_history(path)

    def write() -> None:
        for n in range(10):
            assert history.record_turn("shared", question(str(n)))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0]
    assert [turn.number for turn in history.load_session("shared")] == list(range(1, 81))
    assert [turn.text for turn in history.load_session("p1")] == [str(n) for n in range(40)]
    history.close()


# --- files that are no history --------------------------------------------------------------------


def damage(path: Path, kind: str) -> None:
    held = path.read_bytes()
    if kind == "noise":
        path.write_bytes(os.urandom(8192))
    elif kind == "text":
        path.write_text("this is no database\n" * 100)
    elif kind == "torn":
        path.write_bytes(held[: len(held) // 2 + 100])
    elif kind == "middle":
        path.write_bytes(held[:4096] + os.urandom(len(held) - 4096))


@pytest.mark.parametrize("kind", ["noise", "text", "torn", "middle"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(path: Path, kind: str) -> None:
    first = open_history(path)
    for n in range(20):
        first.record_turn(A, question(f"{n} " + "x" * 2000))
    first.close()
    damage(path, kind)
    spoilt = path.read_bytes()
    second = open_history(path, clock=lambda: 0.0)
    assert second.record_turn(A, question("new")) == 1
    assert [turn.text for turn in second.load_session(A)] == ["new"]
    assert len(second.notices) == 1
    assert "damaged" in second.notices[0]
    aside = [file for file in path.parent.iterdir() if "damaged-19700101" in file.name]
    assert spoilt in [file.read_bytes() for file in aside]
    assert all(file.name in second.notices[0] for file in aside[:1])
    second.close()
    third = open_history(path)
    assert third.notices == ()
    assert len(third.load_session(A)) == 1
    third.close()


def test_a_file_that_is_damaged_while_it_is_open(history: History, path: Path) -> None:
    for n in range(50):
        history.record_turn(A, question(f"{n} " + "x" * 3000))
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    damage(path, "middle")
    assert history.load_turns() == ()
    assert history.record_turn(A, question("after")) == 1
    assert len(history.notices) == 1


def test_a_sound_file_is_never_moved_aside(history: History, path: Path) -> None:
    """As when another process has already put a new one in the damaged one's place."""
    history.record_turn(A, FULL)
    assert move_aside(path, now=0.0) is None
    assert len(history.load_session(A)) == 1


def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    open_history(path).close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    before = path.read_bytes()
    history = open_history(path)
    assert history.record_turn(A, FULL) == 0
    assert "later version" in history.notices[0]
    assert path.read_bytes() == before
    assert len(list(path.parent.glob("*damaged*"))) == 0


def test_an_older_file_is_brought_up_to_date_and_keeps_what_it_held(path: Path) -> None:
    engine = open_file(path, steps=STEPS[:1])
    with engine.begin() as file:
        assert file.exec_driver_sql("PRAGMA user_version").scalar() == 1
        file.exec_driver_sql("INSERT INTO session VALUES ('old', '', 'page', 1.0)")
    engine.dispose()
    history = open_history(path)
    assert history.record_probes((Finding("gpu", "fail", "no driver"),))
    assert [row["key"] for row in history.export()["session"]] == ["old"]
    history.close()
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    file.close()


# --- no room --------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    history = open_history(tmp_path / "file" / "history.sqlite3")
    assert history.record_turn(A, FULL) == 0
    assert history.record_turn(A, FULL) == 0
    assert len(history.notices) == 1
    assert "answers go on" in history.notices[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=False)


def test_a_full_disk_is_said_once_and_nothing_acknowledged_is_lost(small_disk: Path) -> None:
    history = open_history(small_disk / "history.sqlite3")
    kept = []
    for n in range(200):
        number = history.record_turn(A, question(f"{n} " + "x" * 10_000))
        if not number:
            break
        kept.append(n)
    assert 5 < len(kept) < 200
    assert history.record_turn(A, question("x" * 300_000)) == 0
    assert history.notices == (history.notices[0],)
    assert "the disk is full" in history.notices[0]
    assert [int(turn.text.split()[0]) for turn in history.load_session(A)] == kept
    history.close()
    again = open_history(small_disk / "history.sqlite3")
    assert len(again.load_session(A)) == len(kept)
    again.close()
