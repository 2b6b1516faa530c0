"""What a fix means for this person, in fixed sentences with their values: no model writes them.

What their own figures say, which cause fits, what the message means, what to compare with. Each
sentence says what it rests on; one that would only repeat values already named is left out, and so
is everything that no value of this text decides: silence is better than what everybody is told. It
refuses to decide which entry answers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from assistant.events import Sentence
from assistant.evidence import contradicts, relevant_clues
from assistant.fitting import Fit, fit_cause
from assistant.followup import read_apart
from assistant.meanings import explain_exception, explain_words
from assistant.quoting import as_code
from assistant.remarks import find_remarks
from assistant.types import Entry, ExceptionText, Finding, Match, Query
from assistant.wording import plain_markdown, split_prose

WRITER = "fixed sentences, without a language model"
_MOST = 5
_REMARKS = 3
_ENOUGH = 2  # sentences on the person's own values, after which the guide is not quoted any more
_LOOKED_AT = 6  # exceptions of a long log


def tell(
    query: Query, entry: Entry, findings: Sequence[Finding] = (), *, others: Sequence[Match] = ()
) -> tuple[Sentence, ...]:
    """Return at most five cited sentences; `others` are the next best matches."""
    own = [
        *_checked(query, entry, findings),
        *_remarks(query, entry),
        *_cause(query, entry, findings),
        *_failure(query, entry),
    ]
    said = list(_without_echoes(own))
    if len(said) < _ENOUGH:
        said = list(_without_echoes([*said, *_quoted(query, entry, said)]))
    true = [one for one in said if not contradicts(one.text, query, findings)][:_MOST]
    next_one = [one for one in _next(entry, others) if not contradicts(one.text, query, findings)]
    return (*true, *next_one)


_VALUE = re.compile(r"`([^`]+)`")


def _without_echoes(said: Iterable[Sentence]) -> Iterator[Sentence]:
    """Leave out a sentence that names no value, beside others that do, or no new one."""
    named: set[str] = set()
    for place, sentence in enumerate(said):
        values = set(_VALUE.findall(sentence.text))
        long = {value for value in values if len(value) > 1}  # a digit alone says little
        if ((long or values) - named) or not place:
            yield sentence
        named |= long


# --- the person's own values ---------------------------------------------------------------------


def _remarks(query: Query, entry: Entry) -> Iterator[Sentence]:
    for remark in find_remarks(query.text, entry)[:_REMARKS]:
        yield Sentence(remark.text, (_line(query, remark.start), entry.id))


def _failure(query: Query, entry: Entry) -> Iterator[Sentence]:
    """What the message means; who asked for what is missing; what only followed from it."""
    if query.exception is None:
        for meaning in explain_words(query.text):
            if not _is_told(meaning.text, entry):
                yield Sentence(meaning.text, (_line(query, meaning.start), entry.id))
        return
    chain = list(_chain(query))
    yield from _place(query)
    for one in chain:
        yield from _asker(query, one)
        yield from _consequence(query, one)
    meant = [(one, text) for one in chain for text in explain_exception(one)]
    for one, text in meant[:2]:
        if not _is_told(text, entry):
            yield Sentence(text, (_line(query, one.end - 1), entry.id))


def _is_told(text: str, entry: Entry) -> bool:
    """Whether a fix for a missing package says this itself: where Python looks, what is missing."""
    return "No module named" in entry.title and bool(_OF_MISSING.search(text))


_OF_MISSING = re.compile(
    r"looks only at the packages|is missing in the Python|As soon as that Python has it"
)


def _chain(query: Query) -> Iterator[ExceptionText]:
    """The exception that explains the failure; if nothing is known of it, what led to it."""
    exceptions = [query.exception, *reversed(query.exceptions[-_LOOKED_AT:])]
    known = (one for one in exceptions if one is not None and explain_exception(one))
    yield from itertools.islice(known, 1)


_MISSING = re.compile(r"No module named '?([A-Za-z_][\w.]{0,80})")


def _asker(query: Query, exception: ExceptionText) -> Iterator[Sentence]:
    """Which file wants the missing package: the one that was started, or one that it leads to."""
    missing = _MISSING.search(exception.message)
    if missing is None or not exception.frames:
        return
    first, last = exception.frames[0], exception.frames[-1]
    package, file = _package(last.file), as_code(_short(last.file))
    name, source = as_code(missing[1]), (_find_line(query, last.file, last.line),)
    if _short(first.file) == _short(last.file):
        text = (
            f"Nothing is wrong with {file} itself: in its line {as_code(str(last.line))} it asks "
            f"for {name}, and all that is missing is that package in the Python that runs it."
        )
        yield Sentence(text, source)
        return
    who = f"{file} of the library {as_code(package)}" if package else file
    text = (
        f"It is {who} that wants {name}; {as_code(_short(first.file))} only leads there, so no "
        "change in it makes the package unnecessary as long as that import is reached."
    )
    yield Sentence(text, source)


def _place(query: Query) -> Iterator[Sentence]:
    """Where a file would have to lie if the program was started in its own folder."""
    wanted = next((fact for fact in query.facts if fact.kind == "missing_file"), None)
    frames = query.exception.frames if query.exception is not None else ()
    own = next((frame for frame in frames if frame.own and frame.file.startswith("/")), None)
    if wanted is None or own is None or re.match(r"[/\\~]|\w:", wanted.value):
        return
    folder = own.file.rpartition("/")[0]
    text = (
        f"Started in the folder of {as_code(_short(own.file))}, the program looks for it below "
        f"{as_code(folder)}; started elsewhere, below that other folder."
    )
    yield Sentence(text, (_line(query, wanted.start), _find_line(query, own.file, own.line)))


def _consequence(query: Query, exception: ExceptionText) -> Iterator[Sentence]:
    """What is printed last is not always what went wrong."""
    last = query.exceptions[-1]
    name, cause = (one.name.rpartition(".")[2] for one in (last, exception))
    if last is exception or not name or not cause or name == cause or last.start < exception.end:
        return
    text = (
        f"The last line, {as_code(name)}, only passes on what happened before: the "
        f"{as_code(cause)} above it is the one to mend."
    )
    yield Sentence(text, (_line(query, exception.end - 1),))


# /usr/lib/python3/dist-packages/torch/nn/modules/conv.py → torch
_PACKAGE = re.compile(r"(?:site|dist)-packages[/\\]([A-Za-z_]\w*)")


def _package(file: str) -> str:
    found = _PACKAGE.search(file)
    return found[1] if found else ""


def _short(file: str) -> str:
    """A path's last part; 'Cell In[2]' stays."""
    return re.split(r"[/\\]", file)[-1] or file


