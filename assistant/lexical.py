"""Lexical similarity of texts: BM25 (bm25s), TF-IDF cosines (scikit-learn), tokens for code.

Knows words and symbols, nothing of entries. Needs no model, so it answers in milliseconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

# segment_anything, sam_vit_h_4b8939, num_workers, 2.10, single Chinese characters
_WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[\u4e00-\u9fff]")
# CamelCase and digits inside a name: DataLoader → data loader, yolov8n → yolov 8 n
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# words as the TF-IDF view sees them; a guide in another script is taken apart at its spaces
_TERM = r"[A-Za-z_]\w+|\d+|[\u4e00-\u9fff]"
# Among so many passages, pieces of words that more than this share of them has tell nothing (equal
# right answers on 1,400 texts, 2026-11-27) and cost half the time of a comparison.
_MANY = 1_000
_COMMON = 0.03
_HALF = np.float32(0.5) ** 0.5
_STOP = frozenset(
    (
        "a an the is are was be to of in on at for and or it its i my me we you this that with as "
        "by from do does did have has had if but so not no can could would should will just then "
        "than there here what which how why when where who"
    ).split()
)


def tokenize(text: str) -> list[str]:
    """Words, whole names and their parts: 'SamPredictor' → sampredictor, sam, predictor."""
    tokens: list[str] = []
    for found in _WORD.finditer(text):
        word = found.group(0)
        lower = word.lower()
        if lower in _STOP:
            continue
        tokens.append(_stem(lower))
        parts = _PART.findall(word)
        if len(parts) > 1:
            tokens.extend(part.lower() for part in parts)
    return tokens


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def has_content(text: str) -> bool:
    """Whether any word is more than a function word: "neither", "and then?" ask nothing."""
    return any(word not in ENGLISH_STOP_WORDS for word in re.findall(r"\w+", text.lower()))


@dataclass(frozen=True, slots=True)
class LexicalIndex:
    """Passages that can be compared with a query by their words."""

    count: int
    _bm25: bm25s.BM25
    _words: TfidfVectorizer
    _characters: TfidfVectorizer
    _matrix: sparse.csc_matrix  # by columns, as a query has few of them

    def bm25(self, text: str) -> np.ndarray:
        """BM25 score of each passage for `text`: float32 [n], 0 where no word is shared."""
        tokens = [token for token in tokenize(text) if token in self._bm25.vocab_dict]
        if not tokens:
            return np.zeros(self.count, dtype=np.float32)
        return np.asarray(self._bm25.get_scores(tokens), dtype=np.float32)

    def cosines(self, text: str) -> np.ndarray:
        """TF-IDF cosine (half words and pairs, half characters) to each passage: float32 [n]."""
        return self._products(*self._row(text))

    def _products(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        """A sparse row times every passage's: float32 [n]. Summed straight from the matrix's
        columns, which takes a fifth (a row) to a third (all rows) of SciPy's time."""
        ends = self._matrix.indptr[columns + 1]
        sizes = ends - self._matrix.indptr[columns]
        # where the entries of these columns stand in the matrix: each column's, one after another
        steps = np.repeat(ends - np.cumsum(sizes), sizes) + np.arange(sizes.sum())
        products = self._matrix.data[steps] * np.repeat(values, sizes)
        found = np.bincount(self._matrix.indices[steps], weights=products, minlength=self.count)
        return found.astype(np.float32)

    def _row(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Columns and weights of what `_side_by_side` makes of the vectorizers' rows, without what
        scikit-learn checks for a whole corpus: a third of the time, tested to be the same."""
        parts = (_weigh(self._words, text), _weigh(self._characters, text))
        columns = np.concatenate([parts[0][0], parts[1][0] + len(self._words.vocabulary_)])
        return columns, np.concatenate([parts[0][1], parts[1][1]]) * _HALF

    def factor(self, rows: np.ndarray) -> sparse.csr_matrix:
        """F of some passages [rows, terms] float32: F · Fᵀ are the same cosines among them."""
        return self._matrix.tocsr()[rows]


def build_lexical(passages: Sequence[str]) -> LexicalIndex:
    """Index the passages by words, pairs of words, and pieces of two to five characters."""
    bm25 = bm25s.BM25(method="lucene")
    bm25.index([tokenize(passage) or ["_"] for passage in passages], show_progress=False)
    terms = _TERM if any(re.search(_TERM, passage) for passage in passages) else r"\S+"
    words = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=terms, dtype=np.float32
    )
    many = len(passages) > _MANY
    characters = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 5),
        sublinear_tf=True,
        min_df=2 if len(passages) > 20 else 1,
        max_df=_COMMON if many else 1.0,
        dtype=np.float32,
    )
    views = (words.fit_transform(passages), characters.fit_transform(passages))
    return LexicalIndex(len(passages), bm25, words, characters, _side_by_side(*views).tocsc())


def _weigh(vectorizer: TfidfVectorizer, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns and weights of a text's known terms: (1 + ln count) · idf, of length 1."""
    known = vectorizer.vocabulary_
    terms = vectorizer.build_analyzer()(text)
    counts = Counter(known[term] for term in terms if term in known)
    columns = np.fromiter(counts, dtype=np.int32, count=len(counts))
    values = 1 + np.log(np.fromiter(counts.values(), dtype=np.float64, count=len(counts)))
    values *= vectorizer.idf_[columns]
    return columns, values / max(float(np.linalg.norm(values)), 1e-12)


def _side_by_side(words: sparse.csr_matrix, characters: sparse.csr_matrix) -> sparse.csr_matrix:
    """Both views in one row, each weighted by one half in the product of two rows."""
    return sparse.hstack([words * _HALF, characters * _HALF]).tocsr()
