"""What a file of weights really is, inside a target: told by its first and last bytes.

Nothing is unpickled or run, and no more than a few hundred kB are read. Refuses pipes, devices and
folders without waiting for them, and to know which file it should be.
"""

import json
import os
import re
import stat
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from assistant.probes.inside.shared import Document

OLD_TORCH_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
MOST_HEADER_BYTES = 16 << 20  # of a safetensors file; a model of 10,000 tensors needs 1 MB


def open_plain(path: str) -> "Any":
    """Open a regular file for reading bytes. Raises ValueError for anything else."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is no plain file")
    return os.fdopen(descriptor, "rb")


def tell_kind(file: "Any") -> "Document":
    """Return {size, kind, whole}: `whole` is None where the outside of the file does not tell."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(4096)
    found = {"size": size, "kind": "unknown", "whole": None}
    if not head.strip(b"\0"):
        return dict(found, kind="zeros" if head else "empty", whole=False)
    if head.startswith(b"PK\x03\x04"):
        return dict(found, kind="zip", **read_zip_end(file, size))
    if head.startswith(OLD_TORCH_MAGIC):
        return dict(found, kind="old torch")
    if head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < size + (1 << 40):
        return dict(found, kind="safetensors", **read_safetensors_end(file, size))
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return dict(found, kind="pickle")
    return dict(found, **tell_text(head))


def tell_text(head: bytes) -> "Document":
    """A web page, an answer in JSON, a Git LFS pointer, or another text, saved as weights."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d{1,15})$", start, re.M)
        return {
            "kind": "lfs pointer",
            "whole": False,
            "wanted": int(size.group(1)) if size else None,
        }
    if start[:1] == b"<":
        return {"kind": "web page", "whole": False}
    if start[:1] == b"{":
        return {"kind": "json", "whole": False}
    is_text = not re.search(rb"[\x00-\x08\x0e-\x1f]", head)
    return {"kind": "text", "whole": False} if is_text else {}


def read_zip_end(file: "Any", size: int) -> "Document":
    """The list of contents stands at the end of a zip file: a broken download lacks it."""
    start = max(0, size - 66000)
    file.seek(start)
    tail = file.read(66000)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return {"whole": False}
    entries, length, offset = struct.unpack("<HII", tail[at + 10 : at + 20])
    locator = tail[at - 20 : at] if at >= 20 else b""
    if locator.startswith(b"PK\x06\x07"):
        file.seek(min(struct.unpack("<Q", locator[8:16])[0], size))
        record = file.read(56)
        if len(record) < 56 or not record.startswith(b"PK\x06\x06"):
            return {"whole": False}
        entries, length, offset = struct.unpack("<QQQ", record[32:56])
    return {"whole": offset + length <= start + at, "entries": entries, "list_bytes": length}


def read_safetensors_end(file: "Any", size: int) -> "Document":
    """The header says where the last tensor ends."""
    header = read_safetensors_header(file, size)
    if header is None:
        return {"whole": False}
    ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    file.seek(0)
    start = 8 + struct.unpack("<Q", file.read(8))[0]
    return {"whole": start + max(ends or [0]) == size, "wanted": start + max(ends or [0])}


def read_safetensors_header(file: "Any", size: int) -> "Document | None":
    """Names, shapes and places of the tensors; None if the header itself is cut off."""
    file.seek(0)
    length = struct.unpack("<Q", file.read(8))[0]
    if length > MOST_HEADER_BYTES:
        raise ValueError("the header is larger than any model needs")
    if length + 8 > size:
        return None
    header = json.loads(file.read(length).decode("utf-8"))
    return header if isinstance(header, dict) else None
