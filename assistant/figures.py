"""The figures that come with the guides: which there are, and what a guide writes to show one.

A guide refers to one as `![what it shows](figures/unet-shapes.svg)`. Only files of the package
`assistant.knowledge` count, so nothing that a guide says makes a page fetch anything else. It
refuses to know how a figure is drawn and who shows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

# "figures/unet-shapes.svg"
ADDRESS = re.compile(r"figures/(?P<name>[a-z][a-z0-9-]{0,40})\.svg")
# "![Shapes through a U-Net](figures/unet-shapes.svg)" on a line of its own
_LINE = re.compile(
    r"^([ \t]{0,20})!\[([^\[\]\n]{0,500})\]\(figures/[a-z0-9-]{1,41}\.svg\)$", re.MULTILINE
)


@cache
def load_figures() -> Mapping[str, bytes]:
    """Return the SVG file of each figure by its name; read once, they are part of the package."""
    folder = resources.files("assistant.knowledge") / "figures"
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".svg"): file.read_bytes()
        for file in folder.iterdir()
        if ADDRESS.fullmatch(f"figures/{file.name}")
    }


def is_figure(address: str) -> bool:
    """Whether an image's address names one of our figures, and nothing else."""
    found = ADDRESS.fullmatch(address)
    return found is not None and found["name"] in load_figures()


def describe_figures(text: str) -> str:
    """Put words in the place of figures: `![A U-Net](figures/x.svg)` becomes [figure: A U-Net]."""
    return _LINE.sub(r"\1[figure: \2]", text)
