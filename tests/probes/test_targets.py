"""Which interpreters may be looked at: the operator's and Jupyter's, never a typed one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.probes.collector import Collector
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import (
    discover_targets,
    find_kernels,
    kernel_folders,
    parse_targets,
)

PYTHON = sys.executable


def write_kernel(folder: Path, name: str, spec: object) -> None:
    place = folder / "share" / "jupyter" / "kernels" / name
    place.mkdir(parents=True)
    text = spec if isinstance(spec, str) else json.dumps(spec)
    (place / "kernel.json").write_text(text)


def test_own_then_the_operators_then_kernels(tmp_path: Path) -> None:
    write_kernel(tmp_path / "home/.local", "course", {"argv": [PYTHON, "-m", "ipykernel"]})
    write_kernel(tmp_path / "prefix", "course", {"argv": ["/elsewhere/python"]})
    write_kernel(tmp_path / "prefix", "other", {"argv": [PYTHON]})
    targets = discover_targets(
        [f"lab={PYTHON}"],
        executable="/x/python",
        home=tmp_path / "home",
        prefix=tmp_path / "prefix",
        proc=tmp_path / "no-proc",
    )
    found = [target for target in targets if "/usr" not in target.argv[0]]
    assert [(t.name, t.kind, t.argv) for t in found] == [
        ("own", "own", ("/x/python",)),
        ("lab", "interpreter", (PYTHON,)),
        ("kernel-course", "kernel", (PYTHON,)),
        ("kernel-other", "kernel", (PYTHON,)),
    ]
    assert targets[0].label == "the assistant's own Python /x/python (not your notebook's)"


@pytest.mark.parametrize(
    "setting",
    [
        "", "lab", "lab=", "=/usr/bin/env", "lab=python3", "lab=bin/python", "lab=/no/such/python",
        "lab=/etc", "lab=/etc/passwd", f"own={PYTHON}", f"a b={PYTHON}", f"a;id={PYTHON}",
        f"$(id)={PYTHON}", f"`id`={PYTHON}", f"../x={PYTHON}", f"-x={PYTHON}", f"a\0={PYTHON}",
        f"a\n={PYTHON}", f"läb={PYTHON}", f"{'a' * 41}={PYTHON}", f"lab={PYTHON}\0",
        f"lab={PYTHON}\n", f"lab={PYTHON} -c pass", f"lab={PYTHON};id",
    ],
)  # fmt: skip
def test_what_cannot_be_a_target_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_targets([setting])
    assert caught.value.hint


def test_a_name_is_given_once() -> None:
    with pytest.raises(SettingsError):
        parse_targets([f"lab={PYTHON}", f"lab={PYTHON}"])


@pytest.mark.parametrize(
    "spec",
    [
        "no json", "[" * 60000, "null", [], {}, {"argv": []}, {"argv": PYTHON}, {"argv": [1]},
        {"argv": ["python3", "-m", "ipykernel"]}, {"argv": ["/no/such/python"]},
        {"argv": ["/bin/sh", "-c", "id"]}, {"argv": ["/usr/bin/env", "python3"]},
        {"argv": [PYTHON + "\0"]}, {"argv": ["../bin/python"]},
    ],
    ids=lambda spec: str(spec)[:30].replace("\0", "0"),
)  # fmt: skip
def test_kernels_that_name_no_python_are_passed_over(tmp_path: Path, spec: object) -> None:
    write_kernel(tmp_path, "k", spec)
    assert find_kernels([tmp_path / "share/jupyter/kernels"]) == ()


def test_odd_folders_are_passed_over(tmp_path: Path) -> None:
    write_kernel(tmp_path, "a;id", {"argv": [PYTHON]})
    (tmp_path / "share/jupyter/kernels/file").write_text("x")
    (tmp_path / "share/jupyter/kernels/kernel.json").mkdir()
    assert find_kernels([tmp_path / "none", tmp_path / "share/jupyter/kernels"]) == ()


def test_variables_of_a_kernelspec_are_known_the_others_are_not(tmp_path: Path) -> None:
    environment = {
        "CUDA_VISIBLE_DEVICES": "1",
        "HF_TOKEN": "hf_tiger",
        "PATH": "${PATH}:/x",
        "A": 1,
    }
    write_kernel(tmp_path, "k", {"argv": [PYTHON], "env": environment})
    (target,) = find_kernels([tmp_path / "share/jupyter/kernels"])
    assert target.environment == (("CUDA_VISIBLE_DEVICES", "1"), ("HF_TOKEN", "set"))
    collector = Collector({"PATH": "/usr/bin:/bin", "HOME": "/h", "CUDA_VISIBLE_DEVICES": "7"})
    for row, said in (({"CUDA_VISIBLE_DEVICES": "1"}, '"1"'), ({}, "cannot be seen from here")):
        known = replace(target, environment=tuple(row.items()))
        runner = ProbeRunner(lambda t=known: [t], collector, folder=tmp_path, home=tmp_path)
        (finding,) = runner.run(["environment"])
        assert dict(finding.facts)["CUDA_VISIBLE_DEVICES"] == said


def test_jupyters_own_folders_are_searched_in_its_order(tmp_path: Path) -> None:
    named = tmp_path / "named"
    environment = {"JUPYTER_PATH": f"{named}:relative", "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    folders = kernel_folders(home=tmp_path, prefix=tmp_path / "p", environment=environment)
    assert folders[:3] == (
        named / "kernels", tmp_path / "data/kernels", tmp_path / "p/share/jupyter/kernels",
    )  # fmt: skip


def test_a_target_and_a_container_cannot_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("")
    (tmp_path / "docker").chmod(0o755)
    with pytest.raises(SettingsError):
        discover_targets(
            [f"lab={PYTHON}"], executable=PYTHON, home=tmp_path, prefix=tmp_path,
            environment={"PATH": str(tmp_path)}, containers=["lab=cv"], proc=tmp_path,
        )  # fmt: skip
