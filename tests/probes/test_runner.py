"""The policy: what is refused before any process, and how badly a target may behave."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import ProcessError
from assistant.probes.collector import Collector
from assistant.probes.document import clean
from assistant.probes.registry import PROBES
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import own_target
from assistant.process import Limits, ProcessResult, run_process
from assistant.types import Finding, Prober, Target

QUICK = ("memory", "packages", "environment")
BARE = {"PATH": os.environ["PATH"], "HOME": "/home/ada"}


def lab(*argv: str) -> Target:
    return Target("lab", "interpreter", argv, "the lab's Python")


def run_real(
    target: Target,
    ids: Sequence[str],
    folder: Path,
    *,
    environment: dict[str, str] | None = None,
    seconds: float = 20.0,
    **changes: Any,
) -> list[Finding]:
    rows = [replace(row, seconds=seconds, **changes) for row in PROBES]
    collector = Collector(environment or BARE)
    runner = ProbeRunner(lambda: [target], collector, folder=folder, home=folder, rows=rows)
    return list(runner.run(ids))


class Forbidden:
    """A process runner that must not be reached."""

    def __call__(self, *_: Any, **__: Any) -> ProcessResult:
        raise AssertionError("a process was started")


class Recorder:
    """Answers with prepared output, in order, and keeps what it was asked."""

    def __init__(self, *outputs: str | ProcessError) -> None:
        self.outputs = list(outputs)
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self, argv: Sequence[str], *, environment: Any, limits: Limits, cwd: Path
    ) -> ProcessResult:
        self.calls.append(
            {"argv": tuple(argv), "environment": environment, "limits": limits, "cwd": cwd}
        )
        output = self.outputs.pop(0)
        if isinstance(output, ProcessError):
            raise output
        return ProcessResult(tuple(argv), 0, output, "", False, False, False, False, 0.1)


def build(
    run: Any, *targets: Target, environment: dict[str, str] | None = None, **given: Any
) -> ProbeRunner:
    return ProbeRunner(
        lambda: targets or (own_target("/x/python"),),
        Collector(environment or BARE, run=run, marker=lambda: "@@"),
        folder=Path("/course"),
        home=Path("/home/ada"),
        **given,
    )


ODD = [
    "",
    "gpu\0",
    "; id",
    "$(id)",
    "`id`",
    "--help",
    "gpu ",
    "ｇpu",
    "gpu\n",
    "../gpu",
    "x" * 10_000,
]


@pytest.mark.parametrize("name", ODD)
def test_an_unknown_probe_is_refused_before_any_process(name: str) -> None:
    (finding,) = build(Forbidden()).run([name])
    assert finding.status == "refused"
    assert "Choose one of: gpu, memory, packages, environment" in finding.summary
    assert len(finding.summary) < 400


@pytest.mark.parametrize("name", [*ODD, "/usr/bin/python3", "lab=/usr/bin/python3"])
def test_an_unknown_target_is_refused_before_any_process(name: str) -> None:
    (finding,) = build(Forbidden()).run(["gpu"], target=name)
    assert (finding.id, finding.status) == ("gpu", "refused")
    assert "Choose one of: own." in finding.summary


def test_without_targets_all_is_refused() -> None:
    collector = Collector(BARE, run=Forbidden())
    runner = ProbeRunner(list, collector, folder=Path("/"), home=Path("/"))
    assert [f.status for f in runner.run(["gpu", "memory"])] == ["refused", "refused"]
    assert runner.run([]) == ()


def test_one_process_for_all_rows_and_one_finding_for_each_id() -> None:
    document = '{"rows": {"memory": {}, "packages": {"error": "boom"}}, "seconds": {"memory": 2}}'
    run = Recorder(f"noise @@{document}@@ more")
    found = build(run).run(["memory", "nonsense", "packages", "memory"])
    assert [(f.id, f.status) for f in found] == [
        ("memory", "fail"), ("nonsense", "refused"), ("packages", "fail"), ("memory", "fail"),
    ]  # fmt: skip
    assert "boom" in found[2].summary
    assert found[0].seconds == 2.0
    assert len(run.calls) == 1
    assert run.calls[0]["argv"][:2] == ("/x/python", "-c")


@pytest.mark.parametrize(
    "output",
    ["", "garbage", "@@", "@@@@", "@@{@@", "@@[]@@", "@@null@@", '@@{"rows": 3}@@', "@@" * 9],
)
def test_without_a_document_each_row_is_run_by_itself(output: str) -> None:
    run = Recorder(output, '@@{"rows": {"memory": {"meminfo": {}}}}@@', output)
    found = build(run).run(["memory", "gpu"])
    assert [f.status for f in found] == ["no_data", "fail"]
    assert "something else than our report" in found[1].summary
    assert len(run.calls) == 3


def test_a_python_that_cannot_be_started_is_a_finding() -> None:
    (finding,) = build(Recorder(ProcessError("No such file."))).run(["gpu"])
    assert finding.status == "fail"
    assert "No such file." in finding.summary


def test_what_a_target_sees() -> None:
    base = {**BARE, "HF_TOKEN": "hf_tiger", "CUDA_VISIBLE_DEVICES": "", "MY_KEY": "tiger"}
    for target, sees in ((own_target("/x/python"), True), (lab("/y/python"), False)):
        run = Recorder('@@{"rows": {"environment": {"executable": "/x"}}}@@')
        (finding,) = build(run, target, environment=base).run(["environment"])
        environment = run.calls[0]["environment"]
        assert "tiger" not in str(run.calls) + str(finding)
        assert ("CUDA_VISIBLE_DEVICES" in environment) is sees
        assert dict(finding.facts).get("HF_TOKEN") == ("set" if sees else None)
        assert environment["HOME"] == str(run.calls[0]["cwd"]) != "/home/ada"
        assert environment["PYTHONUSERBASE"] == "/home/ada/.local"
        assert not run.calls[0]["cwd"].exists()
        assert finding.where == target.label


def test_a_command_is_the_same_whatever_is_asked_but_for_one_json_argument() -> None:
    row = '@@{"rows": {"packages": {"executable": "/x"}}}@@'
    run = Recorder(row, row)
    runner = build(run, clock=iter([0.0, 0.0, 100.0, 100.0, 200.0, 200.0]).__next__)
    runner.run(["packages"])
    runner.run(["packages"], parameters={"name": "timm"})
    first, second = (call["argv"] for call in run.calls)
    assert first[:-1] == second[:-1]
    assert (first[0], first[1], len(first)) == ("/x/python", "-c", 4)
    assert json.loads(second[-1])["parameters"]["packages"]["name"] == "timm"


def test_it_is_a_prober() -> None:
    runner: Prober = build(Forbidden())
    assert [info.id for info in runner.probes()] == [row.id for row in PROBES]
    assert [target.name for target in runner.targets()] == ["own"]


# --- real targets ---------------------------------------------------------------------------------


def test_our_own_python_answers(tmp_path: Path) -> None:
    found = run_real(own_target(sys.executable), QUICK, tmp_path)
    assert [f.id for f in found] == list(QUICK)
    assert {f.status for f in found} <= {"ok", "warn"}
    assert all(f.where.startswith("the assistant's own Python") for f in found)


def test_the_user_site_of_the_learner_is_seen(tmp_path: Path) -> None:
    python = os.path.join(sys.base_prefix, "bin", "python3")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    place = tmp_path / ".local" / "lib" / version / "site-packages" / "timm"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("")
    environment = {**BARE, "HOME": str(tmp_path)}
    (finding,) = run_real(lab(python), ["packages"], tmp_path, environment=environment)
    assert str(place) in dict(finding.facts)["timm"]


def test_files_of_the_working_folder_are_named_and_not_run(tmp_path: Path) -> None:
    for name in ("json", "sitecustomize", "usercustomize", "timm", "os"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (finding,) = run_real(own_target(sys.executable), ["packages"], tmp_path)
    assert finding.status == "fail"
    assert str(tmp_path / "timm.py") in finding.summary
    assert not (tmp_path / "ran").exists()


def list_tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_nothing_is_written_outside_the_private_folder(tmp_path: Path) -> None:
    """All quick rows, with the import of the real torch."""
    for name in ("course/data", "home/.cache/torch", "temporary"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "course/timm.py").write_text("open('ran', 'w')")
    before = list_tree(tmp_path)
    home = tmp_path / "home"
    environment = {**BARE, "HOME": str(home), "TMPDIR": str(tmp_path / "temporary")}
    private: list[Path] = []

    def run_and_note(*words: Any, cwd: Path, **options: Any) -> ProcessResult:
        private.append(cwd)
        return run_process(*words, cwd=cwd, **options)

    collector = Collector(environment, run=run_and_note)
    target = replace(own_target(sys.executable), folder=str(tmp_path / "course"))
    runner = ProbeRunner(lambda: [target], collector, folder=tmp_path, home=home)
    found = runner.run([row.id for row in PROBES if row.quick])
    assert {f.status for f in found} <= {"ok", "warn", "no_data", "fail"}
    assert any("timm.py" in f.summary for f in found), "the folder was really looked at"
    assert list_tree(tmp_path) == before
    assert private
    assert not any(folder.exists() for folder in private)


def test_only_rows_that_say_so_import_torch(tmp_path: Path) -> None:
    """An import of torch takes seconds; of the quick rows only `gpu` is worth it."""
    python = os.path.join(sys.base_prefix, "bin", "python3")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    place = tmp_path / ".local" / "lib" / version / "site-packages" / "torch"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()")
    environment = {**BARE, "HOME": str(tmp_path)}
    quick = [row for row in PROBES if row.quick]
    assert [row.id for row in quick if row.torch] == ["gpu"]
    others = [row.id for row in quick if not row.torch]
    run_real(lab(python), others, tmp_path, environment=environment)
    assert not (tmp_path / "imported").exists()
    run_real(lab(python), ["gpu"], tmp_path, environment=environment)
    assert (tmp_path / "imported").exists()


MISBEHAVIOUR = {
    "garbage": ("print('hello')", "fail", "something else"),
    "exit": ("import sys; print('no', file=sys.stderr); sys.exit(3)", "fail",
             "exit code 3. Its last words: no"),
    "_exit": ("import os; os._exit(0)", "fail", "something else"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "fail", "crashed (SIGSEGV)"),
    "hang": ("import time; time.sleep(60)", "timeout", "did not finish within 1 seconds"),
    "flood": ("while True: print('flood' * 1000)", "fail", "without end"),
    "forks": ("import os, time\nfor _ in range(90): os.fork() or time.sleep(60)\ntime.sleep(60)",
              "fail", "too many processes"),
    "greedy": ("x = bytearray(b'1') * (300 << 20); import time; time.sleep(60)", "fail",
               "too much memory"),
    "writes": ("open('big', 'wb').write(bytes(64 << 20))", "fail", "Its last words: OSError"),
    "binary": ("import os; os.write(1, bytes(range(256)) * 99)", "fail", "something else"),
    "asks": ("input('password: ')", "fail", "Its last words: EOFError"),
    "echo": ("import sys; print(sys.argv)", "fail", "something else"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_target_that_misbehaves_is_a_finding(name: str, tmp_path: Path) -> None:
    code, status, said = MISBEHAVIOUR[name]
    target = lab(sys.executable, "-S", "-c", code)
    seconds = 1.0 if name == "hang" else 20.0
    limits = {"memory_bytes": 200 << 20} if name == "greedy" else {}
    (finding,) = run_real(target, ["environment"], tmp_path, seconds=seconds, **limits)
    assert (finding.status, finding.where) == (status, "the lab's Python")
    assert said in finding.summary
    assert finding.source


def test_a_torch_that_crashes_loses_no_other_row(tmp_path: Path) -> None:
    python = os.path.join(sys.base_prefix, "bin", "python3")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    place = tmp_path / ".local" / "lib" / version / "site-packages" / "torch"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("import ctypes; ctypes.string_at(0)")
    environment = {**BARE, "HOME": str(tmp_path)}
    found = run_real(lab(python), ["gpu", "memory"], tmp_path, environment=environment)
    assert "crashed (SIGSEGV)" in found[0].summary
    assert found[1].status in ("ok", "warn")
    (place / "__init__.py").write_text("raise ImportError('broken wheel')")
    found = run_real(lab(python), ["gpu", "memory"], tmp_path, environment=environment)
    assert "`import torch` fails: ImportError: broken wheel" in found[0].summary


SECRET = "hf_" + "a1B2" * 5


@pytest.mark.parametrize(
    "run",
    [
        lambda marker: ProcessResult((), 1, "", f"login failed for {SECRET}\n", *[False] * 4, 0.1),
        lambda marker: ProcessResult(
            (), 0, marker + json.dumps({"rows": {"packages": {"error": f"OSError: {SECRET}"}}})
            + marker, "", *[False] * 4, 0.1,
        ),
    ],
    ids=["last words", "a row's error"],
)  # fmt: skip
def test_what_a_target_says_in_the_end_is_masked(run, tmp_path: Path) -> None:
    collector = Collector(BARE, run=lambda *_, **__: run("@@"), marker=lambda: "@@")
    place = own_target(sys.executable)
    runner = ProbeRunner(lambda: [place], collector, folder=tmp_path, home=tmp_path)
    (finding,) = runner.run(["packages"])
    assert finding.status == "fail"
    assert "<REDACTED:hf_token>" in finding.summary
    assert SECRET not in str(finding)


@pytest.mark.parametrize("before", [281, 290, 2375])
def test_a_text_is_masked_before_it_is_cut(before: int) -> None:
    said = clean("x" * before + " https://me:Sup3rS3cretPassw@host/y and more")
    assert "Sup3r" not in said
    assert len(said) <= 300
