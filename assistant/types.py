"""The values that the rooms hand to each other, and the ports they reach the rim through.

It refuses to know how any of them is made: no file is read, no model named, nothing imported but
the standard library (numpy's name serves only the type checker). All values are frozen; line
numbers count from 1; spans are half-open character ranges into `Query.text`.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

EntryKind = Literal["error", "procedure", "question"]
QueryKind = Literal["traceback", "message", "log", "text", "smalltalk", "empty"]
Status = Literal["answer", "likely", "abstain"]
FindingStatus = Literal["ok", "warn", "fail", "no_data", "refused", "timeout"]
TargetKind = Literal["own", "interpreter", "kernel", "container"]
ParameterKind = Literal["choice", "number", "path", "name"]
Ruling = Literal["confirmed", "ruled_out"]
Role = Literal["system", "user", "assistant"]
BlockRole = Literal["", "reproduce", "fix", "check"]
Need = Literal["lab", "gpu", "spark", "pypi", "network"]


# --- knowledge -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a block wants when it is run to prove its entry: what must be there (`needs`), what must
    be absent (`without`, import names), and its limits in seconds and GB."""

    needs: tuple[Need, ...] = ()
    without: tuple[str, ...] = ()
    seconds: float = 60.0
    memory_gb: float = 4.0


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block: `language` is the first word of its info string, lower case, '' if none.

    `role` says what it proves when it is run ('' for a block that is only shown).
    """

    language: str
    code: str
    line: int = 0
    role: BlockRole = ""
    terms: Terms = Terms()


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a guide answers.

    `symptoms` are texts that a learner sees (messages, observations), wildcards `...` included.
    `solution` and `body` are Markdown with their code fences; `body` is the whole entry below its
    heading, but for its reproduction. `blocks` are the fences of the solution in order. `check` is
    Markdown, '' if none. `proof` are all blocks with a role in order: code that `verify` runs;
    `unproven` says in its author's words why an entry has no reproduction among them. All of it
    reads as plain words; `template` is the entry as its author wrote it, if that has slots.
    """

    id: str
    kind: EntryKind
    title: str
    section: str
    file: str
    line: int
    end_line: int
    body: str
    solution: str
    symptoms: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    check: str = ""
    sources: str = ""
    blocks: tuple[CodeBlock, ...] = ()
    origin: str = ""
    proof: tuple[CodeBlock, ...] = ()
    unproven: str = ""
    template: Entry | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a guide that its author should mend."""

    file: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Span:
    """Lines `first`..`last` (both included) of a guide that belong to no entry, and why."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Guide:
    """A parsed guide file: every line is in an entry, a `headings` line or an `ignored` span."""

    file: str
    title: str
    text: str
    entries: tuple[Entry, ...]
    headings: tuple[int, ...] = ()
    ignored: tuple[Span, ...] = ()
    problems: tuple[Problem, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text in somebody's words that entry `id` answers; `id` '' marks one that no entry does.

    `firm`: it is the title or a symptom of a shipped entry, so its message is that entry's own.
    `otherwise`: the entry that answers it where the guide with entry `id` is not loaded, or ''.
    """

    id: str
    text: str
    firm: bool = False
    otherwise: str = ""


# --- what was asked --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a traceback. `own` is true for the learner's code, not a library's."""

    file: str
    line: int
    function: str
    code: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class ExceptionText:
    """One exception that a text shows: dotted `name` ('' if only a message), `message`, frames."""

    name: str
    message: str
    start: int
    end: int
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """What a message says, e.g. kind 'missing_module', value 'timm', and where it was read."""

    kind: str
    value: str
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that a paste says; `text` is decoded, free of ANSI codes, and redacted.

    `exceptions` come in reading order; `cause` is the one that explains the failure (index into
    them, -1 if there is none). `words` is what the person wrote around the paste.
    """

    text: str
    kind: QueryKind
    words: str = ""
    exceptions: tuple[ExceptionText, ...] = ()
    cause: int = -1
    facts: tuple[Fact, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def exception(self) -> ExceptionText | None:
        """The exception that explains the failure, or None."""
        return self.exceptions[self.cause] if 0 <= self.cause < len(self.exceptions) else None


# --- what was found --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that may answer the query; `confidence` in 0..1, `why` in words for a reader."""

    id: str
    title: str
    confidence: float
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Matches, best first, and whether they are good enough to show a fix (contracts 7).

    `exact` is true when a message signature decided, so that no later stage can overrule it.
    """

    matches: tuple[Match, ...]
    status: Status
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Clue:
    """What a finding says about a cause, decided by the row's own rule.

    `topic` is what it speaks of: a signature family ("torchvision-operator"), or a kind of fact and
    its value ("missing_module=timm"). `text` is one plain sentence. `cause` is a regex (ignoring
    case) that finds, among the causes of any guide's entry, the ones it decides; '' decides none.
    """

    topic: str
    ruling: Ruling
    text: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found on one target; `next` is what to do, '' if nothing.

    `where` names the environment that was looked at, in words that a learner understands.
    `source` says what was read. `facts` are (name, value) pairs in reading order. `age` is how many
    seconds ago it was read; `pasted` marks one that a person brought from where we cannot look.
    """

    id: str
    status: FindingStatus
    summary: str
    next: str = ""
    entries: tuple[str, ...] = ()
    source: str = ""
    seconds: float = 0.0
    where: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    clues: tuple[Clue, ...] = ()
    age: float = 0.0
    pasted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a probe may be told: one of `choices`, a number in `low`..`high`, a path that lies
    inside the allowed roots, or the name of a Python package. An empty `default` on a path means
    that it must be given; on a name, that it may be left out. `told_by` is the kind of fact of a
    paste that may fill it, '' if none."""

    name: str
    title: str
    kind: ParameterKind
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    default: str = ""
    told_by: str = ""


@dataclass(frozen=True, slots=True)
class ProbeInfo:
    """What a reader may know of a probe before pressing its button.

    `quick` rows need no parameter and little time, so `doctor` and the page may run them together.
    `informs` are families of signatures and kinds of facts that it can tell more about, `entries`
    ids of entries without an exception. `is_cell` rows look at a learner's own variables: they are
    not run here, but copied into the notebook, and what they print is pasted.
    """

    id: str
    title: str
    reads: str
    never: str
    parameters: tuple[Parameter, ...] = ()
    seconds: float = 10.0
    quick: bool = True
    informs: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    is_cell: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A Python environment that probes look at. `argv` starts its interpreter; it is never typed
    by a user: the operator configures it or a read-only discovery found it.

    `folder` is where its programs work, '' if unknown. `environment` are variables that they see
    (listed names; of secrets only "set"), None if that is unknown. `pid` is that of a running
    kernel, 0 otherwise.
    """

    name: str
    kind: TargetKind
    argv: tuple[str, ...]
    label: str
    folder: str = ""
    environment: tuple[tuple[str, str], ...] | None = None
    pid: int = 0


# --- the answer ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FixText:
    """The shown fix: entry id, Markdown `text` with its code, and the code blocks by themselves.

    `origin` says which knowledge it comes from, `sources` (Markdown) what that rests on, `proof`
    when and with which versions it was last proven, or why it was not.
    """

    entry: str
    text: str
    blocks: tuple[CodeBlock, ...] = ()
    origin: str = ""
    sources: str = ""
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question with its answer, as the next question sees it (contracts 5).

    `findings` are kept so that later turns may rest on them.
    """

    query: Query
    match_ids: tuple[str, ...]
    fix: FixText | None
    text: str
    fingerprint: str
    findings: tuple[Finding, ...] = ()


Conversation = tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of generated text, as the model gave it: unchecked, not for a reader's eyes."""

    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is busy; `position` readers (at least 1) come before this one."""

    position: int


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """Whether the model can answer now; `message` is one line for a reader ('' if nothing)."""

    state: Literal["loading", "ready", "away"]
    message: str = ""


# --- ports -----------------------------------------------------------------------------------


class Encoder(Protocol):
    """Texts to vectors; `id` names model and revision and keys the vector cache."""

    @property
    def id(self) -> str:
        """Changes whenever the same text would get another vector."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [len(texts), views, dim], each of length 1; view 0 is the sentence's."""


class Reranker(Protocol):
    """Reads a text beside the first entries and says which of them answers it, if any."""

    @property
    def is_ready(self) -> bool:
        """Whether `score` would say something now; asked before every question."""

    def score(self, prompt: str, pages: int) -> np.ndarray | None:
        """Return log-probabilities float32 [1 + pages], none of them first; None if it cannot say.

        `prompt` is `reranking.rerank_prompt`'s, with so many entries ('pages') in it. Never raises.
        """


class Backend(Protocol):
    """A language model that writes sentences about an entry."""

    @property
    def name(self) -> str:
        """Short name for the answer's footer, e.g. 'SmolLM2-135M-Instruct (tiny) on cpu'."""

    @property
    def is_tiny(self) -> bool:
        """Whether it needs examples, and only its first sentence can be relied on."""

    def load(self) -> None:
        """Load now (idempotent, thread-safe). Raises BackendError."""

    def status(self) -> BackendStatus:
        """Return at once, whatever else goes on."""

    def generate(
        self, messages: Sequence[Message], *, cancel: threading.Event
    ) -> Generator[Token | Waiting, None, None]:
        """Yield pieces of text until done, cancelled or out of time.

        Closing the iterator or setting `cancel` ends the generation within one token.
        Raises BackendBusyError when too many wait, BackendError when the model fails.
        """

    def unload(self) -> None:
        """Free the model's memory when nobody uses it; the next question loads it again."""

    def close(self) -> None:
        """End running generations and free the model."""


class Prober(Protocol):
    """Runs read-only probes on targets; everything expected is a Finding, never an exception."""

    def probes(self) -> tuple[ProbeInfo, ...]:
        """Return the rows that can be run, in display order."""

    def targets(self) -> tuple[Target, ...]:
        """Return the environments that can be looked at, the default first."""

    def run(
        self,
        probe_ids: Sequence[str],
        *,
        target: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> tuple[Finding, ...]:
        """Run rows on the named target (None: the default) and return one finding for each.

        `parameters` are texts by parameter name; one that is not allowed gives a refused finding.
        """

    def read_pasted(self, text: str) -> tuple[Finding, ...]:
        """Return what a person brought from where we cannot look, marked as pasted; () if none."""

    def choose(self, paths: Sequence[str]) -> Target | None:
        """Return the environment that the paths of a traceback's frames belong to, else the only
        running kernel, else None: ask."""

    def cell(self, probe_id: str) -> str:
        """Return a notebook cell that does the same where we cannot look; '' if there is none."""


class Retriever(Protocol):
    """Finds entries for a query; `fast` needs no encoder, `search` all but the reranker."""

    @property
    def has_reranker(self) -> bool:
        """Whether `rerank` may still change what `search` found."""

    def fast(self, query: Query) -> Retrieval:
        """Signature and lexical results, in milliseconds."""

    def search(self, query: Query) -> Retrieval:
        """The fused, calibrated result."""

    def rerank(self, query: Query, found: Retrieval) -> Retrieval:
        """What `search` found, after a reranker has read it; the same where there is none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One immutable state of the knowledge: guides, entries by id, retriever, fingerprint."""

    entries: dict[str, Entry]
    retriever: Retriever
    fingerprint: str
    notices: tuple[str, ...] = ()
    guides: tuple[Guide, ...] = field(default=())
