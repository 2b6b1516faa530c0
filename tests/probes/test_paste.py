"""A cell that a learner runs where we cannot look, and what comes back from there."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.probes.paste import build_cell, read_pasted
from assistant.probes.registry import PROBES

CELLS = [row for row in PROBES if not row.needs_path and not row.cell]
BY_ID = {row.id: row for row in PROBES}


def run_cell(row_id: str, folder: Path, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-S", "-c", build_cell(BY_ID[row_id])],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.stdout


@pytest.mark.parametrize("row", CELLS, ids=lambda row: row.id)
def test_a_cell_is_plain_python_that_says_what_it_does(row) -> None:
    cell = build_cell(row)
    for minor in range(8, 15):
        ast.parse(cell, feature_version=(3, minor))
    assert cell.startswith(f"# {row.title}: reads ")
    assert f"def collect_{row.id.replace('-', '_')}(" in cell
    assert "b64decode" not in cell
    assert "exec(" not in cell


def test_what_a_cell_prints_is_read_as_pasted_evidence(tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text("open('ran', 'w')")
    printed = run_cell("packages", tmp_path)
    (finding,) = read_pasted(f"Here you are:\n{printed}\nthanks")
    assert (finding.id, finding.pasted, finding.status) == ("packages", True, "fail")
    assert finding.where.startswith("pasted by you (Python 3.")
    assert str(tmp_path / "timm.py") in finding.summary
    assert str(tmp_path) not in dict(finding.facts)["timm"]
    assert not (tmp_path / "ran").exists()


def test_a_cell_knows_the_variables_of_its_own_notebook(tmp_path: Path) -> None:
    printed = run_cell("environment", tmp_path, CUDA_VISIBLE_DEVICES="1")
    (finding,) = read_pasted(printed)
    assert dict(finding.facts)["CUDA_VISIBLE_DEVICES"] == '"1"'


def test_several_documents_the_last_of_a_row_counts(load_row) -> None:
    texts = []
    for machine in ("gb10", "no_gpu", "discrete"):
        rows = {name: load_row(machine, name) for name in ("memory", "gpu")}
        texts.append(json.dumps({"assistant_probe": 1, "python": "3.12.1", "rows": rows}))
    found = read_pasted("x {".join(texts))
    assert [finding.id for finding in found] == ["gpu", "memory"]
    assert "RTX 4090" in found[0].summary


@pytest.mark.parametrize(
    "text",
    [
        "", "no json", '"assistant_probe"', '{"assistant_probe": 1', '{"assistant_probe": 1}',
        '{"assistant_probe": 1, "rows": []}', '{"assistant_probe": 1, "rows": {"rm": {}}}',
        '{"x": 1, "assistant_probe": 1, "rows": {"gpu": {}}}',
        '{"assistant_probe": ' + "[" * 100_000, '{"assistant_probe"' * 5000,
        "{" * 50_000 + '"assistant_probe"',
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_is_no_document_of_ours_gives_nothing(text: str) -> None:
    assert read_pasted(text) == ()


def test_a_forged_document_is_only_a_finding_and_is_masked() -> None:
    secret = "hf_" + "a1" * 12
    section = {
        "executable": "/x/python; rm -rf ~", "version": f"3.12 {secret}\x1b[31m", "own": True,
        "secrets": {"HF_TOKEN": secret}, "others": [{"label": "x"}], "variables": {"A": secret},
    }  # fmt: skip
    document = {"assistant_probe": 1, "python": secret, "rows": {"environment": section}}
    (finding,) = read_pasted(json.dumps(document))
    assert finding.pasted
    assert secret[:10] not in str(finding)
    assert "\x1b" not in str(finding)


@pytest.mark.parametrize("row", PROBES, ids=lambda row: row.id)
@pytest.mark.parametrize("section", [{}, [], None, {"error": "x"}, "text", {"torch": 10**400}])
def test_no_section_makes_the_reader_raise(row, section) -> None:
    text = json.dumps({"assistant_probe": 1, "rows": {row.id: section}})
    for finding in read_pasted(text):
        assert finding.pasted


@pytest.mark.parametrize("machine", ["gb10", "no_gpu", "discrete"])
def test_no_path_of_a_paste_becomes_the_program_of_a_command(load_row, machine: str) -> None:
    """Whatever is wrong: too old, missing, without pip, with another Python's pip."""
    said, facts = [], []
    for row in ("packages", "environment", "gpu", "torchvision"):
        try:
            section = load_row(machine, row)
        except KeyError:
            section = {}
        for change in (
            {},
            {"packages": {"timm": {"file": "", "version": ""}}},
            {"pip": {"found": False}},
            {"pip_command": {"interpreter": "/usr/bin/python3"}},
            {"packages": {"torch": {"file": "/a", "version": "2.9.1"}}, "asked": "timm"},
        ):
            section = {**section, **change, "executable": "/tmp/evil/python3", "pasted": False}
            document = {"assistant_probe": 1, "rows": {row: section}}
            found = read_pasted(json.dumps(document))
            said += [finding.next for finding in found]
            facts += [fact for finding in found for fact in finding.facts]
    assert any("python -m pip" in text for text in said)
    assert any("python -m ensurepip" in text for text in said)
    assert not any("evil" in text for text in said)
    # the fact `python` fills the commands of an answer
    assert {name for name, value in facts if "evil" in value} == {"python by the paste"}
