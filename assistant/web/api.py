"""The one route for programs: a text in, the `ask` object out. Behind the same guard as the page.

It runs no check of the machine by name: those need a button's permission. It refuses to know how
answers are made.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import aclosing

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

from assistant.errors import AssistantError
from assistant.history import History, session_key
from assistant.keeping import Keeping
from assistant.probes.choice import choose_target
from assistant.render import ask_json
from assistant.types import Target
from assistant.web.diagnosis import render_diagnosis
from assistant.web.talk import Assistant

log = logging.getLogger(__name__)

AT_ONCE = 4  # answers; more get 503
SECONDS = 140.0


class Question(BaseModel):
    """What a program sends. `paths` say which of the known Pythons is meant: none is ever run that
    was not known before. With `explain` the language model explains the fix, which takes longer."""

    text: str = Field(min_length=1)
    explain: bool = False
    paths: list[str] = Field(default_factory=list, max_length=20)


def add_api(app: FastAPI, assistant: Assistant, history: History) -> None:
    """Add `POST /api/ask`; size, host, origin and token are the guard's."""
    free = asyncio.Semaphore(AT_ONCE)

    @app.post("/api/ask")
    async def ask(request: Request) -> JSONResponse:
        """Answer one question with the `ask` object, and with `markdown` and `plain` to show."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refuse(415, "Send JSON (Content-Type: application/json).")
        try:
            question = Question.model_validate_json(await request.body())
        except ValidationError:
            return _refuse(400, 'Send {"text": "the error or question"}.')
        if free.locked():
            return _refuse(503, "Other programs are being answered. Ask again in a minute.")
        async with free:
            return await _answer(question, assistant, history)


async def _answer(question: Question, assistant: Assistant, history: History) -> JSONResponse:
    keeping = Keeping(history, session_key("api"), time.time, face="api")
    target = await asyncio.to_thread(_find_target, question.paths, assistant)
    text = question.text.encode("utf-8", "replace").decode("utf-8")
    events = assistant.ask(text, target=target.name if target else None, explain=question.explain)
    try:
        async with asyncio.timeout(SECONDS), aclosing(keeping.keep(events)) as kept:
            shape = ask_json([event async for event in kept])
    except TimeoutError:
        return _refuse(503, "The answer took too long. Ask again, or use the page.")
    except AssistantError as error:
        return _refuse(503, str(error))
    except Exception as error:  # the rim: no detail of a failure leaves the house
        incident = secrets.token_hex(3)
        log.error("incident %s: %s", incident, type(error).__name__, exc_info=error)
        return _refuse(500, f"Something broke inside the assistant (incident {incident}).")
    return JSONResponse({**shape, **render_diagnosis(shape)})


def _find_target(paths: list[str], assistant: Assistant) -> Target | None:
    """Looks for Pythons on the disk, so in a thread."""
    return choose_target(paths, assistant.targets())


def _refuse(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)
