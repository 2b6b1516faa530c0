"""Which of the discovered environments a question is about; never silently our own.

It refuses to know how environments are found, and what is run in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from assistant.types import Target

# /tmp/ipykernel_4711/1234567.py: a cell of the kernel with this process number
_CELL = re.compile(r"(?:^|/)ipykernel_(\d{1,9})/")
# /home/ada/cv/lib/python3.12/site-packages/timm/…: what stands before /lib is the prefix
_LIBRARY = re.compile(r"^(/.{0,500}?)/lib(?:64|/python3)?/(?:python3|dist-packages)")


def choose_target(paths: Sequence[str], targets: Sequence[Target]) -> Target | None:
    """Return the target whose Python holds the paths, else the only running kernel, else None.

    `paths` are file names of a traceback's frames. A cell's file names its kernel's process; a
    library's file lies below its interpreter's prefix. Of several with the same interpreter a
    running kernel goes first, our own Python last.
    """
    cells = {int(found[1]) for path in paths for found in [_CELL.search(path)] if found}
    running = [target for target in targets if target.pid]
    for target in running:
        if target.pid in cells:
            return target
    prefixes = [prefix for path in paths if (prefix := _prefix_of(path))]
    holding = [target for target in targets if _prefix(target) and _prefix(target) in prefixes]
    holding.sort(key=lambda target: (_rank(target, prefixes), not target.pid, target.kind == "own"))
    if holding:
        return holding[0]
    return _only(running)


def default_target(targets: Sequence[Target]) -> Target | None:
    """Return the one that is looked at when nobody chose: the only running kernel or, without
    any, the operator's only target; else our own, which its label says."""
    running = [target for target in targets if target.pid]
    listed = [target for target in targets if target.kind in ("interpreter", "container")]
    if only := _only(running):
        return only
    if not running and len(listed) == 1:
        return listed[0]
    return next((target for target in targets if target.kind == "own"), None)


def _only(running: Sequence[Target]) -> Target | None:
    """The only running kernel; several of one Python in one folder are one environment."""
    places = {(target.argv, target.folder) for target in running}
    return running[0] if len(places) == 1 else None


def _prefix_of(path: str) -> str:
    """The prefix of the interpreter that a library's file belongs to, '' if it is no library's.

    Debian's Python keeps what pip installs for all below /usr/local, in NVIDIA's containers too.
    """
    found = _LIBRARY.match(path)
    if found is None:
        return ""
    return "/usr" if found[1] == "/usr/local" and "/dist-packages/" in path else found[1]


def _prefix(target: Target) -> str:
    """/home/ada/cv/bin/python belongs to /home/ada/cv; /bin is a link to /usr/bin."""
    if target.kind == "container":
        return ""
    folder = os.path.dirname(os.path.dirname(target.argv[0]))
    return "/usr" if folder == "/" else folder


def _rank(target: Target, prefixes: Sequence[str]) -> int:
    """Fewer is better: the prefix that holds most of the frames, as a negative count."""
    return -prefixes.count(_prefix(target))
