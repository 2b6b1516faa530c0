"""The row `sam`: proper prompts on a real network, and what masks say about causes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from assistant.probes.inside.sam import name_sam, named_type
from assistant.probes.sam import interpret_sam
from tests.probes.running import GIB, check_all_spoiled, load_inside, needs, run_row

PROMPT_CAUSE = "Prompts not formatted correctly."
PICTURE_CAUSES = (
    "Processing high-resolution image.",
    "The automatic mask generator turns 64 points at a time into masks of the *original* size.",
)
EMPTY = [{"share": 0.0, "score": 0.1}]
DAMAGED = {"step": "load", "failed": {"kind": "RuntimeError", "text": "failed finding central"}}
NO_ROOM = {"step": "load", "failed": {"kind": "NoRoom", "text": "x"}, "needed": 9 * GIB}


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised", "rulings"),
    [
        ([], "ok", "the point's largest mask covers 30.0%, the box's 19.0%", "set_image",
         {"sam-prompt": "confirmed", "unusable-file": "ruled_out", "out-of-memory": "ruled_out"}),
        ([("model.type", "vit_b")], "warn", "is called vit_h, but holds a vit_b",
         'sam_model_registry["vit_b"]',
         {"sam-prompt": "confirmed", "unusable-file": "ruled_out", "out-of-memory": "ruled_out",
          "state-dict-load": "confirmed"}),
        ([("model.point", EMPTY), ("model.box", EMPTY)], "warn", "empty mask here (point and box)",
         "another image", {"sam-prompt": "ruled_out", "out-of-memory": "ruled_out"}),
        ([("model.box", EMPTY)], "warn", "one of the prompts", "",
         {"sam-prompt": "ruled_out", "out-of-memory": "ruled_out"}),
        ([("model", DAMAGED)], "fail", "is no usable SAM checkpoint", "download it again",
         {"unusable-file": "confirmed", "out-of-memory": "ruled_out"}),
        ([("model", NO_ROOM)], "warn", "may take 9.0 GiB, and 83.8 GiB are free", "vit_b",
         {"out-of-memory": "ruled_out"}),
        ([("image.width", 4000), ("image.height", 3000), ("available", 10 * GIB)], "ok", "", "",
         {"sam-prompt": "confirmed", "unusable-file": "ruled_out", "out-of-memory": "confirmed"}),
        ([("model", {"step": "predict", "failed": {"kind": "E", "text": "CUDA out of memory"}})],
         "fail", "ran out of memory", "vit_b", {"out-of-memory": "ruled_out"}),
        ([("model", {"step": "predict", "failed": {"kind": "E", "text": "x"}})], "fail",
         "while it predicts", "", {"out-of-memory": "ruled_out"}),
        ([("image", {"error": "ValueError: no file"})], "fail", "image cannot be read", "", {}),
        ([("package", {"found": False})], "no_data", "not installed", "",
         {"out-of-memory": "ruled_out"}),
        ([("model", {})], "no_data", "not asked", "", {"out-of-memory": "ruled_out"}),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised, rulings) -> None:
    finding = interpret_sam(load_row("running", "sam", *changes), where="here")
    assert (finding.status, said in finding.summary, advised in finding.next) == (
        status,
        True,
        True,
    )
    if "sam-prompt" in rulings:  # the entry without a message hears the same
        rulings = {**rulings, "sam-empty-masks": rulings["sam-prompt"]}
    assert {clue.topic: clue.ruling for clue in finding.clues} == rulings
    for clue in finding.clues:
        if clue.topic == "sam-prompt":
            assert re.search(clue.cause, PROMPT_CAUSE, re.IGNORECASE)
        if clue.topic == "out-of-memory":
            assert all(re.search(clue.cause, cause, re.IGNORECASE) for cause in PICTURE_CAUSES)


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_sam, load_row("running", "sam"))
    check_all_spoiled(interpret_sam, load_row("running", "sam", ("model", NO_ROOM)))


def test_the_type_is_told_by_the_keys_and_claimed_by_the_name() -> None:
    torch = needs("torch")
    for width, kind in ((768, "vit_b"), (1024, "vit_l"), (1280, "vit_h"), (999, "")):
        embedding = torch.empty(1, 64, 64, width)
        keys = {"image_encoder.pos_embed": embedding, "mask_decoder.x": embedding}
        assert name_sam(keys) == kind
    assert name_sam({"fc.weight": embedding}) == ""
    assert named_type("/x/sam_vit_h_4b8939.pth") == "vit_h"
    assert named_type("/x/vit_b/sam.pth") == ""


def save_image(folder: Path) -> None:
    needs("PIL.Image").new("RGB", (64, 48), (90, 120, 60)).save(folder / "photo.png")


def test_a_checkpoint_that_is_none_runs_nothing(tmp_path: Path) -> None:
    """An ordinary pickle would make the folder."""
    needs("segment_anything")
    torch = needs("torch")
    save_image(tmp_path)
    torch.save(Makes(tmp_path / "ran"), tmp_path / "sam_vit_b_01ec64.pth")
    finding = run_row("sam", tmp_path, {"checkpoint": "sam_vit_b_01ec64.pth", "image": "photo.png"})
    assert finding.status == "fail", finding
    assert "is no usable SAM checkpoint" in finding.summary
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("version", "safe"),
    [("2.6.0", True), ("2.6.0+cu124", True), ("2.14.1+cu130", True), ("2.7.0a0+79aa.nv25.4", True),
     ("3.0.0", True), ("2.5.1+cu121", False), ("1.13.1", False), ("2.6.0a0+ecf3.nv25.01", False),
     ("2.6.0rc1", False), ("", False)],
)  # fmt: skip
def test_only_a_torch_that_reads_without_risk_reads(version: str, safe: bool, load_row) -> None:
    inside = load_inside("sam")
    try:
        inside["check_torch"](version)
        failed = None
    except inside["OldTorch"] as error:
        failed = inside["describe_failure"](error)
    assert (failed is None) == safe
    if failed is not None:
        changed = ("model", {"step": "load", "failed": failed})
        finding = interpret_sam(load_row("running", "sam", changed), where="here")
        assert finding.status == "refused"
        assert f"with torch {version}".strip() in finding.summary
        assert "Update torch to 2.6" in finding.next


class Makes:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return Path.mkdir, (self.place,)


@pytest.mark.slow
@pytest.mark.skipif(
    "ASSISTANT_TEST_SLOW" not in os.environ, reason="a minute: ASSISTANT_TEST_SLOW=1"
)
@pytest.mark.timeout(400)
def test_a_real_vit_b_with_random_weights(tmp_path: Path) -> None:
    """Its encoder alone takes half a minute of two processors."""
    torch = needs("torch")
    registry = needs("segment_anything").sam_model_registry
    save_image(tmp_path)
    torch.manual_seed(0)
    torch.save(registry["vit_b"]().state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    finding = run_row("sam", tmp_path, {"checkpoint": "sam_vit_b_01ec64.pth", "image": "photo.png"})
    facts = dict(finding.facts)
    assert finding.status in ("ok", "warn"), finding
    assert facts["model type by its keys"] == facts["model type by its name"] == "vit_b"
    assert "of the image (score" in facts["one point"]
    assert "GiB" in facts["most memory"]
