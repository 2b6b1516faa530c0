"""What an installed copy needs is listed in the package, not only lying beside it."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_data_file_is_packaged() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {"assistant.knowledge": ROOT / "knowledge", "assistant": ROOT / "assistant"}
    forgotten = []
    for package in config["packages"]:
        folder = folders.get(package, ROOT.joinpath(*package.split(".")))
        others = [p for p in config["packages"] if p.startswith(f"{package}.")]
        inside = [folders.get(p, ROOT.joinpath(*p.split("."))) for p in others]
        for file in folder.rglob("*"):
            below_other = any(part in file.parents for part in inside)
            if file.is_dir() or below_other or "__pycache__" in file.parts:
                continue
            name = file.relative_to(folder).as_posix()
            patterns = config["package-data"].get(package, [])
            packaged = file.suffix == ".py" and "/" not in name
            if not packaged and not any(_fits(name, pattern) for pattern in patterns):
                forgotten.append(f"{package}: {name}")
    assert forgotten == []


def test_every_folder_with_code_is_a_package() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for init in (ROOT / "assistant").rglob("__init__.py")
    }
    assert found | {"assistant.knowledge"} == set(config["packages"])


def _fits(name: str, pattern: str) -> bool:
    """setuptools' '*' does not cross a folder."""
    return name.count("/") == pattern.count("/") and fnmatch.fnmatch(name, pattern)
