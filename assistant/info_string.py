"""The info string of a code fence: language, role, and what the block wants when it is run.

    python reproduce needs=lab time=20
    bash fix without=timm needs=pypi

Knows the words that may stand there; refuses to know what a role does and where a fence stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import cast, get_args

from assistant.types import BlockRole, Need, Terms

ROLES: tuple[BlockRole, ...] = tuple(role for role in get_args(BlockRole) if role)
NEEDS: tuple[Need, ...] = get_args(Need)
RUNNABLE = ("python", "bash")
_MAX_SECONDS, _MAX_MEMORY_GB = 600.0, 64.0
# an import name or its first part: cv2, segment_anything
_MODULE = re.compile(r"[A-Za-z_]\w{0,60}")
_NUMBER = re.compile(r"\d{1,4}(?:\.\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Info:
    """What an info string says; `faults` are its words that mean nothing, in words for an author.

    Without a role everything behind the language is left alone, as other Markdown does.
    """

    language: str
    role: BlockRole = ""
    terms: Terms = field(default_factory=Terms)
    faults: tuple[str, ...] = ()


def parse_info(text: str) -> Info:
    """Read an info string; never raises. A role needs the language python or bash."""
    words = text.split()
    language = words[0].lower() if words else ""
    if len(words) < 2 or language not in RUNNABLE:
        found = [word for word in words[1:] if word in ROLES]
        return Info(
            language, faults=tuple(f"a {w} block must be python or bash" for w in found[:1])
        )
    if words[1] not in ROLES:
        if words[1].startswith(("{", "title")):  # other dialects: ```python {1,3} title="x"
            return Info(language)
        return Info(language, faults=(f"unknown role '{words[1]}' of a code block",))
    values: dict[str, str] = {}
    faults = []
    for word in words[2:]:
        name, equals, value = word.partition("=")
        if not equals or name in values:
            faults.append(f"'{word}' in an info string is not name=value, or comes twice")
        values[name] = value
    terms, wrong = _terms(values)
    return Info(language, words[1], terms, (*faults, *wrong))


def _terms(values: dict[str, str]) -> tuple[Terms, tuple[str, ...]]:
    """The values that are known and possible, and a fault for each other one."""
    known: dict[str, object] = {}
    faults = []
    for name, value in values.items():
        parts = tuple(value.split(","))
        if name == "needs" and set(parts) <= set(NEEDS):
            known["needs"] = cast(tuple[Need, ...], parts)
        elif name == "without" and all(_MODULE.fullmatch(part) for part in parts):
            known["without"] = parts
        elif name == "time" and _NUMBER.fullmatch(value) and 0 < float(value) <= _MAX_SECONDS:
            known["seconds"] = float(value)
        elif name == "memory" and _NUMBER.fullmatch(value) and 0 < float(value) <= _MAX_MEMORY_GB:
            known["memory_gb"] = float(value)
        elif name in {"needs", "without", "time", "memory"}:
            faults.append(f"'{name}={value}' of a code block is not possible")
        else:
            faults.append(f"unknown attribute '{name}' of a code block")
    return Terms(**known), tuple(faults)  # type: ignore[arg-type]
