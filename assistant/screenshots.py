"""Screenshots to text: Pillow opens them, RapidOCR reads them, offline and on the processor.

The one home of both. Opens PNG and JPEG only, and nothing larger than a screen: the size is read
from the first bytes, before any pixel is made. Refuses to know what the text says.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from rapidocr_onnxruntime import RapidOCR

from assistant.errors import InputError
from assistant.inputs import CleanText, clean_text
from assistant.screen_text import Piece, screen_text

MAX_PIXELS = 24_000_000  # a 4K screen has 8.3 million
_MAX_SIDE = 20_000
_DETECT_SIDE = 2000  # pixels; lines are looked for in a smaller picture, read in the whole one
_MOST_PIECES = 90  # from the bottom: what failed stands last
_LEAST_SCORE = 0.5
_PASTE = "Copy the error as text instead: select it in the notebook or terminal and paste it."
Stretch = tuple[int, int]
_DAMAGED = (
    ImportError,  # ultralytics, once imported, answers a broken picture by wanting a package
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class ScreenshotReader:
    """Reads one picture at a time; the models (in the package) are loaded with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: RapidOCR | None = None

    def __call__(self, data: bytes, *, name: str) -> CleanText:
        """Return the text on a PNG or JPEG. Raises InputError, one line, if there is none."""
        picture = open_picture(data, name=name)
        with self._lock:
            if self._engine is None:
                self._engine = RapidOCR(use_cls=False)
            pieces, left_out = _read_pieces(self._engine, picture)
        text = screen_text(pieces)
        if not text.strip():
            raise InputError(f"No text was found on the picture {name}.", hint=_PASTE)
        notices = ["This text was read from a picture; compare it with the picture."]
        if left_out:
            notices.append("The picture holds much text; its last lines were read.")
        clean = clean_text(text)
        return CleanText(clean.text, (*notices, *clean.notices))


def open_picture(data: bytes, *, name: str) -> np.ndarray:
    """Return the pixels [height, width, 3], blue first, on white where it is transparent.

    Raises InputError for what is no sound PNG or JPEG or has too many pixels.
    """
    try:
        with warnings.catch_warnings():  # ours is the one line that is said
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        with image:
            width, height = image.size
            if width * height > MAX_PIXELS or max(width, height) > _MAX_SIDE:
                raise InputError(
                    f"{name} has {width} x {height} pixels, more than a screenshot has "
                    f"(at most {MAX_PIXELS // 1_000_000} million are read).",
                    hint="Cut out the part with the error, or paste the error as text.",
                )
            whole = image.convert("RGBA")
    except _DAMAGED as error:
        raise InputError(f"{name} is not a sound PNG or JPEG picture.", hint=_PASTE) from error
    page = Image.new("RGBA", whole.size, "white")
    page.alpha_composite(whole)
    return np.ascontiguousarray(np.asarray(page.convert("RGB"))[:, :, ::-1])


def _read_pieces(engine: RapidOCR, picture: np.ndarray) -> tuple[list[Piece], bool]:
    """The runs of text on the picture, and whether some above them were left out."""
    height, width = picture.shape[:2]
    ratio = min(1.0, _DETECT_SIDE / max(height, width))
    small = picture
    if ratio < 1:
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        resized = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
        small = np.ascontiguousarray(np.asarray(resized))
    boxes, _ = engine.text_det(small)
    if boxes is None or not len(boxes):
        return [], False
    ordered = np.array(engine.sorted_boxes(np.array(boxes)), dtype=np.float32) / ratio
    lines = _merge(_merge(ordered))  # twice: the middle one of three may come last
    kept = _widen(lines[-_MOST_PIECES:])
    crops = engine.get_crop_img_list(picture, kept)
    recognised, _ = engine.text_rec(crops, True)
    return list(_iter_pieces(kept, crops, recognised)), len(kept) < len(lines)


_NEAR = 1.5  # of a line's height: words that are no farther apart are read together


