"""The guides in force: files found, read, joined; every unreadable one said in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant.errors import GuideError
from assistant.library import (
    BUILTIN,
    file_stamp,
    find_guide_files,
    find_problems,
    load_library,
    load_phrases,
    read_guide,
)

GUIDE = "# Guide\n\n### Error: Boom\n\n**Solution**: Wait.\n"
OTHER = "# Other\n\n### Error: Boom\n\n**Solution**: Run.\n\n### Q: Why?\n\nSo.\n"


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_builtin_is_the_default_and_has_the_forty_ids() -> None:
    library = load_library([])
    assert find_guide_files([]) == find_guide_files([BUILTIN])
    ids = [line.split("\t")[0] for line in id_table().splitlines()[1:]]
    assert len(ids) == 40
    assert set(ids) <= set(library.entries)
    assert library.notices == ()
    assert find_problems(library.guides) == ()


def id_table() -> str:
    return (Path(__file__).parents[1] / "knowledge" / "ids.tsv").read_text("utf-8")


def test_a_folder_means_its_markdown_but_the_readme(tmp_path: Path) -> None:
    b, a = put(tmp_path, "b.md", GUIDE), put(tmp_path, "a.md", OTHER)
    put(tmp_path, "README.md", GUIDE)
    put(tmp_path, "readme.MD", GUIDE)
    put(tmp_path, "notes.txt", GUIDE)
    (tmp_path / "folder.md").mkdir()
    assert find_guide_files([str(tmp_path)]) == (a, b)
    assert find_guide_files([str(b), str(tmp_path), str(b)]) == (b, a)


def test_the_first_guide_given_wins_and_a_notice_says_so(tmp_path: Path) -> None:
    one, two = put(tmp_path, "one.md", GUIDE), put(tmp_path, "two.md", OTHER)
    library = load_library([str(one), str(two)])
    assert library.entries["boom"].solution == "Wait."
    assert library.notices == ("Entry 'boom' is in one.md and in two.md; the first one counts.",)
    turned = load_library([str(two), str(one)])
    assert turned.entries["boom"].solution == "Run."
    assert turned.fingerprint != library.fingerprint


def test_builtin_adds_the_shipped_guides(tmp_path: Path) -> None:
    library = load_library([str(put(tmp_path, "mine.md", GUIDE)), BUILTIN])
    assert {"boom", "missing-timm"} <= set(library.entries)


def test_phrases_of_missing_entries_become_decoys_beside_the_course_guide(tmp_path: Path) -> None:
    """In a foreign guide, where another entry may answer them, they are left out."""
    path = put(tmp_path, "mine.md", "### Error: No timm {#missing-timm}\n\nInstall it.\n")
    foreign = load_library([str(path)])
    assert {phrase.id for phrase in foreign.phrases} == {"", "missing-timm"}
    assert len(foreign.phrases) < len(load_phrases())
    most = "\n".join(
        f"### Error: {id_} {{#{id_}}}\n\nDo it.\n"
        for id_ in sorted({p.id for p in load_phrases() if p.id} - {"cls-token"})
    )
    course = load_library([str(put(tmp_path, "course.md", most))])
    assert len(course.phrases) == len(load_phrases())
    assert "cls-token" not in {phrase.id for phrase in course.phrases}


def test_where_a_further_guide_is_not_loaded_the_module_answers(tmp_path: Path) -> None:
    """Rows with a second choice, and the messages of an entry whose rows nearly all have it."""
    rows = [phrase for phrase in load_phrases() if phrase.otherwise and not phrase.firm]
    library = load_library([BUILTIN])
    both = {(phrase.id, phrase.text) for phrase in library.phrases}
    both |= {(id_, text) for id_, entry in library.entries.items() for text in entry.symptoms}
    assert all((row.id, row.text) in both for row in rows)
    ids = [line.split("\t")[0] for line in id_table().splitlines()[1:]]
    module = "\n".join(f"### Error: {id_} {{#{id_}}}\n\nDo it.\n" for id_ in ids)
    course = load_library([str(put(tmp_path, "course.md", module))])
    alone = {(phrase.id, phrase.text) for phrase in course.phrases}
    assert len(rows) > 150
    assert all((row.otherwise, row.text) in alone for row in rows)
    shapes = [
        phrase for phrase in course.phrases if phrase.firm and "mat1 and mat2 shapes" in phrase.text
    ]
    assert {phrase.id for phrase in shapes} == {"still-stuck"}


def test_fingerprint_follows_the_text_and_nothing_else(tmp_path: Path) -> None:
    path = put(tmp_path, "mine.md", GUIDE)
    first = load_library([str(path)])
    os.utime(path, (1, 1))
    assert load_library([str(path)]) == first
    put(tmp_path, "mine.md", GUIDE.replace("Wait", "Wait!"))
    assert load_library([str(path)]).fingerprint != first.fingerprint


def test_stamp_changes_with_the_file_and_survives_its_loss(tmp_path: Path) -> None:
    path = put(tmp_path, "mine.md", GUIDE)
    stamp = file_stamp([str(path)])
    assert file_stamp([str(path)]) == stamp
    put(tmp_path, "mine.md", OTHER)
    assert file_stamp([str(path)]) != stamp
    path.unlink()
    assert file_stamp([str(path)]) == ()


READABLE = {
    "bom": b"\xef\xbb\xbf" + GUIDE.encode(),
    "crlf": GUIDE.replace("\n", "\r\n").encode(),
    "bom, crlf and front matter": b"\xef\xbb\xbf---\r\norigin: x\r\n---\r\n"
    + GUIDE.replace("\n", "\r\n").encode(),
    "no newline at the end": GUIDE.rstrip().encode(),
}


@pytest.mark.parametrize("data", READABLE.values(), ids=READABLE)
def test_harmless_differences_of_files(tmp_path: Path, data: bytes) -> None:
    guide = read_guide(put(tmp_path, "g.md", data))
    assert [(e.id, e.solution) for e in guide.entries] == [("boom", "Wait.")]
    assert guide.problems == ()


UNREADABLE = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "only a bom": (b"\xef\xbb\xbf", "is empty"),
    "not markdown": (b"a,b\n1,2\n", "has no entries"),
    "latin-1": ("### Error: Stra\u00dfe\n\nx\n".encode("latin-1"), "not UTF-8"),
    "utf-16": (GUIDE.encode("utf-16"), "not UTF-8"),
    "nul": (b"### Error: a\x00b\n\nx\n", "binary file"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not UTF-8"),
    "too large": (b"### Error: x\n\nx\n" + b"y" * 8_000_000, "8,000,000"),
}


@pytest.mark.parametrize(("data", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_guides_are_said_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = put(tmp_path, "bad.md", data)
    with pytest.raises(GuideError, match=message) as raised:
        load_library([str(path)])
    assert "bad.md" in str(raised.value)
    assert raised.value.hint
    assert "\n" not in str(raised.value)


def missing_names(folder: Path) -> dict[str, str]:
    return {
        "missing": str(folder / "nowhere.md"),
        "nothing inside": str(folder),
        "below a file": str(put(folder, "file.txt", "x") / "guide.md"),
        "too long": "g" * 5000 + ".md",
        "nul": "a\x00b.md",
        "home of nobody": "~no-such-user-here/guide.md",
    }


@pytest.mark.parametrize("case", range(6))
def test_paths_without_a_guide(tmp_path: Path, case: int) -> None:
    with pytest.raises(GuideError) as raised:
        load_library([list(missing_names(tmp_path).values())[case]])
    assert raised.value.hint
    assert len(str(raised.value)) < 500


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(GuideError, match="8,000,000"):
        load_library(["/dev/zero"])


def test_a_file_name_that_is_not_text(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path)) + b"/gu\xecde.md")
    try:
        Path(name).write_text(GUIDE)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert "boom" in load_library([name]).entries


def test_problems_come_by_file_and_line(tmp_path: Path) -> None:
    bad = "### Error: A\n\n[x](#gone)\n\n### Error: A\n\n[y](#boom)\n"
    one, two = put(tmp_path, "1.md", bad), put(tmp_path, "2.md", GUIDE)
    problems = find_problems(load_library([str(two), str(one)]).guides)
    assert [(Path(p.file).name, p.line) for p in problems] == [("1.md", 3), ("1.md", 5)]
