"""The probe code as one text for `python -c`. It refuses to know what the code does.

The first line takes the current folder off the path before anything is imported, so that no file
that lies there can run in place of a standard module. Then come the files of `inside/` that the
rows need, and what those say they need, each once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

FIRST_LINE = "import sys; sys.path[:] = [entry for entry in sys.path if entry not in ('', '.')]"
MAX_BYTES = 128 * 1024  # Linux takes no longer argument
_LAST_LINE = "main(sys.argv[1])"

#     from assistant.probes.inside.nvml import read_nvml
_NEEDED = re.compile(r"^    from assistant\.probes\.inside\.(\w+) import", re.MULTILINE)


def probe_source(rows: Sequence[str]) -> str:
    """Return the code that collects these rows (ids) in a target's interpreter."""
    parts = dict.fromkeys(["shared"])
    for row in rows:
        parts |= dict.fromkeys(_parts_of(row.replace("-", "_")))
    return "\n".join([FIRST_LINE, *map(_read, parts), _LAST_LINE, ""])


@cache
def _parts_of(name: str) -> tuple[str, ...]:
    """The names of the files that one file needs, before its own."""
    needed = [part for name in _NEEDED.findall(_read(name)) for part in _parts_of(name)]
    return tuple(dict.fromkeys([*needed, name]))


@cache
def _read(name: str) -> str:
    return resources.files("assistant.probes.inside").joinpath(f"{name}.py").read_text("utf-8")
