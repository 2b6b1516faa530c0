"""What reaches a reader, measured on labelled cases with the real default model.

    python -m tests.evals.answers                  # development cases; needs `assistant setup` once
    python -m tests.evals.answers --no-model       # the fixed sentences alone, in seconds
    python -m tests.evals.answers --cases own-dev.jsonl --show 10
    python -m tests.evals.answers --no-model --pairs /tmp/pairs   # for a blind comparison by people

For every case that the guide answers and the search finds: how many sentences of the model pass
the check, how many answers keep one, and how many keep two that name a value of this paste; the
same for the fixed sentences. Invented items are looked for here without any code of `grounding.py`:
each code span, address, path, file, flag, version and each name after an installer's verb in a
shown sentence must stand in the entry or in the paste (or be a fact read from it, such as the
network that its list of weights belongs to).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.answer import build_fix, tailor
from assistant.build import build_model, build_retriever, prepare_environment
from assistant.errors import AssistantError
from assistant.events import Dropped, Sentence
from assistant.library import load_library
from assistant.models import TINY_NAME, ModelChoice
from assistant.reading import read_query
from assistant.settings import load_settings
from assistant.setup import default_model_folder
from assistant.telling import tell
from assistant.types import Backend, Entry, Query

FOLDER = Path(__file__).parent

# code, addresses, flags, files and dotted names, versions, what an installer's verb fetches
_ITEMS = re.compile(
    r"`(?P<code>[^`]+)`|(?P<url>\b(?:https?|ftp)://\S+|\bwww\.\S+)|(?<!\w)(?P<flag>--?[a-z][\w-]+)"
    r"|(?P<file>\b[\w./~-]*\w\.(?:py|pth|pt|sh|yaml|yml|json|txt|gz|zip|whl|ipynb)\b)"
    r"|(?P<dotted>\b\w+(?:\.\w+)+\(?)|(?P<version>\b\d+\.\d+(?:\.\d+)*\b)"
    r"|\b(?:install|download|upgrade|clone|fetch|add)\w*\s+(?:the\s+)?(?P<package>[\w.-]+)",
    re.IGNORECASE,
)
_FILLERS = frozenset(
    "the a an it them this that in into on to from for with again anything something your and or "
    "only first package packages file files dataset libraries library image images".split()
)
_FIGURE = re.compile(r"\d+(?:\.\d+)?")  # the rows that compute them have tests of their own
_WORD = re.compile(r"[A-Za-z0-9_][\w.:/=+-]*\w")


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled case with the entry that the search found for it."""

    id: str
    query: Query
    entry: Entry


@dataclass(slots=True)
class Count:
    """What one writer did over all cases."""

    answers: int = 0
    sentences: int = 0
    dropped: int = 0
    one: int = 0
    two_values: int = 0
    seconds: float = 0.0
    invented: list[str] | None = None

    def add(self, case: Case, kept: Sequence[str], dropped: int, *, computed: bool = False) -> None:
        """Count one answer; of fixed sentences, which compute, bare figures are no invention."""
        self.answers += 1
        self.sentences += len(kept)
        self.dropped += dropped
        self.one += bool(kept)
        self.two_values += sum(names_value(text, case.query) for text in kept) >= 2
        found = [item for text in kept for item in find_invented(text, case)]
        found = [item for item in found if not (computed and _FIGURE.fullmatch(item))]
        self.invented = (self.invented or []) + [f"{case.id}: {item}" for item in found]

    def line(self, name: str) -> str:
        """One row of the table."""
        all_said = self.sentences + self.dropped
        share = f"{self.sentences / all_said:.0%}" if all_said else "-"
        n = max(1, self.answers)
        return (
            f"| {name} | {self.answers} | {share} ({self.sentences}/{all_said}) | "
            f"{self.one / n:.0%} | {self.two_values / n:.0%} | {len(self.invented or [])} | "
            f"{self.seconds / n:.2f} |"
        )


def names_value(sentence: str, query: Query) -> bool:
    """Whether a sentence names something of this text: a name, a path, a number, quoted words."""
    said = {word.casefold() for word in _WORD.findall(query.text)}
    said |= {part for word in said for part in re.split(r"[/\\:.=]", word) if len(part) > 1}
    quoted = re.findall(r"`([^`]+)`", sentence)
    if any(" ".join(span.split()).casefold() in _flat(query.text) for span in quoted):
        return True
    names = [w for w in _WORD.findall(sentence) if re.search(r"[\d_./]|[a-z][A-Z]", w)]
    return any(name.casefold() in said for name in names)


def find_invented(sentence: str, case: Case) -> list[str]:
    """Items of a shown sentence that stand neither in the entry nor in the paste."""
    entry = case.entry
    known = _flat(f"{entry.title} {entry.body} {' '.join(entry.symptoms)} {case.query.text}")
    known += _flat(" ".join(f" {fact.value} " for fact in case.query.facts))
    known = known.replace("`", "").replace("\\", "")
    items = [found[0] or "" for found in _ITEMS.finditer(sentence)]
    bare = [_bare(item) for item in items]
    return [item for item in bare if item and item not in _FILLERS and item not in known]


