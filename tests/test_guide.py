"""Guides to entries: every form that guides of this family have, and nothing lost.

The golden files beside the fixtures were read by a person; after a wanted change of the grammar
`python -m tests.test_guide` writes them anew.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from assistant.errors import GuideError
from assistant.guide import find_dead_links, load_id_table, parse_guide
from assistant.markdown_blocks import plain_title
from assistant.types import Guide

HERE = Path(__file__)
ROOT = HERE.parents[1]
SHARED = HERE.parents[2] / "shared"
GUIDES = HERE.parent / "data" / "guides"
SHIPPED = ROOT / "knowledge" / "module-2.2-computer-vision.md"
USERS = SHARED / "guide" / "module-2.2-troubleshooting.md"
IDS_TEXT = (ROOT / "knowledge" / "ids.tsv").read_text("utf-8")
IDS = load_id_table(IDS_TEXT)

FIXTURES = sorted(GUIDES.glob("*.md"))
ALL_GUIDES = [*FIXTURES, SHIPPED, *([USERS] if USERS.exists() else [])]
needs_users_guide = pytest.mark.skipif(
    not USERS.exists(), reason="../shared/guide is not part of the product; it is not here"
)

# single commands, names and messages that exist in one form only (contracts 24)
ALLOWED_LINES = {
    "from segment_anything import SamPredictor",
}


def parse(text: str, **ids: str) -> Guide:
    return parse_guide(text, file="guide.md", ids=ids)


def parse_file(path: Path) -> Guide:
    return parse_guide(path.read_text("utf-8"), file=path.name, ids=IDS)


def summary(guide: Guide) -> dict[str, object]:
    drop = {"body", "file", "origin"}
    return {
        "title": guide.title,
        "origin": guide.origin,
        "entries": [
            {k: shown(v) for k, v in asdict(e).items() if k not in drop and v}
            for e in guide.entries
        ],
        "headings": list(guide.headings),
        "ignored": [[s.first, s.last, s.reason] for s in guide.ignored],
        "problems": [[p.line, p.message] for p in (*guide.problems, *find_dead_links([guide]))],
    }


def shown(value: object) -> object:
    """Blocks without a role are listed without what only roles have."""
    if isinstance(value, tuple) and value and isinstance(value[0], dict):
        return [b if b["role"] else {k: b[k] for k in ("language", "code", "line")} for b in value]
    return value


def as_json(guide: Guide) -> str:
    return json.dumps(summary(guide), ensure_ascii=False, indent=1) + "\n"


def section(guide: Guide, name: str) -> list[str]:
    return [entry.id for entry in guide.entries if entry.section == name]


# --- golden ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_fixture_parses_as_a_person_read_it(path: Path) -> None:
    assert as_json(parse_file(path)) == path.with_suffix(".json").read_text("utf-8")


# --- nothing is lost ---------------------------------------------------------------------------


def assert_nothing_lost(guide: Guide, text: str) -> None:
    lines = text.split("\n")
    owner: dict[int, list[str]] = {n: [] for n in range(1, len(lines) + 1)}
    for entry in guide.entries:
        for n in range(entry.line, entry.end_line + 1):
            owner[n].append(entry.id)
    for n in guide.headings:
        owner[n].append("heading")
    for span in guide.ignored:
        for n in range(span.first, span.last + 1):
            owner[n].append(span.reason)
    wrong = {n: o for n, o in owner.items() if len(o) != 1 and (lines[n - 1].strip() or len(o) > 1)}
    assert wrong == {}


def assert_entries_hold_their_text(guide: Guide, text: str) -> None:
    """Every word of an entry's lines is in its title, its id or its body."""
    lines = text.split("\n")
    for entry in (entry.template or entry for entry in guide.entries):
        run = " ".join(block.code for block in entry.proof)  # not shown, but not lost
        kept = plain_title(f"{entry.title} {entry.id} {entry.body} {run}")
        hidden = False
        for line in lines[entry.line - 1 : entry.end_line]:
            hidden = line == "**Reproduce**:" or (
                hidden and not re.match(r"\*\*[A-Z].*\*\*:", line)
            )
            if hidden or re.match(r"\s*```(?:python|bash) (?:fix|check)", line):
                continue
            words = re.findall(r"\w{3,}", plain_title(line))
            assert [w for w in words if w not in kept and w not in {"Error", "Issue"}] in (
                [],
                ["Problem"],
                ["Question"],
            ), f"{entry.id}: {line}"


def assert_code_is_verbatim(guide: Guide, text: str) -> None:
    """A block's lines stand in the file one after the other, at the line it names."""
    lines = text.split("\n")
    for entry in (entry.template or entry for entry in guide.entries):
        for block in entry.blocks:
            code = block.code.split("\n")
            fenced = lines[block.line - 1].lstrip(" >-").startswith(("```", "~~~"))
            start = block.line if fenced else block.line - 1
            for n, line in enumerate(code):
                assert lines[start + n].endswith(line), (entry.id, start + n + 1)


