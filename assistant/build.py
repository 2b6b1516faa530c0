"""The composition root: settings to a running `Assistant`. The only file that names every class.

Heavy libraries are imported inside these functions, so that asking for help costs nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from assistant.backends.excerpt import ExcerptBackend
from assistant.errors import EncoderError, InputError
from assistant.inputs import CleanText, PictureReader
from assistant.library import Library, load_library
from assistant.models import (
    RERANKER_NAME,
    ModelChoice,
    choose_model,
    choose_server,
    find_memory_fault,
    is_complete,
    read_mem_available_gb,
)
from assistant.probes.audit import AuditLog
from assistant.probes.collector import Collector
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import discover_targets
from assistant.reranking import load_adapter
from assistant.service import Assistant
from assistant.settings import Settings
from assistant.setup import default_model_folder, reranker_folder
from assistant.snapshots import BuildRetriever, Snapshots
from assistant.types import Backend, Encoder, Query, Retrieval, Retriever
from assistant.verified import load_verified

if TYPE_CHECKING:
    import numpy as np

    from assistant.backends.reranker import LocalReranker
    from assistant.encoders import SentenceEncoder
    from assistant.history import History
    from assistant.retrieval import HybridRetriever

_TINY_IS_SILENT = (
    "The small language model is not asked, fixed sentences explain better "
    "(ASSISTANT_MODEL=tiny asks it)."
)
_MEMINFO = Path("/proc/meminfo")


def build_assistant(settings: Settings, *, speak: bool = True, reads: bool = False) -> Assistant:
    """Plug everything together; nothing is loaded yet. `speak` false leaves the model out.

    With `reads` a reranker takes part where there is one: its 3 GB are for a process that stays,
    not for one question or inside a learner's notebook.

    Raises SettingsError for a model or target setting that cannot be meant.
    """
    prepare_environment(os.environ)
    backend = build_backend(settings) if speak else ExcerptBackend("")
    snapshots, prober = build_snapshots(settings, reads=reads), build_prober(settings)
    return Assistant(snapshots, backend, prober, verified=load_verified())


def build_snapshots(settings: Settings, *, reads: bool = False) -> Snapshots:
    """The knowledge of these guides, with the encoder of these settings."""
    return Snapshots(settings.guide, build_retriever(settings, reads=reads))


def build_retriever(settings: Settings, *, reads: bool = False) -> BuildRetriever:
    """A function from a library to its retriever; the encoder is loaded on the first dense use.

    With `reads` a reranker, if there is one, begins to load then too.
    """
    encoder: list[Encoder] = []
    reranker: list[LocalReranker | None] = []
    lexical: dict[str, HybridRetriever] = {}  # of one library at a time, by its fingerprint

    def make(library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
        from assistant.calibration import load_calibration
        from assistant.passages import build_passages
        from assistant.retrieval import HybridRetriever

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
        folder = settings.cache_dir / "index"
        try:
            seed = load_seed(encoder[0].id)
            index = build_index(texts, encoder[0], folder=folder, seed=seed)
            found, notices = retriever.with_dense(index, encoder[0]), index.notices
        except EncoderError as error:
            found, notices = retriever, (str(error),)
        if reads and not reranker:
            reranker.append(build_reranker(settings))
            if reranker[0]:
                reranker[0].start()
        return (found.with_reranker(reranker[0]) if reads and reranker[0] else found), notices

    return make


def build_reranker(settings: Settings) -> LocalReranker | None:
    """The second model that reads, not loaded yet; None where it was not fetched."""
    folder = reranker_folder(settings.cache_dir)
    if not settings.reranker or not is_complete(folder):
        return None
    from assistant.backends.reranker import LocalReranker

    choice = ModelChoice("folder", str(folder), f"The reranker {RERANKER_NAME}")
    return LocalReranker(
        folder,
        load_adapter,
        find_fault=lambda: find_memory_fault(
            choice,
            meminfo=_read_meminfo(),
            reserve_gb=settings.model_reserve_gb,
            others=(),
        ),
    )


def build_search(settings: Settings) -> tuple[HybridRetriever, SentenceEncoder, np.ndarray]:
    """The retriever, its encoder, and the vectors of the entries [n, dim] as a plain search has
    them (title and text, one vector each)."""
    from assistant.encoders import SentenceEncoder

    library = load_library(settings.guide)
    retriever, _ = build_retriever(settings)(library, True)
    encoder = SentenceEncoder(settings.encoder)
    texts = [f"{entry.title}\n{entry.body}" for entry in library.entries.values()]
    return cast("HybridRetriever", retriever), encoder, encoder.encode_plainly(texts)


def build_pipelines(settings: Settings, *, compare: bool) -> dict[str, Callable[[str], Retrieval]]:
    """Searches by name for `eval`: ours, and for comparison plain dense search and BM25 alone.

    The plain ones see the whole text and the guide's entries (title and text), as a first version
    of such an assistant would: nearest passage wins, its score is the confidence.
    """
    from assistant.reading import read_query

    library = load_library(settings.guide)
    retriever = cast("HybridRetriever", build_retriever(settings)(library, True)[0])
    if reranker := build_reranker(settings):
        reranker.load()
        retriever = retriever.with_reranker(reranker)

    def search(query: Query) -> Retrieval:
        return retriever.rerank(query, retriever.search(query))

    pipelines: dict[str, Callable[[str], Retrieval]] = {
        "assistant": lambda text: search(read_query(text))
    }
    if compare:
        from assistant.encoders import SentenceEncoder
        from assistant.lexical import build_lexical
        from assistant.retrieval import plain_retrieval

        encoder = SentenceEncoder(settings.encoder)
        entries = list(library.entries.values())
        texts = [f"{entry.title}\n{entry.body}" for entry in entries]
        vectors = encoder.encode_plainly(texts)
        lexical = build_lexical(texts)
        pipelines["plain dense"] = lambda text: plain_retrieval(
            entries, vectors @ encoder.encode_plainly([text])[0]
        )
        pipelines["BM25"] = lambda text: plain_retrieval(entries, lexical.bm25(text) / 100)
    return pipelines


def build_backend(settings: Settings) -> Backend:
    """The language model that the settings and this machine allow; the guide's words otherwise.

    What it said to the same prompt is played again. The tiny model speaks only where it was asked
    for by name: of 127 development cases it never said two sentences that name a value of the paste
    (tests/evals/answers.py, 2026-11-26), while fixed sentences do so in most.
    """
    choice = choose(settings)
    if choice.kind == "none":
        return ExcerptBackend(choice.note)
    if choice.tiny and settings.model.strip() == "auto":
        return ExcerptBackend(_TINY_IS_SILENT)
    from assistant.backends.replay import ReplayBackend

    return ReplayBackend(build_model(choice, settings))


def build_model(choice: ModelChoice, settings: Settings) -> Backend:
    """The chosen model without anything before it, as `bench` measures it."""
    if choice.kind == "server":
        return _build_server_backend(choice, settings)
    from assistant.backends.loading import load_model
    from assistant.backends.local import LocalBackend, LocalLimits

    limits = LocalLimits(
        max_new_tokens=settings.max_new_tokens,
        answer_seconds=settings.answer_seconds,
        queue=settings.model_queue,
        idle_seconds=60 * settings.model_idle_minutes,
    )
    return LocalBackend(
        choice,
        limits,
        loader=load_model,
        find_fault=lambda: find_memory_fault(
            choice, meminfo=_read_meminfo(), reserve_gb=settings.model_reserve_gb
        ),
    )


def _build_server_backend(choice: ModelChoice, settings: Settings) -> Backend:
    """The key comes from the environment only: not from files, not from arguments."""
    from assistant.backends.openai_compat import OpenAICompatBackend, ServerLimits

    limits = ServerLimits(
        max_new_tokens=settings.max_new_tokens, answer_seconds=settings.answer_seconds
    )
    key = os.environ.get("ASSISTANT_MODEL_KEY", "")
    return OpenAICompatBackend(choice, limits, key=key)


def choose(settings: Settings) -> ModelChoice:
    """Which model; a GPU is asked for only where the choice may depend on it."""
    if settings.model_url and settings.model != "none":
        return choose_server(
            settings.model_url, settings.model, allow_plain=settings.model_url_plain
        )
    cuda = False
    if settings.model == "auto" and Path("/proc/driver/nvidia").exists():
        import torch

        cuda = torch.cuda.is_available()
    return choose_model(
        settings.model,
        cuda=cuda,
        hub_cache=hub_cache(os.environ),
        mem_available_gb=read_mem_available_gb(_read_meminfo()),
        reserve_gb=settings.model_reserve_gb,
        default_folder=default_model_folder(settings.cache_dir),
    )


def _read_meminfo() -> str:
    return _MEMINFO.read_text("utf-8") if _MEMINFO.exists() else ""


def build_prober(settings: Settings) -> ProbeRunner:
    """Probes on running kernels, the operator's targets, Jupyter's kernels and our own Python."""
    targets = partial(
        discover_targets,
        settings.targets,
        executable=sys.executable,
        home=Path.home(),
        prefix=Path(sys.prefix),
        environment=os.environ,
        containers=settings.containers,
    )
    targets()  # a setting that cannot be meant is said now
    return ProbeRunner(
        targets,
        build_collector(),
        folder=Path.cwd(),
        home=Path.home(),
        roots=settings.probe_roots,
        audit=build_audit(settings),
    )


def build_picture_reader() -> PictureReader:
    """A reader of screenshots; its libraries are loaded with the first picture.

    Where the extra `ocr` is absent it says in one line how to install it.
    """
    readers: list[PictureReader] = []

    def read(data: bytes, *, name: str) -> CleanText:
        if not readers:
            try:
                from assistant.screenshots import ScreenshotReader
            except ImportError as error:
                raise InputError(
                    f"{name} is a picture; reading it needs a package that is not installed.",
                    hint=f"Install it once: {sys.executable} -m pip install "
                    "rapidocr-onnxruntime, or paste the error as text.",
                ) from error
            readers.append(ScreenshotReader())
        return readers[0](data, name=name)

    return read


def build_audit(settings: Settings) -> AuditLog:
    """The log of every run of a probe and of every press of a button that would run one."""
    return AuditLog(settings.cache_dir / "probes.jsonl")


def build_history(settings: Settings) -> History:
    """The local log of these settings; one that keeps nothing where it is switched off."""
    from assistant.history import FILE, open_history

    return open_history(settings.data_dir.expanduser() / FILE if settings.history else None)


def build_collector() -> Collector:
    """What starts a target's interpreter, with our environment scrubbed."""
    return Collector(os.environ)


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
    and 0.025 s without (2 cores, 2026-11-22). NumPy's OpenBLAS spins all the same: with two of its
    threads one query took 36 ms on a busy machine, with one 18 ms (2026-11-27).
    """
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    environment.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    environment.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    environment.setdefault("TRANSFORMERS_VERBOSITY", "error")
    environment.setdefault("TOKENIZERS_PARALLELISM", "false")
    environment.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
