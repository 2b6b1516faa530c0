"""Row `torchvision`: does it import, fit this torch, and have its operators?

It refuses to know how the document was collected. What fails decides; which versions belong
together is told by the row `packages`, without an import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    get,
    get_error,
    get_number,
    get_section,
    get_text,
    python_command,
)
from assistant.types import Clue, Finding

SOURCE = "import torchvision, torchvision.ops.nms on three boxes, ResNet-18 with random weights"
_TOPIC = "torchvision-operator"
_ENTRIES = ("environment-reset",)
_PAIR_CAUSE = (
    r"torchvision.{0,80}(?:built|match|pair|belong|flavou?r|CPU)|versions? .{0,40}(?:match|pair)"
)
# operator torchvision::nms does not exist / Could not run 'torchvision::nms' with arguments …
_OPERATOR = re.compile(r"torchvision::\w+|undefined symbol|Couldn't load custom C\+\+ ops")


def interpret_torchvision(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    complaint = next(_complaints(document), None)
    verdict = complaint or Verdict(
        "ok", f"{_versions(document)} work together: nms and ResNet-18 run."
    )
    return build_finding(
        "torchvision",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document),
        clues=tuple(_clues(document, verdict)),
    )


def _complaints(document: Document) -> Iterator[Verdict]:
    """What is wrong, the first cause first."""
    torch_error = get_error(document, "torch")
    if torch_error:
        yield Verdict("fail", f"`import torch` fails: {torch_error}", "", _ENTRIES)
    if get(document, "torch", "found") is False:
        yield Verdict("fail", "PyTorch is not installed in this Python.", _install(document))
    if get(document, "import", "found") is False:
        yield Verdict("fail", "torchvision is not installed in this Python.", _install(document))
    said = get_text(document, "import", "failed", "text")
    if said or get_section(document, "import", "failed"):
        words = f"`import torchvision` fails with {_versions(document)}: {said or 'no message'}"
        yield Verdict("fail", words, _install(document), _ENTRIES)
    yield from _operator_complaints(document)
    yield from _forward_complaints(document)
    if get(document, "import", "found") is not True:
        yield Verdict("no_data", "torchvision could not be tried here.")


def _operator_complaints(document: Document) -> Iterator[Verdict]:
    for device in ("cpu", "cuda"):
        row = get_section(document, "nms", device)
        said = get_text(row, "failed", "text")
        if "failed" in row:
            place = "the GPU" if device == "cuda" else "the CPU"
            words = f"The operator nms is missing on {place} with {_versions(document)}: {said}"
            yield Verdict("fail", words, _install(document), _ENTRIES)
        elif row and get(row, "kept") != [0, 2]:
            words = "The operator nms keeps the wrong boxes: this build is damaged."
            yield Verdict("fail", words, _install(document), _ENTRIES)


def _forward_complaints(document: Document) -> Iterator[Verdict]:
    for name in ("forward", "forward_cuda"):
        row = get_section(document, name)
        if "failed" in row:
            said = get_text(row, "failed", "text")
            yield Verdict("fail", f"A ResNet-18 does not run here: {said}", "", _ENTRIES)
        elif row and (get(row, "shape") != [1, 1000] or get(row, "finite") is not True):
            yield Verdict("fail", "A ResNet-18 gives no usable numbers here.", "", _ENTRIES)


def _clues(document: Document, verdict: Verdict) -> Iterator[Clue]:
    if verdict.status == "ok":
        words = f"{_versions(document)} work together in this Python."
        yield Clue(_TOPIC, "ruled_out", words, _PAIR_CAUSE)
        yield Clue("missing_module=torchvision", "ruled_out", words, r"not installed")
    elif get(document, "import", "found") is False:
        yield Clue("missing_module=torchvision", "confirmed", verdict.summary, r"not installed")
    elif _OPERATOR.search(verdict.summary) or verdict.summary.startswith("The operator"):
        yield Clue(_TOPIC, "confirmed", verdict.summary, _PAIR_CAUSE)


def _install(document: Document) -> str:
    pip = f"{python_command(document)} -m pip"
    if ".nv" in _version(document, "torch"):
        return "In an NGC container use the torchvision that came with it: recreate the container."
    return f"Install both together: {pip} install --upgrade torch torchvision"


def _version(document: Document, name: str) -> str:
    row = get_section(document, "packages", name)
    return get_text(row, "build") or get_text(row, "version")


def _versions(document: Document) -> str:
    torch = _version(document, "torch") or "of unknown version"
    return f"torch {torch} and torchvision {_version(document, 'torchvision') or 'unknown'}"


def _facts(document: Document) -> Facts:
    seconds = get_number(document, "forward", "seconds")
    return (
        ("python", get_text(document, "executable")),
        ("torch", _version(document, "torch")),
        ("CUDA of torch", get_text(document, "torch", "cuda")),
        ("torchvision", _version(document, "torchvision")),
        ("CUDA of torchvision", _cuda(document)),
        ("torchvision from", get_text(document, "import", "file")),
        ("tried on the GPU", "yes" if get_section(document, "nms", "cuda") else "no"),
        ("ResNet-18, one image", f"{seconds:.2g} s" if seconds is not None else ""),
    )


def _cuda(document: Document) -> str:
    """torchvision counts 13000 for 13.0; a CPU build says nothing."""
    number = get_number(document, "import", "cuda")
    if number is not None and number >= 1000:
        return f"{int(number) // 1000}.{int(number) % 1000 // 10}"
    return get_text(document, "import", "cuda")
