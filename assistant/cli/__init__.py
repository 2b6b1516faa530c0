"""The command line: one function for each command; thin, as it only folds events.

Heavy imports stand inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

from assistant.cli import answering, bench, knowledge, loop, machine, verify
from assistant.cli.app import app, main

__all__ = ["answering", "app", "bench", "knowledge", "loop", "machine", "main", "verify"]
