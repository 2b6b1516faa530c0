"""What messages say, with the place they say it at."""

from __future__ import annotations

import pytest

from assistant.facts import find_facts
from assistant.reading import read_query
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
        [("missing_file", "w/sam_vit_h_4b8939.pth"), ("missing_folder", "w")],
    ),
    ("urllib.error.HTTPError: HTTP Error 403: Forbidden", [("http_status", "403")]),
    (
        "403 Client Error: Forbidden for url: https://huggingface.co/a/b/resolve/main/x",
        [("http_status", "403"), ("http_host", "huggingface.co")],
    ),
    (
        "Input type (torch.cuda.FloatTensor) and weight type (torch.cuda.HalfTensor) should",
        [
            ("input_dtype", "torch.cuda.FloatTensor"),
            ("wrong_side", "input"),
            ("weight_dtype", "torch.cuda.HalfTensor"),
        ],
    ),
    (
        "Input type (float) and bias type (c10::BFloat16) should be the same",
        [("input_dtype", "float"), ("wrong_side", "input"), ("weight_dtype", "c10::BFloat16")],
    ),
    (
        "mat1 and mat2 must have the same dtype, but got Half and Float",
        [("input_dtype", "Half"), ("wrong_side", "input"), ("weight_dtype", "Float")],
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
        [("size_a", "57"), ("size_b", "56"), ("dimension", "2")],
    ),
    (
        "The size of tensor a (57) must match the size of tensor b (56) at non-singleton",
        [("size_a", "57"), ("size_b", "56")],
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (4x2048 and 512x10)",
        [
            ("matrix_a", "4x2048"),
            ("features_got", "2048"),
            ("matrix_b", "512x10"),
            ("features_wanted", "512"),
            ("features_out", "10"),
        ],
    ),
    (
        "RuntimeError: size mismatch, m1: [4 x 30752], m2: [7200 x 10]",
        [("features_got", "30752"), ("features_wanted", "7200"), ("features_out", "10")],
    ),
    (
        "RuntimeError: Unknown model (deit_small_patch16_22)",
        [("model_name", "deit_small_patch16_22")],
    ),
    ("ValueError: Unknown model resnet15", [("model_name", "resnet15")]),
    (
        "RuntimeError: Invalid pretrained tag (fb_in1k) for vit_small_patch16_224.",
        [("model_name", "vit_small_patch16_224")],
    ),
    (
        "AssertionError: Input height (256) doesn't match model (224).",
        [("image_size", "256"), ("model_size", "224")],
    ),
    (
        "AssertionError: Input image size (256*256) doesn't match model (224*224).",
        [("image_size", "256"), ("model_size", "224")],
    ),
    (
        "AssertionError: Wrong image height! Expected 224 but got 256!",
        [("model_size", "224"), ("image_size", "256")],
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
    (
        "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be",
        [
            ("input_dtype", "torch.cuda.FloatTensor"),
            ("weight_dtype", "torch.FloatTensor"),
            ("wrong_side", "model"),
        ],
    ),
    (
        "Input type (unsigned char) and bias type (float) should be the same",
        [("input_dtype", "unsigned char"), ("wrong_side", "input"), ("weight_dtype", "float")],
    ),
    (
        "expected m1 and m2 to have the same dtype, but got: double != float",
        [("input_dtype", "double"), ("wrong_side", "input"), ("weight_dtype", "float")],
    ),
    (
        "to have the same dtype, but got query.dtype: float key.dtype: float and value.dtype: "
        "c10::Half instead.",
        [("query_dtype", "float"), ("key_dtype", "float"), ("value_dtype", "c10::Half")],
    ),
    (
        "expected scalar type Float but found Double",
        [("wanted_dtype", "Float"), ("found_dtype", "Double")],
    ),
    (
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
        "cpu!",
        [("device_a", "cuda:0"), ("device_b", "cpu")],
    ),
    (
        "The size of tensor a (57) must match the size of tensor b (56) at non-singleton dimension "
        "3",
        [("size_a", "57"), ("size_b", "56"), ("dimension", "3")],
    ),
    (
        "Expected input batch_size (4) to match target batch_size (2).",
        [("size_a", "4"), ("size_b", "2")],
    ),
    (
        "Target size (torch.Size([2, 1])) must be the same as input size (torch.Size([2]))",
        [("target_shape", "2, 1"), ("input_shape", "2")],
    ),
    (
        "Given groups=1, weight of size [64, 3, 7, 7], expected input[1, 1, 224, 224] to have 3 "
        "channels, but got 1 channels instead",
        [
            ("weight_shape", "64, 3, 7, 7"),
            ("input_shape", "1, 1, 224, 224"),
            ("channels_wanted", "3"),
            ("channels_got", "1"),
        ],
    ),
    (
        "shape '[4, -1, 512]' is invalid for input of size 100352",
        [("wanted_shape", "4, -1, 512"), ("elements", "100352")],
    ),
    ("IndexError: Target 10 is out of bounds.", [("label", "10")]),
    (
        "index 91 is out of bounds for dimension 0 with size 91",
        [("index", "91"), ("dimension", "0"), ("size", "91")],
    ),
    (
        "CUDA out of memory. Tried to allocate 394.00 MiB (GPU 0; 7.79 GiB total capacity; 6.12 "
        "GiB already allocated; 0 bytes free; 6.40 GiB reserved",
        [
            ("memory_asked", "394.00 MiB"),
            ("memory_total", "7.79 GiB"),
            ("memory_in_use", "6.12 GiB"),
            ("memory_free", "0 bytes"),
        ],
    ),
    ("Unable to allocate 3.52 GiB for an array with shape (9,)", [("memory_asked", "3.52 GiB")]),
    (
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 154140672 bytes.",
        [("memory_asked", "154140672 bytes")],
    ),
    (
        "[12345.678901] Out of memory: Killed process 4711 (python) total-vm:9kB, anon-rss:8kB",
        [("killed_pid", "4711"), ("killed_process", "python")],
    ),
    (
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=1.batch.",
        [("killed_by", "oom-kill")],
    ),
    (
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory.",
        [
            ("worker_pid", "7"),
            ("worker_signal", "Bus error"),
            ("shared_memory", "out of shared memory"),
        ],
    ),
    (
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient "
        "shared memory (shm).",
        [("shared_memory", "insufficient shared memory")],
    ),
    (
        "unable to allocate shared memory(shm) for file </torch_1_2_0>: No space left on device",
        [("shared_memory", "No space left on device")],
    ),
    (
        "unable to open shared memory object </torch_1_2> in read-write mode: Too many open files",
        [("shared_memory", "Too many open files")],
    ),
    ("503 Server Error: Service Unavailable", [("http_status", "503")]),
    ("HTTP request sent, awaiting response... 403 Forbidden", [("http_status", "403")]),
    ("curl: (22) The requested URL returned error: 404", [("http_status", "404")]),
    (
        "HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded",
        [("http_host", "huggingface.co")],
    ),
    ("curl: (6) Could not resolve host: github.com", [("http_host", "github.com")]),
    (
        "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://conda.anaconda.org/x>",
        [("http_host", "conda.anaconda.org")],
    ),
    (
        "Access to model facebook/sam3 is restricted. You must have access to it",
        [("gated_repository", "facebook/sam3")],
    ),
    (
        "You are trying to access a gated repo.\nMake sure to have access to it at "
        "https://huggingface.co/org/gated-model.",
        [("gated_repository", "org/gated-model")],
    ),
    (
        "OSError: org/nam is not a local folder and is not a valid model identifier listed",
        [("repository", "org/nam")],
    ),
    ("ERROR: No matching distribution found for tim", [("missing_package", "tim")]),
    ("E: Unable to locate package libgl1-mesa-glx", [("missing_package", "libgl1-mesa-glx")]),
    (
        "PackagesNotFoundError: The following packages are not available from current channels:\n\n"
        "  - segment-anything\n\nCurrent channels:\n",
        [("missing_package", "segment-anything")],
    ),
    (
        "ERROR: Package 'timm' requires a different Python: 3.7.9 not in '>=3.8'",
        [("python_version", "3.7.9"), ("python_wanted", ">=3.8")],
    ),
    ("bash: nvcc: command not found", [("missing_command", "nvcc")]),
    ("/bin/sh: 1: git: not found", [("missing_command", "git")]),
    (
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        [("missing_library", "libGL.so.1")],
    ),
    (
        "cannot import name 'resnet81' from 'torchvision.models' (/x/y.py)",
        [("missing_name", "resnet81"), ("from_module", "torchvision.models")],
    ),
    (
        "AttributeError: module 'timm' has no attribute 'models'",
        [("from_module", "timm"), ("missing_name", "models")],
    ),
    (
        "'YOLO' object has no attribute 'predcit'",
        [("object_type", "YOLO"), ("missing_name", "predcit")],
    ),
    (
        "python3: can't open file '/lab/trian.py': [Errno 2] No such file or directory",
        [("missing_file", "/lab/trian.py"), ("missing_folder", "/lab")],
    ),
    (
        "global loadsave.cpp:248 findDecoder imread_('cat.jpg'): can't open/read file: check file",
        [("missing_file", "cat.jpg")],
    ),
    (
        "ls: cannot access 'w/x.pth': No such file or directory",
        [("missing_file", "w/x.pth"), ("missing_folder", "w")],
    ),
    ("Bind for 0.0.0.0:8888 failed: port is already allocated.", [("port", "8888")]),
    ("the loss is 0.3 after 10 epochs and I like 403 cats", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "wanted"), MESSAGES)
