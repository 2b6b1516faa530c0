"""Cell `labels`: do the labels fit the number of outputs, and what is odd about them?

It refuses to know how the document was collected, and what the classes mean. For a mask each pixel
is a label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.causes import FEW_PIXELS, LABELS, SMOOTH, VALUES
from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get_number,
    get_numbers,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "a batch of labels in your notebook, and the last layer of the model"
IOU, CHANCE, RANGE = "iou-zero", "cnn-stuck-at-random", "label-out-of-range"
# "Wrong class indexing", "the classes are off by one", "labels start at 1"
NUMBERING = r"class (?:index|number(?:ing|s differ))|off by one|labels? start"
_IGNORED = -100.0  # cross-entropy's default ignore_index
_BORDER = 255.0
_SHARE = 0.9  # of the labels: one class says nearly everything
_RARE = 0.02
_FEW = 8  # labels from which a share says anything


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels with what is to be ignored taken out; `outputs` is None if unknown."""

    dtype: str
    shape: tuple[float, ...]
    values: tuple[float, ...]
    distinct: float
    low: float
    high: float
    most: float
    share: float
    outputs: float | None
    layer: str

    @property
    def is_shares(self) -> bool:
        """One number per class for each sample: one-hot, or soft labels."""
        wide = len(self.shape) == 2 and self.shape[1] > 1 and self.shape[1] == self.outputs
        return wide and self.low >= 0 and self.high <= 1

    @property
    def is_mask(self) -> bool:
        return len(self.shape) > 2 or (len(self.shape) == 2 and min(self.shape) >= 16)

    @property
    def classes(self) -> float | None:
        """How many class numbers the outputs can name; one output tells 0 from 1."""
        return max(self.outputs, 2.0) if self.outputs is not None else None

    @property
    def is_white(self) -> bool:
        """A mask file of black and white, as it was stored."""
        return _BORDER in self.values and self.distinct == 2 and 0.0 in self.values

    @property
    def is_smooth(self) -> bool:
        """More values than there are classes, up to a grey of a picture."""
        many = self.distinct > max(self.classes or 0.0, 8.0)
        return self.is_mask and many and self.low >= 0 and self.high <= _BORDER


