"""What IPython, pytest, pip, conda, apt, docker and the kernel print, read: who failed, where, why.

data/tools.jsonl was made with data/capture_tools.py (IPython 7 to 9 in each of its modes, pytest 8
and 9 with each --tb, pip, apt, docker without a daemon; the kernel's lines come from a process that
was killed in a small memory cgroup). What could not run here says "not captured" in its row.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.reading import read_query
from assistant.signatures import query_signatures
from assistant.types import Query
from assistant.unwrap import unwrap

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "tools.jsonl").read_text("utf-8").splitlines()
]
IDS = [f"{row['name']}|{row['by'].partition(',')[0].partition(':')[0]}" for row in ROWS]
DATA, TEST = "/home/learner/lab/data.py", "test_shape.py"
READ = "raise RuntimeError(\"no weights in 'runs'\") from error"


def rows_of(tool: str) -> list[dict[str, str]]:
    return [row for row in ROWS if row["name"].startswith(tool)]


def facts(query: Query) -> dict[str, str]:
    return {fact.kind: fact.value for fact in query.facts}


# --- IPython -------------------------------------------------------------------------------------

# cell → names of the exceptions, message of the cause, file (its beginning), line and code
CELLS: dict[str, tuple[list[str], str, tuple[str, str, str]]] = {
    "chain": (["FileNotFoundError", "RuntimeError"], "no weights in 'runs'", (DATA, "9", READ)),
    "module": (
        ["ModuleNotFoundError"],
        "No module named 'numpy_not_there'",
        ("", "1", "import numpy_not_there.linalg as la"),
    ),
    "library": (["JSONDecodeError"], "Expecting ',' delimiter", ("", "3", "json.loads(text)")),
    "syntax": (["SyntaxError"], "", ("", "1", "model = dict(a=1")),
    "interrupt": (["KeyboardInterrupt"], "", ("", "2", "raise KeyboardInterrupt")),
}
OLD_SYNTAX = ("", "2", "print(model)")  # until Python 3.9 the line after the open bracket is named


@pytest.mark.parametrize("row", rows_of("ipython"), ids=[i for i in IDS if i.startswith("ipy")])
def test_every_mode_of_ipython_is_read_alike(row: dict[str, str]) -> None:
    _, mode, cell = row["name"].split("-")[:3]
    names, message, (file, line, code) = CELLS[cell]
    old = "Python 3.8" in row["by"]
    query = read_query(row["text"])
    assert query.exception is not None
    assert query.exception.message.startswith(message)
    assert query.words == ""
    if mode == "minimal" and cell != "syntax":  # prints last lines only, the newer ones but one
        assert [e.name for e in query.exceptions] == (names if old else names[-1:])
        return
    assert [e.name for e in query.exceptions] == names
    place = OLD_SYNTAX if old and cell == "syntax" else (file, line, code)
    found = facts(query)
    assert found["own_file"].startswith(file or ("<ipython-input-1-" if old else "Cell In[1]"))
    assert (found["own_line"], found["own_code"]) == place[1:]


@pytest.mark.parametrize("row", rows_of("ipython"), ids=[i for i in IDS if i.startswith("ipy")])
def test_nothing_that_ipython_prints_was_torn(row: dict[str, str]) -> None:
    assert unwrap(row["text"]) == row["text"]


def test_a_chain_keeps_every_frame() -> None:
    """The head of IPython 7's traceback is as long as the rule above it: it is not torn there."""
    row = next(r for r in rows_of("ipython-context-chain") if "7.34" in r["by"])
    first, second = read_query(row["text"]).exceptions
    assert [frame.line for frame in first.frames] == [7, 7, 2]
    assert [frame.line for frame in second.frames] == [3, 9]


# --- pytest --------------------------------------------------------------------------------------

FAILED = ["FileNotFoundError", "AssertionError", "json.decoder.JSONDecodeError"]


@pytest.mark.parametrize("row", rows_of("pytest"), ids=[i for i in IDS if i.startswith("pyt")])
def test_every_style_of_pytest_is_read_alike(row: dict[str, str]) -> None:
    query = read_query(row["text"])
    assert [e.name for e in query.exceptions] == FAILED
    assert query.cause == 2
    assert [e.message.partition("\n")[0] for e in query.exceptions] == [
        "[Errno 2] No such file or directory: 'weights.pth'",
        "class count",
        "Expecting ',' delimiter: line 1 column 6 (char 5)",
    ]
    own = [
        [(Path(f.file).name, f.line, f.code) for f in e.frames if f.own] for e in query.exceptions
    ]
    if row["name"] == "pytest-line":  # names one place for each failure, and no code
        assert own[1:] == [[(TEST, 17, "")], []]
        return
    assert own == [
        [(TEST, 12, 'return open("weights.pth")')],
        [(TEST, 17, 'assert len(count("[1, 2, 3]")) == classes, "class count"')],
        [(TEST, 21, 'count("[1, 2")'), (TEST, 7, "return json.loads(labels)")],
    ]
    assert facts(query)["own_line"] == "7"


