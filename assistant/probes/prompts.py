"""Cell `prompts`: do points and boxes lie in the picture that SAM was given, in pixels?

It refuses to know how the document was collected, and what is to be seen in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_number,
    get_numbers,
    get_section,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "predictor, picture and prompts in your notebook"
TOPIC = "sam-empty-masks"
_COORDINATES = r"between 0 and 1|\(row, column\)|in pixels|not formatted"
_CORNERS = r"xywh|xyxy|corners|not formatted"
_RESIZED = r"resized"
_UNSET = r"no image (?:is|was) set|must be set|without an image"
_IMAGE = r"not RGB|image is not|0 to 1"
_BACKGROUND = r"labels are 0|background"
_SHAPES = r"\bshapes?\b|not formatted"
_FORMAT = r"^prompts? (?:is |are )?not formatted|^wrong prompt"


@dataclass(frozen=True, slots=True)
class _Array:
    """One argument. `least`, `most`: smallest and largest x and y; `first`, `last`: of a box the
    corners."""

    kind: str
    dtype: str
    shape: tuple[float, ...]
    low: float
    high: float
    least: tuple[float, ...]
    most: tuple[float, ...]
    first: tuple[float, ...]
    last: tuple[float, ...]

    @property
    def is_fraction(self) -> bool:
        return "float" in self.dtype and self.low >= 0 and self.high <= 1

    def is_within(self, width: float, height: float) -> bool:
        if len(self.least) != 2 or len(self.most) != 2:
            return False
        return min(self.least) >= 0 and self.most[0] <= width and self.most[1] <= height


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong, what to do, and the causes that it confirms."""

    text: str
    next: str
    cause: str


