"""`%diagnose` in a real kernel: with the engine in it, and where the assistant is not installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipykernel
import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from assistant import notebook_remote
from assistant.notebook import own_target
from assistant.notebook_remote import (
    OFFER,
    AskError,
    Diagnoser,
    ask_server,
    in_the_clear,
    parse_line,
)
from assistant.types import Target
from tests.api_server import TOKEN, api_app, course_assistant, serving
from tests.course import GUIDE

REMOTE = Path(notebook_remote.__file__)
SITE = str(Path(ipykernel.__file__).parents[1])  # where a kernel is found without .pth files
# Without site there are no .pth files, so an editable install is not seen; None forbids the import
# of one that lies in site-packages.
WITHOUT = (
    f"import sys; sys.path[:] = [p for p in sys.path if p] + [{SITE!r}];"
    "sys.modules['assistant'] = None;"
    "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
)
FAILING = "import os\nsecret = 'hf_abcdefghijklmnopqrstuvwx'\nimport timm_is_missing as timm"
TIMM = "raise ModuleNotFoundError(\"No module named 'timm'\", name='timm')"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assistant = course_assistant()
    assistant.start()
    with serving(api_app(assistant)) as address:
        yield address


def play(cells: list[str], folder: Path, argv: list[str], **environment: str) -> list[Any]:
    """Run the cells in a new kernel; the outputs of each."""
    spec = folder / "kernels" / "tested"
    spec.mkdir(parents=True)
    shown = {"argv": [*argv, "-f", "{connection_file}"], "display_name": "x", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(shown | {"env": environment}))
    finder = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    manager = AsyncKernelManager(kernel_name="tested", kernel_spec_manager=finder)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, km=manager, allow_errors=True, timeout=120)
    client.execute(cwd=str(folder))
    return [cell.outputs for cell in notebook.cells]


def text_of(outputs: list[Any]) -> str:
    return "".join(one.get("text", "") for one in outputs)


def markdown_of(outputs: list[Any]) -> str:
    return "".join(one.get("data", {}).get("text/markdown", "") for one in outputs)


# --- real kernels --------------------------------------------------------------------------------


def test_in_a_kernel_with_the_assistant(tmp_path: Path) -> None:
    cells = [
        "%load_ext assistant\nimport os; before = dict(os.environ)",
        "import sys; print(sorted({'torch', 'sqlalchemy', 'gradio'} & set(sys.modules)))",
        "x = 1",
        "%diagnose",
        TIMM,
        "%diagnose",
        "print(dict(os.environ) == before)",
        "%diagnose environment",
        "1 /",
        "%reload_ext assistant",
        "1 / 0",
    ]
    argv = [sys.executable, "-m", "ipykernel_launcher"]
    outputs = play(
        cells,
        tmp_path,
        argv,
        ASSISTANT_GUIDE=str(GUIDE),
        ASSISTANT_ENCODER=str(tmp_path / "no-encoder"),
        ASSISTANT_DATA_DIR=str(tmp_path / "data"),
    )
    assert outputs[0] == outputs[2] == [], "quiet while all goes well"
    assert text_of(outputs[1]).strip() == "[]", "nothing heavy before it is used"
    assert "no cell has failed yet" in text_of(outputs[3])
    error, offer = outputs[4]
    assert (error.output_type, error.ename) == ("error", "ModuleNotFoundError")
    assert offer.text == f"{OFFER}\n", "after the traceback, one line"
    shown = markdown_of(outputs[5])
    assert "python -m pip install timm" in shown
    assert "sure match" in shown
    assert text_of(outputs[6]).strip() == "True", "the kernel's environment is as it was"
    checked = markdown_of(outputs[7])
    assert sys.executable in checked, checked
    assert OFFER in text_of(outputs[8]), "a syntax error is a failed cell too"
    assert text_of(outputs[10]).count(OFFER) == 1, "loaded twice, offered once"
    assert (tmp_path / "data" / "history.sqlite3").exists()


def test_in_a_kernel_without_the_assistant(tmp_path: Path, server: str) -> None:
    cells = [
        "import importlib.util, sys; print(sys.modules.get('assistant', 'absent'))",
        REMOTE.read_text("utf-8"),
        TIMM,
        "%diagnose",
        f"%diagnose --server {server} --token wrong",
        f"%diagnose --server {server} --token {TOKEN}",
        "%diagnose gpu",
        "%diagnose --server http://127.0.0.1:9",
    ]
    argv = [sys.executable, "-S", "-c", WITHOUT]
    outputs = play(cells, tmp_path, argv, PYTHONPATH="")
    assert text_of(outputs[0]).strip() == "None"
    assert "is ready" in text_of(outputs[1])
    assert OFFER in text_of(outputs[2])
    assert "say where the assistant runs" in text_of(outputs[3])
    assert "wants its token" in text_of(outputs[4])
    assert "python -m pip install timm" in markdown_of(outputs[5])
    assert "say where" in text_of(outputs[6])
    assert "does not answer" in text_of(outputs[7])


# --- plain Python --------------------------------------------------------------------------------

PLAIN = """
import sys
place = {"__name__": "pasted"}
exec(compile(open(sys.argv[1]).read(), "cell", "exec"), place)
try:
    import timm
