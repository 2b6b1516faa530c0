"""Draws the guides' figures into knowledge/figures/, or checks that they are up to date.

    python -m tests.docs_figures           write
    python -m tests.docs_figures --check   fail (exit 1) if something has changed

Shapes come from layers that are run (without data, on torch's device "meta"), scores from masks
that are counted; only what others have measured is typed, with its source beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.figures.memory import unified_memory
from tests.figures.sam import sam_encode_once
from tests.figures.scores import iou_and_dice
from tests.figures.unet import unet_shapes

FOLDER = Path(__file__).parents[1] / "knowledge" / "figures"
FIGURES: dict[str, Callable[[], str]] = {
    "unet-shapes": unet_shapes,
    "iou-and-dice": iou_and_dice,
    "sam-encode-once": sam_encode_once,
    "unified-memory": unified_memory,
}


def find_stale() -> dict[Path, str]:
    """Figures that are missing or differ from what would be drawn now, with their new text."""
    drawn = {FOLDER / f"{name}.svg": draw() for name, draw in FIGURES.items()}
    return {
        path: text
        for path, text in drawn.items()
        if not path.exists() or path.read_text("utf-8") != text
    }


def main() -> int:
    stale = find_stale()
    if "--check" in sys.argv:
        if stale:
            names = ", ".join(path.name for path in stale)
            print(f"Out of date in knowledge/figures: {names}. Run: make docs")
        return int(bool(stale))
    FOLDER.mkdir(exist_ok=True)
    for path, text in stale.items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
