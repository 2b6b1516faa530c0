"""The probe code inside real interpreters, with false packages and a false driver beside it."""

from __future__ import annotations

import ast
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import assistant
from assistant.probes.packages import NAMES
from assistant.probes.registry import PROBES
from assistant.probes.source import FIRST_LINE, MAX_BYTES, probe_source
from tests.probes.running import find_python

INSIDE = sorted(
    file
    for file in (Path(assistant.__file__).parent / "probes" / "inside").glob("*.py")
    if file.stem != "__init__"
)
FAKE_DRIVER = """
#include <string.h>
typedef struct { unsigned pid; unsigned long long used; unsigned g, c; } info;
const char *nvmlErrorString(int code) { return code == 3 ? "Not Supported" : "Unknown"; }
int nvmlInit_v2(void) { return 0; }
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { strncpy(s, "580.95.05", n); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *v) { *v = 13000; return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)0x7fff12345678; return 0; }
int nvmlDeviceGetName(void *d, char *s, unsigned n) {
  if (d != (void *)0x7fff12345678) return 99;
  strncpy(s, "NVIDIA GB10", n); return 0; }
int nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) { *a = 12; *b = 1; return 0; }
int nvmlDeviceGetMemoryInfo(void *d, void *m) { return 3; }
int nvmlDeviceGetUtilizationRates(void *d, unsigned *u) { u[0] = 95; u[1] = 7; return 0; }
int nvmlDeviceGetClockInfo(void *d, unsigned k, unsigned *v) { *v = k == 1 ? 611 : 0; return 0; }
int nvmlDeviceGetPowerUsage(void *d, unsigned *v) { *v = 30000; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, info *p) {
  if (*n < 2 || !p) { *n = 2; return 7; }
  p[0].pid = 1; p[0].used = 4096; p[1].pid = 4000000; p[1].used = ~0ULL; *n = 2; return 0; }
"""


def collect(
    rows: list[str], folder: Path, *, python: str = sys.executable, **environment: str
) -> dict[str, Any]:
    order = {
        "rows": rows, "marker": "@@", "folder": str(folder), "home": str(folder), "packages": NAMES,
    }  # fmt: skip
    result = subprocess.run(
        [python, "-S", "-c", probe_source(rows), json.dumps(order)],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
    )
    before, document, after = result.stdout.split("@@")
    return json.loads(document)["rows"] | {"noise": before + after + result.stderr}


def test_the_source_fits_and_is_plain_enough_for_old_pythons() -> None:
    rows = [row for row in PROBES if not row.cell]
    source = probe_source([row.id for row in rows])
    for row in rows:
        assert len(probe_source([row.id]).encode()) < MAX_BYTES
    quick = probe_source([row.id for row in PROBES if row.quick and not row.alone])
    assert len(quick.encode()) < MAX_BYTES
    assert source.startswith(FIRST_LINE + "\n")
    assert "__future__ import" not in source.replace("`from __future__`", "")
    assert "'''" not in source, "a notebook cell encloses the code in them"
    for minor in range(8, 15):
        ast.parse(source, feature_version=(3, minor))


def test_files_that_become_one_text_define_no_name_twice() -> None:
    """A second `read_file` would quietly replace the first one in another row."""
    seen: dict[str, str] = {}
    for file in INSIDE:
        for node in ast.parse(file.read_text()).body:
            for name in defined_names(node):
                assert seen.setdefault(name, file.name) == file.name, name


