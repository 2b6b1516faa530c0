# ruff: noqa
"""Prints one failure as IPython, pytest, pip, apt or docker print it: `python capture_tools.py NAME`.

Made tools.jsonl (the folder of the run is written /home/learner/lab there, lines that name package
indexes are left out, the kernel's statistics are thinned out). IPython's and pytest's forms run in
the Python that runs this, from 3.8 on.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

LAB = {
    "data.py": """\
def load(path):
    return open(path)


def read(paths):
    try:
        return [load(path) for path in paths]
    except OSError as error:
        raise RuntimeError("no weights in 'runs'") from error
""",
    "test_shape.py": """\
import json

import pytest


def count(labels):
    return json.loads(labels)


@pytest.fixture
def weights():
    return open("weights.pth")


def test_labels():
    classes = 4
    assert len(count("[1, 2, 3]")) == classes, "class count"


def test_broken():
    count("[1, 2")


def test_setup(weights):
    pass
""",
    "broken/setup.py": "raise RuntimeError('CUDA_HOME is not set')\n",
}
CELLS = {
    "chain": "import data\nimages = ['a.png', 'b.png']\ndata.read(images)",
    "module": "import numpy_not_there.linalg as la\nx = 1",
    "library": "import json\ntext = '[1, 2'\njson.loads(text)",
    "syntax": "model = dict(a=1\nprint(model)",
    "interrupt": "def step():\n    raise KeyboardInterrupt\nstep()",
}


def write_lab():
    folder = pathlib.Path(tempfile.mkdtemp())
    for name, text in LAB.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    os.chdir(str(folder))
    sys.path.insert(0, str(folder))
    return folder


def ipython(mode, colours, cell):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(colors=colours)
    shell.InteractiveTB.set_mode(mode)
    shell.run_cell(CELLS[cell], store_history=True)


def run(*argv, **environment):
    done = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, **environment),
    )
    print(done.stdout.decode())


def pytest_style(style):
    run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=" + style, "-q")


def pip(*arguments):
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *arguments)


NAMES = {
    "ipython-{}-{}{}".format(mode.lower(), cell, "-colours" if colours != "NoColor" else ""): (
        lambda mode=mode, cell=cell, colours=colours: ipython(mode, colours, cell)
    )
    for mode in ("Plain", "Context", "Verbose", "Minimal")
    for cell in CELLS
    for colours in ("NoColor", "Linux")
}
NAMES.update(
    {
        "pytest-" + style: (lambda style=style: pytest_style(style))
        for style in ("auto", "long", "short", "line", "native")
    }
)
NAMES.update(
    {
        "pip-externally-managed": lambda: run("/usr/bin/python3", "-m", "pip", "install", "six"),
        "pip-no-matching": lambda: pip("segment-anythng"),
        "pip-no-version": lambda: pip("six==99.1"),
        "pip-conflict": lambda: pip("--dry-run", "idna==2.8", "requests==2.32.3", "urllib3==1.20"),
        "pip-build-failure": lambda: pip("./broken"),
        "pip-no-file": lambda: pip("-r", "requirments.txt"),
        "pip-not-a-project": lambda: pip("./data.py"),
        "apt-no-package": lambda: run("apt-get", "install", "-s", "libgl1-mesa-glxx"),
        "apt-not-root": lambda: run(
            "setpriv", "--reuid=65534", "--clear-groups", "apt-get", "install", "tree"
        ),
        "docker-no-daemon": lambda: run(
            "docker", "run", "--gpus", "all", "nvcr.io/nvidia/pytorch:25.12-py3"
        ),
        "docker-no-command": lambda: run("docker", "runn", "ubuntu"),
        "docker-bad-port": lambda: run("docker", "run", "-p", "8888:x", "ubuntu"),
        "docker-no-gpus-flag": lambda: run("docker", "run", "--gpu", "all", "ubuntu"),
    }
)

if __name__ == "__main__":
    write_lab()
    NAMES[sys.argv[1]]()
