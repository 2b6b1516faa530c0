"""What messages look like, row by row: the pattern of each form, and which facts it holds.

It refuses to know what is made of a fact, and who failed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FactRow:
    """Every named group of `pattern` becomes a fact of that kind. A text whose outline
    (`lines.outline`) has none of `hints` holds no match: the pattern need not be tried."""

    pattern: re.Pattern[str]
    hints: tuple[str, ...]


def _row(hints: str, pattern: str) -> FactRow:
    return FactRow(re.compile(pattern, re.MULTILINE), tuple(hints.split("|")))


_DTYPE = r"(?:torch\.)?(?:cuda\.)?(?:c10::)?(?:(?:unsigned|long) )?[A-Za-z0-9_]{3,24}"
_BYTES = r"\d[\d.]{0,15} ?(?:[KMGTPE]iB|[KMGT]B|bytes)"
_REPOSITORY = r"[\w.-]{1,80}/[\w.-]{0,79}\w"

ROWS: tuple[FactRow, ...] = (
    # ModuleNotFoundError: No module named 'timm.models'
    _row("No module named", r"No module named ['\"]?(?P<missing_module>[A-Za-z_][\w.-]{0,80})"),
    # transformers: "TimmBackbone requires the timm library but it was not found"
    _row(
        " library but it was not found",
        r"requires the (?P<missing_module>[A-Za-z_][\w.-]{0,80}) library but it was not found",
    ),
    # torch.hub: "Missing dependencies: ultralytics"
    _row(
        "Missing dependencies: ", r"Missing dependencies: (?P<missing_module>[A-Za-z_][\w.-]{0,80})"
    ),
    # transformers: "packages that were not found in your environment: timm."
    _row(
        "not found in your environment: ",
        r"not found in your environment: (?P<missing_module>[A-Za-z_][\w-]{0,80})",
    ),
    # ultralytics: "requirement ['lap>=0.5.12'] not found"
    _row(
        "] not found",
        r"requirements? \[['\"](?P<missing_module>[A-Za-z_][\w-]{0,80})[^\]]{0,80}\] not found",
    ),
    # pip: "No matching distribution found for tim", "(from versions: none)"; apt, conda
    _row(
        "No matching distribution found for |Unable to locate package ",
        r"(?:No matching distribution found for|Unable to locate package) "
        r"(?P<missing_package>[A-Za-z0-9][\w.+-]{0,80})",
    ),
    # pip, where there are other versions: "(from versions: 1.16.0, 1.17.0)"
    _row(
        "satisfies the requirement ",
        r"satisfies the requirement (?P<missing_version>[A-Za-z0-9][^\s(]{1,120}) "
        r"\(from versions: (?!none\))",
    ),
    _row(
        "PackagesNotFoundError: ",
        r"PackagesNotFoundError: [^\n]{0,120}\n\s{0,40}(?:\n\s{0,40})?- (?P<missing_package>"
        r"[A-Za-z0-9][\w.+-]{0,80})",
    ),
    # pip: "Package 'timm' requires a different Python: 3.7.9 not in '>=3.8'"
    _row(
        "requires a different Python: ",
        r"requires a different Python: (?P<python_version>[\d.]{1,12}) not in "
        r"'(?P<python_wanted>[^'\n]{1,40})'",
    ),
    # bash: nvcc: command not found
    _row(": command not found", r"(?:^|\s)(?P<missing_command>[\w.+-]{1,60}): command not found\b"),
    _row(": not found", r"\bsh: \d{1,4}: (?P<missing_command>[\w.+-]{1,60}): not found\b"),
    # ImportError: libGL.so.1: cannot open shared object file
    _row(
        ": cannot open shared object file",
        r"(?P<missing_library>lib[\w.+-]{1,80}\.so[\d.]{0,12}): cannot open shared object file",
    ),
    # cannot import name 'resnet81' from 'torchvision.models'
    _row(
        "cannot import name '",
        r"cannot import name '(?P<missing_name>\w{1,80})'"
        r"(?: from '(?P<from_module>[\w.]{1,120})')?",
    ),
    _row(
        "' has no attribute '",
        r"module '(?P<from_module>[\w.]{1,120})' has no attribute '(?P<missing_name>\w{1,80})'",
    ),
    _row(
        "' object has no attribute '",
        r"'(?P<object_type>[\w.]{1,80})' object has no attribute '(?P<missing_name>\w{1,80})'",
    ),
    # [Errno 2] No such file or directory: 'checkpoints/sam_vit_h_4b8939.pth'
    _row(
        "No such file or directory: ",
        r"No such file or directory: ['\"](?P<missing_file>[^'\"\n]{1,400})['\"]",
    ),
    # python: can't open file '/lab/trian.py': [Errno 2]
    _row("can't open file '", r"can't open file '(?P<missing_file>[^'\n]{1,400})': \[Errno 2\]"),
    # OpenCV: imread_('cat.jpg'): can't open/read file
    _row(
        "imread_(", r"imread_\(['\"](?P<missing_file>[^'\"\n]{1,400})['\"]\): can't open/read file"
    ),
    # cat: weights/x.pth: No such file or directory
    _row(
        ": No such file",
        r"^[\w./-]{1,60}: (?:cannot access )?'?(?P<missing_file>[^\s:'\"]{1,400})'?: No such file",
    ),
    # ultralytics: 'data.yaml' does not exist
    _row(
        "FileNotFoundError: '",
        r"FileNotFoundError: '(?P<missing_file>[^'\n]{1,400})' does not exist",
    ),
    # HTTP Error 403: Forbidden, 403 Client Error
    _row("HTTP", r"\bHTTP(?:Error)?:? (?:Error )?(?P<http_status>[45]\d\d)\b"),
    _row(" Client Error| Server Error", r"\b(?P<http_status>[45]\d\d) (?:Client|Server) Error"),
    # wget: "awaiting response... 403 Forbidden"; curl: "returned error: 404"; "status code 404"
    _row(
        "awaiting response...|returned error:|status code",
        r"(?:awaiting response\.{3}|returned error:|status code:?) (?P<http_status>[45]\d\d)\b",
    ),
    # … for url: https://huggingface.co/org/name/resolve/main/x
    _row("for url", r"for url:? <?https?://(?P<http_host>[\w.-]{1,120})"),
    # HTTPSConnectionPool(host='huggingface.co', port=443); Could not resolve host: github.com
    _row("ConnectionPool(host='", r"ConnectionPool\(host='(?P<http_host>[\w.-]{1,120})'"),
    _row(
        "ould not resolve host|Failed to resolve",
        r"(?:[Cc]ould not resolve host|Failed to resolve):? ['\"]?(?P<http_host>[\w.-]{1,120})",
    ),
    # org/name is not a local folder and is not a valid model identifier
    _row(
        " is not a local folder and is not a valid model",
        rf"(?P<repository>{_REPOSITORY}) is not a local folder and is not a valid model",
    ),
    _row(
        "Repository Not Found for url: ",
        rf"Repository Not Found for url: https?://[\w.-]{{1,80}}/(?:api/models/)?"
        rf"(?P<repository>{_REPOSITORY}?)(?:/resolve|[\s/.]|$)",
    ),
    _row(
        "gated repo",
        rf"gated repo\.?\s{{1,3}}Make sure to have access to it at https?://[\w.-]{{1,80}}/"
        rf"(?P<gated_repository>{_REPOSITORY})",
    ),
    # Access to model org/name is restricted; Cannot access gated repo for url https://…
    _row(
        "Access to model ",
        r"Access to model (?P<gated_repository>[\w.-]{1,80}/[\w.-]{1,80}) is restricted",
    ),
    _row(
        "gated repo for url ",
        r"gated repo for url https?://[\w.-]{1,80}/(?P<gated_repository>[\w.-]{1,80}/[\w.-]{1,80}?)"
        r"(?:/resolve|\.? |$)",
    ),
    # Input type (float) and bias type (c10::BFloat16) should be the same
    _row(
        "Input type (",
        rf"Input type \((?P<input_dtype>{_DTYPE})\) and "
        rf"(?:weight|bias) type \((?P<weight_dtype>{_DTYPE})\)",
    ),
    _row(
        "to have the same dtype, but got: ",
        rf"to have the same dtype, but got: (?P<input_dtype>{_DTYPE}) != "
        rf"(?P<weight_dtype>{_DTYPE})",
    ),
    _row(
        "query.dtype: ",
        rf"query\.dtype: (?P<query_dtype>{_DTYPE}) key\.dtype: (?P<key_dtype>{_DTYPE}) and "
        rf"value\.dtype: (?P<value_dtype>{_DTYPE})",
    ),
    # expected scalar type Float but found Double
    _row(
        "expected scalar type ",
        rf"expected scalar type (?P<wanted_dtype>{_DTYPE}) but found (?P<found_dtype>{_DTYPE})",
    ),
    # found at least two devices, cuda:0 and cpu!
    _row(
        "found at least two devices, ",
        r"found at least two devices, (?P<device_a>[a-z]{2,8}(?::\d{1,3})?)(?: and |, )"
        r"(?P<device_b>[a-z]{2,8}(?::\d{1,3})?)",
    ),
    _row(
        "must have the same dtype, but got ",
        rf"must have the same dtype, but got (?P<input_dtype>{_DTYPE}) and "
        rf"(?P<weight_dtype>{_DTYPE})",
    ),
    # Error(s) in loading state_dict for ResNet:
    _row(
        "Error(s) in loading state_dict for ",
        r"Error\(s\) in loading state_dict for (?P<model_class>\w{1,80})",
    ),
    # size mismatch for fc.weight: copying a param with shape torch.Size([10, 512]) from
    # checkpoint, the shape in current model is torch.Size([1000, 512]).
    _row(
        "size mismatch for ",
        r"size mismatch for (?P<mismatched_key>[\w.]{1,160}): copying a param with shape "
        r"torch\.Size\(\[(?P<checkpoint_shape>[\d, ]{0,60})\]\) from checkpoint, the shape in "
        r"current model is torch\.Size\(\[(?P<model_shape>[\d, ]{0,60})\]\)",
    ),
    # Sizes of tensors must match except in dimension 1. Expected size 57 but got size 56
    _row("Expected size ", r"Expected size (?P<size_a>\d{1,9}) but got size (?P<size_b>\d{1,9})"),
    _row(
        "except in dimension ",
        r"except in dimension \d{1,2}\. Got (?P<size_a>\d{1,9}) and (?P<size_b>\d{1,9}) in "
        r"dimension (?P<dimension>\d{1,2})",
    ),
    _row(
        "size of tensor a (",
        r"size of tensor a \((?P<size_a>\d{1,9})\) must match the size of tensor b "
        r"\((?P<size_b>\d{1,9})\)(?: at non-singleton dimension (?P<dimension>\d{1,2}))?",
    ),
    # Expected input batch_size (4) to match target batch_size (2)
    _row(
        "input batch_size (",
        r"input batch_size \((?P<size_a>\d{1,9})\) to match target batch_size "
        r"\((?P<size_b>\d{1,9})\)",
    ),
    # Target size (torch.Size([2, 1])) must be the same as input size (torch.Size([2]))
    _row(
        "Target size (torch.Size([",
        r"Target size \(torch\.Size\(\[(?P<target_shape>[\d, ]{0,60})\]\)\) must be the same as "
        r"input size \(torch\.Size\(\[(?P<input_shape>[\d, ]{0,60})\]\)\)",
    ),
    # weight of size [64, 3, 7, 7], expected input[1, 1, 224, 224] to have 3 channels
    _row(
        "weight of size [",
        r"weight of size \[(?P<weight_shape>[\d, ]{1,60})\], expected input"
        r"\[(?P<input_shape>[\d, ]{1,60})\]",
    ),
    # shape '[4, 512]' is invalid for input of size 100352
    _row(
        "' is invalid for input of size ",
        r"shape '\[(?P<wanted_shape>[\d, -]{1,60})\]' is invalid for input of size "
        r"(?P<elements>\d{1,12})",
    ),
    # Target 10 is out of bounds; index 91 is out of bounds for dimension 0 with size 91
    _row("Target ", r"Target (?P<label>-?\d{1,9}) is out of bounds"),
    _row(
        " is out of bounds for ",
        r"index (?P<index>-?\d{1,12}) is out of bounds for (?:dimension|axis) "
        r"(?P<dimension>\d{1,2}) with size (?P<size>\d{1,12})",
    ),
    # mat1 and mat2 shapes cannot be multiplied (4x2048 and 512x10)
    _row(
        "shapes cannot be multiplied (",
        r"shapes cannot be multiplied \((?P<matrix_a>\d{1,9}x(?P<features_got>\d{1,9})) and "
        r"(?P<matrix_b>(?P<features_wanted>\d{1,9})x(?P<features_out>\d{1,9}))\)",
    ),
    # older PyTorch: size mismatch, m1: [4 x 30752], m2: [7200 x 10]
    _row(
        "size mismatch, m",
        r"size mismatch, m1: \[\d{1,9} x (?P<features_got>\d{1,9})\], "
        r"m2: \[(?P<features_wanted>\d{1,9}) x (?P<features_out>\d{1,9})\]",
    ),
    # timm: Unknown model (deit_small_patch16_22); torchvision: Unknown model resnet15
    _row(
        "Unknown model ",
        r"Unknown model \(?(?P<model_name>[A-Za-z]\w{2,80})",
    ),
    # timm: Invalid pretrained tag (fb_in1k) for vit_small_patch16_224.
    _row(
        "Invalid pretrained tag (",
        r"Invalid pretrained tag \([\w.-]{1,80}\) for (?P<model_name>[A-Za-z]\w{2,80})",
    ),
    # timm: Input height (256) doesn't match model (224); older: (256*256) … (224*224)
    _row(
        " doesn't match model (",
        r"Input (?:height|width|image size) \((?P<image_size>\d{1,5})(?:\*\d{1,5})?\) doesn't "
        r"match model \((?P<model_size>\d{1,5})",
    ),
    # torchvision's ViT: Wrong image height! Expected 224 but got 256!
    _row(
        "Wrong image ",
        r"Wrong image (?:height|width)! Expected (?P<model_size>\d{1,5}) but got "
        r"(?P<image_size>\d{1,5})",
    ),
    # expected input[2, 512, 32, 32] to have 256 channels, but got 512 channels instead
    _row(
        " channels, but got ",
        r"to have (?P<channels_wanted>\d{1,6}) channels, but got (?P<channels_got>\d{1,6}) "
        r"channels",
    ),
    # CUDA out of memory. Tried to allocate 148.00 MiB … 37.06 MiB is free
    _row("Tried to allocate ", rf"Tried to allocate (?P<memory_asked>{_BYTES})"),
    _row(" free", rf"(?P<memory_free>{_BYTES}) (?:is )?free"),
    # numpy: "Unable to allocate 3.5 GiB for an array"; on the processor: "you tried to …"
    _row(" allocate ", rf"(?:Unable to|you tried to) allocate (?P<memory_asked>{_BYTES})"),
    _row(
        " total capacity; ",
        rf"(?P<memory_total>{_BYTES}) total capacity; (?P<memory_in_use>{_BYTES}) already",
    ),
    # kernel: "Killed process 4711 (python)", "oom-kill:constraint=…"; Slurm: "Detected 1 oom-kill
    # event(s)"
    _row(
        "Killed process ",
        r"Killed process (?P<killed_pid>\d{1,9}),? \((?P<killed_process>[^)\n]{1,60})\)",
    ),
    _row("oom-kill|oom_kill", r"\b(?P<killed_by>oom[-_]kill)(?: event\b|:constraint=)"),
    # Including non-PyTorch memory, this process has 14.50 GiB memory in use
    _row(
        "this process has ",
        r"this process has (?P<memory_in_use>[\d.]{1,12} [KMGT]iB) memory in use",
    ),
    _row("total capacity of ", r"total capacity of (?P<memory_total>[\d.]{1,12} [KMGT]iB)"),
    # PyTorch 2.9.1+cpu
    _row("+cpu", r"\b(?P<torch_version>\d\.\d{1,2}\.\d{1,2}\+cpu)\b"),
    # DataLoader worker (pid 3407) is killed by signal: Bus error
    _row("DataLoader worker (pid", r"DataLoader worker \(pid(?:\(s\))? (?P<worker_pid>\d{1,9})"),
    _row("is killed by signal: ", r"is killed by signal: (?P<worker_signal>[A-Za-z ]{2,30})"),
    # insufficient shared memory (shm); unable to allocate shared memory(shm) for file <…>: No …
    _row(" shared memory", r"(?P<shared_memory>(?:insufficient|out of) shared memory)"),
    _row(
        "shared memory",
        r"shared memory ?(?:\(shm\) for file|object) <[^>\n]{1,120}>[^:\n]{0,60}: "
        r"(?P<shared_memory>[A-Z][a-z ]{4,40})",
    ),
    # Bind for 0.0.0.0:8888 failed: port is already allocated; address already in use
    _row("Bind for ", r"Bind for [\d.:]{1,40}:(?P<port>\d{1,5}) failed"),
)
