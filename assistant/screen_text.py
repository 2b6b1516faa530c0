"""What a recogniser saw on a screenshot to lines of text: rows, lost spaces, mistaken characters.

Recognisers are made for printed words: on a terminal they lose spaces and mistake signs. On a
screen every character has the same width, so a gap as wide as one is a space; no word list is
needed and no name is invented. Refuses to know how the characters were recognised.
"""

from __future__ import annotations

import builtins
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median


@dataclass(frozen=True, slots=True)
class Piece:
    """One run of characters on the screen, in pixels: `places` are the middles of its characters
    from left to right, `blanks` the stretches (from, to) inside it that hold no ink, `lows` those
    with ink at the very bottom only."""

    text: str
    places: tuple[float, ...]
    blanks: tuple[tuple[float, float], ...]
    lows: tuple[tuple[float, float], ...]
    top: float
    bottom: float


def screen_text(pieces: Sequence[Piece]) -> str:
    """Return the lines of a screenshot, with indentation, spaces and wrapped lines restored."""
    seen = [piece for piece in pieces if piece.text.strip() and piece.places]
    if not seen:
        return ""
    width = _character_width(seen)
    rows = [_Row.build(row, width) for row in _iter_rows(seen)]
    margin = min(row.left for row in rows)
    lines = _unwrap(rows, margin=margin, width=width)
    return "\n".join(mend_line(line) for line in lines)


def mend_line(line: str) -> str:
    """Mend what recognisers mistake: wide signs, carets, l for 1 in numbers, names of exceptions.

    Only known forms are mended; values (modules, paths, sizes) stay as they were read.
    """
    text = "".join(_SIGNS.get(sign, sign) for sign in line)
    text = unicodedata.normalize("NFKC", text)
    if _UNDERLINE.fullmatch(text) and ("^" in text or "~" in text or "AAA" in text):
        return re.sub(r"\S", "^", text)
    text = _DOT_BEFORE_NAME.sub(".", text).replace("\u00b7", "'")
    text = _NUMBER.sub(lambda found: found[0].translate(_DIGITS), text)
    for pattern, digit in _NUMBERS_IN_NAMES:
        text = pattern.sub(digit, text)
    text = _EXCEPTION.sub(_known_exception, text)
    for pattern, words in _PHRASES:
        text = pattern.sub(words, text)
    text = _SPACED_SIGN.sub(r"\1 ", text)
    text = _FRAME.sub(_frame, text)
    return f"{text}'" if _OPEN_QUOTE.match(text) else text


# --- characters ----------------------------------------------------------------------------------

_SIGNS = {
    **dict.fromkeys("\u201c\u201d\u201f\u3003", '"'),
    **dict.fromkeys("\u2018\u2019\u201b\u00b4", "'"),
    **dict.fromkeys("\u3001", ","),
    **dict.fromkeys("\u3002", "."),
    **dict.fromkeys("\u2014\u2013\u4e00\u2212", "-"),
}
# "AAAAAA" below a line of code are carets
_UNDERLINE = re.compile(r"[ A^~\u02dc\u5165\u4eba]+[A-Za-z]?")
# "__init__·py" → ".", but "·lap'" → "'"
_DOT_BEFORE_NAME = re.compile(r"(?<=\w)\u00b7(?=\w)")
# "line l204", "torch.Size([5l2, 10])"; not "4b8939", not a lone "l"
_NUMBER = re.compile(r"(?<![\w.'\"/-])(?=[lIoO|]{0,6}\d)[\dlIoO|]{2,9}(?![\w'\"/-])")
_DIGITS = str.maketrans("lI|oO", "11100")
# "torch.bfloatl6", "cl0::Half", "In [l]"
_NUMBERS_IN_NAMES = (
    (re.compile(r"(?<=loat)[lI|](?=6\b)|(?<=int)[lI|](?=6\b)|(?<=\bc)[lI|](?=[0O]::)"), "1"),
    (re.compile(r"(?<![\w'\"])[1I|](?=ine \d)"), "l"),
    (re.compile(r"(?<=\bgroups=)[lI|](?=,)"), "1"),
    (re.compile(r"(?<=\bIn\[)[lI|](?=\])|(?<=\bIn \[)[lI|](?=\])"), "1"),
)
_EXCEPTION = re.compile(r"\b[A-Za-z0-9]{4,40}(?=[:(]|$)")
# ", " was read as the wide sign and so got a second space
_SPACED_SIGN = re.compile(r"([,;]) {2,}(?=\S)")
# File "train.py" 1ine 3.in fit
_FRAME = re.compile(
    r"^( {0,40})File ?[\"']{0,2}(?P<file><[\w. ]{1,80}>|[^\"'\n]{1,300}?\.?py)[\"']{1,2}[,.;]?"
    r" {0,2}[lL1I|]ine ?(?P<line>\d{1,7})(?:[,.;]? {0,2}[iIl1|]n {0,2}(?P<function>\S.{0,200}))?$"
)
_INIT = re.compile(r"__?([a-z]{2,20})__?[-.]py$")
# KeyError: 'data
_OPEN_QUOTE = re.compile(r"^[\w.]{3,80}(?:Error|Exception): [^']{0,200}'[\w./-]{1,300}$")
_OTHER_NAMES = (
    "OutOfMemoryError HTTPError URLError JSONDecodeError UnidentifiedImageError UnpicklingError "
    "CalledProcessError ChildFailedError AcceleratorError GatedRepoError RepositoryNotFoundError "
    "LocalEntryNotFoundError HfHubHTTPError ConnectTimeout ReadTimeout ProxyError SSLError "
    "PackagesNotFoundError UnsatisfiableError ResolutionImpossible"
)


