"""What figures of a training run mean: loss, accuracy, rate, gradients, what can be trained.

Rows for `remarks.py`. They refuse to know guides; what they add is arithmetic on the reader's own
figures.
"""

from __future__ import annotations

import math
import re

from assistant.quoting import as_code, is_harmless
from assistant.remark_classes import find_classes
from assistant.remark_form import Remark, RemarkRow, fraction, number, row, say

# "accuracy between 10 and 11 %", "acc 0.11", "val 15.0 %", "11 % after 15 rounds", "still at 31 %"
_ACCURACY = re.compile(
    r"\b(?:acc(?:uracy)?|val(?:idation)?(?:_acc\w*)?)(?: is| of| at| stays at|:| ?=)? {0,3}"
    r"(?P<a>\d{1,3}(?:\.\d+)? ?%|0?\.\d+)"
    r"|\bbetween \d{1,3} and (?P<b>\d{1,3} ?%)|\bstill at (?P<c>\d{1,3}(?:\.\d+)? ?%)"
    r"|\b(?P<d>\d{1,3}(?:\.\d+)? ?%) (?:after|accuracy|right|correct)",
    re.IGNORECASE,
)
_LOSS = re.compile(r"\bloss\w*\W{1,4}(?:[a-z]+ ){0,4}(\d{1,2}\.\d{2,8})\b", re.IGNORECASE)


def _chance(text: str, body: str) -> Remark | None:
    del body
    classes, found = find_classes(text), list(_ACCURACY.finditer(text))
    if not classes or not found:
        return None
    last = found[-1]
    written = next(value for value in last.groups() if value)
    plain = float(written.rstrip(" %")) / (100 if "%" in written else 1)
    times = plain * classes
    if plain > 0.35 and times > 1.5:
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
    if re.search(r"\bSGD\b", text) and 1e-6 <= rate < 0.3 and "ViT" not in body:
        return None
    if rate >= 0.05:
        said = (
            f"A rate of {as_code(written)} is {number(rate / 0.001)} times what Adam starts with "
            "in PyTorch (0.001); only SGD can stand such steps, and a small new layer often not "
            "even then."
        )
    elif "ViT" in body and rate >= 8e-4:
        said = (
            f"For a ViT {as_code(written)} is much: the published rule (5e-4 times the batch, "
            "divided by 512) gives 0.00006 for a batch of 64, and yours is "
            f"{number(rate / 6.25e-5)} times that. A CNN stands it, a transformer without warm-up "
            "does not."
        )
    elif 0 < rate < 1e-6:
        said = (
            f"With a rate of {as_code(written)} any network stands still: 0.001 is usual for Adam."
        )
    elif 0 < rate <= 5e-5:
        said = (
            f"A rate of {as_code(written)} suits the fine-tuning of pretrained weights; random "
            "ones, those of a new last layer too, hardly move with it in many epochs."
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


_CHANCES = re.compile(r"\bp ?= ?\[([\d., ]{5,80})\]")


def _wavering(text: str, body: str) -> Remark | None:
    """The same picture with other probabilities each time."""
    del body
    found = list(_CHANCES.finditer(text))[:20]
    answers = {one[1] for one in found}
    if len(answers) < 3 or not re.search(r"\b(?:same|identical)\b", text, re.IGNORECASE):
        return None
    first, second = (as_code(f"[{one[1]}]") for one in found[:2])
    said = (
        f"{first}, then {second} for one picture: a finished network is plain arithmetic and gives "
        "the same numbers every time. Chance comes in through dropout, which only `eval()` turns "
        "off, or through an augmentation that is still on."
    )
    return Remark(said, found[0].start())


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
    row(r"chance level|stuck\?|eval\(\)", _wavering),
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
    row(r"very slow", _slower),
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
        r"precision",
        say(
            r"\b(?P<a>float16|fp16)\b.{0,80}\bnan\b",
            "{a} ends at 65,504 and what is larger becomes infinite, then `nan`; bfloat16 is as "
            "short but reaches as far as float32, so this cannot happen with it at the same place.",
        ),
    ),
)
