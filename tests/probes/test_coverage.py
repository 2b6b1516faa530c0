"""Every error and procedure of the course's guide has a check that can tell more, and every error
one that confirms or refutes a cause of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from assistant.evidence import choose_probes, weigh_causes
from assistant.library import load_library
from assistant.probes.checkpoint_keys import OTHER_NETWORK
from assistant.probes.registry import PROBES
from assistant.reading import read_query
from assistant.types import Entry, Match, Query, Retrieval
from tests.probes.test_cells import COURSE, COURSE_CAUSES, FINDINGS

GUIDE = Path(__file__).parents[2] / "knowledge" / "module-2.2-computer-vision.md"
GUIDES = [
    pytest.param(str(GUIDE), id="shipped"),
    pytest.param(
        str(COURSE),
        id="course",
        marks=pytest.mark.skipif(not COURSE.is_file(), reason="it is not shipped"),
    ),
]
ROWS = {row.id: row for row in PROBES}
Change = tuple[str, Any]


def gone(name: str) -> list[Change]:
    return [("asked", name), (f"packages.{name}", {"found": False})]


# What the rows on the machine decide; what cells decide is in test_cells.py. For each entry: the
# row, a recorded document with changes, and the ruling on some cause of it.
DECIDED: list[tuple[str, str, str, list[Change], str]] = [
    ("missing-timm", "packages", "gb10", gone("timm"), "confirmed"),
    ("missing-timm", "packages", "gb10", [("asked", "timm")], "ruled_out"),
    ("missing-ultralytics", "packages", "gb10", gone("ultralytics"), "confirmed"),
    ("missing-segment-anything", "packages", "gb10", gone("segment_anything"), "confirmed"),
    ("missing-lap", "packages", "gb10", gone("lap"), "confirmed"),
    ("sam-checkpoint-missing", "checkpoint", "files", [], "confirmed"),
    ("state-dict-mismatch", "checkpoint-keys", "files", [], "confirmed"),
    ("sam-out-of-memory", "memory", "gb10", [("meminfo.MemAvailable", 3_000_000)], "confirmed"),
    ("sam-out-of-memory", "sam", "running", [], "ruled_out"),
    ("iou-zero", "mask", "files", [], "confirmed"),
    ("yolo-empty-detections", "yolo", "running", [], "ruled_out"),
    ("vit-training-slow", "gpu", "gb10",
     [("nvml.devices.0.sm_clock", 611), ("nvml.devices.0.utilization", 95)], "confirmed"),
    ("vit-training-slow", "gpu", "gb10",
     [("nvml.devices.0.sm_clock", 2400), ("nvml.devices.0.utilization", 95)], "ruled_out"),
]  # fmt: skip


# The same in the words of the course, whose errors have one cause each
IN_ITS_WORDS: list[tuple[str, str, str, list[Change], str]] = [
    ("sam-out-of-memory", "sam", "running", [], "ruled_out"),
    ("model-download-forbidden", "hub", "running",
     [("token.found", False), ("variables", {}), ("secrets", {})], "confirmed"),
    ("yolo-empty-detections", "yolo", "running", [], "ruled_out"),
    ("sam-empty-masks", "sam", "running", [], "confirmed"),
    ("missing-lap", "packages", "gb10", gone("lap"), "confirmed"),
    ("sam-checkpoint-missing", "checkpoint", "files", [], "ruled_out"),
]  # fmt: skip
# A page of the hub refuses; which login it wants is for the person to know
REFUSED = "HTTPError: 403 Client Error: Forbidden for url: https://dl.fbaipublicfiles.com/x.pth"


def load_guide(file: str) -> dict[str, Entry]:
    return load_library((file,)).entries


def query_of(entry: Entry) -> Query:
    """What a learner pastes who has the error: the message that the entry shows."""
    return read_query((entry.symptoms or (entry.title,))[0].replace("`", ""))


@pytest.mark.parametrize("guide", GUIDES)
def test_each_error_and_procedure_has_a_check_that_can_tell_more(guide: str) -> None:
    infos = [row.info for row in PROBES]
    bare = [
        entry.id
        for entry in load_guide(guide).values()
        if entry.kind != "question"
        and not choose_probes(
            query_of(entry), Retrieval((Match(entry.id, entry.title, 1.0),), "answer"), infos
        )
    ]
    assert bare == []


@pytest.mark.parametrize(("entry", "row", "machine", "changes", "ruling"), DECIDED)
def test_a_row_decides_a_cause_of_the_entry(load_row, entry, row, machine, changes, ruling) -> None:
    shipped = load_guide(str(GUIDE))[entry]
    finding = ROWS[row].interpret(load_row(machine, row, *changes), where="here")
    causes = weigh_causes(shipped, query_of(shipped), [finding])
    assert ruling in {cause.ruling for cause in causes}, finding


def test_a_refusing_host_decides_the_cause_of_a_refused_download(load_row) -> None:
    shipped = load_guide(str(GUIDE))["model-download-forbidden"]
    hosts = {"dl.fbaipublicfiles.com": {"status": 403}, "huggingface.co": {"status": 200}}
    finding = ROWS["hub"].interpret(load_row("running", "hub", ("hosts", hosts)), where="here")
    (cause,) = weigh_causes(shipped, read_query(REFUSED), [finding])
    assert cause.ruling == "confirmed"
    assert "no token changes that" in cause.text


def test_for_each_error_some_cause_is_decided() -> None:
    cells = {row[4] for row in FINDINGS if set(row[5].values()) - {None}}
    errors = {entry.id for entry in load_guide(str(GUIDE)).values() if entry.kind == "error"}
    table = (GUIDE.parent / "ids.tsv").read_text("utf-8").splitlines()
    assert errors == {line.split("\t")[0] for line in table if line.split("\t")[1] == "error"}
    rows = {row[0] for row in DECIDED} | {"model-download-forbidden"}  # the test above
    assert errors - cells - rows == set()


@pytest.mark.skipif(not COURSE.is_file(), reason="the guide of the course is not shipped")
def test_in_the_course_s_own_words_too(load_row) -> None:
    """Most of its errors have one cause in a few words; three name none at all."""
    entries = load_guide(str(COURSE))
    decided = {row[1] for row in COURSE_CAUSES if row[3]}
    for id_, row, machine, changes, ruling in IN_ITS_WORDS:
        finding = ROWS[row].interpret(load_row(machine, row, *changes), where="here")
        causes = weigh_causes(entries[id_], query_of(entries[id_]), [finding])
        assert ruling in {cause.ruling for cause in causes}, id_
        decided.add(id_)
    # test_checkpoint_keys.py: real files of resnet18 against resnet50
    (cause,) = entries["state-dict-mismatch"].causes
    assert re.search(OTHER_NETWORK, cause, re.IGNORECASE)
    decided.add("state-dict-mismatch")
    causeless = {
        entry.id for entry in entries.values() if entry.kind == "error" and not entry.causes
    }
    errors = {entry.id for entry in entries.values() if entry.kind == "error"}
    assert errors - decided == causeless
