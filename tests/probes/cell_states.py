"""A learner's notebook for each state that the cells look at: real tensors and small real models.

    python -m tests.probes.cell_states

runs each cell in each of its states, as far as the packages are there, and prints {state: {printed,
unchanged}}. Only a process of its own imports it, because torch is slow to load.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy
import torch
from PIL import Image
from torch import nn

from assistant.probes.paste import build_cell
from assistant.probes.registry import PROBES

State = tuple[str, str, dict[str, Any]]


class Net(nn.Module):
    """A small network with batch normalisation and dropout, so that a mode left behind shows."""

    def __init__(self, classes: int = 10, *, softmax: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5)
        )
        self.fc = nn.Linear(8, classes)
        self.softmax = softmax

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.fc(self.body(images).mean((2, 3)))
        return scores.softmax(1) if self.softmax else scores


class Stubborn(nn.Module):
    """Counts its calls in a buffer and drops values in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.net = decided()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return nn.functional.dropout(self.net(images), 0.1, training=True)


class Patches(nn.Module):
    """The first layer of a ViT, its normalisation layers, and a head."""

    def __init__(self, patch: int, *, trained: bool = True) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, patch, stride=patch)
        self.norms = nn.ModuleList([nn.LayerNorm(4), nn.LayerNorm(4)])
        self.head = nn.Linear(4, 10)
        if trained:
            nn.init.constant_(self.norms[0].weight, 0.7)


def images(count: int = 16, side: int = 32) -> torch.Tensor:
    """Standardised as ImageNet is, dark and bright images among them."""
    light = torch.linspace(0, 1, count)[:, None, None, None]
    plain = (torch.rand(count, 3, side, side) + light).clamp(0, 1)
    return (plain - 0.45) / 0.225


def plain() -> torch.Tensor:
    return (images() * 0.225 + 0.45).clamp(0, 1)


def dead() -> Net:
    net = Net()
    nn.init.zeros_(net.fc.weight)
    return net


