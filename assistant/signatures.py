"""Ordered rows that turn a message into a signature: the same fault, however it is worded.

A signature is a family and a value ("missing-module:timm"). The same rows are applied to what
people paste and to an entry's title, symptoms and phrases, so any guide profits. Rows know
messages, never entries. What no row knows gets the message's own template as its signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from assistant.tracebacks import parse_exceptions
from assistant.types import ExceptionText, Query


@dataclass(frozen=True, slots=True)
class Signature:
    """`family` names the kind of fault, `value` what it is about; `said` quotes the message."""

    family: str
    value: str = ""
    said: str = ""

    @property
    def key(self) -> str:
        """What two wordings of one fault have in common."""
        return f"{self.family}:{self.value}" if self.value else self.family


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """`message` must be found in the message; `context`, if given, in frames and text around it;
    `unless` nowhere. Its group 'value' becomes the signature's value."""

    family: str
    message: re.Pattern[str]
    context: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None


def _row(family: str, message: str, *, context: str = "", unless: str = "") -> SignatureRow:
    return SignatureRow(
        family,
        re.compile(message, re.IGNORECASE),
        re.compile(context, re.IGNORECASE) if context else None,
        re.compile(unless, re.IGNORECASE) if unless else None,
    )


_MODULE = r"(?P<value>[A-Za-z_][\w-]{0,60})"
_SAM_FILE = r"sam_vit_[bhl]_[0-9a-f]{6}(?:\.pth)?"
_SAM_CODE = (
    r"segment_anything|SamPredictor|SamAutomaticMaskGenerator|mask_generator|"
    r"\bSAM\b|segment[- ]anything"
)

