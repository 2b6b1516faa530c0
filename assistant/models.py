"""Which language model writes: the recommended ones as rows, and the choice among them.

Knows names, sizes and folders. It refuses to know how a model is loaded or run, and it asks no
network: what it chooses by itself lies complete on this machine already.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from assistant.errors import SettingsError

ModelKind = Literal["none", "folder", "hub", "gguf", "server"]

TINY_NAME = "SmolLM2-135M-Instruct"
RERANKER_NAME = "Qwen2.5-Coder-1.5B-Instruct"  # reads, does not write (reranking.py)
MANIFEST = "manifest.json"  # written last: {"files": {name: {"size": …, "sha256": …}}}

# Beside its weights a model needs room for the cache of a prompt and for the CUDA context.
_WORKING_GB = 3.0
# The tiny model: 0.27 GB on disk; 0.4 GB of weights in memory, the rest while they are arranged.
_TINY_WORKING_GB, _TINY_RESERVE_GB = 0.7, 1.0
# Qwen/Qwen3-4B-Instruct-2507
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
# MemAvailable:   115700000 kB
_MEM_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_MEM_TOTAL = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)

_SPACE = re.compile(r"[\s\x00-\x1f\\]")
# ollama, spark-1: one word; it begins with a letter, as 0x7f000001 would be an address
_ONE_WORD = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LOCAL_ENDINGS = (".local", ".lan", ".internal", ".home.arpa", ".localhost")
_LOCAL_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecommendedModel:
    """A bf16 model for one DGX Spark; `speed` is tokens per second for one reader.

    `mark` says where the speed comes from: 'calculated' from the bytes that one token touches and
    the memory's bandwidth, or 'reported' by a user, with another engine (vLLM) than ours.
    """

    hub_id: str
    weights_gb: float
    active_gb: float
    speed: str
    mark: Literal["calculated", "reported"]
    why: str


# In the order of choice: about 30 tokens/s first, and among those the one that leaves the learner
# most memory. None of the speeds was measured with this product on a Spark.
RECOMMENDED: tuple[RecommendedModel, ...] = (
    RecommendedModel(
        "Qwen/Qwen3-4B-Instruct-2507", 8.1, 8.1, "27-33", "calculated",
        "fast, and leaves nearly all memory to your training",
    ),
    RecommendedModel(
        "google/gemma-4-26B-A4B-it", 52.0, 7.6, "34", "reported",
        "writes better and as fast, but keeps 52 GB for itself",
    ),
    RecommendedModel(
        "Qwen/Qwen3-30B-A3B-Instruct-2507", 60.0, 6.6, "30-33", "calculated",
        "writes better and as fast, but keeps 60 GB for itself",
    ),
    RecommendedModel(
        "Qwen/Qwen3-8B", 16.4, 16.4, "13.1", "reported",
        "writes well in 16 GB, at less than half the speed",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What to load: `where` is a folder, a hub id, a GGUF file or a server's address ('' for none).

    `label` is the short name for the answer's footer; `note` is one line for the reader ('' if
    there is nothing to say; for 'none' it is the reason). `tiny` marks the fallback model.
    """

    kind: ModelKind
    where: str = ""
    label: str = ""
    note: str = ""
    tiny: bool = False


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory with its tokenizer, as transformers makes them; `context` is the most
    tokens that prompt and answer may have together, `gigabytes` what the weights take (0 if
    unknown). `wide` says that several tokens in one pass cost little more than one."""

    tokenizer: Any
    model: Any
    context: int
    gigabytes: float = 0.0
    wide: bool = False


Dtype = Literal["float32", "bfloat16"]
Loader = Callable[[ModelChoice, str, Dtype], LoadedModel]  # (choice, device, dtype)


def choose_model(
    setting: str,
    *,
    cuda: bool,
    hub_cache: Path,
    mem_available_gb: float | None,
    reserve_gb: float,
    default_folder: Path,
) -> ModelChoice:
    """Turn the setting `model` into a choice; 'auto' takes the best that is already here, 'tiny'
    the default model of `assistant setup`.

    `mem_available_gb` is what the model's device can give (on a Spark: MemAvailable); None means
    unknown, and then nothing large is taken. Raises SettingsError for what cannot be meant.
    """
    setting = setting.strip()
    if setting == "none":
        return ModelChoice(
            "none", note="The language model is switched off (ASSISTANT_MODEL=none)."
        )
    if setting == "tiny":
        return _choose_tiny(default_folder, cuda=cuda)
    if setting != "auto":
        return _choose_named(setting, hub_cache)
    room = (mem_available_gb or 0.0) - reserve_gb
    if cuda and (found := _find_recommended(hub_cache, room)):
        return found
    return _choose_tiny(default_folder, cuda=cuda)


def _choose_tiny(folder: Path, *, cuda: bool) -> ModelChoice:
    if is_complete(folder):
        return ModelChoice("folder", str(folder), TINY_NAME, _tiny_note(cuda), tiny=True)
    return ModelChoice(
        "none",
        note="No language model is set up, so these are the guide's own words. "
        "`assistant setup` gets a small one.",
    )


def choose_server(url: str, setting: str, *, allow_plain: bool) -> ModelChoice:
    """A model on a server with the OpenAI API; `setting` is its name there, 'auto' the first one.

    Unencrypted addresses must lie in the local network unless the operator says otherwise: prompts
    hold what learners paste, and the key travels with them. Raises SettingsError.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or _SPACE.search(url.strip()):
        raise SettingsError(
            "The address of the language model's server cannot be used.",
            hint="Set ASSISTANT_MODEL_URL to http:// or https://, host, port and path, for "
            "example http://127.0.0.1:8000/v1.",
        )
    _refuse_extras(parts)
    if parts.scheme == "http" and not allow_plain and not is_local_host(host):
        raise SettingsError(
            f"The address of the language model's server, http://{host}, leaves the local network "
            "without encryption: everybody on the way could read what learners paste, and the key.",
            hint="Use https://, or set ASSISTANT_MODEL_URL_PLAIN=true if that is what you want.",
        )
    path = parts.path.rstrip("/") or "/v1"
    place = f"[{host}]" if ":" in host else host
    where = f"{parts.scheme}://{place}{f':{port}' if port else ''}{path}"
    setting = setting.strip()
    return ModelChoice("server", where, "" if setting == "auto" else setting)