def _fold(name: str) -> str:
    """What looks alike becomes alike: 'JsoNDecodeErr0r' and 'JSONDecodeError'."""
    return name.lower().translate(str.maketrans("01i5|", "olls1"))


_BUILT_IN = [
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
]
_NAMES = {_fold(name): name for name in [*_BUILT_IN, *_OTHER_NAMES.split()]}


def _known_exception(found: re.Match[str]) -> str:
    return _NAMES.get(_fold(found[0]), found[0])


def _phrase(words: str) -> tuple[re.Pattern[str], str]:
    """The words with none, some or all of their spaces; letters that look alike."""
    letters = {"o": "[o0O]", "l": "[lI1|i]", "I": "[Il1|]", "O": "[O0o]"}
    parts = ["".join(letters.get(c, re.escape(c)) for c in word) for word in words.split()]
    return re.compile(r"(?<![A-Za-z])" + " {0,2}".join(parts)), words


# The fixed words of messages; only the spaces between them and look-alike letters are mended.
_PHRASES = tuple(
    _phrase(words)
    for words in (
        "Traceback (most recent call last)",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
        "No module named",
        "No such file or directory:",
        "has no attribute",
        "cannot import name",
        "out of memory",
        "out of bounds",
        "Tried to allocate",
        "Expected all tensors to be on the same device",
        "shapes cannot be multiplied",
        "size mismatch for",
        "copying a param with shape",
        "from checkpoint, the shape in current model is",
        "in loading state_dict for",
        "in state_dict:",
        "Sizes of tensors must match except in dimension",
        "The size of tensor",
        "must match the size of tensor",
        "to have",
        "but got",
        "is killed by signal:",
        "is not defined",
        "is not callable",
        "is not subscriptable",
        "object is not",
        "required positional argument",
        "unexpected keyword argument",
        "device-side assert triggered",
        "Weights only load failed",
        "should be the same",
        "must have the same dtype",
    )
)


def _frame(found: re.Match[str]) -> str:
    """The line of a traceback that names file, line and function, with its signs in place."""
    file = _INIT.sub(r"__\1__.py", found["file"])
    function = f", in {found['function']}" if found["function"] else ""
    return f'{found[1]}File "{file}", line {found["line"]}{function}'


# --- rows ----------------------------------------------------------------------------------------

