"""The probe code as one text for `python -c`. It refuses to know what the code does.

The first line takes the current folder off the path before anything is imported, so that no file
that lies there can run in place of a standard module.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

FIRST_LINE = "import sys; sys.path[:] = [entry for entry in sys.path if entry not in ('', '.')]"
MAX_BYTES = 128 * 1024  # Linux takes no longer argument


@cache
def probe_source() -> str:
    """Return the code for a target's interpreter."""
    package = resources.files("assistant.probes")
    parts = [package.joinpath(name).read_text("utf-8") for name in ("nvml.py", "collect.py")]
    return "\n".join([FIRST_LINE, *parts, "main(sys.argv[1])", ""])
