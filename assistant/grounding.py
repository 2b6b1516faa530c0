"""Does a sentence of the model say only what the guide, the paste or the evidence says?

Commands, code and URLs must stand in a matched entry. Names, paths, versions and numbers may also
come from paste and evidence. Nothing but the entry may supply what follows an installer, downloader
or shell verb. A sentence that breaks a rule is dropped whole, with the reason; in doubt a name or a
command is dropped and plain words are kept. It refuses to know what is true: only who said it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from assistant.types import Entry, Finding, Query


@dataclass(frozen=True, slots=True)
class Grounds:
    """What may be repeated: `entry` anything, `context` (paste, evidence) names and numbers.

    Texts are flat: lower case, single spaces. `lines` are the entry's code, word by word; `names`
    are the words of its code that are no plain English; `alphabets` those that were used so far.
    """

    entry: str
    context: str
    entry_words: frozenset[str]
    context_words: frozenset[str]
    lines: tuple[tuple[str, ...], ...]
    links: frozenset[str]
    names: frozenset[str]
    alphabets: frozenset[str]

    def has(self, word: str) -> bool:
        """Whether entry, paste or evidence hold this word."""
        return word in self.entry_words or word in self.context_words


def build_grounds(
    entries: Iterable[Entry], query: Query, findings: Iterable[Finding] = ()
) -> Grounds:
    """Collect what the model may repeat."""
    entry_text = "\n".join(f"{e.title}\n{e.body}\n{' '.join(e.symptoms)}" for e in entries)
    evidence = "\n".join(
        f"{f.summary}\n{f.next}\n{f.where}\n" + "\n".join(f"{n} {v}" for n, v in f.facts)
        for f in findings
    )
    context = f"{query.text}\n{evidence}"
    code = [*_FENCE.findall(entry_text), *_CODE_SPAN.findall(_FENCE.sub("\n", entry_text))]
    lines = [line for piece in code for line in piece.splitlines()]
    return Grounds(
        entry=_flat(entry_text),
        context=_flat(context),
        entry_words=frozenset(_words(entry_text)),
        context_words=frozenset(_words(context)),
        lines=tuple(words for line in lines if (words := _command_words(line))),
        links=frozenset(_links(entry_text)),
        names=frozenset(w for line in lines for w in _words(line) if not _is_plain(w)),
        alphabets=frozenset({"LATIN", *_alphabets(entry_text), *_alphabets(context)}),
    )


def find_fault(sentence: str, grounds: Grounds) -> str | None:
    """Return why `sentence` must not be shown, None if it may be. Pure; linear in its length."""
    for rule in _RULES:
        reason = rule(sentence, grounds)
        if reason:
            return reason
    return None


# --- sentences -----------------------------------------------------------------------------------

_LONGEST = 1200  # characters without an end: what comes is not a sentence
_END = re.compile(
    r"[.!?]['\"”)*]{0,3}(?=\s+[A-Z\"“`'(*]|\s*\n)|\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)"
)
# what stands before a full stop that ends nothing: "e.g.", "J."
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|incl|fig|no|dr)\.|\b[A-Z]\.)$", re.IGNORECASE
)


def take_sentences(buffer: str, *, at_end: bool = False) -> tuple[list[str], str]:
    """Cut the complete sentences off a growing text: (sentences, rest to keep and grow).

    Fenced code stays one piece. `at_end` takes the rest as well.
    """
    sentences: list[str] = []
    while (end := _sentence_end(buffer, at_end=at_end)) is not None:
        sentences.append(buffer[:end].strip())
        buffer = buffer[end:]
    if at_end or len(buffer) > _LONGEST:
        sentences.append(buffer.strip())
        buffer = ""
    return [sentence for sentence in sentences if sentence], buffer


def _sentence_end(buffer: str, *, at_end: bool) -> int | None:
    """Where the first sentence ends; None while that may still change with what comes."""
    fence = _FENCE_MARK.search(buffer)
    limit = fence.start() if fence else len(buffer)
    for found in _END.finditer(buffer, 0, limit):
        certain = at_end or found.end() < len(buffer.rstrip()) or "\n" in found.group(0)
        if certain and not _is_abbreviation(buffer, found):
            return found.end()
    if fence is None:
        return None
    if buffer[:limit].strip():
        return limit
    closing = buffer.find(fence.group(0), fence.end())
    return None if closing < 0 else closing + len(fence.group(0))


def _is_abbreviation(buffer: str, found: re.Match[str]) -> bool:
    before = buffer[max(0, found.start() - 12) : found.start() + 1]
    return found.group(0)[0] == "." and bool(_ABBREVIATION.search(before))


# --- what a word is ------------------------------------------------------------------------------

_TOKEN = re.compile(r"[^\s,;!?()\[\]{}\"“”‘’…`]+")
_FENCE_MARK = re.compile(r"```|~~~")
_FENCE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`\n]{1,300})`")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# a file, path, flag, API name, class name or version, by its form
_NAME_LIKE = re.compile(
    r"[_/\\=@#$%&|<>~^*+:]|\w\.\w|--|[a-z][A-Z]|[A-Za-z]-?\d|\d-?[A-Za-z]|^-\w|^\.\w"
)
_FILE = re.compile(
    r".\.(?:py|ipynb|pt|pth|onnx|safetensors|jpe?g|png|ya?ml|json|toml|csv|txt|log|md)(?::\d+)?$"
)
_SUFFIXES = ("s", "es", "ed", "d", "ing", "ly", "er", "able", "n't")
_PREFIXES = ("un", "re", "mis", "pre", "non", "over", "sub")
_COMPOUNDS = frozenset(
    "based like only side style specific related aware free level wide style ready trained tuned "
    "dependent independent compatible bit".split()
)
_BRANDS = frozenset("pytorch numpy github jupyterlab opencv imagenet".split())
_SLASHED = frozenset("and/or input/output train/test read/write true/false yes/no on/off".split())


@cache
def _plain_words() -> frozenset[str]:
    """Everyday English and the vocabulary of the course; no word of it is a well-known package."""
    text = (resources.files("assistant.data") / "plain-words.txt").read_text("utf-8")
    return frozenset(text.split())


@cache
def _is_plain(word: str) -> bool:
    """'restart', 'restarts', "doesn't", 'third-party': a word, not a name."""
    parts = [part for part in re.split(r"[-'’/]", word) if part]
    if len(parts) > 1:
        return all(len(part) == 1 or _is_plain(part) for part in parts) and "/" not in word
    plain = _plain_words()
    if word in plain or len(word) == 1 and word.isalpha():
        return True
    return word.isalpha() and any(stem in plain for stem in _stems(word))


def _stems(word: str) -> Iterator[str]:
    for suffix in _SUFFIXES:
        stem = word.removesuffix(suffix)
        if stem != word and len(stem) > 2:
            yield from (stem, f"{stem}e", f"{stem}y")
            if stem[-1] == "i":
                yield f"{stem[:-1]}y"
            if stem[-1] == stem[-2] and len(stem) > 3:
                yield stem[:-1]
    for prefix in _PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) > 4:
            yield rest


def _tokens(text: str) -> list[str]:
    """The words of a sentence as written, without the marks around them."""
    found = (token.strip(".:'*_-–—") if token.strip(".:'*–—-") else "" for token in _bare(text))
    return [token for token in found if token]


def _bare(text: str) -> list[str]:
    tokens = []
    for token in _TOKEN.findall(text):
        flag = token.startswith("-") and token.strip("-")
        stripped = token.rstrip(".:'*") if flag else token
        tokens.append(f"\0{stripped}" if flag else stripped.removesuffix("'s"))
    return tokens


def _flat(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split()).casefold()


def _words(text: str) -> Iterator[str]:
    """Every token of a text, whole and in its parts, so that 'model.fc' grounds 'fc' as well."""
    flat = text.casefold()
    for token in re.findall(r"[^\s,;!?()\[\]{}\"“”‘’…`'<>=|]+", flat):
        yield token
        yield token.strip(".:*'")
        yield from re.findall(r"[\w.+-]*\w", token)
    yield from re.findall(r"[a-z_][\w.-]*\w", flat)
    yield from re.findall(r"\w+", flat)
    yield from _NUMBER.findall(flat)
