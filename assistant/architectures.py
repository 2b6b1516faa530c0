"""Which network a table of weight names and shapes belongs to, and how many classes it tells apart.

The shapes of a whole checkpoint tell it, and often so do the few that an error message lists:
`fc.weight` of (10, 512) is the head of a resnet18 or a resnet34 with 10 classes. The networks are
rows (architecture_rows.py).

It refuses to know where the shapes come from, and loads nothing: names and numbers in, names out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from assistant.architecture_rows import ROWS, TIMM_VIT, YOLO_HEAD, ArchitectureRow, Pattern

Shape = tuple[int, ...]

WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and of torch.compile


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the shapes show.

    `names` are all networks that fit, the most likely first; `family` is what they have in common,
    '' if nothing.
    `classes` is the number of outputs of the last layer, None where it does not show. `prefix` is
    what stands before every name ('module.', 'backbone.', …), '' if nothing. `unusual` are names
    whose shape differs from the original network, as after an exchange of the first layer.
    """

    names: tuple[str, ...]
    family: str
    classes: int | None = None
    prefix: str = ""
    unusual: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """E.g. 'resnet18 or resnet34 with 10 classes'."""
        shown = self.names if len(self.names) <= 4 else (*self.names[:3], "a similar one")
        several = " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
        return several if self.classes is None else f"{several} with {self.classes} classes"


def recognise(shapes: Mapping[str, Shape], *, complete: bool = False) -> Architecture | None:
    """Return the network that `shapes` (name to dimensions) belong to, None if none is known.

    A shape of () is one that was not said: then only the name counts. `complete` says that these
    are all weights there are, so that what is absent counts too. At most 5000 names are looked at.
    """
    given = dict(islice(shapes.items(), _MOST_NAMES))
    fits = [fit for fit in _iter_fits(given) if fit.is_convincing(complete=complete)]
    if not fits:
        return _recognise_kind(given) if complete else None
    common = [fit for fit in fits if not fit.row.is_rare] or fits
    best = max(fit.rank(complete=complete) for fit in common)
    equal = [fit for fit in common if fit.rank(complete=complete) == best]
    return _describe(sorted(equal, key=lambda fit: fit.missing), given, complete=complete)


def recognise_pair(
    saved: Mapping[str, Shape], wanted: Mapping[str, Shape]
) -> tuple[Architecture | None, Architecture | None]:
    """Return the networks of a file and of the model that it was loaded into, as the error tells.

    `saved` are the weights that are unexpected or of another shape, `wanted` those that are missing
    or of another shape. An error lists all of them, so what it does not list both sides share.
    """
    file, model = recognise(saved), recognise(wanted)
    if file is None or model is None or file.prefix or model.prefix:
        return file, model
    rows = {row.name: row for row in ROWS}
    pairs = [
        (one, other)
        for one in file.names
        for other in model.names
        if one in rows and other in rows and _explains(rows[one], rows[other], saved, wanted)
    ]
    if not pairs:
        return file, model
    ones, others = zip(*pairs, strict=True)
    return (
        replace(file, names=tuple(dict.fromkeys(ones))),
        replace(model, names=tuple(dict.fromkeys(others))),
    )


def strip_wrappers(name: str) -> tuple[str, str]:
    """Split 'module._orig_mod.fc.weight' into ('module._orig_mod.', 'fc.weight')."""
    rest = name
    while rest.startswith(WRAPPERS):
        rest = rest.partition(".")[2]
    return name[: len(name) - len(rest)], rest


def is_same(found: Architecture, wanted: str) -> bool:
    """Whether `wanted` (a name of `names()`) may be the network that was found."""
    return any(name == wanted or name.startswith(f"{wanted}_patch") for name in found.names)


def names() -> tuple[str, ...]:
    """Return the names of all networks that can be told."""
    return tuple(row.name for row in ROWS)


