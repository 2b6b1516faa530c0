"""Folds the event stream into one answer, and writes an answer as Markdown for the chat.

`fold` is a pure function of the answer so far and one event; `render_` functions turn values into
safe Markdown (see markdown.py). It refuses to know Gradio, sessions and time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import MappingProxyType

from assistant.events import (
    Done,
    Dropped,
    Event,
    Fix,
    Loading,
    Notice,
    Offered,
    Probed,
    Question,
    Retrieved,
    Sentence,
    Understood,
)
from assistant.quoting import is_harmless
from assistant.types import Entry, Finding, FixText, Match, Query, Status, Turn
from assistant.web.findings import render_finding
from assistant.web.markdown import code, escape, fence, guide_markdown, sentence_markdown

SHOWN_CHARACTERS = 12_000  # of a paste; all of it is read
SHOWN_LINES = 240
QUOTED = 80  # characters of a cited line
NO_TITLES: Mapping[str, str] = MappingProxyType({})
_OWN_LINE = re.compile(r"line (\d{1,7}) of your text")
_NOT_ANCHOR = re.compile(r"[^\w-]")  # `missing timm!` → `missing-timm-`

CONFIDENCE_WORDS = ((0.85, "very strong"), (0.65, "strong"), (0.45, "fair"), (0.0, "weak"))
_LIKELY = 0.6


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that one stream has said so far. `ended` is a closing line, Markdown."""

    loading: str = ""
    query: Query | None = None
    matches: tuple[Match, ...] = ()
    status: Status | None = None
    final: bool = False
    fix: FixText | None = None
    revision: int = -1
    offered: tuple[str, ...] = ()
    question: Question | None = None
    findings: tuple[Finding, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    notices: tuple[Notice, ...] = ()
    turn: Turn | None = None
    backend: str = ""
    seconds: tuple[tuple[str, float], ...] = ()
    ended: str = ""

    @property
    def others(self) -> tuple[Match, ...]:
        """The matches that are not the shown fix."""
        shown = self.fix.entry if self.fix else None
        return tuple(match for match in self.matches if match.id != shown)


def fold(answer: Answer, event: Event) -> Answer:
    """Return the answer with one more event in it."""
    if isinstance(event, Loading):
        return replace(answer, loading=event.what)
    if isinstance(event, Notice):
        return replace(answer, notices=(*answer.notices, event))
    answer = replace(answer, loading="")
    match event:
        case Understood(query):
            return replace(answer, query=query)
        case Retrieved(matches, status, final):
            return replace(answer, matches=matches, status=status, final=final)
        case Fix(fix, revision):
            newer = revision >= answer.revision
            return replace(answer, fix=fix, revision=revision) if newer else answer
        case Offered(probes):
            return replace(answer, offered=probes)
        case Question():
            return replace(answer, question=event)
        case Probed(finding):
            return replace(answer, findings=(*answer.findings, finding))
        case Sentence():
            return replace(answer, sentences=(*answer.sentences, event))
        case Dropped():
            return replace(answer, dropped=(*answer.dropped, event))
        case Done(turn, status, backend, seconds):
            return replace(
                answer, turn=turn, status=status, backend=backend, seconds=seconds, final=True
            )


def confidence_word(confidence: float) -> str:
    """Say a confidence in words."""
    return next(word for least, word in CONFIDENCE_WORDS if confidence >= least or least == 0.0)


def render_question(text: str) -> str:
    """Show what somebody typed as it stands: one line as text, more as a block."""
    shown, left_out = _shorten(text)
    plain = "\n" not in shown.strip() and not shown.startswith((" ", "\t"))
    body = escape(shown.strip()) if plain else fence(shown)
    return (
        f"{body}\n\n*({left_out:,} characters left out here; all of it is read.)*"
        if left_out
        else body
    )


def render_answer(
    answer: Answer, entries: Mapping[str, Entry], *, titles: Mapping[str, str] = NO_TITLES
) -> str:
    """Write the answer as it is now: what to do first, then why, the evidence, the rest folded.

    `titles` are those of the probes, by id. A check that was pressed alone comes before what it
    changes.
    """
    findings = [render_finding(one, title=titles.get(one.id, "")) for one in answer.findings]
    asked = answer.query is not None
    parts = [
        *([] if asked else findings),
        _head(answer),
        "" if asked or answer.fix is None else "**With this finding, the answer is:**",
        _fix(answer, entries),
        _tailoring(answer, titles),
        *(["#### What was found" if answer.fix else "", *findings] if asked and findings else []),
        _which(answer),
        *(_notice(notice) for notice in answer.notices),
        _whole_entry(answer, entries),
        _held_back(answer),
        _progress(answer),
        answer.ended,
    ]
    return "\n\n".join(part for part in parts if part)


def render_entry(entry: Entry) -> str:
    """Write another candidate: its title, its source, what its symptoms are, its fix."""
    symptoms = "\n\n".join(fence(symptom) for symptom in entry.symptoms[:2])
    head = f"### {escape(entry.title)}\n\n{render_source(entry)}"
    when = f"**Compare: this entry is for**\n\n{symptoms}" if symptoms else ""
    return "\n\n".join(
        part for part in (head, when, guide_markdown(entry.solution or entry.body)) if part
    )


def render_source(entry: Entry) -> str:
    """Say where an entry stands: file, section, line."""
    section = f", section “{escape(entry.section)}”" if entry.section else ""
    return f"From the guide {code(PurePath(entry.file).name)}{section}, line {entry.line}."


def render_failure(message: str, *, hint: str = "") -> str:
    """Write a failure as one line."""
    return f"**That did not work.** {_oneline(message)} {_oneline(hint)}".rstrip()


# --- parts of an answer --------------------------------------------------------------------------


def _head(answer: Answer) -> str:
    """Say that nothing matches, where that is the result."""
    talk = answer.query is not None and answer.query.kind in ("smalltalk", "empty")
    probe_alone = bool(answer.findings) and not answer.matches
    if answer.status != "abstain" or not answer.final or talk or answer.fix or probe_alone:
        return ""
    return "" if answer.sentences else "**The guide has no entry for this.**"


def _fix(answer: Answer, entries: Mapping[str, Entry]) -> str:
    fix = answer.fix
    if fix is None:
        return ""
    entry = entries.get(fix.entry)
    match = next((match for match in answer.matches if match.id == fix.entry), None)
    title = escape(entry.title if entry else match.title if match else fix.entry)
    likely = "Likely: " if answer.status == "likely" else ""
    lines = [f"### {likely}{title}"]
    if likely:
        lines.append("*This is likely, not certain: compare it with the other candidates below.*")
    why = _why(entry, match, is_likely=bool(likely))
    parts = [*lines, guide_markdown(fix.text), why, _provenance(fix)]
    return "\n\n".join(part for part in parts if part)


def _provenance(fix: FixText) -> str:
    """Which knowledge the fix is from and how far it was proven, as the terminal says it too."""
    origin = f"Knowledge: {escape(fix.origin)}." if fix.origin else ""
    said = " ".join(part for part in (origin, escape(fix.proof)) if part)
    return f"*{said}*" if said else ""


def _why(entry: Entry | None, match: Match | None, *, is_likely: bool) -> str:
    source = render_source(entry) if entry else ""
    if match is None:
        return source
    reasons = "; ".join(escape(reason) for reason in match.why)
    # what is called likely is not called a strong match in the same breath
    confidence = min(match.confidence, _LIKELY) if is_likely else match.confidence
    word = f"Match: **{confidence_word(confidence)}**" + (f" ({reasons})." if reasons else ".")
    return f"{source} {word}".strip()


def _which(answer: Answer) -> str:
    """The one question that tells two near entries apart."""
    if answer.question is None:
        return ""
    first, *rest = answer.question.text.split("\n")
    return "\\\n".join([f"**{_oneline(first)}**", *map(_oneline, rest)])


def _tailoring(answer: Answer, titles: Mapping[str, str]) -> str:
    """The model's sentences, each with what it rests on."""
    if not answer.sentences:
        return ""
    names = {match.id: match.title for match in answer.matches} | dict(titles)
    sources = list(dict.fromkeys(id_ for one in answer.sentences for id_ in one.citations))
    text = " ".join(_sentence(one, sources) for one in answer.sentences)
    if answer.fix is None:
        return text
    listed = "; ".join(
        f"\\[{place}\\] {_bracketless(names.get(id_, id_))}{_quote(id_, answer.query)}"
        for place, id_ in enumerate(sources, start=1)
    )
    writer = f"*Written by {escape(answer.backend)}; checked against the guide and your paste.*"
    parts = [f"#### For your case\n\n{text}", f"Sources: {listed}." if listed else ""]
    return "\n\n".join(part for part in (*parts, writer if answer.backend else "") if part)


def _bracketless(text: str) -> str:
    return escape(text).replace("[", "\\[").replace("]", "\\]")


def _quote(id_: str, query: Query | None) -> str:
    """The cited line of the reader's own text, so that nobody has to count lines."""
    cited = _OWN_LINE.fullmatch(id_)
    lines = query.text.split("\n") if cited and query is not None else []
    number = int(cited[1]) if cited else 0
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    if len(lines) < 2 or not line or not is_harmless(line):
        return ""
    return f", {code(line if len(line) <= QUOTED else f'{line[: QUOTED - 1]}…')}"


def _sentence(sentence: Sentence, sources: list[str]) -> str:
    """A sentence with links to what it rests on; page.js scrolls there (`#cite-…`). A line of the
    reader's own text is quoted in the list instead."""
    links = "".join(_reference(id_, sources.index(id_) + 1) for id_ in sentence.citations)
    return f"{sentence_markdown(sentence.text)}{links}"


def _reference(id_: str, place: int) -> str:
    if id_.endswith("your text"):
        return f" \\[{place}\\]"
    return f" [\\[{place}\\]](#cite-{_anchor(id_)})"


def _anchor(id_: str) -> str:
    return _NOT_ANCHOR.sub("-", id_)


def _whole_entry(answer: Answer, entries: Mapping[str, Entry]) -> str:
    """The full explanation, folded; a question's or procedure's answer is shown whole anyway."""
    entry = entries.get(answer.fix.entry) if answer.fix else None
    if entry is None or entry.kind != "error" or not answer.final or answer.query is None:
        return ""
    body = guide_markdown(entry.body)
    return f"<details><summary>The whole entry of the guide</summary>\n\n{body}\n\n</details>"


def _notice(notice: Notice) -> str:
    word = "Please note" if notice.level == "warning" else "Note"
    return f"**{word}**: {_oneline(notice.text)}"


def _held_back(answer: Answer) -> str:
    """The sentences that did not pass the check, folded away."""
    count = len(answer.dropped)
    if not count:
        return ""
    block = fence("\n".join(f"{one.text.strip()}\n    → {one.reason}" for one in answer.dropped))
    return f"<details><summary>Sentences held back ({count})</summary>\n\n{block}\n\n</details>"


def _progress(answer: Answer) -> str:
    """What is going on now, while the stream has not ended."""
    if answer.ended:
        return ""
    if answer.turn is not None:
        return _timing(dict(answer.seconds)) if answer.fix else ""
    if answer.loading:
        what = _oneline(answer.loading).rstrip(".…")
        return f"*Still loading: {what}. Your question is kept and answered as soon as it can be.*"
    if answer.status is None:
        return "*Looking…*" if answer.findings or answer.query is None else "*Searching the guide…*"
    if not answer.final:
        return "*Comparing with the rest of the guide…*"
    return (
        "*The model is writing; each sentence is checked before it is shown…*" if answer.fix else ""
    )


def _timing(seconds: Mapping[str, float]) -> str:
    words = (("fix", "fix after"), ("total", "complete after"))
    parts = [f"{word} {seconds[key]:.1f} s" for key, word in words if key in seconds]
    return f"*{', '.join(parts)}*" if parts else ""


def _oneline(text: str) -> str:
    return escape(" ".join(text.split()))


def _shorten(text: str) -> tuple[str, int]:
    """Keep the head and the longer tail (the error stands at the end) of an overlong paste."""
    lines = text.split("\n")
    if len(lines) > SHOWN_LINES:
        lines = [*lines[: SHOWN_LINES // 3], "[…]", *lines[-2 * SHOWN_LINES // 3 :]]
    shown = "\n".join(lines)
    if len(shown) > SHOWN_CHARACTERS:
        third = SHOWN_CHARACTERS // 3
        shown = f"{shown[:third]}\n[…]\n{shown[-2 * third :]}"
    return shown, max(0, len(text) - len(shown)) if shown != text else 0
