"""The help packet: everything an instructor needs, nothing that is secret, no live Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from assistant.packet import read_versions, render_packet
from assistant.records import Record
from tests.test_history import FULL

VERSIONS = {"torch": "2.14.1", "timm": "not installed"}


def test_it_holds_question_status_findings_versions_and_what_was_tried() -> None:
    turn = replace(FULL, tried=("missing-timm",), outcome="not_fixed")
    text = render_packet([turn], VERSIONS, now=0.0)
    for part in (
        "1970-01-01",
        "No module named 'timm'",
        "a sure match",
        "`missing-timm`: it did not help",
        "`missing-lap`: shown",
        "timm is missing",
        "torch                    2.14.1",
    ):
        assert part in text, part
    assert "broken off" not in text
    helped = render_packet([replace(turn, outcome="fixed")], VERSIONS, now=0.0)
    assert "`missing-lap`: it helped" in helped


def test_versions_are_read_and_nothing_is_imported() -> None:
    found = read_versions(["pytest", "no-such-package"])
    assert list(found) == ["Python", "system", "pytest", "no-such-package"]
    assert found["pytest"] == pytest.__version__
    assert "not installed" in found["no-such-package"]


def test_several_questions_and_one_that_was_broken_off() -> None:
    turns = [FULL, Record(text="why?", kind="text", state="interrupted")]
    text = render_packet(turns, {}, now=0.0)
    assert text.index("## Question 1") < text.index("## Question 2")
    assert "broken off" in text
    assert "Nothing yet." in text


def test_a_paste_stays_a_block_and_secrets_are_masked() -> None:
    evil = (
        "```\n<script>alert(1)</script>\n# not a heading\n[x](javascript:alert(1))\n````\n\x1b[2J"
        "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwx"
    )
    title = "<img src=x onerror=alert(1)> [click](http://evil.example)"
    turn = replace(FULL, text=evil, matches=(replace(FULL.matches[0], title=title),))
    finding = replace(FULL.findings[0], summary=evil, where=title, facts=(("a", "```\n# b"),))
    text = render_packet([replace(turn, findings=(finding,))], {"x": "```"}, now=0.0)
    assert "hf_abc" not in text
    assert "\x1b" not in text
    html = MarkdownIt("commonmark").render(text)
    assert "<script" not in html
    assert "<img" not in html
    assert "href=" not in html
    assert "<h1>Help packet</h1>" in html
    assert html.count("<h1>") == 1


def test_a_huge_paste_is_cut_at_its_beginning() -> None:
    text = render_packet([replace(FULL, text="x" * 300_000 + "\nTHE END")], {}, now=0.0)
    assert len(text) < 30_000
    assert "THE END" in text
