"""The row `checkpoint-keys`: real checkpoints of torch, and files that want to be run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assistant.probes.checkpoint_keys import (
    BROKEN_FILE,
    CLASSES,
    NESTED,
    OTHER_NETWORK,
    WRAPPED,
    interpret_checkpoint_keys,
)
from assistant.probes.source import probe_source
from tests.probes.running import check_all_spoiled, load_inside, run_row

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
collect = load_inside("checkpoint-keys")["collect_checkpoint_keys"]


@pytest.fixture(name="resnet", scope="module")
def make_resnet() -> Any:
    return torchvision.models.resnet18(weights=None, num_classes=10).half()


@pytest.fixture(name="folder", scope="module")
def make_folder(tmp_path_factory: pytest.TempPathFactory, resnet: Any) -> Path:
    """Every form in which a learner's ResNet comes, in half precision to be quick."""
    folder = tmp_path_factory.mktemp("files")
    state = resnet.state_dict()
    torch.save(state, folder / "plain.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(resnet, folder / "whole.pth")
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "model_state_dict": wrapped}, folder / "wrapped.pth")
    torch.save({"nets": {"student": state}, "lr": 0.1}, folder / "deep.pth")
    with (folder / "dumped.pt").open("wb") as file:
        pickle.dump(state, file)
    pytest.importorskip("safetensors.torch").save_file(state, folder / "st.safetensors")
    return folder


def read(file: Path, **parameters: Any) -> Any:
    document = collect({"parameters": {"file": str(file)}})
    return interpret_checkpoint_keys({**document, "parameters": parameters}, where="here")


def clues(finding: Any) -> dict[str, str]:
    return {clue.cause: clue.ruling for clue in finding.clues}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("plain.pth", "ok", ""),
        ("old.pth", "ok", ""),
        ("st.safetensors", "ok", ""),
        ("whole.pth", "warn", "whole Python objects (torchvision.models.resnet.ResNet)"),
        ("wrapped.pth", "warn", "lie under the key model_state_dict."),
        ("deep.pth", "warn", "lie under the key nets / student."),
    ],
)
def test_a_real_resnet18(folder: Path, name: str, status: str, said: str) -> None:
    finding = run_row("checkpoint-keys", folder, {"file": name})
    assert finding.status == status
    assert finding.summary.startswith("The file holds resnet18 with 10 classes.")
    assert said in finding.summary
    assert dict(finding.facts)["weights"] == "122"


def test_wrapping_is_found_and_how_to_undo_it(folder: Path) -> None:
    finding = read(folder / "wrapped.pth")
    assert 'content["model_state_dict"]' in finding.next
    assert 'Remove "module."' in finding.next
    assert clues(finding) == {WRAPPED: "confirmed", NESTED: "confirmed"}
    assert clues(read(folder / "plain.pth")) == {WRAPPED: "ruled_out", NESTED: "ruled_out"}


def test_a_plain_pickle_of_tensors_is_read_too(folder: Path) -> None:
    """pickle.dump stores numbers as a file in the file, opened by a function of torch."""
    finding = read(folder / "dumped.pt")
    assert finding.status == "warn"
    assert "The file holds resnet18 with 10 classes." in finding.summary
    assert "(torch.storage._load_from_bytes)" in finding.summary


@pytest.mark.parametrize(
    ("wanted", "classes", "status", "rulings"),
    [
        ("resnet18", 10.0, "ok", ("ruled_out", "ruled_out")),
        ("resnet50", 10.0, "fail", ("confirmed", "ruled_out")),
        ("resnet18", 3.0, "fail", ("ruled_out", "confirmed")),
        ("any", 0.0, "ok", (None, None)),
    ],
)
def test_comparison(folder: Path, wanted, classes, status, rulings) -> None:
    finding = read(folder / "plain.pth", architecture=wanted, classes=classes)
    assert finding.status == status
    found = clues(finding)
    assert (found.get(OTHER_NETWORK), found.get(CLASSES)) == rulings


