"""Row `yolo`, inside a target: what do these weights find on this image?

One pass with a confidence limit near zero, counted at each limit; a second one at twice the size
if the usual limit finds nothing. Refuses to download, to install, to draw, to unpickle, and to
write outside the current folder.
"""

import importlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.device import (
        available_bytes,
        choose_device,
        describe_failure,
        import_torch,
    )
    from assistant.probes.inside.picture import open_picture
    from assistant.probes.inside.shared import Document, guarded, read_package
    from assistant.probes.inside.yolo_network import build_network
    from assistant.probes.inside.yolo_weights import (
        describe_stored,
        read_stored_network,
        read_tensors,
    )

CONFIDENCES = (0.25, 0.1, 0.01)
LOWEST_CONFIDENCE = 0.001
YOLO_BYTES = 2 << 30
MOST_BOXES = 300
PREDICTORS = {
    "detect": "DetectionPredictor",
    "segment": "SegmentationPredictor",
    "pose": "PosePredictor",
    "obb": "OBBPredictor",
}
YOLO_TASKS = {
    "DetectionModel": "detect",
    "YOLOv10DetectionModel": "detect",
    "SegmentationModel": "segment",
    "PoseModel": "pose",
    "OBBModel": "obb",
    "ClassificationModel": "classify",
}


def collect_yolo(order: "Mapping[str, Any]") -> "Document":
    """The model's task and classes, and how many detections there are at each limit."""
    weights, image = order["parameters"]["weights"], order["parameters"]["image"]
    document: Document = {
        "executable": sys.executable,
        "package": guarded(lambda: read_package("ultralytics")),
        "weights": {"file": weights, "bytes": guarded(lambda: os.path.getsize(weights))},
        "image": guarded(lambda: open_picture(image)[1]),
    }
    if document["package"].get("found") is not True or "error" in document["image"]:
        return document
    left = available_bytes()
    if left is not None and left < YOLO_BYTES:
        return dict(document, model={"failed": {"kind": "NoRoom", "text": "too little memory"}})
    document["model"] = read_model(document, weights, image)
    return document


def read_model(document: "Document", weights: str, image: str) -> "Document":
    """Load, describe and run the network; a failure is part of the document."""
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    try:
        torch = import_torch()
        stored = read_stored_network(weights)
        described = describe_stored(stored)
        model = describe_network(described)
        if model["task"] in PREDICTORS:
            network = build_network(described, read_tensors(weights, stored))
            place = choose_device(torch, YOLO_BYTES)
            model["place"] = place
            picture = open_picture(image)[0]
            first = predict(network, model, picture, model["size"], place["device"])
            model["passes"] = [first]
            if not first["counts"][str(CONFIDENCES[0])]:
                twice = min(2 * model["size"], 1920)
                model["passes"].append(predict(network, model, picture, twice, place["device"]))
        return model
    except Exception as error:
        return {"failed": describe_failure(error)}


def describe_network(stored: "Document") -> "Document":
    """Task, classes and training size, as the file states them."""
    return {
        "class": stored["class"],
        "task": YOLO_TASKS.get(stored["class"], "other"),
        "names": stored["names"][:100],
        "classes": len(stored["names"]),
        "size": stored["size"],
    }


def predict(
    network: "Any", model: "Document", picture: "Any", size: int, device: str
) -> "Document":
    """Detections of one pass: how many at each limit, the best score, the names found."""
    task = model["task"]
    module = importlib.import_module("ultralytics.models.yolo." + task)
    settings = {
        "task": task,
        "mode": "predict",
        "imgsz": size,
        "conf": LOWEST_CONFIDENCE,
        "max_det": MOST_BOXES,
        "device": "cuda:0" if device == "cuda" else device,
        "save": False,
        "verbose": False,
        "plots": False,
        "project": os.getcwd(),
    }
    start = time.perf_counter()
    predictor = getattr(module, PREDICTORS[task])(overrides=settings)
    predictor.setup_model(model=network, verbose=False)
    (result,) = predictor(source=picture)
    boxes = result.obb if task == "obb" else result.boxes
    scores = [float(score) for score in boxes.conf]
    kinds = [int(kind) for kind in boxes.cls]
    found = [
        model["names"][kind]
        for score, kind in zip(scores, kinds)
        if score >= CONFIDENCES[0] and kind < len(model["names"])
    ]
    return {
        "size": size,
        "counts": {str(limit): sum(score >= limit for score in scores) for limit in CONFIDENCES},
        "best": max(scores, default=0.0),
        "found": sorted(set(found))[:30],
        "seconds": round(time.perf_counter() - start, 3),
    }
