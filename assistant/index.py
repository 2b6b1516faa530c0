"""Passage vectors in a FAISS index, kept as a cache with a fingerprint.

Inner product on unit vectors. The cache is two files (vectors, manifest): a manifest that does not
fit, a damaged or a foreign file means: rebuild, never guess. Knows passages, nothing of entries.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import faiss
import numpy as np

from assistant.files import write_atomically
from assistant.types import Encoder

_FORMAT = 3
_BATCH = 256
# Up to so many vectors every cosine is computed (1.4 ms for 15,600 in two views on 2 cores), beyond
# the nearest ones only; `assistant bench retrieval` shows both sides of this line.
_FLAT = 40_000
_NEAREST = 1_000


@dataclass(frozen=True, slots=True)
class PassageIndex:
    """Searchable passages: `vectors` float32 [views, n, dim], of length 1, in passage order. The
    nearest are those by view 0, the sentence's."""

    vectors: np.ndarray
    fingerprint: str
    notices: tuple[str, ...]
    _index: faiss.Index

    def similarities(
        self, vectors: np.ndarray, *, exact: np.ndarray, limit: int = _FLAT
    ) -> np.ndarray:
        """Cosine of each query [m, views, dim] to each passage in each view: float32 [m, views, n].

        Beyond `limit` passages only the nearest are computed and those of the rows `exact`, which
        somebody sums up; the others are 0.
        """
        views, count = self.vectors.shape[:2]
        if count <= limit:  # all of them, so nothing has to be sorted
            seen = (_all_cosines(vectors[:, v], self.vectors[v]) for v in range(views))
            return np.stack(list(seen), axis=1)
        full = np.zeros((len(vectors), views, count), dtype=np.float32)
        nearest = np.ascontiguousarray(vectors[:, 0], np.float32)
        _, rows = self._index.search(nearest, min(limit, _NEAREST))
        for query, near in enumerate(rows):  # an approximate index may find fewer
            found = np.union1d(near[near >= 0], exact)
            full[query][:, found] = np.einsum("vd,vnd->vn", vectors[query], self.vectors[:, found])
        return full


def build_index(
    passages: Sequence[str],
    encoder: Encoder,
    *,
    folder: Path,
    seed: Mapping[str, np.ndarray] | None = None,
) -> PassageIndex:
    """Index the passages, encoding only those that neither `folder`'s cache nor `seed` holds.

    An unwritable folder is a notice, not an error: the index then lives in memory only.
    Raises EncoderError when a passage is new and the encoder cannot be loaded.
    """
    encoder_id = encoder.id
    keys = [passage_key(encoder_id, passage) for passage in passages]
    fingerprint = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:20]
    path = folder / f"vectors-{hashlib.sha256(encoder_id.encode()).hexdigest()[:12]}.npz"
    notices: list[str] = []
    # the seed's first: beside its coarse vectors exact ones would be a little nearer to every query
    # (with a cache that held some of them, right answers 90.3 instead of 91.0 %, 2026-11-28)
    known = _load(path, notices) | dict(seed or {})
    missing = [n for n, key in enumerate(keys) if key not in known]
    if missing:
        fresh = _encode(missing, passages, keys, encoder)
        if len({vector.shape for vector in (known | fresh).values()}) > 1:
            notices.append("The search model has changed; the search index has been made again.")
            fresh = _encode(range(len(keys)), passages, keys, encoder)
        known.update(fresh)
        try:
            _save(path, {key: known[key] for key in dict.fromkeys(keys)})
        except OSError as error:
            notices.append(
                f"The search index cannot be kept in {folder} ({error.strerror or error}); it "
                "will be made again at the next start."
            )
    vectors = np.stack([known[key] for key in keys], axis=1).astype(np.float32)
    return PassageIndex(vectors, fingerprint, tuple(notices), make_index(vectors[0]))


