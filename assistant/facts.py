"""What a message says, as facts with the span they were read from.

A fact is a kind and a value: ("missing_module", "timm"), ("own_line", "24"). The forms of messages
are rows (`fact_rows`). Refuses to know what the facts are good for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from assistant.architectures import recognise_pair, strip_wrappers
from assistant.fact_rows import ROWS, FactRow
from assistant.lines import outline
from assistant.types import ExceptionText, Fact, Frame

# each hint and the number of its row
_HINTS = tuple((hint, number) for number, row in enumerate(ROWS) for hint in row.hints)


def find_facts(
    text: str, exceptions: Sequence[ExceptionText], *, cause: int = -1
) -> tuple[Fact, ...]:
    """Return the facts that `text` states, and where in the learner's own code it failed.

    `cause` is the index of the exception that explains the failure (-1: the last). Spans index
    `text`. The same kind and value is listed once, in order of first appearance.
    """
    said = outline(text)
    rows = sorted({number for hint, number in _HINTS if hint in said})
    facts = [fact for number in rows for fact in _read(ROWS[number], text)]
    if any(hint in said for hint in _NETWORK_HINTS):
        facts.extend(_read_networks(text))
    facts.extend(_derive(facts))
    facts.sort(key=lambda fact: fact.start)
    last_own = _last_own_frame(exceptions, cause)
    if last_own is not None:
        facts.extend(_place(text, *last_own))
    seen: set[tuple[str, str]] = set()
    unique = []
    for fact in facts:
        if (fact.kind, fact.value) not in seen:
            seen.add((fact.kind, fact.value))
            unique.append(fact)
    return tuple(unique[:200])


def _read(row: FactRow, text: str) -> Iterable[Fact]:
    for found in row.pattern.finditer(text):
        for kind, value in found.groupdict().items():
            if value is not None:
                yield Fact(kind, value.strip(), found.start(kind), found.end(kind))


# size mismatch for fc.weight: copying a param with shape torch.Size([10, 512]) from checkpoint,
# the shape in current model is torch.Size([1000, 512]).
_MISMATCH = re.compile(
    r"size mismatch for (?P<key>[\w.]{1,160}): copying a param with shape "
    r"torch\.Size\(\[(?P<file>[\d, ]{0,60})\]\) from checkpoint, the shape in "
    r"current model is torch\.Size\(\[(?P<model>[\d, ]{0,60})\]\)"
)
# Missing key(s) in state_dict: "conv1.weight", "bn1.weight".
_KEYS = re.compile(
    r"(?P<side>Missing|Unexpected) key\(s\) in state_dict: (?P<keys>\"[^\n]{1,200000})"
)
_NETWORK_HINTS = ("size mismatch for ", " key(s) in state_dict: ")
_KEY = re.compile(r"\"([\w.]{1,160})\"")
_MOST_KEYS = 5000


def _read_networks(text: str) -> Iterator[Fact]:
    """Which network a checkpoint and a model are, from the names and shapes that an error lists."""
    saved: dict[str, tuple[int, ...]] = {}
    wanted: dict[str, tuple[int, ...]] = {}
    start = end = -1
    for found in islice(_KEYS.finditer(text), 20):
        names = _KEY.findall(found["keys"])[:_MOST_KEYS]
        (wanted if found["side"] == "Missing" else saved).update(dict.fromkeys(names, ()))
        kind = "missing_keys" if found["side"] == "Missing" else "unexpected_keys"
        yield Fact(kind, str(len(names)), found.start("keys"), found.end("keys"))
        start, end = found.span()
    for found in islice(_MISMATCH.finditer(text), _MOST_KEYS):
        saved[found["key"]] = _shape(found["file"])
        wanted[found["key"]] = _shape(found["model"])
        start, end = found.span()
    if start < 0:
        return
    yield from _read_wrapping(saved, wanted, start, end)
    for side, network in zip(("checkpoint", "model"), recognise_pair(saved, wanted), strict=True):
        if network is None:
            continue
        yield Fact(f"{side}_network", _several(network.names), start, end)
        if network.classes is not None:
            yield Fact(f"{side}_classes", str(network.classes), start, end)
        if network.prefix:
            yield Fact(f"{side}_prefix", network.prefix, start, end)


_CONTAINERS = ("model_state_dict", "state_dict", "model", "net", "ema", "weights")


def _read_wrapping(
    saved: Mapping[str, object], wanted: Mapping[str, object], start: int, end: int
) -> Iterator[Fact]:
    """A checkpoint that holds the weights one level down; names that all begin with 'module.'."""
    wrapper = next((name for name in _CONTAINERS if name in saved and name not in wanted), None)
    if wrapper is not None and len(saved) < 30:
        yield Fact("checkpoint_wrapper", wrapper, start, end)
    for side, one, other in (("checkpoint", saved, wanted), ("model", wanted, saved)):
        prefixes = {strip_wrappers(name)[0] for name in one}
        prefix = prefixes.pop() if len(prefixes) == 1 else ""
        if prefix and not any(name.startswith(prefix) for name in other):
            yield Fact(f"{side}_prefix", prefix, start, end)


def _several(names: Sequence[str]) -> str:
    shown = names if len(names) <= 3 else (*names[:2], "a similar network")
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _shape(text: str) -> tuple[int, ...]:
    """'10, 512' → (10, 512)"""
    return tuple(int(part) for part in text.replace(",", " ").split() if len(part) < 12)


def _last_own_frame(
    exceptions: Sequence[ExceptionText], cause: int
) -> tuple[ExceptionText, Frame] | None:
    """The last own frame of the cause; of a worker's that says the same, as it failed there; else
    of whatever stands nearest before it."""
    if not exceptions:
        return None
    last = exceptions[cause]
    before = list(exceptions[: exceptions.index(last) + 1])
    same = [e for e in before if (e.name, e.message) == (last.name, last.message)]
    for exception in [*same, *reversed(before), *exceptions]:
        own = [frame for frame in exception.frames if frame.own]
        if own:
            return exception, own[-1]
    return None


def _place(text: str, exception: ExceptionText, frame: Frame) -> Iterator[Fact]:
    """File, line and code of a frame, with the place in the text nearest before its exception."""
    start = text.rfind(frame.file, 0, exception.start)
    if start < 0:  # pytest and faulthandler name the place below
        start = text.find(frame.file, exception.start)
    for kind, value in (
        ("own_file", frame.file),
        ("own_line", str(frame.line)),
        ("own_code", frame.code),
    ):
        at = text.find(value, max(start, 0)) if value and start >= 0 else -1
        if value:
            yield Fact(kind, value, at, at + len(value) if at >= 0 else -1)
        start = at + len(value) if at >= 0 else start


def _derive(facts: Sequence[Fact]) -> Iterator[Fact]:
    """What follows from what was read: the folder of a missing file, the side that is wrong."""
    types: dict[str, Fact] = {}
    for fact in facts:
        folder = re.match(r"(.*)[/\\\\]", fact.value)
        if fact.kind == "missing_file" and folder and folder[1]:
            yield Fact("missing_folder", folder[1], fact.start, fact.start + len(folder[1]))
        elif fact.kind in ("input_dtype", "weight_dtype"):
            types.setdefault(fact.kind, fact)
    if len(types) == 2:
        given, weights = types["input_dtype"], types["weight_dtype"]
        on_cpu = "cuda" in given.value and "cuda" not in weights.value
        wrong = weights if on_cpu and weights.value.startswith("torch.") else given
        yield Fact("wrong_side", "model" if wrong is weights else "input", wrong.start, wrong.end)
