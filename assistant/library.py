"""The guides in force: which files, what they hold, and whether they have changed since.

Reads guide files, the id table and the phrases; parses nothing itself and searches nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from assistant.errors import GuideError
from assistant.guide import find_dead_links, load_id_table, parse_guide
from assistant.lint import find_block_problems
from assistant.types import Entry, Guide, Phrase, Problem
from assistant.verified import load_verified

BUILTIN = "builtin"
_MAX_GUIDE_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that is searched: guides in the order given, entries by id, phrases.

    A phrase whose id is '' is a text that nothing here answers: phrases of entries that are not
    loaded become such. `fingerprint` changes when any of this changes.
    """

    guides: tuple[Guide, ...]
    entries: dict[str, Entry]
    phrases: tuple[Phrase, ...]
    notices: tuple[str, ...]
    fingerprint: str


def find_guide_files(names: Sequence[str]) -> tuple[Path, ...]:
    """Resolve `builtin`, files and folders (their *.md but README.md) to files, in order.

    Raises GuideError for a path that does not exist or a folder without guides.
    """
    found: list[Path] = []
    for name in names or (BUILTIN,):
        if name == BUILTIN:
            found.extend(_markdown_in(_knowledge_folder()))
            continue
        path = _resolve(name)
        if path.is_dir():
            inside = _markdown_in(path)
            if not inside:
                raise GuideError(
                    f"The folder {name} holds no guide (no .md file besides README.md).",
                    hint="Give the guide's file, or `builtin` for the shipped guides.",
                )
            found.extend(inside)
        else:
            found.append(path)
    return tuple(dict.fromkeys(found))


def with_neighbours(files: Sequence[Path]) -> tuple[str, ...]:
    """These guides, and the other shipped ones if one of them is: they are searched together."""
    shipped = {path.resolve() for path in _markdown_in(_knowledge_folder())}
    others = [str(file) for file in files if file.resolve() not in shipped]
    return (*others, *([BUILTIN] if len(others) < len(files) else []))


