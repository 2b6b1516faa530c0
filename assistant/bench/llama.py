"""llama.cpp on the same prompts, where its package (xllamacpp) is installed: for `bench answers`.

It refuses to know what is compared. The package is no dependency of ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assistant.bench.speed import Run
from assistant.types import Message

PACKAGE = "xllamacpp"


def is_installed() -> bool:
    """Whether llama.cpp can be measured here."""
    return importlib.util.find_spec(PACKAGE) is not None


class LlamaModel:
    """A GGUF file in llama.cpp's own server, in this process, without its network face."""

    def __init__(self, gguf: Path) -> None:
        llama: Any = importlib.import_module(PACKAGE)
        parameters = llama.CommonParams()
        parameters.model.path = str(gguf)
        parameters.n_ctx, parameters.verbosity, parameters.cache_prompt = 4096, 0, False
        parameters.hostnames, parameters.port = ["127.0.0.1"], 0
        self._server = llama.Server(parameters)

    def run(
        self,
        messages: Sequence[Message],
        *,
        tokens: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> Run:
        """Answer once, greedily; its own clock says how long reading and writing took."""
        asked = {
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": tokens,
            "temperature": 0.0,
            "cache_prompt": False,
        }
        start = clock()
        answer = self._server.handle_chat_completions(asked)
        total = clock() - start
        shape = json.loads(answer) if isinstance(answer, str | bytes) else answer
        timings = shape["timings"]
        return Run(timings["prompt_ms"] / 1000, total, int(timings["predicted_n"]))
