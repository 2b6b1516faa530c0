"""Makes `assistant/data/phrase-vectors.npz`: the shipped phrases, encoded with the default encoder.

    python -m tests.evals.make_vectors

Run it after changing knowledge/phrases.jsonl or knowledge/decoys.jsonl: it encodes what is new and
keeps the rest (delete the file to encode all again). Without it everything works as well, but the
first start encodes thousands of phrases. Each number is stored in four bits, two
in a byte (15 steps over 2.7 times the vector's root mean square on either side, the rest is cut
off); `assistant.index.load_seed` gives the vectors length 1 again. Their cosine to the exact ones
is above 0.99 (tests/test_index.py).
"""

from __future__ import annotations

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
    names = [passage_key(encoder.id, text).encode() for text in texts]
    packed = _kept(encoder.id)
    fresh = [(name, text) for name, text in zip(names, texts, strict=True) if name not in packed]
    if fresh:
        rows = _pack(encoder.encode([text for _, text in fresh]))
        packed.update({name: row for (name, _), row in zip(fresh, rows, strict=True)})
    small = np.stack([packed[name] for name in names])
    np.savez_compressed(
        TARGET, encoder=np.array(encoder.id), names=np.array(names, dtype="S24"), vectors=small
    )
    size = TARGET.stat().st_size
    print(f"{TARGET}: {len(texts)} vectors, {len(fresh)} of them new, {size:,} bytes")


def _kept(encoder_id: str) -> dict[bytes, np.ndarray]:
    """The packed rows of the present file by name; {} if another encoder made it."""
    if not TARGET.exists():
        return {}
    with np.load(TARGET, allow_pickle=False) as old:
        if str(old["encoder"]) != encoder_id:
            return {}
        return dict(zip(old["names"].tolist(), old["vectors"], strict=True))


def _pack(vectors: np.ndarray) -> np.ndarray:
    """Four bits for each number, two numbers in a byte: [n, dim] → [n, dim / 2]."""
    scale = _REACH * np.sqrt((vectors**2).mean(axis=1, keepdims=True))
    steps = (np.clip(np.round(vectors / scale * 7), -7, 7) + 8).astype(np.uint8)
    return np.asarray(steps[:, 0::2] << 4 | steps[:, 1::2])


if __name__ == "__main__":
    main()
