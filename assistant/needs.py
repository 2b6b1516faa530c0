"""What a guide's code may need, and whether this machine has it; if not, why, in plain words.

Looks at files of the driver, at the packages of the verifying interpreter, and asks one server for
each of the two kinds of network. It refuses to know which block needs what.
"""

from __future__ import annotations

import platform
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from assistant.interpreter import Interpreter
from assistant.process import Limits, run_process, scrubbed_environment
from assistant.types import Need
from assistant.workshop import LAB, network_environment

_DRIVER = Path("/proc/driver/nvidia")
_HUB = "https://huggingface.co/robots.txt"
_SMALL_PACKAGE = "idna"  # a few kilobytes, so that asking costs little


def build_missing(
    interpreter: Interpreter, environment: Mapping[str, str], *, driver: Path = _DRIVER
) -> Callable[[Need], str]:
    """Return a function from a need to why it is not met ('' if it is), each looked at once."""
    looks: dict[Need, Callable[[], str]] = {
        "lab": lambda: _missing_lab(interpreter),
        "gpu": lambda: "" if _boards(driver) else "needs an NVIDIA GPU; none is here",
        "spark": lambda: _missing_spark(driver),
        "pypi": lambda: _missing_pypi(interpreter, environment),
        "network": _missing_network,
    }
    return cache(lambda need: looks[need]())


def _missing_lab(interpreter: Interpreter) -> str:
    absent = [name for name in LAB if name not in interpreter.packages]
    return f"needs the lab packages; not installed: {', '.join(absent)}" if absent else ""


def _boards(driver: Path) -> str:
    """What NVIDIA's driver says of its boards; '' without a driver or a board."""
    texts = []
    for file in sorted(driver.glob("gpus/*/information")):
        try:
            texts.append(file.read_text("utf-8"))
        except OSError:
            continue
    return "\n".join(texts)


def _missing_spark(driver: Path) -> str:
    is_spark = platform.machine() == "aarch64" and "GB10" in _boards(driver)
    return "" if is_spark else "needs a DGX Spark; this is another machine"


def _missing_pypi(interpreter: Interpreter, environment: Mapping[str, str]) -> str:
    """Let pip fetch a small package, with the settings that the blocks would have."""
    with tempfile.TemporaryDirectory(prefix="assistant-verify-") as home:
        given = scrubbed_environment(environment, home=Path(home))
        result = run_process(
            [interpreter.program, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", home,
             _SMALL_PACKAGE],
            environment=given | network_environment(environment),
            limits=Limits(seconds=60),
            cwd=Path(home),
        )  # fmt: skip
    return "" if result.returncode == 0 else "needs a package index; pip reaches none"


def _missing_network() -> str:
    try:
        with urllib.request.urlopen(_HUB, timeout=5):
            return ""
    except (OSError, urllib.error.URLError, ValueError):
        return "needs the internet; huggingface.co does not answer"
