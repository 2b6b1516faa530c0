"""The plain way to run a language model, as one would write it first: what `bench` compares with.

Weights as they lie on disk, `model.generate`, nothing remembered. It refuses to know the product's
own backend (`local.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer

from assistant.types import Message

_COPY_BYTES, _COPIES = 256_000_000, 8


class PlainModel:
    """A folder's model in float32 on the CPU, in bfloat16 on CUDA."""

    def __init__(self, folder: str, device: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self._model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, device_map={"": device}, local_files_only=True
        ).eval()

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self._tokenizer(text, add_special_tokens=False).input_ids)

    def run(
        self,
        messages: Sequence[Message],
        *,
        tokens: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> tuple[float, float, int]:
        """Answer once, greedily; return seconds until the first token and the end, and tokens."""
        inputs = self._tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        ).to(self._model.device)
        start = clock()
        first = _First(self._tokenizer, clock)
        with torch.inference_mode():
            out = self._model.generate(
                **inputs,
                streamer=first,
                max_new_tokens=tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.eos_token_id,
            )
        end = clock()
        written = out.shape[1] - inputs["input_ids"].shape[1]
        return first.at - start, end - start, written


class _First(TextStreamer):  # type: ignore[misc]
    """Notes when the first token comes."""

    def __init__(self, tokenizer: Any, clock: Callable[[], float]) -> None:
        super().__init__(tokenizer, skip_prompt=True)
        self._clock, self.at, self._seen = clock, 0.0, 0

    def put(self, value: torch.Tensor) -> None:
        self._seen += 1
        if self._seen == 2:  # the prompt is put first
            self.at = self._clock()

    def end(self) -> None:
        pass


def copy_bandwidth(device: str, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Bytes per second that the device's memory reads and writes in a large copy."""
    source = torch.zeros(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    _settle(device)
    start = clock()
    for _ in range(_COPIES):
        target.copy_(source)
    _settle(device)
    return 2 * _COPY_BYTES * _COPIES / (clock() - start)


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def best_device() -> str:
    """'cuda' where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
