"""Interpreters with and without the course's packages, made on the spot, as targets."""

from __future__ import annotations

import importlib.metadata
import os
import site
import sys
import venv

import pytest

from assistant.probes.collector import Collector
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import own_target, parse_targets
from assistant.types import Finding
from tests.probes.running import needs


@pytest.fixture(scope="module", name="runner")
def make_targets(tmp_path_factory: pytest.TempPathFactory) -> ProbeRunner:
    """`bare` has no package, `full` the real ones of this Python."""
    needs("timm")
    needs("lap")
    place = tmp_path_factory.mktemp("targets")
    for name in ("bare", "full"):
        venv.create(place / name, symlinks=True)
    inside = next((place / "full/lib").glob("python*")) / "site-packages"
    folders = [entry for entry in sys.path if entry.endswith("site-packages")]
    (inside / "ours.pth").write_text("\n".join([*folders, *site.getsitepackages()]) + "\n")
    names = [f"{name}={place / name}/bin/python" for name in ("bare", "full")]
    targets = (own_target("/nowhere/python"), *parse_targets(names))
    collector = Collector({"PATH": os.environ["PATH"], "HOME": str(place)})
    return ProbeRunner(lambda: targets, collector, folder=place, home=place)


def look(runner: ProbeRunner, row: str, target: str, **parameters: str) -> Finding:
    (finding,) = runner.run([row], target=target, parameters=parameters)
    return finding


@pytest.mark.parametrize("package", ["timm", "lap", "torch"])
def test_what_is_missing_in_one_is_found_in_the_other(runner: ProbeRunner, package: str) -> None:
    there = look(runner, "packages", "full", name=package)
    assert f"{package} " in there.summary
    assert "is installed in this Python" in there.summary
    missing = look(runner, "packages", "bare", name=package)
    assert missing.status == "fail"
    assert f"{package} is not installed in this Python, but it is in" in missing.summary
    assert "that the operator named full" in missing.summary
    assert f"bare/bin/python -m pip install {package}" in missing.next
    clue = next(c for c in missing.clues if c.topic == f"missing_module={package}")
    assert clue.ruling == "confirmed"


def test_the_real_torch_is_asked_in_its_own_interpreter(runner: ProbeRunner) -> None:
    found = dict(look(runner, "gpu", "full").facts)
    assert found["torch"].startswith(importlib.metadata.version("torch"))
    assert found["torch.cuda.is_available()"] in ("True", "False")
    bare = look(runner, "gpu", "bare")
    assert (bare.status, bare.summary.startswith("PyTorch is not installed")) == ("fail", True)


def test_a_python_that_is_gone_is_a_finding(runner: ProbeRunner) -> None:
    gone = look(runner, "environment", "own")
    assert gone.status == "fail"
    assert "/nowhere/python" in gone.summary
