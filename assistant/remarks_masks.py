"""What figures of a segmenter mean: probabilities, scores, clicks and boxes for SAM, its files.

Rows for `remarks.py`; arithmetic on the reader's own figures and on the entry's own tables. They
refuse to know guides.
"""

from __future__ import annotations

import re

from assistant.quoting import as_code
from assistant.remark_form import Remark, RemarkRow, number, row, say

_HIGHEST = re.compile(
    r"\bmax(?:imum)?(?: prob\w*)?\W{1,4}(?P<a>0?\.\d{1,4})\b"
    r"|\b(?:between|from) 0?\.\d{1,4} (?:and|to) (?P<b>0?\.\d{1,4})\b",
    re.IGNORECASE,
)


def _below(text: str, body: str) -> Remark | None:
    del body
    found = _HIGHEST.search(text)
    if found is None or float(found["a"] or found["b"]) >= 0.5:
        return None
    value = as_code(found["a"] or found["b"])
    said = (
        f"The highest probability anywhere is {value}, and the limit is 0.5: no pixel can pass. A "
        "lower limit shows whether the shapes are right already; that it is so unsure comes from "
        "the training (too short, or too little foreground)."
    )
    return Remark(said, found.start())


_PIXEL = re.compile(
    r"\bpixel acc\w*(?: is| of|:|=)? {0,2}(?P<a>\d{2}(?:\.\d{1,3})?) ?%"
    r"|~ ?(?P<b>\d{2}(?:\.\d)?) ?%",
    re.IGNORECASE,
)


def _background(text: str, body: str) -> Remark | None:
    del body
    found = _PIXEL.search(text)
    empty = re.search(r"\b(?:zeros?|nothing|blank|empty|all black|0\.0{2,})\b", text, re.IGNORECASE)
    if found is None or empty is None:
        return None
    share = found["a"] or found["b"]
    said = (
        f"{as_code(f'{share} %')} is what a network earns that paints nothing, if that share of "
        "the pixels is background. So this figure says nothing here: count the pixels that it "
        "calls foreground instead."
    )
    return Remark(said, found.start())


_SCORES = re.compile(r"^[ \t|]{0,8}([A-Za-z][\w -]{0,20}?)[ \t|:]{1,12}(0?\.\d{3,4})\b", re.M)
_NO_CLASS = re.compile(r"^(?:mean|avg|average|m?iou|dice|loss|acc\w*|all|val|train)\b", re.I)


def _one_class(text: str, body: str) -> Remark | None:
    """A table of scores in which one class alone has any."""
    del body
    rows = [one for one in _SCORES.finditer(text) if not _NO_CLASS.match(one[1])][:200]
    right = [one for one in rows if float(one[2]) > 0]
    if len(rows) < 3 or len(right) != 1:
        return None
    name, value = right[0][1].strip(), float(right[0][2])
    said = (
        f"Of {len(rows)} classes only {as_code(name)} has a score ({as_code(right[0][2])}), so the "
        f"network seems to answer {as_code(name)} everywhere; the mean is then just "
        f"{value:.4f} / {len(rows)} = {value / len(rows):.4f} and hides it."
    )
    return Remark(said, right[0].start())


def _shifted(text: str, body: str) -> Remark | None:
    del body
    labels = [int(one[1]) for one in re.finditer(r"\b(\d{1,2}) ?= ?[A-Za-z]{2,}", text)][:100]
    outputs = re.search(r"\b0 ?(?:\.\.\.?|to|-|–) ?(\d{1,3})\b", text)
    if outputs is None or len(labels) < 2 or min(labels) != 1 or max(labels) != int(outputs[1]) + 1:
        return None
    said = (
        f"Your labels go from {as_code('1')} to {as_code(str(max(labels)))}, the outputs from 0 "
        f"to {as_code(outputs[1])}: each class is compared with its neighbour. Take 1 off every "
        "label, and the score will fit the good pictures."
    )
    return Remark(said, outputs.start())


_FRACTIONS = re.compile(r"\[\[?\s?(0?\.\d{1,6}(?:\s?,\s?0?\.\d{1,6}){1,3})\s?\]")
_MASKS = re.compile(r"\((?:\d{1,2}, ?)?(\d{2,5}), ?(\d{2,5})(?:, ?3)?\)")


def _clicks(text: str, body: str) -> Remark | None:
    """Coordinates between 0 and 1, and where they would lie in pixels if the size is known."""
    del body
    found = _FRACTIONS.search(text)
    if found is None:
        return None
    values = [float(value) for value in found[1].split(",")]
    size = _MASKS.search(text)
    said = (
        f"All numbers in {as_code(f'[{found[1]}]')} are below 1, and SAM reads pixels: to it they "
        "lie within the first pixel at the top left."
    )
    if size is not None:
        height, width = int(size[1]), int(size[2])
        pixels = [round(value * (height if n % 2 else width)) for n, value in enumerate(values)]
        said += (
            f" In your picture of {as_code(str(width))} x {as_code(str(height))} it would be "
            f"{pixels}."
        )
    else:
        said += " Multiply x by the picture's width and y by its height."
    return Remark(said, found.start())


