"""Recorded documents of three machines, restated by us, and a way to change one value of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "data" / "probes"

Change = tuple[str, Any]  # ("torch.version", "2.9.1+cpu"); a number in the path indexes a list


def load_row(machine: str, row: str, *changes: Change) -> dict[str, Any]:
    section = json.loads((DATA / f"{machine}.json").read_text())["rows"][row]
    section = {**copy.deepcopy(section), "own": True, "known": True}
    for path, value in changes:
        *above, last = path.split(".")
        place = section
        for name in above:
            place = place[int(name)] if isinstance(place, list) else place[name]
        place[int(last) if isinstance(place, list) else last] = value
    return section


@pytest.fixture(name="load_row")
def provide_load_row() -> Callable[..., dict[str, Any]]:
    return load_row
