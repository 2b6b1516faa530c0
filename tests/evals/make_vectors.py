"""Makes `assistant/data/phrase-vectors.npz`: the shipped phrases, encoded with the default encoder.

    python -m tests.evals.make_vectors

Run it after changing phrases.jsonl, decoys.jsonl or asked.jsonl in knowledge/: it encodes what is
new and keeps the rest (delete the file to encode all again). Without it everything works as well,
but the first start encodes thousands of phrases. Of each vector the difference to the mean of all
(of the first run) is stored, each number in four bits, two in a byte: 15 steps over 2.7 times the
root mean square on either side, the rest is cut off. The mean matters for the middle layer's view,
which has a few numbers that are large in every text. `assistant.index.load_seed` puts it together
again; the cosine to the exact vectors is above 0.99 (tests/test_index.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.encoders import SentenceEncoder
from assistant.index import passage_key
from assistant.library import load_phrases

TARGET = Path(__file__).parents[2] / "assistant" / "data" / "phrase-vectors.npz"
_REACH = 2.7


def main() -> None:
    encoder = SentenceEncoder()
    texts = list(dict.fromkeys(phrase.text for phrase in load_phrases()))
    encoder_id = encoder.id
    names = [passage_key(encoder_id, text).encode() for text in texts]
    kept = _kept(encoder_id)
    fresh = [(name, text) for name, text in zip(names, texts, strict=True) if name not in kept.rows]
    if fresh:
        vectors = encoder.encode([text for _, text in fresh])
        if kept.mean is None:
            kept = _Kept(vectors.mean(axis=0), {})
        packed = _pack(vectors - kept.mean)
        kept.rows.update({name: row for (name, _), *row in zip(fresh, *packed, strict=True)})
    steps, scales = (np.stack(part) for part in zip(*(kept.rows[n] for n in names), strict=True))
    np.savez_compressed(
        TARGET,
        encoder=np.array(encoder_id),
        names=np.array(names, dtype="S24"),
        mean=kept.mean,
        scales=scales,
        steps=steps,
    )
    size = TARGET.stat().st_size
    print(f"{TARGET}: {len(texts)} vectors, {len(fresh)} of them new, {size:,} bytes")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the present file holds: the mean [views, dim]; steps and scales by name."""

    mean: np.ndarray | None
    rows: dict[bytes, list[np.ndarray]]


def _kept(encoder_id: str) -> _Kept:
    """The present file, or nothing if another encoder made it."""
    if not TARGET.exists():
        return _Kept(None, {})
    with np.load(TARGET, allow_pickle=False) as old:
        if str(old["encoder"]) != encoder_id or "steps" not in old:
            return _Kept(None, {})
        packed = zip(old["steps"], old["scales"], strict=True)
        return _Kept(old["mean"], dict(zip(old["names"].tolist(), map(list, packed), strict=True)))


def _pack(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Four bits for each number, two numbers in a byte: [n, views, dim] → steps uint8
    [n, views, dim / 2] and the size of a step float16 [n, views, 1]."""
    scales = _REACH / 7 * np.sqrt((differences**2).mean(axis=2, keepdims=True))
    steps = (np.clip(np.round(differences / scales), -7, 7) + 8).astype(np.uint8)
    return steps[..., 0::2] << 4 | steps[..., 1::2], scales.astype(np.float16)


if __name__ == "__main__":
    main()
