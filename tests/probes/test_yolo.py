"""The row `yolo`: what is found at which limit, and that weights run nothing and fetch nothing."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from assistant.probes.inside.yolo_weights import UntrustedWeights, load_network
from assistant.probes.yolo import interpret_yolo
from tests.probes.running import check_all_spoiled, needs, run_row

CAUSES = {
    "threshold": "The confidence threshold is too high",
    "limit": "The confidence limit is above what the model is sure of",
    "task": "Wrong model for task",
    "kind": "The weights are of another kind (`-cls` classifies) or learnt nothing.",
    "tiny": "The objects are tiny at the default size of 640 pixels.",
    "image": "The image is not preprocessed as it should be",
}


def one_pass(*counts: int, size: int = 640, best: float = 0.05) -> dict[str, object]:
    numbers = dict(zip(("0.25", "0.1", "0.01"), counts, strict=True))
    return {"size": size, "counts": numbers, "best": best, "found": [], "seconds": 0.1}


def passes(*rows: dict[str, object]) -> tuple[str, object]:
    return "model.passes", list(rows)


WEAK, NOTHING = one_pass(0, 3, 9, best=0.19), one_pass(0, 0, 0, best=0.004)
TWICE = one_pass(5, 6, 7, size=1280)
UNTRUSTED = {"failed": {"kind": "UntrustedWeights", "text": "it wants posix.system"}}


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised", "rulings"),
    [
        ([], "ok", "finds 4 detections at the usual limit 0.25: bus, person.", "classes=",
         {"threshold": "ruled_out", "limit": "ruled_out", "task": "ruled_out", "kind": "ruled_out",
          "tiny": "ruled_out"}),
        ([passes(WEAK)], "warn",
         "None at confidence 0.25, but 3 detections at 0.1 (best score 0.19",
         "conf=0.1", {"threshold": "confirmed", "limit": "confirmed", "task": "ruled_out"}),
        ([passes(one_pass(0, 0, 1))], "warn", "1 detection at 0.01", "conf=0.01",
         {"threshold": "confirmed", "limit": "confirmed", "task": "ruled_out"}),
        ([passes(NOTHING, NOTHING)], "warn", "No detection even at confidence 0.01",
         "among the 3 classes",
         {"threshold": "ruled_out", "limit": "ruled_out", "task": "ruled_out"}),
        ([passes(NOTHING, TWICE)], "warn", "At 1280 pixels there are 5 detections", "imgsz=1280",
         {"threshold": "ruled_out", "limit": "ruled_out", "task": "ruled_out",
          "tiny": "confirmed"}),
        ([("model", {"task": "classify"})], "fail", "task classify: it has no boxes", "-cls",
         {"task": "confirmed", "kind": "confirmed"}),
        ([("model", {"task": "other"})], "no_data", "it has no boxes", "", {}),
        ([("model", UNTRUSTED)], "refused", "was not opened: it wants posix.system", "trust", {}),
        ([("model", {"failed": {"kind": "NoRoom"}})], "no_data", "Too little memory", "", {}),
        ([("model", {"failed": {"kind": "E", "text": "x"}})], "fail", "be used: E x", "", {}),
        ([("image", {"error": "UnidentifiedImageError: x"})], "fail", "image cannot be read", "",
         {}),
        ([("package", {"found": False})], "no_data", "ultralytics is not installed", "", {}),
        ([passes()], "no_data", "no pass was made", "", {}),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised, rulings) -> None:
    finding = interpret_yolo(load_row("running", "yolo", *changes), where="here")
    assert (finding.status, said in finding.summary, advised in finding.next) == (
        status,
        True,
        True,
    )
    decided = {
        name: clue.ruling
        for clue in finding.clues
        for name, cause in CAUSES.items()
        if re.search(clue.cause, cause, re.IGNORECASE)
    }
    assert decided == rulings
    assert {clue.topic for clue in finding.clues} <= {"yolo-no-detections"}


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_yolo, load_row("running", "yolo"))
    check_all_spoiled(interpret_yolo, load_row("running", "yolo", passes(NOTHING, TWICE)))


# --- real weights --------------------------------------------------------------------------------

MAKE_WEIGHTS = """
import sys
from ultralytics import YOLO
model = YOLO("yolov8n.yaml")
head = model.model.model[-1]
for branch in head.cv3:
    branch[-1].bias.data.fill_(-9.0)
    branch[-1].bias.data[7] = float(sys.argv[2])
