"""Queries to matches: message signature, lexical and dense similarity, fused and calibrated.

An exact signature outranks everything. The rest is decided by a ranker that compares the query
with every passage of the knowledge, by words and by meaning. Knows the encoder as a port only.
"""

from __future__ import annotations

import copy
import hashlib
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from assistant.calibration import Calibration, Features
from assistant.condense import search_text
from assistant.index import PassageIndex
from assistant.lexical import build_lexical, has_content
from assistant.passages import NONE, Passage, group
from assistant.ranker import Ranker, alone, cached_ranker, dense_gram, dense_kernel, view_weight
from assistant.reranking import (
    READ,
    RerankCalibration,
    apply_verdict,
    load_rerank_calibration,
    rerank_prompt,
)
from assistant.ridge import Kernel
from assistant.signatures import Signature, query_signatures, text_signatures
from assistant.spelling import build_speller
from assistant.types import Encoder, Entry, Match, Query, Reranker, Retrieval, Status
from assistant.wording import plain_words

_KERNEL = 5  # raise it when a kernel, a seed or the ridge changes, so that no old fit is taken
_WORDS_WEIGHT = 0.15  # BM25; 0.05 to 0.3 were better than none on the development cases
_SIGNATURE_WEIGHT = 1.5  # an exact signature outranks every similarity
_KNOWN_FOREIGN = frozenset(
    (
        "missing-module broken-file process-killed missing-file "
        "missing-library http-status label-out-of-range numpy-abi "
        "torchvision-operator weights-only image-not-read no-kernel-image device-mismatch "
        "shadowed-module missing-name"
    ).split()
)
_SHOWN = 5
_BLOCKS = 6  # paragraphs; more of them are a document, and each costs an encoding
_BLOCK_WORDS = 4
_BLANK = re.compile(r"\n\s*\n")
# Fitting takes n² steps and a matrix of 4·n² bytes once for each guide: with 20,000 texts 34 s on
# 2 cores and 3.1 GB for the whole process (2026-11-27).
_LEARNED = 32_000


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
        self._groups = group([passage.id for passage in passages])
        self._learned = learned_rows(self._passages)
        self._lexical = build_lexical([passage.text for passage in passages])
        self._speller = build_speller((passage.text for passage in passages), plain_words())
        self._folder = folder
        self._ranker = self._fit("lexical", lambda: Kernel(self._lexical.factor(self._learned)))
        self._dense: tuple[PassageIndex, Encoder, Ranker] | None = None
        self._second: tuple[Reranker, RerankCalibration] | None = None
        self._carried = _carried_signatures(self._entries, self._passages)
        self._titles = {
            id_: families
            for id_, entry in entries.items()
            if (families := {s.family: s.key for s in _of_kinds(entry.title)})
        }

    def with_dense(self, index: PassageIndex, encoder: Encoder) -> HybridRetriever:
        """Return a retriever that also compares by meaning; `index` holds the same passages."""

        def kernel() -> Kernel:
            alike = dense_gram([every[self._learned] for every in index.vectors])
            return Kernel(self._lexical.factor(self._learned), alike)

        dense = copy.copy(self)
        dense._dense = (index, encoder, self._fit(index.fingerprint, kernel))
        return dense

    def with_reranker(self, reranker: Reranker) -> HybridRetriever:
        """Return a retriever whose results a reranker can read (`rerank`)."""
        reading = copy.copy(self)
        reading._second = (reranker, load_rerank_calibration())
        return reading

    def _fit(self, kind: str, kernel: Callable[[], Kernel]) -> Ranker:
        """Fit a ranker, or take the one kept in a file named by everything that it depends on."""
        digest = hashlib.sha256(f"{_KERNEL}\0{kind}\0".encode())
        for passage in self._passages:
            digest.update(f"{passage.id}\0{passage.text}\0".encode())
        digest.update(self._learned.tobytes())
        path = self._folder / f"ranker-{digest.hexdigest()[:20]}.bin"
        labels = [self._passages[row].id for row in self._learned]
        return cached_ranker(path, kernel, labels)

    def fast(self, query: Query) -> Retrieval:
        """Signature and lexical results; needs no encoder."""
        return self._decide(query, self._look(query, dense=False))

    def search(self, query: Query) -> Retrieval:
        """The fused result; the lexical one where there is no encoder, or nothing for it to decide:
        of 216 cases with an exact signature it never changed the first entry (2026-11-27)."""
        if max(self._support(query_signatures(query)).values(), default=0.0) >= 1.0:
            fast = self.fast(query)
            if fast.exact:
                return fast
        return self._decide(query, self._look(query, dense=True))

    @property
    def has_reranker(self) -> bool:
        """Whether there is a reranker, and it is loaded."""
        return self._second is not None and self._second[0].is_ready

    def rerank(self, query: Query, found: Retrieval) -> Retrieval:
        """The same entries after a second look; an exact signature is not questioned."""
        read = found.matches[:READ]
        if self._second is None or not read or found.exact or not _is_question(query):
            return found
        reranker, calibration = self._second
        prompt = rerank_prompt(query, [self._entries[match.id] for match in read])
        verdict = reranker.score(prompt, len(read))
        if verdict is None:
            return found
        return apply_verdict(found, verdict, calibration)

    def first_and_features(self, query: Query, *, dense: bool) -> tuple[str, Features]:
        """The first entry and what the calibration sees of it (for fitting the calibration)."""
        view = self._look(query, dense=dense)
        return view.ranked[0], view.features

    def _look(self, query: Query, *, dense: bool) -> _View:
        """Everything that is computed about a query, entries ranked.

        Of a text in several paragraphs the one counts that tells most, if it alone tells more than
        the whole: words of greeting and thanks around a question say nothing of it.
        """
        parts = _parts(query)
        texts = [self._speller.mend(search_text(part)) for part in parts]
        near: Sequence[np.ndarray | None] = [None] * len(parts)
        if dense and self._dense is not None:
            index, encoder, _ = self._dense
            near = list(index.similarities(encoder.encode(texts), exact=self._learned))
        views = [self._view(*one) for one in zip(parts, texts, near, strict=True)]
        return max(views, key=lambda view: self._calibration.confidence(view.features))

    def _view(self, query: Query, text: str, cosines: np.ndarray | None) -> _View:
        kernel, same, ranker = self._lexical.cosines(text), 1.0, self._ranker
        nearest = None if cosines is None else cosines[0].copy()
        if cosines is not None and self._dense is not None:
            ranker = self._dense[2]
            for view, near in enumerate(cosines):
                kernel += dense_kernel(near, view)
                same += view_weight(view)
        base = self._scores(ranker, kernel, same)
        signatures = query_signatures(query)
        if not signatures or signatures[0].family == "message":  # no row knows it: a slip, maybe
            signatures = (*(s for s in text_signatures(text) if s.family != "message"), *signatures)
        support = self._support(signatures)
        words = self._word_shares(text)
        total = base + _WORDS_WEIGHT * words
        for id_, value in support.items():
            total[self._at(id_)] += _SIGNATURE_WEIGHT * value
        total[self._at(NONE)] = -np.inf
        order = np.argsort(-total, kind="stable")[:_SHOWN]
        ranked = tuple(self._groups.labels[n] for n in order if np.isfinite(total[n]))
        totals = tuple(float(total[n]) for n in order if np.isfinite(total[n]))
        features = self._features(query, ranked, base, support, signatures, nearest, words)
        return _View(ranked, totals, features, signatures, support, kernel)

    def _at(self, id_: str) -> slice:
        """Where a label stands among the scores; nowhere if it is unknown."""
        at = bisect_left(self._groups.labels, id_)
        known = at < len(self._groups.labels) and self._groups.labels[at] == id_
        return slice(at, at + 1) if known else slice(0, 0)

    def _scores(self, ranker: Ranker, kernel: np.ndarray, same: float) -> np.ndarray:
        """Score of each label: the ranker's, or that of its nearest passage if none was learned."""
        scores = alone(self._groups.best(kernel), same)
        learned = np.searchsorted(self._groups.labels, ranker.labels)
        scores[learned] = ranker.scores(kernel[self._learned])
        return scores

    def _word_shares(self, text: str) -> np.ndarray:
        """BM25 of each label's best passage, as a share of the best of all; 0 to 1."""
        scores = self._groups.best(self._lexical.bm25(text))
        return np.asarray(scores / max(float(scores.max(initial=0.0)), 1e-6))

    def _decide(self, query: Query, view: _View) -> Retrieval:
        confidence = self._calibration.confidence(view.features)
        matches = tuple(
            Match(
                id=id_,
                title=self._entries[id_].title,
                confidence=round(confidence * _share(view.totals, n), 4),
                why=self._why(id_, view),
            )
            for n, id_ in enumerate(view.ranked[:_SHOWN])
        )
        exact = view.features.exact >= 0.99
        return Retrieval(matches, self._status(query, confidence), exact=exact)

    def _status(self, query: Query, confidence: float) -> Status:
        return self._calibration.status(confidence) if _is_question(query) else "abstain"

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
            for id_, share in carriers.items():
                # a message mentioned more often where no entry answers speaks for none
                if id_ != NONE and (share >= 1.0 or share > carriers.get(NONE, 0.0)):
                    support[id_] = max(support[id_], weight * share)
        said = {s.family: {o.key for o in signatures if o.family == s.family} for s in signatures}
        for id_, families in self._titles.items():
            other = any(f in said and key not in said[f] for f, key in families.items())
            if other and support.get(id_, 0.0) < 1.0:
                support[id_] = -0.5
        return dict(support)

    def _is_sole(self, exact: float, signatures: Sequence[Signature]) -> bool:
        """Whether the message is the first entry's and of none that is not loaded. In 587 looks
        at held-out texts with the course's guide 95 % were right (2026-11-27)."""
        known = next((s for s in signatures[:6] if self._is_carried(s)), None)
        return exact >= 1.0 and known is not None and self._carried[known.key].get(NONE, 0.0) < 0.5

    def _is_carried(self, signature: Signature) -> bool:
        return any(id_ != NONE for id_ in self._carried.get(signature.key, {}))

    def _features(
        self,
        query: Query,
        ranked: Sequence[str],
        base: np.ndarray,
        support: Mapping[str, float],
        signatures: Sequence[Signature],
        cosines: np.ndarray | None,
        words: np.ndarray,
    ) -> Features:
        top, none = self._at(ranked[0] if ranked else NONE), self._at(NONE)
        scores, others = base.copy(), base.copy()
        scores[none] = others[none] = others[top] = 0.0
        exact = support.get(ranked[0], 0.0) if ranked else 0.0
        return Features(
            score=_first(base[top]),
            mass=float(np.sort(np.maximum(scores, 0.0))[-3:].sum()),
            margin=_first(base[top]) - float(others.max(initial=0.0)),
            none=_first(base[none]),
            exact=exact,
            against=float(exact < 0 or (exact == 0 and self._is_foreign(signatures))),
            words=_first(words[top]),
            words_none=_first(words[none]),
            nearest=self._nearest(ranked[0], cosines) if ranked else 0.0,
            nearest_none=self._nearest(NONE, cosines),
            paste=float(bool(query.exceptions)),
            unexplained=float(bool(query.exceptions) and exact == 0.0),
            sole=float(self._is_sole(exact, signatures)),
            dense=float(cosines is not None),
        )

    def _is_foreign(self, signatures: Sequence[Signature]) -> bool:
        """Whether the message is that of a fault which no entry here is about: a shipped entry's
        that is not loaded, or one of a family that says what is wrong all by itself."""
        families = [s for s in signatures if s.family != "message"]
        if families and not any(self._is_carried(s) for s in families):
            return families[0].family in _KNOWN_FOREIGN
        carriers = self._carried.get(signatures[0].key, {}) if signatures else {}
        return carriers.keys() == {NONE} and carriers[NONE] >= 1.0

    def _nearest(self, id_: str, cosines: np.ndarray | None) -> float:
        """Cosine of the nearest passage of an entry; 0 without a comparison by meaning."""
        if cosines is None:
            return 0.0
        return float(cosines[self._groups.rows(id_)].max(initial=0.0))

    def _why(self, id_: str, view: _View) -> tuple[str, ...]:
        reasons: list[str] = []
        if view.support.get(id_, 0.0) > 0:
            said = next(
                (s.said for s in view.signatures if id_ in self._carried.get(s.key, {})), ""
            )
            reasons.append(f"the message says: {said}" if said else "the message is this entry's")
        rows = self._groups.rows(id_)
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
    totals: tuple[float, ...]
    features: Features
    signatures: tuple[Signature, ...]
    support: Mapping[str, float]
    kernel: np.ndarray


