"""Row `packages`: what would be imported from this Python, which version, from which file.

It refuses to know how the document was collected. Unless it was asked for, nothing was imported: a
package that is found may still fail at import.
"""

from __future__ import annotations

from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_error,
    get_rows,
    get_section,
    get_text,
    get_texts,
    python_command,
)
from assistant.probes.versions import Mismatch, find_mismatches, read_package_version
from assistant.types import Clue, Finding

NAMES = (
    "torch", "torchvision", "numpy", "cv2", "timm", "ultralytics", "segment_anything", "lap", "pip",
)  # fmt: skip
SOURCE = (
    "importlib.util.find_spec and importlib.metadata of this Python, names in the working folder"
)
_ENTRIES = ("environment-reset",)
_DISTRIBUTION = {"cv2": "opencv-python", "segment_anything": "segment-anything"}
_ABSENT = r"not (?:been )?installed|isn't installed|missing|never installed|lacks"
_ELSEWHERE = r"(?:another|other|wrong|different) (?:Python|environment|interpreter|kernel|venv)"
_SHADOW = r"shadow|local file|own file|file (?:named|called)|same name"


def interpret_packages(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    found = [name for name in NAMES if _is_installed(document, name)]
    mismatches = [
        Verdict("fail", mismatch.text, _mend(document, mismatch), _ENTRIES)
        for mismatch in find_mismatches(document)
    ]
    complaints = [
        *_asked(document),
        *_shadows(document),
        *mismatches,
        *_broken(document),
        *_missing(document),
    ]
    verdict = combine(
        complaints,
        healthy=_asked_words(document)
        or f"All {len(found)} packages of the course are installed in this Python.",
    )
    if not get_section(document, "packages") or get_error(document, "packages"):
        verdict = Verdict("no_data", "The packages of this Python could not be looked up.")
        return build_finding("packages", verdict, where=where, source=SOURCE, facts=())
    return build_finding(
        "packages",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document),
        clues=[*_presence_clues(document), *_pairing_clues(document)],
    )


def is_incomplete(document: Document) -> bool:
    """Whether something is missing here, so that it is worth asking where else it is."""
    return any(not _is_installed(document, name) for name in _names(document))


# --- complaints ----------------------------------------------------------------------------------


def _asked(document: Document) -> Iterator[Verdict]:
    """What is wrong with the package that somebody asked for; this goes first."""
    asked = get_text(document, "asked")
    name = asked.partition(".")[0]
    if not name:
        return
    if not _is_installed(document, name):
        elsewhere = _elsewhere(document, name)
        there = f", but it is in {elsewhere[0]}" if elsewhere else ""
        advice = _install(document, [name])
        if any(not get(other, "own") for other in _holding(document, name)):
            advice = f"Choose the kernel of that Python for your notebook, or: {advice}"
        yield Verdict("fail", f"{name} is not installed in this Python{there}.", advice, _ENTRIES)
    elif asked != name and get(document, "part") is False:
        yield Verdict(
            "fail",
            f"{name} {_version(document, name)} is installed, but has no part {asked}.",
            f"Compare with the version that your code was written for; {name} may be too new or "
            "too old.",
            _ENTRIES,
        )


def _asked_words(document: Document) -> str:
    name = get_text(document, "asked").partition(".")[0]
    if not name:
        return ""
    file = get_text(document, "packages", name, "file")
    return f"{name} {_version(document, name)} is installed in this Python: {file}."


def _shadows(document: Document) -> Iterator[Verdict]:
    for row in get_rows(document, "shadows"):
        name, file = get_text(row, "name"), get_text(row, "file")
        yield Verdict(
            "warn" if get(row, "standard") else "fail",
            f"{file} has the name of a {'standard module' if get(row, 'standard') else 'package'}: "
            f"`import {name}` in that folder takes it instead of the real one.",
            f"Rename {file} and restart the kernel.",
            _ENTRIES,
        )


def _broken(document: Document) -> Iterator[Verdict]:
    for name in get_section(document, "imports"):
        error = get_error(document, "imports", str(name))
        if error and _is_installed(document, str(name)):
            advice = _install(document, [str(name)]).replace(" install ", " install --upgrade ", 1)
            yield Verdict("fail", f"`import {name}` fails: {error}", advice, _ENTRIES)


def _missing(document: Document) -> Iterator[Verdict]:
    asked = get_text(document, "asked").partition(".")[0]
    absent = [
        name for name in NAMES if name not in ("pip", asked) and not _is_installed(document, name)
    ]
    if absent and not asked:
        elsewhere = _elsewhere(document, absent[0])
        there = f" {absent[0]} is in {elsewhere[0]}." if elsewhere else ""
        yield Verdict(
            "warn",
            f"Not installed in this Python: {', '.join(absent)}.{there}",
            f"If your notebook needs them there: {_pip(document)} install "
            f"{' '.join(_DISTRIBUTION.get(name, name) for name in absent)}",
            _ENTRIES,
        )


# --- clues ---------------------------------------------------------------------------------------