def _explains(
    file: ArchitectureRow,
    model: ArchitectureRow,
    saved: Mapping[str, Shape],
    wanted: Mapping[str, Shape],
) -> bool:
    """Whether loading the one network into the other lists exactly these weights."""
    one, other = _table(file), _table(model)
    changed = {name for name in one.keys() & other.keys() if one[name] != other[name]}
    lost, new = (other.keys() - one.keys()) | changed, (one.keys() - other.keys()) | changed
    known = one.keys() | other.keys()
    heads = {name for name in known if saved.get(name) and wanted.get(name)}
    return (wanted.keys() & known) - heads == lost - heads and (
        saved.keys() & known
    ) - heads == new - heads


# --- comparing -----------------------------------------------------------------------------------

_MOST_NAMES = 5000
_MOST_PREFIXES = 6
# head.weight, classifier.4.weight, roi_heads.box_predictor.cls_score.weight, model.fc.1.weight
_LAST_NAME = re.compile(
    r"(?:^|[._])(?:fc|heads?|classifier|cls_score|mask_fcn_logits|out|output|linear)"
    r"\d?(?:\.\d{1,2})?\.weight$"
)
_CONVINCING = 0.8  # share of a network's weights that must be there, in its shape


@dataclass(frozen=True, slots=True)
class _Fit:
    """How far the given shapes go with one row behind one prefix."""

    row: ArchitectureRow
    prefix: str
    agree: int  # names and shapes as in the row
    telling: int  # of these, the ones that not every network has
    different: tuple[str, ...]  # known names in other shapes
    foreign: int  # names that the row does not know
    missing: int  # weights of the row that were not given

    def is_convincing(self, *, complete: bool) -> bool:
        """Of a whole checkpoint most must be there; of a few names none may contradict."""
        if not complete:
            return self.telling > 0 and not self.different and self.foreign <= self.agree
        size = len(_table(self.row))
        there = size - self.missing - len(self.different)
        return self.telling > 0 and there >= _CONVINCING * size

    def rank(self, *, complete: bool) -> tuple[int, int, int]:
        """The larger the better; of two equal ones the shorter prefix is the likelier."""
        if not complete:
            return -self.foreign, self.agree, -len(self.prefix)
        balance = self.agree - len(self.different) - self.foreign - self.missing
        return balance, self.agree, -len(self.prefix)


def _iter_fits(given: Mapping[str, Shape]) -> Iterable[_Fit]:
    for prefix in _find_prefixes(given):
        inside = {
            _current(name[len(prefix) :]): shape
            for name, shape in given.items()
            if name.startswith(prefix)
        }
        for row in ROWS:
            yield _compare(row, inside, prefix=prefix, outside=len(given) - len(inside))


def _compare(
    row: ArchitectureRow, inside: Mapping[str, Shape], *, prefix: str, outside: int
) -> _Fit:
    table = _expand(row)
    agree = telling = 0
    foreign = outside
    different = []
    for name, shape in inside.items():
        wanted = table.get(name)
        if wanted is None:
            foreign += not name.startswith(row.free or ("\0",))
        elif _is_like(shape, wanted):
            agree += 1
            telling += _is_telling(name, shape, wanted)
        else:
            different.append(name)
    missing = sum(name not in inside for name in _table(row))
    if row.is_part:
        foreign = outside  # it knows only some of its names
    return _Fit(row, prefix, agree, telling, tuple(different), foreign, missing)


def _is_like(shape: Shape, wanted: Pattern) -> bool:
    if not shape:
        return True
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(w is None or s == w for s, w in pairs)


def _is_telling(name: str, shape: Shape, wanted: Pattern) -> bool:
    """A bias of any length, or a bare 'fc.weight', says nothing; 'layer3.22.bn1.bias' does."""
    has_number = len(shape) > 1 and any(number is not None for number in wanted)
    return has_number or name.count(".") > 1


