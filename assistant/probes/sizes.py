"""Cell `sizes`: can the images be halved as often as a U-Net does, and do convolutions keep sizes?

It refuses to know how the document was collected. A pooling layer may be used several times, and
doubling may be a function: then the model halves more often than its layers say.
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
    get_number,
    get_numbers,
)
from assistant.types import Clue, Finding

SOURCE = "layers of the model and form of the batch in your notebook"
TOPIC = "unet-shape-mismatch"
_DIVISIBLE = r"divisible|odd (?:number|size)"
_PADDING = r"padding"
_USUAL = 5  # times that hardly any network halves more often
_MOST = 12


@dataclass(frozen=True, slots=True)
class _Net:
    """How often the layers halve, the sides of the images, and convolutions that shrink them."""

    times: int
    sides: tuple[float, ...]
    convolutions: float
    unpadded: float

    @property
    def needed(self) -> int:
        return int(2**self.times)

    @property
    def fits(self) -> bool:
        return all(side % self.needed == 0 for side in self.sides)

    @property
    def fits_surely(self) -> bool:
        return all(side % 2 ** max(self.times, _USUAL) == 0 for side in self.sides)

    @property
    def words(self) -> str:
        height, width = self.sides
        return f"Images of {height:g} x {width:g} (height x width) are halved {self.times} times"


def interpret_sizes(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    net = _read(document)
    if net is None:
        verdict = Verdict("no_data", "No batch of images was read.")
        return build_finding("sizes", verdict, where=where, source=SOURCE, facts=())
    return build_finding(
        "sizes",
        combine(list(_complaints(net)), healthy=_healthy(net)),
        where=where,
        source=SOURCE,
        facts=_facts(net),
        clues=tuple(_clues(net)),
    )


def _healthy(net: _Net) -> str:
    return f"{net.words}, which leaves no remainder." if net.times else "No layer halves an image."


def _complaints(net: _Net) -> Iterator[Verdict]:
    if net.times and not net.fits:
        height, width = (-side % net.needed for side in net.sides)
        yield Verdict(
            "fail",
            f"{net.words}, but are not divisible by {net.needed}.",
            f"Resize them to a multiple of {net.needed}, or pad {height:g} rows and {width:g} "
            "columns.",
            (TOPIC,),
        )
    if net.unpadded:
        count = f"{net.unpadded:g} of {net.convolutions:g}"
        yield Verdict(
            "warn",
            f"{count} convolutions have no padding: each makes the map smaller.",
            "Give a convolution of 3 x 3 padding=1, or crop before you concatenate.",
            (TOPIC,),
        )


def _clues(net: _Net) -> Iterator[Clue]:
    if net.times and not net.fits:
        text = f"{net.words}, but are not divisible by {net.needed}."
        yield Clue(TOPIC, "confirmed", text, _DIVISIBLE)
    elif net.times and net.fits_surely:
        yield Clue(TOPIC, "ruled_out", f"{net.words} without a remainder.", _DIVISIBLE)
    if net.unpadded:
        text = f"{net.unpadded:g} of {net.convolutions:g} convolutions have no padding."
        yield Clue(TOPIC, "confirmed", text, _PADDING)
    elif net.convolutions:
        text = f"All {net.convolutions:g} convolutions have padding."
        yield Clue(TOPIC, "ruled_out", text, r"without padding")


def _read(document: Document) -> _Net | None:
    shape = get_numbers(document, "shape")
    counts = [
        get_number(document, name) for name in ("halved", "doubled", "convolutions", "unpadded")
    ]
    halved, doubled, convolutions, unpadded = (max(count or 0.0, 0.0) for count in counts)
    if len(shape) not in (3, 4) or min(shape[-2:]) < 1 or None in counts:
        return None
    times = int(min(max(halved, doubled), _MOST))
    return _Net(times, shape[-2:], convolutions, unpadded)


def _facts(net: _Net) -> Facts:
    return (
        ("images: height x width", " x ".join(f"{side:g}" for side in net.sides)),
        ("halved", f"{net.times} times, as far as layers show"),
        ("convolutions without padding", f"{net.unpadded:g} of {net.convolutions:g}"),
    )
