"""Row `mask`: why a predicted and a true mask overlap less than they look.

It refuses to know how the document was collected, and what the classes mean. IoU is the number of
pixels that both masks give to a class, divided by those that at least one of them gives to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.probes.causes import (
    FEW_PIXELS,
    ONE_CHANNEL,
    ONE_CLASS,
    SMOOTH,
    THRESHOLD,
    VALUES,
)
from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_error,
    get_number,
    get_section,
    get_text,
)
from assistant.probes.iou import Pairs, match_classes, mean_overlap, measure_overlap, rename
from assistant.types import Clue, Finding

SOURCE = "pixels of both files, by NumPy and PIL of this Python; arrays are never unpickled"
TOPIC = "iou-zero"  # an entry without an exception
ENTRIES = ("iou-zero",)
# Causes as guides word them.
NUMBERING = r"class (?:index|number(?:ing|s differ))|off by one|labels start"
PAIRING = r"paired|augmented differently|flipped|mirrored"

_LIMITS = ("above 0", "above 0.5")
_TURNED = ("mirrored", "upside down", "transposed")
_SMALL_SHARE = 0.02  # of the pixels: an object that "background everywhere" hardly misses
_GAIN = 0.2  # of the mean IoU, worth a word
_WHITE = 255.0


@dataclass(frozen=True, slots=True)
class _Mask:
    """How one mask is stored."""

    shape: tuple[int, ...]
    values: tuple[float, ...]  # the most frequent first
    counts: tuple[float, ...]
    pixels: float  # at least 1
    distinct: float
    low: float
    high: float
    is_whole: bool  # only whole numbers
    colors: float
    words: str

    @property
    def is_scores(self) -> bool:
        """Fractions, or floats below zero: what a network puts out before classes are chosen."""
        return not self.is_whole or (self.low < 0 and "float" in self.words)

    @property
    def is_one_value(self) -> bool:
        return self.distinct == 1


def interpret_mask(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    ours, theirs = _read(document, "predicted"), _read(document, "target")
    if ours is None or theirs is None:
        return build_finding(
            "mask", _unread(document), where=where, source=SOURCE, facts=_facts(document, {})
        )
    readings = _read_readings(document)
    base = _base(ours, readings)
    clues = tuple(_clues(ours, theirs, readings, base))
    complaints = list(_complaints(ours, theirs, readings, base))
    verdict = combine(complaints, healthy="Both masks use the same values.")
    score = _score_words(readings.get(base, {}), base)
    verdict = Verdict(verdict.status, f"{verdict.summary} {score}".strip(), verdict.next, ENTRIES)
    return build_finding(
        "mask",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document, readings.get(base, {})),
        clues=clues,
    )


# --- rules ---------------------------------------------------------------------------------------


def _complaints(
    ours: _Mask, theirs: _Mask, readings: Mapping[str, Pairs], base: str
) -> Iterator[Verdict]:
    yield from _form(ours, theirs, readings)
    if _is_stored_otherwise(ours, theirs):
        pairs = readings.get(base, {})
        after = mean_overlap(rename(pairs, match_classes(pairs)))
        yield Verdict(
            "fail",
            "One mask uses 0 and 255, the other 0 and 1: equal things have different numbers. With "
            f"the same numbers the mean IoU is {after:.2f}.",
            "Bring both to 0 and 1 first: mask = (mask > 127) for the one with 255.",
        )
    if _is_smooth(theirs):
        yield Verdict(
            "fail",
            f"The target holds {theirs.distinct:.0f} different values, most of them rare: it was "
            "resized with smooth interpolation or saved as JPEG.",
            "Resize masks with the mode NEAREST, and save them as PNG.",
        )
    if ours.is_one_value and not theirs.is_one_value:
        yield Verdict(
            "fail",
            f"The prediction is {ours.low:g} everywhere.",
            "Look at the scores before argmax or threshold; argmax over one channel is always 0.",
        )
    if ours.is_scores and base != "argmax":
        yield _scores(ours, readings)
    yield from _renumbering(ours, theirs, readings.get(base, {}))
    yield from _turning(readings, base)


def _form(ours: _Mask, theirs: _Mask, readings: Mapping[str, Pairs]) -> Iterator[Verdict]:
    if theirs.colors:
        yield Verdict(
            "fail",
            f"The target is a colour picture with {theirs.colors:.0f} colours, not class numbers.",
            "Turn each colour into its class number before you compare.",
        )
    elif not readings and _is_other_shape(ours, theirs):
        yield Verdict(
            "fail",
            f"The masks have different sizes: {_size(ours)} predicted, {_size(theirs)} true.",
            "Resize the prediction to the size of the target with the mode NEAREST.",
        )
    elif not readings:
        most = max(ours, theirs, key=lambda mask: mask.distinct)
        which = "prediction" if most is ours else "target"
        yield Verdict(
            "fail",
            f"The {which} holds {most.distinct:.0f} different values: these are no class numbers.",
            "Compare masks that hold the number of a class in each pixel.",
        )
    elif list(readings) == ["transposed"]:
        yield Verdict("fail", "Height and width are exchanged.", "Transpose one of the masks.")


def _is_other_shape(ours: _Mask, theirs: _Mask) -> bool:
    """Dimensions of 1 do not count."""
    first, second = (tuple(n for n in mask.shape if n != 1) for mask in (ours, theirs))
    return first != second


def _scores(ours: _Mask, readings: Mapping[str, Pairs]) -> Verdict:
    """The prediction holds fractions: scores or probabilities, no classes yet."""
    is_raw = ours.low < 0 or ours.high > 1
    kind = "raw scores" if is_raw else "probabilities"
    limit = "0, or apply sigmoid and take 0.5" if is_raw else "0.5"
    figures = [f"{mean_overlap(readings[name]):.2f} {name}" for name in _LIMITS if name in readings]
    overlap = f"; mean IoU of the pixels {' and '.join(figures)}" if figures else ""
    return Verdict(
        "fail" if is_raw else "warn",
        f"The prediction holds {kind} from {ours.low:.3g} to {ours.high:.3g}, no class numbers"
        f"{overlap}.",
        f"Make a mask of them: everything above {limit}.",
    )


def _renumbering(ours: _Mask, theirs: _Mask, pairs: Pairs) -> Iterator[Verdict]:
    names = _better_names(ours, theirs, pairs)
    if not names:
        return
    change = ", ".join(f"{p:g} to {t:g}" for p, t in sorted(names.items())[:6])
    steps = {t - p for p, t in names.items()}
    kind = f"All classes are {steps.pop():+g} off" if len(steps) == 1 else "Classes are exchanged"
    after = mean_overlap(rename(pairs, names))
    yield Verdict(
        "fail",
        f"{kind}: with {change} the mean IoU rises from {mean_overlap(pairs):.2f} to {after:.2f}.",
        "Let both masks number the classes in the same way.",
    )


def _turning(readings: Mapping[str, Pairs], base: str) -> Iterator[Verdict]:
    turned = _better_turn(readings, base)
    if turned:
        yield Verdict(
            "fail",
            f"The prediction fits the target when it is {turned}: mean IoU "
            f"{mean_overlap(readings[turned]):.2f} instead of {mean_overlap(readings[base]):.2f}.",
            "Give image and mask the same flips and turns in the augmentation.",
        )


def _is_stored_otherwise(ours: _Mask, theirs: _Mask) -> bool:
    stored, counted = {0.0, _WHITE}, {0.0, 1.0}
    a, b = set(ours.values), set(theirs.values)
    return (a <= stored and _WHITE in a and b <= counted and 1.0 in b) or (
        b <= stored and _WHITE in b and a <= counted
    )


def _is_smooth(mask: _Mask) -> bool:
    """A few values with nearly all pixels, and many with hardly any."""
    common = sum(n for n in mask.counts if n / mask.pixels > 0.02)
    rare = mask.distinct - sum(n / mask.pixels > 0.02 for n in mask.counts)
    return mask.is_whole and mask.distinct > 8 and rare > 5 and common / mask.pixels > 0.8


def _better_names(ours: _Mask, theirs: _Mask, pairs: Pairs) -> dict[float, float]:
    """Other class numbers that would raise the mean IoU clearly; {} if none would."""
    settled = ours.is_one_value or ours.is_scores or _is_stored_otherwise(ours, theirs)
    if not pairs or settled:
        return {}
    names = match_classes(pairs)
    gain = mean_overlap(rename(pairs, names)) - mean_overlap(pairs)
    changed = {p: t for p, t in names.items() if p != t}
    return names if changed and gain > _GAIN else {}


def _better_turn(readings: Mapping[str, Pairs], base: str) -> str:
    if base not in readings:
        return ""
    scores = {name: mean_overlap(readings[name]) for name in _TURNED if name in readings}
    best = max(scores, key=lambda name: scores[name], default="")
    return best if best and scores[best] > mean_overlap(readings[base]) + _GAIN else ""


def _clues(ours: _Mask, theirs: _Mask, readings: Mapping[str, Pairs], base: str) -> Iterator[Clue]:
    otherwise = _is_stored_otherwise(ours, theirs)
    seen = f"Predicted values: {_values(ours)}. True values: {_values(theirs)}."
    yield Clue(TOPIC, "confirmed" if otherwise else "ruled_out", seen, VALUES)
    yield Clue(TOPIC, "confirmed" if _is_smooth(theirs) else "ruled_out", seen, SMOOTH)
    if _WHITE in theirs.values:
        text = "The true mask holds 255, more than there are classes."
        yield Clue("label-out-of-range", "confirmed", text, r"\b255\b")
    if ours.is_one_value:
        yield Clue(TOPIC, "confirmed", f"The prediction is {ours.low:g} everywhere.", ONE_CLASS)
        share = 1 - max(theirs.counts, default=0.0) / theirs.pixels
        if ours.low == 0 and 0 < share < _SMALL_SHARE:
            text = f"The object covers {100 * share:.2g} % of the pixels."
            yield Clue(TOPIC, "confirmed", text, FEW_PIXELS)
    else:
        yield Clue(TOPIC, "ruled_out", seen, ONE_CLASS)
        yield Clue(TOPIC, "ruled_out", seen, ONE_CHANNEL)
    if ours.is_scores and (ours.low < 0 or ours.high > 1):
        text = f"The prediction holds raw scores from {ours.low:.3g} to {ours.high:.3g}."
        yield Clue(TOPIC, "confirmed", text, THRESHOLD)
    if base in readings and not ours.is_scores:
        renamed = bool(_better_names(ours, theirs, readings[base]))
        text = "Other class numbers would raise the IoU clearly."
        text = text if renamed else "No other class numbers would raise the IoU clearly."
        yield Clue(TOPIC, "confirmed" if renamed else "ruled_out", text, NUMBERING)
    turned = _better_turn(readings, base)
    if turned:
        yield Clue(TOPIC, "confirmed", f"The prediction fits when it is {turned}.", PAIRING)


# --- reading -------------------------------------------------------------------------------------


def _base(ours: _Mask, readings: Mapping[str, Pairs]) -> str:
    """The reading that the learner's own comparison would use."""
    order = ("above 0.5", "argmax") if ours.is_scores else ("as it is", "argmax")
    return next((name for name in order if name in readings), "")


