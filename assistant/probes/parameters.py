"""Checks what a person gave to a probe: a choice, a number, a path below allowed roots, a name.

A path is resolved with its symbolic links before it is compared with the roots (resolved too), and
it must be a plain file or a folder: devices, pipes and sockets are refused without being opened.
Between this check and the reading a file may still be exchanged by somebody who may write there.

It refuses to know which probe asks, and what is done with a value.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assistant.probes.document import clean
from assistant.types import Parameter

Value = str | float

_LONGEST = 4096
# timm, segment_anything, opencv-python, torch.utils: a name that Python or pip could know
_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_]{0,63}){0,5}")
# 0.25, 1e-3, 640
_NUMBER = re.compile(r"-?\d{1,12}(?:\.\d{1,12})?(?:e-?\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Checked:
    """The values to run with, or in one line why not."""

    values: Mapping[str, Value] = field(default_factory=dict)
    refusal: str = ""


class _RefusalError(Exception):
    """Why a value is not taken; stays inside this file."""


def check_parameters(
    given: Mapping[str, str], definitions: Sequence[Parameter], *, roots: Sequence[Path]
) -> Checked:
    """Return the values for `definitions`; relative paths start at the first root."""
    known = {definition.name for definition in definitions}
    unknown = [name for name in given if name not in known]
    if unknown:
        offered = ", ".join(sorted(known)) or "none"
        return Checked(refusal=f"It takes no {_quote(unknown[0])}. It can be told: {offered}.")
    values: dict[str, Value] = {}
    try:
        for definition in definitions:
            value = _check(given.get(definition.name, ""), definition, roots)
            if value is not None:
                values[definition.name] = value
    except _RefusalError as refusal:
        return Checked(refusal=str(refusal))
    return Checked(values)


def find_roots(
    folder: Path, *, environment: Mapping[str, str], home: Path, extra: Sequence[Path] = ()
) -> tuple[Path, ...]:
    """Return where paths may lie: the learner's folder, model caches, the operator's folders.

    The whole file system is never a root. Folders that do not exist are left out.
    """
    candidates = (folder, *extra, *_caches(environment, home), *_yolo_weights(home))
    real = (_real(path) for path in candidates)
    return tuple(dict.fromkeys(path for path in real if path is not None))


def _real(path: Path) -> Path | None:
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    return found if found.is_dir() and found != Path(found.anchor) else None


def _caches(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Torch's and the hub's caches, by their own variables."""
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    yield Path(environment.get("TORCH_HOME") or cache / "torch") / "hub"
    hub = Path(environment.get("HF_HOME") or cache / "huggingface") / "hub"
    yield Path(environment.get("HF_HUB_CACHE") or hub)


def _yolo_weights(home: Path) -> Iterator[Path]:
    """The folder that ultralytics' own settings name."""
    try:
        with (home / ".config" / "Ultralytics" / "settings.json").open("rb") as file:
            folder = json.loads(file.read(65536)).get("weights_dir")
    except (OSError, ValueError, AttributeError, RecursionError):
        return
    if isinstance(folder, str) and os.path.isabs(folder) and "\0" not in folder:
        yield Path(folder)


def _check(text: str, definition: Parameter, roots: Sequence[Path]) -> Value | None:
    """Return the value, None for one that may be left out. Raises _RefusalError."""
    chosen = text or definition.default
    if not chosen and definition.kind != "path":
        return None
    match definition.kind:
        case "choice":
            return _check_choice(chosen, definition)
        case "number":
            return _check_number(chosen, definition)
        case "path":
            return _check_path(chosen, definition, roots)
        case "name":
            return _check_name(chosen, definition)


def _check_choice(text: str, definition: Parameter) -> str:
    if text not in definition.choices:
        offered = ", ".join(definition.choices)
        raise _RefusalError(
            f"{definition.name} cannot be {_quote(text)}. Choose one of: {offered}."
        )
    return text


def _check_number(text: str, definition: Parameter) -> float:
    value = float(text) if _NUMBER.fullmatch(text) and text.isascii() else math.nan
    if not definition.low <= value <= definition.high:
        raise _RefusalError(
            f"{definition.name} must be a number from {definition.low:g} to {definition.high:g}, "
            f"not {_quote(text)}."
        )
    return value


def _check_name(text: str, definition: Parameter) -> str:
    if not _PACKAGE.fullmatch(text):
        raise _RefusalError(
            f"{definition.name} must be the name of a Python package, not {_quote(text)}."
        )
    return text


def _check_path(text: str, definition: Parameter, roots: Sequence[Path]) -> str:
    """Return the resolved path of a plain file or folder below a root."""
    if not text:
        raise _RefusalError(f"{definition.name} must be given: {definition.title}.")
    if not roots:
        raise _RefusalError("No folder is allowed here, so that no file can be looked at.")
    if len(text) > _LONGEST or not text.isprintable() or text.startswith("-"):
        raise _RefusalError(f"{definition.name} is not a path: {_quote(text)}.")
    try:
        path = roots[0].joinpath(os.path.expanduser(text) if text.startswith("~/") else text)
        real = path.resolve(strict=False)
        below = [r for r in roots if real == r or r in real.parents]
        if not any(not _is_hidden(real.relative_to(root)) for root in below):
            places = ", ".join(map(str, roots[:4]))
            raise _RefusalError(
                f"{_quote(text)} is outside the allowed folders ({places}), or hidden in one."
            )
        mode = real.stat().st_mode
    except (OSError, RuntimeError, ValueError):
        raise _RefusalError(f"There is no file {_quote(text)} that can be read.") from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise _RefusalError(f"{_quote(text)} is a device or a pipe, not a file or folder.")
    return str(real)


def _is_hidden(path: Path) -> bool:
    """Whether a part begins with a dot: .ssh, .git, .env hold what no probe needs."""
    return any(part.startswith(".") for part in path.parts)


def _quote(text: str) -> str:
    """The text in plain ASCII, so that look-alikes show what they are."""
    return ascii(clean(text)[:80])
