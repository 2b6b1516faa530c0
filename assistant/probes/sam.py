"""Row `sam`: does a checkpoint segment an image when it is asked with a proper point and box?

It refuses to know how the document was collected. If a proper prompt gives masks, the checkpoint
and the image are not to blame for empty ones; if it gives none, the prompt is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    get,
    get_error,
    get_number,
    get_rows,
    get_section,
    get_text,
)
from assistant.types import Clue, Finding, Ruling

SOURCE = "SamPredictor with one point in the middle and one box, in pixels, on the given image"
_ENTRIES = ("sam-empty-masks",)
_EMPTY = 0.0005  # share of the image below which a mask is as good as none
_MASK_BATCH = 64 * 3 * 4  # bytes for each pixel: 64 points, 3 masks, float32, at the image's size
_PROMPT = r"prompts?\b.{0,60}(?:format|shape|correct|wrong)"
_FILE = r"checkpoint|weights? file|download"
_PICTURE = r"high[- ]resolution|original\W{0,3} size|large image|image (?:is )?too large"


def interpret_sam(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict, clues = _judge(document)
    return build_finding(
        "sam",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document),
        clues=(*clues, *_memory_clues(document)),
    )


def _judge(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    if get(document, "package", "found") is not True:
        return Verdict("no_data", "segment_anything is not installed in this Python."), ()
    if error := get_error(document, "image"):
        advice = "Choose an image file that opens in a viewer."
        return Verdict("fail", f"The image cannot be read: {error}", advice), ()
    if get_section(document, "model", "failed"):
        return _failed(document)
    point, boxed = _shares(document, "point"), _shares(document, "box")
    if not point or not boxed:
        return Verdict("no_data", "SAM was not asked."), ()
    if max(point) >= _EMPTY and max(boxed) >= _EMPTY:
        return _works(document, max(point), max(boxed))
    which = "point and box" if max(point) < _EMPTY and max(boxed) < _EMPTY else "one of the prompts"
    words = f"Even a proper prompt in pixels gives an empty mask here ({which})."
    advice = "The prompt's form is not to blame: take another image, and the official checkpoint."
    return Verdict("warn", words, advice, _ENTRIES), _prompt_clues("ruled_out", words)


def _works(document: Document, point: float, boxed: float) -> tuple[Verdict, tuple[Clue, ...]]:
    words = (
        f"{_file(document)} segments this image when asked in pixels: the point's largest mask "
        f"covers {point:.1%}, the box's {boxed:.1%}."
    )
    advice = (
        "If your masks are empty, compare your prompts: (x, y) in pixels of the image given to "
        "`set_image`, boxes as left, top, right, bottom, label 1 for the object."
    )
    clues = (
        *_prompt_clues("confirmed", f"{words} What is left is how it is asked."),
        Clue("unusable-file", "ruled_out", f"{_file(document)} is complete and loads.", _FILE),
    )
    named, held = (get_text(document, "model", name) for name in ("named", "type"))
    if named and named != held:
        words = f"{_file(document)} is called {named}, but holds a {held}. {words}"
        mixed = Clue("state-dict-load", "confirmed", words, r"another size|another architecture")
        return Verdict("warn", words, f'Load it as `sam_model_registry["{held}"]`.'), (
            *clues,
            mixed,
        )
    return Verdict("ok", words, advice), clues


def _prompt_clues(ruling: Ruling, words: str) -> tuple[Clue, ...]:
    """On messages about prompts, and on the entry without any message."""
    return tuple(Clue(topic, ruling, words, _PROMPT) for topic in ("sam-prompt", *_ENTRIES))


def _failed(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    """Say at which step it ended; a file that cannot be read is a cause by itself."""
    kind = get_text(document, "model", "failed", "kind")
    said = get_text(document, "model", "failed", "text")
    if kind == "OldTorch":
        words = (
            f"{_file(document)} was not opened: with {said} the file could run code while it is "
            "read (CVE-2025-32434, mended in torch 2.6)."
        )
        return Verdict("refused", words, "Update torch to 2.6 or later, then check again."), ()
    if kind == "NoRoom":
        needed = get_number(document, "model", "needed") or 0
        words = f"SAM was not started: it may take {as_gib(needed)}, and {_left(document)}."
        advice = "Shut down kernels that you need no more, or take the smaller vit_b."
        return Verdict("warn", words, advice), ()
    if "out of memory" in said.lower() or kind in ("OutOfMemoryError", "MemoryError"):
        words = f"SAM ran out of memory: {said}"
        return Verdict("fail", words, "Take the smaller vit_b, or free memory first."), ()
    step = get_text(document, "model", "step")
    if step == "predict":
        return Verdict("fail", f"SAM fails while it predicts: {kind} {said}"), ()
    words = f"{_file(document)} is no usable SAM checkpoint: {kind} {said}"
    advice = "Delete it and download it again; compare its size with the official one."
    clue = Clue("unusable-file", "confirmed", words, r"broke off|damaged|truncated|error page")
    return Verdict("fail", words, advice), (clue,)


def _memory_clues(document: Document) -> Iterator[Clue]:
    """Whether masks at the image's own size would fill the memory; calculated, not measured.

    The encoder always works at 1024 pixels; the automatic generator keeps 192 masks at full size.
    """
    width, height = (get_number(document, "image", name) for name in ("width", "height"))
    left = get_number(document, "available")
    if not width or not height or not left or left <= 0:
        return
    size = width * height * _MASK_BATCH
    words = (
        f"The automatic generator's masks of a {width:.0f} x {height:.0f} image take "
        f"{as_gib(size)} at a time (calculated); {_left(document)}."
    )
    if size > left / 2:
        yield Clue("out-of-memory", "confirmed", words, _PICTURE)
    elif size < left / 10:
        yield Clue("out-of-memory", "ruled_out", words, _PICTURE)


def _shares(document: Document, name: str) -> list[float]:
    """The shares of the image that the masks of a prompt cover, between 0 and 1."""
    values = [get_number(row, "share") for row in get_rows(document, "model", name)]
    return [value for value in values if value is not None and 0 <= value <= 1]


def _left(document: Document) -> str:
    left = get_number(document, "available")
    return f"{as_gib(left)} are free" if left is not None else "free memory is unknown"


def _file(document: Document) -> str:
    return os.path.basename(get_text(document, "checkpoint", "file")) or "The file"


def _facts(document: Document) -> Facts:
    size = get_number(document, "checkpoint", "bytes")
    peak, encode = (get_number(document, "model", name) for name in ("peak", "encode_seconds"))
    file = get_text(document, "checkpoint", "file")
    width, height = get_text(document, "image", "width"), get_text(document, "image", "height")
    return (
        ("python", get_text(document, "executable")),
        ("checkpoint", f"{file}{f', {as_gib(size)}' if size else ''}"),
        ("model type by its keys", get_text(document, "model", "type")),
        ("model type by its name", get_text(document, "model", "named")),
        ("image", f"{width} x {height}, {get_text(document, 'image', 'mode')}" if width else ""),
        ("one point", _masks(document, "point")),
        ("one box", _masks(document, "box")),
        ("ran on", _place(document)),
        ("most memory", as_gib(peak) if peak else ""),
        ("time for the image", f"{encode:.1f} s" if encode is not None else ""),
    )


def _masks(document: Document, name: str) -> str:
    parts = [
        f"{share:.1%} of the image (score {get_number(row, 'score') or 0:.2f})"
        for row, share in zip(
            get_rows(document, "model", name)[:3], _shares(document, name)[:3], strict=False
        )
    ]
    return ", ".join(parts)


def _place(document: Document) -> str:
    if get(document, "model", "place", "device") == "cuda":
        return get_text(document, "model", "place", "gpu") or "the GPU"
    return "the CPU" if get_section(document, "model", "place") else ""
