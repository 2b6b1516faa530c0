"""Messages to signatures: one fault, many wordings; look-alikes apart."""

from __future__ import annotations

import pytest

from assistant.reading import read_query
from assistant.signatures import ROWS, query_signatures, template, text_signatures


def first(text: str) -> str:
    """The key of the most telling signature of a paste, '' if only its own template is known."""
    found = [s.key for s in query_signatures(read_query(text)) if s.family != "message"]
    return found[0] if found else ""


SAM_FRAME = (
    'Traceback (most recent call last):\n  File "/usr/lib/python3.12/dist-packages/'
    'segment_anything/build_sam.py", line 105, in _build_sam\n    state_dict = torch.load(f)\n'
)
PREDICTOR_FRAME = SAM_FRAME.replace("build_sam", "predictor")
PLAIN_FRAME = (
    'Traceback (most recent call last):\n  File "train.py", line 1, in <module>\n    f()\n'
)

# (paste, key of its signature)
PASTES = [
    ("ModuleNotFoundError: No module named 'timm'", "missing-module:timm"),
    ("ModuleNotFoundError: No module named 'timm.layers'", "missing-module:timm.layers"),
    ("No module named segment_anything", "missing-module:segment_anything"),
    ("ImportError: X requires the timm library but it was not found", "missing-module:timm"),
    ("RuntimeError: Missing dependencies: ultralytics", "missing-module:ultralytics"),
    ("requirement ['lap>=0.5.12'] not found, attempting", "missing-module:lap"),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: 'x/sam_vit_h_4b8939.pth'",
        "unusable-file:sam-checkpoint",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/cats.csv'",
        "missing-file:cats.csv",
    ),
    (f"{SAM_FRAME}EOFError: Ran out of input\n", "unusable-file:sam-checkpoint"),
    (f"{PLAIN_FRAME}EOFError: Ran out of input\n", ""),
    # torch 2.14 puts an empty line before what is wrong with the file
    (
        f"{PLAIN_FRAME}_pickle.UnpicklingError: Weights only load failed. In PyTorch 2.6, we\n"
        "Please file an issue with the following: WeightsUnpickler error: \n\n"
        "Unsupported operand 60\n\nCheck the documentation of torch.load.",
        "broken-file",
    ),
    (
        f"{PLAIN_FRAME}_pickle.UnpicklingError: Weights only load failed. This file can\n"
        "\tWeightsUnpickler error: Unsupported global: GLOBAL net.Net was not an allowed global",
        "weights-only",
    ),
    ("RuntimeError: Error(s) in loading state_dict for UNet:", "state-dict-load"),
    ("urllib.error.HTTPError: HTTP Error 403: Forbidden", "download-refused"),
    ("urllib.error.HTTPError: HTTP Error 404: Not Found", "http-status:404"),
    (
        "RuntimeError: Input type (torch.cuda.FloatTensor) and weight type "
        "(torch.cuda.HalfTensor) should be the same",
        "dtype-mismatch",
    ),
    (
        "RuntimeError: Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) "
        "should be the same",
        "device-mismatch",
    ),
    (
        "RuntimeError: Expected all tensors to be on the same device, but found at least two "
        "devices, cuda:0 and cpu!",
        "device-mismatch",
    ),
    ("RuntimeError: mat1 and mat2 must have the same dtype, but got Half and Float", "dtype-"),
    ("RuntimeError: expected scalar type Float but found Half", "dtype-mismatch"),
    ("RuntimeError: expected scalar type Long but found Float", ""),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "out-of-memory:cuda"),
    (
        f"{PREDICTOR_FRAME}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
        "out-of-memory:sam",
    ),
    (
        f"{PREDICTOR_FRAME}AttributeError: 'list' object has no attribute 'astype'",
        "sam-prompt",
    ),
    ("RuntimeError: DataLoader worker (pid 3407) is killed by signal: Bus error.", "dataloader-"),
    (
        PLAIN_FRAME.replace("f()", "self._try_get_data()") + "KeyboardInterrupt",
        "dataloader-worker",
    ),
    (f"{PLAIN_FRAME}KeyboardInterrupt", ""),
    ("0: 320x320 (no detections), 8.4ms", "yolo-no-detections"),
    (
        "RuntimeError: Sizes of tensors must match except in dimension 1. Expected size 57 but "
        "got size 56 for tensor number 1 in the list.",
        "skip-size-mismatch",
    ),
    ("ValueError: optimizer got an empty parameter list", "nothing-trainable"),
    ("RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x2048 and 512x10)", "layer-shape"),
    ("KSampler: mat1 and mat2 shapes cannot be multiplied (154x2048 and 768x320)", ""),
    ("Trainer: mat1 and mat2 shapes cannot be multiplied (154x2048 and 768x320)", "layer-shape"),
    (
        "RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input"
        "[16, 96, 128, 3] to have 3 channels, but got 96 channels instead",
        "channels-last-input",
    ),
    (
        "RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input"
        "[16, 1, 96, 128] to have 3 channels, but got 1 channels instead",
        "layer-shape",
    ),
    ("IndexError: Target 10 is out of bounds.", "label-out-of-range"),
    ("ImportError: libGL.so.1: cannot open shared object file", "missing-library:libgl"),
    ("RuntimeError: operator torchvision::nms does not exist", "torchvision-operator"),
    ("AttributeError: 'NoneType' object has no attribute 'shape'", "image-not-read"),
    ("The forecast is sunny and nothing failed", ""),
    ("", ""),
]


