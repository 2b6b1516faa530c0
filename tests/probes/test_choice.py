"""Which environment a traceback speaks of; never silently our own."""

from __future__ import annotations

import pytest

from assistant.probes.choice import choose_target, default_target
from assistant.types import Target, TargetKind


def make(name: str, kind: TargetKind, python: str, pid: int = 0, folder: str = "") -> Target:
    return Target(name, kind, (python,), name, folder=folder, pid=pid)


OWN = make("own", "own", "/opt/assistant/bin/python")
CV = make("kernel-cv", "kernel", "/home/ada/cv/bin/python3")
LAB = make("lab", "interpreter", "/home/ada/cv/lab/bin/python")
SYSTEM = make("system", "kernel", "/bin/python3")
RUN_1 = make("running-11", "kernel", "/home/ada/cv/bin/python", 11)
RUN_2 = make("running-22", "kernel", "/opt/conda/bin/python", 22)
TWIN = make("running-33", "kernel", "/opt/conda/bin/python", 33)
BOX = Target("box", "container", ("docker", "exec", "box", "python3"), "box")
TIMM = "/home/ada/cv/lib/python3.12/site-packages/timm/models/vit.py"


@pytest.mark.parametrize(
    ("paths", "targets", "name"),
    [
        ([TIMM], [OWN, LAB, CV], "kernel-cv"),
        ([TIMM], [OWN, CV, RUN_2, RUN_1], "running-11"),
        ([TIMM], [OWN, CV, RUN_2], "kernel-cv"),
        (["/home/ada/cv/lab/lib/python3.12/json/decoder.py"], [OWN, CV, LAB], "lab"),
        (["/home/ada/cv/lab/train.py"], [OWN, CV, LAB], None),
        (["/home/ada/cv/lab/train.py"], [OWN, CV, RUN_2], "running-22"),
        (["/tmp/ipykernel_22/123.py"], [OWN, CV, RUN_1, RUN_2], "running-22"),
        (["/tmp/ipykernel_22/123.py", TIMM], [OWN, CV, RUN_1, RUN_2], "running-22"),
        (["/tmp/ipykernel_99/123.py"], [OWN, CV, RUN_1, RUN_2], None),
        (["/usr/lib/python3/dist-packages/numpy/x.py"], [OWN, CV, SYSTEM], "system"),
        (["/usr/local/lib/python3.12/dist-packages/torch/x.py"], [OWN, CV], None),
        (["/usr/local/lib/python3.12/dist-packages/torch/x.py"], [OWN, CV, SYSTEM], "system"),
        (["/usr/local/lib/python3.12/site-packages/torch/x.py"], [OWN, CV, SYSTEM], None),
        (["/opt/assistant/lib/python3.12/site-packages/torch/x.py"], [OWN, CV], "own"),
        (["/elsewhere/lib/python3.12/site-packages/torch/x.py"], [OWN, CV], None),
        ([], [OWN, CV, RUN_1], "running-11"),
        ([], [OWN, CV, LAB], None),
        ([], [OWN], None),
        ([], [OWN, RUN_1, RUN_2], None),
        ([], [OWN, RUN_2, TWIN], "running-22"),
        ([TIMM], [OWN, BOX], None),
        (["/" + "a/" * 5000 + "lib/python3.12/x.py", "\0", "lib/python3.12"], [OWN, CV], None),
    ],
)
def test_choice(paths: list[str], targets: list[Target], name: str | None) -> None:
    chosen = choose_target(paths, targets)
    assert (chosen.name if chosen else None) == name


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        ([OWN], "own"),
        ([OWN, CV], "own"),
        ([OWN, LAB], "lab"),
        ([OWN, BOX], "box"),
        ([OWN, LAB, BOX], "own"),
        ([OWN, LAB, RUN_1], "running-11"),
        ([OWN, RUN_1, RUN_2], "own"),
        ([], None),
    ],
)
def test_default(targets: list[Target], name: str | None) -> None:
    chosen = default_target(targets)
    assert (chosen.name if chosen else None) == name


KNOWN_WRONG = {
    # packages of the user's own folder belong to every Python of that version outside a venv
    "user site": ("/home/ada/.local/lib/python3.12/site-packages/timm/x.py", "system"),
    "windows": (r"C:\cv\Lib\site-packages\timm\x.py", "kernel-cv"),
}


@pytest.mark.parametrize("name", KNOWN_WRONG)
def test_known_wrong(name: str) -> None:
    """What is not chosen yet: the reader is asked instead. Move a row up once it is right."""
    path, right = KNOWN_WRONG[name]
    chosen = choose_target([path], [OWN, CV, SYSTEM])
    assert (chosen.name if chosen else None) != right
