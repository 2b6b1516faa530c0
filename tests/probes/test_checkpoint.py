"""The row `checkpoint`: real files, whole and broken in every way that downloads break."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
from pathlib import Path

import pytest

from assistant.probes.checkpoint import (
    BROKEN_FILE,
    NEVER_LOADED,
    OTHER_FOLDER,
    SAM_BYTES,
    interpret_checkpoint,
)
from assistant.probes.source import probe_source
from tests.probes.running import check_all_spoiled, load_inside, needs, run_row

SAM_H, SAM_B = "sam_vit_h_4b8939.pth", "sam_vit_b_01ec64.pth"
PAGE = b"\n<!DOCTYPE html><html><title>403 Forbidden</title></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 375042383\n"


@pytest.fixture(name="weights", scope="module")
def make_weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small file that torch.save wrote."""
    torch = needs("torch")
    file = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save({"fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}, file)
    return file.read_bytes()


def clue_about(finding, cause: str) -> str:
    rulings = {clue.ruling for clue in finding.clues if clue.cause == cause}
    return " ".join(sorted(rulings))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (PAGE, "is a web page"),
        (b'{"error": "rate limit"}', "is a JSON text"),
        (POINTER, "is a Git LFS pointer"),
        (b"Not found\n", "is a text, not weights"),
        (b"\0" * 100_000, "begins with nothing but zeros"),
        (b"\x80\x02half of it", "is cut off: 12 of 2,564,550,879 bytes are there"),
        (b"PK\x03\x04" + b"\1" * 1000, "is cut off: 1,004 of 2,564,550,879 bytes are there"),
    ],
)  # fmt: skip
def test_what_is_saved_under_the_name_of_sam(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / SAM_H).write_bytes(content)
    finding = run_row("checkpoint", tmp_path)
    assert finding.status == "fail"
    assert said in finding.summary
    assert f"Delete {tmp_path / SAM_H} and download it again" in finding.next
    assert clue_about(finding, BROKEN_FILE) == "confirmed"
    assert clue_about(finding, NEVER_LOADED) == "ruled_out"


def test_a_file_of_the_published_size_is_told_by_its_size_alone(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    with (folder / SAM_B).open("wb") as file:
        file.write(b"\x80\x02")
        file.truncate(SAM_BYTES[SAM_B])  # a hole: takes no space on the disk
    finding = run_row("checkpoint", tmp_path, {"wanted": SAM_B})
    assert finding.status == "warn"
    assert f"Pass its full path: {folder / SAM_B}" in finding.next
    assert clue_about(finding, BROKEN_FILE) == "ruled_out"
    assert clue_about(finding, OTHER_FOLDER) == "confirmed"
    assert dict(finding.facts)[str(folder / SAM_B)] == "358 MiB, the published size"


def test_a_missing_file_gets_its_place(tmp_path: Path) -> None:
    finding = run_row("checkpoint", tmp_path, {"wanted": SAM_H})
    assert finding.status == "fail"
    assert f"to {tmp_path / SAM_H}" in finding.next
    assert finding.clues == ()


def test_whole_and_truncated_files_of_torch(tmp_path: Path, weights: bytes) -> None:
    (tmp_path / "good.pth").write_bytes(weights)
    finding = run_row("checkpoint", tmp_path)
    assert finding.status == "ok"
    assert clue_about(finding, BROKEN_FILE) == "ruled_out"
    for share in (0.5, 0.99):
        (tmp_path / "cut.pt").write_bytes(weights[: int(share * len(weights))])
        finding = run_row("checkpoint", tmp_path)
        assert finding.status == "fail"
        assert f"{tmp_path / 'cut.pt'} is cut off: its end is missing" in finding.summary


def test_safetensors_say_how_long_they_should_be(tmp_path: Path) -> None:
    torch, safetensors = needs("torch"), needs("safetensors.torch")
    file = tmp_path / "model.safetensors"
    safetensors.save_file({"a": torch.zeros(1000)}, file)
    assert run_row("checkpoint", tmp_path).status == "ok"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    assert f"is cut off: {len(whole) - 1000:,} of {len(whole):,}" in (
        run_row("checkpoint", tmp_path).summary
    )
    file.write_bytes(whole[:20])
    assert "is cut off" in run_row("checkpoint", tmp_path).summary


def test_sums_are_compared_only_if_asked(tmp_path: Path, weights: bytes) -> None:
    digest = hashlib.sha256(weights).hexdigest()
    (tmp_path / f"resnet18-{digest[:8]}.pth").write_bytes(weights)
    assert run_row("checkpoint", tmp_path, {"sums": "yes"}).status == "ok"
    (tmp_path / "resnet50-11ad3fa6.pth").write_bytes(weights)
    assert run_row("checkpoint", tmp_path, {"sums": "no"}).status == "ok"
    finding = run_row("checkpoint", tmp_path, {"sums": "yes"})
    assert finding.status == "fail"
    assert f"has the SHA256 sum {digest[:8]}…, and its name says 11ad3fa6…" in finding.summary


def test_unfinished_downloads_are_seen(tmp_path: Path) -> None:
    (tmp_path / f"{SAM_H}.part").write_bytes(b"x" * 5000)
    finding = run_row("checkpoint", tmp_path)
    assert finding.status == "warn"
    assert f"A download is not finished: {tmp_path / SAM_H}.part" in finding.summary
    assert clue_about(finding, BROKEN_FILE) == "confirmed"


def test_nothing_there_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "distutils-precedence.pth").write_text("import os\n")  # a path file of pip
    finding = run_row("checkpoint", tmp_path)
    assert finding.status == "no_data"
    assert "No checkpoint file" in finding.summary


