"""What figures of a training run mean: loss, accuracy, rate, gradients, what can be trained.

Rows for `remarks.py`. They refuse to know guides; what they add is arithmetic on the reader's own
figures.
"""

from __future__ import annotations

import math
import re

from assistant.quoting import as_code, is_harmless
from assistant.remark_form import Remark, RemarkRow, fraction, number, row, say

# "12 bread sorts", "10 kinds of traffic signs", "num_classes=37", "Linear(512, 10)"
_CLASSES = re.compile(
    r"\b(\d{1,4})[ -](?:[a-z]+ ){0,2}"
    r"(?:class(?:es)?|kinds?|sorts|types|species|categories|breeds)\b"
    r"|\bn(?:um)?_classes ?= ?(\d{1,4})|\bLinear\(\w{1,12}, ?(\d{1,4})\)",
    re.IGNORECASE,
)
_DATA_SETS = (
    (re.compile(r"\bcifar-?100\b", re.IGNORECASE), 100),
    (re.compile(r"\bcub-?200\b", re.IGNORECASE), 200),
    (re.compile(r"\b(?:cifar-?10|(?:fashion-?)?mnist)\b", re.IGNORECASE), 10),
    (re.compile(r"\b(?:cats?\W{1,5}(?:and |vs\.? )?dogs?|dogs?\W{1,5}(?:and |vs\.? )?cats?)\b",
                re.IGNORECASE), 2),
)  # fmt: skip
# "accuracy between 10 and 11 %", "acc 0.11", "val 15.0 %", "11 % after 15 rounds", "still at 31 %"
_ACCURACY = re.compile(
    r"\b(?:acc(?:uracy)?|val(?:idation)?(?:_acc\w*)?)(?: is| of| at| stays at|:| ?=)? {0,3}"
    r"(?P<a>\d{1,3}(?:\.\d+)? ?%|0?\.\d+)"
    r"|\bbetween \d{1,3} and (?P<b>\d{1,3} ?%)|\bstill at (?P<c>\d{1,3}(?:\.\d+)? ?%)"
    r"|\b(?P<d>\d{1,3}(?:\.\d+)? ?%) (?:after|accuracy|right|correct)",
    re.IGNORECASE,
)
_LOSS = re.compile(r"\bloss\w*\W{1,4}(?:[a-z]+ ){0,4}(\d{1,2}\.\d{2,8})\b", re.IGNORECASE)


def find_classes(text: str) -> int:
    """How many classes the text speaks of, 0 if it does not say."""
    for found in _CLASSES.finditer(text):
        count = int(next(value for value in found.groups() if value))
        if 2 <= count <= 1000:
            return count
    return next((count for pattern, count in _DATA_SETS if pattern.search(text)), 0)


def _chance(text: str, body: str) -> Remark | None:
    del body
    classes, found = find_classes(text), list(_ACCURACY.finditer(text))
    if not classes or not found:
        return None
    last = found[-1]
    written = next(value for value in last.groups() if value)
    plain = float(written.rstrip(" %")) / (100 if "%" in written else 1)
    times = plain * classes
    if plain > 1 or times > classes * 0.7:
        return None
    verdict = (
        "so hardly anything has been learnt from the pictures yet"
        if times < 1.7 and plain < 1 / classes + 0.1
        else f"about {number(times)} times as much: it does learn, only too little"
    )
    text = f"Guessing among {classes} classes is right in {number(100 / classes)} % of cases"
    return Remark(f"{text}; you have {as_code(written)}, {verdict}.", last.start())


def _loss(text: str, body: str) -> Remark | None:
    del body
    losses, classes = list(_LOSS.finditer(text)), find_classes(text)
    if not losses:
        return None
    last = losses[-1]
    value, known = float(last[1]), classes
    if not known:
        known = next((n for n in (2, 10, 100, 1000) if abs(value - math.log(n)) < 0.012), 0)
    if not known:
        return None
    chance = math.log(known)
    if abs(value - chance) < max(0.012, 0.005 * chance):
        said = (
            f"A loss of {as_code(last[1])} is what pure guessing among {known} classes gives, "
            f"since ln({known}) = {chance:.3f}: the outputs do not depend on the pictures yet."
        )
        return Remark(said, last.start())
    if not classes or not 1.03 < value / chance < 3:
        return None
    said = (
        f"A loss of {as_code(last[1])} is worse than guessing: for {known} classes that gives "
        f"ln({known}) = {chance:.3f}. The network is sure of wrong answers, as after steps that "
        "are too large."
    )
    return Remark(said, last.start())


