"""Queries to matches: message signature, lexical and dense similarity, fused, calibrated, or abstain.

An exact signature outranks everything. The rest is decided by a ranker that compares the query with
every passage of the knowledge, by words and by meaning. Knows the encoder as a port only.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant.calibration import Calibration, Features
from assistant.index import PassageIndex
from assistant.lexical import LexicalIndex, build_lexical
from assistant.ranker import Ranker, dense_kernel, fit_ranker
from assistant.signatures import Signature, query_signatures, text_signatures
from assistant.types import Encoder, Entry, Match, Phrase, Query, Retrieval, Status

NONE = ""  # the label of texts that no entry answers
_LEXICAL_WEIGHT = 1.0
_KNOWN_FOREIGN = frozenset(
    "missing-module missing-file missing-library http-status label-out-of-range numpy-abi "
    "torchvision-operator weights-only image-not-read no-kernel-image device-mismatch".split()
)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Passage:
    """A short text that speaks for an entry; `side` says which part of it."""

    id: str
    text: str
    side: str


def build_passages(entries: Mapping[str, Entry], phrases: Sequence[Phrase]) -> tuple[Passage, ...]:
    """Title, symptoms and explanation of each entry, then the phrases ('' for none)."""
    passages: list[Passage] = []
    for entry in entries.values():
        passages.append(Passage(entry.id, entry.title, "title"))
        passages.extend(Passage(entry.id, text, "symptom") for text in entry.symptoms)
        about = " ".join(entry.causes) or _plain(entry.body)
        passages.append(Passage(entry.id, f"{entry.title}. {about}"[:700], "explanation"))
    passages.extend(Passage(p.id, p.text, "phrase") for p in phrases)
    return tuple(passages)


def search_text(query: Query) -> str:
    """What of a query is compared: the person's words and the exception, not library frames."""
    exception = query.exception
    if exception is None:
        return _head_and_tail(query.text, 1000)
    last = f"{exception.name.rpartition('.')[2]}: {exception.message}"[:400]
    return f"{_head_and_tail(query.words, 700)}\n{last}".strip()


