"""What `lint` asks of an entry's blocks: that the message comes from the package, not the author.

Reads the code as a syntax tree and runs nothing. It refuses to know how guides are parsed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from assistant.slots import SLOT, SLOTS, plain
from assistant.types import CodeBlock, Entry, Guide, Problem

_ENDERS = {"exit", "quit", "_exit", "abort", "kill", "raise_signal"}
_PRINTERS = {"print", "write", "warn", "error", "warning", "exception", "print_exc", "writelines"}
_MIN_TYPED = 18  # shorter words of a symptom, such as "nan" or "pixel accuracy", may be typed
# the name of an exception: RuntimeError, torch.OutOfMemoryError, LocalEntryNotFoundError
_PYTHON = re.compile(r"^ *```python\n(?:(?! *```).*\n)*", re.MULTILINE)  # f"{{x}}" is no slot
_EXCEPTION = re.compile(r"\b[A-Z]\w{1,60}(?:Error|Exception)\b")

# lines of a shell that print or end by themselves: echo "RuntimeError", exit 1, false, printf …
_SHELL_FAKE = re.compile(r"(?:^|[;&|]\s*)\s*(?P<word>echo|printf|exit|false|kill)\b", re.MULTILINE)


def find_block_problems(guides: Sequence[Guide]) -> tuple[Problem, ...]:
    """Problems of roles, slots and sources, by file and line."""
    found: list[Problem] = []
    for guide in guides:
        for entry in guide.entries:
            found.extend(_role_problems(entry))
            found.extend(_slot_problems(entry))
            if guide.origin and entry.kind == "error" and not entry.sources.strip():
                found.append(Problem(entry.file, entry.line, f"'{entry.id}' names no sources"))
            found.extend(
                Problem(entry.file, block.line, fault)
                for block in entry.proof
                for fault in _faults(block, entry)
            )
    return tuple(found)


def _role_problems(entry: Entry) -> Iterator[Problem]:
    first = {role: block for block in reversed(entry.proof) if (role := block.role)}
    for role in ("fix", "check"):
        if role in first and "reproduce" not in first:
            yield Problem(entry.file, first[role].line, f"a {role} block without a reproduce block")
    if "fix" in first and "check" not in first:
        yield Problem(entry.file, first["fix"].line, "a fix block without a check block")
    shown = {id(block) for block in entry.blocks if block.role == "fix"}
    for block in entry.proof:
        if block.role == "fix" and id(block) not in shown:
            yield Problem(entry.file, block.line, "a fix block belongs under **Solution**:")


def _slot_problems(entry: Entry) -> Iterator[Problem]:
    for text in (entry.title, *entry.symptoms):
        if SLOT.search(text):
            yield Problem(entry.file, entry.line, "a slot in a title or symptom, which is searched")
    for slot in SLOT.finditer(_PYTHON.sub("", entry.body)):
        if slot["kind"] not in SLOTS:
            yield Problem(entry.file, entry.line, f"unknown slot '{slot['kind']}'")


def _faults(block: CodeBlock, entry: Entry) -> Iterator[str]:
    if block.language == "bash":
        fake = _SHELL_FAKE.search(block.code) if block.role == "reproduce" else None
        if fake and (fake["word"] not in {"echo", "printf"} or _is_said(block.code, entry)):
            yield f"a reproduce block may not use '{fake['word']}': the message is the package's"
        return
    try:
        tree = ast.parse(plain(block.code))
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
            elif name in {"exec", "eval"}:
                yield f"a reproduce block may not call {name}(), which hides what it does"
            elif name in _PRINTERS and any(_is_said(text, entry) for text in _literals(node)):
                yield f"a reproduce block may not type the symptom in {name}(): it is computed"


def _called(call: ast.Call) -> str:
    """The last name of what is called: sys.exit(…) → exit."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _literals(call: ast.Call) -> Iterator[str]:
    """Texts that stand in a call's arguments, parts of f-strings included."""
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _is_said(text: str, entry: Entry) -> bool:
    """Does a typed text hold a symptom, or a good part of one? Numbers and marks do not count."""
    if _EXCEPTION.search(text):
        return True
    typed = _words(text)
    if len(typed) < _MIN_TYPED:
        return False
    return any(
        typed in symptom or (len(part) >= _MIN_TYPED and part in typed)
        for said in (entry.title, *entry.symptoms)
        for symptom in [_words(said)]
        for part in map(_words, said.split("..."))
    )


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z_]+", text.lower()))
