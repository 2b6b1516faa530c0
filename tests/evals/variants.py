"""Measures how the right-answer rate changes when the same case is pasted in another way.

    python -m tests.evals.variants [GUIDE]

Variants of every case of `development.jsonl`: the last line alone, wrapped at 80 columns, quoted,
coloured, behind 200 lines of a log, with other paths and another Python, in lower case, with three
slips of the finger, between words in another language. A variant that does not apply (no exception
to take the last line of) leaves the case as it is.
"""

from __future__ import annotations

import os
import random
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from assistant.build import build_retriever, prepare_environment
from assistant.evaluation import Case, load_cases, measure, run_cases
from assistant.library import load_library
from assistant.reading import read_query
from assistant.settings import load_settings

_PATH = re.compile(r"/(?:home|workspace|root|usr|opt)/[\w.-]+/")
_WORD = re.compile(r"\b[a-zA-Z]{5,}\b")
_HELLO = "Guten Tag, ich komme hier nicht weiter:\n\n{}\n\nVielen Dank für jede Hilfe!"


def last_line(text: str) -> str:
    query = read_query(text)
    if query.exception is None:
        return text
    return f"{query.exception.name}: {query.exception.message}".partition("\n")[0]


def wrapped(text: str) -> str:
    return "\n".join(
        piece for line in text.splitlines() for piece in (textwrap.wrap(line, 80) or [""])
    )


def coloured(text: str) -> str:
    return "\n".join(f"\x1b[0;31m{line}\x1b[0m" for line in text.splitlines())


def behind_a_log(text: str) -> str:
    log = (f"2026-11-20 10:{n // 60:02d}:{n % 60:02d},001 INFO step {n} ok" for n in range(200))
    return "\n".join([*log, text])


def elsewhere(text: str) -> str:
    return _PATH.sub("/mnt/d4/kim/", text).replace("python3.12", "python3.9")


def with_slips(text: str) -> str:
    """Two neighbours swapped in three of the words (fixed by the text itself)."""
    found = list(_WORD.finditer(text))
    chosen = random.Random(text).sample(found, min(3, len(found)))
    for match in sorted(chosen, key=lambda m: -m.start()):
        at = match.start() + 2
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


VARIANTS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "last line only": last_line,
    "wrapped at 80": wrapped,
    "quoted": lambda text: "\n".join(f"> {line}" for line in text.splitlines()),
    "coloured": coloured,
    "behind a log": behind_a_log,
    "other paths, other Python": elsewhere,
    "lower case": str.lower,
    "three slips": with_slips,
    "words around it": _HELLO.format,
}


def main() -> None:
    prepare_environment(os.environ)
    guide = sys.argv[1] if len(sys.argv) > 1 else "builtin"
    library = load_library((guide,))
    retriever, _ = build_retriever(load_settings(guide=(guide,)))(library, True)
    cases = load_cases([Path(__file__).parent / "development.jsonl"], library.entries)
    first = 0.0
    for name, change in VARIANTS.items():
        changed: list[Case] = [replace(case, text=change(case.text)) for case in cases]
        figures = measure(run_cases(changed, lambda text: retriever.search(read_query(text))))
        rate = figures["right_answer_rate"] or 0.0
        first = first or rate
        print(
            f"{name:28} right {rate:.3f} ({rate - first:+.3f}), hit@1 {figures['hit@1']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
