"""What sizes and shapes mean: halved pictures, lost borders, kernels, patches, linear layers.

Rows for `remarks.py`; arithmetic on the reader's own sizes. They refuse to know guides.
"""

from __future__ import annotations

import math
import re

from assistant.quoting import as_code
from assistant.remark_form import Remark, RemarkRow, number, row, say

_PAIR = re.compile(r"(?<![\dx×.*])(\d{2,4}) ?[x×*] ?(\d{2,4})(?! ?[x×*]|\d|\.\d)")
_TALL = re.compile(
    r"\b(\d{2,4}) (?:px |pixels )?high\W{1,6}(?:and )?(\d{2,4}) (?:px |pixels )?wide"
)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_TIMES = re.compile(
    r"\bhalv\w+(?: that| it)? (\d|two|three|four|five|six) times|\b(\d|two|three|four|five|six) "
    r"(?:times halved|halvings|downsamplings|poolings)",
    re.IGNORECASE,
)
_LOSES = re.compile(r"\b(?:returns?|gives?|lost|lose|output|comes? out|shrink\w*|only)\b", re.I)


def _halvings(text: str) -> int:
    found = _TIMES.search(text)
    written = (found[1] or found[2]).lower() if found else "4"
    return _COUNTS.get(written) or max(1, int(written))


def _even(size: int) -> int:
    """How often a size can be halved without a rest."""
    return (size & -size).bit_length() - 1


def _odd_size(text: str, body: str) -> Remark | None:
    del body
    if _lost_border(text, ""):
        return None
    halvings = _halvings(text)
    step = 2**halvings
    if told := re.search(r"\b(?:divisible|teilbar) (?:by|durch) (8|16|32|64)\b", text):
        step, halvings = int(told[1]), int(told[1]).bit_length() - 1
    for found in (*_TALL.finditer(text), *_PAIR.finditer(text)):
        sides = (int(found[1]), int(found[2]))
        if _OUTPUT.search(text[max(0, found.start() - 16) : found.start()]):
            continue
        bad = next((side for side in sides if side >= 32 and _even(side) < halvings), 0)
        if not bad:
            continue
        times = _even(bad)
        down = bad >> times
        evenly = (
            f"can be halved without a rest only {times} times, down to {down}"
            if times
            else "is odd already"
        )
        up = " x ".join(str(math.ceil(side / step) * step) for side in sides)
        usual = "your" if _TIMES.search(text) else "the usual"
        said = (
            f"{as_code(str(bad))} {evenly}, and {usual} {halvings} "
            f"halvings want a multiple of {step}: pad your {as_code(found[0])} to {up}, in the "
            "same order, and crop the answer."
        )
        return Remark(said.replace("only 1 times", "only once"), found.start())
    return None


# "gives me 252x252 for a 256 input", "returns 388x388 for 572x572"
_FOR = re.compile(
    r"(?<!\d)(\d{2,4}) ?[x×] ?\d{2,4} (?:for|from|with|of) (?:an? )?(?:input of )?(\d{2,4})(?!\d)",
    re.I,
)
_OUTPUT = re.compile(
    r"\b(?:outputs?|out|gives?|returns?|answer|salida|sa[ií]da|ausgabe|sortie|uscita|"
    r"выход|çıktısı)\b",
    re.I,
)
_TARGET = re.compile(
    r"Target size \(torch\.Size\(\[[\d, ]{1,30}?, (\d{2,4})\]\)\) must be the same as input size "
    r"\(torch\.Size\(\[[\d, ]{1,30}?, (\d{2,4})\]\)\)"
)


def _lost_border(text: str, body: str) -> Remark | None:
    """Convolutions without padding take one pixel from each side."""
    del body
    found = _FOR.search(text)
    if found is not None and _LOSES.search(text):
        out, size = int(found[1]), int(found[2])
    elif found := _TARGET.search(text):
        size, out = int(found[1]), int(found[2])
    else:
        return _out_of(text)
    return _border(size, out, found.start())


def _out_of(text: str) -> Remark | None:
    """Two square sizes, one of which is called the output."""
    squares = [one for one in _PAIR.finditer(text) if one[1] == one[2]]
    sizes = sorted({int(one[1]) for one in squares})
    if len(sizes) != 2 or not _OUTPUT.search(text):
        return None
    return _border(sizes[1], sizes[0], squares[0].start())


def _border(size: int, out: int, start: int) -> Remark | None:
    lost = size - out
    rounded = size % 16 and lost == size % 16  # down to a multiple of 16
    if not 0 < lost <= 400 or lost % 2 or rounded:
        return None
    how = (
        "one convolution of 3 x 3 without padding does that"
        if lost == 2
        else f"{lost // 2} convolutions of 3 x 3 without padding would do that, at full size"
        if lost <= 12
        else "far more than rounding could take; it is what convolutions without padding cost on "
        "all levels together"
    )
    said = (
        f"From {as_code(str(size))} to {as_code(str(out))} you lose {lost} pixels: {how}. With "
        "one pixel of padding each the size stays."
    )
    return Remark(said, start)


