"""What more a message holds: rows for a second sentence about it.

The first row that fits is said. It refuses to know how a row is matched and shown.
"""

from __future__ import annotations

from assistant.meaning_form import SIZE, MeaningRow, rows

# A second sentence on the same message, where it holds more.
DETAILS: tuple[MeaningRow, ...] = tuple(
    rows(
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
            "{a} (float16) is never there by itself: `.half()`, or a number format given when the "
            "model was loaded, made it so.",
        ),
        (
            r"(?:type|dtype:?|got|found|and) \(?(?P<a>(?:c10::)?BFloat16|"
            r"torch\.(?:cuda\.)?BFloat16Tensor)\b",
            "{a} is never there by itself: `.bfloat16()`, or a number format given when the model "
            "was loaded, made it so.",
        ),
        (
            r"unable to allocate shared memory.{0,200}(?P<a>No space left on device)",
            "{a} is said of the shared memory here, not of the disk.",
        ),
        (
            r"to have [13] channels, but got (?P<a>4)\b",
            "{a} channels are red, green, blue and transparency, as in many PNG files: turn the "
            "picture into plain RGB when you open it.",
        ),
        (
            r"to have (?P<b>3) channels, but got (?P<a>1)\b",
            "A picture with {a} channel is a grey one, and the network was made for colour ({b}).",
        ),
        (
            r"to have (?P<b>1) channels, but got (?P<a>3)\b",
            "A picture with {a} channels is a coloured one, and the network was made for grey "
            "pictures ({b}).",
        ),
        (
            r"expected input\[(?P<n>\d+), (?P<c>\d+), (?P<h>\d+), (?P<w>\d+)\]",
            "Read as pictures, that shape says: {n} in the batch, {c} channels, {h} x {w} pixels.",
        ),
        (
            rf"(?P<a>{SIZE}) total capacity; (?P<b>{SIZE}) already allocated",
            "Of its {a} the card had {b} in use by this very program's tensors, so there is "
            "something to let go of.",
        ),
        (
            rf"total capacity of (?P<a>{SIZE}).{{0,200}}?(?P<b>{SIZE}) is allocated by PyTorch",
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
