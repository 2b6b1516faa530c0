"""What the reranker learns from: texts of the sets beside the entries that retrieval found for them
while it had not learned them (`fit_calibration`'s folds).

`HELD` is never learned: the confidence after a verdict is fitted to it (`fit_reranker`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.library import load_library
from assistant.reading import read_query
from assistant.reranking import READ, rerank_prompt
from assistant.types import Entry, Query, Retrieval
from tests.evals.fit_calibration import FOLDS, build_left_out, read_cases

# all of them in the first fold
HELD = ("development", "reports-9", "reports-13", "reports-18", "natural-9")
_AROUND_HELD = ("contrast-1",)  # texts written around what went wrong in that fold
# sets whose labels name every entry of all shipped guides that answers
_LABELLED_IN_ALL = ("natural", "own", "development", "languages")
_OWN_WORDS = 0.4  # of the texts see the entries in our words instead of the course's
_SHUFFLED = 0.3  # of the texts see them in another order
_TAKEN_OUT = 0.08  # of the answered texts see only entries that do not answer
_ALL_GUIDES = 0.5  # of the texts that are labelled in all guides


@dataclass(frozen=True, slots=True)
class Look:
    """A text of a set, what retrieval made of it when it was left out, and what answers it."""

    name: str
    query: Query
    found: Retrieval
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and every number that is right: those of the entries that answer, or 0 alone."""

    prompt: str
    right: tuple[int, ...]


def look(guide: str, fold: int) -> list[Look]:
    """Search for the texts of a fold, and those written around it, as if nobody had asked them.
    The encoder has been trained on all folds but the first (`train_encoder`), and reports-50 to -61
    were written around the others, so with those retrieval looks better than it is; the looks that
    the shipped adapter was trained with are from before that."""
    names = (*FOLDS[fold], f"contrast-{fold + 1}")
    retriever, known = build_left_out(guide, fold)
    looks = []
    for name, case in ((one, case) for one in names for case in read_cases(one)):
        query = read_query(case["text"])
        gold = frozenset({*case["gold"], *(known & set(case.get("gold_all", ())))})
        looks.append(Look(name, query, retriever.search(query), gold))
    return looks


def example(one: Look, entries: Mapping[str, Entry], order: Sequence[int] = range(READ)) -> Example:
    """The text beside the first entries, in this order of their ranks."""
    first = one.found.matches[:READ]
    ids = [first[rank].id for rank in order if rank < len(first)]
    right = tuple(n for n, id_ in enumerate(ids, start=1) if id_ in one.gold)
    return Example(rerank_prompt(one.query, [entries[id_] for id_ in ids]), right or (0,))


def training_examples(
    course: Sequence[Look], every: Sequence[Look], *, guide: str, seed: int
) -> list[Example]:
    """One example of each text, varied by `seed`; looks with the course's guide and with all."""
    draw = random.Random(seed)
    theirs = load_library((guide,)).entries
    ours = load_library(("builtin",)).entries
    others = {one.query.text: one for one in every}
    examples = []
    for one in (one for one in course if one.name not in (*HELD, *_AROUND_HELD)):
        mixed = list(range(READ))
        other = others.get(one.query.text)
        entries = {**theirs, **ours} if draw.random() < _OWN_WORDS else theirs
        if (
            other
            and one.name.startswith(_LABELLED_IN_ALL)
            and seed % 2
            and draw.random() < _ALL_GUIDES
        ):
            one, entries = other, ours
        elif one.gold and draw.random() < _TAKEN_OUT:
            kept = tuple(match for match in one.found.matches if match.id not in one.gold)
            one = replace(one, found=replace(one.found, matches=kept))
        if draw.random() < _SHUFFLED:
            draw.shuffle(mixed)
        examples.append(example(one, entries, mixed))
    return examples
