"""Slots for facts in guide text: `{{missing_module}}`, `{{missing_file|the weights file}}`.

Knows which kinds there are and their plain words; refuses to know where a fact comes from.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from assistant.types import CodeBlock, Entry

SLOTS: Mapping[str, str] = {
    "missing_module": "the missing package",
    "missing_package": "the missing package",
    "missing_name": "the missing name",
    "missing_file": "the missing file",
    "own_file": "your file",
    "own_line": "the line in your code",
    "input_dtype": "the input's number format",
    "weight_dtype": "the weights' number format",
    "size_a": "the one size",
    "size_b": "the other size",
    "checkpoint_classes": "the classes of the file",
    "model_classes": "the classes of your model",
    "features_got": "the features that come in",
    "features_wanted": "the features that the layer wants",
    "features_out": "the features that the layer gives",
    "model_name": "the model's name",
    "image_size": "the size of your image",
    "model_size": "the size that the model expects",
    "label": "the label",
    "channels_wanted": "the channels that the layer wants",
    "channels_got": "the channels that it got",
    "memory_asked": "the memory that was asked for",
    "http_host": "the server",
    "python": "python",
}

# {{missing_module}}, {{missing_file|the weights file}}, also with a space inside the bars
SLOT = re.compile(r"\{\{ ?(?P<kind>[a-z_]{1,40}) ?(?:\| ?(?P<words>[^{}|\n]{0,80}?))? ?\}\}")


def plain(text: str) -> str:
    """Every slot as plain words: its own (after the bar) or those of its kind.

    Double braces around anything else stay: in a Python f-string they are braces.
    """
    return SLOT.sub(lambda slot: slot["words"] or SLOTS.get(slot["kind"], slot[0]), text)


def keep_template(entry: Entry) -> Entry:
    """The entry in plain words, with the one that was given as its template if that has slots.

    So whoever shows, searches or runs an entry without knowing facts never meets a slot.
    """
    if not any(SLOT.search(text) for text in (entry.body, *(b.code for b in entry.proof))):
        return entry

    def plainly(blocks: tuple[CodeBlock, ...]) -> tuple[CodeBlock, ...]:
        return tuple(replace(block, code=plain(block.code)) for block in blocks)

    return replace(
        entry,
        body=plain(entry.body),
        solution=plain(entry.solution),
        causes=tuple(plain(cause) for cause in entry.causes),
        check=plain(entry.check),
        blocks=plainly(entry.blocks),
        proof=plainly(entry.proof),
        template=entry,
    )


def fill(markdown: str, values: Mapping[str, str]) -> str:
    """Markdown with its slots filled: values stand as code in prose, quoted as their language wants
    in a fence. A slot without a value, or with one that cannot be meant, keeps its plain words.

    In shell fences, and behind `!` or `%`, only `python` (from a probe) is filled: nothing from a
    paste may reach a command (contracts 8).
    """
    lines = markdown.splitlines()
    return "\n".join(
        _fill_line(line, values, language=language)
        for language, line in zip(_languages(lines), lines, strict=True)
    )


def fill_code(code: str, values: Mapping[str, str], *, language: str) -> str:
    """The code of one fence, filled as `fill` does."""
    lines = code.split("\n")
    return "\n".join(_fill_line(line, values, language=language.lower()) for line in lines)


def aim(markdown: str, python: str) -> str:
    """Let the shell fences of a guide run `python`, the interpreter that a probe looked at."""
    lines, parts = markdown.split("\n"), []
    for language, group in groupby(zip(_languages(lines), lines, strict=True), itemgetter(0)):
        part = "\n".join(line for _, line in group)
        parts.append(part if language is None else aim_code(part, python, language=language))
    return "\n".join(parts)


def aim_code(code: str, python: str, *, language: str) -> str:
    """The code of one fence; one that enters an environment first means the Python in there."""
    if language.lower() not in _SHELLS or _ENTERS.search(code):
        return code
    path = shlex.quote(python)
    return _INTERPRETER.sub(
        lambda found: f"{found['before']}{path}{' -m pip' if found['pip'] else ''}", code
    )


_SHELLS = frozenset({"bash", "sh", "shell", "console", "zsh", ""})
# source ~/venvs/lab/bin/activate; conda activate lab; docker exec -it lab bash
_ENTERS = re.compile(r"\bactivate\b|\bdocker (?:run|exec)\b|\bnewgrp\b|^\s*ssh\s", re.MULTILINE)
# pip install timm; python -m pip install timm; python -c "import cv2" || python -m pip …; but not
# !pip or %pip, which mean the notebook's own, and not python -m venv, which makes another one
_INTERPRETER = re.compile(
    r"(?P<before>^\s*|(?:\|\||&&)\s*)"
    r"(?:python3?(?=\s+-c\s|\s+-m\s+pip\b)|(?P<pip>pip3?)(?=\s+(?:install|uninstall)\b))",
    re.MULTILINE,
)


# ```bash, also indented or behind the mark of a list item or a quotation
_FENCE = re.compile(r"^\s*(?:(?:[-*+>]|\d{1,3}[.)])\s+)*(?P<mark>`{3,}|~{3,})\s*(?P<language>\w*)")


def _languages(lines: Sequence[str]) -> Iterator[str | None]:
    """For each line the language of the fence that it stands in; None for prose and marks."""
    mark = language = ""
    for line in lines:
        fence = _FENCE.match(line)
        if mark and not (fence and fence["mark"].startswith(mark) and not fence["language"]):
            yield language
            continue
        if fence:
            mark, language = ("", "") if mark else (fence["mark"], fence["language"].lower())
        yield None


_PYTHON = frozenset({"python", "py", "python3", "ipython", "pycon"})
# what runs, installs or fetches, also from Python: !pip …, subprocess.run(["git", …])
_COMMAND = re.compile(
    r"^\s*[!%]|\b(?:pip3?|conda|mamba|apt(?:-get)?|npm|curl|wget|git|bash|sudo|docker|os\.system|"
    r"popen|subprocess|eval|exec|hub\.load|urlretrieve)\b",
    re.IGNORECASE,
)
_FROM_PROBES = frozenset({"python"})
# what a value may look like: no quotes, no spaces but within paths, nothing that a language obeys
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,80}")
_PATH = re.compile(r"(?=.*\w)[\w.~+@=/\\: -]{1,300}")  # not '...' of a message cut short
_NUMBER = re.compile(r"\d{1,9}")
_VALUES = {
    "missing_file": _PATH,
    "own_file": _PATH,
    "python": _PATH,
    "memory_asked": re.compile(r"\d[\d.]{0,11} [KMGTPE]iB"),
    "http_host": re.compile(r"[A-Za-z0-9.-]{1,120}"),
    "label": re.compile(r"-?\d{1,9}"),
} | dict.fromkeys(
    (
        "own_line size_a size_b checkpoint_classes model_classes channels_wanted channels_got "
        "features_got features_wanted features_out image_size model_size"
    ).split(),
    _NUMBER,
)


def _fill_line(line: str, values: Mapping[str, str], *, language: str | None) -> str:
    def one(slot: re.Match[str]) -> str:
        kind, value = slot["kind"], values.get(slot["kind"], "")
        if not _VALUES.get(kind, _NAME).fullmatch(value):
            return plain(slot.group(0))
        if language is None:
            inside = line[: slot.start()].count("`") % 2 == 1
            return value if inside else f"`{value}`"
        is_command = language not in _PYTHON or bool(_COMMAND.search(line))
        if is_command:
            return shlex.quote(value) if kind in _FROM_PROBES else plain(slot.group(0))
        around = line[slot.start() - 1 : slot.start()] + line[slot.end() : slot.end() + 1]
        is_bare = _NUMBER.fullmatch(value) or around in ("''", '""') or kind not in _QUOTED
        return value.replace("\\", "\\\\") if is_bare else repr(value)

    return SLOT.sub(one, line)


_QUOTED = frozenset({"missing_file", "own_file", "http_host", "memory_asked"})
