"""What messages about number formats, places and shapes of tensors mean, as rows.

The first row that fits is said. It refuses to know how a row is matched and shown.
"""

from __future__ import annotations

from assistant.meaning_form import SHAPE, SHORT, C, MeaningRow, T, rows

# In this order: what is special before what is general.
ROWS: tuple[MeaningRow, ...] = tuple(
    rows(
        # --- number formats and places -----------------------------------------------------------
        (
            r"Input type \((?P<a>torch\.\w+)\) and (?:weight|bias) type "
            r"\((?P<b>torch\.cuda\.\w+)\)",
            "The layer's weights lie on the graphics card ({b}), the input is still in the CPU's "
            "memory ({a}).",
        ),
        (
            rf"Input type \((?P<a>float|{C}FloatTensor)\) and (?:weight|bias) type "
            rf"\((?P<b>{SHORT})\)",
            "{a} is what PyTorch makes by itself and {b} is made on purpose: your model was "
            "converted, and the input was not.",
        ),
        (
            rf"Input type \((?P<a>{SHORT})\) and (?:weight|bias) type "
            rf"\((?P<b>float|{C}FloatTensor)\)",
            "{b} is what PyTorch makes by itself and {a} is made on purpose: the input was "
            "converted, and your model was not.",
        ),
        (
            rf"Input type \((?P<a>double|{C}DoubleTensor)\) and (?:weight|bias) type "
            rf"\((?P<b>float|{C}FloatTensor)\)",
            "The model is as PyTorch makes it ({b}); the odd one is the input with {a}, so convert "
            "that and leave the model alone.",
        ),
        (
            rf"Input type \((?P<a>unsigned char|{C}ByteTensor)\) and (?:weight|bias) type "
            rf"\((?P<b>{T})\)",
            "Your picture is still as it came from the file ({a}: whole numbers from 0 to 255), so "
            "two steps are missing and not one: turn it into floats, and divide by 255.",
        ),
        (
            rf"Input type \((?P<a>{T})\) and (?:weight|bias) type \((?P<b>{T})\)",
            "A layer multiplies its input with its weights, so both must be stored in the same "
            "number format; here the input is {a} and the weights are {b}.",
        ),
        (
            rf"same dtype, but got query\.dtype: (?P<a>{T}) key\.dtype: (?P<b>{T}) and "
            rf"value\.dtype: (?P<c>{T})",
            "Attention multiplies query, key and value with one another, so all three must have "
            "one number format; they have {a}, {b} and {c}.",
        ),
        (
            rf"same dtype,? but got (?P<a>{T}) and (?P<b>{T})",
            "Two matrices are multiplied only if their numbers are stored alike; here the first "
            "holds {a} and the second {b}.",
        ),
        (
            rf"dtypes match, got (?P<a>{T}) for the destination and (?P<b>{T}) for the source",
            "Values are written into a tensor that stores {a}, and they come as {b}; PyTorch does "
            "not convert them there by itself.",
        ),
        (
            rf"expected (?:m1 and m2 to have the same dtype|scalar type) (?P<a>{T}) but found "
            rf"(?P<b>{T})",
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
            rf"(?P<a>{SHAPE}) from checkpoint, the shape in current model is (?P<b>{SHAPE})",
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
            rf"Target size \((?P<a>{SHAPE})\) must be the same as input size \((?P<b>{SHAPE})\)",
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
            rf"(?P<a>{SHAPE})",
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
    )
)
