"""Words of eight other languages in English, one after another, and which language it is.

What is compared with the knowledge is English; a text in another language is read word by word. It
is a gloss, no translation: order and endings are lost, and what it does not know stays or is left
out. English is not touched. It refuses to know what the text is compared with.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from assistant.wording import plain_words

LANGUAGES = (
    *("German", "French", "Spanish", "Portuguese", "Italian"),
    *("Russian", "Chinese", "Japanese"),
)
_LATIN = LANGUAGES[:5]
_CHARACTERS = LANGUAGES[6:]  # written without spaces
_LETTERS = 40  # of the longest word that is looked at
_FORM = 7  # letters that a form may add to a word
_PHRASE = 5  # words of the longest phrase
_SHARE = 0.25  # of the words that must speak for a language
_MARKS = str.maketrans("。、，？！：；（）「」『』\u3000", '.,,?!:;()"""" ')
# a word; not "n" of "yolov8n", no part of a path, a call or a dotted name; "Net" of "U-Net"
_WORD = re.compile(r"(?:(?<![\w\\/.=@`$-])|(?<=[^\W\d_]-))[^\W\d_]++(?![\w\\/=(`]|\.\w)")
_GAP = re.compile(r"[-'’]|[ \t]{1,4}")  # may lie between the words of a phrase
# pieces that may be in different languages: lines, what is quoted, what follows a colon
_PIECE = re.compile(r"[^\"“”„«»`:\n]+|[\"“”„«»`:\n]+")
_KANA = re.compile(r"[\u3040-\u30fa]")
_RUN = re.compile(r"[\u3005\u3040-\u30ff\u3400-\u9fff]+")
_CYRILLIC = re.compile(r"[\u0430-\u044f\u0451]{2}", re.IGNORECASE)
# what may follow the last part of a German word, and what may stand between two parts
_GERMAN_END = re.compile(
    r"(?:e|en|er|es|em|ern|ere|eren|n|s|t|st|te|ten|tes|ter|tet|et|end|ende|enden|ung|ungen|"
    r"lich|ig|ige|igen|bar|ste|sten|in|innen)?"
)
_UMLAUT = re.compile(r"([aou])e")  # as it is typed without the key
_LETTER_RUNS = re.compile(r"[^\W\d_]+")
_CAPITALS = re.compile(r"[A-ZА-Я]")
_CONSONANT = re.compile(r"[b-df-hj-np-tv-xz]", re.IGNORECASE)
_GERMAN_LINKS = ("", "s", "n", "en", "es", "er", "e")


@dataclass(frozen=True, slots=True)
class Gloss:
    """`text` with English words; `language` that it was in, None if it was not touched."""

    text: str
    language: str | None = None


def gloss(text: str) -> Gloss:
    """Return the text with the words of another language in English; pieces in English stay."""
    pieces = [_read(found.group(0)) for found in _PIECE.finditer(text)]
    counts: Counter[str] = Counter()
    for piece in pieces:
        if piece.language:
            counts[piece.language] += len(piece.text)
    if not counts:
        return Gloss(text)
    if "Japanese" in counts:  # a line without kana among others with them
        counts["Japanese"] += counts.pop("Chinese", 0)
    language = max(counts, key=lambda name: counts[name])
    return Gloss("".join(_written(piece, language) for piece in pieces), language)


# --- which language ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    plain: str  # lower case, no accents


@dataclass(frozen=True, slots=True)
class _Piece:
    """Part of a line; `language` is '' where its words do not tell it (English among others)."""

    text: str
    language: str
    words: tuple[_Word, ...]


def _read(text: str) -> _Piece:
    if not text.isascii():
        if _RUN.search(text):
            return _Piece(text, "Japanese" if _KANA.search(text) else "Chinese", ())
        words = tuple(_words(text))
        cyrillic = sum(bool(_CYRILLIC.match(word.plain)) for word in words)
        if cyrillic >= 2 or cyrillic * 2 > len(words):
            return _Piece(text, "Russian", words)
        return _Piece(text, _latin(words), words)
    words = tuple(_words(text))
    return _Piece(text, _latin(words), words)


def _words(text: str) -> Iterator[_Word]:
    """The words that may belong to a language: no acronym, no CamelCase, no lone letter of a
    list."""
    for found in _WORD.finditer(text):
        word = found.group(0)
        if len(word) == 1:
            is_word = _is_short_word(text, found.start())
        else:
            is_word = len(word) <= _LETTERS and not _CAPITALS.search(word, 1)
        if is_word:
            yield _Word(found.start(), found.end(), _plain(word))


