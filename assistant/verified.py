"""What is known of an entry's last verification: versions, date, machine, the message it gave.

Written by `assistant verify --write` into `knowledge/verified.json`, never by hand; outside the
guides' fingerprint. It refuses to know how an entry is verified.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from itertools import zip_longest
from pathlib import Path

from assistant.files import write_atomically
from assistant.types import Entry


@dataclass(frozen=True, slots=True)
class Verified:
    """When, where and with what an entry was last reproduced and fixed.

    `packages` are versions by name, `machine` an architecture such as aarch64, `blocks` the digest
    of the code that was run, `says` the messages that it gave, a line for each.
    """

    date: str
    machine: str
    python: str
    packages: Mapping[str, str]
    blocks: str
    says: str = ""


def verified_file() -> Path:
    """The shipped file, which need not exist."""
    return Path(str(resources.files("assistant.knowledge"))) / "verified.json"


def load_verified(path: Path | None = None) -> Mapping[str, Verified]:
    """By entry id; {} where nothing is known or the file is broken: it is only an annotation."""
    try:
        rows = json.loads((path or verified_file()).read_text("utf-8"))
        return {id_: Verified(**row) for id_, row in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save_verified(rows: Mapping[str, Verified], path: Path | None = None) -> None:
    """Write all rows, sorted by id. Raises OSError."""
    shape = {id_: asdict(rows[id_]) for id_ in sorted(rows)}
    text = json.dumps(shape, indent=1, ensure_ascii=False) + "\n"
    file = path or verified_file()
    write_atomically(file, text.encode())
    file.chmod(0o644)  # it is shipped and read by others


def blocks_digest(entry: Entry) -> str:
    """A digest of what `verify` would run: changes with the code and its terms, not the prose."""
    parts = [f"{b.role}\0{b.language}\0{b.terms!r}\0{b.code}\0" for b in entry.proof]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16] if parts else ""


def is_in_sample(id_: str, *, share: int = 10) -> bool:
    """Whether an entry is in the fixed sample: every `share`-th id by digest."""
    return int(hashlib.sha256(id_.encode()).hexdigest(), 16) % share == 0


def find_differences(verified: Verified, installed: Mapping[str, str]) -> tuple[str, ...]:
    """Packages whose major version is not the verified one, e.g. 'torch 3.0 (verified with 2.14)'.

    For a version 0.x the second number counts. Packages that are not installed are left out.
    """
    return tuple(
        f"{name} {installed[name]} (verified with {version})"
        for name, version in sorted(verified.packages.items())
        if name in installed and _major(installed[name]) != _major(version)
    )


def find_changed_messages(before: str, now: str) -> tuple[tuple[str, str], ...]:
    """Pairs of messages that are no longer the same, line by line; () where either is unknown."""
    if not (before and now):
        return ()
    pairs = zip_longest(before.splitlines(), now.splitlines(), fillvalue="nothing")
    return tuple((was, is_now) for was, is_now in pairs if not same_message(was, is_now))


def same_message(one: str, two: str) -> bool:
    """Whether two messages differ in numbers, addresses and paths at most."""
    return _form(one) == _form(two)


_VARYING = re.compile(r"0x[0-9a-f]+|(?:/[\w.+-]+)+/?|\d+(?:\.\d+)*", re.IGNORECASE)


def _form(message: str) -> str:
    return " ".join(_VARYING.sub("#", message).split())


def _major(version: str) -> tuple[str, ...]:
    parts = version.split(".")
    return tuple(parts[:2]) if parts[0] == "0" else tuple(parts[:1])
