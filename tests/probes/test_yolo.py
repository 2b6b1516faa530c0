"""The row `yolo`: what is found at which limit, and that weights run nothing and fetch nothing."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from assistant.probes.yolo import interpret_yolo
from tests.probes.running import check_all_spoiled, load_inside, needs, run_row

INSIDE = load_inside("yolo")
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

UNKNOWN = {"failed": {"kind": "UnknownNetwork", "text": "its layers are those of no network"}}


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
        ([("model", UNKNOWN)], "no_data", "was not tried: its layers are", "of your own", {}),
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
model.model.yaml["activation"] = "__import__('os').mkdir('ran')"
model.save("spoken.pt")
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


def test_the_network_that_is_built_answers_as_ultralytics_own_does(course: Path) -> None:
    torch = needs("torch")
    path = str(course / "weak.pt")
    stored = INSIDE["read_stored_network"](path)
    numbers = INSIDE["read_tensors"](path, stored)
    ours = INSIDE["build_network"](INSIDE["describe_stored"](stored), numbers)
    theirs = torch.load(path, weights_only=False)["model"].float().eval()  # we made this file
    assert numbers.keys() == theirs.state_dict().keys()
    assert ours.names == theirs.names
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(picture)[0], theirs(picture)[0])


def test_what_a_file_says_of_its_layers_is_compared_never_evaluated(course: Path) -> None:
    """ultralytics evaluates the text `activation` of a description when it builds a network."""
    finding = run_row("yolo", course, {"weights": "spoken.pt", "image": "photo.jpg"})
    assert finding.status == "no_data", finding
    assert "its layers are those of no network" in finding.summary
    assert not (course / "ran").exists()


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


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def spoken_model(place: Path) -> bytes:
    """The opcodes of a dictionary that makes a folder where DetectionModel is called with it."""
    code = text(f"__import__('os').mkdir({str(place)!r})")
    layer = b"](](J\xff\xff\xff\xffK\x01" + text("Conv") + b"]K\x08aee"
    return (
        b"}" + text("activation") + code + b"s" + text("nc") + b"K\x01s"
        + text("backbone") + layer + b"s" + text("head") + b"]s"
    )  # fmt: skip


def opcodes(way: str, place: Path) -> bytes:
    """A pickle in which an opcode calls DetectionModel, if anything is really made."""
    model = spoken_model(place)
    name = b"ultralytics.nn.tasks\nDetectionModel\n"
    named = text("ultralytics.nn.tasks") + text("DetectionModel.__init__") + b"\x93"
    return {
        "BUILD": with_method("__setstate__") + model + b"b",
        "APPEND": with_method("append") + model + b"a",
        "APPENDS": with_method("extend") + b"(" + model + b"e",
        "ADDITEMS": with_method("add") + b"(" + model + b"\x90",
        "SETITEM": with_method("__setitem__") + model + b"Ns",
        "REDUCE": b"c" + name + model + b"\x85R",
        "NEWOBJ": b"c" + name + model + b"\x85\x81",
        "NEWOBJ_EX": b"c" + name + model + b"\x85}\x92",
        "INST": b"(" + model + b"i" + name,
        "OBJ": b"(c" + name + model + b"o",
        "STACK_GLOBAL": named + model + b"\x85R",
        "PERSID": model + b"Q",
        "EXT1": b"\x82\x01",
    }[way]


def with_method(name: str) -> bytes:
    """Settings of ultralytics whose own attribute `name` is the class DetectionModel."""
    settings = b"cultralytics.utils\nIterableSimpleNamespace\n)\x81"
    return settings + b"}" + text(name) + b"cultralytics.nn.tasks\nDetectionModel\nsb"


WAYS = ("BUILD", "APPEND", "APPENDS", "ADDITEMS", "SETITEM", "REDUCE", "NEWOBJ", "NEWOBJ_EX",
        "INST", "OBJ", "STACK_GLOBAL", "PERSID", "EXT1")  # fmt: skip


def try_weights(path: Path) -> dict[str, str]:
    """How the row ends with these weights, run right here."""
    needs("torch")
    needs("ultralytics")
    found = INSIDE["read_model"]({}, str(path), str(path))
    return found["failed"]


def write_archive(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/version", "3\n")


@pytest.mark.parametrize("at_top", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_no_opcode_calls_anything(way: str, at_top: bool, tmp_path: Path) -> None:
    """Alone, and as the value of the key under which the network is looked for."""
    inner = opcodes(way, tmp_path / "ran")
    whole = b"\x80\x04" + (inner if at_top else b"}" + text("model") + inner + b"s") + b"."
    write_archive(tmp_path / "evil.pt", whole)
    failed = try_weights(tmp_path / "evil.pt")
    assert failed["kind"] in ("UntrustedWeights", "UnknownNetwork", "ValueError"), failed
    assert not (tmp_path / "ran").exists()


def test_only_stand_ins_and_plain_values_come_out_of_a_pickle(course: Path) -> None:
    """Of real weights too: whatever is done with them later, nothing of the file can be called."""
    plain = {str, int, float, bool, bytes, type(None), list, tuple, INSIDE["Named"], INSIDE["Made"]}
    with zipfile.ZipFile(course / "weak.pt") as archive:
        data = archive.read("weak/data.pkl")
    reader = INSIDE["PickleReader"]()
    reader.read(io.BytesIO(data))
    assert len(reader.memo) > 1000
    assert {type(value) for value in reader.memo.values()} <= plain


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        ("mkdir", "UntrustedWeights", r"it wants (?:posix|nt)\.mkdir"),
        ("eval", "UntrustedWeights", r"it wants (?:__builtin__|builtins)\.eval"),
        ("model", "UnknownNetwork", "how many classes"),
        ("getattr", "UntrustedWeights", "holds no network"),
    ],
)
def test_weights_that_want_to_run_something_are_refused(call, kind, said, tmp_path) -> None:
    torch = needs("torch")
    needs("ultralytics")
    torch.save({"model": Runs(tmp_path / "ran", call)}, tmp_path / "evil.pt")
    failed = try_weights(tmp_path / "evil.pt")
    assert failed["kind"] == kind
    assert re.search(said, failed["text"]), failed
    assert not (tmp_path / "ran").exists()


def test_older_pickles_behind_a_zip_archive_are_not_read(tmp_path: Path) -> None:
    """A zip archive may stand behind other bytes; torch would read those as a plain pickle."""
    evil = pickle.dumps(Runs(tmp_path / "ran"), protocol=2)
    write_archive(tmp_path / "tail.zip", b"")
    for name, content in (
        ("front.pt", evil + (tmp_path / "tail.zip").read_bytes()),
        ("plain.pt", evil),
        ("page.pt", b"<!DOCTYPE html><title>403</title>"),
        ("empty.pt", b""),
    ):
        (tmp_path / name).write_bytes(content)
        assert "not a file that torch" in try_weights(tmp_path / name)["text"]
    assert not (tmp_path / "ran").exists()


def test_torchscript_and_plain_numbers_are_refused(tmp_path: Path) -> None:
    torch = needs("torch")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("archive/constants.pkl", b"")
    assert "TorchScript" in try_weights(tmp_path / "script.pt")["text"]
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "numbers.pt")
    assert "only numbers or settings" in try_weights(tmp_path / "numbers.pt")["text"]


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (7,), (1,)), (1, (6,), (1,)), (0, (2,), (6,)), (0, (1 << 40,), (0,)), (-1, (1,), (1,)),
     (0, (-1,), (1,)), (0, (2, 3), (1,)), (0, "66", (1, 1)), (0, (True,), (1,))],
)  # fmt: skip
def test_a_tensor_stays_within_its_numbers(offset, size, stride) -> None:
    INSIDE["check_place"](6, 0, (2, 3), (3, 1))
    INSIDE["check_place"](6, 6, (0,), (1,))
    with pytest.raises(ValueError, match="a tensor"):
        INSIDE["check_place"](6, offset, size, stride)


def test_a_list_that_stands_everywhere_is_not_followed_for_ever(tmp_path: Path) -> None:
    """A hundred lists of a hundred lists of … : 10^12 values in 1 kB."""
    nested = b"](" + b"K\x01" * 100 + b"e"
    for place in range(5):
        copies = b"h" + bytes([place])
        nested += b"q" + bytes([place]) + b"0](" + copies * 100 + b"e"
    network = b"cultralytics.nn.tasks\nDetectionModel\n)\x81}" + text("yaml") + nested + b"sb"
    write_archive(tmp_path / "deep.pt", b"\x80\x04}" + text("model") + network + b"s.")
    assert "more of itself than any model needs" in try_weights(tmp_path / "deep.pt")["text"]
