"""The composition root: settings to a running `Assistant`. The only file that names every class.

Heavy libraries are imported inside these functions, so that asking for help costs nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.backends.excerpt import ExcerptBackend
from assistant.errors import EncoderError
from assistant.library import Library, load_library
from assistant.models import ModelChoice, choose_model, read_mem_available_gb
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import discover_targets
from assistant.service import Assistant
from assistant.settings import Settings
from assistant.setup import default_model_folder
from assistant.snapshots import BuildRetriever, Snapshots
from assistant.types import Backend, Encoder, Retrieval, Retriever

if TYPE_CHECKING:
    from assistant.retrieval import HybridRetriever

_MEMINFO = Path("/proc/meminfo")


def build_assistant(settings: Settings, *, speak: bool = True) -> Assistant:
    """Plug everything together; nothing is loaded yet. `speak` false leaves the model out.

    Raises SettingsError for a model or target setting that cannot be meant.
    """
    prepare_environment(os.environ)
    backend = build_backend(settings) if speak else ExcerptBackend("")
    return Assistant(build_snapshots(settings), backend, build_prober(settings))


def build_snapshots(settings: Settings) -> Snapshots:
    """The knowledge of these guides, with the encoder of these settings."""
    return Snapshots(settings.guide, build_retriever(settings))


def build_retriever(settings: Settings) -> BuildRetriever:
    """A function from a library to its retriever; the encoder is loaded on the first dense use."""
    encoder: list[Encoder] = []
    lexical: dict[str, HybridRetriever] = {}  # of one library at a time, by its fingerprint

    def make(library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
        from assistant.calibration import load_calibration
        from assistant.retrieval import HybridRetriever, build_passages

        passages = build_passages(library.entries, library.phrases)
        if library.fingerprint not in lexical:
            lexical.clear()
            lexical[library.fingerprint] = HybridRetriever(
                library.entries,
                passages,
                calibration=load_calibration(),
                folder=settings.cache_dir / "index",
            )
        retriever = lexical[library.fingerprint]
        if not dense:
            return retriever, ()
        from assistant.encoders import SentenceEncoder
        from assistant.index import build_index, load_seed

        if not encoder:
            encoder.append(SentenceEncoder(settings.encoder))
        texts = [passage.text for passage in passages]
        folder, seed = settings.cache_dir / "index", load_seed(encoder[0].id)
        try:
            index = build_index(texts, encoder[0], folder=folder, seed=seed)
            return retriever.with_dense(index, encoder[0]), index.notices
        except EncoderError as error:
            return retriever, (str(error),)

    return make


def build_pipelines(settings: Settings, *, compare: bool) -> dict[str, Callable[[str], Retrieval]]:
    """Searches by name for `eval`: ours, and for comparison plain dense search and BM25 alone.

    The plain ones see the whole text and the guide's entries (title and text), as a first version
    of such an assistant would: nearest passage wins, its score is the confidence.
    """
    from assistant.reading import read_query

    library = load_library(settings.guide)
    retriever, _ = build_retriever(settings)(library, True)
    pipelines: dict[str, Callable[[str], Retrieval]] = {
        "assistant": lambda text: retriever.search(read_query(text))
    }
    if compare:
        from assistant.encoders import SentenceEncoder
        from assistant.lexical import build_lexical
        from assistant.retrieval import plain_retrieval

        encoder = SentenceEncoder(settings.encoder)
        entries = list(library.entries.values())
        texts = [f"{entry.title}\n{entry.body}" for entry in entries]
        vectors = encoder.encode(texts)
        lexical = build_lexical(texts)
        pipelines["plain dense"] = lambda text: plain_retrieval(
            entries, vectors @ encoder.encode([text])[0]
        )
        pipelines["BM25"] = lambda text: plain_retrieval(entries, lexical.bm25(text) / 100)
    return pipelines


def build_backend(settings: Settings) -> Backend:
    """The language model that the settings and this machine allow; the guide's words otherwise."""
    choice = choose(settings)
    if choice.kind == "none":
        return ExcerptBackend(choice.note)
    from assistant.backends.loading import load_model
    from assistant.backends.local import LocalBackend, LocalLimits

    limits = LocalLimits(
        max_new_tokens=settings.max_new_tokens,
        answer_seconds=settings.answer_seconds,
        queue=settings.model_queue,
    )
    return LocalBackend(choice, limits, loader=load_model)


def choose(settings: Settings) -> ModelChoice:
    """Which model; a GPU is asked for only where the choice may depend on it."""
    cuda = False
    if settings.model == "auto" and Path("/proc/driver/nvidia").exists():
        import torch

        cuda = torch.cuda.is_available()
    meminfo = _MEMINFO.read_text("utf-8") if _MEMINFO.exists() else ""
    return choose_model(
        settings.model,
        cuda=cuda,
        hub_cache=hub_cache(os.environ),
        mem_available_gb=read_mem_available_gb(meminfo),
        reserve_gb=settings.model_reserve_gb,
        default_folder=default_model_folder(settings.cache_dir),
    )


def build_prober(settings: Settings) -> ProbeRunner:
    """Probes on the assistant's own Python, the operator's targets and discovered kernels."""
    targets = discover_targets(
        settings.targets, executable=sys.executable, home=Path.home(), prefix=Path(sys.prefix)
    )
    return ProbeRunner(targets, environment=os.environ, folder=Path.cwd())


def hub_cache(environment: Mapping[str, str]) -> Path:
    """Where the model hub's library keeps downloads, by its own variables."""
    if "HF_HUB_CACHE" in environment:
        return Path(environment["HF_HUB_CACHE"])
    home = environment.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    return Path(home) / "hub"


def prepare_environment(environment: MutableMapping[str, str]) -> None:
    """Settings that libraries read when they are first imported: call before anything heavy.

    No telemetry and no update checks. Threads that wait for work sleep instead of spinning: beside
    another busy process (a training run, say) one query took 0.49 s to encode with spinning threads
    and 0.025 s without (2 cores, 2026-11-22).
    """
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    environment.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    environment.setdefault("TRANSFORMERS_VERBOSITY", "error")
    environment.setdefault("TOKENIZERS_PARALLELISM", "false")
    environment.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
