"""Brings a chosen language model into memory: safetensors or GGUF, never pickles, never code that
comes with a model.

It refuses to know why this model was chosen and what it is used for.
"""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging as transformers_logging

from assistant.backends.packed import count_bytes, pack_linears
from assistant.errors import BackendError
from assistant.models import Dtype, LoadedModel, ModelChoice

_LOG = logging.getLogger(__name__)
_UNKNOWN_CONTEXT = 4096


def load_model(choice: ModelChoice, device: str, dtype: Dtype) -> LoadedModel:
    """Load what was chosen onto a device ('cpu', 'cuda'). Raises BackendError."""
    try:
        return _load(choice, device, dtype)
    except Exception as error:  # the libraries raise many kinds; all mean: no model
        _LOG.warning("loading %s failed", choice.label, exc_info=True)
        raise _explain(error, choice) from None  # the error's frames may hold the weights
    finally:
        _free_memory()


def _load(choice: ModelChoice, device: str, dtype: Dtype) -> LoadedModel:
    transformers_logging.disable_progress_bar()
    where = choice.where
    options: dict[str, Any] = {"local_files_only": choice.kind != "hub"}
    if choice.kind == "gguf":
        where = str(Path(choice.where).parent)
        options["gguf_file"] = Path(choice.where).name
    tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **options)
    if not tokenizer.chat_template:
        raise ValueError("it has no chat template, so it is no chat model")
    if choice.kind == "gguf":
        options["quantization_config"] = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        where,
        dtype=getattr(torch, dtype),
        device_map={"": device},
        use_safetensors=True,
        trust_remote_code=False,
        **options,  # nothing about attention: SDPA is taken wherever the model has it
    ).eval()
    packed = pack_linears(model) if device == "cpu" and dtype == "float32" else 0
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return LoadedModel(
        tokenizer,
        model,
        context or _UNKNOWN_CONTEXT,
        count_bytes(model) / 1e9,
        wide=packed > 0 or device == "cuda",
    )


def _explain(error: Exception, choice: ModelChoice) -> BackendError:
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error):
        return BackendError(
            f"There is not enough memory to load {choice.label}.",
            hint="End notebooks that hold memory, or set ASSISTANT_MODEL to a smaller model; then "
            "start the assistant again.",
        )
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    return BackendError(
        f"The language model {choice.label} cannot be loaded ({type(error).__name__}: {reason}).",
        hint="Check ASSISTANT_MODEL: it needs config.json, a tokenizer with a chat template and "
        "*.safetensors, or one GGUF file; a hub id needs the network.",
    )


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