# The first row that matches a message wins; families are listed from the particular to the general.
ROWS: tuple[SignatureRow, ...] = (
    # FileNotFoundError: … 'checkpoints/sam_vit_h_4b8939.pth'; [fatal] cannot open sam_vit_h_….pth
    _row(
        "unusable-file:sam-checkpoint",
        rf"(?:No such file|FileNotFoundError|not found|cannot open|can't open|does not exist|"
        rf"doesn't exist|not exist|missing).{{0,200}}{_SAM_FILE}|"
        rf"{_SAM_FILE}.{{0,80}}(?:No such file|not found|does not exist|doesn't exist|missing)",
    ),
    # a checkpoint that is there but cut off, empty, or a web page, while SAM loads it
    _row(
        "unusable-file:sam-checkpoint",
        r"EOFError|failed finding central directory|Unsupported operand|invalid load key|"
        r"UnpicklingError|unexpected EOF|file in archive is not in a subdirectory",
        context=rf"{_SAM_FILE}|build_sam|sam_model_registry",
    ),
    # 'timm' is not a package: a file of the learner's own has that name
    _row(
        "shadowed-module",
        r"No module named '[\w.]+'; '(?P<value>\w+)' is not a package|"
        r"from partially initialized module '(?P<v2>\w+)",
    ),
    # cannot import name 'YOLOv10' from 'ultralytics': the package is there, too old or too new
    _row(
        "missing-name",
        r"cannot import name '\w+' from '(?P<value>[A-Za-z_]\w*)",
        unless=r"\(unknown location\)",  # an empty folder of that name: not there at all
    ),
    # No module named 'ultralytics.yolo': the package is there, its part is not, so it is another
    # fault than the missing package (the whole dotted name is the value)
    _row(
        "missing-module",
        r"No module named ['\"](?P<value>[A-Za-z_]\w*(?:\.\w+)+)",
    ),
    # No module named 'segment_anything'
    _row("missing-module", rf"No module named ['\"]?{_MODULE}"),
    _row("missing-module", rf"requires the {_MODULE} library but it was not found"),
    _row("missing-module", rf"Missing dependencies: {_MODULE}"),
    _row("missing-module", rf"not found in your environment: {_MODULE}"),
    _row("missing-module", rf"requirements? \[['\"]{_MODULE}[^\]]{{0,80}}\] not found"),
    # Error(s) in loading state_dict for UNet
    _row(
        "state-dict-load",
        r"Error\(s\) in loading state_dict|size mismatch for \S+: copying a param",
    ),
    # GatedRepoError, HTTP Error 403: Forbidden, 403 Client Error
    _row(
        "download-refused",
        r"GatedRepo|gated repo|HTTP ?Error:? 403|HTTP Error 403|403 Client Error|"
        r"HTTP/[\d.]{1,3}\"? 403|"
        r"\b403\b:? Forbidden|Forbidden.{0,20}\b403\b|Access to model .{1,120} is restricted",
    ),
    _row(
        "download-refused",
        r"LocalEntryNotFoundError",
        context=r"403 (?:Client Error|Forbidden)|Error 403",
    ),
    # Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor): devices, not dtypes
    _row(
        "device-mismatch",
        r"Input type \(torch\.(?P<d>cuda\.)?(?P<t>\w+)Tensor\) and weight type "
        r"\(torch\.(?!(?P=d))(?:cuda\.)?(?P=t)Tensor\)|"
        r"Input type \(torch\.(?P<t2>\w+)Tensor\) and weight type \(torch\.cuda\.(?P=t2)Tensor\)|"
        r"Expected all tensors to be on the same device|found at least two devices",
    ),
    # Input type (float) and bias type (c10::BFloat16) should be the same, and all its cousins
    _row(
        "dtype-mismatch",
        r"Input type \([^)]{1,60}\) and (?:weight|bias) type \([^)]{1,60}\)|"
        r"must have the same dtype|to have the same dtype|same data ?type|"
        r"expected scalar type \w+ but (?:found|got)|expected .{0,20}dtype .{1,60} but got|"
        r"dtypes? (?:do not |don't |must )?match|have different dtypes?|"
        r"expected object of (?:scalar )?type .{0,40} but got|"
        r"expected m1 and m2 to have the same dtype|should be the same or input should be a MKLDNN",
        unless=r"but found Long|to be Long|dtype Long|scalar type Long|target dtype|"
        r"class probabilities",
    ),
    # SamPredictor.predict with lists, without labels, with badly shaped points or boxes
    _row("sam-prompt", r"point_labels must be supplied if point_coords is supplied"),
    _row(
        "sam-prompt",
        r"AttributeError: 'list' object has no attribute '(?:astype|reshape|shape|copy)'|"
        r"AttributeError: 'tuple' object has no attribute '(?:astype|reshape|shape)'|"
        r"Sizes of tensors must match except in dimension|"
        r"Tensors must have same number of dimensions|too many indices for array|"
        r"cannot reshape array|shape '?\[.{0,30}\]'? is invalid for input|"
        r"could not be broadcast|The size of tensor a|index .{0,40}out of bounds|IndexError",
        context=r"segment_anything[\\/.](?:predictor|utils|modeling)|prompt_encoder|"
        r"apply_coords|apply_boxes|"
        r"predict_torch|SamPredictor|predictor\.predict|\bSAM\b|segment[- _]anything",
    ),
    # CUDA out of memory while SAM works / anywhere else
    _row(
        "out-of-memory:sam",
        r"out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|Unable to allocate",
        context=_SAM_CODE,
    ),
    _row(
        "out-of-memory:cuda",
        r"(?:CUDA|cuDNN|HIP|GPU).{0,30}out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED",
    ),
    # DataLoader worker (pid 3407) is killed by signal: Bus error …
    _row(
        "dataloader-worker",
        r"DataLoader worker \(pid|DataLoader timed out|insufficient shared memory|"
        r"unable to allocate shared memory|unable to open shared memory object|"
        r"torch_\d+_\d+.{0,40}No space left",
    ),
    _row(
        "dataloader-worker",
        r"KeyboardInterrupt|_queue\.Empty|queue\.Empty",
        context=r"_try_get_data|_get_data|data_queue\.get",
    ),
    # "0: 320x320 (no detections), 8.4ms"
    _row("yolo-no-detections", r"\(no detections\)|no detections,"),
    _row("yolo-no-detections", r"\bYOLO\w*\b.{0,60}\b(?:empty|no|zero) (?:detections|boxes)"),
    # expected input[32, 224, 224, 3] to have 3 channels, but got 224: the channels come last
    _row(
        "channels-last-input",
        r"expected input\[(?:(?:\d+|\.\.\.), )?\d{2,}, \d{2,}, [134]\] to have \d+ channels",
    ),
    # Sizes of tensors must match except in dimension 1. Expected size 57 but got size 56
    _row(
        "skip-size-mismatch",
        # dimension 0 joins batches or lists of vectors, not feature maps
        r"Sizes of tensors must match except in dimension(?! 0)|inconsistent tensor sizes",
        unless=r"default_collate|collate\.py",
    ),
    _row(
        "skip-size-mismatch",
        r"The size of tensor a \((?:[5-9]|\d{2,})\) must match the size of tensor b "
        r"\((?:[5-9]|\d{2,})\) at non-singleton dimension [23]",
        unless=r"normalize\(|Normalize|functional_tensor|pos_embed|attn_mask",
    ),
    _row(
        "skip-size-mismatch",
        r"to have \d+ channels, but got \d+ channels",
        context=r"u-?net|skip|decoder|up\d|torch\.cat|concat",
    ),
    # expected input[2, 512, 32, 32] to have 256 channels, but got 512: twice as many, so two
    # feature maps were joined where the layer was built for one
    _row(
        "skip-size-mismatch",
        r"to have (?:64 channels, but got 128|128 channels, but got 256|256 channels, but got 512|"
        r"512 channels, but got 1024) channels",
        unless=r"layer[1-4]|bottleneck|resnet|vgg|densenet",
    ),
    _row(
        "skip-size-mismatch", r"\bU-?Net\b.{0,40}(?:shape|size)s?.{0,30}(?:match|mismatch|differ)"
    ),
    # nothing left to train
    _row(
        "nothing-trainable",
        r"optimizer got an empty parameter list|does not require grad and does not have a grad_fn",
    ),
    # pip's CPU build of torch
    _row(
        "cpu-only-torch",
        r"Torch not compiled with CUDA enabled|\b2\.\d{1,2}\.\d\+cpu\b",
        context=r"aarch64|arm64|Spark|GB10|Grace|jetson|graviton",
    ),
    # a layer got another shape than it was built for; in an image generator, parts of two models
    _row(
        "layer-shape",
        r"mat1 and mat2 shapes cannot be multiplied|Given groups=\d+, weight of size|"
        r"Expected more than 1 value per channel when training|"
        r"Expected \dD .{0,20}or \dD .{0,20}input to conv|running_mean should contain",
        unless=r"comfy|\bk-?sampler|control-?net|stable.?diffusion|\bsd-?xl\b|web-?ui|\bip-?adapter|"
        r"\bflux\b|text encoder",
    ),
    # --- known faults that vision learners meet, so that they are never taken for another one ---
    _row(
        "label-out-of-range",
        r"Target -?\d+ is out of bounds|device-side assert|t >= 0 && t < n_classes",
    ),
    _row(
        "missing-library",
        r"(?P<value>lib[\w+-]{1,40})\.so(?:\.\d+)*: cannot open shared object file",
    ),
    # a file that torch.load cannot read, whatever it belongs to
    _row(
        "broken-file",
        r"failed finding central directory|Unsupported operand|invalid load key|unexpected EOF",
    ),
    _row("process-killed", r"Out of memory: Killed process|oom-kill|oom_reaper"),
    _row(
        "numpy-abi",
        r"compiled using NumPy 1|_ARRAY_API not found|numpy\.dtype size changed|"
        r"multiarray failed to import",
    ),
    _row(
        "torchvision-operator",
        r"operator torchvision::nms does not exist|Could not run 'torchvision::nms'",
    ),
    # PyTorch's advice to allow pickles is wrong for a web page (operand 60 is "<") and the like
    _row("broken-file", r"Weights only load failed", context=r"Unsupported operand \d"),
    _row("weights-only", r"Weights only load failed|weights_only"),
    _row(
        "image-not-read",
        r"!_?src\.empty\(\)|'NoneType' object has no attribute '(?:shape|copy|astype|size)'",
    ),
    _row(
        "no-kernel-image",
        r"no kernel image is available|is not compatible with the current PyTorch",
    ),
    _row(
        "missing-file",
        r"No such file or directory: ['\"](?:[^'\"\n]{0,300}[\\/])?"
        r"(?P<value>[^'\"\n\\/]{1,120})['\"]|"
        r"FileNotFoundError: (?P<v2>[\w.-]{1,120}\.\w{1,8})\b",
    ),
    _row("http-status", r"HTTP Error (?P<value>[45]\d\d)|(?P<v2>[45]\d\d) (?:Client|Server) Error"),
)