_GRADIENT = re.compile(r"\bgrad\w*(?:[ _]norm)?[ =:]{1,3}(\d+\.\d+)", re.IGNORECASE)


def _growing(text: str, body: str) -> Remark | None:
    """Gradients that grow by the same amount in each step were never set to zero."""
    del body
    found = list(_GRADIENT.finditer(text))[:50]
    values = [float(one[1]) for one in found]
    if len(values) < 3 or values[0] <= 0:
        return None
    if any(abs(value / values[0] - n) > 0.08 * n for n, value in enumerate(values, start=1)):
        return None
    shown = ", ".join(as_code(one[1]) for one in found[:3])
    said = (
        f"Your gradient grows by the same {number(values[0])} each time ({shown}, ...): the old "
        "ones are still added to the new ones, so it is the missing `zero_grad()`."
    )
    return Remark(said, found[0].start())


_SHARE = re.compile(r"^\W{0,8}(\w[\w -]{0,30}?): {0,4}(\d{1,6})/(\d{1,6})$", re.MULTILINE)


def _collapsed(text: str, body: str) -> Remark | None:
    del body
    found = list(_SHARE.finditer(text))[:300]
    full = [one for one in found if one[2] == one[3] != "0"]
    if len(found) < 3 or len(full) != 1 or any(one[2] != "0" for one in found if one not in full):
        return None
    name = full[0][1]
    if not is_harmless(name):
        return None
    said = (
        f"Every picture is called {as_code(name)} ({as_code(f'{full[0][2]}/{full[0][3]}')} there, "
        "0 everywhere else). A network that gives one answer for all mostly had a far too high "
        "learning rate: try a hundredth of yours first."
    )
    return Remark(said, full[0].start())


_TRAINABLE = re.compile(r"\btrainable\b[^\n]{0,60}?\b((?:fc|head|classifier)[\w.]{0,20}\.weight)\b")
_RATE = re.compile(
    r"\b(?:lr|learning[ _]rate)(?: of| is)? ?[=:]? ?(\d{0,3}\.?\d{1,8}(?:e-?\d{1,2})?)\b"
    r"|\badam\w* (\d\.\d+|\de-\d)\b",
    re.IGNORECASE,
)


def _rate(text: str, body: str) -> Remark | None:
    found = _RATE.search(text)
    if found is None:
        return None
    written = found[1] or found[2]
    rate = float(written)
    if rate >= 0.05:
        said = (
            f"A rate of {as_code(written)} is {number(rate / 0.001)} times what Adam starts with "
            "in PyTorch (0.001); only SGD can stand such steps, and a small new layer often not "
            "even then."
        )
    elif "ViT" in body and rate >= 3e-4:
        said = (
            f"For a ViT {as_code(written)} is much: the published rule (5e-4 times the batch, "
            "divided by 512) gives 0.00006 for a batch of 64, and yours is "
            f"{number(rate / 6.25e-5)} times that. A CNN stands it, a transformer without warm-up "
            "does not."
        )
    elif 0 < rate <= 5e-5:
        said = (
            f"A rate of {as_code(written)} suits the fine-tuning of pretrained weights; from "
            "random weights it moves so little that many epochs hardly show."
        )
    else:
        return None
    return Remark(said, found.start())


_V = r"\d{1,3}(?:\.\d{1,6})?|\.\d{1,6}"
# "train acc .69 val acc .68", "99 train, 55 val"
_BOTH = re.compile(
    rf"\btrain(?:ing)?(?:[ _]acc\w*)?[ =:]{{1,3}}(?P<a>{_V})(?! ?[smh]\b)[ %,;/|]{{1,4}}(?:and )?"
    rf"val\w*(?:[ _]acc\w*)?[ =:]{{1,3}}(?P<b>{_V})"
    rf"|(?<![\d.])(?P<c>{_V}) ?%? train(?:ing)?[ ,;/]{{1,3}}(?:and )?(?P<d>{_V}) ?%? val",
    re.IGNORECASE,
)


