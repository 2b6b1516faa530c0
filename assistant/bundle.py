"""The support report: a zip with versions and findings that a person can read before sharing it.

Secrets are masked and the home folder is written as ~. It refuses to know how findings came about,
and writes nothing itself: the caller gets bytes.
"""

from __future__ import annotations

import io
import json
import platform
import zipfile
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from assistant import __version__
from assistant.redact import redact
from assistant.render import MARKS, strip_controls
from assistant.types import Finding

PACKAGES = (
    "torch", "transformers", "sentence-transformers", "gradio", "faiss-cpu", "numpy",
)  # fmt: skip
_ABOUT = """What this is: versions and findings of `assistant doctor`, for somebody who helps you.
Read report.txt before you share it; report.json holds the same for programs.
Passwords and tokens are masked and your home folder is written as ~, but names of files and folders
are as they are.
"""


def build_bundle(shape: dict[str, Any], findings: Sequence[Finding], *, home: str) -> bytes:
    """Return the zip file; `shape` is the `doctor` object, `home` the folder to hide."""
    versions = read_versions()
    report = {"versions": versions, **shape}
    lines = [f"{name}: {version}" for name, version in versions.items()]
    texts = {
        "README.txt": _ABOUT,
        "report.txt": "\n".join([*lines, "", *map(_describe, findings)]),
        "report.json": json.dumps(report, ensure_ascii=False, indent=2),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in texts.items():
            file.writestr(name, _hide(strip_controls(text), home=home))
    return buffer.getvalue()


def read_versions() -> dict[str, str]:
    """The assistant's own version, and of what it rests on; 'not installed' is an answer."""
    found = {"assistant": __version__, "python": platform.python_version()}
    found["system"] = platform.platform()
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _describe(finding: Finding) -> str:
    lines = [f"{MARKS[finding.status]} {finding.id}: {finding.summary}"]
    lines += [f"    next: {finding.next}"] if finding.next else []
    lines += [f"    looked at: {finding.where}", f"    read: {finding.source}"]
    lines += [f"    {name}: {value}" for name, value in finding.facts]
    return "\n".join(lines) + "\n"


def _hide(text: str, *, home: str) -> str:
    text = redact(text)
    return text.replace(home, "~") if len(home) > 1 else text
