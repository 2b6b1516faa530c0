"""The README as a test subject: its commands run as they stand, its tables name what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from assistant.cli import app
from tests.course import TIMM

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| (`assistant .*?) \| ", re.MULTILINE)
PROGRAM = "import surely_not_there_timm_2\n"

# Each line that a reader may copy: the exit codes it may end with, and what it must say.
RUN = {
    "assistant ask \"ModuleNotFoundError: No module named 'timm'\"": ((0,), "pip install timm"),
    "assistant ask train.log": ((0,), "pip install timm"),
    "python train.py 2>&1 | assistant ask -": ((1,), "no entry for this error"),
    "assistant doctor": ((0, 1), "packages"),
}
NOT_RUN = {
    "make run": "a server; run by hand from a clean clone before a release",
    "make test": "it is what runs this test",
    "assistant serve --root-path /proxy/7860": "a server; tests/web and tests/browser serve it",
    "ASSISTANT_MODEL=Qwen/Qwen3-4B-Instruct-2507 assistant serve": "needs a hub and 8 GB",
    "docker build -t cv-troubleshooter .": "needs a Docker engine",
    "docker run --rm --gpus all --ipc=host --network host -v cv-troubleshooter:/cache "
    "cv-troubleshooter": "needs a Docker engine",
}


def commands() -> Iterator[str]:
    """Every line of the README's shell blocks, without the comment behind it."""
    for block in FENCE.findall(README):
        for line in block.splitlines():
            if command := line.partition("  #")[0].strip():
                yield command


def test_every_command_is_run_or_says_why_not():
    assert sorted(commands()) == sorted([*RUN, *NOT_RUN])


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN)
def test_a_command_does_what_the_readme_says(command: str, tmp_path: Path) -> None:
    codes, said = RUN[command]
    (tmp_path / "train.log").write_text(f"epoch 1\n{TIMM}\n", "utf-8")
    (tmp_path / "train.py").write_text(PROGRAM, "utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ASSISTANT_")}
    environment = {
        **kept,
        "ASSISTANT_MODEL": "none",  # what the model says is the subject of other tests
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    output = done.stdout.decode("utf-8")
    assert done.returncode in codes, done.stderr.decode("utf-8")
    assert said in output
    assert "Traceback (most recent" not in done.stderr.decode("utf-8")


def test_the_table_names_every_command_and_no_other():
    named = set(re.findall(r"`(?:assistant )?([a-z][a-z-]+)", " ".join(ROW.findall(README))))
    known = {name for name, one in get_command(app).commands.items() if not one.hidden}
    assert known - named == set()
    assert named - known == set()
