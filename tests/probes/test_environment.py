"""The row `environment`: what is unusual around an interpreter, and of secrets only presence."""

from __future__ import annotations

import pytest

from assistant.probes.environment import interpret_environment

GIB = 1 << 30
OTHER_PIP = ("pip_command", {"file": "/usr/bin/pip", "interpreter": "/usr/bin/python3"})


@pytest.mark.parametrize(
    ("machine", "changes", "status", "said", "advised"),
    [
        ("gb10", [], "ok", "Python 3.12.3 in a virtual environment (venv)", ""),
        ("no_gpu", [], "warn", "only 64 MiB", "--ipc=host"),
        ("gb10", [("conda", True)], "ok", "a conda environment", ""),
        ("gb10", [("ngc", "25.12"), ("container", "/.dockerenv")], "ok", "container 25.12", ""),
        ("gb10", [OTHER_PIP], "warn", "another Python: /usr/bin/python3", "/cv/bin/python -m pip"),
        ("gb10", [OTHER_PIP, ("known", False)], "ok", "nothing unusual", ""),
        ("gb10", [("pip_command", {"file": None, "interpreter": None})], "ok", "unusual", ""),
        ("gb10", [("pip", {"found": False})], "warn", "no pip", "ensurepip"),
        ("gb10", [("cache.free", 5 * GIB)], "warn", "5.0 GiB are free", "Make room"),
        ("gb10", [("cache.free", 1000)], "fail", "0 MiB are free", "Make room"),
        ("gb10", [("limits.open_files", 256)], "warn", "only 256 files", "ulimit -n"),
        ("gb10", [("limits.open_files", -1)], "ok", "unusual", ""),
        ("gb10", [("encoding", "ascii")], "warn", "read as ascii", "C.UTF-8"),
        ("gb10", [("shm", {"error": "none"})], "ok", "unusual", ""),
        ("gb10", [("executable", "")], "no_data", "did not say", ""),
    ],
)
def test_verdict(load_row, machine, changes, status, said, advised) -> None:
    finding = interpret_environment(load_row(machine, "environment", *changes), where="here")
    assert finding.status == status
    assert said in finding.summary
    assert advised in finding.next


def test_small_shared_memory_names_the_entry(load_row) -> None:
    finding = interpret_environment(load_row("no_gpu", "environment"), where="here")
    assert finding.entries == ("dataloader-hang",)


def test_of_secrets_only_presence_is_shown(load_row) -> None:
    row = load_row("gb10", "environment", ("secrets", {"HF_TOKEN": True, "KAGGLE_KEY": "hf_tiger"}))
    facts = dict(interpret_environment(row, where="here").facts)
    assert facts["HF_TOKEN"] == "set"
    assert facts["KAGGLE_KEY"] == "not set"
    assert facts["hub token file"] == "there"
    assert "hf_tiger" not in str(facts)