def test_messages(text: str, wanted: list[tuple[str, str]]) -> None:
    facts = find_facts(text, ())
    assert [(fact.kind, fact.value) for fact in facts] == wanted
    for fact in facts:
        read = text[fact.start : fact.end]
        assert fact.value == read or (fact.kind == "wrong_side" and read)


WRAPPED = [
    (
        'Missing key(s) in state_dict: "conv1.weight", "fc.bias".\n\tUnexpected key(s) in '
        'state_dict: "epoch", "model_state_dict", "optimizer_state_dict".',
        ("checkpoint_wrapper", "model_state_dict"),
    ),
    (
        'Missing key(s) in state_dict: "up.a.weight", "up.b.weight".\n\tUnexpected key(s) in '
        'state_dict: "module.up.a.weight", "module.up.b.weight".',
        ("checkpoint_prefix", "module."),
    ),
    (
        'Missing key(s) in state_dict: "module.up.a.weight".\n\tUnexpected key(s) in '
        'state_dict: "up.a.weight".',
        ("model_prefix", "module."),
    ),
]


@pytest.mark.parametrize(("text", "fact"), WRAPPED)
def test_how_a_checkpoint_is_wrapped(text: str, fact: tuple[str, str]) -> None:
    assert fact in [(f.kind, f.value) for f in find_facts(text, ())]


PLACES = {
    "python": (
        'It is "t.py"\nTraceback (most recent call last):\n  File "lab/t.py", line 24, in fit\n'
        "    loss.backward()\nRuntimeError: x",
        ["lab/t.py", "24", "loss.backward()"],
    ),
    "notebook": (
        "RuntimeError   Traceback (most recent call last)\nCell In[3], line 2\n      1 a = 1\n"
        "----> 2 fit()\n\nRuntimeError: x",
        ["Cell In[3]", "2", "fit()"],
    ),
    "notebook, plain": (
        "Traceback (most recent call last):\n  Cell In[1], line 7 in run\n    load('x')\n"
        "  File /x/lib/python3.11/site-packages/a.py:9 in f\n    y\nValueError: x",
        ["Cell In[1]", "7", "load('x')"],
    ),
}


@pytest.mark.parametrize(("text", "values"), PLACES.values(), ids=PLACES)
def test_where_it_happened_has_its_place_in_the_text(text: str, values: list[str]) -> None:
    facts = [fact for fact in read_query(text).facts if fact.kind.startswith("own_")]
    assert [fact.value for fact in facts] == values
    assert [text[fact.start : fact.end] for fact in facts] == values


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
