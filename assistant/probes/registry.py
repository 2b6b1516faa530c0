"""The rows: what each probe reads, never does, and which messages it informs.

It refuses to know how a row is run. `informs` names families of signatures and kinds of facts, so
that any guide profits; `entries` are ids only of entries without an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from assistant.probes.document import Document
from assistant.probes.environment import interpret_environment
from assistant.probes.gpu import interpret_gpu
from assistant.probes.memory import interpret_memory
from assistant.probes.packages import interpret_packages
from assistant.types import Finding, ProbeInfo


class Interpret(Protocol):
    """Turns a row's collected document into a finding."""

    def __call__(self, document: Document, *, where: str) -> Finding:
        """Return the finding; never raise, whatever the document holds."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One row. `seconds` is its time limit."""

    id: str
    title: str
    reads: str
    never: str
    seconds: float
    informs: tuple[str, ...]
    entries: tuple[str, ...]
    interpret: Interpret

    @property
    def info(self) -> ProbeInfo:
        """What a reader may know before pressing the button."""
        return ProbeInfo(self.id, self.title, self.reads, self.never, seconds=self.seconds)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="gpu",
        title="GPU and torch",
        reads="driver, device and clocks (NVML); torch's version, CUDA build and architecture list",
        never="opens no CUDA context, runs nothing on the GPU, changes no setting",
        seconds=30.0,
        informs=("cpu-only-torch", "no-kernel-image", "missing-library", "torch_version"),
        entries=("vit-training-slow", "why-ngc-container"),
        interpret=interpret_gpu,
    ),
    Probe(
        id="memory",
        title="Memory",
        reads="memory of GPU and machine, page cache, swap, /dev/shm, which processes hold the GPU",
        never="ends no process, frees nothing, reads no command lines, opens no CUDA context",
        seconds=10.0,
        informs=("cuda-out-of-memory", "sam-out-of-memory", "memory_asked", "worker_signal"),
        entries=("gpu-memory-reset", "clear-gpu-memory", "batch-size"),
        interpret=interpret_memory,
    ),
    Probe(
        id="packages",
        title="Packages",
        reads="which packages of the course this Python would import, version and file; names of "
        "files in the working folder that would be imported instead",
        never="imports, installs and changes nothing",
        seconds=10.0,
        informs=(
            "missing-module", "missing_module", "torchvision-operator", "numpy-abi",
            "cpu-only-torch",
        ),
        entries=("environment-reset",),
        interpret=interpret_packages,
    ),
    Probe(
        id="environment",
        title="Environment",
        reads="interpreter, pip, container, system, limits, free disk; of secrets only whether set",
        never="shows no value of a secret, writes nothing",
        seconds=10.0,
        informs=("missing-module", "missing_module", "dataloader-worker", "download-refused"),
        entries=("environment-reset", "dataloader-hang", "why-ngc-container"),
        interpret=interpret_environment,
    ),
)  # fmt: skip