_BIG = re.compile(r"(?<![\dx×])(\d{3,5}) ?[x×] ?(\d{3,5})(?![\dx×])")


def _big_picture(text: str, body: str) -> Remark | None:
    del body
    found = _BIG.search(text)
    if found is None or max(int(found[1]), int(found[2])) <= 1024:
        return None
    pixels = int(found[1]) * int(found[2]) / 1e6
    if re.search(
        r"generat|everything|interpolate|postprocess|automatic|masks|Unable", text, re.IGNORECASE
    ):
        said = (
            f"The masks are made in the picture's own size, 64 points at a time, and each of yours "
            f"has {pixels:.1f} million pixels ({as_code(found[0])}): a picture of half the width "
            "and height needs a quarter of that."
        )
        return Remark(said, found.start())
    said = (
        f"SAM shrinks every picture to 1024 pixels on the longer side, so your {as_code(found[0])} "
        f"costs the encoder nothing extra; only the finished masks have its {pixels:.1f} million "
        "pixels each."
    )
    return Remark(said, found.start())


_TIME = re.compile(r"(?<![\d.])(\d{1,5}(?:\.\d{1,3})?) ?(ms|s|sec|seconds?|min|minutes)\b")
_UNITS = {"ms": 0.001, "min": 60.0, "minutes": 60.0}


def _two_times(text: str, body: str) -> Remark | None:
    del body
    found = list(_TIME.finditer(text))[:20]
    times = [float(one[1]) * _UNITS.get(one[2], 1.0) for one in found]
    if len(times) < 2 or min(times) <= 0 or max(times) / min(times) < 5:
        return None
    slow, fast = max(times), min(times)
    shown = [as_code(found[times.index(one)][0]) for one in (slow, fast)]
    said = (
        f"{shown[0]} against {shown[1]}: the encoder is {number(slow / fast)} times as slow, but "
        f"runs once. Ten clicks on one picture take {number(slow + 10 * fast)} s in all, not "
        f"{number(10 * (slow + fast))} s, as long as you do not call `set_image` again."
    )
    return Remark(said, found[0].start())


_STORED = re.compile(r"(?<![\d.])(\d{1,3}(?:[ ,]?\d{3})?) (?:images|pictures|photos)\b", re.I)


def _stored(text: str, body: str) -> Remark | None:
    """What the features of all pictures take on the disk."""
    each = re.search(r"(\d{1,3}) MiB in float32", body)
    found = _STORED.search(text)
    if each is None or found is None:
        return None
    count = int(re.sub(r"\D", "", found[1]))
    size = count * int(each[1]) / 1024
    if size < 1:
        return None
    said = (
        f"For {as_code(found[1])} pictures that is {number(size)} GiB on the disk at {each[1]} MiB "
        "each, or half of it in float16: count on that before the night."
    )
    return Remark(said, found.start())


_LEFT = re.compile(
    r"(?<![\d.])(\d{1,3}(?:\.\d)?) ?(?:GB|gigs?|G)\b[^\n.]{0,12}\b(?:left|free)\b"
    r"|\b(?:left|free)\W{1,4}(\d{1,3}(?:\.\d)?) ?(?:GB|G)\b",
    re.IGNORECASE,
)
_BYTES = re.compile(r"`([\w.]+\.pth)`[^|\n]*\|\s*([\d,]{9,16})")


def _fits_disk(text: str, body: str) -> Remark | None:
    found = _LEFT.search(text)
    if found is None:
        return _lightest(text, body)
    room = float(found[1] or found[2])
    files = sorted((int(one[2].replace(",", "")) / 1e9, one[1]) for one in _BYTES.finditer(body))
    fit = [one for one in files if one[0] < room * 0.95]
    if not fit or len(fit) == len(files):
        return None
    (size, name), (too_large, other) = fit[0], files[-1]
    said = (
        f"Your {as_code(found[1] or found[2])} GB are too little for {as_code(other)} "
        f"({too_large:.2f} GB); {as_code(name)} is the lightest, with {size:.2f} GB."
    )
    return Remark(said, found.start())


_LIGHTER = re.compile(r"\b(?:lighter|smaller|lightest|smallest)\b", re.IGNORECASE)


def _lightest(text: str, body: str) -> Remark | None:
    found = _LIGHTER.search(text)
    files = sorted((int(one[2].replace(",", "")) / 1e9, one[1]) for one in _BYTES.finditer(body))
    if found is None or len(files) < 2:
        return None
    (size, name), (largest, other) = files[0], files[-1]
    said = (
        f"The {as_code(found[0])} one is {as_code(name)} with {size:.2f} GB; "
        f"{as_code(other)} has {largest:.2f} GB, {number(largest / size)} times as much to "
        "download and to hold in memory."
    )
    return Remark(said, found.start())


