"""Building a YOLO network for given numbers, inside a target, from ultralytics' own descriptions.

ultralytics evaluates texts of a description when it builds a network, so a file's own description
is only compared: the network is built from the one in the installed package that has the same
layers, and the numbers must fit it exactly. Refuses layers that the package does not describe.
"""

import importlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from assistant.probes.inside.shared import Document
    from assistant.probes.inside.yolo_weights import MOST_CLASSES

YOLO_CLASSES = {  # a class of the file to the class that is built; these have boxes
    "DetectionModel": "DetectionModel",
    "YOLOv10DetectionModel": "DetectionModel",
    "SegmentationModel": "SegmentationModel",
    "PoseModel": "PoseModel",
    "OBBModel": "OBBModel",
}
SAME_VALUES = ("activation", "end2end", "reg_max")
MOST_KEYPOINTS = 300


class UnknownNetwork(Exception):
    """The installed ultralytics describes no such network."""


def build_network(stored: "Document", numbers: "Mapping[str, Any]") -> "Any":
    """The network with these numbers, ready to predict. Raises UnknownNetwork.

    `stored` is what `describe_stored` says of the file.
    """
    stated = stored["layers"]
    classes = stated.get("nc") if type(stated.get("nc")) is int else len(stored["names"])
    if not 0 < classes <= MOST_CLASSES:
        raise UnknownNetwork("it does not say how many classes it has")
    if any(stated.get(name) not in (None, 3) for name in ("ch", "channels")):
        raise UnknownNetwork("it is not made for pictures of three channels")
    tasks = importlib.import_module("ultralytics.nn.tasks")
    kind = getattr(tasks, YOLO_CLASSES[stored["class"]])
    names = dict(enumerate(stored["names"][:classes]))
    fault = "its layers are those of no network that the installed ultralytics describes"
    for described in iter_described():
        if not has_same_layers(described, stated):
            continue
        network = kind(cfg=fit_description(described, stated, classes), ch=3, verbose=False)
        try:
            network.load_state_dict(numbers, strict=True)
        except RuntimeError:
            fault = "its numbers do not fit the network that the installed ultralytics describes"
            continue
        network.names = {n: names.get(n, "class " + str(n)) for n in range(classes)}
        return network.float().eval()
    raise UnknownNetwork(fault)


def iter_described() -> "Iterator[dict[str, Any]]":
    """The networks that the installed ultralytics describes."""
    yaml = importlib.import_module("yaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both make plain values only
    package = os.path.dirname(str(importlib.import_module("ultralytics").__file__))
    for place, folders, files in os.walk(os.path.join(package, "cfg", "models")):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".yaml"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    described = yaml.load(file, Loader=loader)
                if isinstance(described, dict):
                    yield described


def has_same_layers(described: "Mapping[str, Any]", stated: "Mapping[str, Any]") -> bool:
    """Whether layers and what they do are the same; sizes are told by the numbers."""
    if any(tidy_text(described.get(n)) != tidy_text(stated.get(n)) for n in SAME_VALUES):
        return False
    return list_layers(described) == list_layers(stated) != []


def list_layers(described: "Mapping[str, Any]") -> "list[Any]":
    """[from, module, arguments] of each layer, without its channels; [] for anything else."""
    found: list[Any] = []
    for part in ("backbone", "head"):
        rows = described.get(part)
        for row in rows if isinstance(rows, list) else []:
            if not isinstance(row, list) or len(row) != 4 or not isinstance(row[3], list):
                return []
            source, _, module, arguments = row
            sized = arguments and type(arguments[0]) is int
            rest = [tidy_text(value) for value in arguments[1 if sized else 0 :]]
            found.append([source, tidy_text(module), rest])
    return found


def tidy_text(value: "Any") -> "Any":
    """Older descriptions write the same differently."""
    if not isinstance(value, str):
        return "None" if value is None else value
    text = re.sub(r"^torch\.", "", value.strip())
    return "nn.Identity" if text == "Silence" else text


def fit_description(
    described: "Mapping[str, Any]", stated: "Mapping[str, Any]", classes: int
) -> "dict[str, Any]":
    """The package's description for a number of classes and keypoints, in one of its own sizes."""
    scale = choose_scale(described.get("scales") or {}, stated)
    fitted = dict(described, nc=classes, scale=scale, yaml_file="yolo.yaml")
    found = stated.get("kpt_shape")
    points = found if isinstance(found, list) else []
    if len(points) == 2 and points[0] in range(1, MOST_KEYPOINTS) and points[1] in (2, 3):
        fitted["kpt_shape"] = [int(n) for n in points]
    return fitted


def choose_scale(scales: "Mapping[str, Any]", stated: "Mapping[str, Any]") -> str:
    """Which of the described sizes is meant: as stated, or by its multiples, or by its name."""
    scale = stated.get("scale")
    if isinstance(scale, str) and scale in scales:
        return scale
    wanted = [stated.get("depth_multiple"), stated.get("width_multiple")]
    for name, sizes in scales.items():
        if list(sizes[:2]) == wanted:
            return str(name)
    letter = re.search(r"yolov?\d+([a-z])", str(stated.get("yaml_file")))
    if letter and letter.group(1) in scales:
        return letter.group(1)
    return str(next(iter(scales), ""))