def test_resnet50_and_sam(tmp_path: Path) -> None:
    """Numbers of one half-precision zero each: names and shapes are what counts."""
    zero = torch.zeros(1, dtype=torch.half)

    def save(make: Any, name: str) -> Path:
        with torch.device("meta"):
            state = make().state_dict()
        thin = {k: zero.expand(v.shape) if v.dim() else zero[0] for k, v in state.items()}
        torch.save(thin, tmp_path / name)
        return tmp_path / name

    found = read(save(torchvision.models.resnet50, "r50.pth"), architecture="resnet18")
    assert found.summary.startswith("The file holds resnet50 with 1000 classes. That is not resn")
    registry = pytest.importorskip("segment_anything").sam_model_registry
    found = read(save(registry["vit_b"], "sam.pth"), architecture="sam_vit_h")
    assert "holds sam_vit_b. That is not sam_vit_h." in found.summary


def test_a_yolo_file_is_a_pickle_of_objects(tmp_path: Path) -> None:
    tasks = pytest.importorskip("ultralytics.nn.tasks")
    net = tasks.DetectionModel("yolov8n.yaml", nc=3, verbose=False)
    torch.save({"model": net.half(), "ema": None, "epoch": -1}, tmp_path / "best.pt")
    finding = read(tmp_path / "best.pt")
    assert finding.status == "warn"
    assert "holds yolov8n with 3 classes" in finding.summary
    assert "ultralytics.nn.tasks.DetectionModel" in finding.summary


def test_torchscript_is_told(tmp_path: Path, resnet: Any) -> None:
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(4, 2)), tmp_path / "net.pt")
    finding = read(tmp_path / "net.pt")
    assert "TorchScript" in finding.summary
    assert "torch.jit.load" in finding.next


# --- files that want to be run, or to hurt the reader --------------------------------------------


class Bomb:
    """Runs a program when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("form", ["zip", "old", "pickle", "module"])
def test_nothing_in_a_file_is_run(tmp_path: Path, form: str) -> None:
    file, ran = tmp_path / "bomb.pth", tmp_path / "ran"
    content: Any = {"fc.weight": torch.zeros(2, 512), "x": Bomb(ran)}
    if form == "module":
        content = torch.nn.Linear(2, 2)
        content.bomb = Bomb(ran)
    if form == "pickle":
        file.write_bytes(pickle.dumps(Bomb(ran)))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form != "old")
    finding = run_row("checkpoint-keys", tmp_path, {"file": str(file)})
    assert not ran.exists()
    assert finding.status == "fail"
    assert "posix.system, which no network needs" in finding.summary
    assert "Do not load it" in finding.next
    with contextlib.suppress(RuntimeError):  # the bomb is real
        torch.load(file, weights_only=False)
    assert ran.exists()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


HOSTILE_PICKLES = {
    "computed name": b"\x80\x04(l\x8c\x06system\x93)R.",
    "hidden in another module": b"\x80\x04\x8c\x13torch.serialization\x8c\tos.system\x93)R.",
    "doubling": b"\x80\x02]" + b"(22e" * 2000 + b".",
    "no stop": b"\x80\x02}q\x00" * 1000,
    "pop of nothing": b"\x80\x020000.",
    "no mark": b"\x80\x02\x88t.",
    "unknown memo": b"\x80\x02h\x07.",
    "deep": b"\x80\x02" + b"(" * 200_000 + b"t" * 200_000 + b".",
    "deep parameter": b"\x80\x02K\x01"
    + b"\x85ctorch._utils\n_rebuild_parameter\nq\x00h\x00" * 3
    + b".",
    "giant text": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "extension": b"\x80\x02\x82\x01.",
    "next buffer": b"\x80\x05\x97.",
    "shape of texts": b"\x80\x02}" + text("a") + b"ctorch._utils\n_rebuild_tensor_v2\n("
    + text("s") + b"K\x00(" + text("9") * 3 + b"t)tRs.",
    "shape beyond all": b"\x80\x02}" + text("a") + b"ctorch._utils\n_rebuild_tensor_v2\n("
    + text("s") + b"K\x00(\x8a\x10" + b"\x7f" * 16 + b"t)tRs.",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_PICKLES)
def test_hostile_pickles_end_in_a_finding(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.pth"
    file.write_bytes(HOSTILE_PICKLES[name])
    finding = read(file)
    assert finding.status in ("ok", "warn", "fail")
    if name in ("computed name", "hidden in another module"):
        assert finding.status == "fail"
        assert "no network needs" in finding.summary


def test_a_module_that_holds_itself_ends(tmp_path: Path) -> None:
    """Thirty levels, each with the next one twice: a billion visits if they were not counted."""
    level: Any = torch.nn.Linear(1, 1)
    for _ in range(30):
        level = torch.nn.Sequential(level, level)
    torch.save({"model": level}, tmp_path / "x.pth")
    finding = read(tmp_path / "x.pth")
    assert "whole Python objects" in finding.summary


def test_more_names_than_can_be_shown_are_no_hiding_place(tmp_path: Path) -> None:
    names = b"".join(b"ccollections\nC%d\n0" % n for n in range(500))
    (tmp_path / "x.pth").write_bytes(b"\x80\x02" + names + b"cposix\nsystem\n.")
    finding = read(tmp_path / "x.pth")
    assert finding.status == "fail"
    assert "more names than can be shown" in finding.summary


def test_zip_files_of_others(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "torch did not write it" in read(tmp_path / "other.pth").summary
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"N0" * 30_000_000)  # 60 MB in 60 kB
    (tmp_path / "bomb.pth").write_bytes(data.getvalue())
    finding = read(tmp_path / "bomb.pth")
    assert "longer than any model needs" in finding.summary
    lying = bytearray(data.getvalue())
    lying[-12:-10] = b"\xff\xff"
    (tmp_path / "lying.pth").write_bytes(lying)
    assert read(tmp_path / "lying.pth").status == "fail"


def test_safetensors_headers_that_lie(tmp_path: Path) -> None:
    for number, header in enumerate((b"{" * 5000, b'{"a": 1}', b'{"a": {"shape": "x"}}')):
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(struct.pack("<Q", len(header)) + header)
        assert interpret_or_error(file)
    (tmp_path / "long.safetensors").write_bytes(struct.pack("<Q", 1 << 39) + b"{" + b" " * 100)
    assert interpret_or_error(tmp_path / "long.safetensors")


def interpret_or_error(file: Path) -> bool:
    """Either a finding that is no success, or an exception that the row's guard turns into one."""
    try:
        return read(file).status != "ok"
    except (ValueError, KeyError, TypeError, RecursionError):
        return run_row("checkpoint-keys", file.parent, {"file": str(file)}).status == "fail"


