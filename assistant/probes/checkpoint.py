"""Row `checkpoint`: which files of weights are there, and whether they are what their names say.

It refuses to know how the document was collected. A size is compared with the published one; only
SAM's three files are published with theirs here. Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    combine,
    get,
    get_error,
    get_number,
    get_rows,
    get_text,
    get_texts,
)
from assistant.types import Clue, Finding

SOURCE = "names, sizes, first and last bytes of .pth, .pt and .safetensors files"
ANY = "any"
# Size in bytes: HTTP headers of dl.fbaipublicfiles.com and three public copies agree.
SAM_BYTES = {
    "sam_vit_b_01ec64.pth": 375_042_383,
    "sam_vit_l_0b3195.pth": 1_249_524_607,
    "sam_vit_h_4b8939.pth": 2_564_550_879,
}
# Causes as guides word them: 'The weights were never downloaded', 'SAM checkpoint not downloaded'.
NEVER_LOADED = r"never (?:been )?downloaded|not (?:been |yet )?downloaded|download(?:ed)? first"
OTHER_FOLDER = (
    r"(?:another|other|wrong|different) (?:folder|directory|path)|not mounted|working dir"
)
BROKEN_FILE = r"broke off|broken (?:off|download)|incomplete|truncated|corrupt|damaged|error page"
_SHOWN = 12
_WORDS = {
    "empty": "is empty (0 bytes)",
    "zeros": "begins with nothing but zeros",
    "web page": "is a web page (HTML), not weights: a server's page was saved under this name",
    "json": "is a JSON text, not weights: a server's answer was saved under this name",
    "lfs pointer": "is a Git LFS pointer: a short text that stands for the weights",
    "text": "is a text, not weights",
}


@dataclass(frozen=True, slots=True)
class _File:
    """One file of weights; `fault` says in words what is wrong, '' if nothing shows."""

    path: str
    size: float
    fault: str
    is_sure: bool  # whether its size or structure shows that it is whole

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def is_sam(self) -> bool:
        return self.name in SAM_BYTES


def interpret_checkpoint(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    files = [file for row in get_rows(document, "files") if (file := _read(row)) is not None]
    wanted = get_text(document, "parameters", "wanted")
    complaints = [*_damaged(files), *_leftovers(document), *_wanted(document, files, wanted)]
    verdict = combine(complaints, healthy=_healthy_words(files))
    if not complaints and not files:
        places = ", ".join(get_texts(document, "roots")[:4]) or "the allowed folders"
        verdict = Verdict("no_data", f"No checkpoint file lies in {places}.")
    return build_finding(
        "checkpoint",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document, files),
        clues=[*_sam_clues(document, files), *_other_clues(files)],
    )


def _read(row: Document) -> _File | None:
    """None for a text that only shares its ending with checkpoints, such as pip's .pth files."""
    path, size = get_text(row, "path"), get_number(row, "size")
    if not path or size is None:
        return None
    if get_text(row, "kind") == "text" and os.path.basename(path) not in SAM_BYTES:
        return None
    known = SAM_BYTES.get(os.path.basename(path))
    is_sure = get(row, "whole") is True or size == known
    return _File(path, size, _fault(row, size=size, known=known), is_sure)


def _fault(row: Document, *, size: float, known: int | None) -> str:
    kind, wanted = get_text(row, "kind"), known or get_number(row, "wanted")
    if kind in _WORDS:
        return _WORDS[kind]
    if wanted and size < wanted:
        return f"is cut off: {size:,.0f} of {wanted:,.0f} bytes are there"
    if get(row, "whole") is False:
        return "is cut off: its end is missing"
    if known and size != known:
        return f"is not the published file: it has {size:,.0f} bytes instead of {known:,}"
    return _sum_fault(row)


def _sum_fault(row: Document) -> str:
    in_name, of_file = get_text(row, "sum", "in_name"), get_text(row, "sum", "of_file")
    if not in_name or not of_file or of_file.startswith(in_name):
        return ""
    method = get_text(row, "sum", "method").upper()
    return f"has the {method} sum {of_file[:8]}…, and its name says {in_name}…: it is damaged"


def _damaged(files: Sequence[_File]) -> Iterator[Verdict]:
    for file in [file for file in files if file.fault][:_SHOWN]:
        size = f" ({SAM_BYTES[file.name]:,} bytes)" if file.is_sam else ""
        yield Verdict(
            "fail",
            f"{file.path} {file.fault}.",
            f"Delete {file.path} and download it again{size}.",
        )


