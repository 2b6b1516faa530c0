"""What figures of a detector mean: confidence, sizes of pictures and networks, speeds, mAP.

Rows for `remarks.py`; arithmetic on the reader's own figures and on the entry's own tables. They
refuse to know guides.
"""

from __future__ import annotations

import re

from assistant.quoting import as_code
from assistant.remark_form import Remark, RemarkRow, number, row, say

_CONF = re.compile(r"\bconf(?:idence)?(?:_thres\w*)? ?[=:]? ?(0?\.\d{1,3})\b", re.IGNORECASE)


def _limit(text: str, body: str) -> Remark | None:
    del body
    found = list(_CONF.finditer(text))
    if not found:
        return None
    lowest = min(found, key=lambda one: float(one[1]))
    value = float(lowest[1])
    if value > 0.25:
        said = (
            f"With a limit of {as_code(lowest[1])} a box must be {number(value * 100)} % sure to "
            "be shown; 0.25 is usual, so this limit is the first suspect."
        )
    else:
        said = (
            f"Nothing at {as_code(lowest[1])} either, so it is not a limit that somebody set too "
            "high. One trial at 0.05 still tells much: weak boxes in the right places mean that "
            "the network sees the things, none at all that the picture or the weights are wrong."
        )
    return Remark(said, lowest.start())


_TOP = re.compile(r"\bmax value is (\d{1,3}\.\d{1,20})")


def _normalised(text: str, body: str) -> Remark | None:
    del body
    found = _TOP.search(text)
    if found is None or not 1.2 < float(found[1]) < 6:
        return None
    value = float(found[1])
    why = (
        "it is exactly what ImageNet's normalisation makes of white, (1 - 0.406) / 0.225"
        if abs(value - 2.64) < 0.005
        else "it looks like a picture after subtracting a mean and dividing by a deviation"
    )
    said = (
        f"{as_code(f'{value:.2f}')} fits neither 0 to 1 nor 0 to 255: {why}. Divided by 255 after "
        "that, the picture is almost black, so leave the normalisation out."
    )
    return Remark(said, found.start())


def _frames(text: str, body: str) -> Remark | None:
    del body
    found = list(re.finditer(r"\(no detections\)", text))
    if len(found) < 3 or re.search(r"\d{2,4}x\d{2,4} \d", text):
        return None
    said = (
        f"All {len(found)} answers are {as_code('(no detections)')}: look at what the pictures "
        "have in common (the weights, the classes, the way they are passed), not at one of them."
    )
    return Remark(said, found[0].start())


_SAMPLE = re.compile(r"\b(?:bus|zidane)\.jpg\b")


def _sample(text: str, body: str) -> Remark | None:
    """Nothing is found even on the pictures that come with the package."""
    del body
    found = _SAMPLE.search(text)
    if found is None or re.search(r"\b(?:works?|finds|fine|ok|detects|boxes on)\b", text):
        return None
    said = (
        f"{as_code(found[0])} comes with the package and shows people in plain view. If nothing is "
        "found even there, your own pictures are not to blame: look at the weights and the limit."
    )
    return Remark(said, found.start())


_SEEN = re.compile(r"(?<!\d)(\d{2,4})x(\d{2,4}) \(no detections\)")


def _small_things(text: str, body: str) -> Remark | None:
    del body
    found = _SEEN.search(text)
    if found is None:
        return None
    side = max(int(found[1]), int(found[2]))
    said = (
        f"In the {as_code(f'{found[1]}x{found[2]}')} that the network saw, a thing that fills a "
        f"fortieth of the longer side has {side // 40} pixels left. If yours are that small, a "
        "larger size is the trial to begin with; if not, a lower limit."
    )
    return Remark(said, found.start())


_SIZES = re.compile(
    r"\byolo\w{0,3}?([nsmlx])\b|(?<![\w'’])(nano|x-?large|extra[ -]?large|biggest|largest"
    r"|(?:small|medium|large)(?= ?(?:[,/?.)]|and\b|or\b|vs\b|ones?\b|model\b|version\b|$)))\b"
    r"|(?<![\w'’-])([nsmlx])(?= ?(?:->|→|/|,| or\b| vs\b| and\b))"
    r"|(?:->|→|/|,|\bor|\boder|\b[you]|\bou|\bund|\bvs\.?) ?([nsmlx])(?![\w'’])",
    re.IGNORECASE,
)
_ROW = re.compile(r"yolo\w+?([nsmlx])\.pt`? \| ([\d.]+) \| ([\d.]+)")
_WORDS = {"nano": "n", "small": "s", "medium": "m", "large": "l", "biggest": "x", "largest": "x"}


def _two_sizes(text: str, body: str) -> Remark | None:
    """What one gains and pays between the two sizes that are furthest apart in the question."""
    table = {one[1]: (float(one[2]), float(one[3])) for one in _ROW.finditer(body)}
    named = []
    for found in _SIZES.finditer(text):
        word = next(value for value in found.groups() if value).lower()
        named.append((word if len(word) == 1 else _WORDS.get(word, "x"), found))
    letters = sorted({letter for letter, _ in named if letter in table}, key="nsmlx".index)
    if len(letters) < 2:
        return None
    low, high = letters[0], letters[-1]
    (few, weak), (many, strong) = table[low], table[high]
    said = (
        f"From {as_code(low)} to {as_code(high)} you pay with {number(many / few)} times the "
        f"weights ({few} against {many} million) and get {strong - weak:.1f} points of mAP50-95."
    )
    if len(letters) > 2:
        middle = letters[1]
        gained = table[middle][1] - weak
        said += (
            f" The step to {as_code(middle)} alone brings {gained:.1f} of them, for "
            f"{number(table[middle][0] / few)} times the weights."
        )
    return Remark(said, named[0][1].start())


