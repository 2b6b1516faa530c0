"""The same failures as Python 3.8, 3.10, 3.12 and 3.13 print them: really run, really captured.

data/captured.jsonl was made with data/capture_tracebacks.py. Python 3.14 was not at hand: its form
stands in data/tracebacks/plain_314.txt, after the documentation.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.reading import read_query
from assistant.types import Query

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "captured.jsonl").read_text("utf-8").splitlines()
]

# name → exceptions in reading order, index of the cause, a part of its message, own function
WANTED: dict[str, tuple[list[str], int, str, str]] = {
    "attribute": (["AttributeError"], 0, "has no attribute 'exsits'", "attribute"),
    "cause": (["FileNotFoundError", "RuntimeError"], 1, "cannot load weights", "cause"),
    "chain": (["KeyError", "FileNotFoundError"], 1, "No such file or directory", "load"),
    "colour": (["KeyError", "FileNotFoundError"], 1, "No such file or directory", "load"),
    "comma": (["SyntaxError"], 0, "invalid syntax", ""),
    "crash": ([""], 0, "Fatal Python error: Segmentation fault", "crash"),
    "forgotten_import": (["NameError"], 0, "name 'json' is not defined", "forgotten_import"),
    "group": (
        "ExceptionGroup ValueError ExceptionGroup KeyError FileNotFoundError RuntimeError".split(),
        5,
        "cannot load weights",
        "cause",
    ),
    "ignored": (["OSError"], 0, "worker is gone", "__del__"),
    "import_name": (["ImportError"], 0, "cannot import name 'OrderdDict'", "import_name"),
    "indent": (["IndentationError"], 0, "expected an indented block", ""),
    "interrupt": (["KeyboardInterrupt"], 0, "", "interrupt"),
    "leave": ([], -1, "", ""),
    "logged": (["FileNotFoundError", "RuntimeError"], 1, "cannot load weights", "cause"),
    "module": (["ModuleNotFoundError"], 0, "No module named 'timm_not_there'", "module"),
    "multiline": (["ValueError"], 0, "two lines:\n  first of them", "multiline"),
    "name": (["NameError"], 0, "name 'imags' is not defined", "name"),
    "never_closed": (["SyntaxError"], 0, "", ""),
    "no_message": (["AssertionError"], 0, "", "no_message"),
    "notes": (["ValueError"], 0, "bad label 12\nwhile reading batch 7", "notes"),
    "pool": (["ValueError", "ValueError"], 1, "bad image 2", "work"),
    "print": (["SyntaxError"], 0, "Missing parentheses in call to 'print'", ""),
    "process": (["ValueError"], 0, "bad image 2", "work"),
    "recursion": (["RecursionError"], 0, "maximum recursion depth exceeded", "recursion"),
    "string": (["SyntaxError"], 0, "string literal", ""),
    "tabs": (["TabError"], 0, "inconsistent use of tabs", ""),
    "task": (["ValueError"], 0, "bad image 2", "work"),
    "thread": (["ValueError"], 0, "bad image 2", "work"),
    "unicode": (["SyntaxError"], 0, "invalid character", ""),
}


def facts(query: Query) -> dict[str, str]:
    return {fact.kind: fact.value for fact in query.facts}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['name']}-{row['python']}" for row in ROWS])
def test_every_version_of_python_is_read_alike(row: dict[str, str]) -> None:
    names, cause, message, function = WANTED[row["name"]]
    query = read_query(row["text"])
    assert [e.name for e in query.exceptions] == names
    assert query.cause == cause
    if not names:
        return
    assert query.exception is not None
    assert message in query.exception.message
    own = [frame for exception in query.exceptions for frame in exception.frames if frame.own]
    assert function in {frame.function for frame in own}
    found = facts(query)
    wanted = next(f for f in own if f.function == function and str(f.line) == found["own_line"])
    assert wanted.file == found["own_file"]
    if row["name"] not in {"crash", "notes"}:
        assert found["own_code"] == wanted.code


def test_every_form_was_captured() -> None:
    assert {row["name"] for row in ROWS} == set(WANTED)
    assert {row["python"] for row in ROWS} == {"3.8", "3.10", "3.12", "3.13"}


@pytest.mark.parametrize("name", ["process", "thread", "pool", "task", "ignored", "group", "crash"])
def test_what_python_prints_around_it_is_nobody_s_words(name: str) -> None:
    for row in ROWS:
        if row["name"] == name:
            assert read_query(row["text"]).words == ""


def text_of(name: str, python: str = "3.12") -> str:
    return next(r["text"] for r in ROWS if (r["name"], r["python"]) == (name, python))


# What stands after the failure that matters: (texts in order, name of the cause)
IN_ONE_LOG = [
    (["module", "ignored"], "ModuleNotFoundError"),
    (["module", "interrupt"], "ModuleNotFoundError"),
    (["interrupt"], "KeyboardInterrupt"),
    (["ignored"], "OSError"),
    (["name", "module"], "ModuleNotFoundError"),
    (["process", "GONE"], "ValueError"),
    (["GONE"], "RuntimeError"),
    (["process", "PIPE"], "ValueError"),
    (["PIPE"], "EOFError"),
    (["name", "EOF"], "EOFError"),
]
OTHERS = {
    "GONE": 'Traceback (most recent call last):\n  File "t.py", line 3, in <module>\n    x\n'
    "RuntimeError: DataLoader worker (pid(s) 4711, 4712) exited unexpectedly",
    "PIPE": "Traceback (most recent call last):\n"
    '  File "/usr/lib/python3.12/multiprocessing/spawn.py", line 132, in _main\n    x\n'
    "EOFError: Ran out of input",
    "EOF": 'Traceback (most recent call last):\n  File "/usr/lib/python3.12/site-packages/torch/'
    'serialization.py", line 9, in load\n    x\nEOFError: Ran out of input',
}


@pytest.mark.parametrize(("names", "cause"), IN_ONE_LOG)
def test_which_of_several_is_the_cause(names: list[str], cause: str) -> None:
    text = "\n".join(OTHERS.get(name) or text_of(name) for name in names)
    exception = read_query(text).exception
    assert exception is not None
    assert exception.name == cause
