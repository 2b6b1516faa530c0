"""From an error on the screen to a fix that works: a local, grounded troubleshooting assistant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.notebook import Engine

__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """`%load_ext assistant` in a notebook: offer `%diagnose` after failed cells.

    Nothing heavy is loaded before `%diagnose` is used; `shell` is IPython's.
    """
    from assistant.notebook_remote import load_ipython_extension as offer

    engines: list[Engine] = []

    def answer(text: str, paths: list[str], check: str) -> dict[str, str]:
        from assistant.notebook import Engine

        if not engines:
            engines.append(Engine())
        return engines[0].answer(text, paths, check)

    offer(shell, local=answer)
