"""Row `image`: what pictures are like before a network sees them.

It refuses to know how the document was collected, and for which network the pictures are: that a
channel is far from ImageNet's is said, and is no fault by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from assistant.types import Clue, Finding

SOURCE = "first bytes of each file; a sample decoded by PIL of this Python"
ENTRIES = ("input-normalization",)
# Mean and deviation of red, green, blue over ImageNet, as torchvision's weights expect them.
IMAGENET = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
_FAR = 0.15  # from ImageNet's mean, in 0..1: another kind of picture
_MOST_PIXELS = 40_000_000  # as in inside/image.py
# ModuleNotFoundError: No module named 'PIL': that says nothing about the picture
_LACKING = re.compile(r"No module named '(?:PIL|numpy)")
_UNREADABLE = {
    "empty": "it is empty (0 bytes)",
    "web page": "it is a web page, saved under the name of a picture",
    "lfs pointer": "it is a Git LFS pointer, a short text in place of the picture",
}


@dataclass(frozen=True, slots=True)
class _Image:
    """One file; `fault` says why it cannot be read, '' if it can."""

    path: str
    format: str
    mode: str
    size: tuple[int, int]
    bits: int
    orientation: int
    dtype: str
    low: float | None
    high: float | None
    fault: str

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]


def interpret_image(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    images = [_read(row) for row in _rows(document)]
    good = [image for image in images if not image.fault]
    complaints = [
        *_unreadable(images),
        *_turned(good),
        *_modes(good),
        *_ranges(good),
        *_huge(good),
    ]
    verdict = combine(complaints, healthy=_healthy_words(good))
    if not images:
        folder = get_text(document, "path") or "the folder"
        verdict = Verdict("no_data", f"There is no picture in {folder}.")
    words = " ".join(filter(None, (verdict.summary, _channel_words(document))))
    verdict = Verdict(verdict.status, words, verdict.next, ENTRIES if images else ())
    return build_finding(
        "image",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document, images),
        clues=tuple(_clues(images)),
    )


def _unreadable(images: Sequence[_Image]) -> Iterator[Verdict]:
    bad = [image for image in images if image.fault]
    if bad:
        share = f"{len(bad)} of {len(images)} pictures" if len(images) > 1 else "The picture"
        yield Verdict(
            "fail",
            f"{share} cannot be read, e.g. {bad[0].path}: {bad[0].fault}.",
            "Download or copy these files again, or leave them out.",
        )


def _turned(images: Sequence[_Image]) -> Iterator[Verdict]:
    turned = [image for image in images if image.orientation > 1]
    if turned:
        yield Verdict(
            "warn",
            f"{_count(len(turned))} turned by a note of the camera (EXIF), e.g. {turned[0].path}: "
            "PIL shows the pixels as they lie, other programs turn them.",
            "Use PIL.ImageOps.exif_transpose(image) right after opening.",
        )


def _modes(images: Sequence[_Image]) -> Iterator[Verdict]:
    counts = Counter(image.mode for image in images if image.mode not in ("", "RGB"))
    if counts:
        shares = ", ".join(f"{count} {_MODE_WORDS.get(m, m)}" for m, count in counts.most_common(4))
        yield Verdict(
            "warn",
            f"Not all pictures have three channels: {shares} of {len(images)}.",
            'Bring them to three channels when you open them: image.convert("RGB").',
        )


def _ranges(images: Sequence[_Image]) -> Iterator[Verdict]:
    deep = [image for image in images if image.bits > 8 or (image.high or 0) > 255]
    if deep:
        yield Verdict(
            "warn",
            f"{_count(len(deep))} stored with more than 8 bits, e.g. {deep[0].path} with values up "
            f"to {deep[0].high or 0:.0f}: ToTensor divides by 255 only for 8 bits.",
            "Divide by the largest value that the format can hold (65535 for 16 bits).",
        )
    flat = [image for image in images if image.low is not None and image.low == image.high]
    if flat:
        yield Verdict(
            "warn",
            f"{_count(len(flat))} of one single value, e.g. {flat[0].path}.",
            "Look at these files: they hold no picture.",
        )
    odd = [image for image in images if _is_off_scale(image)]
    if odd:
        yield Verdict(
            "warn",
            f"{odd[0].path} holds fractions from {odd[0].low or 0:g} to {odd[0].high or 0:g}: "
            "it is not on the scale 0 to 1.",
            "Scale to 0 to 1 and normalise once: normalising a second time shifts everything.",
        )


def _is_off_scale(image: _Image) -> bool:
    is_float = image.dtype.startswith(("<f", ">f", "f"))
    return is_float and ((image.low or 0) < 0 or (image.high or 0) > 1)


def _huge(images: Sequence[_Image]) -> Iterator[Verdict]:
    huge = [image for image in images if image.pixels > _MOST_PIXELS]
    if huge:
        width, height = huge[0].size
        yield Verdict(
            "warn",
            f"{huge[0].path} has {width} x {height} pixels and was not decoded.",
            "Make it smaller before you use it, or read it in parts.",
        )


_MODE_WORDS = {"L": "grey", "RGBA": "with an alpha channel", "P": "with a palette", "1": "of 1 bit",
               "LA": "grey with alpha", "CMYK": "in CMYK", "I;16": "grey of 16 bits"}  # fmt: skip


def _channel_words(document: Document) -> str:
    """Compare the sample's channels with ImageNet's."""
    channels = _channels(document)
    if not channels:
        return ""
    means = ", ".join(f"{mean:.2f}" for mean, _ in channels)
    pairs = zip(channels, IMAGENET, strict=True)
    distance = max(abs(mean - theirs) for (mean, _), (theirs, _) in pairs)
    kind = "far from" if distance > _FAR else "close to"
    return f"The channels' means ({means}) are {kind} ImageNet's (0.49, 0.46, 0.41)."


def _clues(images: Sequence[_Image]) -> Iterator[Clue]:
    bad = [image for image in images if image.fault]
    if bad:
        text = f"{bad[0].path} cannot be read: {bad[0].fault}."
        yield Clue("image-not-read", "confirmed", text, r"corrupt|damaged|truncated|unreadable")
    elif images:
        text = f"{_count(len(images))} there and readable."
        cause = r"corrupt|damaged|truncated|unreadable|does not exist|missing"
        yield Clue("image-not-read", "ruled_out", text, cause)


def _facts(document: Document, images: Sequence[_Image]) -> Facts:
    good = [image for image in images if not image.fault]
    formats = Counter(image.format for image in images if image.format)
    modes = Counter(image.mode or image.dtype for image in good if image.mode or image.dtype)
    lows = [image.low for image in good if image.low is not None]
    highs = [image.high for image in good if image.high is not None]
    channels = zip(("red", "green", "blue"), _channels(document), IMAGENET, strict=False)
    found = get_number(document, "found") or 0.0
    return (
        ("looked at", get_text(document, "path")),
        ("pictures", f"{found:.0f} found, {len(images)} looked at"),
        ("formats", ", ".join(f"{n} {name}" for name, n in formats.most_common(5))),
        ("modes", ", ".join(f"{n} {name}" for name, n in modes.most_common(5))),
        ("sizes", _sizes(good)),
        ("values", f"{min(lows):g} to {max(highs):g}" if lows and highs else ""),
        *(
            (f"{name} (mean, deviation)", f"{m:.3f}, {s:.3f}; ImageNet {im:.3f}, {ist:.3f}")
            for name, (m, s), (im, ist) in channels
        ),
        ("PIL", get_text(document, "pil") or f"not used: {get_error(document, 'pil')}"),
        *[(image.path, image.fault) for image in images if image.fault][:5],
    )


def _rows(document: Document) -> list[Document]:
    value = get(document, "images")
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, dict)]


def _read(row: Document) -> _Image:
    pixels = get_section(row, "pixels")
    width, height = (_whole(row, pixels, name) for name in ("width", "height"))
    return _Image(
        path=get_text(row, "path"),
        format=get_text(row, "format"),
        mode=get_text(pixels, "mode") or get_text(row, "mode"),
        size=(width, height),
        bits=_whole(row, pixels, "bits"),
        orientation=_whole(row, pixels, "orientation"),
        dtype=get_text(row, "dtype"),
        low=get_number(pixels, "low"),
        high=get_number(pixels, "high"),
        fault=_fault(row),
    )


def _whole(row: Document, pixels: Document, name: str) -> int:
    value = get_number(pixels, name) or get_number(row, name)
    return int(value) if value is not None and 0 <= value < 1 << 40 else 0


def _fault(row: Document) -> str:
    kind = get_text(row, "format")
    if kind in _UNREADABLE:
        return _UNREADABLE[kind]
    if get(row, "whole") is False:
        return f"its end is missing ({get_number(row, 'bytes') or 0.0:,.0f} bytes are there)"
    error = get_error(row) or get_error(row, "pixels")
    return "" if _LACKING.search(error) else error


def _channels(document: Document) -> list[tuple[float, float]]:
    value = get(document, "channels")
    rows = value if isinstance(value, list) else []
    found = []
    for row in rows:
        numbers = row if isinstance(row, list) and len(row) == 2 else []
        read = [get_number({"n": number}, "n") for number in numbers]
        if len(read) == 2 and read[0] is not None and read[1] is not None:
            found.append((read[0], read[1]))
    return found if len(found) == 3 else []


def _count(number: int) -> str:
    return "1 picture is" if number == 1 else f"{number} pictures are"


def _sizes(images: Sequence[_Image]) -> str:
    """E.g. '640 x 480', or 'from 32 x 32 to 4000 x 3000'."""
    sizes = sorted({image.size for image in images if image.pixels}, key=lambda s: s[0] * s[1])
    if not sizes:
        return "size unknown"
    first, last = (f"{width} x {height}" for width, height in (sizes[0], sizes[-1]))
    return first if first == last else f"from {first} to {last}"


def _healthy_words(images: Sequence[_Image]) -> str:
    kinds = Counter(image.mode or image.dtype or image.format for image in images)
    kind = "".join(name for name, _ in kinds.most_common(1))
    return f"{_count(len(images))} readable: {_sizes(images)}, {kind or 'kind unknown'}."
