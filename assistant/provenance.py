"""What an entry rests on, in words: when and with what it was last proven, and what differs here.

It refuses to know how an entry is verified, how a machine is looked at, and how the words are
shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata

from assistant.types import Entry, Finding
from assistant.verified import Verified, blocks_digest, find_differences

_SHOWN = 4  # packages of a verification
# "2.14.1+cpu (CPU-only build) from /usr/lib/…": what a row says of a package
_VERSION = re.compile(r"\d[\w.+!-]{0,40}")
# import names that rows use, and the names under which packages are installed
_DISTRIBUTIONS = {
    "cv2": ("opencv-python", "opencv-python-headless"),
    "segment_anything": ("segment-anything",),
}


def describe_proof(entry: Entry, verified: Mapping[str, Verified]) -> str:
    """When and with what the entry was last proven, or why it never was; '' if nothing is known.

    What was verified counts only for the very code that the entry holds now.
    """
    row = _row_of(entry, verified)
    if row is not None:
        packages = [f"{name} {version}" for name, version in row.packages.items()]
        used = ", ".join([*packages[:_SHOWN], f"Python {row.python}"])
        return f"Reproduced and fixed on {row.date} with {used} ({row.machine})."
    if entry.unproven:
        return f"Its error was not reproduced. {entry.unproven}"
    needs = dict.fromkeys(need for block in entry.proof for need in block.terms.needs)
    if entry.proof:
        wanted = f"; its code needs: {', '.join(needs)}" if needs else ""
        return f"Not yet proven by running it{wanted}."
    return ""


def find_other_versions(
    entry: Entry,
    verified: Mapping[str, Verified],
    findings: Sequence[Finding],
    own: Iterable[str] = (),
) -> str:
    """Say which packages have another major version than those verified; '' if none has.

    Versions come from what a probe found in the learner's Python, else from our own one for the
    names in `own`: give them only where ours is the one in question.
    """
    row = _row_of(entry, verified)
    if row is None:
        return ""
    installed = installed_versions(findings) or own_versions(own)
    other = find_differences(row, installed)
    return (
        f"Other versions than this entry was verified with: {'; '.join(other)}. Messages and "
        "fixes may differ."
        if other
        else ""
    )


def installed_versions(findings: Iterable[Finding]) -> dict[str, str]:
    """Versions by package that the last look at the learner's Python found.

    A finding without clues is of another Python, or decides nothing.
    """
    found: dict[str, str] = {}
    for finding in findings:
        if finding.id != "packages" or not finding.clues:
            continue
        for name, said in finding.facts:
            if version := _VERSION.match(said):
                found |= dict.fromkeys(_DISTRIBUTIONS.get(name, (name,)), version[0])
    return found


def _row_of(entry: Entry, verified: Mapping[str, Verified]) -> Verified | None:
    """What is known of the code that the entry holds now."""
    row = verified.get(entry.id) if entry.proof else None
    return row if row is not None and row.blocks == blocks_digest(entry) else None


def own_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of these packages in our own Python; those that are not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
