"""What the first bytes of a picture or an array say, inside a target: size, kind, turn. No pixels.

Written with the standard library alone, so that it works without PIL, and so that a picture of
absurd size is known before anything decodes it. Refuses to judge.
"""

import ast
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from assistant.probes.inside.checkpoint_file import open_plain
    from assistant.probes.inside.shared import Document

PNG_START, JPEG_START, NPY_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\x93NUMPY"
PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
JPEG_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
EXIF_ORIENTATION = 0x0112


def read_picture_header(path: str) -> "Document":
    """Format, and as far as the bytes tell: width, height, mode, bits, orientation, whole."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(1 << 16)
        file.seek(max(0, size - 4096))
        tail = file.read(4096)
    found = {"bytes": size, "format": "unknown"}
    if not head:
        return dict(found, format="empty", whole=False)
    if head.startswith(PNG_START):
        return dict(found, format="PNG", whole=b"IEND" in tail, **read_png(head))
    if head.startswith(JPEG_START):
        return dict(found, format="JPEG", whole=b"\xff\xd9" in tail, **read_jpeg(head, path))
    if head.startswith(NPY_START):
        return dict(found, format="NPY", **read_npy(head))
    if head.lstrip()[:1] == b"<" and b"<svg" not in head[:2000]:
        return dict(found, format="web page", whole=False)
    if head.startswith(b"version https://git-lfs"):
        return dict(found, format="lfs pointer", whole=False)
    return found


def read_png(head: bytes) -> "Document":
    """The first block of a PNG."""
    if len(head) < 26 or head[12:16] != b"IHDR":
        return {}
    width, height, bits, color = struct.unpack(">IIBB", head[16:26])
    return {"width": width, "height": height, "bits": bits, "mode": PNG_MODES.get(color, "?")}


def read_jpeg(head: bytes, path: str) -> "Document":
    """Follow the blocks of a JPEG up to the one that tells its size."""
    found: Document = {}
    with open_plain(path) as file:
        at = 2
        for _ in range(200):
            file.seek(at)
            block = file.read(10)
            if len(block) < 10 or block[0] != 0xFF:
                return found
            marker, length = block[1], struct.unpack(">H", block[2:4])[0]
            if marker == 0xE1 and block[4:8] == b"Exif":
                found["orientation"] = read_orientation(head[at + 10 : at + 2 + length])
            if marker in JPEG_FRAMES:
                bits, height, width = struct.unpack(">BHH", block[4:9])
                mode = JPEG_MODES.get(block[9], "?")
                return dict(found, width=width, height=height, bits=bits, mode=mode)
            at += 2 + length
    return found


def read_orientation(data: bytes) -> "int | None":
    """How the camera was held, 1..8 (1: upright), from the first table of an Exif block."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 8:
        return None
    start = struct.unpack(order + "I", data[4:8])[0]
    rows = data[start : start + 2]
    count = struct.unpack(order + "H", rows)[0] if len(rows) == 2 else 0
    for number in range(min(count, 100)):
        row = data[start + 2 + 12 * number : start + 14 + 12 * number]
        if len(row) == 12 and struct.unpack(order + "H", row[:2])[0] == EXIF_ORIENTATION:
            return int(struct.unpack(order + "H", row[8:10])[0])
    return None


def read_npy(head: bytes) -> "Document":
    """The description of a NumPy array; it is a Python literal and is read as one."""
    wide = head[6:7] != b"\x01"
    length, start = (
        struct.unpack("<I", head[8:12])[0] if wide else struct.unpack("<H", head[8:10])[0],
        12 if wide else 10,
    )
    if length > 10_000:
        raise ValueError("the description of the array is longer than any array needs")
    said = ast.literal_eval(head[start : start + length].decode("latin-1").strip())
    kind = said["descr"] if isinstance(said["descr"], str) else "structured"
    shape = [int(n) for n in said["shape"]][:8]
    return {"shape": shape, "dtype": kind, "objects": "O" in kind, "start": start + length}


def pixels_of(header: "Document") -> int:
    """Width times height, 0 if unknown."""
    return int(header.get("width") or 0) * int(header.get("height") or 0)


def load_array(path: str, header: "Document", most_bytes: int) -> "Any":
    """A NumPy array from an .npy file, never unpickled, read from the disk only where needed."""
    import importlib

    numpy = importlib.import_module("numpy")
    if header.get("objects"):
        raise ValueError("the array holds Python objects, which are not unpickled here")
    array = numpy.load(path, mmap_mode="r", allow_pickle=False)
    if array.nbytes > most_bytes:
        raise ValueError(f"the array of {array.nbytes} bytes is too large for this check")
    return array
