"""Queries to matches: message signature, lexical and dense similarity, fused and calibrated.

An exact signature outranks everything. The rest is decided by a ranker that compares the query
with every passage of the knowledge, by words and by meaning. Knows the encoder as a port only.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.calibration import Calibration, Features
from assistant.index import PassageIndex
from assistant.lexical import build_lexical
from assistant.ranker import Ranker, cached_ranker, dense_kernel
from assistant.signatures import Signature, query_signatures, template, text_signatures
from assistant.types import Encoder, Entry, Match, Phrase, Query, Retrieval, Status

NONE = ""  # the label of texts that no entry answers
_KERNEL = 1  # raise it when a kernel or the ridge changes, so that no old fit is taken
_LEXICAL_WEIGHT = 1.0
_WORDS_WEIGHT = 0.15  # BM25; 0.05 to 0.3 were better than none on the development cases
_SIGNATURE_WEIGHT = 1.5  # an exact signature outranks every similarity
_KNOWN_FOREIGN = frozenset(
    (
        "missing-module missing-submodule broken-file process-killed missing-file "
        "missing-library http-status label-out-of-range numpy-abi "
        "torchvision-operator weights-only image-not-read no-kernel-image device-mismatch"
    ).split()
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
        return _head_and_tail(_condense(query.text), 1000)
    last = f"{exception.name.rpartition('.')[2]}: {exception.message}"[:400]
    return f"{_head_and_tail(_condense(query.words), 700)}\n{last}".strip()


def plain_retrieval(entries: Sequence[Entry], scores: np.ndarray) -> Retrieval:
    """The entries with the highest scores [len(entries)], nothing else; `eval` compares with it."""
    best = np.argsort(-scores)[:_SHOWN]
    matches = tuple(
        Match(entries[n].id, entries[n].title, float(np.clip(scores[n], 0.0, 1.0))) for n in best
    )
    return Retrieval(matches, "likely")


class HybridRetriever:
    """Implements `types.Retriever` over one immutable set of entries.

    As made it is lexical; `with_dense` adds the comparison by meaning.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        passages: Sequence[Passage],
        *,
        calibration: Calibration,
        folder: Path,
    ) -> None:
        """`folder` keeps what was fitted, so that the next start need not fit it again."""
        self._entries = dict(entries)
        self._passages = tuple(passages)
        self._calibration = calibration
        self._labels = [passage.id for passage in passages]
        self._lexical = build_lexical([passage.text for passage in passages])
        self._folder = folder
        self._ranker = cached_ranker(
            self._file("lexical"), lambda: self._lexical.gram(), self._labels
        )
        self._dense: tuple[PassageIndex, Encoder, Ranker] | None = None
        self._carried = _carried_signatures(self._entries, self._passages)
        self._titles = {
            id_: {s.family: s.key for s in text_signatures(entry.title)}
            for id_, entry in entries.items()
        }
        self._of_entry = {
            id_: np.array([n for n, label in enumerate(self._labels) if label == id_])
            for id_ in [NONE, *entries]
        }

    def with_dense(self, index: PassageIndex, encoder: Encoder) -> HybridRetriever:
        """Return a retriever that also compares by meaning; `index` holds the same passages."""

        def kernel() -> np.ndarray:
            alike = dense_kernel(index.vectors @ index.vectors.T)
            return np.asarray(alike + _LEXICAL_WEIGHT * self._lexical.gram(), dtype=np.float32)

        dense = copy.copy(self)
        ranker = cached_ranker(self._file(index.fingerprint), kernel, self._labels)
        dense._dense = (index, encoder, ranker)
        return dense

    def _file(self, kind: str) -> Path:
        """Where a ranker is kept, named by everything that it was fitted to."""
        digest = hashlib.sha256(f"{_KERNEL}\0{kind}\0".encode())
        for passage in self._passages:
            digest.update(f"{passage.id}\0{passage.text}\0".encode())
        return self._folder / f"ranker-{digest.hexdigest()[:20]}.bin"

    def fast(self, query: Query) -> Retrieval:
        """Signature and lexical results; needs no encoder."""
        return self._decide(query, self._look(query, dense=False))

    def search(self, query: Query) -> Retrieval:
        """The fused result; the lexical one where there is no encoder."""
        return self._decide(query, self._look(query, dense=True))

    def first_and_features(self, query: Query, *, dense: bool) -> tuple[str, Features]:
        """The first entry and what the calibration sees of it (for fitting the calibration)."""
        view = self._look(query, dense=dense)
        return view.ranked[0], view.features

    def _look(self, query: Query, *, dense: bool) -> _View:
        """Everything that is computed about a query, entries ranked."""
        text = search_text(query)
        kernel = self._lexical.cosines(text)
        ranker, cosines = self._ranker, None
        if dense and self._dense is not None:
            index, encoder, ranker = self._dense
            cosines = index.similarities(encoder.encode([text]))[0]
            kernel = dense_kernel(cosines) + _LEXICAL_WEIGHT * kernel
        base = dict(zip(ranker.labels, ranker.scores(kernel).tolist(), strict=True))
        none = base.pop(NONE, 0.0)
        signatures = query_signatures(query)
        support = self._support(signatures)
        words = self._word_shares(text)
        total = {
            id_: score + _WORDS_WEIGHT * words[id_] + _SIGNATURE_WEIGHT * support.get(id_, 0.0)
            for id_, score in base.items()
        }
        ranked = tuple(sorted(total, key=lambda id_: -total[id_]))
        features = self._features(query, ranked, base, none, support, signatures, cosines, words)
        return _View(ranked, total, features, signatures, support, kernel)

    def _word_shares(self, text: str) -> dict[str, float]:
        """BM25 of each entry's best passage, as a share of the best of all; 0 to 1."""
        scores = self._lexical.bm25(text)
        best = max(float(scores.max(initial=0.0)), 1e-6)
        return {
            id_: float(scores[rows].max()) / best if rows.size else 0.0
            for id_, rows in self._of_entry.items()
        }

    def _decide(self, query: Query, view: _View) -> Retrieval:
        confidence = self._calibration.confidence(view.features)
        if view.ranked and view.support.get(view.ranked[0], 0.0) < 0:
            # the same kind of fault of something else, such as another missing package
            confidence = min(confidence, self._calibration.likely * 0.9)
        matches = tuple(
            Match(
                id=id_,
                title=self._entries[id_].title,
                confidence=round(confidence * _share(view, n), 4),
                why=self._why(id_, view),
            )
            for n, id_ in enumerate(view.ranked[:_SHOWN])
        )
        exact = view.features.exact >= 0.99
        return Retrieval(matches, self._status(query, confidence), exact=exact)

    def _status(self, query: Query, confidence: float) -> Status:
        if query.kind in {"empty", "smalltalk"}:
            return "abstain"
        return self._calibration.status(confidence)

    def _support(self, signatures: Sequence[Signature]) -> dict[str, float]:
        """How far the query's signatures speak for an entry: 1 for its own title or symptom.

        The first signature that any entry carries decides; one that no entry carries (another
        missing module, say) does not hide it. An entry whose title names the same kind of fault
        of something else is spoken against.
        """
        support: dict[str, float] = defaultdict(float)
        known = [s for s in signatures[:6] if self._is_carried(s)]
        for position, signature in enumerate(known):
            carriers = self._carried[signature.key]
            weight = 1.0 if position == 0 else 0.5
            strongest = max(carriers.values())
            for id_, share in carriers.items():
                if id_ != NONE:
                    value = weight * share / max(strongest, 1e-9) * min(1.0, strongest)
                    support[id_] = max(support[id_], value)
        said = {s.family: {o.key for o in signatures if o.family == s.family} for s in signatures}
        for id_, families in self._titles.items():
            if any(f in said and key not in said[f] for f, key in families.items()):
                support[id_] = -0.5
        return dict(support)

    def _is_carried(self, signature: Signature) -> bool:
        return any(id_ != NONE for id_ in self._carried.get(signature.key, {}))

    def _features(
        self,
        query: Query,
        ranked: Sequence[str],
        base: Mapping[str, float],
        none: float,
        support: Mapping[str, float],
        signatures: Sequence[Signature],
        cosines: np.ndarray | None,
        words: Mapping[str, float],
    ) -> Features:
        top = ranked[0] if ranked else NONE
        families = [s for s in signatures if s.family != "message"]
        foreign = bool(families) and not any(self._is_carried(s) for s in families)
        nearest = nearest_none = 0.0
        if cosines is not None and top:
            nearest = float(cosines[self._of_entry[top]].max())
            rows = self._of_entry[NONE]
            nearest_none = float(cosines[rows].max()) if rows.size else 0.0
        return Features(
            score=base.get(top, 0.0),
            mass=sum(sorted((max(v, 0.0) for v in base.values()), reverse=True)[:3]),
            margin=base.get(top, 0.0) - max([v for k, v in base.items() if k != top] or [0.0]),
            none=none,
            exact=support.get(top, 0.0),
            foreign=float(foreign and families[0].family in _KNOWN_FOREIGN),
            words=words.get(top, 0.0),
            words_none=words[NONE],
            nearest=nearest,
            nearest_none=nearest_none,
            paste=float(bool(query.exceptions)),
            unexplained=float(bool(query.exceptions) and support.get(top, 0.0) == 0.0),
            dense=float(cosines is not None),
        )

    def _why(self, id_: str, view: _View) -> tuple[str, ...]:
        reasons: list[str] = []
        if view.support.get(id_, 0.0) > 0:
            said = next(
                (s.said for s in view.signatures if id_ in self._carried.get(s.key, {})), ""
            )
            reasons.append(f"the message says: {said}" if said else "the message is this entry's")
        rows = self._of_entry[id_]
        best = rows[int(np.argmax(view.kernel[rows]))]
        if view.kernel[best] > 0.15:
            passage = self._passages[best]
            kind = {"title": "its title", "symptom": "its symptom", "phrase": "the wording"}
            where = kind.get(passage.side, "its explanation")
            reasons.append(f"close to {where}: “{_shorten(passage.text)}”")
        return tuple(reasons)


