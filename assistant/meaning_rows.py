"""What messages mean, as rows: the form of a message, and one plain sentence about it.

Each row knows one form; the first that fits is said. It refuses to know how a row is matched and
shown (`meanings.py` does).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeaningRow:
    """`pattern` is searched in 'Name: message'; `text` has gaps for its named groups."""

    pattern: re.Pattern[str]
    text: str


def _rows(*pairs: tuple[str, str]) -> Iterator[MeaningRow]:
    for pattern, text in pairs:
        yield MeaningRow(re.compile(pattern, re.DOTALL), text)


_T = r"(?:torch\.)?(?:cuda\.)?(?:c10::)?\w{3,24}"
_C = r"torch\.(?:cuda\.)?"
_SHORT = rf"(?:c10::)?(?:Half|BFloat16)|{_C}(?:Half|BFloat16)Tensor"
_SIZE = r"(?<![\d.])[\d.]{1,12} [KMGT]iB"
_SHAPE = r"(?:torch\.Size\()?\[[\d, ]{1,60}\]\)?"

# In this order: what is special before what is general.
ROWS: tuple[MeaningRow, ...] = tuple(
    _rows(
        # --- imports -----------------------------------------------------------------------------
        (
            r"No module named '?(?P<package>[A-Za-z_]\w*)\.(?P<part>[\w.]+)",
            "`import` found {package}, but nothing in it is called {part}: this {package} is of "
            "another version than the code expects, or a file of your own has that name.",
        ),
        (
            r"No module named '?(?P<package>[A-Za-z_][\w-]*)",
            "`import` looks only at the packages of the one Python that runs this code, and "
            "{package} was not found among them; another Python on the same machine may have it.",
        ),
        (
            r"cannot import name '(?P<name>\w+)' from partially initialized module "
            r"'(?P<at>[\w.]+)'",
            "{at} was still being loaded when {name} was asked of it: two files import each other, "
            "or a file of your own carries the name of the package.",
        ),
        (
            r"cannot import name '(?P<name>\w+)' from '(?P<at>[\w.]+)'",
            "The module {at} was found, but it has no {name}: its version is not the one that this "
            "code was written for, or a file of your own hides it.",
        ),
        (
            r"(?<![\w-])(?P<package>[\w-]{1,60}) (?:library|package)s? but it was not found",
            "The program is complete, only {package} is missing in the Python that runs it.",
        ),
        (
            r"packages that were not found in your environment: (?P<package>[\w, -]{1,120}\w)",
            "The program's own files are there; what it needs besides, {package}, is missing in "
            "the Python that runs it.",
        ),
        (
            r"(?P<library>lib[\w.+-]+): cannot open shared object file",
            "A package was found, but the system library {library} that it is built on is not "
            "installed here.",
        ),
        (
            r"Torch not compiled with CUDA enabled",
            "The PyTorch in this Python is the build for the CPU: the graphics card may be fine, "
            "but this build cannot talk to it.",
        ),
        # --- files -------------------------------------------------------------------------------
        (
            r"No such file or directory: '(?P<path>/[^'\n]{1,300})'",
            "{path} is a full path, so it does not matter where you started the program: at that "
            "very place there is no such file.",
        ),
        (
            r"No such file or directory: '(?P<path>[^'\n]{1,300})'",
            "{path} does not begin with a slash, so Python looks for it below the folder in which "
            "the program was started, which need not be the folder of your script.",
        ),
        (
            r"failed reading zip archive: (?P<what>[^.\n]{3,80})",
            "A saved PyTorch file is a zip archive, and this one cannot be read ({what}): it was "
            "cut off while it was copied or downloaded, or is something else.",
        ),
        (
            r"Weights only load failed",
            "`torch.load` now reads plain weights only, and this file holds something else: other "
            "Python objects, or no weights at all.",
        ),
        (
            r"(?:EOFError|Ran out of input)",
            "The file ended before anything could be read from it: it is empty or was cut off.",
        ),
        (
            r"cannot identify image file '?(?P<path>[^'\n]{1,200})'?",
            "Pillow looked at the first bytes of {path} and knows no picture that begins so.",
        ),
        (
            r"image file is truncated \((?P<rest>[^)]{1,60})\)",
            "The picture begins well and ends too early ({rest}).",
        ),
        (
            r"\w\.empty\(\)",
            "OpenCV was handed an empty image: `imread` returns `None` instead of an error when "
            "it cannot read a file.",
        ),
        (
            r"Permission denied: '(?P<path>[^'\n]{1,300})'",
            "The system knows {path}, but the user who runs this program may not do that there.",
        ),
        # --- downloads ---------------------------------------------------------------------------
        (
            r"(?:HTTP ?Error:? |^)(?P<status>401)\b",
            "The server answered {status}: it wants to know who you are, and did not find out.",
        ),
        (
            r"(?:HTTP ?Error:? (?:HTTP Error )?|^\w+: )(?P<status>403)\b",
            "The server was reached and understood the request; {status} means that it refuses to "
            "hand this file to you.",
        ),
        (
            r"(?:HTTP ?Error:? (?:HTTP Error )?|^\w+: )(?P<status>429)\b",
            "{status} is no lasting refusal: too many requests came within a short time, and the "
            "same one succeeds later.",
        ),
        (
            r"(?:HTTP ?Error:? (?:HTTP Error )?|^\w+: )(?P<status>4\d\d|5\d\d)\b",
            "The server was reached and answered with the status {status} instead of the file.",
        ),
        # --- number formats and places -----------------------------------------------------------
        (
            r"Input type \((?P<a>torch\.\w+)\) and (?:weight|bias) type "
            r"\((?P<b>torch\.cuda\.\w+)\)",
            "The layer's weights lie on the graphics card ({b}), the input is still in the CPU's "
            "memory ({a}).",
        ),
        (
            rf"Input type \((?P<a>float|{_C}FloatTensor)\) and (?:weight|bias) type "
            rf"\((?P<b>{_SHORT})\)",
            "{a} is what PyTorch makes by itself and {b} is made on purpose: your model was "
            "converted, and the input was not.",
        ),
        (
            rf"Input type \((?P<a>{_SHORT})\) and (?:weight|bias) type "
            rf"\((?P<b>float|{_C}FloatTensor)\)",
            "{b} is what PyTorch makes by itself and {a} is made on purpose: the input was "
            "converted, and your model was not.",
        ),
        (
            rf"Input type \((?P<a>double|{_C}DoubleTensor)\) and (?:weight|bias) type "
            rf"\((?P<b>float|{_C}FloatTensor)\)",
            "The model is as PyTorch makes it ({b}); the odd one is the input with {a}, so convert "
            "that and leave the model alone.",
        ),
        (
            rf"Input type \((?P<a>unsigned char|{_C}ByteTensor)\) and (?:weight|bias) type "
            rf"\((?P<b>{_T})\)",
            "Your picture is still as it came from the file ({a}: whole numbers from 0 to 255), so "
            "two steps are missing and not one: turn it into floats, and divide by 255.",
        ),
        (
            rf"Input type \((?P<a>{_T})\) and (?:weight|bias) type \((?P<b>{_T})\)",
            "A layer multiplies its input with its weights, so both must be stored in the same "
            "number format; here the input is {a} and the weights are {b}.",
        ),
        (
            rf"same dtype, but got query\.dtype: (?P<a>{_T}) key\.dtype: (?P<b>{_T}) and "
            rf"value\.dtype: (?P<c>{_T})",
            "Attention multiplies query, key and value with one another, so all three must have "
            "one number format; they have {a}, {b} and {c}.",
        ),
        (
            rf"same dtype,? but got (?P<a>{_T}) and (?P<b>{_T})",
            "Two matrices are multiplied only if their numbers are stored alike; here the first "
            "holds {a} and the second {b}.",
        ),
        (
            rf"dtypes match, got (?P<a>{_T}) for the destination and (?P<b>{_T}) for the source",
            "Values are written into a tensor that stores {a}, and they come as {b}; PyTorch does "
            "not convert them there by itself.",
        ),
        (
            rf"expected (?:m1 and m2 to have the same dtype|scalar type) (?P<a>{_T}) but found "
            rf"(?P<b>{_T})",
            "The function works with {a} and was handed {b}.",
        ),
        (
            r"at least two devices, (?P<a>cuda:\d|cpu|\w+)(?:,| and) (?P<b>cuda:\d|cpu|\w+)",
            "One of the tensors in this step lies on {a} and another on {b}; PyTorch never moves "
            "one by itself.",
        ),
        (
            r"can't convert (?P<a>[\w:]+) device type tensor to numpy",
            "NumPy sees only the CPU's memory, and this tensor lies on {a}.",
        ),
        (
            r"\"(?P<op>\w+)\" not implemented for '(?P<a>\w+)'",
            "There is no version of {op} for numbers stored as {a}.",
        ),
        # --- shapes ------------------------------------------------------------------------------
        (
            r"size mismatch for (?P<key>[\w.]+): copying a param with shape "
            rf"(?P<a>{_SHAPE}) from checkpoint, the shape in current model is (?P<b>{_SHAPE})",
            "Weights are copied name by name into your model, and the first that cannot be copied "
            "is {key}: it has the shape {a} in the file and {b} in the model.",
        ),
        (
            r"Missing key\(s\) in state_dict: \"(?P<key>[\w.]+)\"(?:.{0,200000}?)"
            r"Unexpected key\(s\) in state_dict: \"(?P<other>[\w.]+)\"",
            "Weights are copied by name: your model looks for {key}, and the file has names like "
            "{other} instead.",
        ),
        (
            r"Missing key\(s\) in state_dict: \"(?P<key>[\w.]+)\"",
            "Weights are copied by name, and the file has none for {key}, which your model needs.",
        ),
        (
            r"Unexpected key\(s\) in state_dict: \"(?P<key>[\w.]+)\"",
            "Weights are copied by name, and the file has one called {key}, for which your model "
            "has no place.",
        ),
        (
            r"shapes cannot be multiplied \(\d+x(?P<a>\d+) and (?P<b>\d+)x(?P<c>\d+)\)",
            "{a} numbers per sample arrive at a linear layer that was built for {b}: whatever "
            "comes before it has another size than was planned.",
        ),
        (
            r"expected input\[\d+, (?P<b>\d+), (?P<h>\d+), (?P<c>[1-4])\] to have (?P<a>[1-4]) "
            r"channels",
            "PyTorch takes the second number of a shape for the channels; yours says {b} there "
            "and {c} at the end, so height, width and channels stand in another order.",
        ),
        (
            r"expected input\[(?P<shape>[\d, ]+)\] to have (?P<a>\d+) channels, but got (?P<b>\d+)",
            "The layer's weights were made for {a} channels, and the second number of the input's "
            "shape, [{shape}], is {b}.",
        ),
        (
            r"size of tensor a \((?P<a>\d+)\) must match the size of tensor b \((?P<b>\d+)\) at "
            r"non-singleton dimension (?P<d>\d)",
            "Two tensors are combined element by element; counted from 0, their axis {d} has {a} "
            "elements in the one and {b} in the other.",
        ),
        (
            r"except in dimension (?P<d>\d+)\. (?:Expected size|Got) (?P<a>\d+) "
            r"(?:but got size|and) (?P<b>\d+)",
            "Tensors are joined along the axis {d}, so all other sizes must agree; one of them is "
            "{a} in the first and {b} in another.",
        ),
        (
            rf"Target size \((?P<a>{_SHAPE})\) must be the same as input size \((?P<b>{_SHAPE})\)",
            "This loss compares element by element: the target has the shape {a}, the model's "
            "output {b}.",
        ),
        (
            r"got input: \[(?P<a>[\d, ]+)\] ?, target: \[(?P<b>[\d, ]+)\]",
            "The loss wants one label for each place of the output: the output is [{a}], the "
            "target [{b}].",
        ),
        (
            r"Expected more than 1 value per channel when training, input size "
            rf"(?P<a>{_SHAPE})",
            "Batch normalisation takes an average over the batch while it trains, and {a} holds "
            "just one value per channel: there is nothing to average.",
        ),
        (
            r"shape of the mask (?P<a>\[[\d, ]+\]) at index \d+ does not match the shape of the "
            r"indexed tensor (?P<b>\[[\d, ]+\])",
            "A mask that picks elements needs the shape of what it picks from; it has {a}, the "
            "tensor {b}.",
        ),
        (
            r"stack expects a non-empty TensorList",
            "`torch.stack` was given an empty list: nothing was found or collected before it.",
        ),
        (
            r"stack expects each tensor to be equal size, but got (?P<a>\[[\d, ]+\]) at entry "
            r"(?P<n>\d+) and (?P<b>\[[\d, ]+\]) at entry (?P<m>\d+)",
            "A batch is one block of numbers, so all samples need one shape; number {n} has {a}, "
            "number {m} has {b}.",
        ),
        (
            r"same number of dimensions: got (?P<a>\d+) and (?P<b>\d+)",
            "Tensors that are joined need the same number of axes; one has {a}, another {b}.",
        ),
        (
            r"cannot reshape array of size (?P<a>\d+) into shape (?P<b>\([\d, -]+\))",
            "{a} numbers arrived, and {a} numbers cannot be laid out as {b}.",
        ),
        (
            r"shape '(?P<b>\[[\d, -]+\])' is invalid for input of size (?P<a>\d+)",
            "{a} numbers arrived, and {a} numbers cannot be laid out as {b}.",
        ),
        (
            r"Calculated padded input size per channel: \((?P<a>[\dx ]+)\)\. Kernel size: "
            r"\((?P<b>[\dx ]+)\)",
            "The picture has shrunk to {a} when it reaches a filter of {b}: it was too small from "
            "the start for so many layers.",
        ),
        (
            r"[Ee]xpected (?P<a>[34]D[^,;]{0,60}) input.{0,60}"
            r"got input of size: (?P<b>\[[\d, ]+\])",
            "The layer wants {a} input, and {b} has another number of axes.",
        ),
        # --- memory ------------------------------------------------------------------------------
        (
            r"Tried to allocate (?P<a>[\d.]+ [KMGT]iB).{0,200}?(?P<b>[\d.]+ [KMGT]iB|0 bytes) "
            r"(?:is )?free",
            "The next piece of memory that was needed measures {a}, and {b} were left: everything "
            "that still holds tensors counts, also earlier cells and other programs.",
        ),
        (
            r"Tried to allocate (?P<a>[\d.]+ [KMGT]iB)",
            "One more piece of memory of {a} did not fit beside what is held already: everything "
            "that still holds tensors counts, also earlier cells and other programs.",
        ),
        (
            r"(?:OutOfMemoryError|CUDA error: out of memory|CUDA out of memory)",
            "The memory of the graphics card was full, counting earlier cells and other programs.",
        ),
        (
            r"device-side assert triggered",
            "A number was out of range in a computation on the graphics card, most often a label; "
            "the card reports it late, so the line shown need not be the guilty one.",
        ),
        (
            r"no kernel image is available",
            "This build of PyTorch brings no code for the kind of graphics card that you have.",
        ),
        # --- loading data ------------------------------------------------------------------------
        (
            r"DataLoader worker \(pid (?P<pid>\d+)\) is killed by signal: (?P<signal>[A-Za-z ]+?)"
            r"(?:\.|$)",
            "A DataLoader's worker is a process of its own; the system ended this one, number "
            "{pid}, with {signal}, so no Python error of your data set is shown.",
        ),
        (
            r"DataLoader timed out after (?P<a>\d+) seconds",
            "The main program waited {a} seconds for a batch and none came: the workers hang or "
            "are too slow.",
        ),
        (
            r"unable to allocate shared memory ?\(shm\) for file <(?P<a>[^>]{1,80})>",
            "Workers hand their batches over through shared memory, and there was no room left in "
            "it for {a}.",
        ),
        (
            r"exited unexpectedly",
            "A DataLoader's worker is a process of its own, and it ended without saying why.",
        ),
        # --- training ----------------------------------------------------------------------------
        (
            r"optimizer got an empty parameter list",
            "Nothing was handed to the optimizer: if only parameters with `requires_grad` are "
            "passed on, all of them are frozen.",
        ),
        (
            r"Target (?P<a>-?\d+) is out of bounds",
            "Classes are counted from 0 to the number of outputs minus 1, and a label says {a}.",
        ),
        (
            r"element 0 of tensors does not require grad",
            "Nothing on the way to this loss can be trained, so there is nothing to compute "
            "gradients for.",
        ),
        (
            r"backward through the graph a second time",
            "The intermediate values were thrown away after the first `backward`, and something "
            "in this step still hangs on them.",
        ),
        (
            r"modified by an inplace operation",
            "A value that `backward` needs was overwritten in between (`+=`, `relu_`, ...).",
        ),
        (
            r"(?<!\d)(?P<a>\d{1,5}x\d{1,5}) \((?P<b>no detections)\)",
            "The network looked at the picture in the size {a} and ran without a fault; {b} means "
            "that it was not sure enough of anything to report it.",
        ),
        (
            r"\bno (?:detections|objects found)",
            "The network ran without a fault; it was not sure enough of anything to report it.",
        ),
        # --- Python in general -------------------------------------------------------------------
        (
            r"'NoneType' object (?:has no attribute '(?P<name>\w+)'|is not \w+)",
            "A value is `None` here: an earlier call gave nothing back, and the code went on as "
            "if it had.",
        ),
        (
            r"'(?P<kind>[\w.]+)' object has no attribute '(?P<name>\w+)'",
            "What arrived there is a {kind}, and a {kind} has no {name}: the code was written for "
            "another kind of object.",
        ),
        (
            r"module '(?P<kind>[\w.]+)' has no attribute '(?P<name>\w+)'",
            "{kind} was imported, but has no {name}: another version, or a file of your own with "
            "the same name.",
        ),
        (
            r"index (?P<i>-?\d+) is out of bounds for (?:dimension|axis) \d+ with size 0",
            "There are no elements at all (size 0), so not even number {i} exists: nothing was "
            "found before this line.",
        ),
        (
            r"index (?P<i>-?\d+) is out of bounds for (?:dimension|axis) (?P<d>\d+) with size "
            r"(?P<n>\d+)",
            "Counting begins at 0: an axis with {n} elements has no number {i}.",
        ),
        (
            r"too many indices for tensor of dimension (?P<n>\d+)",
            "More numbers stand in the brackets than the tensor has axes ({n}).",
        ),
        (
            r"numel\(\) == 0",
            "The tensor is empty (`numel` is 0), so it has no largest element: nothing was found "
            "before this line.",
        ),
        (
            r"list index out of range",
            "A list was asked for a place that it does not have; often it is shorter than "
            "expected, or empty.",
        ),
        (
            r"unexpected keyword argument '(?P<name>\w+)'",
            "The function knows no argument called {name}: in the installed version it has "
            "another name, or it belongs to another function.",
        ),
        (
            r"missing \d+ required (?:positional|keyword-only) arguments?: '(?P<name>\w+)'",
            "The function cannot start without {name}, which was not passed.",
        ),
        (
            r"name '(?P<name>\w+)' is not defined",
            "Python has not met {name} yet: its line was not run, or it is spelt differently.",
        ),
        (
            r"^KeyError: (?P<name>['\"]?[\w./-]{1,80}['\"]?)",
            "A dictionary was asked for {name} and has no such entry.",
        ),
        (
            r"^AssertionError: (?P<wish>[^\n]{4,110})",
            "A condition that the code itself checks was not met: {wish}",
        ),
    )
)


# A second sentence on the same message, where it holds more.
DETAILS: tuple[MeaningRow, ...] = tuple(
    _rows(
        (
            r"(?:(?<![\w-])(?P<package>[\w-]{1,60}) (?:library|package)s? but it was not found|"
            r"were not found in "
            r"your environment: (?P<other>[\w-]+))",
            "As soon as that Python has it and was started anew, the program goes on from there.",
        ),
        (
            r"(?:type|dtype:?|got|found|and) \(?(?P<a>torch\.DoubleTensor|double|Double)\b",
            "{a} has 64 bits for each number: that is what NumPy arrays have unless told "
            "otherwise.",
        ),
        (
            r"(?:type|dtype:?|got|found|and) \(?(?P<a>unsigned char|Byte|torch\.ByteTensor)\b",
            "{a} are whole numbers from 0 to 255: an image that nobody has scaled yet.",
        ),
        (
            r"(?:type|dtype:?|got|found|and) \(?(?P<a>(?:c10::)?Half|"
            r"torch\.(?:cuda\.)?HalfTensor)\b",
            "{a} (float16) is never there by itself: look for `.half()` or autocast in your code.",
        ),
        (
            r"(?:type|dtype:?|got|found|and) \(?(?P<a>(?:c10::)?BFloat16|"
            r"torch\.(?:cuda\.)?BFloat16Tensor)\b",
            "{a} is never there by itself: look for `.bfloat16()` or autocast in your code.",
        ),
        (
            r"unable to allocate shared memory.{0,200}(?P<a>No space left on device)",
            "{a} is said of the shared memory here, not of the disk.",
        ),
        (
            r"expected input\[(?P<n>\d+), (?P<c>\d+), (?P<h>\d+), (?P<w>\d+)\]",
            "PyTorch reads that shape as {n} images with {c} channels of {h} x {w} pixels each.",
        ),
        (
            rf"(?P<a>{_SIZE}) total capacity; (?P<b>{_SIZE}) already allocated",
            "Of its {a} the card had {b} in use by this very program's tensors, so there is "
            "something to let go of.",
        ),
        (
            rf"total capacity of (?P<a>{_SIZE}).{{0,200}}?(?P<b>{_SIZE}) is allocated by PyTorch",
            "Of its {a} the card had {b} in use by this very program's tensors, so there is "
            "something to let go of.",
        ),
        (
            r"(?<![\w.])(?P<key>[\w.]{1,120}): copying a param with shape "
            r"torch\.Size\(\[(?P<a>\d+)\b.{0,60}?from "
            r"checkpoint, the shape in current model is torch\.Size\(\[(?!(?P=a)\b)(?P<b>\d+)\b",
            "In the last layer the first number of a shape counts the classes: {a} in the file, "
            "{b} in the model, if {key} belongs to it.",
        ),
        (
            r"copying a param with shape torch\.Size\(\[(?P<n>\d+), (?P<a>\d+)\]\) from "
            r"checkpoint, the shape in current model is torch\.Size\(\[(?P=n), "
            r"(?!(?P=a)\])(?P<b>\d+)\]",
            "Both layers give {n} numbers; what differs is what goes in, {a} in the file and {b} "
            "in your model: the inputs are of another length, the number of "
            "classes is not the matter.",
        ),
        (
            r"shapes cannot be multiplied \((?P<n>\d+)x(?P<a>\d+) and",
            "Of these two numbers, {n} is the batch and may be anything; {a} is the one that has "
            "to fit.",
        ),
        (
            r"input size torch\.Size\(\[(?P<a>1), ",
            "The first number of that shape is the batch: it holds {a} image.",
        ),
        (
            r"signal: (?P<a>Bus error)",
            "{a} is what a process gets when it uses memory that cannot be had; for workers that "
            "is nearly always the shared memory, `/dev/shm`.",
        ),
        (
            r"signal: (?P<a>Killed)",
            "{a} comes from the system itself, most often because the machine ran out of memory.",
        ),
    )
)
