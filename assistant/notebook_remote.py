"""After a failed notebook cell: one quiet line, and `%diagnose`, which asks a running assistant.

This file needs nothing but Python itself: where the assistant is not installed, it is pasted into a
cell (`assistant notebook-cell` prints it). Where it is installed, `notebook.py` gives it the engine
of this process. It refuses to know what an answer means: it sends a failure and shows what comes.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import shlex
import sys
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

SECONDS = 150.0
CELL_LINES = 80
_KEPT_AS = "_cv_troubleshooter"
OFFER = "assistant: %diagnose looks this error up."
USAGE = (
    "%diagnose            look up the last error\n"
    "%diagnose CHECK      run a check on this kernel, e.g. %diagnose packages\n"
    "%diagnose --server http://127.0.0.1:7860 [--token TOKEN]\n"
    "                     ask a running assistant (or set ASSISTANT_SERVER, ASSISTANT_TOKEN;\n"
    "                     that token goes to that server only)"
)
MOST = 8_000_000  # bytes of an answer
_ADDRESS = re.compile(r"https?://[\x21-\x7e]+")
_TOKEN = re.compile(r"[\x21-\x7e]+")

# text of the failure, the kernel's paths, name of a check → {"markdown": …, "plain": …}
Answer = Callable[[str, list[str], str], Mapping[str, Any]]


class Diagnoser:
    """What one notebook remembers: the text of its last failure, and where to ask."""

    def __init__(
        self, shell: Any, *, local: Answer | None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._shell = shell
        self._local = local
        self._environment = environment
        self._failure = ""

    def after_cell(self, result: Any) -> None:
        """Remember how a cell failed, and offer help in one line. Never raises."""
        try:
            error = result.error_before_exec or result.error_in_exec
            if error is None or isinstance(error, KeyboardInterrupt):
                return
            info = getattr(result, "info", None)
            self._failure = format_failure(error, cell=getattr(info, "raw_cell", "") or "")
            print(OFFER)
        except Exception:  # the rim: a learner's traceback matters more than our line
            return

    def diagnose(self, line: str = "") -> None:
        """Show what is known about the last failure."""
        try:
            options, check = parse_line(line, self._environment)
            if check == "help":
                print(USAGE)
            elif not self._failure and not check:
                print("assistant: no cell has failed yet.")
            else:
                self._show(self._ask(options, check))
        except AskError as error:
            print(f"assistant: {error}")
        except KeyboardInterrupt:
            print("assistant: stopped.")

    def _ask(self, options: Mapping[str, str], check: str) -> Mapping[str, Any]:
        if not options["server"] and self._local is not None:
            return self._local("" if check else self._failure, kernel_paths(), check)
        if not options["server"]:
            raise AskError(f"say where the assistant runs.\n{USAGE}")
        if check:
            raise AskError("a server runs checks only from its page.")
        if place := in_the_clear(options["server"]):
            print(
                f"assistant: what goes to {place} is not encrypted: others on the way can read the "
                "cell, its error and the token. Use https:// or an SSH tunnel."
            )
        return ask_server(
            options["server"], token=options["token"], text=self._failure, paths=kernel_paths()
        )

    def _show(self, answer: Mapping[str, Any]) -> None:
        """Rich where the notebook can show it, plain elsewhere."""
        plain, markdown = str(answer.get("plain", "")), str(answer.get("markdown", ""))
        publisher = getattr(self._shell, "display_pub", None)
        if publisher is None or not markdown:
            print(plain or markdown)
        else:
            publisher.publish({"text/plain": plain or markdown, "text/markdown": markdown})


class AskError(Exception):
    """It could not be asked; the message says why and what to do."""


def load_ipython_extension(shell: Any, *, local: Answer | None = None) -> Diagnoser:
    """Offer `%diagnose` after failed cells of this shell; what was there before is replaced."""
    earlier = getattr(shell, _KEPT_AS, None)
    if earlier is not None:
        shell.events.unregister("post_run_cell", earlier.after_cell)
    diagnoser = Diagnoser(shell, local=local)
    setattr(shell, _KEPT_AS, diagnoser)
    shell.events.register("post_run_cell", diagnoser.after_cell)
    shell.register_magic_function(diagnoser.diagnose, "line", "diagnose")
    return diagnoser


def parse_line(line: str, environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """`--server U --token T CHECK` → ({server, token}, check). Raises AskError.

    The environment's token is for the environment's server: it is given to no other.
    """
    known = environment.get("ASSISTANT_SERVER", "").strip()
    options = {"server": known, "token": ""}
    rest: list[str] = []
    is_given = False
    try:
        words = iter(shlex.split(line))
    except ValueError as error:
        raise AskError(f"the line cannot be read: {error}.") from error
    for word in words:
        name, sign, value = word.partition("=")
        if name in ("--server", "--token"):
            options[name[2:]] = value if sign else next(words, "")
            is_given = is_given or name == "--token"
        else:
            rest.append(word)
    if len(rest) > 1 or (rest and rest[0].startswith("-")):
        raise AskError(f"that is not understood.\n{USAGE}")
    if not is_given and options["server"].rstrip("/") == known.rstrip("/"):
        options["token"] = environment.get("ASSISTANT_TOKEN", "")
    return options, rest[0] if rest else ""


def format_failure(error: BaseException, *, cell: str = "") -> str:
    """The cell and the traceback as Python prints it, without the notebook's own frames."""
    place = error.__traceback__
    while place is not None and "/IPython/" in place.tb_frame.f_code.co_filename:
        place = place.tb_next
    said = "".join(traceback.format_exception(type(error), error, place))
    lines = cell.rstrip().splitlines()
    if len(lines) > CELL_LINES:
        lines = [*lines[: CELL_LINES // 2], "...", *lines[-CELL_LINES // 2 :]]
    shown = "\n".join(f"    {line}" for line in lines)
    return f"In [ ]:\n{shown}\n\n{said}" if shown else said


def kernel_paths() -> list[str]:
    """Paths by which a server finds out which of the Pythons that it knows this one is."""
    folder = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [
        f"/tmp/ipykernel_{os.getpid()}/0.py",
        f"{sys.prefix}/lib/{folder}/site-packages/x.py",
    ]


def ask_server(server: str, *, token: str, text: str, paths: list[str]) -> dict[str, Any]:
    """Ask a running assistant; its answer as a mapping. Raises AskError."""
    address, token = check_address(server), token.strip()
    if token and not _TOKEN.fullmatch(token):  # an error of urllib's would show it
        raise AskError("the token holds a character that no token has. Copy it again.")
    body = json.dumps({"text": text, "paths": paths}).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    # no proxy (it would see the token), no redirect (it could lead the token elsewhere)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        request = urllib.request.Request(f"{address}/api/ask", body, headers)
        with opener.open(request, timeout=SECONDS) as response:
            answer = json.loads(response.read(MOST))
    except urllib.error.HTTPError as error:
        raise AskError(_explain(error)) from error
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
        reason = _plain(str(getattr(error, "reason", error)))
        raise AskError(f"{address} does not answer ({reason}). Is `assistant serve` on?") from error
    if not isinstance(answer, dict):
        raise AskError(f"{address} is not an assistant.")
    return answer


def check_address(server: str) -> str:
    """The address, fit to be asked and to be shown. Raises AskError, which shows nothing of it."""
    server = server.strip().rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise AskError("the server's address must begin with http:// or https://")
    try:
        parts = urllib.parse.urlsplit(server)
        is_whole = bool(_ADDRESS.fullmatch(server) and parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment:
        raise AskError("the server's address cannot be read. It looks like http://127.0.0.1:7860")
    if "@" in parts.netloc:
        raise AskError("leave user and password out of the server's address; --token lets you in.")
    return server


def in_the_clear(server: str) -> str:
    """The host to which an http:// address carries everything unencrypted; '' if to none."""
    parts = urllib.parse.urlsplit(check_address(server))
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return ""
    try:
        return "" if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return host


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        """Follow none: the answer then counts as a failure."""


def _plain(text: str) -> str:
    """What somebody else says, on one line, without what could steer a terminal."""
    return "".join(one if one.isprintable() else " " for one in text[:300]).strip()


def _explain(error: urllib.error.HTTPError) -> str:
    if error.code == 401:
        return "the server wants its token: --token TOKEN, or ASSISTANT_SERVER and ASSISTANT_TOKEN."
    said = ""
    with contextlib.suppress(OSError, http.client.HTTPException):
        if error.code in (400, 413, 429, 503):
            said = _plain(error.read(300).decode("utf-8", "replace"))
    return f"the server refused ({error.code}). {said}".strip()


if "get_ipython" in globals():  # pasted into a cell
    load_ipython_extension(globals()["get_ipython"]())
    print("assistant: %diagnose is ready.")
