"""Markdown guides to entries, on Markdown tokens, with line-numbered problems.

Knows the grammar of troubleshooting guides (`knowledge/README.md`) and nothing of how entries are
searched or shown. Every line of a file ends up in an entry, a heading, or an ignored span.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assistant.entry_fields import Fields, read_fields
from assistant.errors import GuideError
from assistant.info_string import parse_info
from assistant.markdown_blocks import (
    Block,
    is_closed,
    plain_title,
    read_blocks,
    read_front_matter,
)
from assistant.slots import keep_template
from assistant.types import Entry, EntryKind, Guide, Problem, Span

# "Error: …", "Issue: …", "❌ Problem: …" name an error, "Q: …" a question (without marks).
_PREFIX = re.compile(r"^\*{0,2}(?P<word>[A-Z][A-Za-z]{0,14})\s*:\*{0,2}\s+(?P<rest>.+)$")
_KIND_OF_PREFIX: dict[str, EntryKind] = {
    "error": "error",
    "issue": "error",
    "problem": "error",
    "q": "question",
    "question": "question",
}
# "### Error: … {#missing-timm}"
_EXPLICIT_ID = re.compile(r"\s*\{#(?P<id>[A-Za-z0-9][\w.-]*)\}\s*$")
# "**Q: Why?**", "**Q:** Why?", "**Q**: Why?"
_BOLD_QUESTION = re.compile(r"^\*\*Q(?:uestion)?\s*(?::\s*(?P<inside>[^*].*?)\*\*|:\*\*|\*\*\s*:)")
_FAQ_SECTION = re.compile(r"\b(faq|frequently asked|questions?)\b", re.IGNORECASE)
_LINK_TO_ENTRY = re.compile(r"\]\(#(?P<id>[\w.-]+)\)")


def load_id_table(text: str) -> dict[str, str]:
    """Read `ids.tsv` (id, kind, title; first line a header) into {normalised title: id}."""
    rows = [line.split("\t") for line in text.splitlines()[1:] if line.strip()]
    return {_normal_title(row[2]): row[0] for row in rows if len(row) >= 3}


def parse_guide(text: str, *, file: str, ids: Mapping[str, str]) -> Guide:
    """Parse one guide. `ids` maps normalised titles to stable ids (`load_id_table`).

    Never raises on odd structure; what looks wrong is a `Problem` with its line. Raises
    GuideError if there is nothing to read in it at all.
    """
    if not text.strip():
        raise GuideError(
            f"The guide {file} is empty, so nothing can be looked up in it.",
            hint="Check the path, or leave --guide away to use the shipped guides.",
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    front, skip = read_front_matter(lines)
    blocks = read_blocks(lines, skip)
    lines = _without_roles(lines, blocks)
    outline = _Outline(file=file, lines=lines, ids=ids, origin=str(front.get("origin", "")))
    outline.read(blocks)
    if skip and not front:
        outline.problems.append(Problem(file, 1, "the front matter is not valid YAML"))
    if not outline.entries:
        raise GuideError(
            f"The guide {file} has no entries: no heading such as '### Error: …' or '### Q: …', "
            "no '**Q: …**' paragraph and no procedure was found.",
            hint="knowledge/README.md shows the form of an entry.",
        )
    problems = [*outline.problems, *_problems(outline.entries, blocks, lines, file)]
    covered = {n for e in outline.entries for n in range(e.line, e.end_line + 1)}
    return Guide(
        file=file,
        title=outline.title or file,
        text=text,
        entries=tuple(outline.entries),
        headings=tuple(outline.headings),
        ignored=_ignored(lines, covered | set(outline.headings), skip),
        problems=tuple(sorted(problems, key=lambda p: p.line)),
        origin=str(front.get("origin", "")),
    )


def find_dead_links(guides: Sequence[Guide]) -> tuple[Problem, ...]:
    """Return a problem for each `[…](#id)` that names no entry of these guides."""
    known = {entry.id for guide in guides for entry in guide.entries}
    found = []
    for guide in guides:
        for number, line in enumerate(guide.text.split("\n"), start=1):
            for link in _LINK_TO_ENTRY.finditer(line):
                if link["id"] not in known:
                    found.append(
                        Problem(guide.file, number, f"link to #{link['id']}, which no entry has")
                    )
    return tuple(found)


# --- outline ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Outline:
    """Walks the blocks once and collects entries; mutable only while reading."""

    file: str
    lines: list[str]
    ids: Mapping[str, str]
    origin: str
    title: str = ""
    entries: list[Entry] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _path: list[tuple[int, str]] = field(default_factory=list)

    def read(self, blocks: Sequence[Block]) -> None:
        position = 0
        while position < len(blocks):
            block = blocks[position]
            if block.kind == "heading":
                position = self._heading(blocks, position)
            elif _is_question(block):
                position = self._bold_question(blocks, position)
            else:
                position += 1

    def _heading(self, blocks: Sequence[Block], position: int) -> int:
        """Read the heading at `position`; return where to go on."""
        head = blocks[position]
        title, explicit = _split_id(head.text)
        prefix = _PREFIX.match(title)
        kind = _KIND_OF_PREFIX.get(prefix["word"].lower()) if prefix else None
        while self._path and self._path[-1][0] >= head.level:
            self._path.pop()
        own_end, deep_end = _extent(blocks, position)
        own = blocks[position + 1 : own_end]
        if kind and prefix:
            end = deep_end if _is_plain_below(blocks, own_end, deep_end) else own_end
            asked = (n for n in range(position + 1, end) if _is_question(blocks[n]))
            end = next(asked, end)  # "**Q: …**" begins an entry of its own
            self._add(kind, prefix["rest"], explicit, head, blocks[position + 1 : end])
            return end
        if prefix and prefix["word"].lower() in {"bug", "warning", "exception", "failure"}:
            self.problems.append(
                Problem(self.file, head.first, f"unknown entry prefix '{prefix['word']}:'")
            )
        inherited = self._kind_by_place(title, head, own)
        if inherited == "question" or (
            inherited == "procedure" and _is_plain_below(blocks, own_end, deep_end)
        ):
            self._add(inherited, title, explicit, head, blocks[position + 1 : deep_end])
            return deep_end
        self._section(title, head)
        return position + 1

    def _section(self, title: str, head: Block) -> None:
        self.headings.extend(range(head.first, head.last + 1))
        if head.level == 1 and not self.title:
            self.title = title
        else:
            self._path.append((head.level, title))

    def _kind_by_place(self, title: str, head: Block, own: Sequence[Block]) -> EntryKind | None:
        """A heading without prefix is a question in a FAQ, a procedure if it has steps or code."""
        if head.level == 1 or any(_is_question(block) for block in own):
            return None
        in_faq = any(_FAQ_SECTION.search(name) for _, name in self._path)
        if title.endswith("?") and in_faq and any(b.kind == "paragraph" for b in own):
            return "question"
        return "procedure" if any(b.fences or b.kind == "list" for b in own) else None

    def _bold_question(self, blocks: Sequence[Block], position: int) -> int:
        head = blocks[position]
        found = _BOLD_QUESTION.match(head.text)
        assert found is not None
        first, _, rest = head.text.partition("\n")
        after = first[found.end() :].strip()
        if found["inside"] and not _EXPLICIT_ID.fullmatch(after):
            title, rest = found["inside"], f"{after}\n{rest}"
        else:
            title = f"{found['inside'] or ''} {after}".strip()
        end = position + 1
        while end < len(blocks) and blocks[end].kind != "heading" and not _is_question(blocks[end]):
            end += 1
        body = list(blocks[position + 1 : end])
        if rest.strip():  # the answer follows in the same paragraph
            body.insert(0, replace(head, kind="answer", text=rest.strip()))
        title, explicit = _split_id(title)
        self._add("question", title, explicit, head, body)
        return end

    def _add(
        self,
        kind: EntryKind,
        title: str,
        explicit: str,
        head: Block,
        body: Sequence[Block],
    ) -> None:
        body = [block for block in body if block.kind != "hr"]
        fields = read_fields(body, self.lines)
        name = explicit or self.ids.get(_normal_title(title)) or _slug(title)
        taken = {entry.id for entry in self.entries}
        if name in taken:
            self.problems.append(Problem(self.file, head.first, f"duplicate id '{name}'"))
            name = next(f"{name}-{n}" for n in range(2, 10_000) if f"{name}-{n}" not in taken)
        end = max([head.last, *(block.last for block in body)])
        same = [block.text for block in body if block.kind == "answer"]
        entry = Entry(
            id=name,
            kind=kind,
            title=plain_title(title),
            section=" › ".join(plain_title(t) for _, t in self._path),
            file=self.file,
            line=head.first,
            end_line=end,
            body="\n".join([*same, *self._shown(head.last, end, fields)]).strip("\n"),
            solution=fields.solution,
            symptoms=tuple(fields.symptoms),
            causes=tuple(fields.causes),
            check=fields.check,
            sources=fields.sources,
            unproven=fields.unproven,
            blocks=tuple(fields.blocks),
            origin=self.origin,
            proof=tuple(fields.proof),
        )
        self.entries.append(keep_template(entry))
        self.problems.extend(Problem(self.file, line, fault) for line, fault in fields.faults)
        if kind == "error":
            self.problems.extend(_entry_problems(self.entries[-1], fields))

    def _shown(self, start: int, end: int, fields: Fields) -> list[str]:
        """The lines after `start` up to `end` that a reader may see."""
        return [self.lines[n] for n in range(start, end) if n + 1 not in fields.hidden]


def _extent(blocks: Sequence[Block], position: int) -> tuple[int, int]:
    """Where the own content of the heading ends, and where its deeper headings end."""
    own = position + 1
    while own < len(blocks) and blocks[own].kind != "heading":
        own += 1
    deep = own
    while deep < len(blocks) and not (
        blocks[deep].kind == "heading" and blocks[deep].level <= blocks[position].level
    ):
        deep += 1
    return own, deep


def _is_plain_below(blocks: Sequence[Block], start: int, end: int) -> bool:
    """Is there no entry of its own among the deeper headings `start`..`end`?"""
    for block in blocks[start:end]:
        if _is_question(block):
            return False
        if block.kind == "heading":
            prefix = _PREFIX.match(_split_id(block.text)[0])
            if "{#" in block.text or (prefix and prefix["word"].lower() in _KIND_OF_PREFIX):
                return False
    return True


def _is_question(block: Block) -> bool:
    return block.kind == "paragraph" and bool(_BOLD_QUESTION.match(block.text))


def _split_id(heading: str) -> tuple[str, str]:
    """'Error: x {#y}' → ('Error: x', 'y'), emoji and marks at the front taken off."""
    found = _EXPLICIT_ID.search(heading)
    title = heading[: found.start()] if found else heading
    stripped = title.strip()
    while stripped and not (stripped[0].isalnum() or stripped[0] in "`[(\"'$<_/.*-"):
        stripped = stripped[1:].lstrip()
    return stripped, found["id"] if found else ""


def _entry_problems(entry: Entry, fields: Fields) -> Iterable[Problem]:
    if not entry.solution.strip():
        yield Problem(entry.file, entry.line, f"error '{entry.title}' has no solution")
    for line, name in fields.unknown:
        yield Problem(entry.file, line, f"unknown label '**{name}**:' in an error")


# --- lines and tokens ------------------------------------------------------------------------


def _problems(
    entries: Sequence[Entry], blocks: Sequence[Block], lines: Sequence[str], file: str
) -> Iterable[Problem]:
    """Problems that are seen on the file as a whole."""
    for block in blocks:
        for fence in block.fences:
            if fence.type == "fence" and fence.map and not is_closed(fence, lines):
                yield Problem(file, fence.map[0] + 1, "code fence is never closed")
    first_entry = min(entry.line for entry in entries)
    for block in blocks:
        if block.first < first_entry and block.fences:
            yield Problem(file, block.first, "code before the first entry")


def _without_roles(lines: Sequence[str], blocks: Sequence[Block]) -> list[str]:
    """The lines as a reader sees them: of an info string with a role, the language alone stays."""
    shown = list(lines)
    for block in blocks:
        for fence in block.fences:
            if fence.map and fence.type == "fence" and parse_info(fence.info).role:
                opening, mark, _ = shown[fence.map[0]].partition(fence.markup)
                shown[fence.map[0]] = f"{opening}{mark}{parse_info(fence.info).language}"
    return shown


def _ignored(lines: Sequence[str], used: set[int], skip: int) -> tuple[Span, ...]:
    """Spans of lines outside entries and headings, blank ones left out, with a reason."""
    spans: list[Span] = []
    for number, line in enumerate(lines, start=1):
        if number in used or not line.strip():
            continue
        reason = "introduction"
        if number <= skip:
            reason = "front matter"
        elif re.fullmatch(r"\s*([-*_]\s*){3,}", line):
            reason = "rule"
        if spans and spans[-1].last == number - 1 and spans[-1].reason == reason:
            spans[-1] = replace(spans[-1], last=number)
        else:
            spans.append(Span(number, number, reason))
    return tuple(spans)


def _normal_title(title: str) -> str:
    title, _ = _split_id(title)
    prefix = _PREFIX.match(title)
    if prefix and prefix["word"].lower() in _KIND_OF_PREFIX:
        title = prefix["rest"]
    return plain_title(title).casefold().rstrip("?!. ")


def _slug(title: str) -> str:
    text = unicodedata.normalize("NFKD", plain_title(title)).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words)[:60].strip("-") or "entry"
