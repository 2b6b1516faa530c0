"""A language model that reads a text beside the first entries and says which one answers it.

One pass over about 200 tokens, no text is written: the state of the last token goes through a
trained head. It refuses to know what the prompt says (`reranking.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from assistant.backends.adapter import adapt, read_adapter

_LOG = logging.getLogger(__name__)
_TOKENS = 1500  # prompts have 110 to 430; 600 characters that are all digits make 1,100
_ROOM = 1.2  # of the weights' bytes, free on a GPU with memory of its own


class LocalReranker:
    """A Reranker (types.py) in this process: base model in a folder, trained adapter beside it.

    CUDA and CPUs with bfloat16 instructions compute in it, other CPUs in float32: 180 tokens took
    0.6 s in bfloat16 and 2.5 s in float32 (2 cores of an EPYC with AVX512-BF16, 2026-11-27). On
    CUDA nothing but the training was run (one H100); on a Spark nothing was.
    """

    def __init__(
        self,
        folder: Path,
        arrays: Callable[[], Mapping[str, np.ndarray]],
        *,
        find_fault: Callable[[], str] = lambda: "",
    ) -> None:
        """`arrays` reads the adapter; `find_fault` is asked before the loading, what it returns
        ('' for nothing) refuses it."""
        self._folder, self._arrays, self._find_fault = folder, arrays, find_fault
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._loading, self._running = threading.Lock(), threading.Lock()
        self._tried = False
        self._net: tuple[Any, Any, torch.Tensor, torch.Tensor] | None = None
        self.fault = ""

    @property
    def is_ready(self) -> bool:
        """Whether it is loaded."""
        return self._net is not None

    def start(self) -> None:
        """Load in the background; returns at once."""
        threading.Thread(target=self.load, name="reranker", daemon=True).start()

    def load(self) -> None:
        """Load now, once; why that failed stands in `fault`."""
        with self._loading:
            if self._tried:
                return
            self._tried = True
            try:
                self.fault = self._find_fault()
                if not self.fault:
                    self._net = self._load()
            except Exception as error:  # the libraries raise many kinds; all mean: no reranker
                self.fault = f"The reranker cannot be loaded ({type(error).__name__}: {error})."
            if self.fault:
                _LOG.warning("%s", self.fault[:500])

    def score(self, prompt: str, pages: int) -> np.ndarray | None:
        """Return log-probabilities float32 [1 + pages], none of them first; None if it cannot say:
        not loaded yet, or not at all, a prompt that is too long, no memory, no number."""
        if self._net is None:
            return None
        tokenizer, net, head, bias = self._net
        try:
            said = tokenizer(
                prompt, add_special_tokens=False, split_special_tokens=True, return_tensors="pt"
            )
            ids = said["input_ids"]
            if ids.shape[1] > _TOKENS:
                return None
            with self._running, torch.inference_mode():
                states = net(input_ids=ids.to(self._device), use_cache=False).last_hidden_state
                scores = states[0, -1].float() @ head.T + bias
                verdict = torch.log_softmax(scores[: 1 + pages], dim=0).cpu().numpy()
        except Exception as error:  # torch's own kinds; memory is one of many reasons
            _LOG.warning("reranker: %s", error)
            return None
        return np.asarray(verdict, dtype=np.float32) if np.isfinite(verdict).all() else None

    def _load(self) -> tuple[Any, Any, torch.Tensor, torch.Tensor]:
        transformers_logging.disable_progress_bar()
        where, quiet = str(self._folder), {"local_files_only": True, "trust_remote_code": False}
        if self._device == "cuda":
            free, _ = torch.cuda.mem_get_info()
            need = sum(file.stat().st_size for file in self._folder.glob("*.safetensors")) * _ROOM
            if free < need:
                raise MemoryError(f"{need / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
        tokenizer = AutoTokenizer.from_pretrained(where, **quiet)
        net = AutoModel.from_pretrained(
            where,
            dtype=_dtype(self._device),
            device_map={"": self._device},
            use_safetensors=True,
            **quiet,
        ).eval()
        adapter = read_adapter(self._arrays())
        adapt(net.layers, adapter.pairs)
        head, bias = (
            torch.tensor(array, dtype=torch.float32, device=self._device)
            for array in (adapter.head, adapter.bias)
        )
        return tokenizer, net, head, bias


def _dtype(device: str) -> torch.dtype:
    native = device == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.bfloat16 if native else torch.float32