def _find_prefixes(given: Mapping[str, Shape]) -> list[str]:
    """Return '' and the beginnings that many names share, such as 'module.backbone.'."""
    counts: Counter[str] = Counter()
    for name in given:
        parts = name.split(".")
        counts.update(".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), 5)))
    shared = [prefix for prefix, count in counts.most_common() if count >= 0.4 * len(given)]
    return ["", *shared[:_MOST_PREFIXES]]


def _current(name: str) -> str:
    """Names as torchvision gives them now: its older ViT files say mlp.linear_1."""
    return name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3.")


def _describe(fits: list[_Fit], given: Mapping[str, Shape], *, complete: bool) -> Architecture:
    best = fits[0]
    families = {fit.row.family for fit in fits}
    inside = {_current(name[len(best.prefix) :]): given[name] for name in given
              if name.startswith(best.prefix)}  # fmt: skip
    found = Architecture(
        names=tuple(_complete_name(fit.row, inside) for fit in fits),
        family=families.pop() if len(families) == 1 else "",
        classes=_count_classes(inside, best.row.head),
        prefix=best.prefix,
        unusual=best.different,
    )
    if found.classes is None and complete and best.row.head:
        return replace(found, classes=_count_last(given))
    return found


def _count_classes(shapes: Mapping[str, Shape], head: str) -> int | None:
    """Return the outputs of the last weight or bias that `head` finds."""
    pattern = _compile(head)
    found = [shape[0] for name, shape in shapes.items() if pattern.fullmatch(name) and shape]
    return found[-1] if found and head else None


def _count_last(shapes: Mapping[str, Shape]) -> int | None:
    """Return the outputs of the last layer that is named like one; boxes are no classes."""
    found = [
        shape[0]
        for name, shape in shapes.items()
        if _LAST_NAME.search(name) and len(shape) in (2, 4)
    ]
    return found[-1] if found else None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _table(row: ArchitectureRow) -> Mapping[str, Pattern]:
    return row.build()


@cache
def _expand(row: ArchitectureRow) -> Mapping[str, Pattern]:
    """Add what follows from the weights: biases, and the statistics of normalisation layers."""
    table: dict[str, Pattern] = {}
    for name, shape in _table(row).items():
        table[name] = shape
        place, dot, last = name.rpartition(".")
        if last != "weight":
            continue
        table[f"{place}{dot}bias"] = shape[:1]
        if len(shape) == 1:
            table[f"{place}{dot}running_mean"] = table[f"{place}{dot}running_var"] = shape
            table[f"{place}{dot}num_batches_tracked"] = ()
    return table


def _complete_name(row: ArchitectureRow, shapes: Mapping[str, Shape]) -> str:
    """timm's names end in patch and picture size: vit_base → vit_base_patch16_224."""
    patch = shapes.get("patch_embed.proj.weight", ())
    places = shapes.get("pos_embed", ())
    if row.family != TIMM_VIT or len(patch) != 4:
        return row.name
    name = f"{row.name}_patch{patch[3]}"
    side = round((places[1] - 1) ** 0.5) if len(places) == 3 else 0
    return f"{name}_{side * patch[3]}" if side else name


# --- kinds of networks that are known by their build only ----------------------------------------

# model.22.dfl.conv.weight, model.9.cv1.conv.weight
_YOLO_NAME = re.compile(r"(?:model\.)?\d{1,2}\.(?:m\.[\d.]{1,8})?(?:cv\d|dfl|conv)\b")
# up1.conv.weight, decoder.0.weight, downs.2.conv.0.weight, enc1.0.weight
_DECODER_NAME = re.compile(r"(?:^|[._])(?:up|ups|dec|decoder|upconv|upsample)\w{0,12}\.")
_ENCODER_NAME = re.compile(r"(?:^|[._])(?:down|downs|enc|encoder|inc)\w{0,12}\.")


def _recognise_kind(given: Mapping[str, Shape]) -> Architecture | None:
    """Return a U-Net or a YOLO of unknown size, None if it is neither."""
    if sum(bool(_YOLO_NAME.search(name)) for name in given) > 0.5 * len(given):
        return Architecture(("yolo",), "YOLO", _count_classes(given, YOLO_HEAD))
    kernels = [shape for shape in given.values() if len(shape) == 4]
    goes_down = any(_ENCODER_NAME.search(name) for name in given)
    goes_up = any(_DECODER_NAME.search(name) for name in given)
    if len(kernels) >= 6 and goes_up and (goes_down or kernels[-1][2:] == (1, 1)):
        last = kernels[-1]
        return Architecture(("unet",), "U-Net", last[0] if last[2:] == (1, 1) else None)
    return None