@pytest.mark.parametrize("file", INSIDE, ids=lambda file: file.stem)
def test_a_file_imports_only_the_standard_library_before_it_is_asked(file: Path) -> None:
    for node in ast.parse(file.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def defined_names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return [target.id for target in targets if isinstance(target, ast.Name)]


@pytest.mark.parametrize("minor", range(8, 15))
def test_every_python_found_here_runs_it(minor: int, tmp_path: Path) -> None:
    python = find_python(minor)
    found = collect(["memory", "packages", "environment", "gpu"], tmp_path, python=python)
    assert found["environment"]["executable"] == python
    assert found["memory"]["meminfo"]["MemAvailable"] > 0
    assert found["packages"]["packages"]["timm"]["found"] is False
    assert found["packages"]["shadows"] == []
    assert found["gpu"]["torch"] == {"found": False}
    assert found["noise"].strip() == ""


def test_files_of_the_folder_are_seen_but_not_run(tmp_path: Path) -> None:
    bomb = "open('ran', 'w'); raise SystemExit(9)"
    for name in ("json", "timm", "sitecustomize", "__future__", "importlib", "test", "mine"):
        (tmp_path / f"{name}.py").write_text(bomb)
    for name in ("ultralytics", "lap"):
        (tmp_path / name).mkdir()
    (tmp_path / "lap" / "__init__.py").write_text(bomb)
    found = collect(["packages", "environment"], tmp_path)["packages"]
    shadows = [(row["name"], row["standard"]) for row in found["shadows"]]
    expected = {("json", True), ("timm", False), ("lap", False), ("importlib", True)}
    assert expected <= set(shadows)
    assert not {"test", "mine", "ultralytics"} & {name for name, _ in shadows}
    assert found["packages"]["timm"]["found"] is False
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module", name="driver")
def build_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A false libnvidia-ml that answers like a GB10 under load."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler to build a false driver with")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "nvml.c").write_text(FAKE_DRIVER)
    command = ["gcc", "-shared", "-fPIC", "-o", "libnvidia-ml.so.1", "nvml.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def test_nvml_is_read_without_pynvml(driver: Path, tmp_path: Path) -> None:
    nvml = collect(["gpu"], tmp_path, LD_LIBRARY_PATH=str(driver))["gpu"]["nvml"]
    assert (nvml["by"], nvml["driver"], nvml["cuda"]) == ("libnvidia-ml.so.1", "580.95.05", 13000)
    device = nvml["devices"][0]
    assert (device["name"], device["capability"]) == ("NVIDIA GB10", [12, 1])
    assert device["memory"] == {"error": "OSError: Not Supported"}
    assert (device["utilization"], device["sm_clock"], device["milliwatts"]) == (95, 611, 30000)
    assert [(p["pid"], p["used"]) for p in device["processes"]] == [(1, 4096), (4000000, None)]


def test_nvml_is_read_with_pynvml_where_it_is(driver: Path, tmp_path: Path) -> None:
    pynvml = pytest.importorskip("pynvml")
    place = tmp_path / "site"
    place.mkdir()
    shutil.copy(pynvml.__file__, place / "pynvml.py")
    found = collect(["gpu"], tmp_path, PYTHONPATH=str(place), LD_LIBRARY_PATH=str(driver))
    nvml = found["gpu"]["nvml"]
    assert (nvml["by"], nvml["driver"], nvml["count"]) == ("pynvml", "580.95.05", 1)
    device = nvml["devices"][0]
    assert (device["name"], device["utilization"]) == ("NVIDIA GB10", 95)
    assert device["memory"] == {"error": "NVMLError_NotSupported: Not Supported"}
    assert [(p["pid"], p["used"]) for p in device["processes"]] == [(1, 4096), (4000000, None)]


def test_our_process_record_has_the_size_of_nvidias() -> None:
    pynvml = pytest.importorskip("pynvml")
    assert ctypes.sizeof(pynvml.c_nvmlProcessInfo_v2_t) == 24


def write_torch(folder: Path, code: str) -> str:
    (folder / "site" / "torch").mkdir(parents=True)
    (folder / "site" / "torch" / "__init__.py").write_text(code)
    return str(folder / "site")


def test_a_torch_that_fails_to_import_loses_nothing_else(tmp_path: Path) -> None:
    place = write_torch(tmp_path, "raise ImportError('libcudart.so.12: cannot open')")
    found = collect(["gpu", "environment"], tmp_path, PYTHONPATH=place)
    assert found["gpu"]["torch"] == {"error": "ImportError: libcudart.so.12: cannot open"}
    assert found["environment"]["version"]


def test_torch_is_asked_without_a_context_and_its_noise_is_kept(tmp_path: Path) -> None:
    place = write_torch(
        tmp_path,
        """
import os, sys, types, warnings
print('{"rows": {}} noise')
__version__ = "2.9.1+cpu"
version = types.SimpleNamespace(cuda=None, hip=None)
def available():
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
    warnings.warn("CUDA initialization: the driver is too old")
    return False
def forbidden(*_): raise SystemExit("a context was opened")
cuda = types.SimpleNamespace(is_available=available, get_arch_list=lambda: [],
    mem_get_info=forbidden, get_device_properties=forbidden, current_device=forbidden)
_C = types.SimpleNamespace(_cuda_getArchFlags=lambda: "sm_80 sm_90")
""",
    )
    found = collect(["gpu"], tmp_path, PYTHONPATH=place)
    torch = found["gpu"]["torch"]
    assert (torch["version"], torch["cuda"], torch["available"]) == ("2.9.1+cpu", None, False)
    assert torch["architectures"] == ["sm_80", "sm_90"]
    assert torch["warnings"] == ["CUDA initialization: the driver is too old"]
    assert "noise" in found["noise"]


def test_packages_are_looked_up_but_not_imported(tmp_path: Path) -> None:
    place = write_torch(tmp_path, "raise SystemExit('imported')")
    (Path(place) / "torch" / "version.py").write_text("__version__ = '2.9.1+cpu'\n")
    found = collect(["packages"], tmp_path, PYTHONPATH=place)["packages"]["packages"]["torch"]
    assert (found["found"], found["build"], found["version"]) == (True, "2.9.1+cpu", None)


def test_without_torch_the_address_space_is_bounded(tmp_path: Path) -> None:
    source = probe_source(["environment"]).replace("main(sys.argv[1])", "")
    code = source + "limit_memory(1 << 30)\nx = bytearray(2 << 30)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip().endswith("MemoryError")
    lifted = source + "limit_memory(1 << 30)\nlift_memory_limit()\nx = bytearray(2 << 30)"
    assert subprocess.run([sys.executable, "-c", lifted], capture_output=True).returncode == 0


def test_pythonpath_is_seen_but_runs_nothing_in_place_of_the_standard_library(
    tmp_path: Path,
) -> None:
    """A notebook's own PYTHONPATH counts; the probe's own imports come before it."""
    place, folder = tmp_path / "mine", tmp_path / "course"
    for path in (place / "timm", folder):
        path.mkdir(parents=True)
    (place / "timm" / "__init__.py").write_text("")
    (folder / "lap.py").write_text("")
    for name in ("json", "platform"):
        (place / f"{name}.py").write_text("raise SystemExit('ran')")
    order = {
        "rows": ["packages"], "marker": "@@", "folder": str(folder), "home": "", "packages": NAMES,
        "paths": [str(place), str(folder)],
    }  # fmt: skip
    argv = [sys.executable, "-S", "-c", probe_source(["packages"]), json.dumps(order)]
    result = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path)
    found = json.loads(result.stdout.split("@@")[1])["rows"]["packages"]["packages"]
    assert found["timm"]["file"] == str(place / "timm" / "__init__.py")
    assert found["lap"]["found"] is False, "the working folder is only listed"