@dataclass(frozen=True, slots=True)
class _View:
    """What one look at a query found; entries ranked, best first."""

    ranked: tuple[str, ...]
    total: Mapping[str, float]
    features: Features
    signatures: tuple[Signature, ...]
    support: Mapping[str, float]
    kernel: np.ndarray


def _carried_signatures(
    entries: Mapping[str, Entry], passages: Sequence[Passage]
) -> dict[str, dict[str, float]]:
    """For each signature: the entries that carry it and how firmly (0 to 1).

    A title or symptom carries it fully. Phrases carry it by their share, as people also mention
    messages in passing.
    """
    firm: dict[str, set[str]] = defaultdict(set)
    mentions: dict[str, Counter[str]] = defaultdict(Counter)
    for passage in passages:
        around = entries[passage.id].title if passage.side == "symptom" else ""
        for signature in text_signatures(passage.text, around=around):
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


def _share(view: _View, position: int) -> float:
    """How a match compares with the first: 1 for that, 0 to 0.95 for later ones."""
    if position == 0:
        return 1.0
    first = max(view.total[view.ranked[0]], 1e-6)
    return float(np.clip(view.total[view.ranked[position]] / first, 0.0, 0.95))


def _condense(text: str) -> str:
    """Of lines that differ in numbers only (a training log), the first two and the last stay."""
    lines = text.splitlines()
    forms = [template(line) for line in lines]
    last = {form: number for number, form in enumerate(forms)}
    seen: Counter[str] = Counter()
    kept = []
    for number, (line, form) in enumerate(zip(lines, forms, strict=True)):
        seen[form] += 1
        if seen[form] <= 2 or last[form] == number or not form:
            kept.append(line)
    return "\n".join(kept)


def _head_and_tail(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n{text[-limit // 2 :]}"


def _plain(markdown: str) -> str:
    return re.sub(r"```.*?(?:```|\Z)|[*`#|>]", " ", markdown, flags=re.DOTALL)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}…"
