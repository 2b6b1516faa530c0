"""SAM's large encoder runs once for each image, its small decoder for each prompt."""

from __future__ import annotations

from tests.figures.svg import MARGIN, WIDTH, arrow, box, figure, labelled, lines, words

PHOTO = (4000, 3000)
SAM_SIDE, SAM_PATCH, SAM_CHANNELS = 1024, 16, 256  # segment_anything/build_sam.py


def scaled(size: tuple[int, int], *, longest: int = SAM_SIDE) -> tuple[int, int]:
    """What SAM's ResizeLongestSide makes of a size."""
    factor = longest / max(size)
    return int(size[0] * factor + 0.5), int(size[1] * factor + 0.5)


def _picture(
    x: float, y: float, *, mask: str = "", clicks: tuple[tuple[int, int], ...] = ()
) -> str:
    """A small landscape, 84 by 63; `mask` paints one part of it, clicks are dots."""
    hill = f"M{x} {y + 63}v-18l26 -24 22 20 12 -8 24 22v8z"
    parts = [
        f'<rect x="{x}" y="{y}" width="84" height="63" fill="#e0f2fe" stroke="#374151"/>',
        f'<path d="{hill}" fill="{"#f97316" if mask == "hill" else "#9ca3af"}"/>',
        f'<circle cx="{x + 64}" cy="{y + 16}" r="9" '
        f'fill="{"#f97316" if mask == "sun" else "#d1d5db"}"/>',
        *(
            f'<circle cx="{x + dx}" cy="{y + dy}" r="5" fill="#be123c" stroke="#fff" '
            'stroke-width="1.6"/>'
            for dx, dy in clicks
        ),
    ]
    return "".join(parts)


def sam_encode_once() -> str:
    small = scaled(PHOTO)
    side = SAM_SIDE // SAM_PATCH
    mib = SAM_CHANNELS * side * side * 4 / 2**20
    features = f"{SAM_CHANNELS} × {side} × {side}"
    inner = WIDTH - 2 * MARGIN
    parts = [
        words(MARGIN, 30, "SAM: encode once, click often", "h"),
        box(MARGIN, 44, inner, 152, "blue", corner=8),
        words(28, 66, "Once for each image: set_image()", "b"),
        _picture(28, 80),
        lines(28, 162, (f"{PHOTO[0]} × {PHOTO[1]}", f"→ {small[0]} × {small[1]}"), "s"),
        arrow(118, 112, 140, 112),
        labelled(144, 80, 148, 63, "image encoder", "~630 M weights", look="grey"),
        lines(146, 162, ("slow part: 0.15 s", "on an A100 (Meta)"), "s"),
        arrow(296, 112, 318, 112),
        labelled(322, 80, 128, 63, "features", features, look="yellow"),
        lines(324, 162, (f"{mib:g} MiB, kept;", "can be saved"), "s"),
        arrow(386, 200, 386, 234),
        box(MARGIN, 238, inner, 170, "green", corner=8),
        words(28, 260, "For each prompt: predict()", "b"),
        _picture(28, 274, clicks=((64, 16), (22, 50))),
        lines(28, 356, ("points, boxes,", "rough masks;", "no text"), "s"),
        arrow(118, 306, 140, 306),
        labelled(144, 274, 148, 63, "mask decoder", "~4 M weights", look="grey"),
        lines(146, 356, ("quick part: 0.05 s", "on a CPU, in a", "browser (Meta)"), "s"),
        arrow(296, 306, 318, 306),
        _picture(322, 270, mask="sun"),
        _picture(350, 284, mask="hill"),
        lines(322, 368, ("masks, back at", f"{PHOTO[0]} × {PHOTO[1]}"), "s"),
        words(MARGIN, 430, "The features do not depend on the prompt: a click is quick."),
    ]
    return figure(
        *parts,
        name="sam-encode-once",
        title="SAM: encode once, click often",
        summary=f"set_image scales the photo to a long side of {SAM_SIDE} pixels and runs the "
        f"large image encoder once; its features, {features} or {mib:g} MiB, are kept. Each "
        "prompt runs only the small mask decoder on them.",
        height=446,
    )
