"""What a fix means for this person, in fixed sentences with their values: no model writes them.

Where and how it failed, what the error means, which cause fits, what to try next; for words without
an error, what the guide says of the things that they name. Each sentence says what it rests on. It
refuses to decide which entry answers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from assistant.events import Sentence
from assistant.evidence import contradicts, relevant_clues
from assistant.excerpts import find_excerpts, is_name
from assistant.fitting import Fit, fit_cause
from assistant.followup import read_apart
from assistant.meanings import explain_exception, explain_words
from assistant.overlap import shared_words
from assistant.quoting import as_code, is_harmless
from assistant.types import Entry, ExceptionText, Finding, Frame, Match, Query
from assistant.wording import plain_markdown, split_prose

WRITER = "fixed sentences, without a language model"
_CAUSE = 150  # characters of a cause that stands whole in the fix anyway
_APART = 240
_MOST = 6
_LOOKED_AT = 6  # exceptions of a long log


def tell(
    query: Query, entry: Entry, findings: Sequence[Finding] = (), *, others: Sequence[Match] = ()
) -> tuple[Sentence, ...]:
    """Return at most six cited sentences; `others` are the next best matches."""
    exception = query.exception
    said = [*_checked(query, entry, findings), *_cause(query, entry, findings)]
    said += (
        _failure(query, exception, entry)
        if exception is not None
        else _observation(query.text, query, entry, most=2)
    )
    if exception is not None and query.words:
        said += _observation(query.words, query, entry, most=1)
    said += _next(query, entry, others)
    true = [one for one in said if not contradicts(one.text, query, findings)]
    return tuple(true[:_MOST])


# --- an error ------------------------------------------------------------------------------------


def _failure(query: Query, exception: ExceptionText, entry: Entry) -> Iterator[Sentence]:
    """The learner's own line (the case says where it is), where it was raised, what it means."""
    frames = exception.frames
    own = next((frame for frame in reversed(frames) if frame.own), None)
    if own is not None:
        if own.code and is_harmless(own.code):
            yield Sentence(f"The line: {as_code(own.code)}.", (_find_line(query, own),))
        if not frames[-1].own:
            yield Sentence(_route(frames[-1]), (_find_line(query, frames[-1]),))
    meant = [(one, text) for one in _chain(query) for text in explain_exception(one)][:2]
    for one, text in meant:
        yield Sentence(text, (_line(query, one.end - 1), entry.id))


def _chain(query: Query) -> Iterator[ExceptionText]:
    """The exception that explains the failure; if nothing is known of it, what led to it."""
    exceptions = [query.exception, *reversed(query.exceptions[-_LOOKED_AT:])]
    known = (one for one in exceptions if one is not None and explain_exception(one))
    yield from itertools.islice(known, 1)


def _route(last: Frame) -> str:
    package = _package(last.file)
    where = f" of {as_code(package)}" if package else ""
    function = f", in {as_code(last.function)}" if re.fullmatch(r"\w{1,60}", last.function) else ""
    name = as_code(_short(last.file))
    at = f"(line `{last.line}`{function})"
    return f"That line led into a library: the error itself was raised in {name}{where} {at}."


# /usr/lib/python3/dist-packages/torch/nn/modules/conv.py → torch
_PACKAGE = re.compile(r"(?:site|dist)-packages[/\\]([A-Za-z_]\w*)")


def _package(file: str) -> str:
    found = _PACKAGE.search(file)
    return found[1] if found else ""


def _short(file: str) -> str:
    """A path's last part; 'Cell In[2]' stays."""
    return re.split(r"[/\\]", file)[-1] or file


# --- plain words ---------------------------------------------------------------------------------


def _observation(words: str, query: Query, entry: Entry, *, most: int) -> Iterator[Sentence]:
    """What the guide says of the things that the words name."""
    meanings = explain_words(words) if query.exception is None else ()
    for meaning in meanings:
        yield Sentence(meaning.text, (_line(query, meaning.start), entry.id))
    for excerpt in find_excerpts(words, entry, most=most):
        if query.exception is not None and not is_name(excerpt.named[0]):
            continue  # beside an error, plain words of a log say little
        named = " and ".join(as_code(word) for word in excerpt.named[:2])
        lead = f"You speak of {named}; the guide on that: " if named else "The guide on this: "
        yield Sentence(f"{lead}{excerpt.text}", (entry.id, _find_words(query, excerpt.named)))


