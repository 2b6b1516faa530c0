"""Pastes to queries: the kind, the words, no secret, no text that breaks or stalls it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.inputs import CleanText
from assistant.reading import read_query
from assistant.signatures import query_signatures
from assistant.types import Query
from tests.secrets_table import FAKE, SECRETS, core

TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/home/me/train.py", line 3, in <module>\n'
    "    import timm\n"
    "    ^^^^^^^^^^^\n"
    "ModuleNotFoundError: No module named 'timm'"
)

KINDS = [
    ("", "empty"),
    (" \n\t\n", "empty"),
    ("\x00\x1b[0m\u200b\u202e", "empty"),
    ("hi", "smalltalk"),
    ("Hello there!", "smalltalk"),
    ("thanks a lot", "smalltalk"),
    ("What are you?", "smalltalk"),
    ("what can you do", "smalltalk"),
    ("Do you store my text?", "smalltalk"),
    ("help", "smalltalk"),
    ("hi, my loss is nan", "text"),
    ("what is this error about loss", "text"),
    ("help me with my model", "text"),
    ("my model is slow", "text"),
    ("Why do we use 3×3 convolutions?", "text"),
    (TRACEBACK, "traceback"),
    (f"> {TRACEBACK}".replace("\n", "\n> "), "traceback"),
    ("ModuleNotFoundError: No module named 'timm'", "message"),
    ("I get ValueError: bad shape, why?", "message"),
    ("2025-12-03 10:11:12 INFO start\n2025-12-03 10:11:13 INFO stop", "log"),
    ("epoch 1 loss 2\nepoch 2 loss 2", "log"),
    ("0: 320x320 (no detections), 8.4ms\n0: 320x320 (no detections), 8.1ms", "log"),
    ("<script>alert(1)</script>", "text"),
    ("\u05e9\u05dc\u05d5\u05dd, \u05de\u05d4 \u05dc\u05e2\u05e9\u05d5\u05ea?", "text"),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_kinds(text: str, kind: str) -> None:
    assert read_query(text).kind == kind


WORDS = [
    ("just words", "just words"),
    (TRACEBACK, ""),
    (f"It fails:\n{TRACEBACK}\n\nWhat now?", "It fails:\nWhat now?"),
    ("ValueError: x\n\nwhy?", "why?"),
    ("I get ValueError: x", "I get ValueError: x"),
    ("> " + f"You said:\n{TRACEBACK}".replace("\n", "\n> ") + "\n\nSo?", "> You said:\nSo?"),
    (TRACEBACK.replace("\n", "\n[rank0]: "), ""),
    ("Log:\n" + f"app-1  | {TRACEBACK}".replace("\n", "\napp-1  | "), "Log:"),
    (">>> import timm\nValueError: x", ""),
    ("x | ValueError: y\n\nx | why", "x | why"),
    (f"```python\n{TRACEBACK}\n```\nwhat now?", "what now?"),
    (
        f"(lab) me@spark:~$ pip install x\n{TRACEBACK}\nme@spark:~$",
        "(lab) me@spark:~$ pip install x",
    ),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words_are_what_the_person_wrote(text: str, words: str) -> None:
    assert read_query(text).words == words


def test_a_whole_paste() -> None:
    query = read_query(
        f"Hi all,\r\n\x1b[31m{TRACEBACK}\x1b[0m\r\nexport HF_TOKEN=hf_{FAKE * 3}\r\n"
    )
    assert query.exception is not None
    assert query.exception.name == "ModuleNotFoundError"
    assert [(f.kind, f.value) for f in query.facts] == [
        ("missing_module", "timm"),
        ("own_file", "/home/me/train.py"),
        ("own_line", "3"),
        ("own_code", "import timm"),
    ]
    fact = query.facts[0]
    assert query.text[fact.start : fact.end] == "timm"
    assert FAKE not in query.text


IN_STRINGS = {
    "JSON": json.dumps({"level": "error", "exc": TRACEBACK, "step": 3}),
    "JSON with colours": json.dumps({"exc": f"\x1b[31m{TRACEBACK}\x1b[0m\n"}),
    "repr": repr(TRACEBACK),
    "repr of bytes": repr(TRACEBACK.encode()),
    "a field without quotes": "err=" + TRACEBACK.replace("\n", "\\n"),
    "HTML": TRACEBACK.replace("'", "&#39;").replace('"', "&quot;").replace("<", "&lt;"),
    "curly quotes": TRACEBACK.replace("'", "\u2019").replace('"', "\u201d"),
}


@pytest.mark.parametrize("text", IN_STRINGS.values(), ids=IN_STRINGS)
def test_a_traceback_inside_a_string_is_taken_out(text: str) -> None:
    query = read_query(f"look:\n{text}\n\nwhy?")
    assert query.exception is not None
    assert query.exception.message == "No module named 'timm'"
    assert query.exception.frames[-1].line == 3
    assert query.exception.frames[-1].code == "import timm"
    assert query.words.splitlines()[-1] == "why?"


def test_several_strings_are_taken_out() -> None:
    text = "\n".join(json.dumps({"n": n, "exc": f"{TRACEBACK}\n\n{TRACEBACK}"}) for n in range(3))
    assert len(read_query(text).exceptions) == 6


@pytest.mark.parametrize("text", ["C:\\new\\table.py", 'print("a\\n")', "a &amp; b", "\\u0041"])
def test_other_text_keeps_its_backslashes(text: str) -> None:
    assert read_query(text).text == text


def test_a_quotation_mark_that_is_the_error_stays() -> None:
    text = "SyntaxError: invalid character '\u201c' (U+201C)"
    assert read_query(text).text == text


ONLY_A_NAME = [
    "KeyError when I load my checkpoint",
    "OutOfMemoryError on SAM, what can I do?",
    "AttributeError 'NoneType' object has no attribute 'shape'",
]


@pytest.mark.parametrize("text", ONLY_A_NAME)
def test_what_is_said_beside_a_bare_name_is_kept(text: str) -> None:
    query = read_query(text)
    assert query.words == text
    assert query.exception is not None
    assert query.exception.message == ""


def test_a_space_before_the_colon_changes_nothing() -> None:
    exception = read_query("RuntimeError : CUDA out of memory").exception
    assert exception is not None
    assert exception.message == "CUDA out of memory"


def test_clean_text_is_taken_as_it_is() -> None:
    query = read_query(CleanText("ValueError: x", ("a notice",)))
    assert (query.kind, query.notices) == ("message", ("a notice",))


# --- secrets -----------------------------------------------------------------------------------


def everything(query: Query) -> str:
    return json.dumps(asdict(query), ensure_ascii=False) + repr(query_signatures(query))


CONTEXT = st.one_of(
    st.text(max_size=60),
    st.sampled_from([TRACEBACK, "\x1b[31m", "[0m", "> ", "\u200b", "│ ", "KeyError: '", 'File "']),
)
APART = st.sampled_from([" ", "\n", "\t", "\r\n", " \x1b[0m", " (", "\n> ", "\n    "])


@pytest.mark.parametrize(
    ("kind", "around", "secret"), SECRETS, ids=[f"{row[0]}-{n}" for n, row in enumerate(SECRETS)]
)
@settings(max_examples=12, deadline=None)
@given(before=CONTEXT, gap=APART, after=CONTEXT)
def test_no_secret_survives_any_context(
    kind: str, around: str, secret: str, before: str, gap: str, after: str
) -> None:
    query = read_query(f"{before}{gap}{around.format(secret)}{gap}{after}")
    assert core(secret) not in everything(query), kind


FORMS = [
    'ValueError: bad header "{}"',
    'Traceback (most recent call last):\n  File "/home/me/{}/a.py", line 1, in f\n  x\nOSError: x',
    'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    login("{}")\nOSError: x',
    "FileNotFoundError: [Errno 2] No such file or directory: 'runs/{}.pth'",
    "No module named '{}'",
    "h\u200bf\u200b_ {}",
    "\x1b[31m{}\x1b[0m",
    "2025-12-03 10:11:12 ERROR {}",
]


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_survives_in_any_field(form: str) -> None:
    token = "hf_" + FAKE * 4
    query = read_query(form.format(token))
    assert FAKE not in everything(query)
    hidden = "\u200b".join(token)
    assert FAKE not in everything(read_query(form.format(hidden)))


# --- nothing breaks it -------------------------------------------------------------------------

PARTS = st.sampled_from(
    [
        *("Traceback (most recent call last):\n", '  File "', '", line 3', ", in f", "\n", "    "),
        *(
            "ValueError: ",
            "KeyError",
            "---> 3 x",
            "Cell In[1], line 2",
            "| ",
            "> ",
            "E   ",
            "+-+---",
        ),
        *(
            "a.py:3: ValueError",
            "a.py:3 in f",
            "│",
            "[rank0]: ",
            "\x1b[31m",
            "\x1b]",
            "[0m",
            "x" * 300,
        ),
        *(
            "The above exception was",
            "No module named '",
            "size mismatch for ",
            "2025-01-01 00:00:00",
        ),
        *("\ud800", "\x00", "\u202e", "\u2028", "token=", "-----BEGIN PRIVATE KEY-----", "://a:b@"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PARTS, st.text(max_size=20)), max_size=25).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    query = read_query(text)
    assert -1 <= query.cause < max(1, len(query.exceptions))
    for exception in query.exceptions:
        assert 0 <= exception.start <= exception.end <= len(query.text)
    for fact in query.facts:
        assert -1 <= fact.start <= fact.end <= len(query.text)
        derived = fact.kind == "wrong_side" or fact.kind.startswith(("checkpoint_", "model_"))
        said = query.text[fact.start : fact.end].strip()
        assert fact.start < 0 or derived or fact.kind.endswith("_keys") or said == fact.value
    query_signatures(query)
    everything(query).encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    read_query(data.decode("utf-8", "surrogateescape"))
    read_query(data.decode("latin-1"))


def test_megabytes() -> None:
    query = read_query("x = 1\n" * 800_000 + TRACEBACK)
    assert query.exception is not None
    assert query.exception.name == "ModuleNotFoundError"
    assert len(query.notices) == 1


# --- nothing stalls it -------------------------------------------------------------------------

LENGTH = 150_000
HOSTILE = {
    "one letter": "a",
    "blank lines": "\n",
    "dashes": "-",
    "underscores": "_",
    "urls": "://",
    "urls with a user": "a://b:",
    "tokens": "token=",
    "passwords": "password: ",
    "begin": "-----BEGIN",
    "keys": "-----BEGIN PRIVATE KEY-----\n",
    "half tokens": "eyJ-",
    "lost escapes": "[31m",
    "quotes": ">",
    "deep quotes": ">" * 3000 + "x\n",
    "files": 'File "',
    "file lines": 'File "\n',
    "heads": 'a Traceback (most recent call last)\nb  File "\n',
    "escaped": "Traceback (most recent call last):\\n",
    "escaped strings": '"Traceback (most recent call last):\\n\\"',
    "entities": "&quot;&#39;",
    "names": "Error" * 1199 + "!\n",
    "messages": "ValueError: x\n",
    "frames": '  File "a.py", line 1, in f\n',
    "arrows": "---> 1 x\n",
    "combining marks": "\u0301\u0323",
    "smalltalk": "what is you " + " " * 999,
}


def seconds(text: str) -> float:
    started = time.process_time()
    query_signatures(read_query(text))
    return time.process_time() - started


def test_hostile_text_takes_no_longer_than_twenty_times_plain_text() -> None:
    """A quadratic step takes hundreds of times as long at this length; machines differ by less."""
    names = map("".join, product("abcdefghij", repeat=4))  # no two lines are alike
    words = "".join(f"The model {name} trains and then the loss stays.\n" for name in names)
    plain = max(seconds(words[:LENGTH]) for _ in range(2))
    slow = {}
    for name, part in HOSTILE.items():
        text = f"x {part * (LENGTH // len(part))}"
        if seconds(text) > 20 * plain and seconds(text) > 20 * plain:
            slow[name] = len(part)
    assert slow == {}
