"""What `lint` says of roles, slots, sources, and of what a skeleton leaves to be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assistant.guide import parse_guide
from assistant.info_string import parse_info
from assistant.library import find_problems, read_guide
from assistant.lint import find_block_problems
from assistant.skeleton import NEW_GUIDE, QUESTIONS, UNWRITTEN, render_skeleton
from assistant.slots import SLOTS, plain
from assistant.types import Terms
from assistant.verified import Verified, blocks_digest

ENTRY = """---
origin: tests
---
### Error: `RuntimeError: shapes cannot be multiplied` {{#x}}

**Symptoms**:
- `RuntimeError: shapes cannot be multiplied (... and ...)`
- the score stays at zero in each epoch

**Cause**: {cause}

**Solution**: Do it.

```python fix
{fix}
```

**Check**:

```python check
{check}
```

**Reproduce**:

```{language} reproduce
{reproduce}
```

**Sources**: {sources}
"""
GOOD = {
    "cause": "So it is.",
    "fix": "x = 1",
    "check": "assert x == 1",
    "language": "python",
    "reproduce": "import torch\ntorch.rand(2, 3) @ torch.rand(2, 3)",
    "sources": "[docs](https://example.org)",
}


def problems(text: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "guide.md"
    path.write_text(text)
    return [problem.message for problem in find_problems([read_guide(path)])]


def test_a_good_entry_has_no_problem(tmp_path: Path) -> None:
    assert problems(ENTRY.format(**GOOD), tmp_path) == []


@pytest.mark.parametrize(
    ("part", "code", "message"),
    [
        ("reproduce", "raise RuntimeError('shapes cannot be multiplied')", "may not raise"),
        ("reproduce", "assert False, 'shapes'", "may not assert"),
        ("reproduce", "import sys\nsys.exit('shapes')", "may not call exit()"),
        ("reproduce", "exec('ra' + 'ise RuntimeError()')", "may not call exec()"),
        ("reproduce", "print('RuntimeError: a', 1)", "may not type the symptom"),
        ("reproduce", "print(f'the score stays at zero in each epoch {1}')", "may not type"),
        (
            "reproduce",
            "import sys\nsys.stderr.write('Shapes CANNOT be multiplied')",
            "may not type",
        ),
        ("reproduce", "import warnings\nwarnings.warn('shapes cannot be multiplied')", "may not"),
        ("reproduce", "said = 'shapes cannot be multiplied'\nprint(said)", "may not type"),
        ("reproduce", "import os\nos.write(2, b'shapes cannot be multiplied')", "may not type"),
        (
            "reproduce",
            "import subprocess\nsubprocess.run(['python', '-c', 'raise ValueError(1)'])",
            "may not type",
        ),
        ("sources", "[docs](http://example.org)", "'http://example.org' is no https address"),
        ("sources", "[docs](notes.md)", "'notes.md' is no https address"),
        ("check", "print(x)", "without an assertion"),
        ("check", "assert x ==", "is not Python"),
        ("fix", "x = = 1", "is not Python"),
        ("sources", "", "names no sources"),
        ("cause", "It is {{missing_modul}}.", "unknown slot 'missing_modul'"),
    ],
)
def test_what_is_refused(part: str, code: str, message: str, tmp_path: Path) -> None:
    found = problems(ENTRY.format(**GOOD | {part: code}), tmp_path)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    ("code", "is_refused"),
    [
        ("echo 'RuntimeError: shapes cannot be multiplied' >&2; false", True),
        ("printf 'the score stays at zero in each epoch'", True),
        ("exit 3", True),
        ("test -f x || exit 3", True),
        ("cat <<E >&2\nRuntimeError: shapes cannot be multiplied\nE", True),
        ("python -c \"raise ValueError('a')\"", True),
        ("python -c 'import sys; sys.exit(3)'", True),
        ("echo hello > file.txt", False),
        ("python train.py --exit-on-error", False),
    ],
)
def test_shell_reproductions(code: str, is_refused: bool, tmp_path: Path) -> None:
    text = ENTRY.format(**GOOD | {"language": "bash", "reproduce": code})
    assert bool(problems(text, tmp_path)) == is_refused


@pytest.mark.parametrize(
    "code",
    [
        "print('score', 0 * 3)",
        "print(f'epoch {1}: zero {0.0}')",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise",
        "net.eval()\nnet = torch.compile(net)",
        "load('shapes_cannot_be_multiplied')",
    ],
)
def test_what_is_computed_may_be_labelled(code: str, tmp_path: Path) -> None:
    assert problems(ENTRY.format(**GOOD | {"reproduce": code}), tmp_path) == []


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("python reproduce", "a fix block without a reproduce block"),
        ("python check", "a fix block without a check block"),
    ],
)
def test_roles_need_one_another(cut: str, message: str, tmp_path: Path) -> None:
    text = ENTRY.format(**GOOD).replace(f"```{cut}", "```text")
    assert message in problems(text, tmp_path)


def test_a_fix_stands_under_its_label_and_slots_not_in_what_is_searched(tmp_path: Path) -> None:
    text = ENTRY.format(**GOOD)
    moved = text.replace("Do it.\n\n```python fix\nx = 1\n```", "Do it.")
    moved = moved.replace("**Check**:", "**Check**:\n\n```python fix\nx = 1\n```\n")
    assert "a fix block belongs under **Solution**:" in problems(moved, tmp_path)
    slotted = text.replace("stays at zero", "stays at {{size_a}}")
    assert "a slot in a title or symptom, which is searched" in problems(slotted, tmp_path)


def test_code_that_is_not_the_verified_one(tmp_path: Path) -> None:
    guide = parse_guide(ENTRY.format(**GOOD), file="g.md", ids={})
    digest = blocks_digest(guide.entries[0])
    row = Verified("2026-11-26", "x86_64", "3.12", {}, digest)
    assert find_block_problems([guide], {"x": row}) == ()
    (found,) = find_block_problems([guide], {"x": replace(row, blocks="other")})
    assert "the code of 'x' is not the one verified on 2026-11-26" in found.message
    assert problems(ENTRY.format(**GOOD).replace("{#x}", "{#missing-timm}"), tmp_path) == []


def test_double_braces_in_python_are_no_slot(tmp_path: Path) -> None:
    assert problems(ENTRY.format(**GOOD | {"fix": 'x = len(f"{{y}}") - 2'}), tmp_path) == []


def test_sources_are_asked_only_of_guides_with_an_origin(tmp_path: Path) -> None:
    text = ENTRY.format(**GOOD | {"sources": ""}).partition("---\n### ")[2]
    assert problems(f"### {text}", tmp_path) == []


# --- info strings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language", "role", "terms"),
    [
        ("", "", "", Terms()),
        ("Python", "python", "", Terms()),
        ("python reproduce", "python", "reproduce", Terms()),
        ("bash fix needs=pypi,lab without=timm,cv2 time=20 memory=0.5", "bash", "fix",
         Terms(("pypi", "lab"), ("timm", "cv2"), 20.0, 0.5)),
        ("python {1,3}", "python", "", Terms()),
        ('python title="x.py"', "python", "", Terms()),
        ("text fixed width", "text", "", Terms()),
    ],
)  # fmt: skip
def test_info_strings(text: str, language: str, role: str, terms: Terms) -> None:
    info = parse_info(text)
    assert (info.language, info.role, info.terms, info.faults) == (language, role, terms, ())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("python repro", "unknown role 'repro'"),
        ("yaml check", "a check block must be python or bash"),
        ("python fix need=lab", "unknown attribute 'need'"),
        ("python fix needs=tpu", "'needs=tpu' of a code block is not possible"),
        ("python fix needs=lab, gpu", "is not name=value"),
        ("python fix time=9999", "'time=9999'"),
        ("python fix time=0", "'time=0'"),
        ("python fix without=../x", "'without=../x'"),
        ("python fix time=1 time=2", "comes twice"),
    ],
)
def test_faults_of_info_strings(text: str, fault: str) -> None:
    assert any(fault in found for found in parse_info(text).faults)


def test_roles_are_hidden_from_readers_and_the_reproduction_with_them() -> None:
    (entry,) = parse_guide(ENTRY.format(**GOOD), file="g.md", ids={}).entries
    assert [block.role for block in entry.proof] == ["fix", "check", "reproduce"]
    assert [block.code for block in entry.blocks] == ["x = 1"]
    assert entry.solution == "Do it.\n\n```python\nx = 1\n```"
    assert entry.check == "```python\nassert x == 1\n```"
    assert "torch.rand" not in entry.body
    assert "Reproduce" not in entry.body
    assert "```python\nx = 1" in entry.body


def test_a_reproduction_is_hidden_wherever_it_stands() -> None:
    text = ENTRY.format(**GOOD).replace("**Reproduce**:\n\n", "")
    text = text.replace("**Check**:", "```python reproduce\nhidden = 1\n```\n\n**Check**:")
    (entry,) = parse_guide(text, file="g.md", ids={}).entries
    assert "hidden" not in entry.body + entry.solution + entry.check
    assert [block.code for block in entry.blocks] == ["x = 1"]


# --- slots and skeletons -----------------------------------------------------------------------


def test_slots_degrade_to_plain_words() -> None:
    assert plain("Install {{missing_module}}.") == "Install the missing package."
    assert plain("pip install {{missing_module|timm}}") == "pip install timm"
    assert (
        plain("{{ size_a }}, f'{{x}}' and {{X|y}} stay")
        == "the one size, f'{{x}}' and {{X|y}} stay"
    )
    assert all(plain(f"{{{{{kind}}}}}") == words for kind, words in SLOTS.items())


@pytest.mark.parametrize(
    "answers",
    [
        dict.fromkeys(QUESTIONS, ""),
        {"title": "Loading fails", "message": "RuntimeError: `x`", "source": "https://a.b/c (d)"},
        {"title": "{#x} **bold** # `q`", "cause": "a\nb", "fix": "```python\nraise\n```"},
        {"title": "日本", "message": "{{missing_module}}"},
    ],
)
def test_of_a_skeleton_lint_names_the_lines_to_write(
    answers: dict[str, str], tmp_path: Path
) -> None:
    text = "---\norigin: tests\n---\n\n" + render_skeleton(answers)
    found = problems(text, tmp_path)
    assert len(found) >= 6
    assert all("still to be written: '" in problem for problem in found)
    written = text
    for words in UNWRITTEN:
        written = written.replace(words, "https://a.b/c" if "//" in words else "x")
    assert problems(written, tmp_path) == []


def test_every_placeholder_is_one_that_lint_knows() -> None:
    text = NEW_GUIDE + render_skeleton({})
    assert all(words in text for words in UNWRITTEN)
    assert text.count("Say here") == sum("Say here" in words for words in UNWRITTEN)
