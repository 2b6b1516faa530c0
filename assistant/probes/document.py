"""Reading a collected document: it came from a foreign program, so nothing in it is trusted.

Every reader takes a path of names and answers a harmless value when it leads nowhere. Texts lose
control characters and are cut. It refuses to know what any field means.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.redact import redact
from assistant.types import Clue, Finding, FindingStatus

Document = Mapping[str, object]
Facts = tuple[tuple[str, str], ...]

_LONGEST = 300
_LONGEST_READ = 2400  # of a text that is masked and then cut
_LARGEST = 1 << 62  # more bytes, megahertz or percent than anything has
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says about a document."""

    status: FindingStatus
    summary: str
    next: str = ""
    entries: tuple[str, ...] = ()


def get(document: Document, *path: str) -> object:
    """Follow names into a document; None where they lead nowhere."""
    value: object = document
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def get_section(document: Document, *path: str) -> Document:
    """Return the mapping at the path, {} if there is none."""
    value = get(document, *path)
    return value if isinstance(value, Mapping) else {}


def get_rows(document: Document, *path: str) -> tuple[Document, ...]:
    """Return the mappings of the list at the path that were read without an error."""
    value = get(document, *path)
    rows = value if isinstance(value, list) else []
    return tuple(row for row in rows if isinstance(row, Mapping) and "error" not in row)


def get_texts(document: Document, *path: str) -> tuple[str, ...]:
    """Return the texts of the list at the path, cleaned."""
    value = get(document, *path)
    return tuple(clean(text) for text in value if text) if isinstance(value, list) else ()


def get_text(document: Document, *path: str) -> str:
    """Return the text or number at the path, cleaned; '' if there is none."""
    value = get(document, *path)
    return clean(value) if isinstance(value, str | int | float) else ""


def get_number(document: Document, *path: str) -> float | None:
    """Return the number at the path, None if there is none."""
    value = get(document, *path)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        return None
    return float(value) if math.isfinite(value) else None


def get_numbers(document: Document, *path: str) -> tuple[float, ...]:
    """Return the numbers of the list at the path, at most 64; () if anything else is among them."""
    value = get(document, *path)
    rows = value[:64] if isinstance(value, list) else []
    read = [get_number({"n": number}, "n") for number in rows]
    return tuple(n for n in read if n is not None) if None not in read else ()


def get_error(document: Document, *path: str) -> str:
    """Return why the part at the path could not be read, '' if it could."""
    return get_text(document, *path, "error")


def clean(value: object) -> str:
    """One line without control characters and secrets, cut where nobody reads on.

    Masked first: half a password is no longer known as one.
    """
    text = str(value)
    if len(text) > _LONGEST_READ:
        text = text[:_LONGEST_READ]
        text = text.rpartition(" ")[0] or text  # not through the middle of a secret
    text = _CONTROL.sub(" ", redact(text)).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def as_gib(size: float) -> str:
    """Bytes as a person reads them: '115.8 GiB', '64 MiB'."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def python_command(document: Document) -> str:
    """How to start the Python that a document is about; of a pasted one only its name is given.

    A paste was in many hands: a path out of it must not become a program that somebody starts.
    """
    path = "" if get(document, "pasted") is True else get_text(document, "executable")
    return shlex.quote(path or "python")


def describe_visible(document: Document) -> str:
    """CUDA_VISIBLE_DEVICES in words; of another Python's programs we do not know it."""
    value = get(document, "visible_devices")
    if value is None and not get(document, "known"):
        return "cannot be seen from here"
    return "not set" if value is None else f'"{clean(value)}"'


def build_finding(
    probe_id: str,
    verdict: Verdict,
    *,
    where: str,
    source: str,
    facts: Sequence[tuple[str, str]],
    clues: Sequence[Clue] = (),
) -> Finding:
    """Put a verdict and the facts that are not empty together."""
    return Finding(
        id=probe_id,
        status=verdict.status,
        summary=verdict.summary,
        next=verdict.next,
        entries=verdict.entries,
        source=source,
        where=where,
        facts=tuple((name, value) for name, value in facts if value),
        clues=tuple(dict.fromkeys(clues)),
    )


def combine(verdicts: Sequence[Verdict], *, healthy: str) -> Verdict:
    """Join several complaints into one verdict, the worst first; without any, all is well."""
    ranked = sorted(verdicts, key=lambda verdict: verdict.status != "fail")
    if not ranked:
        return Verdict("ok", healthy)
    return Verdict(
        ranked[0].status,
        " ".join(verdict.summary for verdict in ranked),
        " ".join(verdict.next for verdict in ranked if verdict.next),
        tuple(dict.fromkeys(entry for verdict in ranked for entry in verdict.entries)),
    )
