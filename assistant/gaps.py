"""Where learners were stuck: questions without an entry, entries and probes that did not help.

Pure: records in, groups out. Questions with the same message signature are one group; those without
one are grouped by their words. It refuses to know where records are kept.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.conversation import read_followup
from assistant.lexical import build_lexical
from assistant.reading import read_query
from assistant.records import ProbeFailure, Record, build_turn
from assistant.signatures import query_signatures
from assistant.types import Query, Turn

# Cosine from which two questions are one group. Of the 165 questions in words in tests/evals that
# an entry answers it joins 9 pairs about one entry and 5 about two (2026-11-22).
SIMILAR = 0.25
_MOST_COMPARED = 800  # different texts: the comparison needs their square
_DRAFTS = 5
_EXAMPLES = 3
_LINE = 160
_UNANSWERABLE = frozenset({"smalltalk", "empty"})


@dataclass(frozen=True, slots=True)
class Gap:
    """A group of questions that no entry answered. `said` is what they have in common, in one line;
    `sessions` counts the conversations; `nearest` are ids of entries that came near."""

    signature: str
    said: str
    count: int
    sessions: int
    last: float
    examples: tuple[str, ...]
    nearest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gaps:
    """What an instructor may mend: the largest groups first. `helped` and `failed` count turns by
    entry; `probes` are (probe, how it ended, how often)."""

    turns: int
    sessions: int
    unanswered: tuple[Gap, ...]
    helped: tuple[tuple[str, int], ...]
    failed: tuple[tuple[str, int], ...]
    probes: tuple[tuple[str, str, int], ...]


def find_gaps(turns: Sequence[Record], probes: Sequence[ProbeFailure]) -> Gaps:
    """Count and group; turns without a question (greetings) count for nothing."""
    asked = [turn for turn in turns if turn.kind not in _UNANSWERABLE and turn.text.strip()]
    helped = Counter(turn.shown for turn in asked if turn.outcome == "fixed" and turn.shown)
    failed = Counter(id_ for turn in asked for id_ in turn.tried)
    ended = Counter((one.probe, one.status) for one in probes)
    return Gaps(
        turns=len(asked),
        sessions=len({turn.session for turn in asked}),
        unanswered=_group([turn for turn in _questions(asked) if turn.status == "abstain"]),
        helped=tuple(helped.most_common()),
        failed=tuple(failed.most_common()),
        probes=tuple((*key, count) for key, count in ended.most_common()),
    )


def gaps_json(gaps: Gaps) -> dict[str, Any]:
    """The `gaps` object."""
    groups = [
        {
            "signature": gap.signature,
            "said": gap.said,
            "count": gap.count,
            "sessions": gap.sessions,
            "last": gap.last,
            "examples": list(gap.examples),
            "nearest": list(gap.nearest),
        }
        for gap in gaps.unanswered
    ]
    helped = dict(gaps.helped)
    entries = [
        {"id": id_, "did_not_help": count, "helped": helped.get(id_, 0)}
        for id_, count in gaps.failed
    ]
    probes = [{"id": id_, "status": status, "count": n} for id_, status, n in gaps.probes]
    return {
        "questions": gaps.turns,
        "sessions": gaps.sessions,
        "unanswered": groups,
        "entries": entries,
        "probes": probes,
    }


def render_gaps(gaps: Gaps) -> str:
    """The same for a terminal."""
    missing = sum(gap.count for gap in gaps.unanswered)
    lines = [f"{gaps.turns} questions in {gaps.sessions} conversations; {missing} without an entry"]
    for gap in gaps.unanswered:
        lines.append(f"{gap.count:5} × {gap.said}  (conversations: {gap.sessions})")
        if gap.nearest:
            lines.append(f"        nearest: {', '.join(gap.nearest)}")
    helped = dict(gaps.helped)
    if gaps.failed:
        lines.append("\nEntries that did not help (in brackets: how often they did)")
        lines.extend(f"{count:5} × {id_} ({helped.get(id_, 0)})" for id_, count in gaps.failed)
    if gaps.probes:
        lines.append("\nChecks of the machine that failed")
        lines.extend(f"{count:5} × {id_} ({status})" for id_, status, count in gaps.probes)
    return "\n".join(lines) + "\n"


def render_skeleton(gaps: Gaps) -> str:
    """Draft entries for the largest groups, as a guide that `lint` accepts; an author fills in what
    is marked TODO. Texts of learners stand in code only."""
    parts = ["---", "origin: Drafts from questions without an entry", "---", "# Drafts", ""]
    taken: set[str] = set()
    for gap in gaps.unanswered[:_DRAFTS]:
        id_ = _new_id(gap.said, taken)
        error = not gap.said.endswith("?") and not gap.signature.startswith("words")
        head = f"Error: {_code(gap.said)}" if error else f"Q: {_plain(gap.said)}"
        parts += [f"### {head} {{#{id_}}}", ""]
        parts += ["**Symptoms**:", *(f"- {_code(example)}" for example in gap.examples), ""]
        if error:
            parts += ["**Cause**: TODO: why it happens.", ""]
        parts += ["**Solution**: TODO: what to do, in one sentence, then the code.", ""]
        parts += ["**Sources**: TODO: the official page that says so.", ""]
    if not taken:
        return "There is no question without an entry: nothing to draft.\n"
    return "\n".join(parts)


def _questions(turns: Sequence[Record]) -> list[Record]:
    """Without what only means the question before it, such as "it still fails"."""
    before: dict[str, Turn] = {}
    own = []
    for turn in turns:
        last = before.get(turn.session)
        query = read_query(turn.text) if last is not None or turn.matches else None
        if query is not None and last is not None and read_followup(query, (last,)):
            continue
        own.append(turn)
        if query is not None and turn.matches:
            before[turn.session] = build_turn(turn, query)
    return own


# --- groups ------------------------------------------------------------------------------------


def _group(turns: Sequence[Record]) -> tuple[Gap, ...]:
    signed: dict[str, list[tuple[Record, str]]] = defaultdict(list)
    others: list[Record] = []
    for turn in turns:
        signatures = query_signatures(read_query(turn.text))
        if signatures:
            signed[signatures[0].key].append((turn, signatures[0].said))
        else:
            others.append(turn)
    gaps = [
        _gap(key, said=pairs[0][1], turns=[t for t, _ in pairs]) for key, pairs in signed.items()
    ]
    gaps += [_gap("words", said="", turns=group) for group in _by_words(others)]
    return tuple(sorted(gaps, key=lambda gap: (-gap.sessions, -gap.count, -gap.last)))


def _gap(signature: str, *, said: str, turns: Sequence[Record]) -> Gap:
    examples = tuple(dict.fromkeys(_line(read_query(turn.text)) for turn in turns))
    nearest = Counter(id_ for turn in turns for id_ in turn.entries[:2])
    return Gap(
        signature=signature,
        said=" ".join(said.split())[:_LINE] or examples[0],
        count=len(turns),
        sessions=len({turn.session for turn in turns}),
        last=max(turn.when for turn in turns),
        examples=examples[:_EXAMPLES],
        nearest=tuple(id_ for id_, _ in nearest.most_common(3)),
    )


def _by_words(turns: Sequence[Record]) -> list[list[Record]]:
    """Each text joins the first group whose first text is similar enough; the same text always."""
    by_text: dict[str, list[Record]] = defaultdict(list)
    for turn in turns:
        by_text[" ".join(turn.text.casefold().split())[:2000]].append(turn)
    texts = sorted(by_text, key=lambda text: -len(by_text[text]))
    if len(texts) < 2:
        return [by_text[text] for text in texts]
    compared, rest = texts[:_MOST_COMPARED], texts[_MOST_COMPARED:]
    index = build_lexical(compared)
    near: dict[int, np.ndarray] = {}  # of each group's first text: its cosines to all
    groups: dict[int, list[Record]] = {}
    for position, text in enumerate(compared):
        leader = next((one for one in near if near[one][position] >= SIMILAR), position)
        if leader == position:
            near[position] = index.cosines(text)
        groups.setdefault(leader, []).extend(by_text[text])
    return [*groups.values(), *(by_text[text] for text in rest)]


def _line(query: Query) -> str:
    """One line that says what a question is about."""
    if query.exception is not None:
        said = f"{query.exception.name}: {query.exception.message}".rstrip(": ")
        return " ".join(said.partition("\n")[0].split())[:_LINE]
    lines = [line for line in query.text.splitlines() if line.strip()]
    return " ".join(lines[0].split())[:_LINE] if lines else ""


# --- drafts ------------------------------------------------------------------------------------


def _code(text: str) -> str:
    """Inline code; what could end it, or be read as a heading's id or a link, is taken out."""
    return f"`{re.sub(r'[`{}]', ' ', text).replace('](', '] (').strip() or '...'}`"


def _plain(text: str) -> str:
    """Words only: nothing of it means anything in Markdown."""
    return " ".join(re.sub(r"[^\w\s.,:;'?!()/+-]|[*_`]", " ", text).split()) or "TODO"


def _new_id(text: str, taken: set[str]) -> str:
    words = re.findall(r"[a-z0-9]+", text.lower())
    base = "draft-" + ("-".join(words)[:40].strip("-") or "entry")
    names: Iterable[str] = (base, *(f"{base}-{n}" for n in range(2, _DRAFTS + 2)))
    name = next(one for one in names if one not in taken)
    taken.add(name)
    return name
