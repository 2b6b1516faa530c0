"""What findings mean for an answer: which cause they confirm, which match they speak against.

Rows decide (their clues); here clues only meet facts, signatures and causes. It refuses to know how
a finding was made, and never asks a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.case import case_values
from assistant.conversation import FollowUp
from assistant.signatures import Signature, query_signatures, text_signatures
from assistant.types import (
    Clue,
    Entry,
    Finding,
    Match,
    Parameter,
    ProbeInfo,
    Query,
    Retrieval,
    Ruling,
)

_DEMOTED = 0.5  # a match whose error cannot be what it seems is likely at best
_MOST_OFFERS = 4


@dataclass(frozen=True, slots=True)
class CauseRuling:
    """A cause of an entry with what findings say about it; None and '' if they say nothing."""

    cause: str
    ruling: Ruling | None = None
    text: str = ""


def weigh_causes(
    entry: Entry, query: Query | None, findings: Iterable[Finding]
) -> tuple[CauseRuling, ...]:
    """Each cause of the entry with the last ruling on it by a clue that speaks of this matter."""
    clues = relevant_clues(entry, query, findings)
    return tuple(_weigh(cause, clues) for cause in entry.causes)


def relevant_clues(
    entry: Entry, query: Query | None, findings: Iterable[Finding]
) -> tuple[Clue, ...]:
    """Clues on this query's facts or message, or on what the entry's title names."""
    topics = {entry.id, *_names(text_signatures(entry.title))}
    if query is not None:
        topics |= {f"{fact.kind}={fact.value}" for fact in query.facts}
        topics |= _names(query_signatures(query))
        if any(topic.startswith("missing_module=") for topic in topics):
            topics.discard("missing-module")  # of which package it is, is known
    clues = [clue for finding in findings for clue in finding.clues if clue.topic in topics]
    return tuple(dict.fromkeys(clues))


def find_objections(
    entry: Entry, query: Query | None, findings: Iterable[Finding]
) -> tuple[Clue, ...]:
    """Clues that leave no cause of the entry standing: all that were judged are ruled out.

    Those on the entry itself, which raises no exception, speak of one cause each: then a cause that
    nobody looked at is left standing.
    """
    clues = relevant_clues(entry, query, findings)
    whole = [clue for clue in clues if not clue.cause and clue.ruling == "ruled_out"]
    judged = [_find_clue(cause, clues) for cause in entry.causes]
    decided = [clue for clue in judged if clue is not None]
    if whole or not decided or any(clue.ruling == "confirmed" for clue in decided):
        return tuple(whole)
    if None in judged and all(clue.topic == entry.id for clue in decided):
        return ()
    return tuple(dict.fromkeys(decided))


# "you should install timm", "timm is missing", "timm is not installed", "timm was not found",
# "timm is not among them", "once timm is installed there"
_CLAIMS_ABSENCE = re.compile(
    r"\b(?:install(?:ing)?\b(?!ed)|missing|absent|lacks?|not (?:\w+ ){0,2}"
    r"(?:installed|found|available|there)|isn't|cannot find|can't find|could not find|not among"
    r"|once\b.{0,60}\binstalled)",
    re.IGNORECASE,
)


def contradicts(sentence: str, query: Query, findings: Iterable[Finding]) -> bool:
    """Whether a sentence says that a package is absent, or is to be installed, which a probe found.

    Only such claims can be told without understanding the sentence.
    """
    there = {
        clue.topic.partition("=")[2]
        for finding in findings
        for clue in finding.clues
        if clue.topic.startswith("missing_module=") and clue.ruling == "ruled_out"
    }
    asked = {fact.value for fact in query.facts if fact.kind == "missing_module"} & there
    words = set(re.findall(r"[\w.]+", sentence.casefold().replace("-", "_")))
    named = any(name.casefold().replace("-", "_") in words for name in there)
    it = bool(asked) and re.search(r"\b(?:it|package|module|library)\b", sentence, re.IGNORECASE)
    return bool((named or it) and _CLAIMS_ABSENCE.search(sentence))


def revise(
    retrieval: Retrieval, query: Query, findings: Sequence[Finding], entries: Mapping[str, Entry]
) -> Retrieval:
    """Put what the findings point at before a first match that they rule out.

    Without anything better the match stays, called likely: the finding's words come with the fix.
    """
    if not findings or not retrieval.matches or retrieval.status == "abstain":
        return retrieval
    first, *others = retrieval.matches
    against = find_objections(entries[first.id], query, findings)
    if not against:
        return retrieval
    reason = f"but on this machine: {against[0].text}"
    if reason in first.why:
        return retrieval
    demoted = replace(
        first, confidence=round(first.confidence * _DEMOTED, 4), why=(*first.why, reason)
    )
    pointed = [
        id_ for f in findings if set(f.clues) & set(against) for id_ in f.entries if id_ in entries
    ]
    better = [
        Match(id_, entries[id_].title, first.confidence, (f"a check found: {against[0].text}",))
        for id_ in dict.fromkeys(pointed)
        if id_ != first.id
    ][:1]
    rest = [match for match in others if match.id not in {m.id for m in better}]
    return Retrieval((*better, demoted, *rest), "likely", exact=retrieval.exact)


_OF_ONE_PYTHON = frozenset({"packages", "environment", "torchvision", "gpu"})


def without_claims(finding: Finding) -> Finding:
    """What a row found of one Python stays to be read, but decides nothing about another."""
    return replace(finding, clues=()) if finding.id in _OF_ONE_PYTHON else finding


def keep_first(retrieval: Retrieval, id_: str, entries: Mapping[str, Entry]) -> Retrieval:
    """The same matches with the entry `id_` first; a guessed order is likely at best."""
    if retrieval.matches and retrieval.matches[0].id == id_ and retrieval.status != "abstain":
        return retrieval
    known = {match.id: match for match in retrieval.matches}
    first = known.pop(id_, None) or Match(id_, entries[id_].title, 0.0)
    best = max((match.confidence for match in retrieval.matches), default=0.0)
    first = replace(first, confidence=best)
    return Retrieval((first, *known.values()), "likely")


def follow(followup: FollowUp, retrieval: Retrieval, entries: Mapping[str, Entry]) -> Retrieval:
    """The matches of the earlier question with the one that the follow-up means first."""
    if followup.id not in entries:
        return Retrieval(retrieval.matches, "abstain")
    found = keep_first(retrieval, followup.id, entries)
    why = {
        "failed": "the entry before it did not help",
        "numbered": "you asked for this one",
        "why": "you asked why",
        "chosen": "you said that this one fits",
    }[followup.kind]
    return replace(found, matches=(replace(found.matches[0], why=(why,)), *found.matches[1:]))


def choose_probes(
    query: Query, retrieval: Retrieval, probes: Iterable[ProbeInfo]
) -> tuple[str, ...]:
    """Ids of the probes that can tell more about this query, the most telling first.

    A row informs signatures and kinds of facts; entries without an exception are named.
    """
    said = [s.family for s in query_signatures(query)]
    said += [s.key for s in query_signatures(query)] + [fact.kind for fact in query.facts]
    shown = [match.id for match in retrieval.matches[:1]]
    scored = [
        (len(set(probe.informs) & set(said)) * 2 + len(set(probe.entries) & set(shown)), probe.id)
        for probe in probes
    ]
    ordered = sorted((entry for entry in scored if entry[0]), key=lambda entry: -entry[0])
    return tuple(id_ for _, id_ in ordered[:_MOST_OFFERS])


def read_told(query: Query, probes: Iterable[ProbeInfo]) -> dict[str, str]:
    """Values of the paste for parameters of these probes, by name; only those that can be taken."""
    values = case_values(query)
    found = {
        parameter.name: _fit(values.get(parameter.told_by, ""), parameter)
        for probe in probes
        for parameter in probe.parameters
        if parameter.told_by
    }
    return {name: value for name, value in found.items() if value}


def _fit(value: str, parameter: Parameter) -> str:
    """The value as the parameter takes it, '' if it does not; of a file a choice is its name."""
    match parameter.kind:
        case "choice":
            name = value.replace("\\", "/").rpartition("/")[2]
            return name if name in parameter.choices else ""
        case "number":
            is_number = value.isascii() and value.isdigit() and len(value) < 10
            return value if is_number and parameter.low <= int(value) <= parameter.high else ""
        case _:
            return value


def _weigh(cause: str, clues: Sequence[Clue]) -> CauseRuling:
    clue = _find_clue(cause, clues)
    return CauseRuling(cause, clue.ruling, clue.text) if clue else CauseRuling(cause)


def _find_clue(cause: str, clues: Sequence[Clue]) -> Clue | None:
    """The last clue that decides this cause."""
    fitting = (c for c in reversed(clues) if c.cause and re.search(c.cause, cause, re.IGNORECASE))
    return next(fitting, None)


def _names(signatures: Iterable[Signature]) -> set[str]:
    return {name for s in signatures if s.family != "message" for name in (s.family, s.key)}
