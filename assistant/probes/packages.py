"""Row `packages`: what would be imported from this Python, which version, from which file.

It refuses to know how the document was collected. Nothing was imported: a package that is found may
still fail at import, which the row `gpu` finds out for torch.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_error,
    get_rows,
    get_section,
    get_text,
    get_texts,
)
from assistant.types import Finding

NAMES = (
    "torch", "torchvision", "numpy", "cv2", "timm", "ultralytics", "segment_anything", "lap", "pip",
)  # fmt: skip
SOURCE = (
    "importlib.util.find_spec and importlib.metadata of this Python, names in the working folder"
)
_ENTRIES = ("environment-reset",)
_DISTRIBUTION = {"cv2": "opencv-python", "segment_anything": "segment-anything"}

# 2.10.0a0+b4e4ee81d3.nv25.12, 0.29.1+cu130: release numbers, then a local tag
_VERSION = re.compile(r"(\d+)\.(\d+)[^+]*(?:\+(\w+))?")
# torch (>=2.14.0), torch==2.13.0
_REQUIREMENT = re.compile(r"torch\s*\(?\s*(==|>=)\s*(\d+)\.(\d+)")
_LAST_KNOWN_PAIR = 14  # torch 2.N goes with torchvision 0.(N+15) up to 2.14


def interpret_packages(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    found = [name for name in NAMES if _is_installed(document, name)]
    verdict = combine(
        [*_shadows(document), *_pairing(document), *_missing(document)],
        healthy=f"All {len(found)} packages of the course are installed in this Python.",
    )
    if not get_section(document, "packages") or get_error(document, "packages"):
        verdict = Verdict("no_data", "The packages of this Python could not be looked up.")
    facts = _facts(document)
    return build_finding("packages", verdict, where=where, source=SOURCE, facts=facts)


def _shadows(document: Document) -> Iterator[Verdict]:
    for row in get_rows(document, "shadows"):
        name, file = get_text(row, "name"), get_text(row, "file")
        yield Verdict(
            "warn" if get(row, "standard") else "fail",
            f"{file} has the name of a {'standard module' if get(row, 'standard') else 'package'}: "
            f"`import {name}` in that folder takes it instead of the real one.",
            f"Rename {file} and restart the kernel.",
            _ENTRIES,
        )


def _pairing(document: Document) -> Iterator[Verdict]:
    """Whether torchvision was built for this torch, and both for the same kind of device."""
    torch, vision = _version(document, "torch"), _version(document, "torchvision")
    ours, theirs = _VERSION.match(torch), _VERSION.match(vision)
    if ours is None or theirs is None:
        return
    wanted = _wanted_torch(document, theirs, have=ours)
    if wanted:
        yield Verdict(
            "fail",
            f"torchvision {vision} does not go with torch {torch}: it wants torch {wanted}.",
            f"Install both together: {_pip(document)} install --upgrade torch torchvision",
            _ENTRIES,
        )
    elif theirs[3] == "cpu" and (ours[3] or "").startswith("cu"):
        yield Verdict(
            "fail",
            f"torchvision {vision} is a CPU-only build beside torch {torch}: operators such as nms "
            "are missing on the GPU.",
            f"Install both together: {_pip(document)} install --upgrade torch torchvision",
            _ENTRIES,
        )


def _wanted_torch(document: Document, vision: re.Match[str], *, have: re.Match[str]) -> str:
    """Return the torch that torchvision wants, '' if that is the one there is.

    What torchvision's own metadata ask for decides; the table serves builds that ask for none.
    """
    mine = (int(have[1]), int(have[2]))
    for line in get_texts(document, "packages", "torchvision", "requires"):
        asked = _REQUIREMENT.match(line)
        if asked is not None:
            release = (int(asked[2]), int(asked[3]))
            fits = mine == release if asked[1] == "==" else mine >= release
            return "" if fits else f"{asked[1].replace('==', '')}{release[0]}.{release[1]}"
    partner = int(vision[2]) - 15
    known = vision[1] == "0" and 0 <= partner <= _LAST_KNOWN_PAIR
    return f"2.{partner}" if known and mine[0] == 2 and mine[1] != partner else ""


def _missing(document: Document) -> Iterator[Verdict]:
    absent = [name for name in NAMES if name != "pip" and not _is_installed(document, name)]
    if absent:
        names = " ".join(_DISTRIBUTION.get(name, name) for name in absent)
        yield Verdict(
            "warn",
            f"Not installed in this Python: {', '.join(absent)}.",
            f"If your notebook needs them there: {_pip(document)} install {names}",
            _ENTRIES,
        )


def _is_installed(document: Document, name: str) -> bool:
    """A folder without __init__.py is importable, but no package: it has no file."""
    return bool(get_text(document, "packages", name, "file"))


def _version(document: Document, name: str) -> str:
    """The package's own version.py carries the build tag that its metadata may lack."""
    row = get_section(document, "packages", name)
    return get_text(row, "build") or get_text(row, "version")


def _pip(document: Document) -> str:
    return f"{shlex.quote(get_text(document, 'executable') or 'python')} -m pip"


def _facts(document: Document) -> Facts:
    return (
        ("python", get_text(document, "executable")),
        ("working folder", get_text(document, "folder")),
        *((name, _describe(document, name)) for name in NAMES),
    )


def _describe(document: Document, name: str) -> str:
    row = get_section(document, "packages", name)
    if error := get_error(row):
        return f"could not be looked up: {error}"
    if not get_text(row, "file"):
        folders = get_texts(row, "folders")
        return f"only a folder: {folders[0]}" if folders else "not installed"
    version = _version(document, name) or "version unknown"
    note = " (CPU-only build)" if version.endswith("+cpu") else ""
    return f"{version}{note} from {get_text(row, 'file')}"
