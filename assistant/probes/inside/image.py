"""Row `image`, inside a target: pictures of one folder, or one picture, as they lie on the disk.

A sample of them is decoded if PIL is there and the picture is not too large; otherwise only their
first bytes are read. Nothing is turned, resized or written. Refuses to judge.
"""

import importlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from assistant.probes.inside.picture import PICTURE_FORMATS
    from assistant.probes.inside.picture_header import (
        EXIF_ORIENTATION,
        load_array,
        pixels_of,
        read_picture_header,
    )
    from assistant.probes.inside.shared import Document, guarded

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".npy")
MOST_PICTURES_LISTED, MOST_PICTURES_READ, MOST_PICTURE_ENTRIES = 5000, 48, 20_000
MOST_PICTURE_PIXELS, MOST_PICTURE_ARRAY, PICTURE_SECONDS = 40_000_000, 256 << 20, 8.0


def collect_image(order: "Mapping[str, Any]") -> "Document":
    """The picture, or an even sample of the folder, and the channels of all of them together."""
    path = str(order["parameters"]["image"])
    is_folder = os.path.isdir(path)
    paths = sorted(find_pictures(path)) if is_folder else [path]
    step = max(1, len(paths) // MOST_PICTURES_READ)
    sums = ChannelSums()
    end = time.monotonic() + PICTURE_SECONDS
    images = []
    for one in paths[::step][:MOST_PICTURES_READ]:
        if time.monotonic() > end:
            break
        images.append(dict(guarded(partial(read_picture, one, sums)), path=one))
    return {
        "path": path,
        "is_folder": is_folder,
        "found": len(paths),
        "images": images,
        "pil": guarded(lambda: str(importlib.import_module("PIL").__version__)),
        "channels": sums.channels(),
    }


def find_pictures(folder: str) -> "Iterator[str]":
    """Pictures in a folder and below, four deep; linked folders are not entered."""
    entries = listed = 0
    for place, folders, files in os.walk(folder):
        deep = place[len(folder) :].count(os.sep) >= 4
        folders[:] = [] if deep else sorted(n for n in folders if not n.startswith("."))
        for name in sorted(files):
            path = os.path.join(place, name)
            entries += 1
            if entries > MOST_PICTURE_ENTRIES or listed >= MOST_PICTURES_LISTED:
                return
            if name.lower().endswith(PICTURE_ENDINGS) and is_picture_file(path, folder):
                listed += 1
                yield path


def is_picture_file(path: str, folder: str) -> bool:
    """A plain file; a link only if it leads to one below the same folder."""
    real = os.path.realpath(path)
    return os.path.isfile(real) and real.startswith(os.path.realpath(folder) + os.sep)


def read_picture(path: str, sums: "ChannelSums") -> "Document":
    """What the file says of itself, and what its pixels say."""
    header = read_picture_header(path)
    if header["format"] == "NPY":
        return dict(header, pixels=guarded(partial(read_array_values, path, header)))
    if header.get("whole") is False or pixels_of(header) > MOST_PICTURE_PIXELS:
        return header
    return dict(header, pixels=guarded(partial(read_pixels, path, sums)))


def read_pixels(path: str, sums: "ChannelSums") -> "Document":
    """Decode with PIL. Raises what PIL raises for a damaged file."""
    image_module = importlib.import_module("PIL.Image")
    with image_module.open(path, formats=PICTURE_FORMATS) as image:
        found = {"mode": image.mode, "width": image.size[0], "height": image.size[1]}
        if image.size[0] * image.size[1] > MOST_PICTURE_PIXELS:
            return found
        found["orientation"] = guarded(lambda: image.getexif().get(EXIF_ORIENTATION))
        bands = image.getextrema()
        pairs = bands if isinstance(bands[0], tuple) else (bands,)
        found["low"] = min(float(low) for low, _ in pairs)
        found["high"] = max(float(high) for _, high in pairs)
        if image.mode in ("L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "YCbCr"):
            sums.add(image.convert("RGB").histogram())
    return found


def read_array_values(path: str, header: "Document") -> "Document":
    """Smallest, largest and mean value of a NumPy array."""
    array = load_array(path, header, MOST_PICTURE_ARRAY)
    low, high, mean = float(array.min()), float(array.max()), float(array.mean(dtype="float64"))
    return {"low": low, "high": high, "mean": mean}


class ChannelSums:
    """Counts of the 256 values of each channel, over all pictures."""

    def __init__(self) -> None:
        self.counts = [0] * 768

    def add(self, histogram: "Sequence[int]") -> None:
        """One picture in RGB."""
        self.counts = [a + b for a, b in zip(self.counts, histogram)]

    def channels(self) -> "list[list[float]]":
        """Mean and standard deviation of red, green and blue, in 0..1; [] without pictures."""
        found = []
        for counts in (self.counts[:256], self.counts[256:512], self.counts[512:]):
            total = sum(counts)
            if not total:
                return []
            mean = sum(value * count for value, count in enumerate(counts)) / total
            square = sum(value * value * count for value, count in enumerate(counts)) / total
            found.append([mean / 255, max(square - mean * mean, 0.0) ** 0.5 / 255])
        return found