def _is_short_word(text: str, at: int) -> bool:
    """Whether one letter is a word: a vowel (Spanish y), or what stands before an apostrophe."""
    around = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
    return "-" not in around and (around[-1:] in "'’" or not _CONSONANT.match(text, at))


def _latin(words: Sequence[_Word]) -> str:
    """The language that the words speak for, '' if none does or English does as well."""
    book = _book()
    votes: Counter[str] = Counter()
    english = 0
    for word in words:
        if len(word.plain) == 1:
            continue
        if names := book.telling.get(word.plain):
            votes.update(names)
        elif word.plain in book.english_only:
            english += 1
        elif len(word.plain) >= 4 and word.plain not in plain_words():
            votes.update(name for name in _LATIN if book.tongues[name].word(word.plain))
    if not votes:
        return ""
    best = max(_LATIN, key=lambda name: votes[name])
    enough = votes[best] >= 2 and votes[best] >= _SHARE * len(words)
    return best if enough and votes[best] > english else ""


# --- its words in English ------------------------------------------------------------------------


def _written(piece: _Piece, main: str) -> str:
    """The piece with English words; one that tells no language is in the text's own, if it can."""
    if piece.language in _CHARACTERS:
        tongue = _book().tongues["Japanese" if main == "Japanese" else piece.language]
        return _RUN.sub(lambda run: tongue.characters(run.group(0)), piece.text.translate(_MARKS))
    if not piece.words:
        return piece.text
    language = piece.language or main
    tongue = _book().tongues[language]
    if not piece.language:
        known = sum(tongue.word(word.plain) is not None for word in piece.words)
        if known * 2 < len(piece.words):
            return piece.text
    return _glossed(piece, tongue)


def _glossed(piece: _Piece, tongue: _Tongue) -> str:
    written: list[str] = []
    at = number = 0
    while number < len(piece.words):
        word = piece.words[number]
        count, english = tongue.phrase(_row(piece, number))
        if not count:
            known = None if _begins_english(piece, number, tongue) else tongue.word(word.plain)
            count, english = 1, known or piece.text[word.start : word.end]
        between = piece.text[at : word.start]
        written += (" " if between in {"'", "’"} else between, english)
        number += count
        at = piece.words[number - 1].end
    return "".join((*written, piece.text[at:]))


def _begins_english(piece: _Piece, number: int, tongue: _Tongue) -> bool:
    """Whether an English word comes next to one that is English as well: "No module named"."""
    if piece.words[number].plain not in _book().english or number + 1 == len(piece.words):
        return False
    following = piece.words[number + 1].plain
    return following in plain_words() and tongue.word(following) is None


def _row(piece: _Piece, first: int) -> list[str]:
    """The words from `first` on, as far as a phrase may reach."""
    row = [piece.words[first].plain]
    for before, word in zip(
        piece.words[first:], piece.words[first + 1 : first + _PHRASE], strict=False
    ):
        if not _GAP.fullmatch(piece.text, before.end, word.start):
            break
        row.append(word.plain)
    return row


@dataclass(frozen=True, slots=True)
class _Tongue:
    """A language: `whole` words and `stems` by their letters, `phrases` by their first letters."""

    name: str
    whole: Mapping[str, str]
    stems: Mapping[str, str]
    phrases: Mapping[str, Sequence[tuple[tuple[str, ...], str]]]
    longest: Mapping[str, int]  # Chinese and Japanese: of the words with this first character

    def word(self, plain: str) -> str | None:
        """English for a word or a form of it, None if it is unknown."""
        return _word(self.name, plain)

    def phrase(self, row: Sequence[str]) -> tuple[int, str]:
        """How many of the words are a known phrase, and that in English; 0 if none is."""
        if len(row) > 1:
            for parts, english in self.phrases.get(row[0][:2], ()):
                fits = len(parts) <= len(row) and all(map(_is_form, row, parts))
                if fits:
                    return len(parts), english
        return 0, ""

    def characters(self, run: str) -> str:
        """English for characters without spaces, the longest known words first."""
        found: list[str] = []
        at = 0
        while at < len(run):
            step = 1
            for size in range(min(self.longest.get(run[at], 0), len(run) - at), 0, -1):
                if english := self.whole.get(run[at : at + size]):
                    found.append(english)
                    step = size
                    break
            at += step
        return f" {' '.join(found)} "