_MAX_EXCEPTIONS = 50  # of one query; a log may hold thousands
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# 2026-11-20 10:03:19,123; [10:03:19
_STAMP = re.compile(r"^\W{0,3}(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?")
_COUNTER = re.compile(r"(?<![\d.])(?![45]\d\d(?![\d.]))\d[\d.]*")  # no HTTP status
_QUOTED = re.compile(r"'[^'\n]{1,200}'|\"[^\"\n]{1,200}\"|`[^`\n]{1,200}`")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+){2,}")
_SPACES = re.compile(r"\s+")
_SAYS = re.compile(r"(?<![<\w])[^\W\d_]{2}")  # words in a template, not only its marks


def template(message: str) -> str:
    """Replace what differs between two people by marks: numbers, paths, quoted names.

    'Expected size 57 but got size 56' → 'expected size <n> but got size <n>'
    """
    text = _QUOTED.sub("<q>", message[:600])
    text = _PATH.sub("<path>", text)
    text = _NUMBER.sub("<n>", text)
    return _SPACES.sub(" ", text).strip(" .:").casefold()


def query_signatures(query: Query) -> tuple[Signature, ...]:
    """Signatures of a query, most telling first: the cause, then the others, then its text."""
    found: list[Signature] = []
    order = sorted(range(len(query.exceptions)), key=lambda n: (n != query.cause, -n))
    for index in order[:_MAX_EXCEPTIONS]:
        exception = query.exceptions[index]
        found.extend(_of_exception(exception, query.text))
    if not query.exceptions or not any(s.family != "message" for s in found):
        found.extend(_of_text(query.words if query.exceptions else query.text))
    return tuple(_unique(found))


