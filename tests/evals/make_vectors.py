"""Makes `assistant/data/phrase-vectors.npz`: the shipped phrases, encoded with the default encoder.

    python -m tests.evals.make_vectors

Run it after changing knowledge/phrases.jsonl or knowledge/decoys.jsonl. Without it everything works
as well, but the first start encodes thousands of phrases. Each number is stored in four bits, two
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
    vectors = encoder.encode(texts)
    scale = _REACH * np.sqrt((vectors**2).mean(axis=1, keepdims=True))
    steps = (np.clip(np.round(vectors / scale * 7), -7, 7) + 8).astype(np.uint8)
    small = steps[:, 0::2] << 4 | steps[:, 1::2]
    names = np.array([passage_key(encoder.id, text) for text in texts], dtype="S24")
    np.savez_compressed(TARGET, encoder=np.array(encoder.id), names=names, vectors=small)
    print(f"{TARGET}: {len(texts)} vectors, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
