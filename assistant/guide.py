"""Markdown guides to entries, on Markdown tokens, with line-numbered problems.

Knows the grammar of troubleshooting guides (`knowledge/README.md`) and nothing of how entries are
searched or shown. Every line of a file ends up in an entry, a heading, or an ignored span.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from assistant.errors import GuideError
from assistant.types import CodeBlock, Entry, EntryKind, Guide, Problem, Span

_MARKDOWN = MarkdownIt("commonmark").enable("table")

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
# "**Cause**: text", "**Cause:** text", "**Causes**:", "**A**: text"
# and with more to it: "**Solution 2**:", "**Solution 2 (slow):**", "**Solution 2: Use less**"
_LABEL = re.compile(
    r"^\*\*(?P<name>[A-Za-z][A-Za-z' ]{0,30}?)"
    r"(?P<more>(?:\s*#?\d{1,2})?(?:\s*\([^)*\n]{1,60}\))?)\s*"
    r"(?::\*\*|\*\*\s*:|(?P<text>:[ \t][^*\n]{1,120}\*\*))[ \t]*"
)
# "**Q: Why?**", "**Q:** Why?", "**Q**: Why?"
_BOLD_QUESTION = re.compile(r"^\*\*Q(?:uestion)?\s*(?::\s*(?P<inside>[^*].*?)\*\*|:\*\*|\*\*\s*:)")
_FAQ_SECTION = re.compile(r"\b(faq|frequently asked|questions?)\b", re.IGNORECASE)
_LINK_TO_ENTRY = re.compile(r"\]\(#(?P<id>[\w.-]+)\)")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_MARKS = re.compile(r"[`*]|\\(?=[\\`*_{}\[\]()#+.!-])")

_FIELDS = {
    "symptom": "symptoms",
    "symptoms": "symptoms",
    "cause": "causes",
    "causes": "causes",
    "why": "causes",
    "solution": "solution",
    "solutions": "solution",
    "fix": "solution",
    "fixes": "solution",
    "a": "solution",
    "answer": "solution",
    "check": "check",
    "verify": "check",
    "sources": "sources",
    "source": "sources",
    "tell it apart": "apart",
    "why it works": "reason",
    "prevention": "reason",
    "note": "",
    "notes": "",
}


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
    front, skip = _front_matter(lines)
    blocks = _blocks(lines, skip)
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


def plain_title(markdown: str) -> str:
    """Take marks, emoji and backticks out of a heading: '❌ `x`' becomes 'x'."""
    text = _MARKS.sub("", markdown)
    kept = [c for c in text if unicodedata.category(c) not in {"So", "Sk", "Cf", "Mn"} or c in "^`"]
    return " ".join("".join(kept).split())


# --- outline ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    """A top-level Markdown block: lines `first`..`last` (1-based, inclusive) and its tokens."""

    kind: str
    first: int
    last: int
    text: str
    level: int = 0
    fences: tuple[Token, ...] = ()


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

    def read(self, blocks: Sequence[_Block]) -> None:
        position = 0
        while position < len(blocks):
            block = blocks[position]
            if block.kind == "heading":
                position = self._heading(blocks, position)
            elif _is_question(block):
                position = self._bold_question(blocks, position)
            else:
                position += 1

    def _heading(self, blocks: Sequence[_Block], position: int) -> int:
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

    def _section(self, title: str, head: _Block) -> None:
        self.headings.extend(range(head.first, head.last + 1))
        if head.level == 1 and not self.title:
            self.title = title
        else:
            self._path.append((head.level, title))

    def _kind_by_place(self, title: str, head: _Block, own: Sequence[_Block]) -> EntryKind | None:
        """A heading without prefix is a question in a FAQ, a procedure if it has steps or code."""
        if head.level == 1 or any(_is_question(block) for block in own):
            return None
        in_faq = any(_FAQ_SECTION.search(name) for _, name in self._path)
        if title.endswith("?") and in_faq and any(b.kind == "paragraph" for b in own):
            return "question"
        return "procedure" if any(b.fences or b.kind == "list" for b in own) else None

    def _bold_question(self, blocks: Sequence[_Block], position: int) -> int:
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
        head: _Block,
        body: Sequence[_Block],
    ) -> None:
        body = [block for block in body if block.kind != "hr"]
        fields = _read_fields(body, self.lines)
        name = explicit or self.ids.get(_normal_title(title)) or _slug(title)
        taken = {entry.id for entry in self.entries}
        if name in taken:
            self.problems.append(Problem(self.file, head.first, f"duplicate id '{name}'"))
            name = next(f"{name}-{n}" for n in range(2, 10_000) if f"{name}-{n}" not in taken)
        end = max([head.last, *(block.last for block in body)])
        same = [block.text for block in body if block.kind == "answer"]
        self.entries.append(
            Entry(
                id=name,
                kind=kind,
                title=plain_title(title),
                section=" › ".join(plain_title(t) for _, t in self._path),
                file=self.file,
                line=head.first,
                end_line=end,
                body="\n".join([*same, *self.lines[head.last : end]]).strip("\n"),
                solution=fields.solution,
                symptoms=tuple(fields.symptoms),
                causes=tuple(fields.causes),
                check=fields.check,
                sources=fields.sources,
                blocks=tuple(fields.blocks),
                origin=self.origin,
            )
        )
        if kind == "error":
            self.problems.extend(_entry_problems(self.entries[-1], fields))


def _extent(blocks: Sequence[_Block], position: int) -> tuple[int, int]:
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


def _is_plain_below(blocks: Sequence[_Block], start: int, end: int) -> bool:
    """Is there no entry of its own among the deeper headings `start`..`end`?"""
    for block in blocks[start:end]:
        if _is_question(block):
            return False
        if block.kind == "heading":
            prefix = _PREFIX.match(_split_id(block.text)[0])
            if "{#" in block.text or (prefix and prefix["word"].lower() in _KIND_OF_PREFIX):
                return False
    return True


def _is_question(block: _Block) -> bool:
    return block.kind == "paragraph" and bool(_BOLD_QUESTION.match(block.text))


def _split_id(heading: str) -> tuple[str, str]:
    """'Error: x {#y}' → ('Error: x', 'y'), emoji and marks at the front taken off."""
    found = _EXPLICIT_ID.search(heading)
    title = heading[: found.start()] if found else heading
    stripped = title.strip()
    while stripped and not (stripped[0].isalnum() or stripped[0] in "`[(\"'$<_/.*-"):
        stripped = stripped[1:].lstrip()
    return stripped, found["id"] if found else ""


# --- fields of an entry ----------------------------------------------------------------------


@dataclass(slots=True)
class _Fields:
    symptoms: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    solution: str = ""
    check: str = ""
    sources: str = ""
    blocks: list[CodeBlock] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)


def _read_fields(body: Sequence[_Block], lines: Sequence[str]) -> _Fields:
    """Sort the blocks of an entry by the bold label that stands before them."""
    fields = _Fields()
    parts: dict[str, list[str]] = {}
    current = "solution"
    for block in body:
        for text in _labelled_parts(block, lines):
            current, text = _take_label(block, text, current, fields)
            if text.strip():
                parts.setdefault(current, []).append(text)
        if current == "solution":
            fields.blocks.extend(_code(fence, block) for fence in block.fences)
    fields.symptoms = _items(parts.get("symptoms", []))
    fields.causes = _items(parts.get("causes", []))
    fields.solution = "\n\n".join(parts.get("solution", []))
    fields.check = "\n\n".join(parts.get("check", []))
    fields.sources = "\n\n".join(parts.get("sources", []))
    return fields


def _labelled_parts(block: _Block, lines: Sequence[str]) -> list[str]:
    """The block's text; a paragraph is cut before each line that begins with a known label."""
    text = "\n".join(lines[block.first - 1 : block.last])
    if block.kind not in {"paragraph", "answer"}:
        return [text]
    parts: list[str] = []
    for line in (block.text if block.kind == "answer" else text).split("\n"):
        label = _LABEL.match(line)
        if not parts or (label and label["name"].strip().lower() in _FIELDS):
            parts.append(line)
        else:
            parts[-1] = f"{parts[-1]}\n{line}"
    return parts