_KERNEL = re.compile(
    r"(?<![\dx×])\(?(\d{1,2}) ?(?:[x×,] ?)\1\)?(?![\dx×])|\bkernel_size ?= ?(\d{1,2})\b"
    r"|\bwould (\d{1,2}) not\b"
)


def _kernel(text: str, body: str) -> Remark | None:
    del body
    for found in _KERNEL.finditer(text):
        side = int(found[1] or found[2] or found[3])
        if side % 2 == 0 or not 5 <= side <= 31:
            continue
        layers = (side - 1) // 2
        one, many = side * side * 4096, layers * 9 * 4096
        said = (
            f"For a kernel of {as_code(str(side))} in numbers: with 64 channels in and out one "
            f"such layer has {one:,} weights; {layers} layers of 3 x 3 see the same {side} x "
            f"{side} pixels with {many:,}, which is {100 - 100 * many / one:.0f} % less, and have "
            f"{layers} activations instead of one."
        )
        return Remark(said, found.start())
    return None


_WIDTHS = {256, 384, 512, 768, 1024, 1280, 2048}  # of what networks give: another network, then
_LINEAR = re.compile(r"multiplied \(\d+x(\d+) and (\d+)x\d+\)")


def _linear(text: str, body: str) -> Remark | None:
    """Two lengths of a flattened map that differ by its height and width alone."""
    del body
    found = _LINEAR.search(text)
    if found is None:
        return None
    got, wanted = int(found[1]), int(found[2])
    common = math.gcd(got, wanted)
    if not common or got == wanted or {got, wanted} <= _WIDTHS:
        return None
    here, planned = math.isqrt(got // common), math.isqrt(wanted // common)
    if here * here * common != got or planned * planned * common != wanted:
        return None
    size = "larger" if got > wanted else "smaller"
    said = (
        f"{as_code(found[1])} is to {as_code(found[2])} as {here} x {here} to {planned} x "
        f"{planned}, which fits a map that is {size} in height and width, with the channels as "
        f"planned: the picture is {size}, or a pooling is "
        f"{'missing' if got > wanted else 'too much'}."
    )
    return Remark(said, found.start())


_TABLE = re.compile(
    r"pos_embed\w*: copying a param with shape torch\.Size\(\[1, (\d{2,4}), \d+\]\) from "
    r"checkpoint, the shape in current model is torch\.Size\(\[1, (\d{2,4}), \d+\]\)"
)


def _positions(text: str, body: str) -> Remark | None:
    """Tables of positions of a ViT, and the sizes of pictures that they belong to."""
    del body
    found = _TABLE.search(text)
    if found is None:
        return None
    sides = [math.isqrt(int(found[n]) - 1) for n in (1, 2)]
    if any(side * side + 1 != int(found[n]) for n, side in enumerate(sides, start=1)):
        return None
    parts = [
        f"{as_code(found[n])} = {side} x {side} + 1 (pictures of {16 * side} pixels with patches "
        "of 16)"
        for n, side in enumerate(sides, start=1)
    ]
    said = f"The tables of positions differ: {parts[0]} in the file, {parts[1]} in your model."
    return Remark(said, found.start())


_PIXELS = re.compile(r"(?<![\dx×])(384|448|512|518|640|768|896|1024)(?: ?[x×] ?\1| ?px| pixels)")


def _patches(text: str, body: str) -> Remark | None:
    del body
    found = _PIXELS.search(text)
    if found is None or int(found[1]) % 16:
        return None
    patches = (int(found[1]) // 16) ** 2
    said = (
        f"At {as_code(found[1])} pixels a ViT with patches of 16 sees {patches:,} of them instead "
        f"of 196, and attention compares each with each: {number((patches / 196) ** 2)} times the "
        "pairs. So the picture's size is the first thing to lower."
    )
    return Remark(said, found.start())


ROWS: tuple[RemarkRow, ...] = (
    row(r"U-?Net|sizes (?:of tensors )?(?:do not|must) match|target size", _lost_border),
    row(r"U-?Net|sizes (?:of tensors )?(?:do not|must) match", _odd_size),
    row(r"convolutions.*(?:3 ?[x×] ?3|larger)", _kernel),
    row(r"stuck|multiplied|linear", _linear),
    row(r"state_dict", _positions),
    row(r"ViT-?L", _patches),
    row(
        r"CLS",
        say(
            r"\b(?P<a>1 ?x ?1 ?x ?(?P<b>\d{3,4}))\b",
            "{a} is one token of {b} numbers, as long as that of a patch; these numbers are "
            "weights, so every picture starts with the same ones and only attention fills them.",
        ),
    ),
    row(
        r"CLS",
        say(
            r"\b(?P<a>19[67])\b(?:.{0,60}\b(?P<b>197)\b)?",
            "Do the sum for {a}: 224 / 16 = 14, and 14 x 14 = 196 patches; the one more is the "
            "token that no patch stands for.",
        ),
    ),
)