def is_local_host(host: str) -> bool:
    """Whether a host is this machine or in its network: a private address, or a name without a
    public ending ('localhost', 'ollama', 'spark.local'). No name is looked up."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bool(_ONE_WORD.fullmatch(host)) or host.endswith(_LOCAL_ENDINGS)
    # 0.0.0.0 and 192.0.2.1 count as private in ipaddress, but are no place for a server
    return any(address in network for network in _LOCAL_NETWORKS)


def is_complete(folder: Path) -> bool:
    """Whether a model that `assistant setup` made has all its files in their full size."""
    return bool(files := load_manifest(folder)) and all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, (size, _) in files.items()
    )


def load_manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Return {file name: (size, sha256)} of a converted model, {} if there is no valid list."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(name): (int(row["size"]), str(row["sha256"])) for name, row in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def find_in_hub_cache(hub_cache: Path, hub_id: str) -> Path | None:
    """Return the newest snapshot of a model that lies complete in the hub cache, or None."""
    snapshots = hub_cache / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    complete = [folder for folder in _iter_folders(snapshots) if _has_weights(folder)]
    return max(complete, key=lambda folder: folder.stat().st_mtime, default=None)


def read_mem_available_gb(meminfo_text: str) -> float | None:
    """Return MemAvailable of /proc/meminfo in GB (10**9 bytes), None if the line is missing."""
    found = _MEM_AVAILABLE.search(meminfo_text)
    return int(found[1]) * 1024 / 1e9 if found else None


def read_mem_total_gb(meminfo_text: str) -> float | None:
    """Return MemTotal of /proc/meminfo in GB (10**9 bytes), None if the line is missing."""
    found = _MEM_TOTAL.search(meminfo_text)
    return int(found[1]) * 1024 / 1e9 if found else None


def find_memory_fault(
    choice: ModelChoice,
    *,
    meminfo: str,
    reserve_gb: float,
    others: Sequence[RecommendedModel] = RECOMMENDED,
) -> str:
    """Say why this model must not be loaded now, '' if it may.

    What is left after loading must stay over the reserve: at most a quarter of the machine's
    memory (a Spark's 32 GB would forbid every model on a laptop), 1 GB for the tiny model. Where
    the sizes are unknown nothing is refused. The first of `others` that fits is named.
    """
    available, total = read_mem_available_gb(meminfo), read_mem_total_gb(meminfo)
    weights = read_weights_gb(choice)
    if not weights or available is None or total is None:
        return ""
    reserve = min(reserve_gb, total / 4, *((_TINY_RESERVE_GB,) if choice.tiny else ()))
    need = weights + (_TINY_WORKING_GB if choice.tiny else _WORKING_GB)
    if available - need >= reserve:
        return ""
    fits = [row.hub_id for row in others if available - row.weights_gb - _WORKING_GB > reserve]
    other = f" {fits[0]} would fit (ASSISTANT_MODEL)." if fits else ""
    return (
        f"{choice.label} is not loaded: it needs about {need:.1f} GB, {available:.1f} GB are free, "
        f"and {reserve:.1f} GB stay reserved for your own work. End what holds memory, or lower "
        f"ASSISTANT_MODEL_RESERVE_GB.{other}"
    )


def read_weights_gb(choice: ModelChoice) -> float:
    """Return the size of the weights on disk in GB; of a model not here, what its row says."""
    if choice.kind == "hub":
        return next((row.weights_gb for row in RECOMMENDED if row.hub_id == choice.where), 0.0)
    path = Path(choice.where)
    files = path.glob("*.safetensors") if choice.kind == "folder" else [path]
    try:
        return sum(file.stat().st_size for file in files) / 1e9
    except OSError:
        return 0.0


def _refuse_extras(parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "The address of the language model's server holds a user name or a password.",
            hint="Take it out; put the key into the environment variable ASSISTANT_MODEL_KEY.",
        )
    if parts.query or parts.fragment:
        raise SettingsError(
            "The address of the language model's server has a part after ? or #.",
            hint="End ASSISTANT_MODEL_URL with the path, usually /v1.",
        )


def _choose_named(setting: str, hub_cache: Path) -> ModelChoice:
    """A folder, a GGUF file or a hub id; what lies on this machine is preferred."""
    path = Path(setting).expanduser()
    if path.is_dir():
        return _choose_folder(path)
    if setting.lower().endswith(".gguf"):
        if not path.is_file():
            raise SettingsError(
                f"The model file {setting} does not exist.", hint="Correct ASSISTANT_MODEL."
            )
        return ModelChoice("gguf", str(path), path.stem)
    if not _HUB_ID.fullmatch(setting) or ".." in setting or "--" in setting:
        raise SettingsError(
            f"The model {setting!r} is neither a folder, nor a .gguf file, nor a hub id.",
            hint="Set ASSISTANT_MODEL to auto, none, an existing folder or file, or a hub id "
            "such as Qwen/Qwen3-4B-Instruct-2507.",
        )
    label = setting.partition("/")[2]
    if snapshot := find_in_hub_cache(hub_cache, setting):
        return ModelChoice("folder", str(snapshot), label)
    note = f"{setting} is not in the hub's cache; it is downloaded first{_size_note(setting)}."
    return ModelChoice("hub", setting, label, note)


def _choose_folder(path: Path) -> ModelChoice:
    if not (path / "config.json").is_file():
        raise SettingsError(
            f"The folder {path} holds no model: it has no config.json.",
            hint="Set ASSISTANT_MODEL to the folder that holds config.json and *.safetensors.",
        )
    return ModelChoice("folder", str(path), path.resolve().name)


def _find_recommended(hub_cache: Path, room_gb: float) -> ModelChoice | None:
    for row in RECOMMENDED:
        if row.weights_gb + _WORKING_GB > room_gb:
            continue
        if snapshot := find_in_hub_cache(hub_cache, row.hub_id):
            label = row.hub_id.partition("/")[2]
            note = f"{label} keeps about {row.weights_gb:.0f} GB of this machine's memory."
            return ModelChoice("folder", str(snapshot), label, note)
    return None


def _has_weights(folder: Path) -> bool:
    """Whether config, tokenizer and every file of the weights are there (links are followed)."""
    if not (folder / "config.json").is_file() or not (folder / "tokenizer_config.json").is_file():
        return False
    if (folder / "model.safetensors").is_file():
        return True
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        names = set(index["weight_map"].values())
        return bool(names) and all((folder / str(name)).is_file() for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _iter_folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (child for child in folder.iterdir() if child.is_dir())


def _size_note(hub_id: str) -> str:
    return next((f" ({r.weights_gb:.0f} GB)" for r in RECOMMENDED if r.hub_id == hub_id), "")


def _tiny_note(cuda: bool) -> str:
    """The line that says what wrote the sentences, and the command that gets something better."""
    best = RECOMMENDED[0]
    size = f"{best.weights_gb:.0f} GB" + ("" if cuda else ", it needs a GPU")
    return (
        f"Written by the tiny model {TINY_NAME}. For a better one ({size}): "
        f"`ASSISTANT_MODEL={best.hub_id} assistant serve`"
    )
