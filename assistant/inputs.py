"""What people hand over (bytes of a file, text of a box) to clean text.

Judges a file by its content, never by its name. Knows nothing of errors or guides. The text that
comes out has no control codes, no terminal colours and no characters that hide or reorder others.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Protocol

from assistant.errors import InputError

# CSI ("\x1b[31m"), OSC ("\x1b]8;;…\x07") and two-character escapes; also CSI whose ESC got lost.
_ANSI = re.compile(
    r"\x1b\[[0-?]{0,40}[ -/]{0,8}[@-~]"
    r"|\x1b\][^\x07\x1b]{0,4000}(?:\x07|\x1b\\)"
    r"|\x1b[@-Z\\^_]"
    r"|\x1b"
)
# ("[31m" but neither "x[5m" nor "[12m 3s]")
_LOST_ESCAPE = re.compile(
    r"\[(?:(?:\d{1,3};){1,6}\d{1,3}m|(?<![\w\])]\[)\d{1,3}m(?! ?\d{1,2}s)|"
    r"(?:0|39|49)m(?! ?\d{1,2}s))"
)
# Control codes but tab and newline; characters that hide or reorder (zero width, bidi, tags, BOM).
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# Quotation marks of a word processor or a chat, for those that programs print.
_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
# A piece of text: unicodedata.normalize needs quadratic time for a long run of combining marks.
_PIECE = re.compile(r"[^\n]{1,2000}\n?|\n")
_SCREENSHOT_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff")
_IMAGE_MAGIC = (*_SCREENSHOT_MAGIC, b"GIF87a", b"GIF89a")
_OTHER_MAGIC = {
    b"PK\x03\x04": "a zip file (a checkpoint, an archive or an office document)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x7fELF": "a program",
    **{bytes([0x80, version]): "a Python pickle" for version in (2, 3, 4, 5)},
}
# Control codes that no log has: all but backspace, tab, line ends, form feed and escape.
_NOT_IN_TEXT = bytes(set(range(32)) - set(b"\b\t\n\f\r\x1b"))

MAX_TEXT = 400_000  # characters kept of one paste; a longer one is cut around its errors
_HEAD, _TAIL, _AROUND = 20_000, 180_000, 4_000
_ERROR_WORD = re.compile(
    r"Traceback \(most|(?:Error|Exception|Interrupt)\b|\b(?:FATAL|CRITICAL)\b|[Kk]illed"
)
# At the edges of a piece: the rest of a line, of a long word, of a private key.
_TORN_LINE = re.compile(r"\A(?:[^\n]{0,500}\n|[^\s\"'<>,;]{0,1900})")
_TORN_KEY = re.compile(r"\A(?:[^-]|-(?!----)){0,20000}-----END [A-Z0-9 ]{0,30}PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class CleanText:
    """Text to read, and one line for each thing that was left out of it."""

    text: str
    notices: tuple[str, ...] = ()


class PictureReader(Protocol):
    """Reads the text on a PNG or JPEG; raises InputError, one line, where it cannot."""

    def __call__(self, data: bytes, *, name: str) -> CleanText:
        """Return the text, and a notice that a picture was read."""


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
    text = _unescape(raw).replace("\r\n", "\n").replace("\r", "\n")
    text = _ANSI.sub("", text)
    text = _LOST_ESCAPE.sub("", text)
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
        if "invalid character" not in text:  # where they are the error
            text = text.translate(_STRAIGHT)
    hidden = _HIDDEN.sub("", text)
    if "\x00" in text:
        notices.append("Some unreadable (binary) characters were left out.")
    return CleanText(_normalise(hidden), tuple(notices))


def read_bytes(data: bytes, *, name: str, read_picture: PictureReader | None = None) -> CleanText:
    """Decode a file's content: text in any common encoding, a notebook's error outputs, or what
    `read_picture` reads on a screenshot (PNG or JPEG).

    Raises InputError (what it is, what to do instead) for other pictures, archives, other binaries
    and notebooks without an error.
    """
    if not data.strip():
        raise InputError(f"The file {name} is empty.", hint="Paste the error text instead.")
    if data.startswith(_SCREENSHOT_MAGIC) and read_picture is not None:
        return read_picture(data, name=name)
    if _is_picture(data):
        raise InputError(
            f"{name} is a picture, and only the text on PNG and JPEG screenshots can be read.",
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
    if notebook is None and (name.lower().endswith(".ipynb") or _looks_like_notebook(text)):
        clean = clean_text(_torn_tracebacks(text) or text)
        notice = f"{name} is not a whole notebook (not valid JSON); it was read as plain text."
        return CleanText(clean.text, (notice, *clean.notices))
    if notebook is not None and not notebook.strip():
        raise InputError(
            f"The notebook {name} holds no error output.",
            hint="Run the cell that fails, save the notebook and give it again.",
        )
    return clean_text(text if notebook is None else notebook)


def _is_picture(data: bytes) -> bool:
    """By its first bytes; text may begin with 'BM' or 'RIFF' too, so these two need more."""
    bitmap = data[:2] == b"BM" and data[6:10] == bytes(4)
    return bitmap or data.startswith(_IMAGE_MAGIC) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP")


# A traceback inside a string, as logs in JSON and repr() show it: "Traceback (…):\\n  File …"
_IN_STRING = re.compile(r"Traceback \(most recent call last\):\\n")
_REST = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\.)*+") for quote in "\"'"}
_LINE = re.compile(r"[^\n]*")
_ESCAPE = re.compile(r"\\(?:([nrt\"'\\/])|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
_FARTHEST = 2000  # characters before such a traceback where its string may begin


def _unescape(text: str) -> str:
    """Take tracebacks out of the strings that they stand in; other text stays as it is, but for
    the entities of a copy of HTML source."""
    if "&quot;" in text or "&#39;" in text or "&#x27;" in text:
        text = html.unescape(text)
    parts, done = [], 0
    for found in _IN_STRING.finditer(text):
        if found.start() < done:
            continue
        begin = max(done, found.start() - _FARTHEST, text.rfind("\n", done, found.start()) + 1)
        opening = max(text.rfind(quote, begin, found.start()) for quote in _REST)
        rest = (_REST[text[opening]] if opening >= 0 else _LINE).match(text, found.start())
        start = opening + 1 if opening >= 0 else begin
        end = rest.end() if rest else found.end()
        # the empty line ends the message: the string's closing quote is no part of it
        parts += [text[done:start], "\n", _ESCAPE.sub(_plain, text[start:end]), "\n\n"]
        done = end
    return "".join([*parts, text[done:]])


def _plain(found: re.Match[str]) -> str:
    """What an escape stands for."""
    if found[1]:
        return _PLAIN.get(found[1], found[1])
    return chr(int(found[2] or found[3], 16))


def _normalise(text: str) -> str:
    if text.isascii():
        return text
    return "".join(unicodedata.normalize("NFC", piece) for piece in _PIECE.findall(text))


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    sample = data[:4096]
    if len(sample) - len(sample.translate(None, _NOT_IN_TEXT)) > len(sample) // 20:
        raise InputError(
            f"{name} is a binary file, not a text.",
            hint="Paste the error message, or give a .log, .txt, .py or .ipynb file.",
        )
    return data.decode("utf-8-sig", "replace")


_TRACEBACK_LIST = re.compile(r"\"traceback\":\s{0,40}\[")
_STRING = re.compile(r"\s{0,200}+,?+\s{0,200}+(\"(?:[^\"\\\n]|\\.)*+\")")
_MOST_STRINGS = 2000


def _torn_tracebacks(text: str) -> str:
    """The lines of all tracebacks in a notebook that is cut off or damaged; '' if none."""
    lines: list[str] = []
    for found in _TRACEBACK_LIST.finditer(text):
        place = found.end()
        while len(lines) < _MOST_STRINGS and (string := _STRING.match(text, place)):
            try:
                lines.append(str(json.loads(string[1])))
            except ValueError:
                break
            place = string.end()
        lines.append("")
    return "\n".join(lines).strip()


def _looks_like_notebook(text: str) -> bool:
    return text.lstrip()[:1] == "{" and '"cells":' in text


def _notebook_text(text: str) -> str | None:
    """The failing cells of a notebook with their errors; None if the text is no notebook."""
    if not _looks_like_notebook(text):
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
    """What a cell wrote to stderr and the errors it ended with, below the code that did it."""
    parts, failed = [], False
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        if output.get("output_type") == "error":
            trace = output.get("traceback")
            lines = [str(line) for line in trace] if isinstance(trace, list) else []
            last = f"{output.get('ename', '')}: {output.get('evalue', '')}"
            parts.append("\n".join(lines) or last)
            failed = True
        elif output.get("output_type") == "stream" and output.get("name") == "stderr":
            parts.append(_joined(output.get("text", "")))
    return [_cell_code(cell), *parts] if failed else parts


_MOST_CODE = 200  # lines of a cell


def _cell_code(cell: dict[str, object]) -> str:
    """The code of a cell as IPython numbers it, set in, so that no line of it passes for one of a
    traceback."""
    number = cell.get("execution_count")
    lines = _joined(cell.get("source", "")).split("\n")[:_MOST_CODE]
    code = "\n".join(f"    {line}" if line.strip() else "" for line in lines)
    return f"In [{number if type(number) is int else ' '}]:\n{code}".rstrip()


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _cut(raw: str) -> str:
    """Beginning, end, and the surroundings of the last places that look like errors."""
    middle_end = len(raw) - _TAIL
    spots = [found.start() for found in _ERROR_WORD.finditer(raw, _HEAD, middle_end)]
    spans = [(spot - _AROUND, min(spot + _AROUND, middle_end)) for spot in spots[-40:]]
    merged = [(0, _HEAD)]
    for start, end in [*spans, (middle_end, len(raw))]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return "\n".join(_without_torn_edges(raw, start, end) for start, end in merged)


def _without_torn_edges(raw: str, start: int, end: int) -> str:
    """The piece without what the cut went through: half a secret would not be recognised."""
    piece = raw[start:end]
    if start:
        piece = _TORN_KEY.sub("", _TORN_LINE.sub("", piece, count=1), count=1)
    if end < len(raw) and (torn := _TORN_LINE.match(piece[: -_AROUND // 2 : -1])):
        piece = piece[: len(piece) - torn.end()]
    return piece