def _leftovers(document: Document) -> Iterator[Verdict]:
    paths = [get_text(row, "path") for row in get_rows(document, "leftovers")]
    if paths:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield Verdict(
            "warn",
            f"A download is not finished: {paths[0]}{more}.",
            "If nothing is downloading now, delete it and start the download again.",
        )


def _wanted(document: Document, files: Sequence[_File], wanted: str) -> Iterator[Verdict]:
    """Say where the file is that was asked for, or where it belongs."""
    if wanted not in SAM_BYTES:
        return
    place = os.path.join(get_text(document, "folder"), wanted)
    found = [file for file in files if file.name == wanted]
    whole = [file.path for file in found if not file.fault]
    if not found:
        yield Verdict(
            "fail",
            f"{wanted} is in none of the folders that may be looked at.",
            f"Download it ({SAM_BYTES[wanted]:,} bytes) to {place}, or pass the full path of the "
            "file if it lies elsewhere.",
        )
    elif whole and place not in whole:
        yield Verdict(
            "warn",
            f"{wanted} is there, but not in the working folder.",
            f"Pass its full path: {whole[0]}",
        )


def _healthy_words(files: Sequence[_File]) -> str:
    sam = [file.name for file in files if file.is_sam]
    count = "1 checkpoint file is" if len(files) == 1 else f"{len(files)} checkpoint files are"
    words = f"{count} there, and none looks damaged."
    return f"{words} SAM: {', '.join(sam[:3])}, of the published size." if sam else words


def _sam_clues(document: Document, files: Sequence[_File]) -> Iterator[Clue]:
    """What SAM's own files say about an error with SAM's checkpoint.

    That none was found decides nothing: it may lie where nobody may look, or was never mounted.
    """
    topic = "unusable-file"
    sam = [file for file in files if file.is_sam]
    broken = [file for file in sam if file.fault]
    whole = [file for file in sam if not file.fault]
    if broken:
        text = f"{broken[0].path} {broken[0].fault}."
        yield Clue(topic, "confirmed", text, BROKEN_FILE)
        yield Clue(topic, "ruled_out", f"{broken[0].path} is there.", NEVER_LOADED)
    elif any("sam_vit" in get_text(row, "path") for row in get_rows(document, "leftovers")):
        yield Clue(topic, "confirmed", "A download of it is not finished.", BROKEN_FILE)
    elif whole:
        folder = get_text(document, "folder")
        text = f"{whole[0].path} is there and has the published size."
        yield Clue(topic, "ruled_out", text, NEVER_LOADED)
        yield Clue(topic, "ruled_out", text, BROKEN_FILE)
        if folder and os.path.dirname(whole[0].path) != folder:
            yield Clue(topic, "confirmed", f"{text} The working folder is {folder}.", OTHER_FOLDER)


def _other_clues(files: Sequence[_File]) -> Iterator[Clue]:
    """A file that torch.load cannot read, whatever it belongs to."""
    broken = [file for file in files if file.fault]
    if broken:
        text = f"{broken[0].path} {broken[0].fault}."
        yield Clue("broken-file", "confirmed", text, BROKEN_FILE)
        yield Clue("weights-only", "confirmed", text, BROKEN_FILE)
    elif files and all(file.is_sure for file in files):
        text = f"None of the {len(files)} checkpoint files found is cut off or empty."
        yield Clue("broken-file", "ruled_out", text, BROKEN_FILE)


def _facts(document: Document, files: Sequence[_File]) -> Facts:
    ranked = sorted(files, key=lambda file: (not file.fault, not file.is_sam))
    unread = [row for row in _all_rows(document) if get_error(row)]
    complete = get(document, "complete") is True
    return (
        ("working folder", get_text(document, "folder")),
        ("looked in", ", ".join(get_texts(document, "roots")[:6])),
        ("search", "" if complete else "ended early: too many files or too little time"),
        *((file.path, _describe(file)) for file in ranked[:_SHOWN]),
        ("more files", str(len(files) - _SHOWN) if len(files) > _SHOWN else ""),
        *((get_text(row, "path"), f"not read: {get_error(row)}") for row in unread[:3]),
        *(
            (get_text(row, "path"), f"unfinished, {as_gib(get_number(row, 'size') or 0.0)}")
            for row in get_rows(document, "leftovers")[:5]
        ),
    )


def _all_rows(document: Document) -> list[Document]:
    value = get(document, "files")
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, dict)]


def _describe(file: _File) -> str:
    if file.fault:
        return file.fault
    state = "the published size" if file.is_sam else "whole" if file.is_sure else "looks readable"
    size = as_gib(file.size) if file.size >= 1 << 20 else f"{file.size:,.0f} bytes"
    return f"{size}, {state}"
