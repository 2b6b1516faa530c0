"""What a data set and the weights that one starts from mean: how many pictures, which scale.

Rows for `remarks.py`; arithmetic on the reader's own figures. They refuse to know guides.
"""

from __future__ import annotations

import re

from assistant.quoting import as_code, is_harmless
from assistant.remark_classes import find_classes
from assistant.remark_form import Remark, RemarkRow, number, row, say

_CREATED = re.compile(r"\b(?:timm\.)?create_model\(([^()\n]{1,120})\)")


def _from_scratch(text: str, body: str) -> Remark | None:
    del body
    found = _CREATED.search(text)
    if found is None or re.search(r"pretrained ?= ?True", found[1]) or not is_harmless(found[0]):
        return None
    said = (
        "Your call of `create_model` does not say `pretrained=True`, so the network starts from "
        "random weights: that is the first thing to change."
    )
    return Remark(said, found.start())


def _enlarged(text: str, body: str) -> Remark | None:
    del body
    small = re.search(r"\bcifar-?(?:100?)\b", text, re.IGNORECASE)
    large = re.search(r"\b\w*patch\d+_(224|384)\b", text)
    if small is None or large is None:
        return None
    times = int(large[1]) // 32
    said = (
        f"CIFAR's pictures have 32 pixels a side and {as_code(large[0])} wants {large[1]}, so "
        f"each is blown up to {times * times} times as many pixels without showing anything new: "
        "a good part of your time goes there."
    )
    return Remark(said, large.start())


_IMAGES = re.compile(
    r"(?<![\d.])(\d{1,3}(?:[ ,]?\d{3})?)(k?) (?:labell?ed |training |own |\w+ ){0,2}"
    r"(?:images|pictures|photos|insects|samples)\b( each| per class)?",
    re.IGNORECASE,
)


def _few_images(text: str, body: str) -> Remark | None:
    """How far a data set is from what a ViT wants."""
    del body
    found = _IMAGES.search(text)
    if found is None or re.search(r"fine-?tun|pretrain|google/", text, re.IGNORECASE):
        return None
    count = int(re.sub(r"\D", "", found[1])) * (1000 if found[2] else 1)
    if not 20 <= count <= 200_000:
        return None
    written = f"{found[1]}{found[2]}"
    said = (
        f"Even ImageNet's 1.28 million pictures were too few for a plain ViT, and your "
        f"{as_code(written)} are {number(1_280_000 / count)} times fewer: take pretrained weights, "
        "there the small number is no obstacle."
    )
    return Remark(said, found.start())


def _per_class(text: str, body: str) -> Remark | None:
    """Whether a data set is a small one for choosing what to freeze."""
    del body
    found, classes = _IMAGES.search(text), find_classes(text)
    if found is None:
        return None
    count = int(re.sub(r"\D", "", found[1])) * (1000 if found[2] else 1)
    each = count if found[3] else count / classes if classes else 0
    written = as_code(f"{found[1]}{found[2]}")
    if 0 < each <= 500:
        said = (
            f"With your {written} pictures you have about {number(each)} for each class, which is "
            "few: begin with the head alone, and open the last stage only if that stops rising."
        )
    elif each >= 2000 or (not classes and count >= 50_000):
        said = (
            f"With {written} pictures you need not freeze much: train everything, the old layers "
            "at a tenth of the head's rate; the frozen start serves as the comparison."
        )
    else:
        return None
    return Remark(said, found.start())


_MEANS = re.compile(r"\b(0\.\d{1,4})[ ,]{1,2}(0\.\d{1,4})[ ,]{1,2}(0\.\d{1,4})\b")


def _own_mean(text: str, body: str) -> Remark | None:
    del body
    found = _MEANS.search(text)
    if found is None or re.match(r"0\.48|0\.229|0\.5\b", found[1]):
        return None
    seen = (float(found[1]) - 0.485) / 0.229
    side = "darker" if seen < 0 else "brighter"
    said = (
        f"Put through ImageNet's values, your first channel's mean of {as_code(found[1])} becomes "
        f"{seen:.2f} instead of 0: the network sees that your pictures are {side} than the ones it "
        "learnt from. With your own values it would not see that, and would be looking at a "
        "brightness its filters were never tuned to."
    )
    return Remark(said, found.start())


ROWS: tuple[RemarkRow, ...] = (
    row(r"very slow|accuracy", _from_scratch),
    row(r"very slow", _enlarged),
    row(r"training data\?|accuracy is far below", _few_images),
    row(r"freeze", _per_class),
    row(r"normalised", _own_mean),
    row(
        r"normalised",
        say(
            r"(?:forgot|without|only ToTensor|left out)[^\n]{0,80}?(?<![\d.])(?P<a>\d{2}(?:\.\d)?)"
            r" ?%? ?(?:->|to|→) ?(?P<b>\d{2}(?:\.\d)?)\b",
            "From {a} to {b}, because without that line the network is fed numbers from 0 to 1 "
            "where it was trained on about -2.1 to 2.6: every picture looks grey and flat to it.",
        ),
    ),
    row(
        r"ViT-?L",
        say(
            r"(?P<a>pretrained ?= ?False)",
            "{a} is what makes this a matter of weeks; with True the same network needs only a "
            "few epochs on your own pictures.",
        ),
    ),
)