except ImportError as error:
    text = place["format_failure"](error, cell="import timm\\nx = 1")
paths = place["kernel_paths"]()
answer = place["ask_server"](sys.argv[2], token=sys.argv[3], text=text, paths=paths)
print(answer["plain"])
print(sorted(name for name in sys.modules if name.split(".")[0] == "assistant"))
"""


def test_an_isolated_interpreter_needs_nothing_but_itself(server: str) -> None:
    argv = [sys.executable, "-I", "-S", "-c", PLAIN, str(REMOTE), server, TOKEN]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert "python -m pip install timm" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


# --- parts ---------------------------------------------------------------------------------------


class Shell:
    """What an IPython shell is for us; prints rich output as it gets it."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.display_pub = SimpleNamespace(publish=self.shown.append)


def failed(code: str) -> Any:
    try:
        exec(compile(code, "/tmp/ipykernel_1/1.py", "exec"), {})
    except BaseException as error:
        info = SimpleNamespace(raw_cell=code)
        return SimpleNamespace(error_before_exec=None, error_in_exec=error, info=info)
    return SimpleNamespace(error_before_exec=None, error_in_exec=None, info=None)


def test_cell_and_traceback_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, list[str], str]] = []

    def answer(text: str, paths: list[str], check: str) -> dict[str, str]:
        asked.append((text, paths, check))
        return {"markdown": "**fix**", "plain": "fix"}

    shell = Shell()
    diagnoser = Diagnoser(shell, local=answer, environment={})
    diagnoser.after_cell(failed("x = 1"))
    assert capsys.readouterr().out == ""
    diagnoser.after_cell(failed("y = 5\nraise ValueError('boo')"))
    assert capsys.readouterr().out == f"{OFFER}\n"
    diagnoser.diagnose("")
    text, paths, check = asked[0]
    assert text.startswith("In [ ]:\n    y = 5\n    raise ValueError('boo')\n\nTraceback (most")
    assert text.endswith("ValueError: boo\n")
    assert paths[0] == f"/tmp/ipykernel_{os.getpid()}/0.py"
    assert shell.shown == [{"text/plain": "fix", "text/markdown": "**fix**"}]
    diagnoser.diagnose("gpu")
    assert asked[1][0::2] == ("", "gpu")
    assert check == ""


@pytest.mark.parametrize(
    "result", [None, SimpleNamespace(), object(), failed("raise KeyboardInterrupt")]
)
def test_the_hook_never_raises_and_an_interrupt_is_no_failure(
    result: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Diagnoser(Shell(), local=None, environment={}).after_cell(result)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("line", "server", "token", "check"),
    [
        ("", "http://env", "t", ""),
        ("--server http://a --token b", "http://a", "b", ""),
        ("--server=http://a", "http://a", "", ""),  # the token is for the other server
        ("--server http://env/", "http://env/", "t", ""),
        ("gpu", "http://env", "t", "gpu"),
        ("--token", "http://env", "", ""),
    ],
)
def test_lines(line: str, server: str, token: str, check: str) -> None:
    environment = {"ASSISTANT_SERVER": "http://env", "ASSISTANT_TOKEN": "t"}
    found = parse_line(line, environment)
    assert found == ({"server": server, "token": token}, check)