def _speed(text: str, body: str) -> Remark | None:
    del body
    found = list(re.finditer(r"(?<![\d.])(\d{1,3}(?:\.\d)?) ?fps\b", text, re.IGNORECASE))
    rates = [float(one[1]) for one in found]
    if len(rates) < 2 or min(rates) <= 0 or max(rates) / min(rates) < 1.3:
        return None
    low, high = min(rates), max(rates)
    said = (
        f"From {as_code(f'{low:g} fps')} to {as_code(f'{high:g} fps')} you need "
        f"{number(high / low)} times the speed; the number of weights is a rough measure of "
        "the time, so look for the size that has about as many times fewer."
    )
    return Remark(said, found[0].start())


_AT = re.compile(r"\bmAP@(0?\.\d{1,2})\b(?!\W{0,3}\d)", re.IGNORECASE)


def _overlap(text: str, body: str) -> Remark | None:
    """What a limit of the overlap looks like: two equal boxes, one of them shifted."""
    del body
    found = _AT.search(text)
    if found is None or not 0.1 <= float(found[1]) < 1:
        return None
    limit = float(found[1])
    shift = (1 - limit) / (1 + limit)
    said = (
        f"To picture {as_code(found[1])}: two boxes of one size, one of them shifted sideways by "
        f"{100 * shift:.0f} % of its width, overlap just that much (intersection divided by "
        "union); shifted further, the box counts as wrong."
    )
    return Remark(said, found.start())


_PR = re.compile(
    r"\b(?:P|precision) ?[=:]? ?(?P<p>0?\.\d{1,3})\b.{0,40}?\b(?:R|recall) ?[=:]? ?"
    r"(?P<r>0?\.\d{1,3})\b"
)


def _precision(text: str, body: str) -> Remark | None:
    del body
    found = _PR.search(text)
    if found is None:
        return None
    right, seen = 100 * float(found["p"]), 100 * float(found["r"])
    said = (
        f"{as_code(found['p'])} and {as_code(found['r'])} mean: of 100 boxes that it draws, "
        f"{number(right)} are right, and of 100 things that are there it finds {number(seen)}. "
        "That is one point of the curve, at one confidence limit; mAP looks at all of them."
    )
    return Remark(said, found.start())


# names of COCO's 80 classes in one word, which the published YOLO weights know
_COCO = re.compile(
    r"\b(person|people|bicycle|car|motorcycle|airplane|bus|buses|train|truck|boat|bench|bird|cat|dog"
    r"|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|suitcase|bottle|cup|fork|knife"
    r"|spoon|bowl|banana|apple|sandwich|orange|pizza|cake|chair|couch|bed|laptop|keyboard|book"
    r"|clock|vase|scissors)(?:s?)\b",
    re.IGNORECASE,
)


# other weights, other pictures, or something that is found
_OTHERWISE = re.compile(
    r"\b(?:best\.pt|own|thermal|infrared|faces?|only|works|finds|detects|drawing|cartoon)\b", re.I
)


def _known_class(text: str, body: str) -> Remark | None:
    del body
    weights = re.search(r"\byolo(?:v8|v9|v10|11|12)[nsmlx]\b(?!-)", text)
    found = _COCO.search(text)
    if weights is None or found is None or _OTHERWISE.search(text):
        return None
    said = (
        f"{as_code(found[0])} is among the 80 things that {as_code(weights[0])} has learnt, so the "
        "classes are not the reason: begin with the way the picture is passed, the limit and the "
        "size."
    )
    return Remark(said, found.start())


ROWS: tuple[RemarkRow, ...] = (
    row(
        r"detections",
        say(
            r"(?P<a>\d{2,4}x\d{2,4} \(no detections\))"
            r"(?=[\s\S]{0,4000}?\n(?:IndexError|RuntimeError))",
            "Your output says it before the error does: {a}. So there is no first box to take, "
            "and the error goes away with the empty result, not with another line of code.",
        ),
    ),
    row(r"detections", _sample),
    row(r"detections", _normalised),
    row(
        r"detections",
        say(
            r"\b(?P<a>yolo\w+-cls\.pt)\b",
            "The ending of {a} is the reason: these weights put one name on the whole picture "
            "and have no boxes at all; take the file of the same size without `-cls`.",
        ),
    ),
    row(r"detections", _limit),
    row(r"detections", _frames),
    row(r"detections", _known_class),
    row(r"detections", _small_things),
    row(r"YOLO\w* n, s|sizes? .*differ", _two_sizes),
    row(r"YOLO\w* n, s|sizes? .*differ", _speed),
    row(r"\bmAP\b", _precision),
    row(r"\bmAP\b", _overlap),
    row(
        r"\bmAP\b",
        say(
            r"\b(?P<a>half covers|covers (?:only )?half)\b",
            "A box that {a} and nothing beside it has an IoU of exactly 0.5: just enough for "
            "mAP50, and too little for every stricter limit in mAP50-95.",
        ),
    ),
    row(
        r"\bmAP\b",
        say(
            r"\b(?P<a>mAP(?:@0?\.5|50))\b(?!-)\W{0,6}(?P<b>0?\.\d{1,3}|\d{2}(?:\.\d)? ?%)",
            "Your {b} is {a}, the mild kind, in which half an overlap is enough; do not hold it "
            "against figures of mAP50-95, which are always lower for the same network.",
        ),
    ),
)
