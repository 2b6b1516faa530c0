"""Row `checkpoint`, inside a target: the files of weights below the allowed folders.

It looks at names, sizes, first and last bytes, and computes sums only if it is told to. The walk
is bounded in depth, entries and time, follows no linked folder, and lists a linked file only if
what it leads to lies below an allowed folder too.
"""

import hashlib
import os
import re
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from assistant.probes.inside.checkpoint_file import open_plain, tell_kind
    from assistant.probes.inside.shared import Document, guarded

CHECKPOINT_ENDINGS = (".pth", ".pt", ".safetensors")
LEFTOVER_ENDINGS = (".part", ".partial", ".incomplete", ".crdownload", ".download", ".aria2")
FOLDERS_PASSED_OVER = ("site-packages", "dist-packages", "node_modules", "__pycache__")
DEEPEST, MOST_ENTRIES, MOST_CHECKPOINTS = 6, 60000, 150
WALK_SECONDS, SUM_SECONDS = 2.0, 20.0
# sam_vit_h_4b8939.pth carries the start of its MD5 sum, resnet50-11ad3fa6.pth of its SHA-256 sum
MD5_IN_NAME = re.compile(r"^sam_vit_[bhl]_([0-9a-f]{6})\.pth$")
SHA256_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.(?:pth|pt|safetensors)$")


def collect_checkpoint(order: "Mapping[str, Any]") -> "Document":
    """All checkpoints and what broken downloads left behind."""
    roots = [str(root) for root in order.get("roots") or [order["folder"]]]
    walk = CheckpointWalk(roots, time.monotonic() + WALK_SECONDS)
    paths = sorted(walk.find(), key=lambda path: not is_sam_name(path))
    files = [path for path in paths if path.endswith(CHECKPOINT_ENDINGS)][:MOST_CHECKPOINTS]
    leftovers = [path for path in paths if not path.endswith(CHECKPOINT_ENDINGS)][:20]
    found = [dict(guarded(partial(read_checkpoint_file, path)), path=path) for path in files]
    if order["parameters"].get("sums") == "yes":
        add_sums(found, time.monotonic() + SUM_SECONDS)
    return {
        "folder": str(order["folder"]),
        "roots": roots,
        "complete": walk.complete and len(files) < MOST_CHECKPOINTS,
        "entries": walk.entries,
        "files": found,
        "leftovers": [{"path": path, "size": os.path.getsize(path)} for path in leftovers],
    }


def is_sam_name(path: str) -> bool:
    """Files that begin like SAM's come first, so that no flood of others hides them."""
    return os.path.basename(path).startswith("sam_vit_")


def read_checkpoint_file(path: str) -> "Document":
    """Size and kind of one file."""
    with open_plain(path) as file:
        return tell_kind(file)


class CheckpointWalk:
    """A bounded search, the nearest folders first; `complete` says whether it saw everything."""

    def __init__(self, roots: "Sequence[str]", deadline: float) -> None:
        self.roots = [os.path.realpath(root) for root in roots]
        self.deadline = deadline
        self.entries = 0
        self.complete = True

    def find(self) -> "list[str]":
        """Paths of checkpoints and leftovers, each file once."""
        found: dict[str, str] = {}
        waiting = deque((root, 0) for root in self.roots)
        seen = set()
        while waiting:
            folder, depth = waiting.popleft()
            if folder in seen:
                continue
            seen.add(folder)
            for entry in self.list_folder(folder):
                if self.is_folder_to_enter(entry):
                    if depth < DEEPEST:
                        waiting.append((entry.path, depth + 1))
                elif entry.name.endswith(CHECKPOINT_ENDINGS + LEFTOVER_ENDINGS):
                    real = os.path.realpath(entry.path)
                    if os.path.isfile(real) and self.is_below_roots(real):
                        found.setdefault(real, entry.path)
        return list(found.values())

    def list_folder(self, folder: str) -> "Iterator[Any]":
        """The entries of one folder, until the search has taken enough."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self.entries += 1
                    if self.entries > MOST_ENTRIES or time.monotonic() > self.deadline:
                        self.complete = False
                        return
                    yield entry
        except OSError:
            return

    def is_folder_to_enter(self, entry: "Any") -> bool:
        """Hidden folders and installed packages hold no checkpoints of a learner."""
        try:
            if not entry.is_dir(follow_symlinks=False):
                return False
        except OSError:
            return False
        passed = entry.name.startswith(".") or entry.name in FOLDERS_PASSED_OVER
        return not passed and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))

    def is_below_roots(self, real: str) -> bool:
        """Whether a resolved path lies in an allowed folder."""
        return any(real.startswith(root.rstrip(os.sep) + os.sep) for root in self.roots)


def add_sums(files: "list[Document]", deadline: float) -> None:
    """Compare the files whose names carry the beginning of their sum."""
    for row in files:
        name = os.path.basename(row["path"])
        md5, sha256 = MD5_IN_NAME.search(name), SHA256_IN_NAME.search(name)
        carried = md5 or sha256
        if carried:
            method = "md5" if md5 else "sha256"
            total = guarded(partial(sum_file, row["path"], method, deadline))
            row["sum"] = {"method": method, "in_name": carried.group(1), "of_file": total}


def sum_file(path: str, method: str, deadline: float) -> "str | None":
    """The sum in hexadecimal digits; None if the time is over."""
    digest = hashlib.new(method)
    with open_plain(path) as file:
        for block in iter(partial(file.read, 1 << 22), b""):
            digest.update(block)
            if time.monotonic() > deadline:
                return None
    return digest.hexdigest()
