"""Text to sentences and words: where a sentence ends, what is a plain word and what a name.

Knows English a little (`data/plain-words.txt`) and nothing of guides, commands or models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources

# --- sentences -----------------------------------------------------------------------------------

LONGEST = 1200  # characters without an end: what comes is not a sentence
_END = re.compile(
    r"[.!?]['\"”)*]{0,3}(?=\s+[^\W\d_a-z]|\s+[\"“`'(*]|\s*\n)"
    r"|\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)"
)
# a full stop that ends nothing: "e.g.", "J.", "1." at the beginning of a list item
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|incl|fig|no|dr)|\b[A-Z]|(?:^|\n)\s*\d+)\.$",
    re.IGNORECASE,
)
FENCE_MARK = re.compile(r"```|~~~")


def take_sentences(buffer: str, *, at_end: bool = False) -> tuple[list[str], str]:
    """Cut the complete sentences off a growing text: (sentences, rest to keep and grow).

    Fenced code stays one piece. `at_end` takes the rest as well. The cuts are the same in whatever
    pieces the text arrives.
    """
    sentences: list[str] = []
    while True:
        end = _sentence_end(buffer)
        if end is None or end > LONGEST:
            if len(buffer) <= LONGEST:
                break
            end = LONGEST
        mark = FENCE_MARK.match(buffer)
        is_cut = mark is not None and not buffer[:end].endswith(mark.group(0), 3)
        sentences.append(buffer[:end].strip())
        buffer = (mark.group(0) if mark and is_cut else "") + buffer[end:]
    if at_end:
        sentences.append(buffer.strip())
        buffer = ""
    return [sentence for sentence in sentences if sentence], buffer


def _sentence_end(buffer: str) -> int | None:
    fence = FENCE_MARK.search(buffer)
    limit = fence.start() if fence else len(buffer)
    for found in _END.finditer(buffer, 0, min(limit, LONGEST + 80)):
        before = buffer[max(0, found.start() - 12) : found.start() + 1]
        is_abbreviation = before.endswith(".") and _ABBREVIATION.search(before)
        line = buffer[buffer.rfind("\n", 0, found.start()) + 1 : found.end()]
        if not is_abbreviation and (line.count("`") % 2 == 0 or "\n" in found.group(0)):
            return found.end()
    if fence is None:
        return None
    if buffer[:limit].strip():
        return limit
    closing = buffer.find(fence.group(0), fence.end())
    return None if closing < 0 else closing + len(fence.group(0))


_NOT_PROSE = re.compile(r"^[ \t]*```(?:.|\n)*?(?:```|\Z)|^\|.*$", re.MULTILINE)
_LINK_TEXT = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_MARKS = re.compile(r"\*\*|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|^#+\s", re.MULTILINE)


def plain_markdown(markdown: str, *, code: bool = False) -> str:
    """Take code blocks, tables, links and marks out: what is left is prose on one line; with
    `code`, code spans keep their marks."""
    spans: list[str] = []

    def keep(span: re.Match[str]) -> str:
        spans.append(span[0] if code else span[1])
        return f"\x00{len(spans) - 1}\x00"

    text = CODE_SPAN.sub(keep, _NOT_PROSE.sub(" ", markdown))
    text = _MARKS.sub("", _LINK_TEXT.sub(r"\1", text)).replace("`", "")
    return " ".join(re.sub("\x00(\\d+)\x00", lambda at: spans[int(at[1])], text).split())


def split_prose(markdown: str) -> list[str]:
    """The sentences of a guide's paragraph or list, each on one line, with its code spans."""
    items = re.split(r"\n\s*(?:[-*+]|\d+[.)])\s+", f"\n{markdown}")
    found = [take_sentences(plain_markdown(item, code=True), at_end=True)[0] for item in items]
    return [sentence for sentences in found for sentence in sentences]


# --- what a word is ------------------------------------------------------------------------------

TOKEN = re.compile(r"[^\s,;!?()\[\]{}\"“”‘’…`—–]+")
FENCE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]{1,300})`")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SUFFIXES = ("s", "es", "ed", "d", "ing", "ly", "er", "able")
_PREFIXES = ("un", "re", "mis", "pre", "non", "over", "sub")


def tokens(text: str) -> list[str]:
    """The words of a sentence as written, without the marks around them."""
    found = (token.strip(".:'*").rstrip("=").removesuffix("'s") for token in TOKEN.findall(text))
    return [token for token in found if any(c.isalnum() for c in token)]


@cache
def plain_words() -> frozenset[str]:
    """Everyday English and the vocabulary of the course; no word of it is a well-known package."""
    text = (resources.files("assistant.data") / "plain-words.txt").read_text("utf-8")
    return frozenset(text.split())


def is_plain(word: str) -> bool:
    """'restart', 'restarts', "doesn't", 'third-party': words of English, lower case, no names."""
    parts = re.split(r"[-'’]", word)
    return any(parts) and all(is_plain_part(part) for part in parts if part)


def is_plain_part(word: str) -> bool:
    """'restart', 'restarts': one word of English, without hyphens."""
    if not word.isalpha() or not word.isascii():
        return False
    plain = plain_words()
    return len(word) == 1 or word in plain or any(stem in plain for stem in _stems(word))


def _stems(word: str) -> Iterator[str]:
    for suffix in _SUFFIXES:
        stem = word.removesuffix(suffix)
        if stem == word or len(stem) < 3:
            continue
        yield from (stem, f"{stem}e")
        if stem.endswith("i"):  # applied → apply
            yield f"{stem[:-1]}y"
        if suffix in {"ed", "ing", "er"} and stem[-1] == stem[-2]:  # stopped → stop
            yield stem[:-1]
    for prefix in _PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) > 4:
            yield rest


def all_words(text: str) -> Iterator[str]:
    """Every token of a text, whole and in its parts, so that 'model.fc' grounds 'fc' as well."""
    flat = text.casefold()
    for token in re.findall(r"[^\s,;!?()\[\]{}\"“”‘’…`'<>=|—–]+", flat):
        yield token
        yield token.strip(".:*'")
        yield from re.findall(r"[\w.+-]*\w", token)
    yield from re.findall(r"[a-z_][\w.-]*\w", flat)
    yield from re.findall(r"\w+", flat)
    yield from (found.rstrip(".") for found in re.findall(r"(?<![\w.-])[\w.-]++=[\w./-]+", flat))
    yield from NUMBER.findall(flat)


def command_words(text: str) -> list[str]:
    """A command as a shell would split it, roughly: without prompts, quotes and full stops."""
    stripped = (bare_word(word) for word in text.replace("`", " ").casefold().split())
    return [word for word in stripped if word]


def bare_word(word: str) -> str:
    """'`%pip' → 'pip', 'timm.' → 'timm'."""
    return word.lstrip("%!$>#'\"“‘(`").rstrip("'\"”’).,;:!?*`")