def decided() -> nn.Module:
    """Its answers follow the brightness of an image."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))
    steps = torch.linspace(-1, 1, 10)
    net[2].weight.data = steps[:, None].repeat(1, 3)
    net[2].bias.data = -2 * steps**2
    return net


def collapsed() -> Net:
    net = Net()
    net.fc.bias.data[3] = 50.0
    return net


def broken() -> Net:
    net = Net()
    net.fc.weight.data[0, 0] = float("nan")
    return net


def square(value: int = 1, side: int = 6) -> torch.Tensor:
    mask = torch.zeros(2, 64, 64, dtype=torch.long)
    mask[:, 8 : 8 + side, 8 : 8 + side] = value
    return mask


def smooth() -> torch.Tensor:
    small = Image.fromarray((square(1, 30)[0].numpy() * 200).astype(numpy.uint8))
    return torch.from_numpy(numpy.array(small.resize((150, 150)))).long()[None]


def labels_states() -> Iterator[State]:
    right = torch.arange(64) % 10
    for name, labels, model in (
        ("sound", right, Net()),
        ("from one", right + 1, Net()),
        ("too few outputs", right, Net(5)),
        ("negative", right - 1, Net()),
        ("floats", right.float(), Net()),
        ("one class", right * 0 + 4, Net()),
        ("white masks", square(255), nn.Conv2d(3, 2, 1)),
        ("white masks, one output", square(255), nn.Conv2d(3, 1, 1)),
        ("border", torch.cat([square(1, 40), square(255)]), nn.Conv2d(3, 2, 1)),
        ("smooth masks", smooth(), nn.Conv2d(3, 2, 1)),
        ("sound masks", square(1, 40), nn.Conv2d(3, 2, 1)),
        ("small object", square(), nn.Conv2d(3, 2, 1)),
        ("shares", torch.eye(10)[right], Net()),
        ("yes and no", right > 4, 2),
        ("a list", right.tolist(), 10),
        ("a picture", Image.fromarray(square(255)[0].numpy().astype(numpy.uint8)), 2),
    ):
        yield "labels", name, {"labels": labels, "model": model}


def normalization_states() -> Iterator[State]:
    raw = (plain() * 255).round()
    for name, batch in (
        ("standard", images()),
        ("half", plain() * 2 - 1),
        ("plain", plain()),
        ("raw", raw),
        ("bytes", raw.byte()),
        ("shrunk", plain() / 255),
        ("late", (raw - 0.45) / 0.225),
        ("twice", (images() - 0.45) / 0.225),
        ("channels last", images().permute(0, 2, 3, 1)),
        ("equal", images()[:1].repeat(8, 1, 1, 1)),
        ("nan", images().masked_fill(images() > 2, float("nan"))),
        ("double", images().double().numpy()),
        ("with its labels", [images(), torch.arange(16)]),
    ):
        yield "normalization", name, {"images": batch}


def trainable_states() -> Iterator[State]:
    net = Net()
    yield "trainable", "sound", with_optimizer(net, lr=1e-3)
    frozen = Net().requires_grad_(False)
    yield "trainable", "all frozen", with_optimizer(frozen, lr=1e-3)
    old = Net()
    yield (
        "trainable",
        "older model",
        {"model": Net(), "optimizer": torch.optim.Adam(old.parameters())},
    )
    headless = Net()
    optimizer = torch.optim.Adam(headless.parameters(), lr=1e-3)
    headless.fc = nn.Linear(8, 5)
    yield "trainable", "new head", {"model": headless, "optimizer": optimizer}
    yield "trainable", "rate too high", with_optimizer(Net(), lr=1.0)
    yield "trainable", "rate too low", with_optimizer(Net(), lr=1e-9)
    grouped = Net()
    groups = [
        {"params": grouped.body.parameters(), "lr": 1e-5},
        {"params": grouped.fc.parameters(), "lr": 1e-3},
    ]
    optimizer = torch.optim.AdamW(groups)
    yield "trainable", "two rates", {"model": grouped, "optimizer": optimizer}
    again = torch.optim.AdamW([{**group} for group in groups])
    for group, part in zip(again.param_groups, (grouped.body, grouped.fc), strict=True):
        group["params"] = list(part.parameters())
    torch.optim.lr_scheduler.OneCycleLR(again, max_lr=1e-3, total_steps=10)
    yield "trainable", "one peak", {"model": grouped, "optimizer": again}
    slow = Net()
    gentle = torch.optim.AdamW(slow.parameters(), lr=1e-4)
    torch.optim.lr_scheduler.LinearLR(gentle, 1e-6)  # a warm-up begins near 0
    yield "trainable", "warming up", {"model": slow, "optimizer": gentle}
    head = Net()
    head.body.requires_grad_(False)
    only = torch.optim.SGD(head.fc.parameters(), lr=0.01)
    yield "trainable", "head only", {"model": head.eval(), "optimizer": only}


def with_optimizer(model: nn.Module, *, lr: float) -> dict[str, Any]:
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), lr=lr)}


def predictions_states() -> Iterator[State]:
    spoiled = images()
    spoiled[0, 0, 0, 0] = float("nan")
    wide = nn.Sequential(nn.Conv2d(3, 2, 1))
    nn.init.normal_(wide[0].weight, std=3)
    blank = nn.Conv2d(3, 2, 1)
    blank.bias.data = torch.tensor([90.0, -90.0])
    for name, model, batch in (
        ("sound", decided(), images()),
        ("softmax inside", Net(softmax=True), images()),
        ("dead", dead(), images()),
        ("one class", collapsed(), images()),
        ("nan weights", broken(), images()),
        ("nan images", Net(), spoiled),
        ("mask, two channels", wide, images()),
        ("mask, one channel", nn.Conv2d(3, 1, 1), images()),
        ("mask, all background", blank, images()),
        ("evaluated", nn.Sequential(nn.Dropout(), decided()).eval(), images()),
        ("bytes", decided(), (plain() * 255).byte()),
        ("stubborn", Stubborn(), images()),
        ("sure of a mask", nn.Sequential(nn.Conv2d(3, 1, 1), nn.Sigmoid()), images()),
    ):
        yield "predictions", name, {"model": model, "images": batch}


def speed_states() -> Iterator[State]:
    loader = torch.utils.data.DataLoader(torch.zeros(800, 1), num_workers=0)
    for name, model, batch in (
        ("new weights", Patches(16, trained=False), images(8, 224)),
        ("on the CPU", Patches(16), images(8, 224)),
        ("coarse patches", Patches(16), images(8, 32)),
        ("half", Patches(16).bfloat16(), images(8, 224)),
        ("half, both", Patches(16).bfloat16(), images(8, 224).bfloat16()),
    ):
        yield "speed", name, {"model": model, "images": batch, "train_loader": loader}


class UNet(nn.Module):
    """The layers of a small U-Net; nothing is computed."""

    def __init__(self, *, padding: int | str = 1) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=padding) for _ in range(4)])
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList([nn.ConvTranspose2d(4, 4, 2, stride=2) for _ in range(4)])
        self.head = nn.Conv2d(4, 2, 1)


def sizes_states() -> Iterator[State]:
    for name, model, batch in (
        ("fitting", UNet(padding="same"), images(2, 64)),
        ("just fitting", UNet(), images(2, 48)),
        ("odd", UNet(), images(2, 100)),
        ("shrinking", UNet(padding=0), images(2, 64)),
        ("no U-Net", nn.Linear(3, 2), images(2, 64)),
        ("one image", UNet(), images(1, 64)[0]),
    ):
        yield "sizes", name, {"model": model, "images": batch}


def library_states() -> Iterator[State]:
    """Models as torchvision and timm build them, without a download."""
    import timm
    from torchvision.models import resnet18
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    net = resnet18(num_classes=10)
    yield "labels", "resnet18", {"labels": torch.arange(8), "model": net}
    yield "sizes", "resnet18", {"model": net, "images": images(2, 224)}
    yield "trainable", "resnet18", with_optimizer(net.requires_grad_(False), lr=1e-3)
    segmenter = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    yield "predictions", "lraspp", {"model": segmenter, "images": images(4, 64)}
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=10)
    loader = torch.utils.data.DataLoader(torch.zeros(800, 1))
    batch = images(4, 224)
    yield "speed", "vit_tiny", {"model": vit, "images": batch, "train_loader": loader}


def odd_states() -> Iterator[State]:
    """What a notebook may hold instead; the cell has one plain line for it."""
    right = torch.arange(64) % 10
    photo = numpy.zeros((4, 4, 3), dtype=numpy.uint8)
    point = {"point_coords": numpy.ones((1, 2)), "point_labels": numpy.ones(1)}
    for row, name, notebook in (
        ("labels", "nothing defined", {}),
        ("labels", "with images", {"labels": (images(), right), "model": 10}),
        ("labels", "none", {"labels": right[:0], "model": 10}),
        ("labels", "words", {"labels": ["cat", "dog"], "model": 10}),
        ("labels", "no model", {"labels": right, "model": "resnet18"}),
        ("normalization", "nothing defined", {}),
        ("normalization", "a dictionary", {"images": {"image": images()}}),
        ("normalization", "one number", {"images": torch.tensor(1.0)}),
        ("trainable", "nothing defined", {}),
        ("trainable", "no optimizer", {"model": Net(), "optimizer": None}),
        ("predictions", "nothing defined", {}),
        ("predictions", "no weights", {"model": nn.ReLU(), "images": images()}),
        ("predictions", "grey images", {"model": Net(), "images": images()[:, :1]}),
        ("predictions", "another device", {"model": Net().to("meta"), "images": images()}),
        ("predictions", "words", {"model": Net(), "images": "cat.jpg"}),
        ("speed", "nothing defined", {}),
        ("speed", "words", {"model": Net(), "images": "cat.jpg", "train_loader": None}),
        ("sizes", "nothing defined", {}),
        ("sizes", "a path", {"model": UNet(), "images": "cat.jpg"}),
        ("boxes", "nothing defined", {}),
        ("boxes", "no results", {"model": Net(), "results": [], "picture": photo}),
        ("boxes", "a stream", {"model": Net(), "results": iter([1]), "picture": photo}),
        ("prompts", "nothing defined", {}),
        ("prompts", "an odd list", {**point, "predictor": Net(), "image": [[1], [1, 2]]}),
    ):
        yield row, f"odd, {name}", notebook


def yolo_states() -> Iterator[State]:
    from ultralytics import YOLO

    model = YOLO("yolov8n.yaml")
    picture = Image.fromarray((plain()[0].permute(1, 2, 0).numpy() * 255).astype(numpy.uint8))
    for name, given, options in (
        ("a picture", picture, {}),
        ("a low limit", picture, {"conf": 0.03}),
        ("a high limit", picture, {"conf": 0.9, "classes": [0]}),
        ("normalised", images(1, 64), {}),
        ("an array of fractions", numpy.array(picture) / 255.0, {}),
        ("boxes", picture, {"conf": 1e-5}),
    ):
        results = model.predict(given, verbose=False, imgsz=64, **options)
        yield "boxes", name, {"model": model, "results": results, "picture": given}
    classifier = YOLO("yolov8n-cls.yaml")
    results = classifier.predict(picture, verbose=False, imgsz=64)
    yield "boxes", "classifier", {"model": classifier, "results": results, "picture": picture}


def sam_states() -> Iterator[State]:
    predictor, photo = small_sam(), numpy.full((60, 80, 3), 120, dtype=numpy.uint8)
    points, ones = numpy.array([[70.0, 20.0]]), numpy.ones(1)
    sound = {"predictor": predictor, "image": photo, "point_coords": points, "point_labels": ones}
    yield "prompts", "no image", {**sound, "predictor": small_sam()}
    predictor.set_image(photo)
    for name, change in (
        ("sound", {}),
        ("fractions", {"point_coords": points / [80, 60]}),
        ("exchanged", {"point_coords": points[:, ::-1].copy(), "image": None}),
        ("outside", {"point_coords": points * 10}),
        ("background", {"point_labels": ones * 0}),
        ("a list", {"point_coords": points.tolist()}),
        ("one number too few", {"point_coords": points[0]}),
        ("labels missing", {"point_labels": None}),
        ("a black picture", {"image": photo / 255.0}),
        ("grey", {"image": photo[..., 0]}),
        ("resized", {"image": photo[::2, ::2]}),
    ):
        if name == "exchanged":
            change = {"point_coords": numpy.array([[20.0, 70.0]])}
        yield "prompts", name, {**sound, **change}
    for name, box in (("box", [10, 10, 40, 30]), ("xywh", [40, 30, 20, 10])):
        cell = {**sound, "point_coords": None, "point_labels": None, "box": numpy.array(box)}
        yield "prompts", name, cell


def small_sam() -> Any:
    from segment_anything import SamPredictor
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

    decoder = MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(1, 256, 8, 64))
    encoder = ImageEncoderViT(
        img_size=64, patch_size=16, embed_dim=16, depth=1, num_heads=2, window_size=2
    )
    return SamPredictor(Sam(encoder, PromptEncoder(256, (4, 4), (64, 64), 4), decoder))


# --- running -------------------------------------------------------------------------------------

# The packages that the states of a group need
STATES = (
    ((), (labels_states, normalization_states, trainable_states, predictions_states)),
    ((), (speed_states, sizes_states, odd_states)),
    (("timm", "torchvision"), (library_states,)),
    (("ultralytics",), (yolo_states,)),
    (("segment_anything",), (sam_states,)),
)
OTHERS = {"error": 1, "json": 2, "found": 3, "batch": 4}  # names of the learner's own


def run(row: str, notebook: dict[str, Any]) -> dict[str, Any]:
    """Run the row's cell as a notebook would, and compare the notebook with what it was."""
    cell = build_cell(next(probe for probe in PROBES if probe.id == row))
    if "box" in notebook:
        cell = cell.replace("box=None", "box=box")
    notebook = {**OTHERS, **notebook}
    names, before = sorted(notebook), {name: shot(value) for name, value in notebook.items()}
    random = torch.get_rng_state()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(cell, row, "exec"), notebook)
    notebook.pop("__builtins__", None)
    same = torch.equal(random, torch.get_rng_state()) and sorted(notebook) == names
    same = same and before == {name: shot(value) for name, value in notebook.items()}
    return {"printed": printed.getvalue(), "unchanged": same}


