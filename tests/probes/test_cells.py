"""The checks that a learner runs in the notebook: each cell really run in each state, and what its
output means for the causes of the guides and for the answer."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assistant.events import Event, Fix, Probed, Question
from assistant.evidence import weigh_causes
from assistant.library import load_library
from assistant.probes.collector import Collector
from assistant.probes.paste import WHERE, build_cell, read_pasted
from assistant.probes.registry import PROBES
from assistant.probes.runner import ProbeRunner
from assistant.probes.targets import own_target
from assistant.reading import read_query
from assistant.service import Assistant
from assistant.snapshots import Snapshots
from assistant.types import Entry, Finding, Turn
from tests.course import build_lexical_retriever
from tests.fakes import FakeBackend
from tests.probes.running import check_all_spoiled, find_python, find_row
from tests.probes.test_clues import FAMILIES
from tests.test_service import collect, done

CELLS = [row for row in PROBES if row.cell]
COURSE = Path(__file__).parents[3] / "shared/guide/module-2.2-troubleshooting.md"
CHANCE, TRANSFER, IOU = "cnn-stuck-at-random", "transfer-learning-not-improving", "iou-zero"
SLOW, WEAK, YOLO, SAM = (
    "vit-training-slow", "vit-accuracy-low", "yolo-empty-detections", "sam-empty-masks",
)  # fmt: skip

Ran = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module", name="ran")
def run_cells() -> Ran:
    """Each cell run in each state, in one process of its own: {state: {printed, unchanged}}."""
    command = [sys.executable, "-m", "tests.probes.cell_states"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


@pytest.fixture(scope="module", name="shipped")
def load_shipped() -> dict[str, Entry]:
    return load_library([]).entries


def find(ran: Ran, state: str) -> Finding:
    if state not in ran:
        pytest.skip("the package of this state is not installed")
    (finding,) = read_pasted(ran[state]["printed"])
    return finding


def rule(entry: Entry, finding: Finding) -> dict[str, str | None]:
    """The causes of an entry with what the finding says about each, for one who pastes the message
    that the entry shows first."""
    query = read_query(entry.symptoms[0].strip("`")) if entry.symptoms else None
    return {c.cause: c.ruling for c in weigh_causes(entry, query, [finding])}


# --- what a cell may do --------------------------------------------------------------------------


def test_nothing_in_the_notebook_is_changed_by_any_cell(ran: Ran) -> None:
    assert {state for state, one in ran.items() if not one["unchanged"]} == set()
    assert {row.id for row in CELLS} <= {state.partition(":")[0] for state in ran}


def test_a_cell_prints_one_line_whatever_it_finds(ran: Ran) -> None:
    for state, one in ran.items():
        assert one["printed"].count("\n") == 1, state
        assert len(one["printed"]) < 3000, state
        if ": odd, " in state:
            row = state.partition(":")[0]
            assert one["printed"].startswith(f"{row}: nothing was read ("), state
            (finding,) = read_pasted(one["printed"])
            assert (finding.id, finding.status, finding.pasted) == (row, "no_data", True)
            assert finding.next == "Put your own names into the cell's first function."


@pytest.mark.parametrize("minor", range(8, 15))
def test_without_torch_and_numpy_there_is_one_plain_line_too(minor: int, tmp_path: Path) -> None:
    """All cells, one after the other, in each Python that is here."""
    names = "labels model images optimizer train_loader results picture predictor image"
    code = " = ".join([*names.split(), "point_coords", "point_labels", "1\n"])
    code += "".join(build_cell(row) for row in CELLS)
    command = [find_python(minor), "-S", "-E", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.partition(": nothing was read (")[0] for line in lines] == [r.id for r in CELLS]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", CELLS, ids=lambda row: row.id)
def test_a_cell_is_plain_python_of_any_version_that_says_what_it_does(row: Any) -> None:
    cell = build_cell(row)
    for minor in range(8, 15):
        ast.parse(cell, feature_version=(3, minor))
    assert cell.startswith(f"# {row.title}: reads ")
    assert "Paste what it prints into the assistant." in cell
    called = {n.func.id for n in ast.walk(ast.parse(cell)) if is_named_call(n)}
    assert not called & {"open", "exec", "eval", "compile", "__import__", "input"}
    imported = {a.name for n in ast.walk(ast.parse(cell)) if isinstance(n, ast.Import)
                for a in n.names}  # fmt: skip
    assert imported <= {"json", "os", "numpy", "torch"}


def is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_no_target_can_be_told_to_run_a_cell(tmp_path: Path) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a process was started")

    place = own_target(sys.executable)
    collector = Collector({"PATH": "/bin", "HOME": "/h"}, run=never)
    runner = ProbeRunner(lambda: [place], collector, folder=tmp_path, home=tmp_path)
    for row in CELLS:
        (finding,) = runner.run([row.id])
        assert finding.status == "refused"
        assert f"assistant probe {row.id} --cell" in finding.summary
        assert runner.cell(row.id) == build_cell(row)
        assert row.info.is_cell


# --- what its output means -----------------------------------------------------------------------

# state, status, words of the summary, words of the next step, entry, {cause begins: ruling}
FINDINGS: list[tuple[str, str, str, str, str, dict[str, str | None]]] = [
    ("labels: sound", "ok", "go from 0 to 9; the model (fc) has 10 outputs", "", CHANCE,
     {"Images and labels": None}),
    ("labels: from one", "fail", "go from 1 to 10", "Subtract 1", CHANCE,
     {"Images and labels": "confirmed", "The learning rate": None}),
    ("labels: too few outputs", "fail", "(fc) has 5 outputs", "Give the last layer 10 outputs",
     "target-out-of-bounds", {"A label is not between": "confirmed"}),
    ("labels: negative", "fail", "a label of -1", "ignore_index", CHANCE,
     {"Images and labels": "confirmed"}),
    ("labels: floats", "warn", "float32, no whole numbers", "labels.long()", CHANCE, {}),
    ("labels: one class", "warn", "100 % of the labels are class 4", "shuffle=True", CHANCE, {}),
    ("labels: white masks", "fail", "hold 0 and 255", "(masks > 127)", IOU,
     {"The mask files hold": "confirmed", "The masks were resized": "ruled_out",
      "The object covers few": "confirmed"}),
    ("labels: white masks, one output", "fail", "hold 0 and 255", "(masks > 127)", IOU,
     {"The mask files hold": "confirmed"}),
    ("labels: border", "warn", "marks borders", "ignore_index=255", IOU,
     {"The mask files hold": None}),
    ("labels: smooth masks", "fail", "smooth interpolation", "NEAREST", IOU,
     {"The masks were resized": "confirmed", "The mask files hold": "ruled_out",
      "The object covers few": "ruled_out"}),
    ("labels: sound masks", "ok", "go from 0 to 1", "", IOU,
     {"The mask files hold": "ruled_out", "The masks were resized": "ruled_out"}),
    ("labels: small object", "warn", "99.1 % of the pixels are class 0", "Dice loss", IOU,
     {"The object covers few": "confirmed"}),
    ("labels: shares", "ok", "0 to 1", "", CHANCE, {"Images and labels": None}),
    ("labels: yes and no", "ok", "0 to 1", "", CHANCE, {}),
    ("labels: a list", "ok", "0 to 9; the model has 10 outputs", "", CHANCE, {}),
    ("labels: a picture", "fail", "hold 0 and 255", "127", IOU, {"The mask files": "confirmed"}),
    ("labels: resnet18", "ok", "the model (fc) has 10 outputs", "", CHANCE, {}),
    ("normalization: standard", "ok", "as with ImageNet's mean", "", TRANSFER,
     {"The images are not prepared": "ruled_out"}),
    ("normalization: half", "ok", "mean and deviation 0.5", "", TRANSFER,
     {"The images are not prepared": None}),
    ("normalization: plain", "warn", "0 to 1, not normalised", "add Normalize", TRANSFER,
     {"The images are not prepared": "confirmed"}),
    ("normalization: plain", "warn", "0 to 1, not normalised", "add Normalize", CHANCE,
     {"Images and labels": None}),
    ("normalization: raw", "fail", "still 0 to 255", "Divide by 255", CHANCE,
     {"Images and labels": "confirmed", "The learning rate": None}),
    ("normalization: raw", "fail", "still 0 to 255", "Divide by 255", WEAK,
     {"The images are normalised": "confirmed"}),
    ("normalization: bytes", "fail", "still 0 to 255", "Divide", "dtype-mismatch",
     {"Weights and input": "confirmed"}),
    ("normalization: shrunk", "fail", "divided by 255 twice", "only once", CHANCE,
     {"Images and labels": "confirmed"}),
    ("normalization: late", "fail", "Normalize was applied to 0 to 255", "before", TRANSFER,
     {"The images are not prepared": "confirmed"}),
    ("normalization: twice", "fail", "normalised twice", "one Normalize", TRANSFER,
     {"The images are not prepared": "confirmed"}),
    ("normalization: channels last", "fail", "channels come last", "permute", TRANSFER, {}),
    ("normalization: equal", "fail", "All images of the batch are equal", "Dataset", CHANCE,
     {"Images and labels": "confirmed"}),
    ("normalization: nan", "fail", "nan or infinite", "Find the image", "loss-nan",
     {"The data hold nan": "confirmed", "The learning rate": None}),
    ("normalization: nan", "fail", "nan or infinite", "Find the image", TRANSFER,
     {"The images are not prepared": None}),
    ("normalization: double", "warn", "float64", ".float()", "dtype-mismatch",
     {"Weights and input": "confirmed"}),
    ("normalization: with its labels", "ok", "ImageNet", "", TRANSFER, {}),
    ("trainable: sound", "ok", "330 of 330 weights are trained", "", TRANSFER,
     {"Everything is frozen": "ruled_out", "One learning rate for all": "confirmed",
      "OneCycleLR": "ruled_out", "zero_grad": None}),
    ("trainable: all frozen", "fail", "everything is frozen", "Open the head", TRANSFER,
     {"Everything is frozen": "confirmed"}),
    ("trainable: all frozen", "fail", "everything is frozen", "Open the head", CHANCE,
     {"Layers are frozen": "confirmed"}),
    ("trainable: older model", "fail", "it belongs to another model", "Build the optimizer", CHANCE,
     {"The training loop is broken": "confirmed"}),
    ("trainable: new head", "fail", "does not hold the head (fc)", "again", TRANSFER,
     {"Everything is frozen, or the optimizer": "confirmed"}),
    ("trainable: rate too high", "warn", "rate 1 is very high for AdamW", "1e-3", CHANCE,
     {"The learning rate": "confirmed"}),
    ("trainable: rate too low", "warn", "so low that hardly anything", "1e-3", CHANCE,
     {"The learning rate": "confirmed"}),
    ("trainable: two rates", "ok", "The optimizer holds them all", "", TRANSFER,
     {"One learning rate for all": "ruled_out"}),
    ("trainable: one peak", "ok", "holds them all", "", TRANSFER, {"OneCycleLR": "confirmed"}),
    ("trainable: warming up", "ok", "holds them all", "", TRANSFER,
     {"One learning rate for all": None}),
    ("trainable: warming up", "ok", "holds them all", "", CHANCE,
     {"The learning rate": "ruled_out"}),
    ("trainable: head only", "ok", "90 of 330", "", TRANSFER,
     {"One learning rate for all": "ruled_out", "Everything is frozen": "ruled_out"}),
    ("trainable: resnet18", "fail", "everything is frozen", "model.fc", TRANSFER,
     {"Everything is frozen": "confirmed"}),
    ("predictions: sound", "ok", "raw scores, differ", "", CHANCE, {"A softmax": "ruled_out"}),
    ("predictions: softmax inside", "warn", "a softmax in the model", "Take it out", CHANCE,
     {"A softmax": "confirmed"}),
    ("predictions: softmax inside", "warn", "softmax", "Take it out", "softmax-twice",
     {"CrossEntropyLoss applies": "confirmed"}),
    ("predictions: dead", "fail", "all 16 images with the same numbers", "fresh weights", CHANCE,
     {"The learning rate": "confirmed", "A softmax": "ruled_out"}),
    ("predictions: one class", "warn", "The same class is the answer", "rate", CHANCE,
     {"The learning rate": None}),
    ("predictions: nan weights", "fail", "weights themselves hold nan", "anew", CHANCE,
     {"The learning rate": "confirmed"}),
    ("predictions: nan images", "fail", "images hold nan", "transform", "loss-nan",
     {"The data hold nan": "confirmed"}),
    ("predictions: mask, two channels", "ok", "name 2 classes", "", IOU,
     {"argmax over a single": "ruled_out", "The threshold 0.5": None}),
    ("predictions: mask, one channel", "warn", "argmax over it is always 0", "sigmoid()", IOU,
     {"argmax over a single": None, "The threshold 0.5": None}),
    ("predictions: sure of a mask", "warn", "with probabilities", "scores > 0.5", IOU,
     {"The threshold 0.5": "ruled_out"}),
    ("predictions: mask, all background", "warn", "for all pixels", "rate", IOU, {}),
    ("predictions: evaluated", "ok", "raw scores", "", CHANCE, {"A softmax": "ruled_out"}),
    ("predictions: bytes", "warn", "same class", "", CHANCE, {}),
    ("predictions: stubborn", "ok", "raw scores", "", CHANCE, {}),
    ("predictions: lraspp", "warn", "for all pixels", "", IOU, {"argmax over": "ruled_out"}),
    ("speed: on the CPU", "warn", "trains on the CPU", "probe gpu", SLOW,
     {"Every step is slow": "confirmed", "The GPU waits": "ruled_out", "Training starts": None,
      "The GPU itself": None}),
    ("speed: coarse patches", "warn", "leave 4 tokens", "smaller patches", WEAK,
     {"Patches are too coarse": "confirmed"}),
    ("speed: new weights", "warn", "random weights", "pretrained", SLOW,
     {"Training starts from random": "confirmed"}),
    ("speed: new weights", "warn", "random weights", "pretrained", WEAK,
     {"The ViT is trained from scratch": "confirmed", "Patches are too coarse": "ruled_out"}),
    ("speed: vit_tiny", "warn", "All 25 normalisation layers", "timm", WEAK,
     {"The ViT is trained from scratch": "confirmed"}),
    ("speed: half", "warn", "bfloat16, the batch float32", "images.to(", "dtype-mismatch",
     {"Weights and input": "confirmed"}),
    ("speed: half, both", "warn", "on the CPU", "", "dtype-mismatch", {"Weights and input": None}),
    ("sizes: fitting", "ok", "64 x 64 (height x width) are halved 4 times, which leaves no", "",
     "unet-shape-mismatch", {"Height or width is not": "ruled_out", "The first convolution": None,
                             "Convolutions without": "ruled_out"}),
    ("sizes: just fitting", "ok", "48 x 48", "", "unet-shape-mismatch",
     {"Height or width is not": None}),
    ("sizes: odd", "fail", "not divisible by 16", "pad 12 rows and 12 columns",
     "unet-shape-mismatch", {"Height or width is not": "confirmed"}),
    ("sizes: shrinking", "warn", "4 of 4 convolutions have no padding", "padding=1",
     "unet-shape-mismatch", {"Convolutions without": "confirmed"}),
    ("sizes: no U-Net", "ok", "No layer halves", "", "unet-shape-mismatch",
     {"Height or width is not": None, "Convolutions without": None}),
    ("sizes: one image", "ok", "64 x 64", "", "unet-shape-mismatch", {}),
    ("sizes: resnet18", "ok", "224 x 224 (height x width) are halved 5 times", "",
     "unet-shape-mismatch", {"Height or width is not": "ruled_out"}),
    ("boxes: a picture", "warn", "No boxes at confidence 0.25", "conf=0.05", YOLO,
     {"The confidence limit": None, "The image is passed in the wrong": "ruled_out",
      "The objects are tiny": "ruled_out"}),
    ("boxes: a low limit", "warn", "even at confidence 0.03", "imgsz", YOLO,
     {"The confidence limit": "ruled_out"}),
    ("boxes: a high limit", "warn", "classes=[0] leaves out", "without classes=", YOLO,
     {"The confidence limit": "confirmed", "The object is not among": "confirmed"}),
    ("boxes: normalised", "fail", "normalised with mean and deviation", "file name", YOLO,
     {"The image is passed in the wrong": "confirmed"}),
    ("boxes: an array of fractions", "fail", "almost black", "astype", YOLO,
     {"The image is passed in the wrong": "confirmed"}),
    ("boxes: boxes", "ok", "boxes at confidence 1e-05", "", YOLO, {}),
    ("boxes: classifier", "fail", '"classify", which has no boxes', "a detector", YOLO,
     {"The weights are of another kind": "confirmed"}),
    ("prompts: no image", "fail", "has no picture", "set_image", SAM, {}),
    ("prompts: sound", "ok", "lie in the picture", "", SAM,
     {"The image is not RGB": "ruled_out", "All labels are 0": "ruled_out", "Shapes": "ruled_out",
      "Coordinates": None}),
    ("prompts: fractions", "fail", "between 0 and 1", "by the width", SAM,
     {"Coordinates": "confirmed"}),
    ("prompts: exchanged", "fail", "x and y exchanged", "column first", SAM,
     {"Coordinates": "confirmed"}),
    ("prompts: outside", "fail", "outside the picture", "set_image", SAM,
     {"The prompt was measured on a resized": "confirmed"}),
    ("prompts: background", "fail", "mark background", "Give 1", SAM,
     {"All labels are 0": "confirmed"}),
    ("prompts: a list", "fail", "are a list", "np.array", SAM, {"Shapes": "confirmed"}),
    ("prompts: one number too few", "fail", "the form (2)", "(N, 2)", SAM,
     {"Shapes": "confirmed"}),
    ("prompts: labels missing", "fail", "without labels", "point_labels", SAM,
     {"Shapes": "confirmed"}),
    ("prompts: a black picture", "fail", "almost black for SAM", "255", SAM,
     {"The image is not RGB": "confirmed"}),
    ("prompts: grey", "fail", "form 60 x 80", "RGB", SAM, {"The image is not RGB": "confirmed"}),
    ("prompts: resized", "fail", "this one has 40 x 30", "set_image", SAM,
     {"The prompt was measured on a resized": "confirmed"}),
    ("prompts: box", "ok", "lie in the picture", "", SAM, {"A box as centre": None}),
    ("prompts: xywh", "fail", "ends before it begins", "xyxy", SAM,
     {"A box as centre": "confirmed"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "status", "said", "advised", "entry", "rulings"),
    FINDINGS,
    ids=[f"{row[0]} ({row[4]})" for row in FINDINGS],
)
def test_each_state_becomes_a_finding_that_decides_causes_of_the_shipped_guides(
    ran, shipped, state, status, said, advised, entry, rulings
) -> None:
    finding = find(ran, state)
    assert (finding.id, finding.status) == (state.partition(":")[0], status)
    assert said in finding.summary
    assert advised in finding.next
    assert bool(finding.next) is (status != "ok")
    assert finding.where == WHERE
    assert set(finding.entries) <= set(shipped)
    assert {clue.topic for clue in finding.clues} <= {*shipped, *FAMILIES}
    assert all(clue.cause == "" or re.compile(clue.cause) for clue in finding.clues)
    found = rule(shipped[entry], finding)
    for begins, ruling in rulings.items():
        (cause,) = (cause for cause in found if cause.startswith(begins))
        assert found[cause] == ruling, cause


def test_every_state_is_expected_here(ran: Ran) -> None:
    assert {state for state in ran if ": odd, " not in state} <= {row[0] for row in FINDINGS}


# The guide of the course words the same causes otherwise
COURSE_CAUSES = [
    ("trainable: rate too high", CHANCE, "Learning rate too high or too low", "confirmed"),
    ("trainable: sound", CHANCE, "Learning rate too high or too low", "ruled_out"),
    ("normalization: raw", CHANCE, "Wrong normalization", "confirmed"),
    ("normalization: standard", CHANCE, "Wrong normalization", "ruled_out"),
    ("labels: from one", CHANCE, "Labels not matching", "confirmed"),
    ("speed: half", "dtype-mismatch", "Model and input have different dtypes.", "confirmed"),
    ("boxes: a high limit", YOLO, "Confidence threshold too high", "confirmed"),
    ("boxes: a low limit", YOLO, "Confidence threshold too high", "ruled_out"),
    ("boxes: normalised", YOLO, "Image not preprocessed correctly", "confirmed"),
    ("boxes: classifier", YOLO, "Wrong model for task", "confirmed"),
    ("boxes: a picture", YOLO, "Wrong model for task", "ruled_out"),
    ("predictions: mask, all background", IOU, "Predictions all one class", "confirmed"),
    ("predictions: mask, two channels", IOU, "Predictions all one class", "ruled_out"),
    ("prompts: fractions", SAM, "Prompts not formatted correctly.", "confirmed"),
    ("prompts: xywh", SAM, "Prompts not formatted correctly.", "confirmed"),
    ("prompts: background", SAM, "Prompts not formatted correctly.", "confirmed"),
    ("prompts: sound", SAM, "Prompts not formatted correctly.", "ruled_out"),
    ("sizes: shrinking", "unet-shape-mismatch", "Padding or architecture mismatch.", "confirmed"),
    ("speed: new weights", SLOW, "Not using pre-trained weights.", "confirmed"),
    ("speed: on the CPU", SLOW, "Not using pre-trained weights.", None),
    ("speed: new weights", WEAK, "ViTs need more data or careful hyperparameters.", "confirmed"),
]


@pytest.mark.skipif(not COURSE.is_file(), reason="the guide of the course is not shipped")
@pytest.mark.parametrize(("state", "entry", "cause", "ruling"), COURSE_CAUSES)
def test_causes_in_the_words_of_the_course(ran, state, entry, cause, ruling) -> None:
    entries = load_library((str(COURSE),)).entries
    assert rule(entries[entry], find(ran, state))[cause] == ruling


# --- in a conversation ---------------------------------------------------------------------------

# what a learner writes, the entry of the answer, the state of the notebook, what is said then
TALKS = [
    ("My CNN accuracy stays at 10 percent on CIFAR-10, it does not learn", CHANCE,
     "labels: from one", "a check confirms this: The labels hold 1, 2"),
    ("My CNN accuracy stays at 10 percent on CIFAR-10, it does not learn", CHANCE,
     "normalization: raw", "a check confirms this: The images are still 0 to 255"),
    ("My CNN accuracy stays at 10 percent on CIFAR-10, it does not learn", CHANCE,
     "predictions: softmax inside", "a check confirms this: The answers lie between"),
    ("transfer learning does not improve, accuracy of my fine-tuned ResNet stays low", TRANSFER,
     "trainable: new head", "a check confirms this: The optimizer does not hold the head (fc)"),
    ("ViT training is extremely slow", SLOW, "speed: new weights", "a check confirms this: All 2"),
    ("YOLO returns no detections for my image", YOLO, "boxes: a high limit",
     "a check confirms this: The limit is 0.9"),
    ("RuntimeError: Sizes of tensors must match except in dimension 1. Expected size 13 but got "
     "size 12 for tensor number 1 in the list.", "unet-shape-mismatch", "sizes: odd",
     "a check confirms this: Images of 100 x 100"),
    ("SAM returns empty masks for my point prompt", SAM, "prompts: fractions",
     "a check confirms this: The coordinates of the points lie between 0 and 1"),
]  # fmt: skip


@pytest.fixture(scope="module", name="assistant")
def build_assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """The real search without an encoder and real reading of what is pasted; no model."""
    folder = tmp_path_factory.mktemp("talk")
    collector = Collector({"PATH": "/usr/bin:/bin", "HOME": str(folder)})
    place = own_target(sys.executable)
    prober = ProbeRunner(lambda: [place], collector, folder=folder, home=folder)
    return Assistant(Snapshots(("builtin",), build_lexical_retriever), FakeBackend(), prober)


def last_fix(events: list[Event]) -> str:
    return next((e.fix.text for e in reversed(events) if isinstance(e, Fix) and e.fix), "")


async def answer(assistant: Assistant, text: str, entry: str) -> Turn:
    """The answer to a first question; the letter of the entry is given if it is asked for."""
    events = await collect(assistant, text)
    turn = done(events).turn
    for question in (e for e in events if isinstance(e, Question)):
        if turn.fix is None or turn.fix.entry != entry:
            letter = "AB"[question.choices.index(entry)]
            turn = done(await collect(assistant, letter, conversation=(turn,))).turn
    assert turn.fix is not None
    assert turn.fix.entry == entry
    return turn


@pytest.mark.parametrize(
    ("text", "entry", "state", "said"), TALKS, ids=[f"{row[2]}" for row in TALKS]
)
async def test_what_a_cell_printed_changes_the_answer(
    ran, assistant, text, entry, state, said
) -> None:
    find(ran, state)
    turn = await answer(assistant, text, entry)
    assert said not in (turn.fix.text if turn.fix else "")
    events = await collect(assistant, ran[state]["printed"], conversation=(turn,))
    (finding,) = (e.finding for e in events if isinstance(e, Probed))
    assert finding.pasted
    assert said in last_fix(events)
    assert done(events).turn.findings == (finding,)


async def test_a_question_with_what_a_cell_printed_is_searched_without_it(ran, assistant) -> None:
    find(ran, "prompts: fractions")
    text = "SAM returns empty masks for my point prompt"
    plain = await collect(assistant, text)
    events = await collect(assistant, f"{text}\n{ran['prompts: fractions']['printed']}")
    assert done(events).turn.query.text.strip() == text
    assert done(events).turn.match_ids == done(plain).turn.match_ids
    assert "a check confirms this: The coordinates" in last_fix(events)
    assert [e.finding.id for e in events if isinstance(e, Probed)] == ["prompts"]


async def test_a_cell_that_could_not_look_is_no_new_question(ran, assistant) -> None:
    turn = await answer(assistant, "YOLO returns no detections for my image", YOLO)
    printed = ran["labels: odd, nothing defined"]["printed"]
    events = await collect(assistant, printed, conversation=(turn,))
    (finding,) = (e.finding for e in events if isinstance(e, Probed))
    assert "could not look: NameError: name 'labels' is not defined" in finding.summary
    assert done(events).turn.query == turn.query
    assert not any(isinstance(e, Fix) for e in events)
    document = {
        "assistant_probe": 1,
        "rows": {"gpu": {"torch": {"error": "ImportError: libx.so.1"}}},
    }
    events = await collect(assistant, json.dumps(document), conversation=(turn,))
    assert done(events).turn.query == turn.query, "the exception in it is no new question either"


async def test_a_state_without_fault_speaks_against_the_entry_only_where_nothing_is_left(
    ran, assistant
) -> None:
    turn = await answer(assistant, "YOLO returns no detections for my image", YOLO)
    assert find(ran, "boxes: boxes").status == "ok"
    events = await collect(assistant, ran["boxes: boxes"]["printed"], conversation=(turn,))
    assert last_fix(events).startswith("**It is probably something else.** The results hold")
    turn = await answer(assistant, "SAM returns empty masks for my point prompt", SAM)
    events = await collect(assistant, ran["prompts: sound"]["printed"], conversation=(turn,))
    assert "a check speaks against this" in last_fix(events)
    assert "It is probably something else" not in last_fix(events)


# --- foreign data --------------------------------------------------------------------------------

SPOILED = [
    "labels: smooth masks", "normalization: late", "trainable: two rates", "predictions: sound",
    "speed: half", "boxes: normalised", "prompts: fractions", "sizes: odd",
]  # fmt: skip


@pytest.mark.parametrize("state", SPOILED)
def test_no_document_of_a_cell_breaks_its_reader(ran: Ran, state: str) -> None:
    find(ran, state)
    row = state.partition(":")[0]
    check_all_spoiled(find_row(row).interpret, json.loads(ran[state]["printed"])["rows"][row])