def _merge(boxes: np.ndarray) -> np.ndarray:
    """One box for neighbouring boxes of a level line; a recogniser needs the words around."""
    merged: list[np.ndarray] = []
    for box in boxes[np.argsort(boxes[:, :, 1].mean(axis=1), kind="stable")]:
        height = box[3, 1] - box[0, 1]
        for number in range(len(merged) - 1, max(-1, len(merged) - 8), -1):
            other = merged[number]
            gap = max(box[:, 0].min() - other[:, 0].max(), other[:, 0].min() - box[:, 0].max())
            apart = abs(box[:, 1].mean() - other[:, 1].mean())
            if apart < 0.3 * height and gap < _NEAR * height and _is_level(box, other):
                merged[number] = _around(box, other)
                break
        else:
            merged.append(box)
    return np.array(merged, dtype=np.float32)


def _is_level(*boxes: np.ndarray) -> bool:
    return all(abs(box[1, 1] - box[0, 1]) < 0.25 * (box[3, 1] - box[0, 1]) for box in boxes)


def _around(box: np.ndarray, other: np.ndarray) -> np.ndarray:
    both = np.concatenate([box, other])
    (left, top), (right, bottom) = both.min(axis=0), both.max(axis=0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


_ROOM = (0.45, 0.12)  # of a line's height, beside and below it: closing quotes and underscores


def _widen(boxes: np.ndarray) -> np.ndarray:
    """The boxes (four corners each, clockwise) with some room, as they cut off thin signs."""
    height = np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1)[:, None]
    along = boxes[:, 1] - boxes[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=1), 1.0)[:, None]
    down = boxes[:, 3] - boxes[:, 0]
    down /= np.maximum(np.linalg.norm(down, axis=1), 1.0)[:, None]
    aside, below = _ROOM[0] * height * along, _ROOM[1] * height * down
    corners = (-aside, aside, aside + below, below - aside)
    moved = boxes + np.stack(corners, axis=1)
    return np.ascontiguousarray(np.maximum(moved, 0.0), dtype=np.float32)


def _iter_pieces(
    boxes: np.ndarray, crops: list[np.ndarray], recognised: list[tuple[str, float, list[Any]]]
) -> Iterator[Piece]:
    for box, crop, (_, score, details) in zip(boxes, crops, recognised, strict=True):
        steps, words, columns = details[:3]
        text = "".join(sign for word in words for sign in word)
        if not text or score < _LEAST_SCORE:
            continue
        scale, left = crop.shape[1] / float(steps), float(box[0][0])
        blanks, lows = _find_blanks(crop)
        yield Piece(
            text,
            tuple(left + (column + 0.5) * scale for word in columns for column in word),
            tuple((left + start, left + end) for start, end in blanks),
            tuple((left + start, left + end) for start, end in lows),
            float(box[:, 1].min()),
            float(box[:, 1].max()),
        )


_INK = 0.3  # of the difference between text and ground
_LOW = 0.75  # of the height of the letters: below it only underscores and the like


def _find_blanks(crop: np.ndarray) -> tuple[list[Stretch], list[Stretch]]:
    """The stretches of columns (from, to) between ink that are empty, and the low ones."""
    grey = crop.astype(np.float32).mean(axis=2)
    difference = np.abs(grey - np.median(grey))
    ink = difference > _INK * np.percentile(difference.max(axis=0), 90)
    rows = np.flatnonzero(ink.any(axis=1))
    if not len(rows):
        return [], []
    base = round(rows[0] + _LOW * (rows[-1] - rows[0]))
    blank, empty_above = ~ink.any(axis=0), ~ink[:base].any(axis=0)
    between = [(s, e) for s, e in _stretches(blank) if s > 0 and e < crop.shape[1]]
    return between, list(_stretches(empty_above & ~blank))


def _stretches(columns: np.ndarray) -> Iterator[Stretch]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], columns.astype(np.int8), [0]])))
    yield from ((int(start), int(end)) for start, end in edges.reshape(-1, 2))
