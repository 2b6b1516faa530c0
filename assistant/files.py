"""Files that are written whole or not at all, and folders that can be written.

Knows paths and bytes, nothing of what is in them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from assistant.errors import CacheError


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either the old or the new content. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_folder(folder: Path) -> None:
    """Raise CacheError (what, why, what to do) if nothing can be written into `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CacheError(
            f"Nothing can be written into the cache folder {folder}: {error.strerror or error}.",
            hint="Free some space there, or set ASSISTANT_CACHE_DIR to another folder.",
        ) from error
