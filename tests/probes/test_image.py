"""The row `image`: real pictures, and files that only have the name of one."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from assistant.probes.image import interpret_image
from assistant.probes.source import probe_source
from tests.probes.running import check_all_spoiled, load_inside, run_row

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
RANDOM = numpy.random.default_rng(0)
collect = load_inside("image")["collect_image"]


def picture(mode: str = "RGB", size: tuple[int, int] = (80, 60), low: int = 0) -> Any:
    shape = {"L": size[::-1], "RGBA": (*size[::-1], 4)}.get(mode, (*size[::-1], 3))
    return Image.fromarray(RANDOM.integers(low, 256, shape, dtype=numpy.uint8))


def look(path: Path) -> Any:
    document = collect({"parameters": {"image": str(path)}})
    return interpret_image(json.loads(json.dumps(document)), where="here")


def giant_png(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than any memory holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    blocks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in blocks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_healthy_folder(tmp_path: Path) -> None:
    for number in range(60):
        picture().save(tmp_path / f"{number}.png")
    finding = run_row("image", tmp_path, {"image": "."})
    assert finding.status == "ok"
    assert "readable: 80 x 60, RGB." in finding.summary
    facts = dict(finding.facts)
    assert facts["pictures"] == "60 found, 48 looked at"
    assert facts["values"] == "0 to 255"
    mean, deviation = (float(n) for n in re.findall(r"0\.\d+", facts["red (mean, deviation)"])[:2])
    assert abs(mean - 0.5) < 0.01
    assert abs(deviation - 0.2898) < 0.01  # of evenly spread values: 1 / sqrt(12)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"<!doctype html><html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"hello", "UnidentifiedImageError"),
        (b"\x89PNG\r\n\x1a\n\0\0", "its end is missing"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "its end is missing"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    finding = run_row("image", tmp_path, {"image": "x.png"})
    assert finding.status == "fail"
    assert said in finding.summary
    assert [clue.ruling for clue in finding.clues] == ["confirmed"]


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_truncated_files(tmp_path: Path, name: str) -> None:
    picture().save(tmp_path / name)
    assert look(tmp_path / name).status == "ok"
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    assert "its end is missing" in look(tmp_path / name).summary
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] + b"\0" * 90 + whole[-20:])
    finding = look(tmp_path / name)  # the end is there, the middle is not
    assert finding.status == ("fail" if name == "x.png" else "ok")  # JPEG forgives


def test_modes_depths_and_constant_pictures(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    picture("L").save(tmp_path / "b.png")
    picture("RGBA").save(tmp_path / "c.png")
    Image.fromarray(RANDOM.integers(0, 60000, (6, 8), dtype=numpy.uint16)).save(tmp_path / "d.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "e.png")
    picture().convert("P").save(tmp_path / "f.gif")
    finding = look(tmp_path)
    assert finding.status == "warn"
    for said in ("1 grey,", "1 with an alpha channel", "1 with a palette", "of 16 bits",
                 "more than 8 bits", "of one single value"):  # fmt: skip
        assert said in finding.summary
    assert 'image.convert("RGB")' in finding.next


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("use_pil", [True, False])
def test_the_camera_was_turned(tmp_path: Path, orientation: int, use_pil: bool) -> None:
    image = picture()
    notes = image.getexif()
    notes[0x0112] = orientation
    image.save(tmp_path / "x.jpg", exif=notes)
    finding = look(tmp_path / "x.jpg") if use_pil else look_without_packages(tmp_path / "x.jpg")
    assert ("exif_transpose" in finding.next) == (orientation > 1)


def look_without_packages(path: Path) -> Any:
    """`-S` hides PIL and NumPy: only the first bytes are left."""
    order = {"rows": ["image"], "marker": "@@", "folder": str(path.parent), "home": "/",
             "parameters": {"image": {"image": str(path)}}}  # fmt: skip
    argv = [sys.executable, "-S", "-c", probe_source(["image"]), json.dumps(order)]
    out = subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
    return interpret_image(json.loads(out.split("@@")[1])["rows"]["image"], where="here")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.npy"])
def test_without_pil_the_first_bytes_tell_the_size(tmp_path: Path, name: str) -> None:
    if name == "x.npy":
        numpy.save(tmp_path / name, numpy.zeros((60, 80, 3), numpy.float32))
    else:
        picture().save(tmp_path / name)
    finding = look_without_packages(tmp_path / name)
    facts = dict(finding.facts)
    assert finding.status == "ok"
    assert "No module named 'PIL'" in facts["PIL"]
    assert (facts["modes"], facts.get("sizes")) == (
        ("1 <f4", "size unknown") if name == "x.npy" else ("1 RGB", "80 x 60")
    )


def test_a_giant_picture_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(giant_png(200_000, 200_000))
    finding = run_row("image", tmp_path, {"image": "x.png"})
    assert finding.status == "warn"
    assert "200000 x 200000 pixels and was not decoded" in finding.summary
    assert finding.seconds < 20


def test_arrays(tmp_path: Path) -> None:
    numpy.save(tmp_path / "a.npy", RANDOM.random((8, 8, 3)))
    assert look(tmp_path / "a.npy").status == "ok"
    numpy.save(tmp_path / "a.npy", RANDOM.normal(size=(3, 8, 8)) * 9)
    assert "not on the scale 0 to 1" in look(tmp_path / "a.npy").summary


class Bomb:
    """Runs a program when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    numpy.save(tmp_path / "x.npy", numpy.array([Bomb(ran)], dtype=object), allow_pickle=True)
    finding = run_row("image", tmp_path, {"image": "x.npy"})
    assert finding.status == "fail"
    assert "not unpickled" in finding.summary
    assert not ran.exists()
    numpy.load(tmp_path / "x.npy", allow_pickle=True)  # the bomb is real
    assert ran.exists()


