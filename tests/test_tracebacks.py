"""Captured tracebacks of every form to the exception that explains them.

The texts in data/tracebacks are as Python, IPython, Rich, pytest, torch and loggers print them
(3.8 and 3.12 to 3.14, IPython and torchrun by their documented form, the others run here).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.inputs import clean_text
from assistant.reading import read_query
from assistant.tracebacks import parse_exceptions, pick_cause
from assistant.types import ExceptionText, Frame

TEXTS = Path(__file__).parent / "data" / "tracebacks"
LAB = "/home/learner/lab"

# file → (names in reading order, cause, beginning of its message, its last own frame)
GOLDEN: dict[str, tuple[list[str], int, str, str]] = {
    "bare_name": (["cv2.error"], 0, "OpenCV(4.12.0) /io", f"{LAB}/show.py:4 <module>"),
    "chained_during": (
        ["KeyError", "FileNotFoundError"],
        1,
        "[Errno 2] No such file or directory: 'weights.pth'",
        f"{LAB}/train.py:3 load",
    ),
    "chained_from": (
        ["FileNotFoundError", "RuntimeError"],
        1,
        "cannot load weights",
        f"{LAB}/train.py:8 chained",
    ),
    "compose_log": (
        ["ModuleNotFoundError"],
        0,
        "No module named 'lap'",
        "/workspace/train.py:5 <module>",
    ),
    "dataloader_worker": (
        ["ValueError", "ValueError"],
        1,
        "cannot decode cat_3.jpg",
        f"{LAB}/dl.py:6 __getitem__",
    ),
    "group": (
        ["ExceptionGroup", "ValueError", "FileNotFoundError"],
        2,
        "[Errno 2] No such file or directory: 'w.pth'",
        f"{LAB}/train.py:3 load",
    ),
    "inline_message": (["RuntimeError"], 0, "CUDA out of memory. when", ""),
    "ipython_colours": (["ModuleNotFoundError"], 0, "No module named 'timm'", "Cell In[4]:2 "),
    "ipython_lost_escapes": (
        ["ModuleNotFoundError"],
        0,
        "No module named 'ultralytics'",
        "Cell In[4]:1 ",
    ),
    "ipython_old": (
        ["FileNotFoundError"],
        0,
        "[Errno 2] No such file or directory: 'sam_vit_h_4b8939.pth'",
        "<ipython-input-3-5a1b9c0d2e3f>:2 <module>",
    ),
    "ipython_plain": (
        ["RuntimeError"],
        0,
        "Input type (torch.cuda.FloatTensor) and weight",
        "Cell In[7]:3 ",
    ),
    "keyboard_interrupt": (["KeyboardInterrupt"], 0, "", f"{LAB}/train.py:3 <module>"),
    "log_stamps": (["IndexError"], 0, "Target 10 is out of bounds.", f"{LAB}/train.py:88 fit"),
    "notes": (
        ["ValueError"],
        0,
        "bad label 12\nwhile reading batch 7\nfile labels.csv",
        f"{LAB}/train.py:24 notes",
    ),
    "plain_311": (["ValueError"], 0, "matmul: Input operand 1", f"{LAB}/train.py:28 plain"),
    "plain_313": (
        ["RuntimeError"],
        0,
        'Error(s) in loading state_dict for UNet:\n\tMissing key(s) in state_dict: "up1.weight"',
        f"{LAB}/train.py:9 main",
    ),
    "plain_314": (
        ["AttributeError"],
        0,
        "'YOLO' object has no attribute 'predcit'. Did you mean: 'predict'?",
        f"{LAB}/predict.py:7 <module>",
    ),
    "plain_38": (["RuntimeError"], 0, "mat1 and mat2 shapes cannot", "train.py:18 fit"),
    "pytest_failure": (
        ["AttributeError", "AssertionError"],
        1,
        "class count\nassert 3 == 4",
        "test_shape.py:6 ",
    ),
    "quoted": (["ModuleNotFoundError"], 0, "No module named 'lap'", f"{LAB}/track.py:3 <module>"),
    "recursion": (["RecursionError"], 0, "maximum recursion depth", f"{LAB}/train.py:25 rec"),
    "rich_box": (["KeyError"], 0, "'loss'", f"{LAB}/rich_.py:2 step"),
    "several_in_log": (
        ["PIL.UnidentifiedImageError", "RuntimeError"],
        1,
        "CUDA error: out of memory\nCUDA kernel errors might",
        f"{LAB}/train.py:33 fit",
    ),
    "subprocess_last": (
        ["ModuleNotFoundError", "subprocess.CalledProcessError"],
        0,
        "No module named 'ultralytics'",
        f"{LAB}/train.py:2 <module>",
    ),
    "syntax_compiled": (["SyntaxError"], 0, "invalid syntax", "model.py:1 "),
    "syntax_own_file": (["SyntaxError"], 0, "expected ':'", f"{LAB}/model.py:14 "),
    "torchrun_rank": (
        [
            "torch.OutOfMemoryError",
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError",
        ],
        0,
        "CUDA out of memory. Tried to allocate 148.00 MiB. GPU 0",
        f"{LAB}/ddp.py:30 train",
    ),
    "truncated_end": ([], -1, "", ""),
    "truncated_start": (
        ["RuntimeError"],
        0,
        "mat1 and mat2 must have the same dtype, but got Half and Float",
        "",
    ),
}


def text_of(name: str) -> str:
    return clean_text((TEXTS / f"{name}.txt").read_text("utf-8")).text


def own_frame(exception: ExceptionText) -> str:
    own = [f for f in exception.frames if f.own]
    return f"{own[-1].file}:{own[-1].line} {own[-1].function}" if own else ""


def test_every_captured_text_has_its_row() -> None:
    assert {path.stem for path in TEXTS.glob("*.txt")} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_captured(name: str) -> None:
    text = text_of(name)
    names, cause, message, own = GOLDEN[name]
    found = parse_exceptions(text)
    assert [e.name for e in found] == names
    assert pick_cause(text, found) == cause
    if found:
        assert found[cause].message.startswith(message)
        assert own_frame(found[cause]) == own


@pytest.mark.parametrize("name", GOLDEN)
def test_spans_stand_where_they_say(name: str) -> None:
    text = text_of(name)
    end = 0
    for exception in parse_exceptions(text):
        assert end <= exception.start < exception.end <= len(text)
        said = text[exception.start : exception.end]
        assert said.startswith(exception.name)
        assert exception.message.split("\n")[0] in said
        end = exception.end


def in_prefix(prefix: str, text: str) -> str:
    return "\n".join(prefix + line for line in text.split("\n"))


PREFIXES = [
    "> ",
    "> > ",
    ">>> ",
    "| ",
    "│ ",
    "[rank0]: ",
    "E   ",
    "trainer-1 | ",
    "trainer-1      | ",
    "(trainer pid=411) ",
    "2025-12-03T10:11:12.123Z ",
    "2025-12-03 10:11:12,123 ",
    "[2025-12-03 10:11:12] ",
    "ERROR: ",
    "[ERROR] ",
    "2025-12-03 10:11:12,123 ERROR ",
    "[rank1]: > ",
    # whatever else stands before each line of a traceback is found by that
    "0: ",
    "[1,0]<stderr>:",
    "[default0]:[rank0]: ",
    "spark: [rank1]: ",
    "Nov 27 00:25:04 spark python3[1234]: ",
    "[2026-11-20 10:11:12,123][__main__][ERROR] - ",
    "2026-11-20 10:11:12.123 | ERROR    | __main__:<module>:12 - ",
    "E1127 00:25:04.123456 1234 train.py:12] ",
    "20-Nov-26 10:11:12 - ERROR - ",
    "ERROR:train:",
    "10:11:12 ",
    "#11 12.34 ",
    "[gw0] ",
    "# ",
    "12\t",
    "python : ",
    "&gt; ",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ["plain_311", "plain_313", "chained_from", "recursion"])
def test_prefixes_change_nothing(prefix: str, name: str) -> None:
    text = text_of(name)
    plain = parse_exceptions(text)
    found = parse_exceptions(in_prefix(prefix, text))
    assert [(e.name, e.message.split("\n")[0]) for e in found] == [
        (e.name, e.message.split("\n")[0]) for e in plain
    ]
    assert [own_frame(e) for e in found] == [own_frame(e) for e in plain]


def test_numbers_in_a_prefix_may_differ_from_line_to_line() -> None:
    lines = text_of("plain_311").split("\n")
    text = "\n".join(f"#{n} {n * 0.97:.2f} {line}" for n, line in enumerate(lines, start=8))
    found = parse_exceptions(f"#1 building\n{text}\n#99 done")
    assert [(own_frame(e), e.frames[-1].code) for e in found] == [
        (own_frame(e), e.frames[-1].code) for e in parse_exceptions(text_of("plain_311"))
    ]


@pytest.mark.parametrize(
    "text",
    [
        'I get: Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1',
        'see   File "a.py", line 1 and tell me\nsee what I did\nKeyError: 1',
    ],
)
def test_words_before_one_line_are_no_prefix(text: str) -> None:
    assert [e.name for e in parse_exceptions(text)] == ["KeyError"]


FRAME = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    load()\nValueError: '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb says: \n\nwhat it is\n\nSee there", "a\nb says:\n\nwhat it is"),
        ("a:\n\nwhat should I do?", "a:"),
        ("a\nb says:\n\nTraceback (most recent call last):", "a\nb says:"),
        ("a\nb says:\n\n", "a\nb says:"),
    ],
)
def test_a_message_goes_on_after_an_empty_line_if_it_says_so(text: str, message: str) -> None:
    assert parse_exceptions(FRAME + text)[0].message == message


def test_code_of_a_frame_is_kept() -> None:
    frame = parse_exceptions(text_of("plain_314"))[0].frames[0]
    code = "print(model.predcit(image))"
    assert frame == Frame(f"{LAB}/predict.py", 7, "<module>", code, own=True)
    stamped = parse_exceptions(text_of("log_stamps"))[0].frames[0]
    assert stamped.code == "loss = criterion(out, target)"


OWN = [
    ("train.py", True),
    ("/home/me/lab/train.py", True),
    ("/workspace/lib/model.py", True),
    (r"C:\Users\me\lab\train.py", True),
    ("<stdin>", True),
    ("/usr/local/lib/python3.12/dist-packages/torch/x.py", False),
    ("/home/me/.venv/lib/python3.12/site-packages/timm/x.py", False),
    ("/usr/lib/python3.12/importlib/__init__.py", False),
    (r"C:\Python312\Lib\runpy.py", False),
    ("<frozen importlib._bootstrap>", False),
]


@pytest.mark.parametrize(("file", "own"), OWN)
def test_whose_code_a_frame_is(file: str, own: bool) -> None:
    text = f'Traceback (most recent call last):\n  File "{file}", line 1, in f\nValueError: x\n'
    assert parse_exceptions(text)[0].frames[0].own is own


NOTHING = [
    "",
    "\n\n",
    "the error rate is high",
    "I love exceptions: they are great",
    "class MyError(Exception): pass",
    "raise ValueError",
    "Traceback (most recent call last):",
    '  File "x.py", line 3',
]


@pytest.mark.parametrize("text", NOTHING)
def test_no_exception_is_invented(text: str) -> None:
    found = [e for e in parse_exceptions(text) if e.message or e.frames]
    assert found == []


@pytest.mark.parametrize("name", GOLDEN)
def test_the_end_of_a_cut_text_breaks_nothing(name: str) -> None:
    text = text_of(name)
    for end in range(0, len(text), 37):
        found = parse_exceptions(text[:end])
        assert all(0 <= e.start < e.end <= end for e in found)


def test_every_captured_text_is_read_to_the_end() -> None:
    for name in GOLDEN:
        query = read_query(text_of(name))
        assert query.cause == GOLDEN[name][1], name
        assert query.kind == ("text" if not query.exceptions else query.kind)


LAST = "ModuleNotFoundError: No module named 'timm'"
AFTER = [
    "```",
    "</pre>",
    "$ ",
    "me@spark:~/lab$",
    "(base) me@spark:~/lab$ python train.py",
    "root@3f2a1b:/workspace#",
    "[me@node07 lab]# ls",
    "me@mac lab % ",
    "PS C:\\Users\\me\\lab>",
    "(venv) C:\\lab> python train.py",
    "bash-5.1# ",
    "➜  lab git:(main) ✗",
    "Process finished with exit code 1",
    "[Finished in 1.2s]",
    "make: *** [Makefile:3: train] Error 1",
    "Error: Process completed with exit code 1.",
    "srun: error: node07: task 0: Exited with exit code 1",
    "wandb: Find logs at: ./wandb/run-1/logs",
    "Segmentation fault (core dumped)",
    "real\t0m1.204s",
    "/usr/lib/python3.12/tracker.py:254: UserWarning: 6 objects leaked",
    "Epoch 0:   0%|          | 0/100 [00:00<?, ?it/s]",
    "2026-11-20 10:11:12,123 INFO shutting down",
    "[W1120 10:11:12.123 ProcessGroupNCCL.cpp:1250] Warning: not destroyed",
]


@pytest.mark.parametrize("after", AFTER)
def test_what_comes_after_a_program_is_no_part_of_its_message(after: str) -> None:
    text = (
        f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\n{LAST}\n{after}'
    )
    exception = read_query(text).exception
    assert exception is not None
    assert f"{exception.name}: {exception.message}" == LAST


def test_a_message_keeps_its_further_lines() -> None:
    for more in ("batch@7: cost 3$ of 5$", "C:/lab", "- one\n- two", "a % b", "~ about 3"):
        text = f"Traceback (most recent call last):\n{FRAME.partition(chr(10))[2]}x\n{more}"
        assert parse_exceptions(text)[0].message == f"x\n{more}"


# Known wrong: (file, index, what should not be in its message); a later line of the same log looks
# like a note of the exception (PEP 678), which nothing marks either.
KNOWN_WRONG = [
    ("log_stamps", 0, "shutting down"),
    ("several_in_log", 0, "epoch 2/5"),
]


@pytest.mark.parametrize(("name", "index", "noise"), KNOWN_WRONG)
def test_known_wrong(name: str, index: int, noise: str) -> None:
    assert noise in parse_exceptions(text_of(name))[index].message
