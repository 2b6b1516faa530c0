"""Row `torchvision`, inside a target: does it import, have its operators, and run a network?

The ResNet-18 has random weights: nothing is downloaded. Refuses to judge which versions belong
together; it only reads what the two packages say.
"""

import importlib
import sys
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.device import (
        choose_device,
        describe_failure,
        import_or_none,
        import_torch,
    )
    from assistant.probes.inside.shared import Document, guarded, read_package

VISION_BYTES = 512 << 20


def collect_torchvision(order: "Mapping[str, Any]") -> "Document":
    """Versions first, from metadata, because the import may fail; then import, nms, ResNet-18."""
    document: Document = {
        "executable": sys.executable,
        "packages": {
            name: guarded(partial(read_package, name)) for name in ("torch", "torchvision")
        },
    }
    torch = guarded(import_torch)
    if torch is None or isinstance(torch, dict):
        return dict(document, torch=torch or {"found": False})
    document["torch"] = {
        "found": True,
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
    }
    vision, document["import"] = import_vision()
    if vision is not None:
        place = choose_device(torch, VISION_BYTES)
        document.update(place=place, nms={}, forward=attempt(lambda: run_resnet(torch, "cpu")))
        document["nms"]["cpu"] = attempt(lambda: run_nms(torch, vision, "cpu"))
        if place["device"] == "cuda":
            document["nms"]["cuda"] = attempt(lambda: run_nms(torch, vision, "cuda"))
            document["forward_cuda"] = attempt(lambda: run_resnet(torch, "cuda"))
    return document


def import_vision() -> "tuple[Any, Document]":
    """The module or None, and how the import went."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            vision = import_or_none("torchvision")
        except BaseException as error:
            return None, {"found": True, "failed": describe_failure(error)}
    if vision is None:
        return None, {"found": False}
    return vision, {
        "found": True,
        "version": str(vision.__version__),
        "cuda": guarded(lambda: vision.version.cuda),
        "file": str(vision.__file__),
        "warnings": [str(warning.message)[:300] for warning in heard[:5]],
    }


def attempt(part: "Any") -> "Document":
    """What `part` returns, or how it failed."""
    try:
        return dict(part())
    except Exception as error:
        return {"failed": describe_failure(error)}


def run_nms(torch: "Any", vision: "Any", device: str) -> "Document":
    """Three boxes, the second nearly the first: the first and the third must stay."""
    corners = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.5], [20.0, 20.0, 30.0, 30.0]]
    boxes = torch.tensor(corners, device=device)
    kept = vision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), 0.5)
    return {"kept": [int(index) for index in kept.cpu()]}


def run_resnet(torch: "Any", device: str) -> "Document":
    """One image through a ResNet-18 with random weights."""
    models = importlib.import_module("torchvision.models")
    torch.manual_seed(0)
    network = models.resnet18().eval().to(device)
    start = time.perf_counter()
    with torch.no_grad():
        output = network(torch.randn(1, 3, 224, 224, device=device)).cpu()
    return {
        "shape": list(output.shape),
        "finite": bool(torch.isfinite(output).all()),
        "seconds": round(time.perf_counter() - start, 4),
    }