def make_index(vectors: np.ndarray, *, approximate: bool = True) -> faiss.Index:
    """Return FAISS's index for these vectors of length 1 [n, dim] float32.

    Up to 40,000 every vector is compared (flat); beyond, unless `approximate` is false, only those
    of the nearest cells (IVF with √n cells, of which 1 in 16 is looked at).
    """
    count, dimension = vectors.shape
    flat = faiss.IndexFlatIP(dimension)
    if count <= _FLAT or not approximate:
        flat.add(vectors)
        return flat
    cells = int(count**0.5)
    index = faiss.IndexIVFFlat(flat, dimension, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 8
    index.train(vectors[:: max(1, count // (40 * cells))])
    index.add(vectors)
    index.nprobe = max(1, cells // 16)
    return index


def _all_cosines(vectors: np.ndarray, passages: np.ndarray) -> np.ndarray:
    found = faiss.pairwise_distances(
        np.ascontiguousarray(vectors, np.float32), passages, faiss.METRIC_INNER_PRODUCT
    )
    return np.asarray(found, dtype=np.float32)


def _encode(
    rows: Sequence[int], passages: Sequence[str], keys: Sequence[str], encoder: Encoder
) -> dict[str, np.ndarray]:
    vectors: dict[str, np.ndarray] = {}
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        found = encoder.encode([passages[n] for n in batch])
        vectors.update({keys[n]: vector for n, vector in zip(batch, found, strict=True)})
    return vectors


def load_seed(encoder_id: str) -> dict[str, np.ndarray]:
    """Vectors [views, dim] of the shipped phrases by key, made by `tests/evals/make_vectors.py`; {}
    for another encoder. They are kept as steps of 4 bits from their mean, and stretched to length 1
    again here."""
    path = Path(str(resources.files("assistant.data"))) / "phrase-vectors.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as loaded:
        if str(loaded["encoder"]) != encoder_id:
            return {}
        packed, scales = loaded["steps"], loaded["scales"].astype(np.float32)
        mean, names = loaded["mean"], loaded["names"]
    steps = np.stack([packed >> 4, packed & 15], axis=3).reshape(*packed.shape[:2], -1)
    rows = mean + scales * (steps - np.float32(8))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    return {name.decode(): row for name, row in zip(names, rows, strict=True)}


def passage_key(encoder_id: str, passage: str) -> str:
    """The name of a passage's vector in the cache."""
    return hashlib.sha256(f"{encoder_id}\0{passage}".encode()).hexdigest()[:24]


def _save(path: Path, vectors: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    names = np.array(list(vectors), dtype="S24")
    np.savez(buffer, names=names, vectors=np.stack(list(vectors.values())).astype(np.float32))
    data = buffer.getvalue()
    write_atomically(path, data)
    manifest = {"format": _FORMAT, "sha256": hashlib.sha256(data).hexdigest(), "rows": len(names)}
    write_atomically(path.with_suffix(".json"), json.dumps(manifest).encode())


def _load(path: Path, notices: list[str]) -> dict[str, np.ndarray]:
    """The vectors of a whole and untouched cache file; {} (and a notice) otherwise."""
    if not path.exists():
        return {}
    try:
        data = path.read_bytes()
        manifest = json.loads(path.with_suffix(".json").read_text("utf-8"))
        if manifest.get("format") != _FORMAT:
            notices.append("The kept search index was another version's and has been made again.")
            return {}
        if manifest.get("sha256") != hashlib.sha256(data).hexdigest():
            raise ValueError("it does not fit its manifest")
        with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
            names, vectors = loaded["names"], loaded["vectors"]
        return {name.decode(): vector for name, vector in zip(names, vectors, strict=True)}
    except (OSError, ValueError, KeyError, EOFError, AttributeError) as error:
        reason = str(error).partition("\n")[0][:120]
        notices.append(f"The kept search index was damaged ({reason}) and has been made again.")
        return {}