def test_a_damaged_file_is_told_before_anything_is_read(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "plain.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:-5000])
    finding = read(tmp_path / "cut.pth")
    assert finding.status == "fail"
    assert "damaged" in finding.summary
    assert clues(finding) == {BROKEN_FILE: "confirmed"}


def test_it_needs_no_torch(folder: Path) -> None:
    """`-S` hides every installed package."""
    order = {"rows": ["checkpoint-keys"], "marker": "@@", "folder": str(folder), "home": "/",
             "parameters": {"checkpoint-keys": {"file": str(folder / "plain.pth")}}}  # fmt: skip
    argv = [sys.executable, "-S", "-c", probe_source(["checkpoint-keys"]), json.dumps(order)]
    out = subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
    document = json.loads(out.split("@@")[1])
    assert document["rows"]["checkpoint-keys"]["content"]["count"] == 122


def test_no_document_breaks_it(load_row) -> None:
    check_all_spoiled(interpret_checkpoint_keys, load_row("files", "checkpoint-keys"))


@pytest.mark.parametrize(
    ("cause", "pattern"),
    [
        ("The number of classes differs, so only the last layer has another shape.", CLASSES),
        ("The model was saved wrapped: DataParallel puts `module.` before every name", WRAPPED),
        ("The file holds a dictionary with more than weights, and these lie under a key", NESTED),
        ("It is another architecture: resnet18 for resnet50, a ViT of timm for", OTHER_NETWORK),
        ("Mismatch between model architecture and checkpoint.", OTHER_NETWORK),
    ],
)
def test_causes_are_found_in_the_words_of_guides(cause: str, pattern: str) -> None:
    patterns = (CLASSES, WRAPPED, NESTED, OTHER_NETWORK, BROKEN_FILE)
    assert [p for p in patterns if re.search(p, cause, re.I)] == [pattern]


@pytest.mark.parametrize("key", ['"]; import os; os.system("id"); a=["', "a\\", "a`b`", "ä"])
def test_a_key_of_the_file_never_becomes_a_program(key: str) -> None:
    weights = [["conv1.weight", [4, 3, 3, 3], "float"]]
    document = {"path": "/x/m.pth", "whole": True, "content": {"weights": weights, "path": [key]}}
    finding = interpret_checkpoint_keys(document, where="here")
    assert finding.next == "Take them out before load_state_dict."