def _read(document: Document, which: str) -> _Mask | None:
    row = get_section(document, which)
    if not row or get_error(row) or get_number(row, "low") is None:
        return None
    rows = _lists(get(row, "values"), 2)
    shape = get(row, "shape")
    sizes = shape if isinstance(shape, list) else []
    return _Mask(
        shape=tuple(n for n in sizes if isinstance(n, int)),
        values=tuple(row[0] for row in rows),
        counts=tuple(row[1] for row in rows),
        pixels=max(get_number(row, "pixels") or 0.0, 1.0),
        distinct=get_number(row, "distinct") or 0.0,
        low=get_number(row, "low") or 0.0,
        high=get_number(row, "high") or 0.0,
        is_whole=get(row, "whole_numbers") is True,
        colors=get_number(row, "colors") or 0.0,
        words=f"{get_text(row, 'format')} {get_text(row, 'mode')}, {get_text(row, 'dtype')}",
    )


def _read_readings(document: Document) -> dict[str, Pairs]:
    found: dict[str, Pairs] = {}
    for name in ("as it is", "argmax", *_LIMITS, *_TURNED):
        rows = _lists(get(document, "readings", name), 3)
        if rows:
            found[name] = {(p, t): n for p, t, n in rows if n > 0}
    return {name: pairs for name, pairs in found.items() if pairs}


