"""Measures how the right-answer rate changes when the same case is pasted in another way.

    python -m tests.evals.variants [GUIDE]

Variants of every case of `development.jsonl`: the last line alone, wrapped at 80 columns, quoted,
coloured, behind 200 lines of a log, with other paths and another Python, in lower case, with three
slips of the finger, between words in another language. A variant that does not apply (no exception
to take the last line of) leaves the case as it is.

Some last lines do not say what the case is about any more ("EOFError:", "No module named
'skimage'"). So two labellers who saw nothing else labelled the 66 of them anew (2026-11-28; they
differ on one in what would be right): `last-lines.jsonl` holds the ids that two of the three labels
name, the case's own among them. The row after the last line's takes these for right too, and where
none is named, abstaining.
"""

from __future__ import annotations

import os
import random
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from assistant.build import build_retriever, prepare_environment
from assistant.evaluation import Case, Outcome, load_cases, measure, run_cases
from assistant.library import load_library
from assistant.reading import read_query
from assistant.settings import load_settings

EVALS = Path(__file__).parent
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
    cases = load_cases([EVALS / "development.jsonl"], library.entries)
    lines = load_cases([EVALS / "last-lines.jsonl"], library.entries)
    alone = {case.id.removeprefix("last-"): case for case in lines}
    first = 0.0
    for name, change in VARIANTS.items():
        changed: list[Case] = [replace(case, text=change(case.text)) for case in cases]
        outcomes = run_cases(changed, lambda text: retriever.search(read_query(text)))
        first = first or measure(outcomes)["right_answer_rate"] or 0.0
        _print(name, outcomes, first)
        if change is last_line:
            taken = [
                o if o.is_right else replace(o, case=alone.get(o.case.id, o.case)) for o in outcomes
            ]
            _print("  or what it says by itself", taken, first)


def _print(name: str, outcomes: Sequence[Outcome], first: float) -> None:
    rate = measure(outcomes)["right_answer_rate"] or 0.0
    print(f"{name:28} right {rate:.3f} ({rate - first:+.3f})", flush=True)


if __name__ == "__main__":
    main()
