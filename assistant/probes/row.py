"""What a row is: its texts, its limits, and the rule that turns a document into a finding.

It refuses to know which rows there are, and how one is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assistant.probes.document import Document
from assistant.probes.mask import mask_finding
from assistant.types import Finding, Parameter, ProbeInfo


class Interpret(Protocol):
    """Turns a row's collected document into a finding."""

    def __call__(self, document: Document, *, where: str) -> Finding:
        """Return the finding; never raise, whatever the document holds."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One row. `seconds` is its time limit.

    `quick`: needs no parameter and little time, so that `doctor` runs it. `alone`: heavy or
    dangerous, so that it gets a process of its own. `torch`: imports torch, which needs tens of GB
    of address space: it runs last, and only its resident memory is bounded, by `memory_bytes`.
    `network`: may ask the hosts that it lists. `file_bytes` is the largest file (shared memory
    counts) that it may write, in its private folder. `compares` says of a document whether the
    same row of the other interpreters is needed too (its interpret finds them as `others`).
    `cell` names a file below cells/: such a row looks at variables of a notebook, so that no target
    can run it; a learner runs the cell and pastes what it prints.
    """

    id: str
    title: str
    reads: str
    never: str
    seconds: float
    informs: tuple[str, ...]
    entries: tuple[str, ...]
    interpret: Interpret
    parameters: tuple[Parameter, ...] = ()
    quick: bool = True
    alone: bool = False
    torch: bool = False
    network: bool = False
    memory_bytes: int = 8 << 30
    file_bytes: int = 1 << 20
    compares: Callable[[Document], bool] | None = None
    cell: str = ""

    @property
    def needs_path(self) -> bool:
        """Whether it can do nothing before it is told which file."""
        return any(one.kind == "path" and not one.default for one in self.parameters)

    @property
    def info(self) -> ProbeInfo:
        """What a reader may know before pressing the button."""
        return ProbeInfo(
            self.id,
            self.title,
            self.reads,
            self.never,
            parameters=self.parameters,
            seconds=self.seconds,
            quick=self.quick,
            informs=self.informs,
            entries=self.entries,
            is_cell=bool(self.cell),
        )

    def read(self, document: Document, *, where: str) -> Finding:
        """The row's finding with secrets masked. A document comes from a foreign program: should
        one ever trip a rule, that is said in a finding, so that no other row is lost."""
        try:
            return mask_finding(self.interpret(document, where=where))
        except Exception as error:
            words = f"What this Python said could not be understood ({type(error).__name__})."
            return Finding(self.id, "no_data", words, where=where)
