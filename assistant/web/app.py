"""The web app: health routes and the Gradio page, behind the guard.

It refuses to know how the assistant answers and on which address the app is served.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import MutableMapping

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.cors import CORSMiddleware

from assistant.figures import load_figures
from assistant.history import History, open_history
from assistant.inputs import read_bytes
from assistant.probes.runner import Audit
from assistant.settings import Settings
from assistant.web.api import add_api
from assistant.web.browser import Names, read_owner
from assistant.web.files import ReadFile, add_files
from assistant.web.guard import LOOPBACK, Guard, Policy
from assistant.web.page import CSS_FILE, JS_FILES, build_page
from assistant.web.room import Room
from assistant.web.tabs import Tabs
from assistant.web.talk import Assistant

EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
MEGABYTE = 1_000_000
FIGURE_HEADERS = {
    # opened by itself a figure may use its own style sheet and nothing else; the guard adds more
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "private, max-age=3600",
}

# Everything of Gradio's that would call home, open another door or write files.
GRADIO_OFF = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "True",
}
GRADIO_UNSET = (
    "GRADIO_VIBE_MODE",
    "GRADIO_WATCH_DIRS",
    "GRADIO_ROOT_PATH",
    "GRADIO_ALLOWED_PATHS",
    "GRADIO_LOCAL_DEV_MODE",
    "GRADIO_HISTORY_BUCKET",
    "GRADIO_DEFAULT_CONCURRENCY_LIMIT",
)


def build_app(
    assistant: Assistant,
    settings: Settings,
    *,
    token: str | None,
    history: History | None = None,
    audit: Audit | None = None,
    read_file: ReadFile = read_bytes,
) -> FastAPI:
    """Return the app; with a token every route but /healthz asks for it.

    `read_file` reads what is added to the page; the default one reads no pictures.
    Changes the process's environment so that Gradio's analytics, sharing and the like are off.
    `app.state.leave()` ends all open streams, so that a server with open tabs stops at once.
    """
    silence_gradio(os.environ)
    # It warns before it has been given the list of Pythons that it is given in the same answer.
    warnings.filterwarnings("ignore", message=r"The value passed into gr\.Dropdown\(\)")
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_health(app, assistant)
    _add_figures(app)
    history = history if history is not None else open_history(None)
    add_api(app, assistant, history)
    policy = build_policy(settings, token=token)
    browser = f"{policy.cookie}_browser"
    room = Room(assistant, history=history, audit=audit)
    add_files(app, read_file)
    _add_packet(app, room, browser)
    # With a CORS policy on the parent Gradio adds none of its own: no origin is ever allowed.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_middleware(Tabs, cookie=browser)
    app.add_middleware(Names, cookie=browser, prefix=policy.prefix)
    app.add_middleware(Guard, policy=policy)
    gr.mount_gradio_app(
        app,
        build_page(room, settings=settings, cookie=browser),
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        root_path=_prefix(settings),
        css_paths=[CSS_FILE],
        head="".join(f"<script>{file.read_text('utf-8')}</script>" for file in JS_FILES),
        show_error=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        allowed_paths=[],
        max_file_size=int(settings.max_upload_mb * MEGABYTE),
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
    )
    app.state.leave = lambda: _leave(app, room)
    return app


def build_policy(settings: Settings, *, token: str | None) -> Policy:
    """Return what the guard decides by."""
    host = settings.host
    own = {socket.gethostname().lower()} if host in EVERYWHERE else {host.lower()}
    trusted = {name.lower() for name in settings.trusted_hosts}
    return Policy(
        hosts=LOOPBACK | own | trusted,
        origins=frozenset(origin.rstrip("/") for origin in settings.trusted_origins),
        token=token,
        prefix=_prefix(settings),
        cookie=f"assistant_{settings.port}",  # cookies of one host are shared by all its ports
        max_body=int(settings.max_body_mb * MEGABYTE),
        max_upload=int(settings.max_upload_mb * MEGABYTE),
    )


def silence_gradio(environ: MutableMapping[str, str]) -> None:
    """Switch off in `environ` what Gradio would read from it later."""
    environ.update(GRADIO_OFF)
    for name in GRADIO_UNSET:
        environ.pop(name, None)


def _leave(app: FastAPI, room: Room) -> None:
    """End answers and heartbeats. Gradio ends its heartbeats only for servers of its own."""
    room.close_all()
    for mounted in (getattr(route, "app", None) for route in app.routes):
        if isinstance(mounted, gr.routes.App):
            mounted.stop_event.set()


def _prefix(settings: Settings) -> str:
    path = settings.root_path.strip("/")
    return f"/{path}" if path else ""


def _add_packet(app: FastAPI, room: Room, cookie: str) -> None:
    """The help packet of the conversation that this browser is in, as a file to keep."""

    @app.get("/packet.md")
    async def packet(request: Request) -> Response:
        text = await room.packet(read_owner(request.cookies, cookie))
        return Response(
            text or "# Help packet\n\nNothing was asked in this browser yet.\n",
            media_type="text/markdown; charset=utf-8",
            headers={"content-disposition": 'attachment; filename="help-packet.md"'},
        )


def _add_figures(app: FastAPI) -> None:
    """Serve the shipped figures by their names; a name is looked up, never made into a path."""
    figures = load_figures()

    @app.get("/figures/{name}.svg")
    async def figure(name: str) -> Response:
        if name not in figures:
            return Response("There is no such figure.", status_code=404, media_type="text/plain")
        return Response(figures[name], media_type="image/svg+xml", headers=FIGURE_HEADERS)


def _add_health(app: FastAPI, assistant: Assistant) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        """The process answers."""
        return {"ok": True}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Nothing is loading and there is knowledge to answer from."""
        snapshot, backend = assistant.snapshot(), assistant.backend_status()
        loading = ["knowledge"] if snapshot is None else []
        loading += ["model"] if backend.state == "loading" else []
        missing = ["knowledge"] if snapshot is not None and not snapshot.entries else []
        ready = not loading and not missing
        content = {
            "ready": ready,
            "loading": loading,
            "missing": missing,
            "entries": len(snapshot.entries) if snapshot else 0,
            "model": {"state": backend.state, "message": backend.message},
        }
        return JSONResponse(content, status_code=200 if ready else 503)
