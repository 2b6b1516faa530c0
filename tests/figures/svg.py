"""The pencil for our figures: shapes and words as SVG elements, on a white card.

Every function returns a string; nothing is written. It refuses to know what a figure shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

WIDTH = 480  # a chat column on a phone shows it at about 0.8 of this
MARGIN = 16

STYLE = (
    "text{font-family:system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:14px;"
    "fill:#1f2328}"
    ".h{font-size:17px;font-weight:600}.b{font-weight:600}"
    ".s{font-size:13px;fill:#4b5563}"
    ".line{stroke:#374151;stroke-width:1.6;fill:none}.head{fill:#374151}"
    ".dash{stroke-dasharray:5 4}"
    ".blue{fill:#dbeafe;stroke:#1d4ed8}.green{fill:#d1fae5;stroke:#047857}"
    ".orange{fill:#ffedd5;stroke:#c2410c}.grey{fill:#f3f4f6;stroke:#6b7280}"
    ".yellow{fill:#fef9c3;stroke:#a16207}"
)


def figure(*parts: str, name: str, title: str, summary: str, height: int) -> str:
    """A whole SVG file; `title` and `summary` are what a screen reader says."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(summary)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="10" '
            'fill="#fff" stroke="#d0d7de"/>',
            *parts,
            "</svg>",
            "",
        )
    )


def words(x: float, y: float, text: str, look: str = "", *, anchor: str = "start") -> str:
    """One line of text, its baseline at `y`."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    style = f' class="{look}"' if look else ""
    return f'<text x="{x:g}" y="{y:g}"{where}{style}>{escape(text)}</text>'


def lines(x: float, y: float, texts: Iterable[str], look: str = "", *, step: int = 18) -> str:
    """Several lines of text, one below the other."""
    return "\n".join(words(x, y + step * row, text, look) for row, text in enumerate(texts))


def box(x: float, y: float, width: float, height: float, look: str, *, corner: int = 5) -> str:
    """A rectangle; `look` names its colours."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner}" '
        f'class="{look}"/>'
    )


def labelled(
    x: float, y: float, width: float, height: float, *texts: str, look: str, bold: bool = True
) -> str:
    """A rectangle with centred lines of text; the first one is bold."""
    first = y + height / 2 + 5 - 9 * (len(texts) - 1)
    rows = [
        words(x + width / 2, first + 18 * row, text, _line_look(row, bold), anchor="middle")
        for row, text in enumerate(texts)
    ]
    return "\n".join([box(x, y, width, height, look), *rows])


def arrow(x1: float, y1: float, x2: float, y2: float, *, dashed: bool = False) -> str:
    """A level or upright line with a head at its second end."""
    look = "line dash" if dashed else "line"
    line = f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" class="{look}"/>'
    if x1 == x2:
        back = -8 if y2 > y1 else 8
        tip = f"M{x2:g} {y2:g}l-4.5 {back}h9z"
    else:
        back = -8 if x2 > x1 else 8
        tip = f"M{x2:g} {y2:g}l{back} -4.5v9z"
    return f'{line}<path d="{tip}" class="head"/>'


def shape(path: str, look: str) -> str:
    """Any outline."""
    return f'<path d="{path}" class="{look}"/>'


def dot(x: float, y: float, radius: float, look: str) -> str:
    """A filled circle."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{look}"/>'


def _line_look(row: int, bold: bool) -> str:
    return ("b" if bold else "") if row == 0 else "s"
