"""`targets`, `probe`, `doctor` and `bench` as a person runs them, with made-up environments."""

from __future__ import annotations

import json
import resource
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.test_cli import is_calm, out, run, said, shape


@pytest.fixture(scope="module", name="lab")
def make_lab(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The setting for a bare environment of the operator: it has no package of the course."""
    place = tmp_path_factory.mktemp("lab") / "cv"
    venv.create(place, symlinks=True)
    return f"lab={place}/bin/python"


def test_targets_are_listed_the_default_first(lab: str) -> None:
    done = run("targets", "--json", targets=lab)
    rows = shape(done)["targets"]
    assert all(set(row) == {"name", "kind", "label", "python"} for row in rows)
    names = {row["name"]: row for row in rows}
    assert names["lab"]["kind"] == "interpreter"
    assert names["lab"]["python"] == lab.partition("=")[2]
    assert names["own"]["kind"] == "own"
    assert is_calm(run("targets", targets=lab))
    assert run("targets", targets="lab=/no/such/python").returncode == 2


def test_a_package_that_is_missing_there_is_found_here(lab: str) -> None:
    done = run("probe", "packages", "--set", "name=numpy", "--target", "lab", targets=lab)
    assert done.returncode == 0
    assert "that the operator named lab" in out(done)
    assert "numpy is not installed in this Python, but it is in" in out(done)
    assert f"{lab.partition('=')[2]} -m pip install numpy" in out(done)
    here = run("probe", "packages", "--set", "name=numpy", "--target", "own", targets=lab)
    assert "is installed in this Python" in out(here)


def test_a_check_changes_the_answer_for_that_interpreter(lab: str) -> None:
    text = "ModuleNotFoundError: No module named 'timm'"
    asked = ("ask", text, "--probe", "--target", "lab", "--json")
    found = shape(run(*asked, targets=lab))
    python = lab.partition("=")[2]
    evidence = {row["id"]: row for row in found["evidence"]}
    assert "timm is not installed in this Python" in evidence["packages"]["summary"]
    assert all("named lab" in row["where"] and row["source"] for row in evidence.values())
    assert f"{python} -m pip install timm" in found["fix"]["text"]
    assert {"language": "bash", "code": f"{python} -m pip install timm"} in found["fix"]["blocks"]
    assert "*(a check confirms this: timm is not installed" in found["fix"]["text"]
    assert "**On your machine:**" in found["fix"]["text"]


def test_without_a_target_it_is_asked_which_python(lab: str) -> None:
    text = "ModuleNotFoundError: No module named 'timm'"
    found = shape(run("ask", text, "--probe", "--json", targets=lab))
    assert found["evidence"] == []
    assert "packages" in found["offered"]
    assert any("which Python" in notice and "lab" in notice for notice in found["notices"])


def test_doctor_computes_for_less_than_five_seconds() -> None:
    """Whatever else the machine does; most of it is the one import of torch."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("doctor", "--target", "own", "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert 0 < used < 5.0


@pytest.mark.parametrize(
    "arguments",
    [
        ("packages", "--set", "name=--help"),
        ("packages", "--set", "name=a;id"),
        ("packages", "--set", "name"),
        ("packages", "--set", "=x"),
        ("packages", "--set", "name=a", "--set", "name=b"),
        ("packages", "--set", "nonsense=1"),
        ("packages", "--target", "/usr/bin/python3"),
        ("packages", "--target", "--help"),
        ("nope", "--cell"),
    ],
)
def test_what_is_not_on_the_list_is_refused_with_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = run("probe", *arguments)
    assert done.returncode == 2
    assert is_calm(done)


def test_doctor_says_what_to_fix_and_writes_a_report(lab: str, tmp_path: Path) -> None:
    report = tmp_path / "report.zip"
    done = run("doctor", "--target", "lab", "--bundle", str(report), "--json", targets=lab)
    found = shape(done)
    assert found["target"] == "lab"
    assert done.returncode == 1, "torch is missing there"
    assert {row["id"]: row["status"] for row in found["rows"]}["gpu"] == "fail"
    with zipfile.ZipFile(report) as file:
        rows = json.loads(file.read("report.json"))["rows"]
    assert [(row["id"], row["status"]) for row in rows] == [
        (row["id"], row["status"]) for row in found["rows"]
    ]
    again = run("doctor", "--bundle", str(report), targets=lab)
    assert (again.returncode, out(again)) == (2, "")
    nowhere = run("doctor", "--target", "nowhere", "--bundle", str(tmp_path / "no/x.zip"))
    assert nowhere.returncode == 2
    assert is_calm(nowhere)


def test_the_only_target_of_the_operator_is_the_default(lab: str) -> None:
    listed = shape(run("targets", "--json", targets=lab))["targets"]
    done = run("probe", "environment", targets=lab)
    assert out(done).startswith(f"Looked at: {listed[0]['label']}")
    assert "own" in said(done), "what was not looked at is said"


def test_a_cell_is_printed_for_where_we_cannot_look() -> None:
    done = run("probe", "packages", "--cell")
    assert done.returncode == 0
    compile(out(done), "cell", "exec")
    assert "def collect_packages(" in out(done)
    for name in ("labels", "hub"):
        done = run("probe", name, "--cell")
        compile(out(done), name, "exec")
    told = run("probe", "yolo", "--cell")
    assert told.returncode == 2
    assert "packages, environment" in said(told)
    assert "yolo" not in said(told).partition("Choose")[2]


def test_bench_prints_the_ratio_to_a_bare_start(lab: str) -> None:
    done = run("bench", "probes", "--target", "lab", "--runs", "1", "--json", targets=lab)
    found = shape(done)
    rows, missing = found["rows"], {row["id"]: row["reason"] for row in found["missing"]}
    assert {"memory", "packages", "environment"} <= {row["id"] for row in rows}
    assert missing["gpu"] == "torch can't be imported there"
    assert all(row["ratio"] > 0 for row in rows)
    assert sys.executable not in out(done)
