"""Small files to time rows on: a picture, two masks, a table of weights, of plain numbers.

It refuses to know what a row makes of them, and any package: it writes bytes.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

_SIDE = 64


def write_samples(folder: Path) -> dict[str, dict[str, str]]:
    """Write the files into `folder`; return by row id the parameters that name them."""
    files = {
        "photo.png": _png(channels=3),
        "predicted.png": _png(channels=1),
        "target.png": _png(channels=1),
        "weights.safetensors": _safetensors(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {
        "image": {"image": str(folder / "photo.png")},
        "mask": {
            "predicted": str(folder / "predicted.png"),
            "target": str(folder / "target.png"),
        },
        "checkpoint-keys": {
            "file": str(folder / "weights.safetensors"), "architecture": "any", "classes": "0",
        },
    }  # fmt: skip


def _png(*, channels: int) -> bytes:
    """A picture of 8 bits: rows of 0, 1, 0, 1, …"""
    kind = {1: 0, 3: 2}[channels]
    row = bytes([0]) + bytes(column % 2 for column in range(_SIDE) for _ in range(channels))
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(row * _SIDE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _safetensors() -> bytes:
    head = {"fc.weight": {"dtype": "F32", "shape": [10, 4], "data_offsets": [0, 160]}}
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes(160)
