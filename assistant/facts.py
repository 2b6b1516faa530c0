"""What a message says, as facts with the span they were read from.

A fact is a kind and a value: ("missing_module", "timm"), ("own_line", "24"). Rows of patterns; each
knows one form of message. Refuses to know what the facts are good for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from assistant.architectures import recognise_pair
from assistant.types import ExceptionText, Fact, Frame


@dataclass(frozen=True, slots=True)
class FactRow:
    """Every named group of `pattern` becomes a fact of that kind."""

    pattern: re.Pattern[str]


_DTYPE = r"(?:torch\.)?(?:cuda\.)?(?:c10::)?[A-Za-z0-9_]{3,24}"

ROWS: tuple[FactRow, ...] = tuple(
    FactRow(re.compile(pattern))
    for pattern in (
        # ModuleNotFoundError: No module named 'timm.models'
        r"No module named ['\"]?(?P<missing_module>[A-Za-z_][\w.-]{0,80})",
        # transformers: "TimmBackbone requires the timm library but it was not found"
        r"requires the (?P<missing_module>[A-Za-z_][\w.-]{0,80}) library but it was not found",
        # torch.hub: "Missing dependencies: ultralytics"
        r"Missing dependencies: (?P<missing_module>[A-Za-z_][\w.-]{0,80})",
        # transformers: "packages that were not found in your environment: timm."
        r"not found in your environment: (?P<missing_module>[A-Za-z_][\w-]{0,80})",
        # ultralytics: "requirement ['lap>=0.5.12'] not found"
        r"requirements? \[['\"](?P<missing_module>[A-Za-z_][\w-]{0,80})[^\]]{0,80}\] not found",
        # [Errno 2] No such file or directory: 'checkpoints/sam_vit_h_4b8939.pth'
        r"No such file or directory: ['\"](?P<missing_file>[^'\"\n]{1,400})['\"]",
        # HTTP Error 403: Forbidden, 403 Client Error
        r"\bHTTP(?:Error)?:? (?:Error )?(?P<http_status>[45]\d\d)\b",
        r"\b(?P<http_status>[45]\d\d) Client Error",
        # … for url: https://huggingface.co/org/name/resolve/main/x
        r"for url:? https?://(?P<http_host>[\w.-]{1,120})",
        # Access to model org/name is restricted; Cannot access gated repo for url https://…
        r"Access to model (?P<gated_repository>[\w.-]{1,80}/[\w.-]{1,80}) is restricted",
        r"gated repo for url https?://[\w.-]{1,80}/(?P<gated_repository>[\w.-]{1,80}/[\w.-]{1,80}?)"
        r"(?:/resolve|\.? |$)",
        # Input type (float) and bias type (c10::BFloat16) should be the same
        rf"Input type \((?P<input_dtype>{_DTYPE})\) and "
        rf"(?:weight|bias) type \((?P<weight_dtype>{_DTYPE})\)",
        rf"must have the same dtype, but got (?P<input_dtype>{_DTYPE}) and "
        rf"(?P<weight_dtype>{_DTYPE})",
        # Error(s) in loading state_dict for ResNet:
        r"Error\(s\) in loading state_dict for (?P<model_class>\w{1,80})",
        # size mismatch for fc.weight: copying a param with shape torch.Size([10, 512]) from
        # checkpoint, the shape in current model is torch.Size([1000, 512]).
        r"size mismatch for (?P<mismatched_key>[\w.]{1,160}): copying a param with shape "
        r"torch\.Size\(\[(?P<checkpoint_shape>[\d, ]{0,60})\]\) from checkpoint, the shape in "
        r"current model is torch\.Size\(\[(?P<model_shape>[\d, ]{0,60})\]\)",
        # Sizes of tensors must match except in dimension 1. Expected size 57 but got size 56
        r"Expected size (?P<size_a>\d{1,9}) but got size (?P<size_b>\d{1,9})",
        r"except in dimension \d{1,2}\. Got (?P<size_a>\d{1,9}) and (?P<size_b>\d{1,9}) in "
        r"dimension",
        r"size of tensor a \((?P<size_a>\d{1,9})\) must match the size of tensor b "
        r"\((?P<size_b>\d{1,9})\)",
        # mat1 and mat2 shapes cannot be multiplied (4x2048 and 512x10)
        r"shapes cannot be multiplied \((?P<matrix_a>\d{1,9}x\d{1,9}) and "
        r"(?P<matrix_b>\d{1,9}x\d{1,9})\)",
        # expected input[2, 512, 32, 32] to have 256 channels, but got 512 channels instead
        r"to have (?P<channels_wanted>\d{1,6}) channels, but got (?P<channels_got>\d{1,6}) "
        r"channels",
        # CUDA out of memory. Tried to allocate 148.00 MiB … 37.06 MiB is free
        r"Tried to allocate (?P<memory_asked>[\d.]{1,12} [KMGT]iB)",
        r"(?P<memory_free>[\d.]{1,12} [KMGT]iB) (?:is )?free",
        # Including non-PyTorch memory, this process has 14.50 GiB memory in use
        r"this process has (?P<memory_in_use>[\d.]{1,12} [KMGT]iB) memory in use",
        r"total capacity of (?P<memory_total>[\d.]{1,12} [KMGT]iB)",
        # PyTorch 2.9.1+cpu
        r"\b(?P<torch_version>\d\.\d{1,2}\.\d{1,2}\+cpu)\b",
        # DataLoader worker (pid 3407) is killed by signal: Bus error
        r"DataLoader worker \(pid(?:\(s\))? (?P<worker_pid>\d{1,9})",
        r"is killed by signal: (?P<worker_signal>[A-Za-z ]{2,30})",
    )
)


def find_facts(
    text: str, exceptions: Sequence[ExceptionText], *, cause: int = -1
) -> tuple[Fact, ...]:
    """Return the facts that `text` states, and where in the learner's own code it failed.

    `cause` is the index of the exception that explains the failure (-1: the last). Spans index
    `text`. The same kind and value is listed once, in order of first appearance.
    """
    facts = [fact for row in ROWS for fact in _read(row, text)]
    facts.extend(_read_networks(text))
    facts.sort(key=lambda fact: fact.start)
    last_own = _last_own_frame(exceptions, cause)
    if last_own is not None:
        facts.append(Fact("own_file", last_own.file))
        facts.append(Fact("own_line", str(last_own.line)))
        if last_own.code:
            facts.append(Fact("own_code", last_own.code))
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
    for side, network in zip(("checkpoint", "model"), recognise_pair(saved, wanted), strict=True):
        if network is None:
            continue
        yield Fact(f"{side}_network", _several(network.names), start, end)
        if network.classes is not None:
            yield Fact(f"{side}_classes", str(network.classes), start, end)
        if network.prefix:
            yield Fact(f"{side}_prefix", network.prefix, start, end)


def _several(names: Sequence[str]) -> str:
    shown = names if len(names) <= 3 else (*names[:2], "a similar network")
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _shape(text: str) -> tuple[int, ...]:
    """'10, 512' → (10, 512)"""
    return tuple(int(part) for part in text.replace(",", " ").split() if len(part) < 12)


def _last_own_frame(exceptions: Sequence[ExceptionText], cause: int) -> Frame | None:
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
            return own[-1]
    return None
