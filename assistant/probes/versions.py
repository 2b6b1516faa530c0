"""Which versions of torch, torchvision and numpy go together, by what their own metadata say.

It refuses to know how versions were read. Builds whose metadata ask for nothing are judged by a
short table, and only as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.document import Document, get_section, get_text, get_texts

# 2.10.0a0+b4e4ee81d3.nv25.12, 0.29.1+cu130: release numbers, then a local tag
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})[^+]*(?:\+(\w+))?")
# torch (>=2.14.0), torch==2.13.0
_TORCH = re.compile(r"torch\s{0,3}\(?\s{0,3}(==|>=)\s{0,3}(\d{1,9})\.(\d{1,9})")
# numpy (<2,>=1.21), numpy<2.0.0
_NUMPY = re.compile(r"numpy\b[^;]{0,60}<\s{0,3}2(?:\.0)*(?![.\d])")
_LAST_KNOWN_PAIR = 14  # torch 2.N goes with torchvision 0.(N+15) up to 2.14
# The first releases that were built for NumPy 2, as their release notes say.
_FIRST_FOR_NUMPY_2 = {"torch": (2, 3), "torchvision": (0, 18), "cv2": (4, 10)}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two packages that do not go together; `topic` is the family of the fault it leads to."""

    topic: str
    text: str


def find_mismatches(document: Document) -> tuple[Mismatch, ...]:
    """Return what does not go together in a document of the row `packages`."""
    return (*_torchvision(document), *_numpy(document))


def read_package_version(document: Document, name: str) -> str:
    """The package's own version.py carries the build tag that its metadata may lack."""
    row = get_section(document, "packages", name)
    return get_text(row, "build") or get_text(row, "version")


def _torchvision(document: Document) -> Iterator[Mismatch]:
    """Whether torchvision was built for this torch, and both for the same kind of device."""
    torch = read_package_version(document, "torch")
    vision = read_package_version(document, "torchvision")
    ours, theirs = _VERSION.match(torch), _VERSION.match(vision)
    if ours is None or theirs is None:
        return
    wanted = _wanted_torch(document, theirs, have=ours)
    if wanted:
        text = f"torchvision {vision} does not go with torch {torch}: it wants torch {wanted}."
        yield Mismatch("torchvision-operator", text)
    elif theirs[3] == "cpu" and (ours[3] or "").startswith("cu"):
        yield Mismatch(
            "torchvision-operator",
            f"torchvision {vision} is a CPU-only build beside torch {torch}: operators such as nms "
            "are missing on the GPU.",
        )


def _wanted_torch(document: Document, vision: re.Match[str], *, have: re.Match[str]) -> str:
    """Return the torch that torchvision wants, '' if that is the one there is.

    What torchvision's own metadata ask for decides; the table serves builds that ask for none.
    """
    mine = (int(have[1]), int(have[2]))
    for line in get_texts(document, "packages", "torchvision", "requires"):
        asked = _TORCH.match(line)
        if asked is not None:
            release = (int(asked[2]), int(asked[3]))
            fits = mine == release if asked[1] == "==" else mine >= release
            return "" if fits else f"{asked[1].replace('==', '')}{release[0]}.{release[1]}"
    partner = int(vision[2]) - 15
    known = vision[1] == "0" and 0 <= partner <= _LAST_KNOWN_PAIR
    return f"2.{partner}" if known and mine[0] == 2 and mine[1] != partner else ""


def _numpy(document: Document) -> Iterator[Mismatch]:
    """Packages that were built for NumPy 1 beside a NumPy 2."""
    version = read_package_version(document, "numpy")
    release = _VERSION.match(version)
    if release is None or int(release[1]) < 2:
        return
    for name in get_section(document, "packages"):
        found = _VERSION.match(read_package_version(document, str(name)))
        first = _FIRST_FOR_NUMPY_2.get(str(name), (0, 0))
        old = found is not None and (int(found[1]), int(found[2])) < first
        asks = any(map(_NUMPY.match, get_texts(document, "packages", str(name), "requires")))
        if found is not None and (old or asks):
            text = f"{name} {found[0]} was built for NumPy 1, but NumPy {version} is installed."
            yield Mismatch("numpy-abi", text)
