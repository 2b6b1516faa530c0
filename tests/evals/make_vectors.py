"""Makes `assistant/data/phrase-vectors.npz`: the shipped phrases, encoded with the default encoder.

    python -m tests.evals.make_vectors

Run it after changing knowledge/phrases.jsonl or knowledge/decoys.jsonl. Without it everything works
as well, but the first start encodes three thousand phrases. Each vector is stored as 384 signed
bytes (the largest value becomes 127); `assistant.index.load_seed` gives it length 1 again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assistant.encoders import SentenceEncoder
from assistant.index import build_index, load_seed, passage_key
from assistant.library import load_phrases

TARGET = Path(__file__).parents[2] / "assistant" / "data" / "phrase-vectors.npz"


def main() -> None:
    encoder = SentenceEncoder()
    texts = list(dict.fromkeys(phrase.text for phrase in load_phrases()))
    cache = Path.home() / ".cache" / "cv-troubleshooter" / "index"
    vectors = build_index(texts, encoder, folder=cache, seed=load_seed(encoder.id)).vectors
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    small = np.round(vectors / largest * 127).astype(np.int8)
    names = np.array([passage_key(encoder.id, text) for text in texts], dtype="S24")
    np.savez_compressed(TARGET, encoder=np.array(encoder.id), names=names, vectors=small)
    print(f"{TARGET}: {len(texts)} vectors, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