model.model.names = {index: "thing %d" % index for index in range(80)}
model.save(sys.argv[1])
"""


@pytest.fixture(scope="module", name="course")
def make_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with YOLOv8n weights that are a little sure of class 7 everywhere, and an image."""
    needs("ultralytics")
    image_module = needs("PIL.Image")
    folder = tmp_path_factory.mktemp("course")
    environment = {**os.environ, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false",
                   "YOLO_CONFIG_DIR": str(folder / "settings")}  # fmt: skip
    argv = [sys.executable, "-c", MAKE_WEIGHTS, "weak.pt", "-1.8"]
    subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
    image_module.new("RGB", (320, 240), (90, 120, 60)).save(folder / "photo.jpg")
    return folder


def test_weights_that_are_only_a_little_sure(course: Path) -> None:
    """Sigmoid(-1.8) is 0.14: below 0.25, above 0.1."""
    before = sorted(path.name for path in course.iterdir())
    finding = run_row("yolo", course, {"weights": "weak.pt", "image": "photo.jpg"})
    assert finding.status == "warn", finding
    assert re.search(r"None at confidence 0\.25, but \d+ detections? at 0\.1", finding.summary)
    assert "best score 0.14" in finding.summary
    facts = dict(finding.facts)
    assert facts["task"] == "detect"
    assert facts["image"] == "320 x 240, RGB"
    assert "thing 7" in facts["classes"]
    assert sorted(path.name for path in course.iterdir()) == before


def test_a_file_that_is_no_weights_is_refused_before_anything_runs(course: Path) -> None:
    finding = run_row("yolo", course, {"weights": "photo.jpg", "image": "photo.jpg"})
    assert finding.status == "refused", finding
    assert "not a file that torch.save writes" in finding.summary


# --- weights that want more ----------------------------------------------------------------------


class Runs:
    """Unpickled in the usual way it makes a folder."""

    def __init__(self, place: Path, call: str = "mkdir") -> None:
        self.place, self.call = place, call

    def __reduce__(self):
        if self.call == "mkdir":
            return os.mkdir, (str(self.place),)
        if self.call == "model":
            model = needs("ultralytics.nn.tasks").DetectionModel
            code = f"__import__('os').mkdir({str(self.place)!r})"
            return model, ({"activation": code, "nc": 1, "backbone": [], "head": []},)
        if self.call == "getattr":
            return getattr, (needs("torch").nn.Conv2d, "__init__")
        return eval, (f"__import__('os').mkdir({str(self.place)!r})",)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("mkdir", r"it wants (?:posix|nt)\.mkdir"),
        ("eval", r"it wants (?:__builtin__|builtins)\.eval"),
        ("model", "it wants to call DetectionModel"),
        ("getattr", "it wants the attribute __init__"),
    ],
)
def test_weights_that_want_to_run_something_are_refused(call: str, said: str, tmp_path) -> None:
    torch = needs("torch")
    needs("ultralytics")
    torch.save({"model": Runs(tmp_path / "ran", call)}, tmp_path / "evil.pt")
    with pytest.raises(UntrustedWeights, match=said):
        load_network(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


def test_older_pickles_behind_a_zip_archive_are_not_read(tmp_path: Path) -> None:
    """A zip archive may stand behind other bytes; torch would read those as a plain pickle."""
    needs("torch")
    evil = pickle.dumps(Runs(tmp_path / "ran"), protocol=2)
    with zipfile.ZipFile(tmp_path / "tail.zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    for name, content in (
        ("front.pt", evil + (tmp_path / "tail.zip").read_bytes()),
        ("plain.pt", evil),
        ("page.pt", b"<!DOCTYPE html><title>403</title>"),
        ("empty.pt", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UntrustedWeights, match="not a file that torch"):
            load_network(str(tmp_path / name))
    assert not (tmp_path / "ran").exists()


def test_torchscript_and_plain_numbers_are_refused(tmp_path: Path) -> None:
    torch = needs("torch")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("archive/constants.pkl", b"")
    with pytest.raises(UntrustedWeights, match="TorchScript"):
        load_network(str(tmp_path / "script.pt"))
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "numbers.pt")
    with pytest.raises(UntrustedWeights, match="only numbers or settings"):
        load_network(str(tmp_path / "numbers.pt"))


def test_hooks_and_replaced_methods_are_taken_out(tmp_path: Path) -> None:
    torch = needs("torch")
    layer = torch.nn.Sequential(torch.nn.ReLU())
    layer._forward_hooks[1] = torch.nn.Conv2d
    layer.forward = torch.nn.Linear
    torch.save({"model": layer}, tmp_path / "hooked.pt")
    network = load_network(str(tmp_path / "hooked.pt"))
    assert not network._forward_hooks
    assert "forward" not in vars(network)
    assert network(torch.tensor([-1.0])).item() == 0.0
