"""The networks that can be told by their weights: one row each, with names and shapes.

Compared with torchvision 0.29, timm 1.0, ultralytics 8.4 and segment-anything 1.0 (tests build each
of them). It refuses to know how a checkpoint is compared with a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

Pattern = tuple[int | None, ...]  # dimensions; None stands for any number

TIMM_VIT = "ViT (timm)"
YOLO_HEAD = r"(?:.*\.)?\d+\.(?:cv3\.0\.2|linear)\.weight"


@dataclass(frozen=True, slots=True)
class ArchitectureRow:
    """One network: `build` gives its weights' names and shapes, `head` finds its last layer.

    Names that begin with one of `free` may be there or not, in any shape. `is_part`: the table
    holds only what tells this network from others. `is_rare`: named only if no other row fits.
    """

    name: str
    family: str
    head: str
    build: Callable[[], Mapping[str, Pattern]]
    free: tuple[str, ...] = ()
    is_part: bool = False
    is_rare: bool = False


def _resnet(
    blocks: tuple[int, ...], *, is_deep: bool = False, base: int = 64, groups: int = 1
) -> Mapping[str, Pattern]:
    """`is_deep` means blocks of three layers (1x1, 3x3, 1x1), as from resnet50 on."""
    table: dict[str, Pattern] = {"conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,)}
    before = 64
    for stage, (count, planes) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), 1):
        width, after = planes * base // 64 * groups, planes * (4 if is_deep else 1)
        for block in range(count):
            place = f"layer{stage}.{block}."
            layers = [(planes, before, 3, 3), (planes, planes, 3, 3)]
            if is_deep:
                middle = (width, width // groups, 3, 3)
                layers = [(width, before, 1, 1), middle, (after, width, 1, 1)]
            for number, shape in enumerate(layers, 1):
                table[f"{place}conv{number}.weight"] = shape
                table[f"{place}bn{number}.weight"] = shape[:1]
            if before != after:
                table[f"{place}downsample.0.weight"] = (after, before, 1, 1)
                table[f"{place}downsample.1.weight"] = (after,)
            before = after
    return table | {"fc.weight": (None, before)}


def _timm_vit(width: int, depth: int) -> Mapping[str, Pattern]:
    table: dict[str, Pattern] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, None, width),
        "patch_embed.proj.weight": (width, 3, None, None),
    }
    for block in range(depth):
        place = f"blocks.{block}."
        table[f"{place}norm1.weight"] = table[f"{place}norm2.weight"] = (width,)
        table |= _attention(place, width)
    return table | {"norm.weight": (width,), "head.weight": (None, width)}


def _attention(place: str, width: int, *, mlp: tuple[str, str] = ("mlp.fc1", "mlp.fc2")
) -> dict[str, Pattern]:  # fmt: skip
    return {
        f"{place}attn.qkv.weight": (3 * width, width),
        f"{place}attn.proj.weight": (width, width),
        f"{place}{mlp[0]}.weight": (4 * width, width),
        f"{place}{mlp[1]}.weight": (width, 4 * width),
    }


def _torchvision_vit(width: int, depth: int, *, patch: int) -> Mapping[str, Pattern]:
    table: dict[str, Pattern] = {
        "class_token": (1, 1, width),
        "conv_proj.weight": (width, 3, patch, patch),
        "encoder.pos_embedding": (1, None, width),
    }
    for block in range(depth):
        place = f"encoder.layers.encoder_layer_{block}."
        table[f"{place}ln_1.weight"] = table[f"{place}ln_2.weight"] = (width,)
        table[f"{place}self_attention.in_proj_weight"] = (3 * width, width)
        table[f"{place}self_attention.in_proj_bias"] = (3 * width,)
        table[f"{place}self_attention.out_proj.weight"] = (width, width)
        table[f"{place}mlp.0.weight"] = (4 * width, width)
        table[f"{place}mlp.3.weight"] = (width, 4 * width)
    return table | {"encoder.ln.weight": (width,), "heads.head.weight": (None, width)}


def _sam(width: int, depth: int, *, heads: int) -> Mapping[str, Pattern]:
    """Every fourth of the depth, a block looks at the whole picture and has longer tables."""
    table: dict[str, Pattern] = {
        "image_encoder.pos_embed": (1, 64, 64, width),
        "image_encoder.patch_embed.proj.weight": (width, 3, 16, 16),
        "image_encoder.neck.0.weight": (256, width, 1, 1),
        "image_encoder.neck.2.weight": (256, 256, 3, 3),
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128),
        "mask_decoder.iou_token.weight": (1, 256),
    }
    for block in range(depth):
        place = f"image_encoder.blocks.{block}."
        reach = 127 if (block + 1) % (depth // 4) == 0 else 27
        table[f"{place}norm1.weight"] = table[f"{place}norm2.weight"] = (width,)
        table[f"{place}attn.rel_pos_h"] = (reach, width // heads)
        table[f"{place}attn.rel_pos_w"] = (reach, width // heads)
        table |= _attention(place, width, mlp=("mlp.lin1", "mlp.lin2"))
    neck: dict[str, Pattern] = {f"image_encoder.neck.{n}.weight": (256,) for n in (1, 3)}
    return table | neck


def _yolo(stem: int, second: tuple[int, int], *, last: str, head: int) -> Mapping[str, Pattern]:
    """First layer, the end of the first block, the last small block in it, the class scores."""
    return {
        "model.0.conv.weight": (stem, 3, 3, 3),
        "model.2.cv2.conv.weight": (*second, 1, 1),
        f"model.2.m.{last}.cv1.conv.weight": (None, None, 3, 3),
        f"model.{head}.cv3.0.2.weight": (None, None, 1, 1),
    }


def _parts(text: str) -> Mapping[str, Pattern]:
    """Read 'features.0=64,3,3,3 classifier.6=?,4096': weights, ? for the number of classes."""
    table: dict[str, Pattern] = {}
    for part in text.split():
        place, _, numbers = part.partition("=")
        table[f"{place}.weight"] = tuple(None if n == "?" else int(n) for n in numbers.split(","))
    return table


def _parts_row(name: str, family: str, text: str) -> ArchitectureRow:
    return ArchitectureRow(name, family, _CLASSIFIER, partial(_parts, text), is_part=True)


_FC = r"fc\.(?:\d+\.)?(?:weight|bias)"
_HEAD = r"head\.(?:\d+\.)?(?:weight|bias)"
_HEADS = r"heads\.(?:head|\d+)\.(?:weight|bias)"
_CLASSIFIER = r"classifier\.(?:\d+\.){0,2}(?:weight|bias)"
_SAM_FREE = ("prompt_encoder.", "mask_decoder.", "pixel_mean", "pixel_std")
_TIMM_FREE = ("dist_token", "head_dist.", "head.", "fc_norm.", "reg_token", "pre_logits.")

_resnet_row = partial(ArchitectureRow, family="ResNet", head=_FC, free=("fc.",))
_rare_row = partial(_resnet_row, is_rare=True)
_timm_row = partial(ArchitectureRow, family=TIMM_VIT, head=_HEAD, free=_TIMM_FREE)
_vision_row = partial(ArchitectureRow, family="ViT (torchvision)", head=_HEADS, free=("heads.",))
_sam_row = partial(ArchitectureRow, family="SAM", head="", free=_SAM_FREE)
_yolo_row = partial(ArchitectureRow, family="YOLO", head=YOLO_HEAD, is_part=True)
_deep = partial(_resnet, is_deep=True)

ROWS: tuple[ArchitectureRow, ...] = (
    _resnet_row("resnet18", build=partial(_resnet, (2, 2, 2, 2))),
    _resnet_row("resnet34", build=partial(_resnet, (3, 4, 6, 3))),
    _resnet_row("resnet50", build=partial(_deep, (3, 4, 6, 3))),
    _resnet_row("resnet101", build=partial(_deep, (3, 4, 23, 3))),
    _resnet_row("resnet152", build=partial(_deep, (3, 8, 36, 3))),
    _rare_row("resnext50_32x4d", build=partial(_deep, (3, 4, 6, 3), base=4, groups=32)),
    _rare_row("resnext101_32x8d", build=partial(_deep, (3, 4, 23, 3), base=8, groups=32)),
    _rare_row("wide_resnet50_2", build=partial(_deep, (3, 4, 6, 3), base=128)),
    _rare_row("wide_resnet101_2", build=partial(_deep, (3, 4, 23, 3), base=128)),
    _sam_row("sam_vit_b", build=partial(_sam, 768, 12, heads=12)),
    _sam_row("sam_vit_l", build=partial(_sam, 1024, 24, heads=16)),
    _sam_row("sam_vit_h", build=partial(_sam, 1280, 32, heads=16)),
    _timm_row("vit_tiny", build=partial(_timm_vit, 192, 12)),
    _timm_row("vit_small", build=partial(_timm_vit, 384, 12)),
    _timm_row("vit_base", build=partial(_timm_vit, 768, 12)),
    _timm_row("vit_large", build=partial(_timm_vit, 1024, 24)),
    _timm_row("vit_huge", build=partial(_timm_vit, 1280, 32)),
    _vision_row("vit_b_16", build=partial(_torchvision_vit, 768, 12, patch=16)),
    _vision_row("vit_b_32", build=partial(_torchvision_vit, 768, 12, patch=32)),
    _vision_row("vit_l_16", build=partial(_torchvision_vit, 1024, 24, patch=16)),
    _vision_row("vit_l_32", build=partial(_torchvision_vit, 1024, 24, patch=32)),
    _vision_row("vit_h_14", build=partial(_torchvision_vit, 1280, 32, patch=14)),
    _yolo_row("yolov8n", build=partial(_yolo, 16, (32, 48), last="0", head=22)),
    _yolo_row("yolov8s", build=partial(_yolo, 32, (64, 96), last="0", head=22)),
    _yolo_row("yolov8m", build=partial(_yolo, 48, (96, 192), last="1", head=22)),
    _yolo_row("yolov8l", build=partial(_yolo, 64, (128, 320), last="2", head=22)),
    _yolo_row("yolov8x", build=partial(_yolo, 80, (160, 400), last="2", head=22)),
    _yolo_row("yolo11n", build=partial(_yolo, 16, (64, 48), last="0", head=23)),
    _yolo_row("yolo11s", build=partial(_yolo, 32, (128, 96), last="0", head=23)),
    _yolo_row("yolo11m", build=partial(_yolo, 64, (256, 192), last="0.m.1", head=23)),
    _yolo_row("yolo11l", build=partial(_yolo, 64, (256, 256), last="1.m.1", head=23)),
    _yolo_row("yolo11x", build=partial(_yolo, 96, (384, 384), last="1.m.1", head=23)),
    _parts_row(
        "vgg16", "VGG",
        "features.0=64,3,3,3 features.28=512,512,3,3 classifier.0=4096,25088 "
        "classifier.6=?,4096",
    ),
    _parts_row(
        "vgg19", "VGG",
        "features.0=64,3,3,3 features.32=512,512,3,3 features.34=512,512,3,3 "
        "classifier.0=4096,25088 classifier.6=?,4096",
    ),
    _parts_row(
        "alexnet", "AlexNet",
        "features.0=64,3,11,11 features.3=192,64,5,5 classifier.1=4096,9216 "
        "classifier.6=?,4096",
    ),
    _parts_row(
        "mobilenet_v2", "MobileNet",
        "features.0.0=32,3,3,3 features.17.conv.3=320 "
        "features.18.0=1280,320,1,1 classifier.1=?,1280",
    ),
    _parts_row(
        "mobilenet_v3_small", "MobileNet",
        "features.0.0=16,3,3,3 features.12.0=576,96,1,1 classifier.0=1024,576 "
        "classifier.3=?,1024",
    ),
    _parts_row(
        "mobilenet_v3_large", "MobileNet",
        "features.0.0=16,3,3,3 features.16.0=960,160,1,1 classifier.0=1280,960 "
        "classifier.3=?,1280",
    ),
    _parts_row(
        "efficientnet_b0", "EfficientNet",
        "features.0.0=32,3,3,3 features.7.0.block.3.1=320 "
        "features.8.0=1280,320,1,1 classifier.1=?,1280",
    ),
    _parts_row(
        "convnext_tiny", "ConvNeXt",
        "features.0.0=96,3,4,4 features.5.8.block.5=384,1536 "
        "features.7.2.block.5=768,3072 classifier.2=?,768",
    ),
    _parts_row(
        "densenet121", "DenseNet",
        "features.conv0=64,3,7,7 "
        "features.denseblock3.denselayer24.conv2=32,128,3,3 "
        "features.denseblock4.denselayer16.conv2=32,128,3,3 classifier=?,1024",
    ),
)  # fmt: skip