@pytest.mark.parametrize("path", ALL_GUIDES, ids=lambda p: p.stem)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_every_line_belongs_to_exactly_one_thing(path: Path, ends: str) -> None:
    text = path.read_text("utf-8")
    guide = parse_guide(text.replace("\n", ends), file=path.name, ids=IDS)
    assert_nothing_lost(guide, text)
    assert_entries_hold_their_text(guide, text)
    assert_code_is_verbatim(guide, text)
    assert summary(guide) == summary(parse_file(path))


ODD_CHARACTERS = {
    "form feed": "\f",
    "line separator": "\u2028",
    "next line": "\x85",
    "tab": "\t",
}


@pytest.mark.parametrize("odd", ODD_CHARACTERS.values(), ids=ODD_CHARACTERS)
def test_odd_separators_do_not_shift_lines_or_tear_code(odd: str) -> None:
    code = f"a = 'x{odd}y'"
    text = f"# T\n\n### Error: A{odd}B\n\n```python\n{code}\n```\n\n### Error: C\n\nText.\n"
    guide = parse(text)
    assert [(e.title, e.line) for e in guide.entries] == [("A B", 3), ("C", 9)]
    assert guide.entries[0].blocks[0].code == code
    assert_nothing_lost(guide, text)


# --- single forms ------------------------------------------------------------------------------

HEADINGS = [
    ("#### Error: Boom", "error", "Boom"),
    ("### ❌ Error: Boom", "error", "Boom"),
    ("### Issue: Boom", "error", "Boom"),
    ("### ❌ Problem: Boom", "error", "Boom"),
    ("### ⚠️ **Error:** Boom", "error", "Boom"),
    ("### **Error: Boom**", "error", "Boom"),
    ("###### error: Boom", "procedure", "error: Boom"),  # lower case is a message, no prefix
    ("## Error: Boom", "error", "Boom"),
    ("# Error: Boom", "error", "Boom"),
    ("### Q: Boom?", "question", "Boom?"),
    ("### ❓ Q: Boom?", "question", "Boom?"),
    ("### Question: Boom?", "question", "Boom?"),
    ("**Q: Boom?**", "question", "Boom?"),
    ("**Q:** Boom?", "question", "Boom?"),
    ("**Q**: Boom?", "question", "Boom?"),
    ("**Question: Boom?**", "question", "Boom?"),
    ("### 🔧 Boom it", "procedure", "Boom it"),
    ("### Error: `Boom`: \\*all\\* of it ###", "error", "Boom: all of it"),
]


@pytest.mark.parametrize(("heading", "kind", "title"), HEADINGS)
def test_headings(heading: str, kind: str, title: str) -> None:
    entry = parse(f"# Guide\n\n{heading}\n\n```bash\ntrue\n```\n").entries[0]
    assert (entry.kind, entry.title, entry.line) == (kind, title, 3)


LABELS = [
    ("**Cause**: c\n\n**Solution**: s", "c", "s"),
    ("**Cause:** c\n\n**Solution:** s", "c", "s"),
    ("**Cause**: c\n**Solution**: s", "c", "s"),
    ("**Causes:**\n- c\n\n**Fix:** s", "c", "s"),
    ("**Why**: c\n\n**Fixes**:\n\ns", "c", "s"),
    ("**CAUSE**: c\n\n**SOLUTION** : s", "c", "s"),
    ("**Solution**: s\n\n**Cause**: c", "c", "s"),
    ("**Cause**: c\n\n**Solution 1**: s", "c", "**Solution 1**: s"),
    ("**Cause**: c\n\n**Solution 1: the way**\n\ns", "c", "**Solution 1: the way**\n\ns"),
    ("**Cause**: c\n\n**Solution**: s\n\n**Note**: n", "c", "s\n\n**Note**: n"),
]


@pytest.mark.parametrize(("body", "cause", "solution"), LABELS)
def test_labels(body: str, cause: str, solution: str) -> None:
    guide = parse(f"### Error: E\n\n{body}\n")
    assert (guide.entries[0].causes, guide.entries[0].solution) == ((cause,), solution)
    assert guide.problems == ()


ANSWERS = [
    ("**Q: Why?**\n\nBecause.", "Why?", "Because."),
    ("**Q: Why?**\n\n**A**: Because.", "Why?", "Because."),
    ("**Q: Why?**\n**A:** Because.", "Why?", "Because."),
    ("**Q: Why?** Because.", "Why?", "Because."),
    ("**Q:** Why?\nBecause.\nReally.", "Why?", "Because.\nReally."),
    ("### Q: Why?\n\n**Answer**: Because.", "Why?", "Because."),
]


