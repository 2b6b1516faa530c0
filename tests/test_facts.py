"""What messages say, with the place they say it at."""

from __future__ import annotations

import pytest

from assistant.facts import find_facts
from assistant.types import ExceptionText, Frame

# (text, the facts in order)
MESSAGES: list[tuple[str, list[tuple[str, str]]]] = [
    ("ModuleNotFoundError: No module named 'timm.layers'", [("missing_module", "timm.layers")]),
    ("No module named segment_anything", [("missing_module", "segment_anything")]),
    (
        "ImportError: TimmBackbone requires the timm library but it was not found in your "
        "environment.",
        [("missing_module", "timm")],
    ),
    ("RuntimeError: Missing dependencies: ultralytics", [("missing_module", "ultralytics")]),
    (
        "packages that were not found in your environment: timm. Run `pip install timm`",
        [("missing_module", "timm")],
    ),
    (
        "Ultralytics requirement ['lap>=0.5.12'] not found, attempting AutoUpdate...",
        [("missing_module", "lap")],
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: 'w/sam_vit_h_4b8939.pth'",
        [("missing_file", "w/sam_vit_h_4b8939.pth")],
    ),
    ("urllib.error.HTTPError: HTTP Error 403: Forbidden", [("http_status", "403")]),
    (
        "403 Client Error: Forbidden for url: https://huggingface.co/a/b/resolve/main/x",
        [("http_status", "403"), ("http_host", "huggingface.co")],
    ),
    (
        "Input type (torch.cuda.FloatTensor) and weight type (torch.cuda.HalfTensor) should",
        [("input_dtype", "torch.cuda.FloatTensor"), ("weight_dtype", "torch.cuda.HalfTensor")],
    ),
    (
        "Input type (float) and bias type (c10::BFloat16) should be the same",
        [("input_dtype", "float"), ("weight_dtype", "c10::BFloat16")],
    ),
    (
        "mat1 and mat2 must have the same dtype, but got Half and Float",
        [("input_dtype", "Half"), ("weight_dtype", "Float")],
    ),
    (
        "Error(s) in loading state_dict for UNet:\n\tsize mismatch for head.weight: copying a "
        "param with shape torch.Size([21, 64]) from checkpoint, the shape in current model is "
        "torch.Size([3, 64]).",
        [
            ("model_class", "UNet"),
            ("mismatched_key", "head.weight"),
            ("checkpoint_shape", "21, 64"),
            ("model_shape", "3, 64"),
        ],
    ),
    (
        "Sizes of tensors must match except in dimension 1. Expected size 57 but got size 56 for "
        "tensor number 1 in the list.",
        [("size_a", "57"), ("size_b", "56")],
    ),
    (
        "Sizes of tensors must match except in dimension 1. Got 57 and 56 in dimension 2",
        [("size_a", "57"), ("size_b", "56")],
    ),
    (
        "The size of tensor a (57) must match the size of tensor b (56) at non-singleton",
        [("size_a", "57"), ("size_b", "56")],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (4x2048 and 512x10)",
        [("matrix_a", "4x2048"), ("matrix_b", "512x10")],
    ),
    (
        "expected input[2, 512, 32, 32] to have 256 channels, but got 512 channels instead",
        [("channels_wanted", "256"), ("channels_got", "512")],
    ),
    (
        "CUDA out of memory. Tried to allocate 148.00 MiB. GPU 0 has a total capacity of "
        "119.70 GiB of which 37.06 MiB is free.",
        [
            ("memory_asked", "148.00 MiB"),
            ("memory_total", "119.70 GiB"),
            ("memory_free", "37.06 MiB"),
        ],
    ),
    ("torch 2.9.1+cpu is installed", [("torch_version", "2.9.1+cpu")]),
    (
        "DataLoader worker (pid 3407) is killed by signal: Bus error. It is",
        [("worker_pid", "3407"), ("worker_signal", "Bus error")],
    ),
    ("DataLoader worker (pid(s) 12) exited unexpectedly", [("worker_pid", "12")]),
    ("the loss is 0.3 after 10 epochs and I like 403 cats", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "wanted"), MESSAGES)
def test_messages(text: str, wanted: list[tuple[str, str]]) -> None:
    facts = find_facts(text, ())
    assert [(fact.kind, fact.value) for fact in facts] == wanted
    for fact in facts:
        assert text[fact.start : fact.end] == fact.value


def test_the_same_fact_is_listed_once_and_there_is_an_end() -> None:
    assert len(find_facts("No module named 'timm'\n" * 50, ())) == 1
    assert len(find_facts("".join(f"No module named 'm{n}'\n" for n in range(999)), ())) == 200


def test_the_last_frame_in_own_code_is_a_fact() -> None:
    frames = (
        Frame("train.py", 3, "main", "fit()", own=True),
        Frame("train.py", 24, "fit", "loss.backward()", own=True),
        Frame("/x/site-packages/torch/_tensor.py", 600, "backward"),
    )
    facts = find_facts("", (ExceptionText("RuntimeError", "", 0, 0, frames),))
    assert [(f.kind, f.value, f.start) for f in facts] == [
        ("own_file", "train.py", -1),
        ("own_line", "24", -1),
        ("own_code", "loss.backward()", -1),
    ]
    assert find_facts("", (ExceptionText("RuntimeError", "", 0, 0, frames[2:]),)) == ()
