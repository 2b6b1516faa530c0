"""Shapes through a U-Net, from layers that are run."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import nn

from tests.figures.svg import MARGIN, WIDTH, arrow, box, figure, labelled, words

ODD = 500  # pixels that cannot be halved four times
# "Sizes of tensors must match except in dimension 1. Expected size 125 but got size 124 for …"
MISFIT = re.compile(r"(?:Expected|got) size (\d+)")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a U-Net: its own channels, its side in pixels, channels after joining."""

    channels: int
    side: int
    joined: int = 0


def run_unet(side: int, *, channels: int = 64, depth: int = 4) -> list[Level]:
    """Run a U-Net's layers on a shape; return its levels, the bottom one last.

    Raises torch's own RuntimeError where a skip connection does not fit.
    """
    here = torch.empty(1, 3, side, side, device="meta")
    kept: list[torch.Tensor] = []
    for level in range(depth + 1):
        wide = channels << level
        here = nn.Conv2d(here.shape[1], wide, 3, padding=1, device="meta")(here)
        kept.append(here)
        here = nn.MaxPool2d(2)(here) if level < depth else here
    levels = [Level(here.shape[1], here.shape[2])]
    for skip in reversed(kept[:-1]):
        wide = skip.shape[1]
        here = nn.ConvTranspose2d(2 * wide, wide, 2, stride=2, device="meta")(here)
        joined = join(skip, here)
        levels.insert(0, Level(here.shape[1], here.shape[2], joined))
    return levels


def join(skip: torch.Tensor, here: torch.Tensor) -> int:
    """Channels after joining; torch compares the sizes (with one real channel each)."""
    torch.cat([torch.empty(1, 1, *one.shape[2:]) for one in (skip, here)], dim=1)
    return skip.shape[1] + here.shape[1]


def find_misfit(side: int) -> tuple[int, int]:
    """The sizes of a skip and of the way up that torch refuses to join."""
    try:
        run_unet(side)
    except RuntimeError as error:
        kept, doubled = map(int, MISFIT.findall(str(error)))
        return kept, doubled
    raise AssertionError(f"{side} pixels fit")


def unet_shapes() -> str:
    levels = run_unet(256)
    depth = len(levels) - 1
    kept, doubled = find_misfit(ODD)
    down = [ODD >> level for level in range(depth + 1)]
    wide, high, top, step, inset = 134, 28, 82, 48, 6
    parts = [
        words(MARGIN, 30, "Shapes through a U-Net", "h"),
        words(MARGIN, 50, "channels × height × width", "s"),
        words(MARGIN, 74, f"in: 3 × {levels[0].side} × {levels[0].side}", "s"),
        words(WIDTH - MARGIN, 74, f"out: classes × {levels[0].side}²", "s", anchor="end"),
    ]
    for row, level in enumerate(levels[:-1]):
        left, y = MARGIN + inset * row, top + step * row
        right = WIDTH - left - wide
        label = f"{level.channels} × {level.side} × {level.side}"
        joined = f"{level.channels} + {level.channels} = {level.joined}"
        parts += [
            labelled(left, y, wide, high, label, look="blue", bold=False),
            labelled(right, y, wide, high, label, look="green", bold=False),
            arrow(left + wide + 4, y + 18, right - 4, y + 18, dashed=True),
            words(
                WIDTH / 2, y + 12, f"skip: {joined}" if row == 0 else joined, "s", anchor="middle"
            ),
            arrow(left + 44, y + high + 2, left + 44, y + step - 3),
            arrow(right + wide - 44, y + step - 3, right + wide - 44, y + high + 3),
        ]
    bottom, y = levels[-1], top + step * depth
    side = MARGIN + inset * depth
    label = f"{bottom.channels} × {bottom.side} × {bottom.side}"
    low = y + high + 24
    parts += [
        labelled(side, y, WIDTH - 2 * side, high, label, look="grey", bold=False),
        words(MARGIN, low, "↓ MaxPool2d(2) halves height and width", "s"),
        words(MARGIN, low + 18, "↑ ConvTranspose2d(…, 2, stride=2) doubles them", "s"),
        words(
            MARGIN, low + 36, "⇢ skip: joined along the channels; height and width must agree", "s"
        ),
        box(MARGIN, low + 48, WIDTH - 2 * MARGIN, 66, "yellow"),
        words(MARGIN + 10, low + 68, f"With {ODD} pixels they do not:", "b"),
        words(
            MARGIN + 10,
            low + 87,
            f"{' → '.join(map(str, down))}, then {doubled // 2} → {doubled} meets {kept}.",
        ),
        words(MARGIN + 10, low + 106, f"Pad to a multiple of {2**depth} ({depth} times halved)."),
    ]
    return figure(
        *parts,
        name="unet-shapes",
        title="Shapes through a U-Net",
        summary=f"A picture of {levels[0].side} pixels is halved {depth} times down to "
        f"{bottom.side} and doubled again; each level joins the channels of both ways. "
        f"{ODD} pixels do not fit: {doubled} meets {kept}.",
        height=int(low + 128),
    )
