"""Entries that prove themselves, and those that do not: real processes on small guides.

The guide beside the tests (`data/proofs.md`) has one entry for each way in which a proof can end,
hostile ones included. What nothing protects from is said in `workshop.py`: blocks have the rights
of the user. The shipped guides are proven in `test_knowledge.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from assistant.errors import ProcessError
from assistant.interpreter import Interpreter, make_python, read_interpreter
from assistant.library import Library, load_library
from assistant.needs import build_missing
from assistant.process import Limits, run_process
from assistant.types import CodeBlock, Entry, Match, Need, Query, Retrieval, Terms
from assistant.verify import Verdict, imported_packages, prove, verdicts_json, verify_entries
from assistant.workshop import Ran, Step, Workshop, find_imports
from tests.course import build_lexical_retriever

GUIDE = Path(__file__).parent / "data" / "proofs.md"


@cache
def library() -> Library:
    return load_library([str(GUIDE)])


@cache
def interpreter() -> Interpreter:
    return read_interpreter(sys.executable, environment=os.environ)


def missing(need: Need) -> str:
    return "" if need in {"lab", "pypi"} else f"needs {need}; none is here"


def verify(*ids: str) -> list[Verdict]:
    retriever, _ = build_lexical_retriever(library(), False)
    return list(
        verify_entries(
            [library().entries[id_] for id_ in ids],
            interpreter=interpreter(),
            environment=os.environ,
            missing=missing,
            search=retriever.search,
        )
    )


# --- real processes ----------------------------------------------------------------------------

# id: (reproduced, rank, fixed, words of the reason)
ENDINGS: dict[str, tuple[bool | None, int | None, bool | None, str]] = {
    "good": (True, 1, True, ""),
    "computed": (True, 1, True, ""),
    "shell": (True, 1, True, ""),
    "two-shells": (True, 1, True, ""),
    "absent": (True, 1, True, ""),
    "stays-absent": (True, 1, False, "check (line"),
    "no-fix-needed": (True, 1, False, "the check passes without the fix"),
    "bad-fix": (True, 1, False, "fix (line 168) failed: TypeError"),
    "leads-elsewhere": (False, None, None, "leads to bad-fix"),
    "silent": (False, None, None, "shows no symptom"),
    "hangs": (False, None, None, "too much time"),
    "floods": (False, None, None, "too much output"),
    "eats": (False, None, None, "too much memory"),
    "kills-parent": (False, None, None, "ended the process that ran it"),
    "dies": (True, 1, True, ""),
    "needs-gpu": (None, None, None, "needs gpu; none is here; needs spark; none is here"),
    "fix-needs-network": (True, 1, None, "fix: needs network; none is here"),
    "unproven": (None, None, None, "has no block that reproduces it"),
    "question": (None, None, None, "has no block that reproduces it"),
}


def test_every_entry_has_an_ending() -> None:
    assert set(ENDINGS) == set(library().entries)


@pytest.mark.parametrize("id_", ENDINGS)
def test_ending(id_: str) -> None:
    (verdict,) = verify(id_)
    reproduced, rank, fixed, reason = ENDINGS[id_]
    seen = (verdict.reproduced, None if reproduced is False else verdict.rank, verdict.fixed)
    assert seen == (reproduced, rank, fixed), verdict
    assert reason in verdict.reason, verdict
    assert bool(reason) == bool(verdict.reason), verdict
    assert verdict.has_failed == (reproduced is False or fixed is False)


def test_json_has_null_for_what_was_not_tried() -> None:
    shape = verdicts_json([Verdict("a", "error", "g.md", True, 1, None, 1.234, "no network")])
    assert shape == {
        "entries": [
            {
                "id": "a",
                "kind": "error",
                "guide": "g.md",
                "reproduced": True,
                "rank": 1,
                "fixed": None,
                "seconds": 1.23,
                "reason": "no network",
            }
        ]
    }


# --- the place ---------------------------------------------------------------------------------


def play(folder: Path, *blocks: CodeBlock, environment: dict[str, str] | None = None) -> list[Ran]:
    given = dict(os.environ) if environment is None else environment
    workshop = Workshop(interpreter(), folder, given)
    return workshop.play([Step(b, (), "one", frozenset(b.terms.without)) for b in blocks])


def test_blocks_see_no_secret_and_live_in_the_workshop(tmp_path: Path) -> None:
    code = "import os; print(sorted(os.environ)); print(os.getcwd()); print(os.environ['HOME'])"
    secrets = {"HF_TOKEN": "hf_x", "PIP_INDEX_URL": "https://user:word@index", "PATH": os.defpath}
    ran, shell = play(
        tmp_path,
        CodeBlock("python", code, role="fix"),
        CodeBlock("bash", "env; pwd; command -v python pip", role="fix"),
        environment=secrets,
    )
    assert ran.code == shell.code == 0, (ran, shell)
    for output in (ran.output, shell.output):
        assert "hf_x" not in output
        assert "word@" not in output
        assert str(tmp_path / "work-one") in output
        assert str(tmp_path / "home") in output
    assert shell.output.count(str(tmp_path / "python-0" / "venv" / "bin")) >= 3


def test_index_and_proxy_reach_only_blocks_that_say_so(tmp_path: Path) -> None:
    given = {"PIP_INDEX_URL": "https://index", "https_proxy": "http://proxy", "PATH": os.defpath}
    code = "echo ${PIP_INDEX_URL-none} ${https_proxy-none} ${PIP_NO_INDEX-none}"
    plain, online = play(
        tmp_path,
        CodeBlock("bash", code, role="fix"),
        CodeBlock("bash", code, role="fix", terms=Terms(needs=("pypi",))),
        environment=given,
    )
    assert plain.output == "none none 1\n"
    assert online.output == "https://index http://proxy none\n"


def test_pip_cannot_remove_or_replace_what_is_linked(tmp_path: Path) -> None:
    """The packages of the real environment are foreign to pip, though it sees them."""
    import yaml

    before = sorted(Path(yaml.__file__).parent.iterdir())
    (ran,) = play(
        tmp_path,
        CodeBlock("bash", "python -m pip uninstall -y pyyaml; python -c 'import yaml'", role="fix"),
    )
    assert ran.code == 0, ran.output
    assert "outside environment" in ran.output
    assert sorted(Path(yaml.__file__).parent.iterdir()) == before


def test_absent_means_import_metadata_and_pip(tmp_path: Path) -> None:
    code = (
        "! python -c 'import yaml'\n"
        "! python -c 'import importlib.metadata as m; m.version(\"pyyaml\")'\n"
        "! python -m pip show pyyaml\n"
        "python -c 'import markdown_it, importlib.util as u; assert u.find_spec(\"yaml\") is None'"
    )
    (ran,) = play(tmp_path, CodeBlock("bash", code, role="fix", terms=Terms(without=("yaml",))))
    assert ran.code == 0, ran.output
    assert "ModuleNotFoundError: No module named 'yaml'" in ran.output


def test_absent_in_one_virtual_environment_on_top_of_another(tmp_path: Path) -> None:
    """A .pth file that leads to the other folder of packages would bring all of them back."""
    top, base = (tmp_path / name / "site-packages" for name in ("top", "base"))
    top.mkdir(parents=True)
    base.mkdir(parents=True)
    (top / "base.pth").write_text(f"{base}\n")
    (top / "other.pth").write_text("import sys; sys.from_other = 1\n")
    (base / "seen.py").write_text("x = 1\n")
    (base / "hidden.py").write_text("x = 1\n")
    layered = replace(interpreter(), sites=(top, base), packages={})
    python = make_python(layered, tmp_path / "made", absent=frozenset({"hidden"}))
    code = "import sys, seen, importlib.util as u; print(u.find_spec('hidden'), sys.from_other)"
    done = run_process(
        [str(python), "-c", code], environment={}, limits=Limits(seconds=30), cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "None 1\n"), done


def test_cells_are_a_notebook(tmp_path: Path) -> None:
    """Classes can be pickled, modules beside the notebook imported, and exit codes are kept."""
    first = CodeBlock("python", "class Net: pass\nopen('mine.py', 'w').write('x = 3')", role="fix")
    last = CodeBlock(
        "python", "import pickle, mine\nprint(pickle.loads(pickle.dumps(Net())), mine.x)\nexit(7)",
        role="check",
    )  # fmt: skip
    workshop = Workshop(interpreter(), tmp_path, dict(os.environ))
    (ran,) = workshop.play([Step(last, (first,), "one")])
    assert (ran.code, ran.output.startswith("<__main__.Net"), ran.output[-2:]) == (7, True, "3\n")


def test_a_traceback_shows_the_cell_and_not_our_script(tmp_path: Path) -> None:
    code = "import json\ndef load():\n    return json.loads('')\nload()"
    (ran,) = play(tmp_path, CodeBlock("python", code, role="reproduce"))
    assert ran.code == 1
    assert ran.output.startswith('Traceback (most recent call last):\n  File "reproduce-1.py", li')
    assert "    return json.loads('')\n" in ran.output
    assert ran.output.endswith("Expecting value: line 1 column 1 (char 0)\n")


def test_what_a_block_leaves_running_is_ended(tmp_path: Path) -> None:
    code = "import subprocess\nprint(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"
    (ran,) = play(tmp_path, CodeBlock("python", code, role="reproduce"))
    status = Path(f"/proc/{int(ran.output)}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_python_that_is_none() -> None:
    with pytest.raises(ProcessError):
        read_interpreter("/bin/true", environment=os.environ)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import torch\nfrom torch import nn\n", ("torch",)),
        ('python -c "import lap; print(lap)"', ("lap",)),
        ("if x:\n    import cv2; import PIL.Image", ("cv2", "PIL")),
        ("import numpy as np, torch.nn as nn, timm", ("numpy", "torch", "timm")),
        ("python -c 'import timm, torch; print(1)'", ("timm", "torch")),
        ("# we import nothing\nprint('important')", ()),
        ("from . import x", ()),
    ],
)
def test_imports_of_code_and_shell_lines(code: str, names: tuple[str, ...]) -> None:
    assert find_imports(code) == names


# --- needs -------------------------------------------------------------------------------------


def test_gpu_and_spark_are_read_from_the_driver(tmp_path: Path) -> None:
    def look(need: Need) -> str:
        return build_missing(interpreter(), {}, driver=tmp_path)(need)

    assert look("gpu") == "needs an NVIDIA GPU; none is here"
    board = tmp_path / "gpus" / "000f:01:00.0" / "information"
    board.parent.mkdir(parents=True)
    board.write_text("Model: \t\t NVIDIA H100 80GB HBM3\n")
    assert look("gpu") == ""
    assert look("spark") == "needs a DGX Spark; this is another machine"


def test_lab_names_what_is_not_installed() -> None:
    bare = replace(interpreter(), packages={"torch": interpreter().packages["yaml"]})
    assert "timm" in build_missing(bare, {})("lab")


def test_versions_are_those_of_imported_packages() -> None:
    found = imported_packages(library().entries["absent"], interpreter())
    assert list(found) == ["PyYAML"]


# --- the plan ----------------------------------------------------------------------------------


class FakePlayer:
    """Notes the steps; every one ends as told."""

    def __init__(self, *codes: int, output: str = "Boom: it went wrong") -> None:
        self.codes, self.output = codes, output
        self.steps: Sequence[Step] = ()

    def play(self, steps: Sequence[Step]) -> list[Ran]:
        self.steps = steps
        codes = [*self.codes, *[0] * len(steps)]
        return [Ran(code, self.output, "") for code, _ in zip(codes, steps, strict=False)]


def find_nothing(query: Query) -> Retrieval:
    return Retrieval((), "abstain")


def plan(*blocks: str) -> list[str]:
    """Blocks such as 'python fix' as the steps that are played: 'session: earlier > block'."""
    made = [
        CodeBlock(language, f"{role}{number}", role=role)  # type: ignore[arg-type]
        for number, (language, role) in enumerate(block.split() for block in blocks)
    ]
    entry = Entry("x", "error", "x", "", "g.md", 1, 2, "", "", proof=tuple(made))
    player = FakePlayer(1)
    prove(entry, player, missing=missing, search=find_nothing)
    return [
        f"{step.session}: {' '.join([*(b.code for b in step.earlier), '>', step.block.code])}"
        for step in player.steps
    ]


def test_python_blocks_replay_and_have_their_own_folders() -> None:
    assert plan("python reproduce", "python fix", "python check") == [
        "case-0: > reproduce0",
        "unfixed-1: reproduce0 > check2",
        "fixed-2: reproduce0 fix1 > check2",
    ]


def test_shell_blocks_share_a_folder_with_their_session() -> None:
    steps = plan("bash reproduce", "python reproduce", "bash fix", "python fix", "bash check")
    assert steps == [
        "case: > reproduce0",
        "case: > reproduce1",
        "unfixed: > reproduce0",
        "unfixed: > check4",
        "fixed: > reproduce0",
        "fixed: > fix2",
        "fixed: reproduce1 > fix3",
        "fixed: > check4",
    ]


# --- the message -------------------------------------------------------------------------------

LOADING = """Traceback (most recent call last):
  File "/tmp/x1/train.py", line 3, in <module>
    net.load_state_dict(weights)