@pytest.mark.parametrize(
    "head",
    [
        b"\x93NUMPY\x01\0\xff\xff" + b"(" * 65535,
        b"\x93NUMPY\x02\0\xff\xff\xff\xff",
        b"\x93NUMPY\x01\0\x40\0" + b"{'descr': '<f8', 'shape': (9**9**9,)}".ljust(64),
        b"\x93NUMPY\x01\0\x60\0"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,)}".ljust(96),
        b"\xff\xd8\xff\xe1\0\x00" + b"\xff" * 4000 + b"\xff\xd9",
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 70_000 + b"\xff\xd9",
    ],
)  # fmt: skip
def test_headers_that_lie(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(head)
    assert run_row("image", tmp_path, {"image": "x.npy"}).status == "fail"


def test_pipes_loops_and_links_in_the_folder(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    picture().save(outside / "secret.png")
    picture().save(home / "a.png")
    os.mkfifo(home / "pipe.png")
    (home / "loop").symlink_to(home)
    (home / "away").symlink_to(outside)
    (home / "b.png").symlink_to(outside / "secret.png")
    (home / "self.png").symlink_to(home / "self.png")
    finding = run_row("image", home, {"image": str(home)})
    assert dict(finding.facts)["pictures"] == "1 found, 1 looked at"
    assert run_row("image", home, {"image": "b.png"}).status == "refused"
    assert run_row("image", home, {"image": "pipe.png"}).status == "refused"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert look(tmp_path).status == "no_data"


def test_no_document_breaks_it(load_row) -> None:
    check_all_spoiled(interpret_image, load_row("files", "image"))


def test_no_other_program_is_started_for_a_picture(tmp_path: Path) -> None:
    """PIL goes by the content and gives an EPS file to the program `gs`, whatever its name is."""
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "x.png").write_bytes(eps)
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 1\n")
    (tmp_path / "gs").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    mask = tmp_path / "mask.npy"
    numpy.save(mask, numpy.zeros((9, 9), dtype=numpy.uint8))
    for row, given in (
        ("image", {"image": "x.png"}),
        ("mask", {"predicted": "x.png", "target": "mask.npy"}),
    ):
        run_row(row, tmp_path, given, environment={"PATH": environment["PATH"]})
    script = "import sys; exec(sys.argv[1]); open_picture(sys.argv[2])"
    code = "\n".join(probe_source(["yolo"]).splitlines()[:-1])
    argv = [sys.executable, "-c", script, code, str(tmp_path / "x.png")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert "UnidentifiedImageError" in done.stderr
    assert not (tmp_path / "started").exists()