def _whole_file(text: str, body: str) -> Remark | None:
    """How many bytes the file that the text names has when it is whole, from the entry's table."""
    sizes = {one[1]: one[2] for one in _BYTES.finditer(body)}
    found = next((one for one in re.finditer(r"\b\w+\.pth\b", text) if one[0] in sizes), None)
    if found is None:
        return None
    said = (
        f"Whole, {as_code(found[0])} has {sizes[found[0]]} bytes: a file of that name with fewer, "
        "here or in another folder, is a download that broke off."
    )
    return Remark(said, found.start())


_MASKED = r"IoU|Dice is zero|segment"
ROWS: tuple[RemarkRow, ...] = (
    row(_MASKED, _shifted),
    row(
        r"IoU|Dice",
        say(
            r"(?:(?:values?|gt|mask|png)[^\n]{0,40}?\b0(?:,| and|/) ?(?P<a>255)\b)",
            "In your label files the object is {a}, in the answer it is 1: the two can never be "
            "equal, so even a perfect network gets 0. Divide the label mask by 255 first.",
        ),
    ),
    row(r"IoU|Dice", _below),
    row(r"IoU|Dice", _background),
    row(r"IoU|Dice", _one_class),
    row(
        r"IoU|Dice",
        say(
            r"\b(?P<a>(?:fg|foreground)[_ ]recall)\W{1,4}(?P<b>0\.0+|0)\b",
            "{a} at {b} says that not one true pixel is found; the loss "
            "falls all the same, because the background is nearly everything and it is right.",
        ),
    ),
    row(
        r"IoU|Dice",
        say(
            r"\b(?:dice|iou|jaccard|miou)\b[^\n\d]{0,12}(?P<a>0?\.\d{3,6}) "
            r"(?:after|in|at) (?:every|each)",
            "A score that stays at {a} to the last digit means that the answer does not change at "
            "all: a blank mask has a fixed score of its own, so do not read it as progress.",
        ),
    ),
    row(
        r"IoU|Dice",
        say(
            r"\b(?:iou|intersection over union|dice|jaccard)\b[^\n\d]{0,24}"
            r"(?P<a>0?\.0[1-9]\d{0,2})\b",
            "To tell the network from the counting behind {a}, give your function the true mask "
            "twice: it must return 1. If it does not, the counting is wrong and the network may be "
            "fine.",
        ),
    ),
    row(r"SAM returns|masks?$", _clicks),
    row(
        r"SAM returns",
        say(
            r"Expected size 1 but got size (?P<a>[2-9]|\d\d)\b",
            "The {a} in the message is a number of prompts: {a} boxes came where `predict` takes "
            "one.",
        ),
    ),
    row(
        r"SAM returns",
        say(
            r"\bcoord\w*[^\n.]{0,30}?\b(?P<a>(?:between |from )?0 (?:and|to) 1)\b",
            "Numbers {a} are pixels to SAM, so all your prompts lie within the first pixel at the "
            "top left. Multiply x by the picture's width and y by its height.",
        ),
    ),
    row(
        r"SAM returns",
        say(
            r"\b(?P<a>xywh|x, ?y, ?w(?:idth)?, ?h(?:eight)?)\b",
            "SAM reads the last two numbers as right and bottom edge, and {a} has a size there: "
            "such a box ends before it begins for all that lies far to the right or low, and is "
            "nearly right only close to the top left corner. `xyxy` is the form it wants.",
        ),
    ),
    row(
        r"SAM returns",
        say(
            r"(?P<a>np\.array\(\[ ?x ?, ?y ?\]\))",
            "{a} has the shape (2,); SAM wants a list of clicks, (1, 2) for one, so one pair of "
            "brackets more, and the label in brackets too.",
        ),
    ),
    row(r"SAM runs out", _big_picture),
    row(r"SAM slow|SAM .*per image", _two_times),
    row(r"SAM slow|SAM .*per image", _stored),
    row(r"No such file|checkpoint", _fits_disk),
    row(r"No such file", _whole_file),
    row(
        r"semantic.*instance",
        say(
            r"\bcount\w*\W{1,3}(?:the |my |these )?(?P<a>touching \w+)",
            "You want to count {a}: a map of yes and no makes one blob of two that touch, so you "
            "need the kind that gives each its own number.",
        ),
    ),
    row(
        r"Dice loss",
        say(
            r"\(?(?P<a>1 ?- ?(?:soft[ _]?)?dice)\)?",
            "{a} falls to 0 only when the two areas agree, however small they are, so a missed "
            "lesion of 20 pixels costs as much as a missed large one; in the other part it is 20 "
            "pixels among thousands.",
        ),
    ),
)
