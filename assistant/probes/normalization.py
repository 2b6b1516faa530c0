"""Cell `normalization`: on which scale a batch of images is, and whether its form is the usual one.

It refuses to know how the document was collected, and which weights the batch is for: those of
torchvision want ImageNet's mean and deviation, many ViTs of timm 0.5 and 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from assistant.probes.causes import NORMALIZATION, ONLY_NORMALIZATION
from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_number,
    get_numbers,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "a batch of images in your notebook"
CHANCE, TRANSFER, VIT = "cnn-stuck-at-random", "transfer-learning-not-improving", "vit-accuracy-low"
_ENTRIES = ("input-normalization",)

Scale = Literal["raw", "shrunk", "plain", "half", "standard", "late", "twice", "other"]
# What each scale is, and what to do about it ('' if nothing).
_SCALES: dict[Scale, tuple[str, str]] = {
    "raw": ("still 0 to 255", "Divide by 255 (ToTensor does) and normalise as the weights want."),
    "shrunk": ("divided by 255 twice: hardly above 0", "Scale only once: ToTensor does it."),
    "plain": (
        "0 to 1, not normalised",
        "For pretrained weights add Normalize with their mean and deviation.",
    ),
    "half": ("-1 to 1, as with mean and deviation 0.5", ""),
    "standard": ("as with ImageNet's mean and deviation", ""),
    "late": (
        "far too large: Normalize was applied to 0 to 255",
        "Scale to 0 to 1 (ToTensor) before Normalize.",
    ),
    "twice": ("too wide: normalised twice, it seems", "Keep one Normalize only."),
    "other": ("unusual", "Look at the transforms one by one: print the range after each."),
}


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch as it is. Low and high count nan and infinite values as 0."""

    dtype: str
    shape: tuple[float, ...]
    low: float
    high: float
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    nan: float
    is_equal: bool
    is_channels_last: bool

    @property
    def scale(self) -> Scale:
        """ImageNet's numbers send 0..1 to about -2.1..2.6, and 0..255 to about -2..1200."""
        if self.low >= 0:
            if self.high > 4:
                return "raw"
            return "shrunk" if self.high <= 0.02 else "plain" if self.high <= 1.01 else "other"
        if self.high > 20:
            return "late"
        if self.low < -3.2 or self.high > 4:
            return "twice"
        return "half" if self.low >= -1.01 and self.high <= 1.01 else "standard"

    @property
    def is_wrong(self) -> bool:
        """Whether no network can be expected to work well with this scale."""
        return self.scale in ("raw", "shrunk", "late", "twice")


def interpret_normalization(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    batch = _read(document)
    if batch is None:
        verdict = Verdict("no_data", "No batch was read.")
        return build_finding("normalization", verdict, where=where, source=SOURCE, facts=())
    return build_finding(
        "normalization",
        combine(list(_complaints(batch)), healthy=_seen(batch)),
        where=where,
        source=SOURCE,
        facts=_facts(batch),
        clues=tuple(_clues(batch)),
    )


def _complaints(batch: _Batch) -> Iterator[Verdict]:
    advice = _SCALES[batch.scale][1]
    if advice:
        yield Verdict("fail" if batch.is_wrong else "warn", _seen(batch), advice, _ENTRIES)
    if batch.is_channels_last:
        yield Verdict(
            "fail",
            "The channels come last; PyTorch wants them before height and width.",
            "Turn the batch: images.permute(0, 3, 1, 2).",
        )
    if batch.is_equal:
        yield Verdict(
            "fail",
            "All images of the batch are equal.",
            "Look at the Dataset: __getitem__ must use its index.",
        )
    if batch.nan:
        yield Verdict(
            "fail",
            f"{100 * batch.nan:.2g} % of the values are nan or infinite.",
            "Find the image: nan comes from a division by 0 or from a broken file.",
        )
    if batch.dtype.endswith("float64"):
        yield Verdict("warn", "The batch is float64 (double).", "Use images.float().")


def _clues(batch: _Batch) -> Iterator[Clue]:
    seen = _seen(batch)
    if batch.is_wrong:
        for topic in (CHANCE, TRANSFER, VIT):
            yield Clue(topic, "confirmed", seen, NORMALIZATION)
    elif batch.scale == "plain":
        for topic in (TRANSFER, VIT):  # a network of one's own learns from 0 to 1
            yield Clue(topic, "confirmed", seen, NORMALIZATION)
    elif batch.scale in ("half", "standard") and not batch.nan:
        yield Clue(CHANCE, "ruled_out", seen, ONLY_NORMALIZATION)
        if batch.scale == "standard":
            yield Clue(TRANSFER, "ruled_out", seen, ONLY_NORMALIZATION)
    if batch.is_equal:
        text = "All images of the batch are equal."
        yield Clue(CHANCE, "confirmed", text, r"images and labels")
    if batch.nan:
        yield Clue("loss-nan", "confirmed", "The batch holds nan.", r"data (?:hold|contain)s? nan")
    if batch.dtype.endswith(("float64", "uint8")):
        text = f"The batch is {batch.dtype.removeprefix('torch.')}."
        yield Clue("dtype-mismatch", "confirmed", text, r"\bdouble\b|64-bit|uint8|dtypes|formats")


def _read(document: Document) -> _Batch | None:
    low, high = get_number(document, "low"), get_number(document, "high")
    if low is None or high is None:
        return None
    return _Batch(
        dtype=get_text(document, "dtype"),
        shape=get_numbers(document, "shape"),
        low=low,
        high=high,
        means=get_numbers(document, "mean")[:4],
        deviations=get_numbers(document, "std")[:4],
        nan=get_number(document, "nan") or 0.0,
        is_equal=get(document, "equal") is True,
        is_channels_last=get(document, "channels_last") is True,
    )


def _seen(batch: _Batch) -> str:
    what = _SCALES[batch.scale][0]
    return f"The images are {what} (values from {batch.low:.3g} to {batch.high:.3g})."


def _facts(batch: _Batch) -> Facts:
    channels = zip(batch.means, batch.deviations, strict=False)
    return (
        ("batch: stored as", f"{batch.dtype}, {' x '.join(f'{n:g}' for n in batch.shape)}"),
        ("batch: range", f"{batch.low:.3g} to {batch.high:.3g}"),
        ("batch: mean and deviation", "; ".join(f"{m:.2f} and {s:.2f}" for m, s in channels)),
    )