def interpret_prompts(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    if not get_section(document, "points") and not get_section(document, "box"):
        text = "No points and no box were read."
        return build_finding(
            "prompts", Verdict("no_data", text), where=where, source=SOURCE, facts=()
        )
    faults = [*_picture_faults(document), *_prompt_faults(document)]
    complaints = [Verdict("fail", one.text, one.next, (TOPIC,)) for one in faults]
    healthy = "The prompts lie in the picture, in pixels, and have the right form."
    return build_finding(
        "prompts",
        combine(complaints, healthy=healthy),
        where=where,
        source=SOURCE,
        facts=_facts(document),
        clues=tuple(_clues(document, faults)),
    )


def _picture_faults(document: Document) -> Iterator[_Fault]:
    if get(document, "set") is False:
        text = "The predictor has no picture."
        yield _Fault(text, "Call predictor.set_image(image) before predict.", _UNSET)
    picture = _read(document, "image")
    if picture is None:
        return
    size, seen = _size(document), f"values from {picture.low:.3g} to {picture.high:.3g}"
    if len(picture.shape) != 3 or picture.shape[-1] != 3:
        shape = " x ".join(f"{n:g}" for n in picture.shape)
        yield _Fault(
            f"The picture has the form {shape}.",
            "Give height x width x 3 in RGB: np.array(picture.convert('RGB')).",
            _IMAGE,
        )
    elif picture.high <= 1:
        yield _Fault(
            f"The picture is almost black for SAM ({picture.dtype}, {seen}).",
            "Give whole numbers from 0 to 255: (image * 255).astype(np.uint8).",
            _IMAGE,
        )
    elif size and picture.shape[:2] != size:
        height, width = size
        yield _Fault(
            f"The predictor was given a picture of {width:g} x {height:g}, this one has "
            f"{picture.shape[1]:g} x {picture.shape[0]:g}.",
            "Measure the prompts on the picture that set_image gets.",
            _RESIZED,
        )


def _prompt_faults(document: Document) -> Iterator[_Fault]:
    points, labels, box = (_read(document, name) for name in ("points", "labels", "box"))
    for name, one in (("points", points), ("box", box)):
        if one is None:
            continue
        if one.kind in ("list", "tuple"):
            text = f"The {name} are a {one.kind}." if name == "points" else "The box is a list."
            yield _Fault(text, f"Make an array of it: np.array({name}).", _SHAPES)
        if one.is_fraction:
            yield _Fault(
                f"The coordinates of the {name} lie between 0 and 1: they are fractions.",
                "Multiply x by the width and y by the height of the picture.",
                _COORDINATES,
            )
        else:
            yield from _place_faults(document, name, one)
    if points is not None and (len(points.shape) != 2 or points.shape[-1] != 2):
        yield _Fault(_form("points", points), "N points need (N, 2).", _SHAPES)
    if points is not None:
        yield from _label_faults(points, labels)
    if box is not None:
        yield from _box_faults(box)


def _place_faults(document: Document, name: str, one: _Array) -> Iterator[_Fault]:
    size = _size(document)
    if not size or one.is_within(size[1], size[0]) or len(one.most) != 2:
        return
    extent = f"x up to {one.most[0]:g}, y up to {one.most[1]:g}"
    picture = f"the picture has {size[1]:g} x {size[0]:g}"
    if one.is_within(size[0], size[1]):
        yield _Fault(
            f"The {name} fit only with x and y exchanged ({extent}; {picture}).",
            "Give (x, y): the column first, then the row.",
            _COORDINATES,
        )
    else:
        yield _Fault(
            f"The {name} lie outside the picture ({extent}; {picture}).",
            "Measure them on the picture that set_image gets.",
            f"{_RESIZED}|{_FORMAT}",
        )


def _label_faults(points: _Array, labels: _Array | None) -> Iterator[_Fault]:
    if labels is None:
        yield _Fault(
            "There are points without labels.", "Give point_labels: 1 for each point.", _SHAPES
        )
    elif labels.high == 0:
        yield _Fault(
            "All labels are 0: they mark background.",
            "Give 1 for points on the object.",
            f"{_BACKGROUND}|{_FORMAT}",
        )
    elif points.shape and labels.shape != points.shape[:1]:
        yield _Fault(_form("labels", labels), "One label for each point: (N,).", _SHAPES)


def _box_faults(box: _Array) -> Iterator[_Fault]:
    if box.shape not in ((4.0,), (1.0, 4.0)):
        yield _Fault(_form("box", box), "One box needs (4,).", _SHAPES)
    elif len(box.first) == 2 == len(box.last) and min(_extent(box)) <= 0:
        yield _Fault(
            "The box ends before it begins: it seems to hold a centre, width and height.",
            "Give left, top, right, bottom (xyxy).",
            _CORNERS,
        )


def _extent(box: _Array) -> tuple[float, float]:
    """Width and height, if it holds corners."""
    return box.last[0] - box.first[0], box.last[1] - box.first[1]


def _clues(document: Document, faults: list[_Fault]) -> Iterator[Clue]:
    for fault in faults:
        yield Clue(TOPIC, "confirmed", fault.text, fault.cause)
    if faults:
        yield Clue("sam-prompt", "confirmed", faults[0].text, faults[0].cause)
    said = {fault.cause for fault in faults}
    picture, points = _read(document, "image"), _read(document, "points")
    if picture is not None and _IMAGE not in said:
        text = f"The picture is {picture.dtype} up to {picture.high:.3g}, with three channels."
        yield Clue(TOPIC, "ruled_out", text, _IMAGE)
    if points is not None and points.high > 1 and points.shape:
        if not faults and _size(document):
            text = "The points are pixels inside the picture."
            yield Clue(TOPIC, "ruled_out", text, _FORMAT)
        if _SHAPES not in said:
            text = "Points and labels have the right form."
            yield Clue(TOPIC, "ruled_out", text, r"^shapes?\b")
    labels = _read(document, "labels")
    if labels is not None and labels.high > 0:
        yield Clue(TOPIC, "ruled_out", "There are labels of 1.", r"labels are 0")


# --- reading -------------------------------------------------------------------------------------


def _read(document: Document, name: str) -> _Array | None:
    row = get_section(document, name)
    low, high = get_number(row, "low"), get_number(row, "high")
    if low is None or high is None:
        return None
    return _Array(
        kind=get_text(row, "kind")[:30],
        dtype=get_text(row, "dtype")[:30],
        shape=get_numbers(row, "shape"),
        low=low,
        high=high,
        least=get_numbers(row, "least"),
        most=get_numbers(row, "most"),
        first=get_numbers(row, "first"),
        last=get_numbers(row, "last"),
    )


def _size(document: Document) -> tuple[float, ...]:
    """Height and width of the picture that the predictor holds; () if unknown."""
    size = get_numbers(document, "size")[:2]
    return size if len(size) == 2 and min(size) > 0 else ()


def _form(name: str, array: _Array) -> str:
    shape = ", ".join(f"{n:g}" for n in array.shape)
    return f"The {name} have the form ({shape})."


def _facts(document: Document) -> Facts:
    rows = [("predictor's picture", " x ".join(f"{n:g}" for n in reversed(_size(document))))]
    for name in ("image", "points", "labels", "box"):
        one = _read(document, name)
        if one is not None:
            shape = " x ".join(f"{n:g}" for n in one.shape)
            text = f"{one.kind} {one.dtype}, {shape}, from {one.low:.4g} to {one.high:.4g}"
            rows.append((name, text))
    return tuple(rows)