def _lists(value: object, length: int) -> list[list[float]]:
    """The rows of numbers of a list, at most as many as 40 x 40 pairs."""
    rows = value[:1600] if isinstance(value, list) else []
    found = []
    for row in rows:
        numbers = row if isinstance(row, list) and len(row) == length else []
        read = [get_number({"n": number}, "n") for number in numbers]
        if read and None not in read:
            found.append([number for number in read if number is not None])
    return found


def _unread(document: Document) -> Verdict:
    """Why there is nothing to compare."""
    errors = [error for w in ("predicted", "target") if (error := get_error(document, w))]
    lacking = [error for error in errors if "No module named" in error]
    if lacking:
        return Verdict(
            "no_data", f"The masks could not be read: {lacking[0]}", "Install numpy and pillow."
        )
    if errors:
        return Verdict("fail", f"A mask could not be read: {errors[0]}", "", ENTRIES)
    return Verdict("no_data", "No masks were read.")


def _score_words(pairs: Pairs, base: str) -> str:
    scores = measure_overlap(pairs) if pairs else {}
    if not scores:
        return ""
    each = ", ".join(f"{value:g}: {iou:.2f}" for value, (iou, _) in list(scores.items())[:8])
    return f"Mean IoU {mean_overlap(pairs):.2f} (class {each})."


def _size(mask: _Mask) -> str:
    return " x ".join(map(str, mask.shape)) or "unknown"


def _values(mask: _Mask) -> str:
    shown = ", ".join(f"{value:g}" for value in sorted(mask.values[:6]))
    return shown if mask.distinct <= 6 else f"{shown} … ({mask.distinct:.0f} in all)"


def _facts(document: Document, pairs: Pairs) -> Facts:
    rows: list[tuple[str, str]] = []
    for which, title in (("predicted", "prediction"), ("target", "target")):
        mask = _read(document, which)
        rows.append((title, get_text(document, which, "path")))
        if mask is None:
            rows.append((f"{title}: not read", get_error(document, which)))
            continue
        rows.append((f"{title}: stored as", f"{mask.words}, {_size(mask)}"))
        rows.append((f"{title}: values", _values(mask)))
    scores: Sequence[tuple[float, tuple[float, float]]] = list(measure_overlap(pairs).items())[:20]
    rows.extend((f"class {v:g}", f"IoU {iou:.3f}, Dice {dice:.3f}") for v, (iou, dice) in scores)
    return tuple(rows)