def text_signatures(text: str, *, around: str = "") -> tuple[Signature, ...]:
    """Signatures of an entry's title, symptom or phrase; `around` is what it stands under."""
    exceptions = parse_exceptions(text)
    found = [s for e in exceptions for s in _of_exception(e, f"{around}\n{text}")]
    return tuple(_unique([*found, *_of_text(text, around=around)]))


def _of_exception(exception: ExceptionText, text: str) -> Iterable[Signature]:
    said = f"{exception.name}: {exception.message}".rstrip(": ")
    frames = "\n".join(f"{f.file} {f.function} {f.code}" for f in exception.frames)
    row = _first_row(said, f"{frames}\n{text[-20_000:]}")
    if row is not None:
        yield row
    elif exception.message:
        first = template(exception.message.partition("\n")[0])
        name = exception.name.rpartition(".")[2]
        if _SAYS.search(first):  # "KeyError: 'model'" is like any other KeyError
            yield Signature("message", f"{name}|{first}", said[:200])


def _of_text(text: str, *, around: str = "") -> Iterable[Signature]:
    """Rows on the lines of a text without a traceback, the last lines first."""
    around = f"{around}\n{text[-20_000:]}"
    seen: set[str] = set()
    for line in reversed(text.splitlines()[-400:]):
        form = _form(line[:2000])
        if form in seen or not form:
            continue
        seen.add(form)
        row = _first_row(line[:2000], around)
        if row is not None:
            yield row


def _form(line: str) -> str:
    """What is the same in all lines of a kind that a program logs by the hundred."""
    stamp = _STAMP.match(line)
    return _COUNTER.sub("#", line[stamp.end() :]) if stamp else line.strip()


def _first_row(said: str, around: str) -> Signature | None:
    for row in ROWS:
        found = row.message.search(said)
        if found is None:
            continue
        if row.context and not row.context.search(around) and not row.context.search(said):
            continue
        if row.unless and (row.unless.search(said) or row.unless.search(around[:6000])):
            continue
        groups = found.groupdict()
        value = (groups.get("value") or groups.get("v2") or "").lower().replace("-", "_")
        family, _, fixed = row.family.partition(":")
        said = found.group(0)[:200]
        closing = "'" if said.count("'") % 2 else ""  # "No module named 'timm" lost its end
        return Signature(family, fixed or value, said + closing)
    return None


def _unique(signatures: Iterable[Signature]) -> Iterable[Signature]:
    seen: set[str] = set()
    for signature in signatures:
        if signature.key not in seen:
            seen.add(signature.key)
            yield signature