def read_guide(path: Path) -> Guide:
    """Read and parse one file. Raises GuideError: missing, too large, not UTF-8, no entries."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_GUIDE_BYTES + 1)
    except OSError as error:
        raise GuideError(
            f"The guide {path} cannot be read: {error.strerror or error}.",
            hint="Check the path and its permissions.",
        ) from error
    if len(data) > _MAX_GUIDE_BYTES:
        raise GuideError(
            f"The guide {path} has more than the {_MAX_GUIDE_BYTES:,} bytes that are read.",
            hint="Split it into several files and give the folder.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GuideError(
            f"The guide {path} is not UTF-8 text (byte {error.start}).",
            hint="Save it as UTF-8, for example: iconv -f latin1 -t utf-8 GUIDE > NEW",
        ) from error
    if "\x00" in text:
        raise GuideError(
            f"The guide {path} is a binary file, not Markdown.", hint="Give a Markdown file (.md)."
        )
    return parse_guide(text, file=str(path), ids=_id_table())


def load_library(names: Sequence[str]) -> Library:
    """Read all guides named and join the phrases to them by id. Raises GuideError."""
    guides = tuple(read_guide(path) for path in find_guide_files(names))
    entries: dict[str, Entry] = {}
    notices: list[str] = []
    for guide in guides:
        for entry in guide.entries:
            first = entries.setdefault(entry.id, entry)
            if first is not entry and first.file != entry.file:
                notices.append(
                    f"Entry '{entry.id}' is in {Path(first.file).name} and in "
                    f"{Path(entry.file).name}; the first one counts."
                )
    phrases = _join(load_phrases(), entries)
    digest = hashlib.sha256()
    for guide in guides:
        digest.update(os.fsencode(guide.file) + b"\0" + guide.text.encode() + b"\0")
    for phrase in phrases:
        digest.update(f"{phrase.id}\0{phrase.text}\0".encode())
    return Library(guides, entries, phrases, tuple(notices), digest.hexdigest()[:16])


def _join(phrases: Sequence[Phrase], known: Mapping[str, Entry]) -> tuple[Phrase, ...]:
    """Phrases of entries that are not loaded speak for abstaining, but only beside a guide of the
    course module, for which they were written: another may answer them under another name."""
    own = {(entry.id, text) for entry in known.values() for text in entry.symptoms}
    phrases = [_of_loaded(phrase, known) for phrase in phrases]
    phrases = [phrase for phrase in phrases if (phrase.id, phrase.text) not in own]
    ids = set(_id_table().values())
    if len(ids & known.keys()) * 2 < len(ids):
        return tuple(phrase for phrase in phrases if not phrase.id or phrase.id in known)
    return tuple(p if p.id in known else Phrase("", p.text, firm=p.firm) for p in phrases)


def _of_loaded(phrase: Phrase, known: Mapping[str, Entry]) -> Phrase:
    """The phrase under the id of its second choice where only that one is loaded."""
    second = phrase.id not in known and phrase.otherwise in known
    return Phrase(phrase.otherwise if second else phrase.id, phrase.text, phrase.firm)


def find_problems(guides: Sequence[Guide]) -> tuple[Problem, ...]:
    """Everything that authors should mend, by file and line."""
    problems = [problem for guide in guides for problem in guide.problems]
    problems.extend(find_dead_links(guides))
    shipped = _knowledge_folder().resolve()
    ours = [guide for guide in guides if Path(guide.file).resolve().parent == shipped]
    others = [guide for guide in guides if guide not in ours]
    problems.extend(find_block_problems(ours, load_verified()))
    problems.extend(find_block_problems(others, {}))
    return tuple(sorted(problems, key=lambda p: (p.file, p.line)))


def file_stamp(names: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """(path, mtime in ns, size) of each guide file: cheap to compare. Missing files count as 0."""
    stamps = []
    try:
        files = find_guide_files(names)
    except GuideError:
        return ()
    for path in files:
        try:
            status = path.stat()
            stamps.append((str(path), status.st_mtime_ns, status.st_size))
        except OSError:
            stamps.append((str(path), 0, 0))
    return tuple(stamps)


def load_phrases() -> tuple[Phrase, ...]:
    """The shipped texts in many people's words, written for an entry or asked by somebody; those
    that no entry answers (id ''); and what the shipped entries are about: beside another guide of
    the module they speak for the entry of the same id, and for abstaining where that has none."""
    folder = _knowledge_folder()
    rows = (*_json_lines(folder / "phrases.jsonl"), *_json_lines(folder / "asked.jsonl"))
    phrases = [Phrase(row["id"], row["text"], otherwise=row.get("otherwise", "")) for row in rows]
    second = _second_choices(phrases)
    phrases.extend(Phrase("", row["text"]) for row in _json_lines(folder / "decoys.jsonl"))
    for path in _markdown_in(folder):
        for entry in read_guide(path).entries:
            otherwise = second.get(entry.id, "")
            phrases.extend(Phrase(entry.id, s, True, otherwise) for s in entry.symptoms)
    return tuple(phrases)


def _second_choices(phrases: Sequence[Phrase]) -> dict[str, str]:
    """By entry the second choice of at least three in four of its phrases: its own messages too are
    answered by that one where its guide is not loaded."""
    asked: dict[str, Counter[str]] = defaultdict(Counter)
    for phrase in phrases:
        asked[phrase.id][phrase.otherwise] += 1
    most = {id_: counts.most_common(1)[0] for id_, counts in asked.items()}
    return {id_: name for id_, (name, n) in most.items() if 4 * n >= 3 * asked[id_].total()}


def _resolve(name: str) -> Path:
    """The path that `name` means; GuideError if nothing is there, or nothing can be."""
    try:
        path = Path(name).expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError):  # too long a name; a home that does not exist
        pass
    raise GuideError(
        f"There is no guide at {name[:200]}.",
        hint="Check the path, or leave --guide away to use the shipped guides.",
    )


def _json_lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _markdown_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.md") if p.is_file() and p.name.lower() != "readme.md")


def _knowledge_folder() -> Path:
    return Path(str(resources.files("assistant.knowledge")))


def _id_table() -> dict[str, str]:
    path = _knowledge_folder() / "ids.tsv"
    return load_id_table(path.read_text("utf-8")) if path.exists() else {}
