"""The row `mask`: pairs of real masks, each with one of the faults that make IoU small."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from assistant.probes import masks
from assistant.probes.iou import match_classes, mean_overlap, measure_overlap, rename
from assistant.probes.masks import interpret_mask
from tests.probes.running import check_all_spoiled, load_inside, run_row

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
collect = load_inside("mask")["collect_mask"]

SQUARE = numpy.zeros((60, 80), numpy.uint8)
SQUARE[5:40, 10:50] = 1
CLASSES = SQUARE.copy()
CLASSES[10:30, 20:40] = 2
CLASSES[45:, 60:] = 3
NEARLY = numpy.roll(SQUARE, 2, 0)  # a good prediction
SMOOTH = numpy.array(Image.fromarray(SQUARE * 200).resize((333, 222)).resize((80, 60)))
SCORES = numpy.where(NEARLY == 1, 3.0, -4.0)
TINY = numpy.zeros((60, 80), numpy.uint8)
TINY[3:7, 3:7] = 1
RANKS = numpy.arange(4800).reshape(60, 80)
COLOURS = numpy.stack([SQUARE * 128, SQUARE * 0, CLASSES * 60], axis=2)


def compare(folder: Path, predicted: Any, target: Any, kind: str = "npy") -> Any:
    paths = {}
    for name, array in (("predicted", predicted), ("target", target)):
        file = folder / f"{name}.{kind}"
        if kind == "npy":
            numpy.save(file, array)
        else:
            Image.fromarray(array).save(file)
        paths[name] = str(file)
    document = collect({"parameters": paths})
    return interpret_mask(json.loads(json.dumps(document)), where="here")


def confirmed(finding: Any) -> set[str]:
    return {c.cause for c in finding.clues if c.ruling == "confirmed" and c.topic == masks.TOPIC}


@pytest.mark.parametrize(
    ("predicted", "target", "status", "said", "causes"),
    [
        (NEARLY, SQUARE, "ok", "Mean IoU 0.92 (class 0: 0.95, 1: 0.89).", set()),
        (NEARLY, SQUARE * 255, "fail", "With the same numbers the mean IoU is 0.92.",
         {masks.VALUES}),
        (NEARLY * 255, SQUARE, "fail", "0 and 255, the other 0 and 1", {masks.VALUES}),
        (NEARLY + 1, SQUARE, "fail", "All classes are -1 off", {masks.NUMBERING}),
        (1 - NEARLY, SQUARE, "fail", "Classes are exchanged: with 0 to 1, 1 to 0",
         {masks.NUMBERING}),
        ((CLASSES + 1) % 4, CLASSES, "fail", "Classes are exchanged", {masks.NUMBERING}),
        (SQUARE * 0, SQUARE, "fail", "The prediction is 0 everywhere.", {masks.ONE_CLASS}),
        (TINY * 0, TINY, "fail", "The prediction is 0 everywhere.",
         {masks.ONE_CLASS, masks.FEW_PIXELS}),
        (NEARLY, SMOOTH, "fail", "smooth interpolation", {masks.SMOOTH}),
        (SCORES, SQUARE, "fail", "raw scores from -4 to 3, no class numbers; mean IoU of the "
         "pixels 0.92 above 0 and 0.92 above 0.5.", {masks.THRESHOLD}),
        (1 / (1 + numpy.exp(-SCORES)), SQUARE, "warn", "holds probabilities", set()),
        (CLASSES[:, ::-1], CLASSES, "fail", "fits the target when it is mirrored",
         {masks.PAIRING}),
        (CLASSES[::-1], CLASSES, "fail", "when it is upside down: mean IoU 1.00",
         {masks.PAIRING}),
        (CLASSES.T, CLASSES, "fail", "Height and width are exchanged.", set()),
        (NEARLY[:50], SQUARE, "fail", "different sizes: 50 x 80 predicted, 60 x 80 true", set()),
        (RANKS, SQUARE, "fail", "The prediction holds 4800 different values", set()),
        (NEARLY, RANKS, "fail", "The target holds 4800 different values", set()),
        (NEARLY, COLOURS, "fail", "a colour picture with 4 colours", set()),
        (numpy.eye(4)[CLASSES].transpose(2, 0, 1), CLASSES, "ok", "Mean IoU 1.00", set()),
        (numpy.eye(4)[CLASSES], CLASSES, "ok", "Mean IoU 1.00", set()),
        (NEARLY[None, :, :], SQUARE[None, None], "ok", "Mean IoU 0.92", set()),
        (numpy.stack([NEARLY] * 3), numpy.stack([SQUARE] * 3), "ok", "Mean IoU 0.92", set()),
        (NEARLY.astype(bool), SQUARE, "ok", "Mean IoU 0.92", set()),
    ],
)  # fmt: skip
def test_faults(tmp_path: Path, predicted, target, status, said, causes) -> None:
    finding = compare(tmp_path, predicted, target)
    assert finding.status == status, finding.summary
    assert said in finding.summary
    assert confirmed(finding) == causes
    assert finding.entries == ("iou-zero",)


def test_pictures_of_every_mode(tmp_path: Path) -> None:
    rgb = numpy.stack([NEARLY * 255] * 3, axis=2)
    rgba = numpy.dstack([rgb, numpy.full(NEARLY.shape, 255, numpy.uint8)])
    for predicted in (NEARLY * 255, rgb, rgba):
        finding = compare(tmp_path, predicted, SQUARE * 255, "png")
        assert (finding.status, "Mean IoU 0.92" in finding.summary) == ("ok", True)
    palette = Image.fromarray(CLASSES, "P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [0] * 756)
    palette.save(tmp_path / "p.png")
    numpy.save(tmp_path / "t.npy", CLASSES)
    finding = run_row("mask", tmp_path, {"predicted": "p.png", "target": "t.npy"})
    assert finding.status == "ok"
    assert "Mean IoU 1.00" in finding.summary
    assert dict(finding.facts)["prediction: stored as"] == "PNG P, uint8, 60 x 80"


def test_void_pixels_do_not_count(tmp_path: Path) -> None:
    target = CLASSES.copy()
    target[:, :3] = 255
    finding = compare(tmp_path, CLASSES, target)
    assert finding.status == "ok"
    assert "Mean IoU 1.00 (class 0: 1.00, 1: 1.00, 2: 1.00, 3: 1.00)." in finding.summary
    labels = [clue.ruling for clue in finding.clues if clue.topic == "label-out-of-range"]
    assert labels == ["confirmed"]


def test_the_same_values_rule_causes_out(tmp_path: Path) -> None:
    finding = compare(tmp_path, NEARLY, SQUARE)
    out = {clue.cause for clue in finding.clues if clue.ruling == "ruled_out"}
    assert out >= {masks.VALUES, masks.SMOOTH, masks.ONE_CLASS, masks.ONE_CHANNEL, masks.NUMBERING}


class Bomb:
    """Runs a program when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    finding = compare(tmp_path, numpy.array([Bomb(ran)], dtype=object), SQUARE)
    assert finding.status == "fail"
    assert "not unpickled" in finding.summary
    assert not ran.exists()


