"""The engines that `bench answers` compares, put together: ours twice, the plain one, llama.cpp.

All run the default model. It refuses to know how times are taken and shown (`answers.py`).
"""

from __future__ import annotations

from assistant.backends.loading import load_model
from assistant.backends.local import LocalBackend, LocalLimits
from assistant.backends.plain import PlainModel, best_device, copy_bandwidth
from assistant.bench.answers import (
    AnswerTimes,
    Generate,
    Prompts,
    make_prompts,
    run_backend,
    time_engine,
    time_fixes,
)
from assistant.bench.llama import LlamaModel, is_installed
from assistant.bench.speed import Run, Speed
from assistant.errors import FailureError
from assistant.library import load_library
from assistant.models import TINY_NAME, LoadedModel, ModelChoice, is_complete
from assistant.retrieval import HybridRetriever
from assistant.settings import Settings
from assistant.setup import default_model_folder, ensure_default_gguf


def time_answers(settings: Settings, retriever: HybridRetriever, *, tokens: int) -> AnswerTimes:
    """Measure everything once. Raises FailureError if the default model is not set up."""
    folder = default_model_folder(settings.cache_dir)
    if not is_complete(folder):
        raise FailureError("The default model is not set up.", hint="Run: assistant setup")
    entries = load_library(settings.guide).entries
    fix = time_fixes(retriever, entries)
    choice = ModelChoice("folder", str(folder), TINY_NAME, tiny=True)
    device = best_device()
    earlier, prompts = make_prompts(retriever, entries, tiny=True)
    weights: list[float] = []

    def ours(megabytes: float) -> Generate:
        def load(*arguments: object) -> LoadedModel:
            loaded = load_model(choice, device, "bfloat16" if device == "cuda" else "float32")
            weights.append(1e9 * loaded.gigabytes)
            return loaded

        limits = LocalLimits(max_new_tokens=tokens, prefix_megabytes=megabytes)
        backend = LocalBackend(choice, limits, loader=load)
        backend.load()
        return run_backend(backend, backend.count_tokens)

    def plain() -> Generate:
        model = PlainModel(str(folder), device)
        return lambda messages: Run(*model.run(messages, tokens=tokens))

    speeds = [
        time_engine("plain generate", plain, prompts),
        time_engine("ours, beginnings new", lambda: ours(0.0), prompts),
        time_engine("ours, beginnings known", lambda: ours(256.0), prompts, before=earlier),
        *_time_llama(settings, prompts, tokens),
    ]
    share = speeds[2].rate * weights[-1] / (copy_bandwidth(device) / 2) if device == "cuda" else 0.0
    return AnswerTimes(*fix, tuple(speeds), device, share)


def _time_llama(settings: Settings, prompts: Prompts, tokens: int) -> list[Speed]:
    if not is_installed():
        return []
    gguf = ensure_default_gguf(settings.cache_dir)

    def make() -> Generate:
        model = LlamaModel(gguf)
        return lambda messages: model.run(messages, tokens=tokens)

    return [time_engine("llama.cpp (GGUF)", make, prompts)]