# --- causes and checks ---------------------------------------------------------------------------


def _cause(query: Query, entry: Entry, findings: Sequence[Finding]) -> Iterator[Sentence]:
    fit = fit_cause(entry, query, findings)
    if fit is None:
        return
    number = entry.causes.index(fit.cause) + 1
    text = f"Of the {len(entry.causes)} causes above it is number {number}: {fit.because}."
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


# --- the guide's own words -----------------------------------------------------------------------


def _quoted(query: Query, entry: Entry, said: Sequence[Sentence]) -> Iterator[Sentence]:
    """What the guide says on telling it apart, where that quotes this text."""
    apart, named = _apart(query, entry), {v for one in said for v in _VALUE.findall(one.text)}
    if apart and not named & set(_VALUE.findall(apart)):
        yield Sentence(f"To tell it from what looks similar: {apart}", (entry.id,))


# what cannot stand without the sentence before it
_LEANS = re.compile(
    r"^(?:Every other|It|That|This|These|Those|Then|So|With that|The other|If so)\b"
)
_HOST = re.compile(r"\b[\w-]+(?:\.[\w-]+)*\.(?:co|com|org|net|ai)\b")
_QUOTED = re.compile(r"`([^`]{2,60})`|\"([^\"]{2,60})\"|(?<![\w.])(\d{3,6})(?![\w.])")


def _apart(query: Query, entry: Entry) -> str:
    """The guide's sentence on telling it apart that quotes something of this text, '' if none."""
    sentences = split_prose(read_apart(entry))
    text, title = query.text.casefold(), entry.title.casefold()
    for place, sentence in enumerate(sentences):
        terms = [next(filter(None, found.groups())) for found in _QUOTED.finditer(sentence)]
        strange = any(host.casefold() not in text for host in _HOST.findall(sentence))
        known = (_stands(term.casefold(), text) for term in terms if term.casefold() not in title)
        if strange or not any(known):
            continue
        leans = place and _LEANS.match(sentence)
        return " ".join(sentences[place - 1 : place + 1]) if leans else sentence
    return ""


def _stands(term: str, text: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text))


def _next(entry: Entry, others: Sequence[Match]) -> Iterator[Sentence]:
    """What to look at if the fix does not help."""
    if others and entry.kind == "error":
        title = plain_markdown(others[0].title)
        yield Sentence(f"If it does not help, compare with “{title}”.", (others[0].id,))


# --- what a sentence rests on --------------------------------------------------------------------


def _line(query: Query, position: int) -> str:
    return f"line {query.text.count(chr(10), 0, max(0, position)) + 1} of your text"


def _find_line(query: Query, file: str, line: int) -> str:
    """The line of the text that names this file and line."""
    pattern = re.compile(rf"{re.escape(file)}.{{0,40}}?\b{line}\b")
    found = pattern.search(query.text) or re.search(re.escape(file), query.text)
    return _line(query, found.start()) if found else "your text"
