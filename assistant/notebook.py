"""`%load_ext assistant`: `%diagnose` with the engine in the notebook's own process.

Nothing is loaded until `%diagnose` is used first. What the engine needs in the process's
environment is taken back once it is loaded, so that the notebook's own libraries behave as before.
It refuses to know IPython: a shell is what has events, magics and a display.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import aclosing

from assistant.build import build_assistant, build_history
from assistant.events import Event
from assistant.history import session_key
from assistant.keeping import Keeping
from assistant.notebook_remote import AskError
from assistant.probes.choice import choose_target
from assistant.render import ask_json
from assistant.service import Assistant
from assistant.settings import load_settings
from assistant.types import Target
from assistant.web.diagnosis import render_diagnosis

_LOOK = 0.2  # seconds between two looks for Ctrl-C


class Engine:
    """The assistant inside this process; made at the first question, without a language model."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._assistant: Assistant | None = None
        self._keeping: Keeping | None = None

    def answer(self, text: str, paths: list[str], check: str) -> dict[str, str]:
        """Answer the text, or run a check of this very Python; Markdown and plain text.

        A notebook has an event loop of its own, so that ours runs in a thread. Raises AskError.
        """
        before = dict(self._environment)
        try:
            return _in_thread(lambda: self._work(text, paths, check))
        finally:
            _restore(self._environment, before)

    def _work(self, text: str, paths: list[str], check: str) -> dict[str, str]:
        if self._assistant is None:
            print("assistant: loading the guide and the search model, once …")
            settings = load_settings()
            self._assistant = build_assistant(settings, speak=False)
            self._assistant.start()
            self._keeping = Keeping(
                build_history(settings), session_key("notebook"), time.time, face="notebook"
            )
        if check and check not in {probe.id for probe in self._assistant.probes()}:
            offered = ", ".join(probe.id for probe in self._assistant.probes())
            raise AskError(f"there is no check {check!a}. Choose one of: {offered}.")
        events = asyncio.run(self._collect(self._assistant, text, paths, check))
        return render_diagnosis(ask_json(events))

    async def _collect(
        self, assistant: Assistant, text: str, paths: list[str], check: str
    ) -> list[Event]:
        assert self._keeping is not None
        target = own_target(assistant.targets(), paths, executable=sys.executable)
        events = assistant.ask(text, target=target, probe=check or None)
        async with aclosing(self._keeping.keep(events)) as kept:
            return [event async for event in kept]


def own_target(targets: Sequence[Target], paths: Sequence[str], *, executable: str) -> str | None:
    """Name of the target that is this very process, else of one with the same interpreter."""
    found = choose_target(paths, targets)
    same = (one for one in targets if one.argv and one.argv[0] == executable)
    chosen = found or next(same, None)
    return chosen.name if chosen else None


def _in_thread(work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Run it beside the notebook's loop. Raises AskError for whatever went wrong in it."""
    kept: list[dict[str, str]] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            kept.append(work())
        except BaseException as error:  # the rim of this thread
            failed.append(error)

    thread = threading.Thread(target=run, name="diagnose", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK)
    if failed:
        raise AskError(str(failed[0]) or type(failed[0]).__name__) from failed[0]
    return kept[0]


def _restore(environment: MutableMapping[str, str], before: Mapping[str, str]) -> None:
    """Take back what was added meanwhile; what the notebook itself has set stays."""
    for name in set(environment) - set(before):
        del environment[name]