_LONGEST_INDENT = 60


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the screen: its text, where its first and last character end."""

    text: str
    left: float
    right: float

    @classmethod
    def build(cls, pieces: Sequence[Piece], width: float) -> _Row:
        ordered = sorted(pieces, key=lambda piece: piece.places[0])
        text, end = "", ordered[0].places[0] - width
        for piece in ordered:
            new = bisect_left(piece.places, end + 0.4 * width)  # two pieces may show the same sign
            if new < len(piece.text):
                gap = round((piece.places[new] - end) / width) - 1
                text += " " * max(new == 0, min(gap, _LONGEST_INDENT)) if text else ""
                text += _spaced(piece, width, new)
                end = piece.places[-1]
        half = width / 2
        return cls(text.strip(), ordered[0].places[0] - half, end + half)


def _character_width(pieces: Sequence[Piece]) -> float:
    """The usual distance of two neighbours; spaces that were lost make larger ones."""
    steps = [b - a for p in pieces for a, b in zip(p.places, p.places[1:], strict=False) if b > a]
    if not steps:
        return max(1.0, (pieces[0].bottom - pieces[0].top) / 2)
    middle = median(steps)
    usual = [step for step in steps if 0.5 * middle <= step <= 1.5 * middle]
    return max(1.0, fmean(usual or [middle]))


def _iter_rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces whose middle lies within the same row, from top to bottom."""
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: p.top + p.bottom):
        middle = (piece.top + piece.bottom) / 2
        if rows and middle < fmean(p.bottom for p in rows[-1]) - 0.2 * (piece.bottom - piece.top):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows


_SPACE = 0.9  # of a character's width without ink; between two letters there is always less


def _spaced(piece: Piece, width: float, first: int) -> str:
    """The text from character `first` on, with a space wherever there is room for one."""
    piece = _underscored(piece, width)
    spaces: set[int] = set()
    for start, end in piece.blanks:
        inner = start + 0.25 * width, end - 0.25 * width
        seen = bisect_left(piece.places, inner[1]) - bisect_left(piece.places, inner[0])
        if end - start >= _SPACE * width and not seen:
            spaces.add(bisect_left(piece.places, start + width / 2))
    text = ""
    for number, sign in enumerate(piece.text[first:], start=first):
        apart = number in spaces and not sign.isspace() and not text.endswith(" ")
        text += (" " if apart and text else "") + sign
    return text


_MISREAD = frozenset(" _-.,\u00b7\uff0c\uff0e\uff1f")


def _underscored(piece: Piece, width: float) -> Piece:
    """The piece with underscores where ink lies along the bottom and no letter was seen."""
    signs = list(zip(piece.places, piece.text, strict=True))
    for start, end in piece.lows:
        if end - start < 0.6 * width:
            continue
        inner = range(bisect_left(signs, (start + 0.2 * width, "")), bisect_left(signs, (end, "")))
        if all(signs[n][1] in _MISREAD for n in inner):
            count = max(1, round((end - start) / width))
            step = (end - start) / count
            lines = [(start + (n + 0.5) * step, "_") for n in range(count)]
            signs[inner.start : inner.stop] = lines
    places, text = [place for place, _ in signs], "".join(sign for _, sign in signs)
    return replace(piece, text=text, places=tuple(places))


# The first words of a line that cannot be the rest of the one before it.
_BEGINS = re.compile(
    r"(?:Traceback|File ?\"|During handling|The above|[A-Z]\w{0,60}(?:Error|Exception|Warning)\b|"
    r"[\w.]{1,80}(?:Error|Exception):|[-=]{3,}|In ?\[|\d{1,9} |\d{4}-)"
)


def _unwrap(rows: Sequence[_Row], *, margin: float, width: float) -> list[str]:
    """Join what the edge of the terminal broke: lines that reach it, with the one below."""
    edge = max(row.right for row in rows)
    full = [row.right > edge - 1.3 * width for row in rows]
    goes_on = re.compile("" if sum(full) > 1 else "[^A-Z]")  # one alone may just be the longest
    lines: list[str] = []
    open_line = False
    for row, reaches in zip(rows, full, strict=True):
        indent = round((row.left - margin) / width)
        if open_line and indent <= 1 and goes_on.match(row.text) and not _BEGINS.match(row.text):
            lines[-1] += " " * indent + row.text
        else:
            lines.append(" " * min(indent, _LONGEST_INDENT) + row.text)
        open_line = reaches
    return lines