def _is_question(query: Query) -> bool:
    return query.kind not in {"empty", "smalltalk"} and has_content(query.text)


def _of_kinds(text: str) -> tuple[Signature, ...]:
    """The signatures of known kinds of fault; a message is like no other one."""
    return tuple(s for s in text_signatures(text) if s.family != "message")


def _parts(query: Query) -> tuple[Query, ...]:
    """The query, then what each paragraph (or each of a few lines) of a text in words asks."""
    if query.exceptions:
        return (query,)
    blocks = _BLANK.split(query.text.strip())
    blocks = blocks if len(blocks) > 1 else blocks[0].splitlines()
    if not 2 <= len(blocks) <= _BLOCKS:
        return (query,)
    longer = [block for block in blocks if len(block.split()) >= _BLOCK_WORDS]
    return (query, *(replace(query, text=block, words=block) for block in longer))


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
        entry = entries.get(passage.id) if passage.side == "symptom" else None
        around = entry.title if entry else ""
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


def learned_rows(passages: Sequence[Passage], most: int = _LEARNED) -> np.ndarray:
    """Rows that the ranker learns from: those of entries that somebody has asked for in words of
    their own; of more than `most` an even choice. An entry with a title and a symptom beside others
    with hundreds of phrases would learn mostly that it is never meant: with 15 of the guide's 40
    entries without phrases 83.5 % came first, 86.2 % when these stay as near as their nearest
    passage; with 36 of them 57.7 and 74.5 % (2026-11-27, 333 texts).
    """
    spoken = {passage.id for passage in passages if passage.side == "phrase"}
    if spoken == {NONE}:
        return np.array([], dtype=np.int64)
    rows = np.array([n for n, p in enumerate(passages) if p.id in spoken], dtype=np.int64)
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)]


def _first(values: np.ndarray) -> float:
    return float(values[0]) if values.size else 0.0


def _share(totals: Sequence[float], position: int) -> float:
    """How a match compares with the first: 1 for that, 0 to 0.95 for later ones."""
    if position == 0:
        return 1.0
    return float(np.clip(totals[position] / max(totals[0], 1e-6), 0.0, 0.95))


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}…"
