"""Row `sam`, inside a target: does this checkpoint segment this image when it is asked properly?

One point in the middle, then one box around the middle half, both in pixels; the mask areas, the
scores, and the most memory that it took. The checkpoint is read as numbers only. Refuses to start
where the memory would not suffice, and to guess a model that neither name nor keys tell.
"""

import importlib
import inspect
import os
import re
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

SAFE_TORCH = (2, 6)  # CVE-2025-32434: before, weights_only=True can be made to run code
SAM_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}  # of image_encoder.pos_embed
SAM_BYTES = {"vit_b": 4 << 30, "vit_l": 6 << 30, "vit_h": 9 << 30}  # weights, encoder and masks


def collect_sam(order: "Mapping[str, Any]") -> "Document":
    """What the checkpoint is, and what it answers to a point and a box."""
    path, image = order["parameters"]["checkpoint"], order["parameters"]["image"]
    document: Document = {
        "executable": sys.executable,
        "package": guarded(lambda: read_package("segment_anything")),
        "checkpoint": {"file": path, "bytes": guarded(lambda: os.path.getsize(path))},
        "image": guarded(lambda: open_picture(image)[1]),
        "available": available_bytes(),
    }
    if document["package"].get("found") is True and "error" not in document["image"]:
        document["model"] = try_sam(path, image)
    return document


def try_sam(path: str, image: str) -> "Document":
    """Load and ask; a failure is part of the document."""
    model: Document = {"step": "load"}
    try:
        torch = import_torch()
        weights = load_numbers(torch, path)
        model.update(type=name_sam(weights), named=named_type(path))
        if not model["type"]:
            return dict(model, failed={"kind": "NotSam", "text": "its keys are not those of SAM"})
        needed = SAM_BYTES[model["type"]]
        left = available_bytes()
        if left is not None and left < needed:
            return dict(
                model, failed={"kind": "NoRoom", "text": "too little memory"}, needed=needed
            )
        model["place"] = choose_device(torch, needed)
        model["step"] = "fill"
        network = fill_sam(torch, model["type"], weights).to(model["place"]["device"])
        model["step"] = "predict"
        model.update(ask_sam(torch, network, image, model["place"]["device"]))
        model["step"] = "done"
    except Exception as error:
        model["failed"] = describe_failure(error)
    return model


class OldTorch(Exception):
    """This torch cannot read a checkpoint without risk."""


def check_torch(version: str) -> None:
    """Raise OldTorch for a version before SAFE_TORCH; one just before its release counts so too."""
    found = re.match(r"(\d+)\.(\d+)(?:\.0(a|b|rc))?", version)
    number = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    early = found is not None and found.group(3)
    if number < SAFE_TORCH or (number == SAFE_TORCH and early):
        raise OldTorch("torch " + version)


def load_numbers(torch: "Any", path: str) -> "Mapping[str, Any]":
    """The tensors of a checkpoint, left on the disk where that is possible; no code is run."""
    check_torch(str(torch.__version__))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        content = torch.load(path, map_location="cpu", weights_only=True)
    inner = content.get("model", content) if isinstance(content, dict) else {}
    return inner if isinstance(inner, dict) else {}


def name_sam(weights: "Mapping[str, Any]") -> str:
    """The model's type by the width of its keys; '' if they are not SAM's."""
    embedding = weights.get("image_encoder.pos_embed")
    if embedding is None or not any(key.startswith("mask_decoder.") for key in weights):
        return ""
    return SAM_WIDTHS.get(int(embedding.shape[-1]), "")


def named_type(path: str) -> str:
    """The type that the file's name claims: sam_vit_b_01ec64.pth is a vit_b."""
    found = re.search(r"vit_[bhl]", os.path.basename(path))
    return found.group(0) if found else ""


def fill_sam(torch: "Any", kind: str, weights: "Mapping[str, Any]") -> "Any":
    """The network with these weights; without first making random ones where torch can do so."""
    package = importlib.import_module("segment_anything")
    build = package.sam_model_registry[kind]
    if "assign" not in inspect.signature(torch.nn.Module.load_state_dict).parameters:
        network = build(checkpoint=None)
        network.load_state_dict(weights)
        return network.eval()
    with torch.device("meta"):
        network = build(checkpoint=None)
    network.load_state_dict(weights, assign=True)
    # the two buffers that no checkpoint holds: the mean and deviation of SAM's training images
    network.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(-1, 1, 1)
    network.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(-1, 1, 1)
    return network.eval()


def ask_sam(torch: "Any", network: "Any", image: str, device: str) -> "Document":
    """Masks of one point and one box."""
    numpy = importlib.import_module("numpy")
    predictor = importlib.import_module("segment_anything").SamPredictor(network)
    picture = numpy.array(open_picture(image)[0])
    height, width = picture.shape[:2]
    start = time.perf_counter()
    predictor.set_image(picture)
    encoded = time.perf_counter()
    middle = numpy.array([[width / 2, height / 2]])
    box = numpy.array([width / 4, height / 4, 3 * width / 4, 3 * height / 4])
    point = predictor.predict(point_coords=middle, point_labels=numpy.array([1]))
    boxed = predictor.predict(box=box, multimask_output=False)
    return {
        "point": describe_masks(point),
        "box": describe_masks(boxed),
        "encode_seconds": round(encoded - start, 3),
        "predict_seconds": round(time.perf_counter() - encoded, 3),
        "peak": guarded(lambda: read_peak(torch, device)),
    }


def describe_masks(answer: "Any") -> "list[Document]":
    """Share of the image and score of each mask."""
    masks, scores = answer[0], answer[1]
    return [
        {"share": round(float(mask.mean()), 6), "score": round(float(score), 4)}
        for mask, score in zip(masks, scores)
    ]


def read_peak(torch: "Any", device: str) -> int:
    """The most memory that was held: on the GPU by torch, else by this process."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