@pytest.mark.parametrize(
    "array",
    [
        numpy.array(["a", "b"]), numpy.zeros((0, 5)), numpy.zeros(()),
        numpy.full((9, 9), numpy.nan),
        numpy.zeros((9, 9), complex), numpy.zeros((2, 3, 4, 5)), numpy.arange(6400).reshape(80, 80),
        numpy.zeros(3, [("a", "f4")]), numpy.array(["2020"], "datetime64[Y]"),
    ],
)  # fmt: skip
def test_odd_arrays_end_in_a_finding(tmp_path: Path, array: Any) -> None:
    for pair in ((array, SQUARE), (SQUARE, array), (array, array)):
        assert compare(tmp_path, *pair).summary


def test_without_numpy_it_says_so(load_row) -> None:
    missing = {"error": "ModuleNotFoundError: No module named 'numpy'"}
    finding = interpret_mask(load_row("files", "mask", ("target", missing)), where="here")
    assert finding.status == "no_data"
    assert finding.next == "Install numpy and pillow."


def test_measures() -> None:
    pairs = {(0.0, 0.0): 50.0, (0.0, 1.0): 10.0, (1.0, 0.0): 20.0, (1.0, 1.0): 20.0}
    scores = measure_overlap(pairs)
    assert scores[1.0] == (20 / 50, 40 / 70)
    assert scores[0.0] == (50 / 80, 100 / 130)
    assert mean_overlap(pairs) == (0.4 + 0.625) / 2
    assert match_classes(pairs) == {0.0: 0.0, 1.0: 1.0}
    swapped = rename(pairs, {0.0: 1.0, 1.0: 0.0})
    assert match_classes(swapped) == {0.0: 1.0, 1.0: 0.0}
    assert rename(swapped, match_classes(swapped)) == pairs
    assert mean_overlap({}) == 0.0


def test_no_document_breaks_it(load_row) -> None:
    check_all_spoiled(interpret_mask, load_row("files", "mask"))


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        ("The mask files hold 0 and 255, the network counts 0, 1, 2...", "VALUES"),
        ("`argmax` over a single output channel: it can only ever return 0.", "ONE_CHANNEL"),
        ("The threshold 0.5 is applied to raw scores instead of probabilities.", "THRESHOLD"),
        ("The masks were resized with smooth interpolation, which invents class numbers.",
         "SMOOTH"),
        ('The object covers few pixels and "all background" is a comfortable answer',
         "FEW_PIXELS"),
        ("Image and mask files are paired wrongly, or augmented differently.", "PAIRING"),
        ("The predictions are all one class", "ONE_CLASS"),
        ("Wrong class indexing", "NUMBERING"),
        ("Threshold too high/low", "THRESHOLD"),
    ],
)  # fmt: skip
def test_causes_are_found_in_the_words_of_guides(cause: str, name: str) -> None:
    known = ("VALUES", "ONE_CLASS", "ONE_CHANNEL", "FEW_PIXELS", "THRESHOLD", "SMOOTH", "NUMBERING",
             "PAIRING")  # fmt: skip
    assert [k for k in known if re.search(getattr(masks, k), cause, re.I)] == [name]
