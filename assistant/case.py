"""What the paste itself says about this person's case, in one to three plain sentences.

Sentences are rows with gaps for facts; no model writes them, so they are true whenever the fact was
read rightly. Values are quoted as code. It refuses to know entries and fixes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assistant.quoting import as_code
from assistant.types import ExceptionText, Fact, Query


@dataclass(frozen=True, slots=True)
class CaseRow:
    """`text` is said if all facts that it names are there; of one `subject` only the first row."""

    subject: str
    text: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The kinds of facts between braces."""
        return tuple(part.partition("}")[0] for part in self.text.split("{")[1:])


def _row(subject: str, *text: str) -> CaseRow:
    return CaseRow(subject, "".join(text))


ROWS: tuple[CaseRow, ...] = (
    _row("module", "Python did not find the package {missing_module}."),
    _row("file", "Python looked for {missing_file} and did not find it there."),
    _row(
        "weights",
        "Your file holds the weights of {checkpoint_network} with {checkpoint_classes} classes; ",
        "you are loading it into {model_network} with {model_classes} classes.",
    ),
    _row(
        "weights",
        "Every name in your file begins with {checkpoint_prefix}; the model's names do not.",
    ),
    _row(
        "weights",
        "Your file holds the weights of {checkpoint_network}; you are loading it into ",
        "{model_network}.",
    ),
    _row(
        "weights",
        "Of {mismatched_key} the file has the shape {checkpoint_shape}, the model {model_shape}.",
    ),
    _row("dtype", "The input is {input_dtype}, the weights of the layer are {weight_dtype}."),
    _row(
        "shape",
        "The layer was built for {channels_wanted} channels and was given {channels_got}.",
    ),
    _row("shape", "The layer cannot multiply {matrix_a} with {matrix_b}: the inner two differ."),
    _row("shape", "Two tensors that must fit together measure {size_a} and {size_b}."),
    _row(
        "memory",
        "{memory_asked} more were asked for, {memory_free} of {memory_total} were free.",
    ),
    _row("memory", "A piece of {memory_asked} was asked for and did not fit."),
    _row("download", "The hub keeps {gated_repository} for people whom its owner has let in."),
    _row("download", "{http_host} answered with the status {http_status}."),
    _row("worker", "A DataLoader worker was ended by the signal {worker_signal}."),
    _row("place", "It stopped in {own_file}, line {own_line}."),
)


def describe_case(query: Query) -> tuple[str, ...]:
    """Return the sentences that this query's facts fill, as Markdown; () if there are none.

    Of a traceback only facts of the exception that explains the failure count.
    """
    values = case_values(query)
    said: dict[str, str] = {}
    for row in ROWS:
        if row.subject not in said and all(kind in values for kind in row.needs):
            said[row.subject] = _fill(row, values)
    return tuple(said.values())


def case_values(query: Query) -> dict[str, str]:
    """The first value of each kind of fact that belongs to the failure."""
    values: dict[str, str] = {}
    for fact in _relevant(query):
        values.setdefault(fact.kind, fact.value)
    return values


def _relevant(query: Query) -> Iterable[Fact]:
    exception = query.exception
    for fact in query.facts:
        place = fact.start < 0 or fact.kind.startswith("own_")
        if exception is None or place or exception.start <= fact.start < exception.end:
            yield fact
    for fact in query.facts:
        if exception is not None and _is_line_before(fact, exception, query):
            yield fact


_HEAD = "Traceback (most recent call last)"


def _is_line_before(fact: Fact, exception: ExceptionText, query: Query) -> bool:
    """Whether a fact stands in the line right above an exception's traceback and in no other one:
    OpenCV says there which file it could not read, and fails in the next call."""
    earlier = max((e.end for e in query.exceptions if e.end <= exception.start), default=0)
    head = query.text.rfind(_HEAD, earlier, exception.start)
    begin = head if head >= 0 else exception.start
    if not earlier <= fact.start < fact.end <= begin:
        return False
    return query.text.count("\n", fact.end, begin) <= 2  # a notebook rules a line between them


def _fill(row: CaseRow, values: Mapping[str, str]) -> str:
    text = row.text
    for kind in row.needs:
        text = text.replace(f"{{{kind}}}", as_code(values[kind]))
    return text
