"""IoU and Dice of two masks, counted cell by cell."""

from __future__ import annotations

import math

from tests.figures.svg import MARGIN, figure, words

Cells = frozenset[tuple[int, int]]
COLUMNS, ROWS, CELL = 28, 13, 16


def disc(column: float, row: float, radius: float) -> Cells:
    """The cells whose centres lie in a circle."""
    return frozenset(
        (x, y)
        for x in range(COLUMNS)
        for y in range(ROWS)
        if math.hypot(x + 0.5 - column, y + 0.5 - row) <= radius
    )


def outline(cells: Cells, *, left: float, top: float) -> str:
    """A path of one rectangle for each run of cells in a row."""
    runs = []
    for y in range(ROWS):
        for x in range(COLUMNS):
            if (x, y) in cells and (x - 1, y) not in cells:
                end = next(n for n in range(x, COLUMNS + 1) if (n, y) not in cells)
                long = (end - x) * CELL
                runs.append(f"M{left + x * CELL:g} {top + y * CELL:g}h{long}v{CELL}h-{long}z")
    return "".join(runs)


def grid(*, left: float, top: float) -> str:
    across = "".join(f"M{left:g} {top + y * CELL:g}h{COLUMNS * CELL}" for y in range(ROWS + 1))
    upright = "".join(f"M{left + x * CELL:g} {top:g}v{ROWS * CELL}" for x in range(COLUMNS + 1))
    return f'<path d="{across}{upright}" stroke="#fff" stroke-width="1.4" fill="none"/>'


def iou_and_dice() -> str:
    truth, guess = disc(11.5, 6.5, 5.8), disc(16.0, 7.0, 5.2)
    both, either = truth & guess, truth | guess
    iou, dice = len(both) / len(either), 2 * len(both) / (len(truth) + len(guess))
    assert math.isclose(dice, 2 * iou / (1 + iou))
    top = 44
    low = top + ROWS * CELL + 16
    fills = ((truth - guess, "#93c5fd"), (guess - truth, "#fdba74"), (both, "#047857"))
    only = (len(truth - guess), len(both), len(guess - truth))
    parts = [
        words(MARGIN, 30, "IoU and Dice, counted in pixels", "h"),
        f'<rect x="{MARGIN}" y="{top}" width="{COLUMNS * CELL}" height="{ROWS * CELL}" '
        'fill="#f3f4f6"/>',
        *(
            f'<path d="{outline(cells, left=MARGIN, top=top)}" fill="{colour}"/>'
            for cells, colour in fills
        ),
        grid(left=MARGIN, top=top),
        *_legend(low, only),
        words(MARGIN, low + 48, "IoU", "b"),
        words(
            70, low + 48, f"= both / everything coloured = {len(both)} / {len(either)} = {iou:.2f}"
        ),
        words(MARGIN, low + 72, "Dice", "b"),
        words(
            70,
            low + 72,
            f"= 2 × both / (truth + prediction) = {2 * len(both)} / {len(truth) + len(guess)} "
            f"= {dice:.2f}",
        ),
        words(
            MARGIN,
            low + 96,
            "Same masks, two scales: Dice = 2 × IoU / (1 + IoU), so it is higher.",
            "s",
        ),
    ]
    return figure(
        *parts,
        name="iou-and-dice",
        title="IoU and Dice, counted in pixels",
        summary=f"The true mask has {len(truth)} pixels, the predicted one {len(guess)}, "
        f"{len(both)} lie in both. IoU is {len(both)} / {len(either)} = {iou:.2f}, "
        f"Dice is {2 * len(both)} / {len(truth) + len(guess)} = {dice:.2f}.",
        height=int(low + 112),
    )


def _legend(y: float, counts: tuple[int, int, int]) -> list[str]:
    names = ("only truth", "both", "only predicted")
    parts = []
    for x, name, colour, count in zip(
        (MARGIN, 170, 290), names, ("#93c5fd", "#047857", "#fdba74"), counts, strict=True
    ):
        parts.append(f'<rect x="{x}" y="{y}" width="16" height="16" fill="{colour}"/>')
        parts.append(words(x + 24, y + 13, f"{name}: {count}"))
    return parts
