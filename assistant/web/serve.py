"""Serves the app: the address, its token, and what to type on a laptop.

The socket is bound before anything else, so that a port in use is said in one line. It refuses to
know what is served.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from types import FrameType
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI

from assistant.errors import ServeError
from assistant.settings import Settings

GRACE_SECONDS = 3


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_token(settings: Settings) -> str | None:
    """The token that readers need: the set one; one made now for a bind that others can reach."""
    if settings.token is not None and settings.token.get_secret_value():
        return settings.token.get_secret_value()
    return None if is_loopback(settings.host) else secrets.token_urlsafe(24)


def serve(
    app: FastAPI,
    settings: Settings,
    *,
    token: str | None,
    notify: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Serve until interrupted. Raises ServeError when the address cannot be had."""
    if token is None and not is_loopback(settings.host):
        raise ServeError(
            f"{settings.host} can be reached by others, and no token is demanded.",
            hint="Start it with `assistant serve`, which makes a token, or set ASSISTANT_TOKEN.",
        )
    with bind(settings.host, settings.port) as listener:
        port = int(listener.getsockname()[1])
        for line in address_lines(settings, port, token=token, environ=environ):
            notify(line)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has already stopped in good order
            _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends open streams when it is told to stop; uvicorn alone would wait for every open tab."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        leave = getattr(getattr(self.config.app, "state", None), "leave", None)
        if leave is not None:
            leave()
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, or raise ServeError with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP; with it, what a
    # stream sends after its headers waits 40 ms for the browser's delayed acknowledgement
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _serve_error(host, port, error) from error
    return listener


def address_lines(
    settings: Settings, port: int, *, token: str | None, environ: Mapping[str, str]
) -> list[str]:
    """Return what to open, and, in an SSH session, what to type on the laptop first."""
    everywhere = settings.host in ("0.0.0.0", "::", "")
    host = "127.0.0.1" if everywhere else settings.host
    host = f"[{host}]" if ":" in host else host
    query = f"?token={quote(token)}" if token else ""
    lines = [f"Open http://{host}:{port}/{query}"]
    if settings.root_path.strip("/"):
        lines.append(f"Behind the proxy: …/{settings.root_path.strip('/')}/{query}")
    if everywhere and not settings.trusted_hosts:
        lines.append(
            f"Other machines open it under the name {socket.gethostname()}; "
            "further names go into the setting trusted_hosts."
        )
    if connection := environ.get("SSH_CONNECTION", "").split():
        server = connection[2] if len(connection) > 2 else socket.gethostname()
        user = environ.get("USER") or _user()
        lines.append(f"On your laptop first: ssh -L {port}:127.0.0.1:{port} {user}@{server}")
    return lines


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "user"


def _serve_error(host: str, port: int, error: OSError) -> ServeError:
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"Port {port} on {host} is in use by another program, perhaps another assistant.",
            hint=f"Stop that one, or choose another port: assistant serve --port {port + 1}",
        )
    if error.errno == errno.EACCES:
        return ServeError(
            f"This user may not listen on port {port}.", hint="Choose a port above 1023."
        )
    return ServeError(
        f"{host}:{port} is not an address of this machine that can be listened on "
        f"({error.strerror or error}).",
        hint="Use --host 127.0.0.1, or an address of this machine.",
    )