def _bare(item: str) -> str:
    item = re.sub(r"^\w+\s+(?:the\s+)?(?=[\w.-]+$)", "", item) if "`" not in item else item
    return _flat(item.strip("`").rstrip("….,;:!?)(").replace("`", "")).replace("\\", "")


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()


def find_cases(name: str) -> list[Case]:
    """In-scope cases for which the search shows an entry."""
    settings = load_settings()
    library = load_library(settings.guide)
    retriever, _ = build_retriever(settings)(library, True)
    cases = []
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        row = json.loads(line)
        query = read_query(row["text"])
        found = retriever.search(query)
        if row["gold"] and found.status != "abstain":
            cases.append(Case(row["id"], query, library.entries[found.matches[0].id]))
    return cases


def build_tiny() -> Backend:
    """The default model, loaded. Raises AssistantError."""
    settings = load_settings()
    folder = default_model_folder(settings.cache_dir)
    backend = build_model(ModelChoice("folder", str(folder), TINY_NAME, tiny=True), settings)
    backend.load()
    return backend


def measure_model(cases: Iterable[Case], backend: Backend, *, show: int) -> Count:
    """Let the model explain each case."""
    count = Count()
    for number, case in enumerate(cases):
        start = time.perf_counter()
        said = list(tailor(case.query, case.entry, backend, cancel=threading.Event()))
        count.seconds += time.perf_counter() - start
        kept = [event.text for event in said if isinstance(event, Sentence)]
        dropped = [event for event in said if isinstance(event, Dropped)]
        count.add(case, kept, len(dropped))
        if number < show:
            print(f"{case.id} {case.entry.id}\n  kept {kept}\n  dropped {dropped}")
    return count


def measure_fixed(cases: Iterable[Case]) -> dict[str, Count]:
    """Fill the fixed sentences for each case: all, those with an exception, those without."""
    counts = {"fixed sentences": Count(), "… with an exception": Count(), "… plain words": Count()}
    for case in cases:
        start = time.perf_counter()
        kept = [sentence.text for sentence in tell(case.query, case.entry)]
        kind = "… with an exception" if case.query.exception else "… plain words"
        for name in ("fixed sentences", kind):
            counts[name].add(case, kept, 0, computed=True)
            counts[name].seconds += time.perf_counter() - start
    return counts


def write_pairs(cases: Sequence[Case], folder: Path, *, most: int = 50, seed: int = 7) -> None:
    """For a reviewer: the fix as it stands beside the tailored one, in a shuffled order; which is
    which stands in key.json, to be opened afterwards. Where nothing is said of this text, the two
    are the same and there is nothing to compare: such cases are left out, and counted."""
    chance, key = random.Random(seed), {}
    folder.mkdir(parents=True, exist_ok=True)
    speaking = [case for case in cases if _is_tailored(case)]
    print(f"{len(cases) - len(speaking)} of {len(cases)} answers are the plain fix alone")
    for case in chance.sample(speaking, min(most, len(speaking))):
        told = "\n".join(one.text for one in tell(case.query, case.entry))
        texts = {
            "plain": build_fix(case.entry).text,
            "tailored": f"{build_fix(case.entry, case.query).text}\n\n{told}",
        }
        order = chance.sample(sorted(texts), 2)
        key[case.id] = order
        both = zip("AB", order, strict=True)
        body = "\n\n".join(f"## {side}\n\n{texts[kind]}" for side, kind in both)
        (folder / f"{case.id}.md").write_text(f"# Asked\n\n{case.query.text}\n\n{body}\n", "utf-8")
    (folder / "key.json").write_text(json.dumps(key, indent=1), "utf-8")


def _is_tailored(case: Case) -> bool:
    same = build_fix(case.entry).text == build_fix(case.entry, case.query).text
    return bool(tell(case.query, case.entry)) or not same


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", default="development.jsonl")
    parser.add_argument("--no-model", action="store_true")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--pairs", type=Path, help="folder for a blind comparison")
    options = parser.parse_args()
    prepare_environment(os.environ)
    cases = find_cases(options.cases)[: options.limit]
    if options.pairs:
        write_pairs(cases, options.pairs)
    counts = measure_fixed(cases)
    if not options.no_model:
        try:
            backend = build_tiny()
        except AssistantError as error:
            print(f"The model was not measured: {error}")
        else:
            counts[backend.name] = measure_model(cases, backend, show=options.show)
            backend.close()
    print("| writer | answers | sentences kept | one or more | two with a value | invented | s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, count in counts.items():
        print(count.line(name))
    for count in counts.values():
        for item in dict.fromkeys(count.invented or []):
            print("invented:", item)


if __name__ == "__main__":
    main()