class HybridRetriever:
    """Implements `types.Retriever` over one immutable set of entries.

    Without `dense` (no encoder yet, or none at all) `search` is the lexical answer.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        passages: Sequence[Passage],
        *,
        calibration: Calibration,
        lexical: LexicalIndex | None = None,
        dense: tuple[PassageIndex, Encoder] | None = None,
    ) -> None:
        self._entries = dict(entries)
        self._passages = tuple(passages)
        self._calibration = calibration
        self.lexical = lexical or build_lexical([p.text for p in passages])
        self._dense = dense
        labels = [p.id for p in passages]
        self._lexical_ranker = fit_ranker(self.lexical.gram(), labels)
        self._ranker = self._fit_dense(labels) if dense else None
        self._carried = _carried_signatures(self._passages)
        self._of_entry = {
            id_: np.array([n for n, p in enumerate(passages) if p.id == id_])
            for id_ in [NONE, *entries]
        }

    def fast(self, query: Query) -> Retrieval:
        """Signature and lexical results; needs no encoder."""
        text = search_text(query)
        lexical = self.lexical.cosines(text)
        return self._decide(query, self._lexical_ranker, lexical, None)

    def search(self, query: Query) -> Retrieval:
        """The fused result; the lexical one where there is no encoder."""
        if self._dense is None or self._ranker is None:
            return self.fast(query)
        index, encoder = self._dense
        text = search_text(query)
        cosines = index.similarities(encoder.encode([text]))[0]
        lexical = self.lexical.cosines(text)
        kernel = dense_kernel(cosines) + _LEXICAL_WEIGHT * lexical
        return self._decide(query, self._ranker, kernel, cosines)

    def _fit_dense(self, labels: Sequence[str]) -> Ranker:
        assert self._dense is not None
        vectors = self._dense[0].vectors
        gram = dense_kernel(vectors @ vectors.T) + _LEXICAL_WEIGHT * self.lexical.gram()
        return fit_ranker(gram, labels)

    def _decide(
        self, query: Query, ranker: Ranker, kernel: np.ndarray, cosines: np.ndarray | None
    ) -> Retrieval:
        base = dict(zip(ranker.labels, ranker.scores(kernel).tolist(), strict=True))
        none = base.pop(NONE, 0.0)
        signatures = query_signatures(query)
        support = self._support(signatures)
        total = {id_: score + 1.5 * support.get(id_, 0.0) for id_, score in base.items()}
        ranked = sorted(total, key=lambda id_: -total[id_])
        features = self._features(query, ranked, base, none, support, signatures, cosines)
        confidence = self._calibration.confidence(features)
        matches = tuple(
            Match(
                id=id_,
                title=self._entries[id_].title,
                confidence=round(confidence * (1.0 if n == 0 else _share(total, ranked, n)), 4),
                why=self._why(id_, signatures, support, kernel),
            )
            for n, id_ in enumerate(ranked[:_SHOWN])
        )
        return Retrieval(matches, self._status(query, confidence), exact=features.exact > 0)

    def _status(self, query: Query, confidence: float) -> Status:
        if query.kind in {"empty", "smalltalk"}:
            return "abstain"
        return self._calibration.status(confidence)

    def _support(self, signatures: Sequence[Signature]) -> dict[str, float]:
        """How far the query's signatures speak for an entry: 1 for its own title or symptom."""
        support: dict[str, float] = defaultdict(float)
        for position, signature in enumerate(signatures[:4]):
            carriers = self._carried.get(signature.key)
            if not carriers:
                continue
            weight = 1.0 if position == 0 else 0.5
            strongest = max(carriers.values())
            for id_, share in carriers.items():
                if id_ != NONE:
                    value = weight * share / max(strongest, 1e-9) * min(1.0, strongest)
                    support[id_] = max(support[id_], value)
        return dict(support)

    def _features(
        self,
        query: Query,
        ranked: Sequence[str],
        base: Mapping[str, float],
        none: float,
        support: Mapping[str, float],
        signatures: Sequence[Signature],
        cosines: np.ndarray | None,
    ) -> Features:
        top = ranked[0] if ranked else NONE
        primary = next((s for s in signatures if s.family != "message"), None)
        foreign = primary is not None and not any(
            id_ != NONE for id_ in self._carried.get(primary.key, {})
        )
        nearest = nearest_none = 0.0
        if cosines is not None and top:
            nearest = float(cosines[self._of_entry[top]].max())
            rows = self._of_entry[NONE]
            nearest_none = float(cosines[rows].max()) if rows.size else 0.0
        return Features(
            score=base.get(top, 0.0),
            margin=base.get(top, 0.0) - max([v for k, v in base.items() if k != top] or [0.0]),
            none=none,
            exact=support.get(top, 0.0),
            foreign=float(foreign and primary is not None and primary.family in _KNOWN_FOREIGN),
            nearest=nearest,
            nearest_none=nearest_none,
            paste=float(bool(query.exceptions)),
            unexplained=float(bool(query.exceptions) and support.get(top, 0.0) == 0.0),
            dense=float(cosines is not None),
        )

    def _why(
        self,
        id_: str,
        signatures: Sequence[Signature],
        support: Mapping[str, float],
        kernel: np.ndarray,
    ) -> tuple[str, ...]:
        reasons: list[str] = []
        if support.get(id_, 0.0) > 0:
            said = next((s.said for s in signatures if id_ in self._carried.get(s.key, {})), "")
            reasons.append(f"the message says: {said}" if said else "the message is this entry's")
        rows = self._of_entry[id_]
        best = rows[int(np.argmax(kernel[rows]))]
        if kernel[best] > 0.15:
            passage = self._passages[best]
            kind = {"title": "its title", "symptom": "its symptom", "phrase": "the wording"}
            where = kind.get(passage.side, "its explanation")
            reasons.append(f"close to {where}: “{_shorten(passage.text)}”")
        return tuple(reasons)


def _carried_signatures(passages: Sequence[Passage]) -> dict[str, dict[str, float]]:
    """For each signature: the entries that carry it and how firmly (0 to 1).

    A title or symptom carries it fully. Phrases carry it by their share, as people also mention
    messages in passing.
    """
    firm: dict[str, set[str]] = defaultdict(set)
    mentions: dict[str, Counter[str]] = defaultdict(Counter)
    for passage in passages:
        for signature in text_signatures(passage.text):
            if signature.family == "message" and passage.side == "phrase":
                continue
            if passage.side in {"title", "symptom"}:
                firm[signature.key].add(passage.id)
            elif passage.side == "phrase":
                mentions[signature.key][passage.id] += 1
    carried: dict[str, dict[str, float]] = {}
    for key in firm.keys() | mentions.keys():
        counts = mentions.get(key, Counter())
        shares = {id_: n / max(counts.total(), 3) for id_, n in counts.items() if n >= 2}
        carried[key] = shares | dict.fromkeys(firm.get(key, ()), 1.0)
    return carried


def _share(total: Mapping[str, float], ranked: Sequence[str], position: int) -> float:
    """How a later match compares with the first, 0 to 0.95."""
    first = max(total[ranked[0]], 1e-6)
    return float(np.clip(total[ranked[position]] / first, 0.0, 0.95))


def _head_and_tail(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n{text[-limit // 2 :]}"


def _plain(markdown: str) -> str:
    return re.sub(r"```.*?(?:```|\Z)|[*`#|>]", " ", markdown, flags=re.DOTALL)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}…"