def _is_form(word: str, part: str) -> bool:
    if len(part) < 4:
        return word == part
    return word.startswith(part) and len(word) - len(part) <= min(4, len(part) - 1)


@lru_cache(maxsize=8192)
def _word(language: str, plain: str) -> str | None:
    tongue = _book().tongues[language]
    if english := tongue.whole.get(plain) or tongue.stems.get(plain):
        return english
    if language == "German":
        return _german(plain, tongue) or _german(_UMLAUT.sub(r"\1", plain), tongue)
    for size in range(len(plain) - 1, 1, -1):
        if len(plain) - size > min(_FORM, size if language == "Russian" else size - 1):
            return None
        if english := tongue.stems.get(plain[:size]):
            return english
    return None


def _german(word: str, tongue: _Tongue) -> str | None:
    for start in (0, *range(3, len(word) - 4)):  # Laubfotos: only the end is known
        if parts := _parts(word[start:], tongue):
            return " ".join((word[:start], *parts)).strip()
    return None


def _parts(word: str, tongue: _Tongue, depth: int = 4) -> tuple[str, ...]:
    """The parts of a German word in English, the longest first part first; () if one is unknown."""
    for size in range(len(word), 2, -1):
        english = tongue.stems.get(word[:size])
        rest = word[size:]
        if english is None:
            continue
        if _GERMAN_END.fullmatch(rest):
            return (english,)
        for link in _GERMAN_LINKS if depth else ():
            if rest.startswith(link) and (more := _parts(rest[len(link) :], tongue, depth - 1)):
                return (english, *more)
    return ()


# --- the list of words ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Book:
    """All languages; `telling` has the words of grammar that tell which, `english` those of it."""

    tongues: Mapping[str, _Tongue]
    telling: Mapping[str, tuple[str, ...]]
    english: frozenset[str]
    english_only: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Row:
    """One meaning: in English, and in each language that has words for it."""

    english: str
    cells: Mapping[str, tuple[str, ...]]
    is_grammar: bool


@cache
def _book() -> _Book:
    file = resources.files("assistant.data").joinpath("glossary.txt")
    section = ""
    english: set[str] = set()
    rows: list[_Row] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[english]":
            english.update(line.split())
        elif line and not line.startswith("#"):
            rows.append(_row_of(line, is_grammar=section == "[grammar]"))
    telling: dict[str, list[str]] = defaultdict(list)
    for name in _LATIN:
        own = (w for row in rows if row.is_grammar for w in row.cells[name] if " " not in w)
        for word in dict.fromkeys(map(_plain, own)):
            telling[word].append(name)
    return _Book(
        {name: _tongue(name, rows) for name in LANGUAGES},
        {word: tuple(names) for word, names in telling.items() if word not in english},
        frozenset(english),
        frozenset(english - telling.keys()),
    )


def _row_of(line: str, *, is_grammar: bool) -> _Row:
    english, *cells = (cell.strip() for cell in line.split("|"))
    words = [tuple(w for word in cell.split(",") if (w := word.strip())) for cell in cells]
    return _Row(english.replace(",", ""), dict(zip(LANGUAGES, words, strict=True)), is_grammar)


def _tongue(name: str, rows: Sequence[_Row]) -> _Tongue:
    whole: dict[str, str] = {}
    stems: dict[str, str] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for row in rows:
        for word in row.cells[name]:
            plain = word if name in _CHARACTERS else _plain(word.rstrip("! "))
            parts = tuple(_LETTER_RUNS.findall(plain))
            if len(parts) > 1:
                phrases[plain[:2]].append((parts, row.english))
            elif row.is_grammar or name in _CHARACTERS or word.endswith("!"):
                whole.setdefault(plain, row.english)
            else:
                stems.setdefault(plain, row.english)
    for found in phrases.values():
        found.sort(key=lambda phrase: len(phrase[0]), reverse=True)
    longest: dict[str, int] = defaultdict(int)
    for word in whole:
        longest[word[0]] = max(longest[word[0]], len(word))
    return _Tongue(name, whole, stems, phrases, longest)


def _plain(word: str) -> str:
    """Lower case, accents off."""
    if word.isascii():
        return word.lower()
    bare = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in bare if not unicodedata.combining(letter))
