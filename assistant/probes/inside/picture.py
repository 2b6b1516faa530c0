"""Opening one image file, inside a target, within bounds: no link is followed to another source.

Refuses pictures whose pixels would fill the memory, and to read anything but the pixels and size.
"""

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from assistant.probes.inside.shared import Document

# PIL goes by the content, and for some kinds (EPS) it starts another program.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MOST_PIXELS = 64_000_000
MOST_IMAGE_BYTES = 200 << 20


def open_picture(path: str) -> "tuple[Any, Document]":
    """The image as RGB (PIL), turned as its camera says, and what the file says of it."""
    image_module = importlib.import_module("PIL.Image")
    operations = importlib.import_module("PIL.ImageOps")
    if not os.path.isfile(path) or os.path.getsize(path) > MOST_IMAGE_BYTES:
        raise ValueError("it is no file, or larger than any photo")
    with image_module.open(path, formats=PICTURE_FORMATS) as opened:
        facts = {"file": path, "mode": opened.mode, "format": str(opened.format)}
        width, height = opened.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"{width} x {height} pixels are too many for this check")
        picture = operations.exif_transpose(opened).convert("RGB")
    return picture, dict(facts, width=picture.size[0], height=picture.size[1])
