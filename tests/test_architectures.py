"""Networks by their shapes: real models of torchvision, timm, ultralytics and segment-anything."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from assistant.architectures import (
    Architecture,
    Shape,
    is_same,
    names,
    recognise,
    strip_wrappers,
)

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
timm = pytest.importorskip("timm")

models = torchvision.models
TORCHVISION = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2", "vit_b_16", "vit_b_32", "vit_l_16",
    "vit_l_32", "vit_h_14", "vgg16", "vgg19", "alexnet", "mobilenet_v2", "mobilenet_v3_small",
    "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "densenet121",
)  # fmt: skip
TIMM = (
    "resnet18", "resnet50", "vit_tiny_patch16_224", "vit_small_patch16_224",
    "vit_small_patch32_224", "vit_base_patch16_224", "vit_base_patch16_384",
    "vit_large_patch16_224", "vit_huge_patch14_224",
)  # fmt: skip


def shapes_of(module) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def build(make, *arguments, **options) -> dict[str, Shape]:
    """Shapes without weights: a ViT-H in milliseconds."""
    with torch.device("meta"):
        return shapes_of(make(*arguments, **options))


def unet(classes: int) -> torch.nn.Module:
    """What learners write: names of their own, two convolutions for each step."""
    nn = torch.nn
    net = nn.Module()
    sizes = {"enc1": (3, 16), "enc2": (16, 32), "dec2": (48, 16)}
    for name, (before, after) in sizes.items():
        layers = nn.Conv2d(before, after, 3), nn.ReLU(), nn.Conv2d(after, after, 3), nn.ReLU()
        setattr(net, name, nn.Sequential(*layers))
    net.up2 = nn.ConvTranspose2d(32, 32, 2, stride=2)
    net.out = nn.Conv2d(16, classes, 1)
    return net


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name: str) -> None:
    found = recognise(build(getattr(models, name), weights=None, num_classes=10), complete=True)
    assert found is not None
    assert (found.names, found.classes, found.prefix, found.unusual) == ((name,), 10, "", ())
    assert name in names()


@pytest.mark.parametrize("name", TIMM)
def test_timm(name: str) -> None:
    found = recognise(build(timm.create_model, name, num_classes=7), complete=True)
    assert found is not None
    assert (found.names, found.classes) == ((name,), 7)
    assert is_same(found, name.partition("_patch")[0])


@pytest.mark.parametrize("size", ["vit_b", "vit_l", "vit_h"])
def test_sam(size: str) -> None:
    registry = pytest.importorskip("segment_anything").sam_model_registry
    found = recognise(build(registry[size]), complete=True)
    assert found is not None
    assert (found.words, found.family, found.unusual) == (f"sam_{size}", "SAM", ())


@pytest.mark.parametrize("version", ["yolov8", "yolo11"])
@pytest.mark.parametrize(
    "size", ["n", "s", "m", *(pytest.param(size, marks=pytest.mark.slow) for size in "lx")]
)
def test_yolo(version: str, size: str) -> None:
    tasks = pytest.importorskip("ultralytics.nn.tasks")
    net = tasks.DetectionModel(f"{version}{size}.yaml", nc=3, verbose=False)
    found = recognise(shapes_of(net), complete=True)
    assert found is not None
    assert (found.names, found.classes) == ((version + size,), 3)


@pytest.mark.parametrize(
    ("name", "options", "prefix", "words"),
    [
        ("fcn_resnet50", {}, "backbone.", "resnet50 with 21 classes"),
        ("deeplabv3_resnet101", {}, "backbone.", "resnet101 with 21 classes"),
        ("fasterrcnn_resnet50_fpn", {}, "backbone.body.", "resnet50 with 91 classes"),
    ],
)
def test_a_network_inside_another(name, options, prefix, words) -> None:
    package = models.detection if "rcnn" in name else models.segmentation
    make = getattr(package, name)
    found = recognise(build(make, weights=None, weights_backbone=None, **options), complete=True)
    assert found is not None
    assert (found.prefix, found.words) == (prefix, words)


def test_what_learners_do_to_a_resnet() -> None:
    def make() -> torch.nn.Module:
        net = models.resnet18(weights=None)
        net.conv1 = torch.nn.Conv2d(3, 64, 3, bias=False)
        net.fc = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(512, 64), torch.nn.ReLU(),
                                     torch.nn.Linear(64, 4))  # fmt: skip
        return net

    wrapped = {f"module._orig_mod.{name}": shape for name, shape in build(make).items()}
    found = recognise(wrapped, complete=True)
    assert found == Architecture(
        ("resnet18",), "ResNet", 4, "module._orig_mod.", unusual=("conv1.weight",)
    )


def test_a_backbone_with_a_head_of_its_own() -> None:
    def make() -> torch.nn.Module:
        net = torch.nn.Module()
        net.backbone = models.resnet50(weights=None)
        net.backbone.fc = torch.nn.Identity()
        net.head = torch.nn.Linear(2048, 5)
        return net

    found = recognise(build(make), complete=True)
    assert found is not None
    assert (found.words, found.prefix) == ("resnet50 with 5 classes", "backbone.")


def test_a_unet_and_a_yolo_of_unknown_size() -> None:
    found = recognise(build(unet, 3), complete=True)
    assert found is not None
    assert (found.family, found.classes) == ("U-Net", 3)
    tasks = pytest.importorskip("ultralytics.nn.tasks")
    net = tasks.ClassificationModel("yolov8n-cls.yaml", verbose=False)
    found = recognise(shapes_of(net), complete=True)
    assert found is not None
    assert (found.words, found.family) == ("yolo with 1000 classes", "YOLO")


def test_older_files_of_torchvision_call_the_mlp_otherwise() -> None:
    now = build(models.vit_b_16, weights=None)
    old = {name.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): shape
           for name, shape in now.items()}  # fmt: skip
    assert old != now
    assert recognise(old, complete=True) == recognise(now, complete=True)


@pytest.mark.parametrize(
    ("few", "words"),
    [
        ({"fc.weight": (10, 512)}, "resnet18 or resnet34 with 10 classes"),
        ({"fc.weight": (7, 2048), "fc.bias": (7,)},
         "resnet50, resnet101 or resnet152 with 7 classes"),
        ({"epoch": (), "fc.weight": (3, 512)}, "resnet18 or resnet34 with 3 classes"),
        ({"layer1.0.conv3.weight": ()}, "resnet50, resnet101 or resnet152"),
        ({"layer1.0.conv1.weight": (64, 64, 3, 3)}, "resnet18 or resnet34"),
        ({"layer3.22.conv1.weight": ()}, "resnet101 or resnet152"),
        ({"layer3.35.bn2.running_var": (256,)}, "resnet152"),
        ({"module.layer2.3.conv2.weight": ()}, "resnet34, resnet50, resnet101 or resnet152"),
        ({"layer1.0.conv1.weight": (128, 64, 1, 1)},
         "resnext50_32x4d, wide_resnet50_2 or wide_resnet101_2"),
        ({"head.weight": (5, 768)}, "vit_base with 5 classes"),
        ({"heads.head.weight": (5, 768)}, "vit_b_16 or vit_b_32 with 5 classes"),
        ({"patch_embed.proj.weight": (384, 3, 16, 16)}, "vit_small_patch16"),
        ({"image_encoder.pos_embed": (1, 64, 64, 1280)}, "sam_vit_h"),
        ({"image_encoder.blocks.12.norm1.weight": ()}, "sam_vit_l or sam_vit_h"),
        ({"classifier.1.weight": (2, 1280)}, "mobilenet_v2 or efficientnet_b0 with 2 classes"),
        ({"model.0.conv.weight": (16, 3, 3, 3)}, "yolov8n or yolo11n"),
    ],
)  # fmt: skip
def test_the_few_that_a_message_lists(few: Mapping[str, Shape], words: str) -> None:
    found = recognise(few)
    assert found is not None
    assert found.words == words


@pytest.mark.parametrize(
    "few",
    [
        {},
        {"fc.bias": (10,)},
        {"fc.weight": ()},
        {"conv1.weight": (6, 3, 5, 5), "fc1.weight": (120, 400)},
        {"fc.weight": (10, 513)},
        {"layer1.0.conv1.weight": (64, 64, 3, 3), "fc.weight": (10, 2048)},
        {"epoch": (), "optimizer": (), "fc.weight": (10, 512)},
    ],
)
def test_too_little_or_another_network(few: Mapping[str, Shape]) -> None:
    assert recognise(few) is None


@pytest.mark.parametrize("name", ["resnet26", "efficientnet_b0", "swin_tiny_patch4_window7_224"])
def test_a_network_that_no_row_knows_is_not_taken_for_another(name: str) -> None:
    assert recognise(build(timm.create_model, name), complete=True) is None


def test_half_a_network_is_none() -> None:
    whole = build(models.resnet50, weights=None)
    half = {name: shape for name, shape in whole.items() if name.startswith(("layer1", "layer2"))}
    assert recognise(half, complete=True) is None
    few = recognise(half)
    assert few is not None
    assert few.names[0] == "resnet50"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("fc.weight", ("", "fc.weight")),
        ("module.fc.weight", ("module.", "fc.weight")),
        ("module._orig_mod.module.fc.weight", ("module._orig_mod.module.", "fc.weight")),
        ("modules.fc.weight", ("", "modules.fc.weight")),
        ("module.", ("module.", "")),
    ],
)
def test_wrappers(name: str, parts: tuple[str, str]) -> None:
    assert strip_wrappers(name) == parts


def test_a_flood_of_names_is_cut() -> None:
    assert recognise({f"layer{n}.weight": (n,) for n in range(200_000)}, complete=True) is None
