"""Which of several causes fits this person's facts, and why: checks first, then logic.

Rows know kinds of facts and the words that guides use for a cause; no entry is named. It refuses to
guess: where nothing decides, it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assistant.case import case_values
from assistant.evidence import weigh_causes
from assistant.followup import read_apart
from assistant.quoting import as_code
from assistant.types import Entry, Finding, Query
from assistant.wording import split_prose


@dataclass(frozen=True, slots=True)
class Fit:
    """A cause that fits, in the guide's words, with the reason as Markdown; `source` is the check
    or the fact kind that decided, '' if the form of the text did."""

    cause: str
    because: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class FitRow:
    """If `holds` is true of the facts, the one cause that `cause` finds is meant."""

    holds: Callable[[Mapping[str, str]], bool]
    cause: str
    because: str  # with gaps for facts
    source: str


def _number(values: Mapping[str, str], kind: str) -> int:
    value = values.get(kind, "")
    return int(value) if value.isdigit() and len(value) < 10 else -1


def _differ(values: Mapping[str, str], one: str, other: str) -> bool:
    return bool(values.get(one) and values.get(other)) and values[one] != values[other]


def _gap(values: Mapping[str, str]) -> int:
    one, other = _number(values, "size_a"), _number(values, "size_b")
    return abs(one - other) if min(one, other) >= 0 else 0


_MANY = 5  # names: a file that wraps the weights has fewer of its own (state_dict, epoch, …)

ROWS: tuple[FitRow, ...] = (
    FitRow(
        lambda v: _differ(v, "checkpoint_network", "model_network"),
        r"another (?:architecture|network|model)|other architecture|architecture",
        "the file's names and shapes are those of {checkpoint_network}, your model's those of "
        "{model_network}",
        "model_network",
    ),
    FitRow(
        lambda v: bool(v.get("checkpoint_prefix")),
        r"DataParallel|wrapped|prefix",
        "every name in the file begins with {checkpoint_prefix}",
        "checkpoint_prefix",
    ),
    FitRow(
        lambda v: _differ(v, "checkpoint_classes", "model_classes"),
        r"number of classes|classes differ|last layer|head",
        "the file has {checkpoint_classes} classes and your model {model_classes}",
        "model_classes",
    ),
    FitRow(
        lambda v: min(_number(v, "missing_keys"), _number(v, "unexpected_keys")) >= _MANY,
        r"another (?:architecture|network|model)|other architecture|architecture",
        "{missing_keys} names are missing, {unexpected_keys} others stand in the file instead, and "
        "no common beginning explains it",
        "unexpected_keys",
    ),
    FitRow(
        lambda v: _gap(v) == 1,
        r"divisible|\bodd\b|rounds? down|one pixel",
        "{size_a} and {size_b} differ by one, as after halving an odd number",
        "size_b",
    ),
    FitRow(
        lambda v: _gap(v) > 1,
        r"without padding|unpadded|\bcrop",
        "{size_a} and {size_b} differ by more than one",
        "size_b",
    ),
    FitRow(
        lambda v: _number(v, "channels_got") > _number(v, "channels_wanted") > 4,
        r"concatenat|both branches|one branch|channels of",
        "{channels_got} channels arrive where {channels_wanted} were planned",
        "channels_got",
    ),
    FitRow(
        lambda v: "bus error" in v.get("worker_signal", "").lower(),
        r"shared memory|\bshm\b",
        "the signal was {worker_signal}",
        "worker_signal",
    ),
)


def fit_cause(entry: Entry, query: Query, findings: Sequence[Finding] = ()) -> Fit | None:
    """Return the cause that fits, None if there is only one or nothing decides among several."""
    if len(entry.causes) < 2:
        return None
    checked = [one for one in weigh_causes(entry, query, findings) if one.ruling == "confirmed"]
    if checked:
        return Fit(checked[0].cause, checked[0].text.rstrip("."), "check")
    return _by_facts(entry, query) or _by_form(entry, query)


def _by_facts(entry: Entry, query: Query) -> Fit | None:
    values = case_values(query)
    for row in ROWS:
        if not row.holds(values):
            continue
        meant = [c for c in entry.causes if re.search(row.cause, c, re.IGNORECASE)]
        if len(meant) == 1:
            because = re.sub(r"\{(\w+)\}", lambda gap: as_code(values[gap[1]]), row.because)
            return Fit(meant[0], because, row.source)
    return None


# "An exception means cause 6", "Prediction only 0 with one channel: cause 2."
_NUMBERED = re.compile(r"\bcause (\d)\b(?!\s*(?:,|or|and|to)\s*\d)", re.IGNORECASE)
_EXCEPTION = re.compile(r"^an exception (?:means|is|points|speaks)\b", re.IGNORECASE)


def _by_form(entry: Entry, query: Query) -> Fit | None:
    """The guide itself says what an exception means, where most of its causes raise none."""
    for sentence in split_prose(read_apart(entry)):
        found = _NUMBERED.findall(sentence)
        if query.exception is None or not query.exception.name or len(found) != 1:
            continue
        if _EXCEPTION.match(sentence) and 0 < int(found[0]) <= len(entry.causes):
            name = as_code(query.exception.name.rpartition(".")[2])
            return Fit(
                entry.causes[int(found[0]) - 1],
                f"the others raise no error, and here there is one, {name}",
            )
    return None