@pytest.mark.parametrize(("paste", "key"), PASTES)
def test_pastes(paste: str, key: str) -> None:
    found = first(paste)
    assert found.startswith(key) if key else found == ""


def test_every_family_of_rows_is_named_in_lower_case() -> None:
    assert all(row.family.replace("-", "").replace(":", "").islower() for row in ROWS)


SAME = [
    ("Expected size 57 but got size 56", "expected size <n> but got size <n>"),
    ("No such file: '/home/me/x.pth'", "no such file: <q>"),
    ("cannot read /home/me/data/x.png at 3.5", "cannot read <path> at <n>"),
    ("CUDA  error.\n", "cuda error"),
]


@pytest.mark.parametrize(("message", "wanted"), SAME)
def test_template(message: str, wanted: str) -> None:
    assert template(message) == wanted
    assert template(wanted) == wanted


def test_two_people_with_one_unknown_message_share_a_signature() -> None:
    mine = text_signatures("OSError: radar 17 lost at '/home/me/a'")
    yours = text_signatures("OSError: radar 4 lost at '/data/b'")
    assert mine[0].key == yours[0].key == "message:OSError|radar <n> lost at <q>"


@pytest.mark.parametrize("text", ["KeyError: 'model'", "ValueError: 12 3.5", "OSError: /a/b/c"])
def test_marks_alone_say_nothing(text: str) -> None:
    assert query_signatures(read_query(text)) == ()
    assert text_signatures(text) == ()


def test_an_entry_and_a_paste_meet() -> None:
    title = text_signatures("`ModuleNotFoundError: No module named 'timm'`")
    paste = query_signatures(
        read_query(f"{PLAIN_FRAME}ModuleNotFoundError: No module named 'timm'")
    )
    assert {s.key for s in title} & {s.key for s in paste}


def test_the_cause_comes_before_what_was_handled() -> None:
    text = (
        f"{PLAIN_FRAME}KeyError: 'x'\n\nDuring handling of the above exception, another exception "
        f"occurred:\n\n{PLAIN_FRAME}ModuleNotFoundError: No module named 'lap'\n"
    )
    assert query_signatures(read_query(text))[0].key == "missing-module:lap"


def test_no_signature_is_listed_twice() -> None:
    keys = [s.key for s in query_signatures(read_query("No module named 'timm'\n" * 30))]
    assert len(keys) == len(set(keys))
