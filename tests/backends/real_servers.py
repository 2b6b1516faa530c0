"""Real servers with the OpenAI API: `transformers serve`, and llama.cpp's server."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant.errors import FailureError
from assistant.settings import load_settings
from assistant.setup import ensure_default_gguf

_START = 240.0  # seconds: both import and load, beside whatever else this machine does

# llama.cpp's own server inside a process of its own; it ends with it
_LLAMA = """
import sys, threading
from xllamacpp import CommonParams, Server
p = CommonParams()
p.model.path, p.hostnames, p.port = sys.argv[1], ["127.0.0.1"], int(sys.argv[2])
p.n_ctx, p.n_parallel, p.model_alias = 8192, 2, {"SmolLM2-135M-Instruct"}
server = Server(p)
print(server.listening_address, flush=True)
threading.Event().wait()
"""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def transformers_command(folder: Path, port: int) -> list[str]:
    """`transformers serve` with the converted default model."""
    for package in ("fastapi", "uvicorn", "transformers"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    start = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    return [sys.executable, "-c", start, "serve", str(folder), *options]


def llama_command(port: int) -> list[str]:
    """llama.cpp's server with the same model as GGUF."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed (pip install xllamacpp)")
    try:
        gguf = ensure_default_gguf(load_settings().cache_dir)
    except FailureError as error:
        pytest.skip(f"the GGUF file cannot be had here: {error}")
    return [sys.executable, "-c", _LLAMA, str(gguf), str(port)]


@contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers on `port`; killed with all its children at the end."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            _wait(server, port)
            yield server
        finally:
            kill(server)


def kill(server: subprocess.Popen[bytes]) -> None:
    """End it at once, as a crash does."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    server.wait(20)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.3)
    pytest.fail("the server did not start in time")
