"""Weights of YOLO and SAM to time rows on: their networks with random numbers, made on the spot.

What a row costs does not depend on what a network has learnt. It refuses to download anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

_YOLO = "yolov8n"  # the smallest, as the course begins with
_SAM = "vit_b"
_SAM_FILE = "sam_vit_b_01ec64.pth"  # a name as published, since the row reads the type from it


def write_weights(
    folder: Path, rows: Collection[str], *, image: Path
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Write weights for those of `rows` that need them.

    Returns by row id the parameters that name them and `image`, and why there are none for a row.
    """
    makers: Mapping[str, Callable[[Path], dict[str, str]]] = {"yolo": _yolo, "sam": _sam}
    made: dict[str, dict[str, str]] = {}
    missing: dict[str, str] = {}
    for row, make in makers.items():
        if row not in rows:
            continue
        try:
            made[row] = {**make(folder), "image": str(image)}
        except ImportError as error:
            missing[row] = f"its weights can't be made here: {error.name or error} is not installed"
    return made, missing


def _yolo(folder: Path) -> dict[str, str]:
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder))  # it would write into the home folder
    os.environ.setdefault("YOLO_VERBOSE", "false")  # and speak on standard output
    import torch
    from ultralytics.nn.tasks import DetectionModel

    path = folder / f"{_YOLO}.pt"
    torch.save({"model": DetectionModel(f"{_YOLO}.yaml", verbose=False)}, path)
    return {"weights": str(path)}


def _sam(folder: Path) -> dict[str, str]:
    import torch
    from segment_anything import sam_model_registry

    torch.save(sam_model_registry[_SAM]().state_dict(), folder / _SAM_FILE)
    return {"checkpoint": str(folder / _SAM_FILE)}
