"""What is known of the last verification: kept, compared, and never in the way when broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assistant.library import load_library
from assistant.types import CodeBlock, Entry
from assistant.verified import (
    Verified,
    blocks_digest,
    find_changed_messages,
    find_differences,
    is_in_sample,
    load_verified,
    same_message,
    save_verified,
)

ROW = Verified(
    "2026-11-23", "x86_64", "3.11", {"torch": "2.14.1", "timm": "1.0.31"}, "ab12", "Boom"
)
ENTRY = Entry(
    "x", "error", "X", "", "g.md", 1, 2, "", "", proof=(CodeBlock("bash", "ls", 3, "fix"),)
)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "verified.json"
    save_verified({"b": ROW, "a": replace(ROW, says="é")}, path)
    assert load_verified(path) == {"a": replace(ROW, says="é"), "b": ROW}
    assert list(load_verified(path)) == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', '{"a": {"date": "x"}}', '{"a": {"z": 1}}']
)
def test_a_broken_file_is_no_knowledge(text: str, tmp_path: Path) -> None:
    path = tmp_path / "verified.json"
    path.write_text(text)
    assert load_verified(path) == {}
    assert load_verified(tmp_path / "missing.json") == {}


def test_shipped_rows_are_of_shipped_entries() -> None:
    entries = load_library([]).entries
    assert set(load_verified()) <= set(entries)
    assert all(row.packages or row.python for row in load_verified().values())


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"torch": "2.15.0+cu130", "timm": "1.2"}, ()),
        ({}, ()),
        ({"torch": "3.0.0"}, ("torch 3.0.0 (verified with 2.14.1)",)),
        ({"timm": "0.9"}, ("timm 0.9 (verified with 1.0.31)",)),
    ],
)
def test_another_major_version_is_said(installed: dict[str, str], said: tuple[str, ...]) -> None:
    assert find_differences(ROW, installed) == said


def test_for_versions_below_one_the_second_number_counts() -> None:
    row = replace(ROW, packages={"torchvision": "0.29.1"})
    assert find_differences(row, {"torchvision": "0.29.9"}) == ()
    assert find_differences(row, {"torchvision": "0.30.0"})


def test_the_digest_follows_the_code_and_its_terms() -> None:
    block = ENTRY.proof[0]
    moved = replace(ENTRY, proof=(replace(block, line=99),), title="Other words")
    assert blocks_digest(moved) == blocks_digest(ENTRY)
    for changed in (replace(block, code="ls -l"), replace(block, role="check"),
                    replace(block, terms=replace(block.terms, needs=("gpu",)))):  # fmt: skip
        assert blocks_digest(replace(ENTRY, proof=(changed,))) != blocks_digest(ENTRY)
    assert blocks_digest(replace(ENTRY, proof=())) == ""


@pytest.mark.parametrize(
    ("one", "two", "is_same"),
    [
        ("Expected size 24 but got 25", "Expected size 124 but got 5", True),
        ("No such file: '/tmp/a-1/x.pth'", "No such file: '/home/me/x.pth'", True),
        ("<Net object at 0x7f12ab>", "<Net object at 0x11>", True),
        ("Input type (float) and bias type", "Input type (float) and weight type", False),
    ],
)
def test_numbers_and_paths_make_no_other_message(one: str, two: str, is_same: bool) -> None:
    assert same_message(one, two) == is_same


def test_each_changed_message_is_told_by_itself() -> None:
    before = "RuntimeError: shapes (4x2)\nTypeError: old words\nValueError: same"
    now = "RuntimeError: shapes (8x3)\nTypeError: new words\nValueError: same\nKeyError: 'x'"
    assert find_changed_messages(before, now) == (
        ("TypeError: old words", "TypeError: new words"),
        ("nothing", "KeyError: 'x'"),
    )
    assert find_changed_messages(before, before) == find_changed_messages(before, "") == ()
    assert find_changed_messages("", now) == ()


def test_the_sample_is_fixed_and_about_a_tenth() -> None:
    names = [f"entry-{n}" for n in range(1000)]
    chosen = [name for name in names if is_in_sample(name)]
    assert 60 < len(chosen) < 140
    assert chosen == [name for name in names if is_in_sample(name)]