def _presence_clues(document: Document) -> Iterator[Clue]:
    """For each name whether it is here, from which file, or where else it is."""
    shadowed = {get_text(row, "name"): get_text(row, "file") for row in _package_shadows(document)}
    for name in _names(document):
        for topic in _topics(document, name):
            if name in shadowed:
                text = f"{shadowed[name]} is imported instead of the package {name}."
                yield Clue(topic, "confirmed", text, _SHADOW)
            elif not _is_installed(document, name):
                yield from _absence_clues(document, name, topic)
            else:
                text = f"{name} {_version(document, name)} is installed in this Python."
                yield Clue(topic, "ruled_out", text, _ABSENT)
    if get_text(document, "asked"):
        return
    if not shadowed and not get_error(document, "shadows"):
        folder = get_text(document, "folder")
        text = f"No file in {folder} has the name of a package of the course."
        yield Clue("missing-module", "ruled_out", text, _SHADOW)


def _absence_clues(document: Document, name: str, topic: str) -> Iterator[Clue]:
    elsewhere = _elsewhere(document, name)
    text = f"{name} is not installed in this Python"
    if elsewhere:
        text += f", but it is in {elsewhere[0]}"
        yield Clue(topic, "confirmed", f"{text}.", f"{_ABSENT}|{_ELSEWHERE}")
    else:
        yield Clue(topic, "confirmed", f"{text}.", _ABSENT)


def _topics(document: Document, name: str) -> list[str]:
    """A message names the module, or a part of it (timm.models)."""
    asked = get_text(document, "asked")
    topics = [f"missing_module={name}"]
    return [*topics, f"missing_module={asked}"] if asked.startswith(f"{name}.") else topics


def _pairing_clues(document: Document) -> Iterator[Clue]:
    """What versions say about faults between packages."""
    mismatches = find_mismatches(document)
    for topic, cause in (
        ("torchvision-operator", r"version|mismatch|incompatib|different build|CPU"),
        ("numpy-abi", r"NumPy|version|compiled|binary"),
    ):
        said = [mismatch.text for mismatch in mismatches if mismatch.topic == topic]
        if said:
            yield Clue(topic, "confirmed", said[0], cause)
    if _is_installed(document, "torchvision") and not mismatches:
        pair = f"torch {_version(document, 'torch')} and torchvision"
        text = f"{pair} {_version(document, 'torchvision')} go together."
        yield Clue("torchvision-operator", "ruled_out", text, r"version|mismatch|incompatib")
    build = _version(document, "torch")
    if build.endswith("+cpu"):
        text = f"torch {build} is a CPU-only build."
        for topic in ("cpu-only-torch", f"torch_version={build}"):
            yield Clue(topic, "confirmed", text, r"CPU|x86|without CUDA")
    elif "+cu" in build:
        text = f"torch {build} is a CUDA build."
        yield Clue("cpu-only-torch", "ruled_out", text, r"CPU|x86|without CUDA")


# --- words ---------------------------------------------------------------------------------------


def _names(document: Document) -> list[str]:
    """The packages in question: the one asked for, else the course's."""
    asked = get_text(document, "asked").partition(".")[0]
    return [asked] if asked else [name for name in NAMES if name != "pip"]


def _package_shadows(document: Document) -> list[Document]:
    return [row for row in get_rows(document, "shadows") if not get(row, "standard")]


def _elsewhere(document: Document, name: str) -> list[str]:
    """In which other environments a package is, with its version: 'the Python … (1.0.31)'."""
    return [
        f"{get_text(other, 'label')} ({_version(other, name) or 'version unknown'})"
        for other in _holding(document, name)
    ]


def _holding(document: Document, name: str) -> list[Document]:
    """The other interpreters that have a package, the assistant's own last."""
    found = [other for other in get_rows(document, "others") if _is_installed(other, name)]
    return sorted(found, key=lambda other: bool(get(other, "own")))


def _is_installed(document: Document, name: str) -> bool:
    """A folder without __init__.py is importable, but no package: it has no file."""
    return bool(get_text(document, "packages", name, "file"))


def _version(document: Document, name: str) -> str:
    return read_package_version(document, name)


def _pip(document: Document) -> str:
    return f"{python_command(document)} -m pip"


def _install(document: Document, names: list[str]) -> str:
    """The command with the right pip; of a name outside the course's list we say to check it.

    Whether a distribution of that name is the package that is meant, nobody here can know.
    """
    words = " ".join(_DISTRIBUTION.get(name, name) for name in names)
    if all(name in NAMES for name in names):
        return f"Install it into this Python: {_pip(document)} install {words}"
    return f"Look up which distribution provides it, then install that with {_pip(document)}."


def _mend(document: Document, mismatch: Mismatch) -> str:
    if mismatch.topic == "numpy-abi":
        return f'Upgrade that package, or go back to NumPy 1: {_pip(document)} install "numpy<2"'
    return f"Install both together: {_pip(document)} install --upgrade torch torchvision"


def _facts(document: Document) -> Facts:
    names = dict.fromkeys([*_names(document), *NAMES])
    return (
        ("python", get_text(document, "executable")),
        ("working folder", get_text(document, "folder")),
        *((name, _describe(document, name)) for name in names),
        *(
            (f"{name} elsewhere", place)
            for name in _names(document)
            if not _is_installed(document, name)
            for place in _elsewhere(document, name)[:3]
        ),
    )


def _describe(document: Document, name: str) -> str:
    row = get_section(document, "packages", name)
    if error := get_error(row):
        return f"could not be looked up: {error}"
    if not get_text(row, "file"):
        folders = get_texts(row, "folders")
        return f"only a folder: {folders[0]}" if folders else "not installed"
    version = _version(document, name) or "version unknown"
    note = " (CPU-only build)" if version.endswith("+cpu") else ""
    return f"{version}{note} from {get_text(row, 'file')}"