def _gap(text: str, body: str) -> Remark | None:
    del body
    found = list(_BOTH.finditer(text))
    if not found:
        return None
    last = found[-1]
    train, val = last["a"] or last["c"], last["b"] or last["d"]
    gap = fraction(train) - fraction(val)
    if gap > 0.15:
        said = (
            f"Train {as_code(train)} and validation {as_code(val)} lie {100 * gap:.0f} points "
            "apart: the network has learnt its training pictures by heart. Stronger augmentation "
            "and pretrained weights work against that, more epochs do not."
        )
    elif abs(gap) < 0.06 and fraction(train) < 0.9:
        said = (
            f"Train {as_code(train)} and validation {as_code(val)} lie together, so this is no "
            "overfitting: the network cannot even fit the pictures that it trains on."
        )
    else:
        return None
    return Remark(said, last.start())


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
    if found is None:
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


_MINUTES = re.compile(
    r"(?<![\d.])(\d{1,3}(?:\.\d)?) ?(?:minutes|min)\b.{0,120}?\bresnet-?50\b.{0,60}?"
    r"(?<![\d.])(\d{1,3}(?:\.\d)?)(?! ?(?:images|px))",
    re.IGNORECASE | re.DOTALL,
)


def _slower(text: str, body: str) -> Remark | None:
    """How much slower a ViT-B may be than a ResNet-50, by their operations."""
    del body
    found = _MINUTES.search(text)
    if found is None or not re.search(r"\bvit-?b(?:ase)?\b", text, re.IGNORECASE):
        return None
    ratio = float(found[1]) / max(0.1, float(found[2]))
    if ratio < 6:
        return None
    said = (
        f"{as_code(found[1])} against {as_code(found[2])} minutes is {number(ratio)} times as "
        "slow, and by its operations a ViT-B/16 costs only about 4 times a ResNet-50 (17.6 "
        "against 4.1 billion for a picture). So the steps themselves are slow: look at the "
        "number format, the loader and the clock before you blame the network."
    )
    return Remark(said, found.start())


_STUCK = r"chance level|not improv|accuracy|stuck"
ROWS: tuple[RemarkRow, ...] = (
    row(_STUCK, _growing),
    row(_STUCK, _collapsed),
    row(_STUCK, _loss),
    row(rf"{_STUCK}|very slow", _chance),
    row(
        _STUCK,
        lambda text, body: say(
            _TRAINABLE.pattern.replace("((?:fc", "(?P<a>(?:fc"),
            "{a} can be trained, so it is not true that everything is frozen; what may still be "
            "wrong of that kind is an optimizer that was built before this layer was put in.",
        )(text, body),
    ),
    row(_STUCK, _gap),
    row(_STUCK, _rate),
    row(r"very slow|accuracy", _from_scratch),
    row(r"very slow", _enlarged),
    row(r"very slow", _slower),
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
        r"precision",
        say(
            r"\b(?P<a>(?:model|net)\.half\(\))",
            "{a} puts the weights themselves into 16 bits, where an update that is small against "
            "its weight is rounded away; autocast leaves them in float32.",
        ),
    ),
    row(
        r"stuck\?|eval\(\)",
        say(
            r"\bdropout (?:of )?(?P<a>0\.\d)\b",
            "With dropout {a} a network in training mode switches off a share of its features "
            "by lot in every call, and batch normalisation uses the pictures that happen to be in "
            "the batch: one picture alone is then judged quite differently. `eval()` ends both.",
        ),
    ),
    row(
        r"ViT-?L",
        say(
            r"(?P<a>pretrained ?= ?False)",
            "{a} is what makes this a matter of weeks; with True the same network has only a few "
            "epochs on your own pictures before it.",
        ),
    ),
    row(
        r"precision",
        say(
            r"\b(?P<a>float16|fp16|half)\b.{0,80}\bnan\b",
            "{a} ends at 65,504 and what is larger becomes infinite, then `nan`; bfloat16 is as "
            "short but reaches as far as float32, so this cannot happen with it at the same place.",
        ),
    ),
)
