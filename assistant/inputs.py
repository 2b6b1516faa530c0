"""What people hand over (bytes of a file, text of a box) to clean text.

Judges a file by its content, never by its name. Knows nothing of errors or guides. The text that
comes out has no control codes, no terminal colours and no characters that hide or reorder others.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

from assistant.errors import InputError

# CSI ("\x1b[31m"), OSC ("\x1b]8;;…\x07") and two-character escapes; also CSI whose ESC got lost.
_ANSI = re.compile(
    r"\x1b\[[0-?]{0,40}[ -/]{0,8}[@-~]"
    r"|\x1b\][^\x07\x1b]{0,4000}(?:\x07|\x1b\\)"
    r"|\x1b[@-Z\\^_]"
    r"|\x1b"
)
_LOST_ESCAPE = re.compile(r"(?<![\w\])])\[(?:\d{1,3};){0,6}\d{1,3}m|\[0m")
# Control codes but tab and newline; characters that hide or reorder (zero width, bidi, tags, BOM).
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_IMAGE_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
_OTHER_MAGIC = {
    b"PK\x03\x04": "a zip file (a checkpoint, an archive or an office document)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x7fELF": "a program",
    b"\x80\x02": "a Python pickle",
}

MAX_TEXT = 400_000  # characters kept of one paste; a longer one is cut around its errors
_HEAD, _TAIL, _AROUND = 20_000, 180_000, 4_000
_ERROR_WORD = re.compile(r"Traceback \(most|(?:Error|Exception|Interrupt)\b|\b(?:FATAL|CRITICAL)\b|[Kk]illed")


@dataclass(frozen=True, slots=True)
class CleanText:
    """Text to read, and one line for each thing that was left out of it."""

    text: str
    notices: tuple[str, ...] = ()


def clean_text(raw: str) -> CleanText:
    """Take out terminal colours, control and hiding characters; cut what is too long.

    Line ends become '\\n'; lone surrogates become '\\ufffd'. Linear in the length.
    """
    notices: list[str] = []
    if len(raw) > MAX_TEXT:
        raw, kept = _cut(raw), len(raw)
        notices.append(
            f"The paste has {kept:,} characters; its beginning, its end and the places with "
            "errors were read."
        )
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    text = _ANSI.sub("", text)
    text = _LOST_ESCAPE.sub("", text)
    text = text.encode("utf-8", "replace").decode("utf-8")
    hidden = _HIDDEN.sub("", text)
    if "\x00" in text:
        notices.append("Some unreadable (binary) characters were left out.")
    return CleanText(unicodedata.normalize("NFC", hidden), tuple(notices))


def read_bytes(data: bytes, *, name: str) -> CleanText:
    """Decode a file's content: text in any common encoding, or a notebook's error outputs.

    Raises InputError (what it is, what to do instead) for pictures, archives and other binaries.
    """
    if not data.strip():
        raise InputError(f"The file {name} is empty.", hint="Paste the error text instead.")
    if data.startswith(_IMAGE_MAGIC):
        raise InputError(
            f"{name} is a picture, and this version cannot read text from pictures.",
            hint="Copy the error as text: select it in the notebook or terminal and paste it.",
        )
    for magic, what in _OTHER_MAGIC.items():
        if data.startswith(magic):
            raise InputError(
                f"{name} is {what}, not a text.",
                hint="Paste the error message, or give a .log, .txt, .py or .ipynb file.",
            )
    text = _decode(data, name)
    notebook = _notebook_text(text)
    return clean_text(text if notebook is None else notebook)


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    sample = data[:4096]
    if b"\x00" in sample and sample.count(b"\x00") > len(sample) // 20:
        raise InputError(
            f"{name} is a binary file, not a text.",
            hint="Paste the error message, or give a .log, .txt, .py or .ipynb file.",
        )
    return data.decode("utf-8-sig", "replace")


def _notebook_text(text: str) -> str | None:
    """The failing cells of a notebook with their errors; None if the text is no notebook."""
    if not text.lstrip().startswith("{") or '"cells"' not in text:
        return None
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        return None
    parts = [part for cell in cells if isinstance(cell, dict) for part in _cell_errors(cell)]
    return "\n\n".join(parts)


def _cell_errors(cell: dict[str, object]) -> list[str]:
    parts = []
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        if output.get("output_type") == "error":
            trace = output.get("traceback")
            lines = [str(line) for line in trace] if isinstance(trace, list) else []
            last = f"{output.get('ename', '')}: {output.get('evalue', '')}"
            parts.append("\n".join(lines) or last)
        elif output.get("output_type") == "stream" and output.get("name") == "stderr":
            text = output.get("text", "")
            parts.append("".join(map(str, text)) if isinstance(text, list) else str(text))
    return parts


def _cut(raw: str) -> str:
    """Beginning, end, and the surroundings of the last places that look like errors."""
    pieces = [raw[:_HEAD]]
    middle_end = len(raw) - _TAIL
    spots = [found.start() for found in _ERROR_WORD.finditer(raw, _HEAD, middle_end)]
    done = _HEAD
    for spot in spots[-40:]:
        start = max(done, spot - _AROUND)
        end = min(middle_end, spot + _AROUND)
        if start < end:
            pieces.append(raw[start:end])
            done = end
    pieces.append(raw[max(done, middle_end) :])
    return "\n".join(pieces)
