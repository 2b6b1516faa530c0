"""What `lint` asks of an entry's blocks and data: that the message comes from the package, not
from the author; sources that can be opened; and code that is still the one that was verified.

Reads the code as a syntax tree and runs nothing. It refuses to know how guides are parsed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from assistant.skeleton import UNWRITTEN
from assistant.slots import SLOT, SLOTS
from assistant.types import CodeBlock, Entry, Guide, Problem
from assistant.verified import Verified, blocks_digest

_ENDERS = {"exit", "quit", "_exit", "abort", "kill", "raise_signal"}
_HIDERS = {"exec", "eval", "compile"}  # as builtins; net.eval() and torch.compile() are others
_MIN_TYPED = 18  # shorter words of a symptom, such as "nan" or "pixel accuracy", may be typed
_MIN_WORDS = 3  # and single names, which a package may repeat: "deit_small_patch16_22"
_PYTHON = re.compile(r"^ *```python\n(?:(?! *```).*\n)*", re.MULTILINE)  # f"{{x}}" is no slot
# the name of an exception: RuntimeError, torch.OutOfMemoryError, LocalEntryNotFoundError
_EXCEPTION = re.compile(r"\b[A-Z]\w{1,60}(?:Error|Exception|Warning)\b")

# lines of a shell that end by themselves: exit 1, false, kill 1; python -c "raise ValueError(1)"
_SHELL_FAKE = re.compile(r"(?:^|[;&|]\s*)\s*(?P<word>exit|false|kill)\b", re.MULTILINE)
_SHELL_RAISE = re.compile(r"\b(?P<word>raise|assert|sys\.exit|os\._exit|os\.abort)\b")
_LINK = re.compile(r"\]\((?P<address>[^)\s]*)\)")


def find_block_problems(
    guides: Sequence[Guide], verified: Mapping[str, Verified]
) -> tuple[Problem, ...]:
    """Problems of roles, slots, sources and proofs, by file and line. `verified` is what is known
    of the last verification, by id."""
    found: list[Problem] = []
    for guide in guides:
        found.extend(_unwritten(guide))
        for entry in guide.entries:
            found.extend(_role_problems(entry))
            found.extend(_slot_problems(entry.template or entry))
            found.extend(_source_problems(entry))
            last = verified.get(entry.id)
            if entry.proof and last and last.blocks != blocks_digest(entry):
                fault = f"the code of '{entry.id}' is not the one verified on {last.date}; run: "
                fault += "assistant verify --changed --write"
                found.append(Problem(entry.file, entry.line, fault))
            found.extend(
                Problem(entry.file, block.line, fault)
                for block in entry.proof
                for fault in _faults(block, entry)
            )
    return tuple(found)


def _unwritten(guide: Guide) -> Iterator[Problem]:
    """Lines that `new-entry` left for the author to write."""
    for number, line in enumerate(guide.text.split("\n"), start=1):
        words = next((words for words in UNWRITTEN if words in line), None)
        if words:
            yield Problem(guide.file, number, f"still to be written: '{words}'")


def _role_problems(entry: Entry) -> Iterator[Problem]:
    first = {role: block for block in reversed(entry.proof) if (role := block.role)}
    for role in ("fix", "check"):
        if role in first and "reproduce" not in first:
            yield Problem(entry.file, first[role].line, f"a {role} block without a reproduce block")
    if "fix" in first and "check" not in first:
        yield Problem(entry.file, first["fix"].line, "a fix block without a check block")
    shown = {block.line for block in entry.blocks if block.role == "fix"}
    for block in entry.proof:
        if block.role == "fix" and block.line not in shown:
            yield Problem(entry.file, block.line, "a fix block belongs under **Solution**:")


def _slot_problems(entry: Entry) -> Iterator[Problem]:
    for text in (entry.title, *entry.symptoms):
        if SLOT.search(text):
            yield Problem(entry.file, entry.line, "a slot in a title or symptom, which is searched")
    for slot in SLOT.finditer(_PYTHON.sub("", entry.body)):
        if slot["kind"] not in SLOTS:
            yield Problem(entry.file, entry.line, f"unknown slot '{slot['kind']}'")


def _source_problems(entry: Entry) -> Iterator[Problem]:
    """Guides that say where they come from also say what they rest on, with links to open."""
    if entry.origin and entry.kind == "error" and not entry.sources.strip():
        yield Problem(entry.file, entry.line, f"'{entry.id}' names no sources")
    for link in _LINK.finditer(entry.sources):
        parts = urlsplit(link["address"])
        if parts.scheme != "https" or "." not in (parts.hostname or ""):
            yield Problem(entry.file, entry.line, f"'{link['address']}' is no https address")


def _faults(block: CodeBlock, entry: Entry) -> Iterator[str]:
    if block.language == "bash":
        if block.role == "reproduce":
            yield from _typed_in_shell(block.code, entry)
        return
    try:
        tree = ast.parse(block.code)
    except (SyntaxError, ValueError, RecursionError) as error:
        if block.role != "reproduce":  # a message about syntax may be what is reproduced
            yield f"the {block.role} block is not Python: {error}"
        return
    if block.role == "reproduce":
        yield from _typed(tree, entry)
    if block.role == "check" and not any(isinstance(n, ast.Assert) for n in ast.walk(tree)):
        yield "a check block without an assertion"


def _typed(tree: ast.AST, entry: Entry) -> Iterator[str]:
    """Ways in which a reproduction could raise or print the symptom by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            yield "a reproduce block may not raise: the message is the package's"
        elif isinstance(node, ast.Assert):
            yield "a reproduce block may not assert: the message is the package's"
        elif isinstance(node, ast.Call):
            name = _called(node)
            if name in _ENDERS or name == "SystemExit":
                yield f"a reproduce block may not call {name}()"
            elif name in _HIDERS and isinstance(node.func, ast.Name):
                yield f"a reproduce block may not call {name}(), which hides what it does"
        elif isinstance(node, ast.Constant) and _is_said(_as_text(node.value), entry):
            yield "a reproduce block may not type the symptom: it is computed"


def _typed_in_shell(code: str, entry: Entry) -> Iterator[str]:
    """The same for a shell, also for the Python that it may start."""
    fake = _SHELL_FAKE.search(code) or _SHELL_RAISE.search(code)
    if fake:
        yield f"a reproduce block may not use '{fake['word']}': the message is the package's"
    elif any(_is_said(line, entry) for line in code.splitlines()):
        yield "a reproduce block may not type the symptom: it is computed"


def _called(call: ast.Call) -> str:
    """The last name of what is called: sys.exit(…) → exit."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _as_text(value: object) -> str:
    """A literal's text, parts of f-strings included; '' for numbers and the like."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""


def _is_said(text: str, entry: Entry) -> bool:
    """Does a typed text hold a symptom, or a good part of one? Numbers and marks do not count."""
    if _EXCEPTION.search(text):
        return True
    typed = _words(text)
    if len(typed) < _MIN_TYPED or len(text.split()) < _MIN_WORDS:
        return False
    return any(
        typed in symptom or (len(part) >= _MIN_TYPED and part in typed)
        for said in (entry.title, *entry.symptoms)
        for symptom in [_words(said)]
        for part in map(_words, said.split("..."))
    )


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z_]+", text.lower()))
