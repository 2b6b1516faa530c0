"""What a person may tell a probe, and every way out of the allowed folders we thought of."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from assistant.probes.parameters import check_parameters, find_roots
from assistant.types import Parameter

FILE = Parameter("file", "a checkpoint file", "path")
SIZE = Parameter("size", "image size", "number", low=64, high=2048, default="640")
MODE = Parameter("mode", "how", "choice", choices=("box", "point"), default="box")
NAME = Parameter("name", "a package", "name")


def refusal(text: str, definition: Parameter, *roots: Path) -> str:
    return check_parameters({definition.name: text}, [definition], roots=roots).refusal


@pytest.fixture(name="root")
def make_root(tmp_path: Path) -> Path:
    root = tmp_path / "course"
    (root / "data").mkdir(parents=True)
    (root / "data" / "a.pth").write_bytes(b"x")
    (root / ".ssh").mkdir()
    (root / ".ssh" / "id_rsa").write_text("key")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "course-2").mkdir()
    (tmp_path / "course-2" / "b.pth").write_bytes(b"x")
    return root


def test_a_file_is_given_as_its_real_path(root: Path) -> None:
    real = str(root / "data" / "a.pth")
    (root / "link.pth").symlink_to("data/a.pth")
    for text in (real, "data/a.pth", "./data/../data/a.pth", "link.pth", "data//a.pth"):
        assert check_parameters({"file": text}, [FILE], roots=[root]).values == {"file": real}
    folder = check_parameters({"file": "data"}, [FILE], roots=[root])
    assert folder.values == {"file": str(root / "data")}


def test_defaults_and_values(root: Path) -> None:
    checked = check_parameters({}, [SIZE, MODE, NAME], roots=[root])
    assert checked.values == {"size": 640.0, "mode": "box"}
    given = {"size": "96.5", "mode": "point", "name": "segment_anything"}
    assert check_parameters(given, [SIZE, MODE, NAME], roots=[]).values == {**given, "size": 96.5}


OUTSIDE = [
    "../secret.txt", "data/../../secret.txt", "/etc/passwd", "../course-2/b.pth", "/", "..",
    "data/../..", "/proc/self/environ", "/dev/null", "~root/.bashrc", ".ssh/id_rsa", ".ssh",
    "data/../.ssh/id_rsa",
]  # fmt: skip
ODD = [
    "--help", "-rf", "a;id", "a\nb", "a\rb", "a\0b", "$(id)", "`id`", "data/a.pth\0", "data/a.pth ",
    "data/a.pth;id", "data\u2215a.pth", "\uff0e\uff0e/secret.txt", "data/а.pth", "data/\u202ea.pth",
    "x" * 5000, "a/" * 1500, "data/a.pth/x", "file:///etc/passwd", "data/*.pth", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", [*OUTSIDE, *ODD])
def test_a_path_that_is_outside_or_odd_is_refused_in_one_plain_line(root: Path, text: str) -> None:
    words = refusal(text, FILE, root)
    assert words
    assert words.isascii()
    assert "\n" not in words
    assert len(words) < 700


def test_links_out_of_the_root_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "out.pth").symlink_to(tmp_path / "secret.txt")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    (root / "key.pth").symlink_to(".ssh/id_rsa")
    for text in ("out.pth", "folder/secret.txt", "folder", "loop", "key.pth"):
        assert refusal(text, FILE, root), text


def test_devices_pipes_and_sockets_are_refused_without_being_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.pth")
    (root / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        place = os.getcwd()
        os.chdir(root)  # a socket's path may not be long
        try:
            listener.bind("socket.pth")
        finally:
            os.chdir(place)
        assert "device or a pipe" in refusal("pipe.pth", FILE, root)
        assert "device or a pipe" in refusal("socket.pth", FILE, root)
        assert "outside" in refusal("null", FILE, root)
        assert "device or a pipe" in refusal("/dev/null", FILE, Path("/dev"))


def test_a_path_that_is_not_given_or_not_there(root: Path) -> None:
    assert refusal("", FILE, root) == "file must be given: a checkpoint file."
    assert "no file 'none.pth'" in refusal("none.pth", FILE, root)
    assert "No folder is allowed" in refusal("x", FILE)


@pytest.mark.parametrize(
    "text",
    ["63", "2049", "-1", "nan", "inf", "1e400", "1_000", "6４0", "640;id", "640\n", " 640", "0x80",
     "--help", "1e99", "9" * 400],
)  # fmt: skip
def test_a_number_is_a_plain_one_in_its_range(text: str) -> None:
    assert "must be a number from 64 to 2048" in refusal(text, SIZE)


@pytest.mark.parametrize("text", ["Box", "box ", "bоx", "box\n", "--help", "box,point", "box;id"])
def test_a_choice_is_one_of_the_list_to_the_letter(text: str) -> None:
    assert "Choose one of: box, point." in refusal(text, MODE)


@pytest.mark.parametrize(
    "text",
    ["--help", "a;id", "os\n", "../os", "a b", "timm==1", "tіmm", "1a", ".", "a..b", "a.", ".a",
     "x" * 65, "a/b", "a\0", "torch;import os", "__import__('os')", "git+https://x"],
)  # fmt: skip
def test_a_name_is_that_of_a_package(text: str) -> None:
    assert "must be the name of a Python package" in refusal(text, NAME)


@pytest.mark.parametrize("text", ["timm", "segment_anything", "opencv-python", "torch.utils.data"])
def test_names_of_packages_are_taken(text: str) -> None:
    assert not refusal(text, NAME)


def test_an_unknown_parameter_is_refused() -> None:
    words = check_parameters({"--help": "x"}, [SIZE], roots=[]).refusal
    assert words == "It takes no '--help'. It can be told: size."


def test_roots_are_the_folder_and_the_caches(tmp_path: Path) -> None:
    home = tmp_path / "home"
    weights = tmp_path / "weights"
    caches = (home / ".cache/torch/hub", home / ".cache/huggingface/hub", tmp_path / "hf/hub")
    for folder in (*caches, weights, home / ".config/Ultralytics", tmp_path / "extra"):
        folder.mkdir(parents=True)
    settings = home / ".config/Ultralytics/settings.json"
    settings.write_text(f'{{"weights_dir": "{weights}"}}')
    roots = find_roots(home, environment={}, home=home, extra=[tmp_path / "extra"])
    assert set(roots) == {
        home, tmp_path / "extra", home / ".cache/torch/hub", home / ".cache/huggingface/hub",
        weights,
    }  # fmt: skip
    other = find_roots(home, environment={"HF_HOME": str(tmp_path / "hf")}, home=home)
    assert tmp_path / "hf/hub" in other
    (home / ".cache/torch/hub/a.pth").write_bytes(b"x")
    in_cache = str(home / ".cache/torch/hub/a.pth")
    assert not refusal(in_cache, FILE, *roots), "hidden below the folder, but a root of its own"
    settings.write_text("[" * 60000)
    assert weights not in find_roots(home, environment={}, home=home)


def test_the_whole_file_system_is_no_root(tmp_path: Path) -> None:
    assert find_roots(Path("/"), environment={}, home=tmp_path) == ()
    (tmp_path / "all").symlink_to("/")
    assert find_roots(tmp_path / "all", environment={}, home=tmp_path) == ()