# --- both ----------------------------------------------------------------------------------------


def _cause(query: Query, entry: Entry, findings: Sequence[Finding]) -> Iterator[Sentence]:
    fit = fit_cause(entry, query, findings)
    if fit is None:
        return
    number = entry.causes.index(fit.cause) + 1
    text = (
        f"Of the {len(entry.causes)} causes in the guide, number {number} fits best, since "
        f"{fit.because}: {_shorten(fit.cause)}"
    )
    yield Sentence(text, (entry.id, *_fit_source(query, fit, findings)))


def _checked(query: Query, entry: Entry, findings: Sequence[Finding]) -> Iterator[Sentence]:
    """What a check found on this matter, the last word of each one kind."""
    clues = relevant_clues(entry, query, findings)
    for clue in clues[-1:]:
        source = next(finding.id for finding in findings if clue in finding.clues)
        yield Sentence(f"A check found: {clue.text}", (source,))


def _fit_source(query: Query, fit: Fit, findings: Sequence[Finding]) -> Iterator[str]:
    if fit.source == "check":
        yield from (f.id for f in findings if any(c.text.startswith(fit.because) for c in f.clues))
        return
    fact = next((fact for fact in query.facts if fact.kind == fit.source), None)
    if fact is not None and fact.start >= 0:
        yield _line(query, fact.start)
    elif query.exception is not None:
        yield _line(query, query.exception.end - 1)


def _next(query: Query, entry: Entry, others: Sequence[Match]) -> Iterator[Sentence]:
    """What to look at if the fix does not help: the guide's own words on telling it apart."""
    apart = _apart(query, entry)
    if apart:
        yield Sentence(f"To be sure that it is this and nothing similar: {apart}", (entry.id,))
    if others and entry.kind == "error":
        title = plain_markdown(others[0].title)
        yield Sentence(f"If it does not help, compare with “{title}”.", (others[0].id,))


# what cannot stand without the sentence before it
_LEANS = re.compile(
    r"^(?:Every other|It|That|This|These|Those|Then|So|With that|The other|If so)\b"
)


def _apart(query: Query, entry: Entry) -> str:
    """The guide's words on telling it apart that speak of this text, '' if none do."""
    sentences = split_prose(read_apart(entry))
    if not sentences:
        return ""
    place = max(range(len(sentences)), key=lambda n: len(shared_words(sentences[n], query.text)))
    if not shared_words(sentences[place], query.text):
        return ""
    first = place - 1 if place and _LEANS.match(sentences[place]) else place
    chosen = " ".join(sentences[first : place + 1])
    if first == place == 0 and len(chosen) < _APART / 2:
        chosen = " ".join(sentences[:2])
    return chosen


def _shorten(cause: str) -> str:
    """The first sentence of a cause, cut after a word if it is long."""
    first = next(iter(split_prose(cause)), plain_markdown(cause))
    return first if len(first) <= _CAUSE else f"{first[:_CAUSE].rsplit(maxsplit=1)[0]} …"


# --- what a sentence rests on --------------------------------------------------------------------


def _line(query: Query, position: int) -> str:
    return f"line {query.text.count(chr(10), 0, max(0, position)) + 1} of your text"


def _find_line(query: Query, frame: Frame) -> str:
    """The line of the text that names this frame's file and line."""
    pattern = re.compile(rf"{re.escape(frame.file)}.{{0,40}}?\b{frame.line}\b")
    found = pattern.search(query.text) or re.search(re.escape(frame.file), query.text)
    return _line(query, found.start()) if found else "your text"


def _find_words(query: Query, words: Sequence[str]) -> str:
    found = re.search(re.escape(words[0]), query.text, re.IGNORECASE) if words else None
    return _line(query, found.start()) if found else "your text"