def _take_label(block: _Block, text: str, current: str, fields: _Fields) -> tuple[str, str]:
    """The field that `text` belongs to, and `text` without its label (kept if it says more)."""
    label = _LABEL.match(text) if block.kind in {"paragraph", "answer"} else None
    if label is None:
        return current, text
    name = label["name"].strip()
    known = _FIELDS.get(name.lower())
    if known is None:
        fields.unknown.append((block.first, name))
    says_more = label["more"] or label["text"]
    return known or current, text[label.end() :] if known and not says_more else text


def _code(fence: Token, block: _Block) -> CodeBlock:
    language = fence.info.split()[0].lower() if fence.info.strip() else ""
    line = (fence.map[0] + 1) if fence.map else block.first
    return CodeBlock(language=language, code=fence.content.rstrip("\n"), line=line)


def _items(texts: Iterable[str]) -> list[str]:
    """List items, paragraphs and lines of code as plain one-line texts."""
    found: list[str] = []
    for text in texts:
        found.append("")
        fenced = False
        for line in text.split("\n"):
            item = re.sub(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+", "", line)
            if fence := _FENCE.match(item):
                fenced = not fenced
            if item != line or fence or fenced or not line.strip():
                found.append("")
            found[-1] += "" if fence else f" {item.strip()}"
    return [plain_title(item) for item in found if item.strip("`* ")]


def _entry_problems(entry: Entry, fields: _Fields) -> Iterable[Problem]:
    if not entry.solution.strip():
        yield Problem(entry.file, entry.line, f"error '{entry.title}' has no solution")
    for line, name in fields.unknown:
        yield Problem(entry.file, line, f"unknown label '**{name}**:' in an error")


# --- lines and tokens ------------------------------------------------------------------------


def _front_matter(lines: Sequence[str]) -> tuple[Mapping[str, object], int]:
    """YAML between '---' lines at the very top → (its mapping, number of lines to skip).

    What is not YAML at all is skipped with an empty mapping.
    """
    if not lines or lines[0].strip() != "---":
        return {}, 0
    for number in range(1, min(len(lines), 60)):
        if lines[number].strip() in {"---", "..."}:
            try:
                data = yaml.safe_load("\n".join(lines[1:number]))
            except (yaml.YAMLError, ValueError, RecursionError):
                return {}, number + 1
            return (data, number + 1) if isinstance(data, dict) else ({}, 0)
    return {}, 0


def _blocks(lines: Sequence[str], skip: int) -> list[_Block]:
    """Top-level blocks in order, with 1-based line ranges trimmed of blank lines at their end."""
    source = "\n".join(["" if n < skip else line for n, line in enumerate(lines)])
    tokens = _MARKDOWN.parse(source)
    blocks: list[_Block] = []
    for position, token in enumerate(tokens):
        if token.level != 0 or token.map is None:
            continue
        first, end = token.map[0] + 1, token.map[1]
        while end > first and not lines[end - 1].strip():
            end -= 1
        blocks.append(_block(tokens, position, first, end))
    return blocks


def _block(tokens: Sequence[Token], position: int, first: int, last: int) -> _Block:
    token = tokens[position]
    inside = list(_inside(tokens, position))
    fences = tuple(t for t in inside if t.type in {"fence", "code_block"})
    text = next((t.content for t in inside if t.type == "inline"), "")
    names = {"heading_open": "heading", "paragraph_open": "paragraph", "hr": "hr"}
    kind = names.get(token.type, "list" if token.type.endswith("list_open") else token.type)
    level = int(token.tag[1]) if kind == "heading" else 0
    return _Block(kind=kind, first=first, last=last, text=text, level=level, fences=fences)


def _inside(tokens: Sequence[Token], position: int) -> Iterable[Token]:
    """The token itself, and everything up to the one that closes it."""
    yield tokens[position]
    if tokens[position].nesting == 1:
        for token in tokens[position + 1 :]:
            if token.level == 0 and token.nesting == -1:
                return
            yield token


def _problems(
    entries: Sequence[Entry], blocks: Sequence[_Block], lines: Sequence[str], file: str
) -> Iterable[Problem]:
    """Problems that are seen on the file as a whole."""
    for block in blocks:
        for fence in block.fences:
            if fence.type == "fence" and fence.map and not _is_closed(fence, lines):
                yield Problem(file, fence.map[0] + 1, "code fence is never closed")
    first_entry = min(entry.line for entry in entries)
    for block in blocks:
        if block.first < first_entry and block.fences:
            yield Problem(file, block.first, "code before the first entry")


def _is_closed(fence: Token, lines: Sequence[str]) -> bool:
    assert fence.map is not None
    if fence.map[1] - fence.map[0] < 2:
        return False
    closing = lines[fence.map[1] - 1].strip().lstrip("> ")
    return set(closing) == {fence.markup[0]} and len(closing) >= len(fence.markup)


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