def test_links_pipes_loops_and_hidden_folders(tmp_path: Path, weights: bytes) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for folder in (home, outside, home / ".ssh", home / "lib" / "site-packages", home / "blobs"):
        folder.mkdir(parents=True)
    (outside / "secret.pth").write_bytes(weights)
    (home / ".ssh" / "key.pth").write_bytes(weights)
    (home / "lib" / "site-packages" / "x.pt").write_bytes(weights)
    (home / "linked.pth").symlink_to(outside / "secret.pth")
    (home / "away").symlink_to(outside)
    (home / "loop").symlink_to(home)
    (home / "self.pth").symlink_to(home / "self.pth")
    os.mkfifo(home / "pipe.pth")
    (home / "blobs" / "0a1b").write_bytes(weights)
    (home / "model.pt").symlink_to(home / "blobs" / "0a1b")  # as in the hub's cache
    finding = run_row("checkpoint", home)
    paths = [name for name, _ in finding.facts if name.startswith("/")]
    assert paths == [str(home / "model.pt")]
    assert finding.status == "ok"


def test_the_search_is_bounded(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*(f"d{n}" for n in range(12)))
    deep.mkdir(parents=True)
    (deep / "deep.pth").write_bytes(b"")
    for number in range(300):
        (tmp_path / f"{number}.pth").write_bytes(b"")
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / SAM_H).write_bytes(b"")
    inside = load_inside("checkpoint")
    found = inside["collect_checkpoint"]({"folder": str(tmp_path), "parameters": {}})
    assert len(found["files"]) == inside["MOST_CHECKPOINTS"]
    assert found["files"][0]["path"] == str(tmp_path / "z" / SAM_H)
    assert found["complete"] is False
    walk = inside["CheckpointWalk"]([str(tmp_path)], deadline=0.0)
    assert (walk.find(), walk.complete) == ([], False)


def test_no_document_breaks_it(load_row) -> None:
    check_all_spoiled(interpret_checkpoint, load_row("files", "checkpoint"))


@pytest.mark.parametrize(
    ("cause", "pattern"),
    [
        ("The weights were never downloaded; installing does not bring them.", NEVER_LOADED),
        ("The checkpoint of SAM was never downloaded.", NEVER_LOADED),
        ("The file is there, but the notebook runs in another folder", OTHER_FOLDER),
        ("The download broke off, or an error page was saved under this name.", BROKEN_FILE),
    ],
)
def test_causes_are_found_in_the_words_of_guides(cause: str, pattern: str) -> None:
    matching = [p for p in (NEVER_LOADED, OTHER_FOLDER, BROKEN_FILE) if re.search(p, cause, re.I)]
    assert matching == [pattern]


@pytest.mark.parametrize("row", ["checkpoint", "checkpoint-keys", "image", "mask"])
def test_the_code_suits_old_pythons(row: str) -> None:
    for minor in range(8, sys.version_info[1] + 1):
        ast.parse(probe_source([row]), feature_version=(3, minor))
