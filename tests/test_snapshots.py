"""Which knowledge is in force: built once, swapped whole, the last good one kept."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from assistant.errors import GuideError
from assistant.library import Library
from assistant.snapshots import Snapshots
from assistant.types import Retriever
from tests.course import GUIDE, build_lexical_retriever
from tests.fakes import FakeRetriever


class Counting:
    """Notes each build; `fails` makes the dense one raise."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.built: list[bool] = []
        self.fails = fails

    def __call__(self, library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
        self.built.append(dense)
        if dense and self.fails:
            raise self.fails
        return FakeRetriever(), ("from dense",) if dense else ()


def test_loading_builds_both_stages_once() -> None:
    build = Counting()
    snapshots = Snapshots((str(GUIDE),), build)
    assert snapshots.current() is None
    assert not snapshots.is_complete
    assert not snapshots.wait(complete=True, seconds=0)
    snapshots.load()
    snapshots.load()
    assert build.built == [False, True]
    snapshot = snapshots.current()
    assert snapshot is not None
    assert list(snapshot.entries) == ["missing-timm", "missing-lap", "why-3x3"]
    assert snapshot.notices == ("from dense",)
    assert snapshot.guides[0].file == str(GUIDE)
    assert snapshots.is_complete
    assert snapshots.failure is None


def test_a_missing_guide_is_a_failure_that_can_be_asked_for(tmp_path: Path) -> None:
    snapshots = Snapshots((str(tmp_path / "none.md"),), Counting())
    with pytest.raises(GuideError):
        snapshots.load()
    assert isinstance(snapshots.failure, GuideError)
    assert snapshots.wait(complete=False, seconds=1), "nobody waits for what will not come"
    assert snapshots.wait(complete=True, seconds=1)
    assert snapshots.current() is None


def test_start_keeps_the_failure(tmp_path: Path) -> None:
    snapshots = Snapshots((str(tmp_path / "none.md"),), Counting())
    snapshots.start()
    assert snapshots.wait(complete=True, seconds=5)
    assert isinstance(snapshots.failure, GuideError)


def test_a_guide_that_was_missing_is_found_when_it_comes(tmp_path: Path) -> None:
    guide, now = tmp_path / "course.md", [0.0]
    snapshots = Snapshots((str(guide),), build_lexical_retriever, clock=lambda: now[0])
    with pytest.raises(GuideError):
        snapshots.load()
    shutil.copy(GUIDE, guide)
    now[0] += 5
    snapshots.look()
    wait_for(lambda: snapshots.current() is not None)
    assert snapshots.failure is None


def test_looking_is_limited_and_rebuilds_only_what_has_changed(tmp_path: Path) -> None:
    guide, now = Path(shutil.copy(GUIDE, tmp_path / "course.md")), [0.0]
    build = Counting()
    snapshots = Snapshots((str(guide),), build, clock=lambda: now[0])
    snapshots.look()
    assert build.built == [], "nothing to look at before the first load"
    snapshots.load()
    first = snapshots.current()
    now[0] += 5
    snapshots.look()
    assert snapshots.current() is first
    guide.write_text(guide.read_text("utf-8") + "\nOne more line.\n", "utf-8")
    now[0] += 0.5
    snapshots.look()
    assert snapshots.current() is first, "too early to look again"
    now[0] += 5
    snapshots.look()
    wait_for(lambda: snapshots.current() is not first)
    assert build.built == [False, True, True], "a rebuild goes straight to the complete one"


def test_a_build_that_fails_later_keeps_the_lexical_snapshot() -> None:
    build = Counting(fails=RuntimeError("the encoder broke"))
    snapshots = Snapshots((str(GUIDE),), build)
    snapshots.start()
    assert snapshots.wait(complete=True, seconds=5), "nobody waits for ever"
    assert snapshots.current() is not None


def test_a_broken_rebuild_can_be_tried_again(tmp_path: Path) -> None:
    guide, now = Path(shutil.copy(GUIDE, tmp_path / "course.md")), [0.0]
    build = Counting()
    snapshots = Snapshots((str(guide),), build, clock=lambda: now[0])
    snapshots.load()
    first = snapshots.current()
    build.fails = RuntimeError("no")
    guide.write_text(guide.read_text("utf-8") + "\nA.\n", "utf-8")
    now[0] += 5
    snapshots.look()
    wait_for(lambda: len(build.built) == 3)
    build.fails = None
    guide.write_text(guide.read_text("utf-8") + "\nB.\n", "utf-8")

    def is_new() -> bool:
        now[0] += 5
        snapshots.look()
        return snapshots.current() is not first and len(build.built) >= 4

    wait_for(is_new)


def wait_for(condition: object, seconds: float = 5.0) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():  # type: ignore[operator]
            return
        pause.wait(0.01)
    raise AssertionError("it did not come")