@pytest.mark.parametrize("line", ["a b", "--no", "'"])
def test_lines_that_are_not_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    Diagnoser(Shell(), local=None, environment={}).diagnose(line)
    assert capsys.readouterr().out.startswith("assistant: ")


@pytest.mark.parametrize("server", ["file:///etc/passwd", "ftp://x", "", "127.0.0.1:7860"])
def test_only_web_addresses_are_asked(server: str) -> None:
    with pytest.raises(AskError, match="http"):
        ask_server(server, token="", text="x", paths=[])


@pytest.mark.parametrize(
    ("address", "token"),
    [
        ("http://127.0.0.1:9", "S3CRET\nTOKEN"),
        ("http://127.0.0.1:9", "S3CRET\u20acTOKEN"),
        ("http://me:S3CRET@127.0.0.1:9", ""),
        ("http://[::1S3CRET", ""),
        ("http://127.0.0.1:9/ S3CRET", ""),
        ("http://127.0.0.1:S3CRET", ""),
        ("http://127.0.0.1:9/?token=S3CRET", ""),
    ],
)
def test_no_secret_is_printed_into_the_notebook(
    address: str, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A notebook is handed in with its outputs."""
    environment = {"ASSISTANT_SERVER": address, "ASSISTANT_TOKEN": token}
    diagnoser = Diagnoser(Shell(), local=None, environment=environment)
    diagnoser.after_cell(failed("1 / 0"))
    diagnoser.diagnose()
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].startswith("assistant: ")
    assert "S3CRET" not in shown


def test_the_end_of_line_after_a_token_is_no_part_of_it(server: str) -> None:
    assert ask_server(server, token=f"{TOKEN}\n", text=TIMM, paths=[])["answered"]


def test_what_talks_no_http_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x1b[2Jnonsense\r\n\r\n")

        threading.Thread(target=talk, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        diagnoser = Diagnoser(Shell(), local=None, environment={"ASSISTANT_SERVER": address})
        diagnoser.after_cell(failed("1 / 0"))
        diagnoser.diagnose()
    shown = capsys.readouterr().out
    assert "does not answer" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("http://127.0.0.1:7860", ""),
        ("http://[::1]:7860", ""),
        ("http://localhost:7860", ""),
        ("https://spark.example", ""),
        ("http://spark.example:7860", "spark.example"),
        ("http://192.168.1.20", "192.168.1.20"),
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example"),
    ],
)
def test_what_goes_unencrypted_to_another_machine_is_said(address: str, place: str) -> None:
    assert in_the_clear(address) == place


def test_the_token_goes_nowhere_else(server: str) -> None:
    """A redirect is a refusal: urllib would carry the token along."""
    from fastapi import FastAPI
    from fastapi.responses import RedirectResponse

    elsewhere = FastAPI()
    elsewhere.add_api_route(
        "/api/ask", lambda: RedirectResponse(f"{server}/api/ask", 307), methods=["POST"]
    )
    with serving(elsewhere) as address, pytest.raises(AskError, match="307"):
        ask_server(address, token=TOKEN, text="x", paths=[])


def test_a_target_is_this_process_or_its_interpreter() -> None:
    targets = (
        Target("kernel-a", "kernel", ("/opt/a/bin/python",), "a", pid=1),
        Target("kernel-b", "kernel", ("/opt/b/bin/python",), "b", pid=2),
        Target("own", "own", ("/opt/c/bin/python",), "ours"),
    )
    rows = {("/tmp/ipykernel_2/0.py", "x"): "kernel-b", ("", "/opt/c/bin/python"): "own"}
    for (path, executable), name in rows.items():
        assert own_target(targets, [path], executable=executable) == name
    assert own_target(targets, [], executable="/elsewhere") is None


def test_a_broken_engine_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(text: str, paths: list[str], check: str) -> dict[str, str]:
        raise AskError("the guide could not be read.")

    diagnoser = Diagnoser(Shell(), local=broken, environment={})
    diagnoser.after_cell(failed("1 / 0"))
    diagnoser.diagnose()
    assert capsys.readouterr().out == f"{OFFER}\nassistant: the guide could not be read.\n"
