"""The route for programs behind the real guard, with real knowledge; also on a real port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from assistant.history import History, open_history
from assistant.service import Assistant
from assistant.types import Finding
from assistant.web.api import add_api
from assistant.web.guard import Guard, Policy
from assistant.web.serve import bind
from tests.course import course_snapshots
from tests.fakes import FakeBackend, FakeProber

TOKEN = "right-token"


def course_assistant(backend: FakeBackend | None = None) -> Assistant:
    gpu = Finding("gpu", "warn", "No GPU was found.", where="this kernel")
    return Assistant(course_snapshots(), backend or FakeBackend(), FakeProber(gpu))


def api_app(
    assistant: object, history: History | None = None, *, token: str | None = TOKEN
) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_api(app, assistant, history or open_history(None))  # type: ignore[arg-type]
    app.add_middleware(Guard, policy=Policy(token=token, max_body=50_000))
    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve on a free port; yields the address."""
    with bind("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)
