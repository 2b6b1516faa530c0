"""A small guide and everything around it that a service needs; real parts, no encoder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from assistant.calibration import load_calibration
from assistant.library import Library, load_library
from assistant.passages import build_passages
from assistant.retrieval import HybridRetriever
from assistant.snapshots import Snapshots
from assistant.types import Entry, Retriever

GUIDE = Path(__file__).parent / "data" / "course.md"

TIMM = """Traceback (most recent call last):
  File "/home/learner/train.py", line 24, in <module>
    import timm
ModuleNotFoundError: No module named 'timm'"""
LAP = TIMM.replace("timm", "lap")


def build_lexical_retriever(library: Library, dense: bool) -> tuple[Retriever, tuple[str, ...]]:
    passages = build_passages(library.entries, ())
    folder = Path(tempfile.gettempdir()) / "cv-troubleshooter-tests"  # fits are kept by content
    calibration = load_calibration()
    return HybridRetriever(library.entries, passages, calibration=calibration, folder=folder), ()


def course_snapshots(guide: Path = GUIDE) -> Snapshots:
    return Snapshots((str(guide),), build_lexical_retriever)


def course_entries() -> dict[str, Entry]:
    return load_library((str(GUIDE),)).entries