def interpret_labels(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    labels = _read(document)
    if labels is None:
        verdict = Verdict("no_data", "No labels were read.")
        return build_finding("labels", verdict, where=where, source=SOURCE, facts=())
    healthy = f"The labels go from {labels.low:g} to {labels.high:g}; {_outputs(labels)}."
    return build_finding(
        "labels",
        combine(list(_complaints(labels)), healthy=healthy),
        where=where,
        source=SOURCE,
        facts=_facts(labels),
        clues=tuple(_clues(labels)),
    )


def _complaints(labels: _Labels) -> Iterator[Verdict]:
    if labels.is_shares:
        return
    yield from _range(labels)
    if labels.dtype.startswith("torch.float") and (labels.outputs or 2) > 1:
        yield Verdict(
            "warn",
            f"The labels are {labels.dtype.removeprefix('torch.')}, no whole numbers.",
            "Cross-entropy wants class numbers: labels = labels.long().",
        )
    size = _count(labels.shape)
    if labels.share > _SHARE and size >= _FEW:
        what = "pixels" if labels.is_mask else "labels"
        yield Verdict(
            "warn",
            f"{100 * labels.share:.3g} % of the {what} are class {labels.most:g}.",
            "Add Dice loss or class weights, so that the rare class counts."
            if labels.is_mask
            else "Check that the loader shuffles (shuffle=True) and that each class has images.",
            (IOU,) if labels.is_mask else (CHANCE,),
        )


def _range(labels: _Labels) -> Iterator[Verdict]:
    classes = labels.classes
    if classes is None or _is_inside(labels):
        return
    known = f"{_outputs(labels)}, so that labels must go from 0 to {classes - 1:g}"
    if labels.is_white:
        yield Verdict(
            "fail",
            f"The masks hold 0 and 255; {known}.",
            "Bring them to 0 and 1: masks = (masks > 127).long().",
            (IOU,),
        )
    elif labels.is_smooth:
        yield Verdict(
            "fail",
            f"The masks hold {labels.distinct:.0f} different values up to {labels.high:g}: they "
            "were resized with smooth interpolation, saved as JPEG, or never turned into class "
            f"numbers; {known}.",
            "Resize masks with the mode NEAREST, save them as PNG.",
            (IOU,),
        )
    elif labels.low < 0:
        yield Verdict(
            "fail",
            f"There is a label of {labels.low:g}; {known}.",
            "Correct it, or give its number to the loss as ignore_index.",
        )
    elif labels.high == _BORDER and max(_inner(labels), default=0.0) < classes:
        yield Verdict(
            "warn",
            f"Besides classes the masks hold 255, which often marks borders; {known}.",
            "Tell the loss to leave it out: CrossEntropyLoss(ignore_index=255).",
        )
    else:
        yield Verdict(
            "fail",
            f"The labels go from {labels.low:g} to {labels.high:g}; {known}.",
            "Subtract 1 from the labels."
            if labels.low >= 1 and labels.high == classes
            else f"Give the last layer {labels.high + 1:g} outputs, or correct the labels.",
            (CHANCE,),
        )


def _clues(labels: _Labels) -> Iterator[Clue]:
    seen = f"The labels hold {_values(labels)}; {_outputs(labels)}."
    known = labels.classes is not None and not labels.is_shares
    if known and not _is_inside(labels):  # that one batch is sound says nothing of the others
        yield Clue(RANGE, "confirmed", seen, LABELS)
        if not labels.is_mask:
            yield Clue(CHANCE, "confirmed", seen, LABELS)
        elif labels.high < _BORDER and not labels.is_smooth:
            yield Clue(IOU, "confirmed", seen, NUMBERING)
    if not labels.is_mask:
        return
    if labels.is_white or _BORDER not in labels.values:
        yield Clue(IOU, "confirmed" if labels.is_white else "ruled_out", seen, VALUES)
    if labels.classes is not None:
        yield Clue(IOU, "confirmed" if labels.is_smooth else "ruled_out", seen, SMOOTH)
    rare = 1 - labels.share
    if labels.most == 0 and 0 < rare < _RARE:
        text = f"All that is not background covers {100 * rare:.2g} % of the pixels."
        yield Clue(IOU, "confirmed", text, FEW_PIXELS)
    elif rare > 0.2:
        text = f"Only {100 * labels.share:.0f} % of the pixels are class {labels.most:g}."
        yield Clue(IOU, "ruled_out", text, FEW_PIXELS)


# --- reading -------------------------------------------------------------------------------------


def _read(document: Document) -> _Labels | None:
    low, high = get_number(document, "low"), get_number(document, "high")
    values = get_numbers(document, "values")
    if low is None or high is None:
        return None
    if low == _IGNORED and len(values) > 1:
        values = values[1:]
        low = values[0]
    return _Labels(
        dtype=get_text(document, "dtype"),
        shape=get_numbers(document, "shape"),
        values=values,
        distinct=get_number(document, "distinct") or 1.0,
        low=low,
        high=high,
        most=get_number(document, "most") or 0.0,
        share=get_number(document, "share") or 0.0,
        outputs=get_number(document, "outputs"),
        layer=get_text(document, "layer"),
    )


def _is_inside(labels: _Labels) -> bool:
    return labels.low >= 0 and labels.classes is not None and labels.high < labels.classes


def _inner(labels: _Labels) -> tuple[float, ...]:
    return tuple(value for value in labels.values if value != _BORDER)


def _count(shape: tuple[float, ...]) -> float:
    count = 1.0
    for size in shape:
        count *= size
    return count


def _outputs(labels: _Labels) -> str:
    if labels.outputs is None:
        return "how many outputs the model has is not known"
    layer = f" ({labels.layer})" if labels.layer else ""
    word = "output" if labels.outputs == 1 else "outputs"
    return f"the model{layer} has {labels.outputs:g} {word}"


def _values(labels: _Labels) -> str:
    shown = ", ".join(f"{value:g}" for value in labels.values[:8])
    return shown if labels.distinct <= 8 else f"{shown} … ({labels.distinct:.0f} in all)"


def _facts(labels: _Labels) -> Facts:
    return (
        ("labels: stored as", f"{labels.dtype}, {' x '.join(f'{n:g}' for n in labels.shape)}"),
        ("labels: values", _values(labels)),
        ("labels: most frequent", f"{labels.most:g} ({100 * labels.share:.3g} %)"),
        ("outputs", _outputs(labels)),
    )
