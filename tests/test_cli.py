"""`python -m assistant` as a person runs it: real processes, exit codes, shapes, bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.course import GUIDE, TIMM

ROOT = Path(__file__).parent.parent
USERS_GUIDE = ROOT.parent / "shared" / "guide" / "module-2.2-troubleshooting.md"
COMMANDS = ("ask", "serve", "setup", "entries", "lint", "probe", "doctor", "eval")
HEAVY = ("torch", "gradio", "transformers", "faiss", "sentence_transformers", "sklearn", "numpy")


def run(
    *arguments: str,
    stdin: bytes = b"",
    model: str | None = "none",
    program: tuple[str, ...] = ("-m", "assistant"),
    **settings: str,
) -> subprocess.CompletedProcess[bytes]:
    """One real run; settings are given as `ASSISTANT_*` variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSISTANT_")}
    environment |= {f"ASSISTANT_{name.upper()}": value for name, value in settings.items()}
    if model is not None:
        environment["ASSISTANT_MODEL"] = model
    environment["PYTHONIOENCODING"] = "utf-8"
    return subprocess.run(
        [sys.executable, *program, *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env=environment,
        timeout=120,
        check=False,
    )


def out(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode("utf-8")


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8")


def shape(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    loaded = json.loads(out(done))
    assert isinstance(loaded, dict)
    return loaded


def is_calm(done: subprocess.CompletedProcess[bytes]) -> bool:
    """No Python traceback of ours, and nothing that drives a terminal, in either stream."""
    both = out(done) + said(done)
    ours = [line for line in said(done).splitlines() if line.startswith("Traceback")]
    bad = {c for c in both if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs"}}
    return not ours and not bad


# --- asking --------------------------------------------------------------------------------------


def test_a_traceback_at_the_end_of_five_megabytes_from_standard_input_as_json() -> None:
    noise = "epoch 1: loss 2.30 and on it goes through the night\n" * 100_000
    secret = "HF_TOKEN=hf_abcdefghijklmnopqrstuvwx"
    done = run("ask", "-", "--json", "--show-prompt", stdin=f"{noise}{secret}\n{TIMM}\n".encode())
    assert len(noise) > 5_000_000
    assert done.returncode == 0, said(done)
    found = shape(done)
    assert set(found) == {
        *("query", "matches", "status", "answered", "fix", "text", "sentences", "dropped"),
        *("evidence", "offered", "question", "notices", "backend", "seconds"),
        "prompt",
    }
    assert found["query"]["kind"] == "traceback"
    assert TIMM in found["query"]["text"]
    assert "hf_abc" not in out(done) + said(done)
    assert found["status"] in {"answer", "likely"}
    assert found["answered"] is True
    first = found["matches"][0]
    assert set(first) == {"id", "title", "confidence", "why"}
    assert first["id"] == "missing-timm"
    assert 0.4 < first["confidence"] <= 1
    assert "No module named 'timm" in first["why"][0]
    assert set(found["fix"]) == {"entry", "text", "blocks"}
    assert found["fix"]["entry"] == "missing-timm"
    assert {"language": "bash", "code": "python -m pip install timm"} in found["fix"]["blocks"]
    assert (found["dropped"], found["evidence"]) == ([], [])
    assert "it asks for `timm`" in found["text"]
    assert " ".join(one["text"] for one in found["sentences"]) == found["text"]
    assert all(one["citations"] for one in found["sentences"])
    assert any("5,200" in notice for notice in found["notices"])
    assert "without a language model" in found["backend"]
    assert [message["role"] for message in found["prompt"]] == ["system", "user"]
    assert "No module named 'timm'" in found["prompt"][1]["content"]
    assert set(found["seconds"]) == {"read", "retrieve", "probe", "fix", "first_token", "total"}
    assert found["seconds"]["first_token"] is found["seconds"]["probe"] is None
    assert is_calm(done)


def test_a_question_that_nothing_answers() -> None:
    done = run("ask", "how do I bake a sourdough bread in a clay oven?")
    assert done.returncode == 1
    assert "no entry" in out(done)
    assert "nearest" in out(done)
    assert is_calm(done)


def test_a_file_full_of_terminal_tricks_and_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "train.log"
    tricks = (
        b"\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\x1b[31m\x9b31m\x00\x07\x08 \xff\xfe\xc3\x28 "
        b"\xe2\x80\xaegnp.exe\xe2\x80\xac <script>alert(1)</script> [x](javascript:alert(1))\r\n"
    )
    file.write_bytes(tricks + TIMM.encode() + b"\x1b[0m\r\n")
    cache = tmp_path / "cache"
    cache.write_text("a file where the folder should be")
    done = run("ask", str(file), "--guide", str(GUIDE), model="auto", cache_dir=str(cache / "x"))
    assert done.returncode == 0, said(done)
    assert out(done).lstrip().startswith("Install it there."), "what to do comes first"
    assert "a sure match" in out(done)
    assert "assistant setup" in said(done), "no model: one line that says how to get one"
    assert is_calm(done)


def test_nothing_and_small_talk() -> None:
    empty = run("ask", "")
    assert empty.returncode == 1
    assert "Paste the error" in out(empty)
    assert is_calm(empty)
    hello = run("ask", "hello", "--json")
    assert hello.returncode == 1
    found = shape(hello)
    assert (found["status"], found["answered"], found["fix"]) == ("abstain", False, None)
    assert "troubleshooting guide" in found["text"]
    assert found["matches"] == []


# --- what cannot be read -------------------------------------------------------------------------


def test_input_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    files = {
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "model.pth": b"PK\x03\x04" + bytes(100),
        "noise.log": bytes(range(256)) * 20 + bytes(4000),
        "empty.txt": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        done = run("ask", str(tmp_path / name))
        assert done.returncode == 2, name
        assert name in said(done)
        assert 1 <= len(said(done).strip().splitlines()) <= 2
        assert out(done) == ""
        assert is_calm(done)


@pytest.mark.parametrize("name", ["missing.log", "missing.py", "a/missing.IPYNB", "x.png"])
def test_one_word_with_a_known_suffix_is_a_file_that_is_missing(name: str) -> None:
    done = run("ask", name)
    assert done.returncode == 2
    assert said(done).splitlines()[0] == f"There is no file {name}."


def test_standard_input_that_is_empty_binary_or_too_large() -> None:
    for stdin, word in ((b"", "empty"), (bytes(5000), "binary"), (b"x" * 1_100_000, "larger")):
        done = run("ask", "-", stdin=stdin, max_upload_mb="1")
        assert done.returncode == 2
        assert word in said(done)
        assert is_calm(done)


def test_a_guide_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    rows = {
        "empty.md": (b"", "empty"),
        "blank.md": (b" \n\n", "empty"),
        "latin.md": ("# Gerät\n\n### Error: größer\n".encode("latin-1"), "not UTF-8"),
        "binary.md": (b"# a\x00b", "binary"),
        "prose.md": (b"Just some words, no entry at all.\n", "no entries"),
        "none.md": (None, "no guide at"),
        "folder": (None, "no guide at"),
    }
    for name, (content, word) in rows.items():
        guide = tmp_path / name
        if content is not None:
            guide.write_bytes(content)
        done = run("entries", "--guide", str(guide))
        assert done.returncode == 2, name
        assert word in said(done), (name, said(done))
        assert len(said(done).strip().splitlines()) == 2, "what and why, then what to do"
        assert is_calm(done)
    asked = run("ask", "why?", "--guide", str(tmp_path / "none.md"))
    assert asked.returncode == 2
    assert "no guide at" in said(asked)
    assert "Traceback" not in said(asked)


def test_bad_settings_are_named() -> None:
    for name, value in (("port", "nine"), ("max_new_tokens", "1"), ("max_upload_mb", "-1")):
        done = run("entries", **{name: value})
        assert done.returncode == 2
        assert f"The setting {name} " in said(done)
        assert "Traceback" not in said(done)
    done = run("ask", "why?", "--model", "../no/such/model")
    assert done.returncode == 2
    assert "ASSISTANT_MODEL" in said(done)


def test_usage_errors() -> None:
    for arguments in (["ask"], ["nope"], ["ask", "--nope", "x"], ["serve", "--port", "x"]):
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert "--help" in said(done)
        assert "Traceback" not in said(done)


# --- the other commands --------------------------------------------------------------------------


def test_entries_as_json_and_as_text() -> None:
    done = run("entries", "--json", "--guide", str(GUIDE))
    assert done.returncode == 0
    rows = shape(done)["entries"]
    assert set(shape(done)) == {"entries"}
    assert [list(row) for row in rows] == [["id", "kind", "title", "section", "file", "line"]] * 3
    assert [row["id"] for row in rows] == ["missing-timm", "missing-lap", "why-3x3"]
    assert [row["kind"] for row in rows] == ["error", "error", "question"]
    both = run("entries", "--guide", str(GUIDE), "--guide", "builtin")
    assert both.returncode == 0
    assert "course.md:5" in out(both)
    assert "sam-checkpoint-missing" in out(both)
    assert "Entry 'missing-timm' is in course.md and in" in said(both)


@pytest.mark.skipif(not USERS_GUIDE.exists(), reason="../shared/guide is not here")
def test_the_users_guide_gives_all_its_entries() -> None:
    done = run("entries", "--json", "--guide", str(USERS_GUIDE))
    assert done.returncode == 0
    ids = {row["id"] for row in shape(done)["entries"]}
    table = (USERS_GUIDE.parent.parent / "entries.tsv").read_text("utf-8").splitlines()[1:]
    assert len(ids) == 40
    assert ids == {line.split("\t")[0] for line in table}
    shipped = {row["id"] for row in shape(run("entries", "--json"))["entries"]}
    assert shipped > ids  # and the further guides


def test_lint_says_where_and_exits_with_1(tmp_path: Path) -> None:
    clean = run("lint", str(GUIDE))
    assert clean.returncode == 0, out(clean)
    assert "3 entries" in out(clean)
    bad = tmp_path / "bad.md"
    bad.write_text("# G\n\n### Error: no way out\n\n**Cause**: [x](#nowhere)\n\n```\nopen\n")
    done = run("lint", str(bad))
    assert done.returncode == 1
    assert f"{bad}:3: error 'no way out' has no solution" in out(done)
    assert f"{bad}:5: link to #nowhere" in out(done)
    assert run("lint").returncode == 0, "the shipped guides are in order"
    assert run("lint", str(tmp_path / "none.md")).returncode == 2


def test_probes() -> None:
    listed = run("probe", "--list", "--json")
    assert listed.returncode == 0
    rows = shape(listed)["probes"]
    keys = ["id", "title", "reads", "parameters"]
    assert [list(row) for row in rows if "is_cell" not in row] == [keys] * 15
    assert [list(row) for row in rows if "is_cell" in row] == [[*keys, "is_cell"]] * 8
    assert {"gpu", "memory", "packages", "environment"} <= {row["id"] for row in rows}
    gpu = run("probe", "gpu")
    assert gpu.returncode == 0
    assert out(gpu).startswith("Looked at: ")
    assert is_calm(gpu)
    unknown = run("probe", "nope", "--json")
    assert unknown.returncode == 2
    assert shape(unknown)["rows"][0]["status"] == "refused"
    assert run("probe", "gpu", "--target", "nowhere").returncode == 2


def test_doctor_as_json() -> None:
    done = run("doctor", "--json")
    found = shape(done)
    assert set(found) == {"target", "rows"}
    broken = any(row["status"] in ("fail", "timeout") for row in found["rows"])
    assert done.returncode == int(broken)
    assert {row["id"] for row in found["rows"]} >= {"gpu", "memory", "packages", "environment"}
    for row in found["rows"]:
        assert set(row) == {
            *("id", "status", "summary", "next", "entries", "source", "seconds"),
            *("where", "facts"),
        }
        assert row["status"] in {"ok", "warn", "fail", "no_data", "refused", "timeout"}
        assert row["summary"]
        assert isinstance(row["seconds"], float)


PROBE_MODULES = """
import sys, runpy
sys.argv = ["assistant", *sys.argv[1:]]
try:
    runpy.run_module("assistant", run_name="__main__")
except SystemExit as leave:
    assert not leave.code, leave.code
heavy = [name for name in %r if name in sys.modules]
assert not heavy, heavy
"""


def test_help_is_instant_because_nothing_heavy_is_imported() -> None:
    check = ("-c", PROBE_MODULES % (HEAVY,))
    for arguments in (["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)):
        done = run(*arguments, program=check)
        assert done.returncode == 0, (arguments, said(done))
        assert out(done).strip()
    overview = out(run("--help"))
    assert all(f"  {name} " in overview for name in COMMANDS)


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    command = f"{sys.executable} -m assistant entries --guide {GUIDE} | head -c 10"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, cwd=ROOT, check=False
    )
    assert out(done) == "missing-ti"
    assert said(done) == ""
