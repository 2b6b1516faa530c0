"""The route that reads a file for the page: bytes in, the text that goes into the input box out.

Nothing is written to the disk, and no name from the browser becomes a path. What comes out is
masked; the reader sees it in the box before it is asked. It refuses to know what files hold
(inputs.py does) and who may send some (the guard does).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from assistant.errors import InputError
from assistant.inputs import CleanText
from assistant.redact import redact

READ = "/api/read"
AT_ONCE = 2  # files that are read; more get 503
ON_THE_WAY = 32  # files that are being sent; more get 503
SECONDS = 60.0  # that sending one may take
BUSY = "Other files are being read. Try again in a moment."
_UNSHOWN = re.compile(r"[^\w.()+ -]|[\x00-\x1f]")

ReadFile = Callable[..., CleanText]


def add_files(app: FastAPI, read_file: ReadFile, *, seconds: float = SECONDS) -> None:
    """Add `POST /api/read`. `read_file(data, name=…)` gives the clean text or raises InputError;
    the name is for its messages only. `seconds` is how long sending one may take. Size,
    host, origin and token are the guard's."""
    free, coming = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(ON_THE_WAY)

    @app.post(READ)
    async def read(request: Request) -> JSONResponse:
        """Answer with {"text", "notices"}, or with {"error"} in words."""
        if request.headers.get("content-type") != "application/octet-stream":
            return _refuse(415, "Send the file itself (Content-Type: application/octet-stream).")
        if coming.locked():
            return _refuse(503, BUSY)
        try:
            # before a place is taken: who sends slowly, or stops half way, holds nobody up
            async with coming, asyncio.timeout(seconds):
                data = await request.body()
        except TimeoutError:
            return _refuse(408, f"The file did not arrive within {seconds:.0f} s. Send it again.")
        if free.locked():
            return _refuse(503, BUSY)
        async with free:
            name = show_name(request.headers.get("x-file-name", ""))
            try:
                clean = await asyncio.to_thread(_read, read_file, data, name)
            except InputError as error:
                return _refuse(422, f"{error.message} {error.hint}".strip())
        return JSONResponse({"text": clean.text, "notices": list(clean.notices)})


def show_name(quoted: str) -> str:
    """A file's name as a browser sends it (percent-encoded), fit for a message; 'the file' if ''.

    "..%2F..%2Fetc%2Fpasswd" → "passwd"
    """
    name = re.split(r"[/\\]", unquote(quoted))[-1]
    return _UNSHOWN.sub("_", name)[:80].strip(" .") or "the file"


def _read(read_file: ReadFile, data: bytes, name: str) -> CleanText:
    clean = read_file(data, name=name)
    return CleanText(redact(clean.text), clean.notices)


def _refuse(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)