@pytest.mark.parametrize("row", rows_of("pytest"), ids=[i for i in IDS if i.startswith("pyt")])
def test_a_report_of_pytest_is_nobody_s_words(row: dict[str, str]) -> None:
    said = read_query(f"Why does this fail?\n\n{row['text']}\n\nPlease help.").words.splitlines()
    assert (said[0], said[-1]) == ("Why does this fail?", "Please help.")
    # what is left are the values of arguments, which look like code that a person typed
    assert all(" = " in line for line in said[1:-1])


@pytest.mark.parametrize("prefix", ["> ", "[rank0]: "])
def test_a_quoted_report_has_its_code_too(prefix: str) -> None:
    row = next(r for r in rows_of("pytest-long") if "pytest 9" in r["by"])
    text = "\n".join(prefix + line for line in row["text"].split("\n"))
    found = facts(read_query(text))
    assert (found["own_line"], found["own_code"]) == ("7", "return json.loads(labels)")


def test_a_warning_is_no_failure() -> None:
    text = (
        "/home/learner/lab/train.py:3: UserWarning: lr is 0\n  warnings.warn('lr is 0')\nHow come?"
    )
    assert [e.frames for e in read_query(text).exceptions] == [()]


def test_a_file_that_cannot_be_collected_is_read_with_its_code() -> None:
    """pytest prints "E   " before each line of such a traceback."""
    text = (
        "________ ERROR collecting test_x.py ________\n"
        'E     File "/home/learner/lab/model.py", line 14\n'
        "E       def forward(self, x)\n"
        "E                           ^\n"
        "E   SyntaxError: expected ':'"
    )
    found = facts(read_query(text))
    assert (found["own_line"], found["own_code"]) == ("14", "def forward(self, x)")


# --- the others ----------------------------------------------------------------------------------

# name → names of the exceptions, all facts
OTHERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "pip-no-matching": ([], {"missing_package": "segment-anythng"}),
    "pip-no-version": ([], {"missing_package": "six", "missing_version": "six==99.1"}),
    "pip-conflict": ([], {}),
    "pip-build-failure": (["RuntimeError"], {}),
    "pip-no-file": ([], {"missing_file": "requirments.txt"}),
    "pip-not-a-project": ([], {}),
    "pip-externally-managed": ([], {}),
    "apt-no-package": ([], {"missing_package": "libgl1-mesa-glxx"}),
    "apt-not-root": ([], {}),
    "conda-no-package": (["PackagesNotFoundError"], {"missing_package": "segment-anythng"}),
    "conda-conflict": (["LibMambaUnsatisfiableError"], {}),
    "conda-no-environment": (["EnvironmentNameNotFound"], {}),
    "conda-no-network": (["CondaHTTPError"], {"http_host": "conda.anaconda.org"}),
    "docker-no-daemon": ([], {}),
    "docker-no-command": ([], {}),
    "docker-bad-port": ([], {}),
    "docker-no-gpus-flag": ([], {}),
    "docker-no-gpu": ([], {}),
    "docker-port": ([], {"port": "8888"}),
    "docker-no-image": ([], {}),
    "docker-not-allowed": ([], {}),
    "kernel-oom": (
        [],
        {"killed_by": "oom-kill", "killed_process": "python3", "killed_pid": "9030"},
    ),
    "slurm-oom": ([], {"killed_by": "oom_kill"}),
    "slurm-time": ([], {}),
}
REST = [row for row in ROWS if not row["name"].startswith(("ipython", "pytest"))]


@pytest.mark.parametrize("row", REST, ids=[row["name"] for row in REST])
def test_what_other_tools_say(row: dict[str, str]) -> None:
    """Their facts, and not one that they do not say."""
    query = read_query(row["text"])
    names, wanted = OTHERS[row["name"]]
    assert [e.name for e in query.exceptions] == names
    assert facts(query) == wanted


def test_every_row_has_its_expectation() -> None:
    assert {row["name"] for row in REST} == set(OTHERS)
    modes = {row["name"].split("-")[1] for row in rows_of("ipython")}
    assert modes == {"plain", "context", "verbose", "minimal"}
    styles = {row["name"].split("-")[1] for row in rows_of("pytest")}
    assert styles == {"auto", "long", "short", "line", "native"}


def test_a_failed_build_says_what_the_build_said() -> None:
    row = next(row for row in ROWS if row["name"] == "pip-build-failure")
    exception = read_query(row["text"]).exception
    assert exception is not None
    assert exception.message == "CUDA_HOME is not set"
    assert exception.frames[-1].code == ""


def test_what_the_kernel_killed_is_understood() -> None:
    row = next(row for row in ROWS if row["name"] == "kernel-oom")
    assert query_signatures(read_query(row["text"]))[0].family == "process-killed"


def test_lines_of_the_kernel_are_a_log() -> None:
    row = next(row for row in ROWS if row["name"] == "kernel-oom")
    assert read_query(row["text"]).kind == "log"