RuntimeError: Error(s) in loading state_dict for Net:
\tMissing key(s) in state_dict: "a.weight".
\tUnexpected key(s) in state_dict: "module.a.weight".
"""
WARNED = """/opt/lib/torch/cuda/__init__.py:65: FutureWarning: The package is deprecated.
  import pynvml  # type: ignore[import]
"""


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            LOADING,
            "RuntimeError: Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "
            '"a.weight". Unexpected key(s) in state_dict: "module.a.weight".',
        ),
        (WARNED, "FutureWarning: The package is deprecated."),
        (
            "FileNotFoundError: no '/tmp/verify-1/a/x.pth', see https://a.org/b/c",
            "FileNotFoundError: no '…/x.pth', see https://a.org/b/c",
        ),
        ("ERROR: No matching distribution\nhint: try again", "ERROR: No matching distribution"),
        ("epoch 1 loss 2\nIoU 0.000", "IoU 0.000"),
    ],
)
def test_the_whole_message_is_kept_and_no_folder(output: str, said: str) -> None:
    blocks = (
        CodeBlock("python", "x", role="reproduce"),
        CodeBlock("python", "y", role="reproduce"),
    )
    entry = Entry("x", "error", "x", "", "g.md", 1, 2, "", "", proof=blocks)

    def find_it(query: Query) -> Retrieval:
        return Retrieval((Match("x", "x", 1.0, ()),), "answer")

    verdict = prove(entry, FakePlayer(1, 1, output=output), missing=missing, search=find_it)
    assert verdict.says == f"{said}\n{said}"