def shot(value: Any) -> Any:
    """Everything of a learner's object that a cell could change."""
    if isinstance(value, nn.Module):
        modes = [part.training for part in value.modules()]
        grads = [(p.requires_grad, p.grad is None) for p in value.parameters()]
        return {name: shot(one) for name, one in value.state_dict().items()}, modes, grads
    if isinstance(value, torch.optim.Optimizer):
        return repr(value.state_dict())
    if torch.is_tensor(value) and value.is_meta:  # it has no values
        return value.dtype, value.shape
    if torch.is_tensor(value):
        raw = value.detach().reshape(-1).contiguous().view(torch.uint8).numpy()
        return value.dtype, value.shape, hashlib.sha256(raw.tobytes()).hexdigest()
    if isinstance(value, numpy.ndarray):
        return value.dtype, value.tobytes()
    inner = getattr(value, "model", None)
    return shot(inner) if isinstance(inner, nn.Module) else repr(value)[:10_000]


def main() -> None:
    torch.manual_seed(0)
    found = {}
    with contextlib.redirect_stdout(sys.stderr):  # Ultralytics has much to say
        for packages, groups in STATES:
            if any(importlib.util.find_spec(name) is None for name in packages):
                continue
            for row, name, notebook in (state for group in groups for state in group()):
                found[f"{row}: {name}"] = run(row, notebook)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
