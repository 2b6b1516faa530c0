from __future__ import annotations

import pytest

from assistant.case import ROWS, describe_case
from assistant.fact_rows import ROWS as FACT_ROWS
from assistant.reading import read_query

HEAD = 'Traceback (most recent call last):\n  File "/home/me/train.py", line 24, in <module>\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("No module named 'timm'", "Python did not find the package `timm`."),
        (
            "RuntimeError: Input type (torch.FloatTensor) and weight type (CPUBFloat16Type) should "
            "be the same",
            "The input is `torch.FloatTensor`, the weights of the layer are `CPUBFloat16Type`.",
        ),
        (
            "RuntimeError: Error(s) in loading state_dict for ResNet:\n\tsize mismatch for "
            "fc.weight: copying a param with shape torch.Size([10, 512]) from checkpoint, the "
            "shape in current model is torch.Size([1000, 512]).",
            "Your file holds the weights of `resnet18 or resnet34` with `10` classes; you are "
            "loading it into `resnet18 or resnet34` with `1000` classes.",
        ),
        ("why are 3x3 kernels used", ""),
    ],
)
def test_facts_become_sentences(text: str, said: str) -> None:
    assert " ".join(describe_case(read_query(text))) == said


def test_the_place_is_the_learners_own_line() -> None:
    text = f"{HEAD}    import timm\nModuleNotFoundError: No module named 'timm'"
    assert describe_case(read_query(text))[-1] == "It stopped in `/home/me/train.py`, line `24`."


def test_a_value_cannot_leave_its_quotes() -> None:
    text = f"{HEAD}    x\nFileNotFoundError: [Errno 2] No such file or directory: 'a` ![x](y)'"
    assert "`a' ![x](y)`" in describe_case(read_query(text))[0]


def test_facts_of_another_exception_do_not_count() -> None:
    first = f"{HEAD}    a()\nModuleNotFoundError: No module named 'lap'"
    then = f"{HEAD}    b()\nFileNotFoundError: [Errno 2] No such file or directory: 'a.pth'"
    said = describe_case(read_query(f"{first}\n\n{then}"))
    assert not any("lap" in line for line in said)


WARNED = "[ WARN:0@0.1] findDecoder imread_('imgs/my dog.jpg'): can't open/read file: check path"
EMPTY = "cv2.error: OpenCV(5.0.0) color.cpp:199: error: (-215) !_src.empty() in function 'cvtColor'"
CELL = f"{'-' * 75}\nerror                  Traceback (most recent call last)\nCell In[3], line 2\n"


@pytest.mark.parametrize(
    ("text", "is_said"),
    [
        (f"{WARNED}\n{HEAD}    x\n{EMPTY}", True),
        (f"{WARNED}\n{CELL}----> 2 rgb = cv2.cvtColor(image)\n\n{EMPTY}", True),
        (f"{WARNED}\n{EMPTY}", True),
        (f"{WARNED}\nepoch 1\nepoch 2\nepoch 3\n{HEAD}    x\n{EMPTY}", False),
        (f"{WARNED}\n{HEAD}    x\nKeyError: 1\n\n\n{HEAD}    x\n{EMPTY}", False),
    ],
)
def test_what_stands_right_above_a_traceback_belongs_to_it(text: str, is_said: bool) -> None:
    said = " ".join(describe_case(read_query(text)))
    assert ("Python looked for `imgs/my dog.jpg`" in said) == is_said


def test_every_gap_is_a_kind_of_fact_that_exists() -> None:
    made = {kind for row in FACT_ROWS for kind in row.pattern.groupindex}
    made |= {f"{side}_{what}" for side in ("checkpoint", "model") for what in
             ("network", "classes", "prefix")}  # fmt: skip
    made |= {"own_file", "own_line", "own_code"}
    assert {kind for row in ROWS for kind in row.needs} <= made