@pytest.mark.parametrize(("text", "title", "answer"), ANSWERS)
def test_answers(text: str, title: str, answer: str) -> None:
    entry = parse(f"{text}\n").entries[0]
    assert (entry.title, entry.solution) == (title, answer)
    assert "Because." in entry.body


def test_a_bold_question_ends_a_question_with_a_heading() -> None:
    guide = parse("## FAQ\n\n### Q: One?\n\n1.\n\n**Q: Two?**\n\n2.\n\n**Q: Three?**\n\n3.\n")
    assert [e.title for e in guide.entries] == ["One?", "Two?", "Three?"]


def test_front_matter_that_is_not_yaml_is_a_problem_and_no_heading() -> None:
    for front in ("a: b: c", "day: 2024-13-45", "{", "- a"):
        guide = parse(f"---\n{front}\n---\n\n### Error: E\n\nText.\n")
        assert [e.section for e in guide.entries] == [""], front
        if front != "- a":
            assert [(p.line, p.message) for p in guide.problems] == [
                (1, "the front matter is not valid YAML")
            ]


BAD = {
    "empty": ("", "is empty"),
    "only blank": ("\n \n\t\n", "is empty"),
    "plain words": ("Just some words.\n\nAnd more.", "has no entries"),
    "only headings": ("# A\n\n## B\n\n### C\n", "has no entries"),
    "python": ("import os\n# error\nprint(os)\n", "has no entries"),
    "html": ("<html><body><h3>Error: x</h3></body></html>", "has no entries"),
    "csv": ("a,b\n1,2\n", "has no entries"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_is_no_guide_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(GuideError, match=message) as raised:
        parse(text)
    assert raised.value.hint
    assert "\n" not in str(raised.value)


def test_deep_nesting_is_read() -> None:
    guide = parse("### Error: E\n\n" + "> " * 3000 + "x\n\n" + "  - " * 500 + "y\n")
    assert guide.entries[0].end_line == 5


def test_id_table_ignores_marks_prefixes_and_case() -> None:
    ids = load_id_table("id\tkind\ttitle\nthe-id\terror\t`Boom` is *here*?\n\n")
    for title in (
        "Boom is here",
        "❌ Error: `boom` is here?",
        "Q: BOOM is here",
        "**Boom** is here",
    ):
        assert parse(f"### Error: {title}\n\nx\n", **ids).entries[0].id == "the-id"


# --- the user's guide and ours -----------------------------------------------------------------


def rows(text: str) -> list[tuple[str, str]]:
    return [tuple(line.split("\t")[:2]) for line in text.splitlines()[1:]]  # type: ignore[misc]


@needs_users_guide
def test_users_guide_gives_the_forty_entries() -> None:
    guide = parse_file(USERS)
    wanted = rows((SHARED / "entries.tsv").read_text("utf-8"))
    assert len(wanted) == 40
    assert sorted((e.id, e.kind) for e in guide.entries) == sorted(wanted)
    assert guide.problems == ()
    assert find_dead_links([guide]) == ()
    assert all(e.solution for e in guide.entries)


def test_shipped_guide_has_every_id_and_no_problem() -> None:
    guide = parse_file(SHIPPED)
    assert {(e.id, e.kind) for e in guide.entries} >= set(rows(IDS_TEXT))
    assert guide.problems == ()
    assert find_dead_links([guide]) == ()
    for entry in guide.entries:
        assert entry.sources or entry.kind == "procedure", entry.id
        assert all(block.language for block in entry.blocks), entry.id
        assert entry.symptoms or entry.kind != "error", entry.id


def prose_runs(text: str, length: int = 10) -> set[tuple[str, ...]]:
    prose = re.sub(r"```.*?```", " . ", text, flags=re.DOTALL)
    words = re.findall(r"[\w'-]+", re.sub(r"`[^`\n]*`|https?://\S+", " ", prose).lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def code_lines(text: str) -> set[str]:
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    lines = {" ".join(line.split()) for block in blocks for line in block.splitlines()}
    return {line for line in lines if len(line) > 30}


@needs_users_guide
def test_shipped_guide_copies_nothing_from_the_users() -> None:
    """Contracts 24: a command, name, URL or message that has only one form is no copy."""
    ours, users = SHIPPED.read_text("utf-8"), USERS.read_text("utf-8")
    assert prose_runs(ours) & prose_runs(users) == set()
    assert code_lines(ours) & code_lines(users) - ALLOWED_LINES == set()


if __name__ == "__main__":
    for fixture in FIXTURES:
        fixture.with_suffix(".json").write_text(as_json(parse_file(fixture)), "utf-8")
