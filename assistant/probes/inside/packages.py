"""Row `packages`, inside a target: what would be imported, looked up; imported only on request."""

import importlib
import importlib.machinery
import importlib.util
import os
import platform
import sys
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from assistant.probes.inside.shared import Document, guarded, lift_memory_limit, read_package


# Standard modules whose name a learner's file may carry without harm.
HARMLESS_NAMES = ("test", "this", "antigravity", "idlelib", "turtledemo", "lib2to3")


def collect_packages(order: "Mapping[str, Any]") -> "Document":
    """Which packages this interpreter would import, and from where."""
    course = [str(name) for name in order["packages"]]
    asked = str(order["parameters"].get("name") or "")
    names = list(dict.fromkeys([*course, *([asked.split(".")[0]] if asked else [])]))
    folder = str(order["folder"])
    document = {
        "executable": sys.executable,
        "packages": {name: guarded(partial(read_package, name)) for name in names},
        "asked": asked,
        "part": guarded(lambda: find_part(asked)) if "." in asked else None,
        "folder": folder,
        "shadows": guarded(lambda: find_shadows(folder, names)),
        "machine": platform.machine(),
    }
    if order["parameters"].get("import") == "yes":
        wanted = [name for name in course if not asked or name == asked]
        guarded(lift_memory_limit)
        document["imports"] = {name: guarded(partial(try_import, name)) for name in wanted}
    return document


def find_part(dotted: str) -> bool:
    """Whether a package has a part (timm.models), by its files, without importing the package."""
    first, *rest = dotted.split(".")
    spec = importlib.util.find_spec(first)
    places = list((spec.submodule_search_locations if spec else None) or [])
    suffixes = importlib.machinery.all_suffixes()
    for name in rest:
        paths = [os.path.join(place, name) for place in places]
        files = [path + suffix for path in paths for suffix in suffixes]
        places = [path for path in paths if os.path.isdir(path)]
        if not places:
            return name == rest[-1] and any(os.path.isfile(file) for file in files)
    return bool(places)


def try_import(name: str) -> "Document":
    """Import one package of the course's list; how it fails says what is wrong with it."""
    module = importlib.import_module(name)
    return {"version": str(getattr(module, "__version__", ""))}


def find_shadows(folder: str, names: "Sequence[str]") -> "list[Document]":
    """Files of the working folder that are imported in place of a package or standard module."""
    found = []
    for entry in sorted(os.listdir(folder))[:5000]:
        path = os.path.join(folder, entry)
        name = entry.split(".")[0] if os.path.isfile(path) else entry
        if not takes_place(path, entry):
            continue
        if name in names or is_standard(name):
            found.append({"name": name, "file": path, "standard": name not in names})
    return found


def takes_place(path: str, entry: str) -> bool:
    """A package folder needs __init__.py: without it an installed package goes first."""
    suffixes = tuple(importlib.machinery.all_suffixes())
    return os.path.isfile(os.path.join(path, "__init__.py")) or (
        os.path.isfile(path) and entry.endswith(suffixes)
    )


def is_standard(name: str) -> bool:
    """Built-in modules are not counted: no file can take their place."""
    if name in HARMLESS_NAMES or name in sys.builtin_module_names:
        return False
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return name in names
    library = os.path.join(os.path.dirname(os.__file__), name)
    return os.path.isfile(library + ".py") or os.path.isfile(os.path.join(library, "__init__.py"))
