"""Slots for facts in guide text: `{{missing_module}}`, `{{missing_file|the weights file}}`.

Knows which kinds there are and their plain words; refuses to know where a fact comes from.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

SLOTS: Mapping[str, str] = {
    "missing_module": "the missing package",
    "missing_file": "the missing file",
    "own_file": "your file",
    "own_line": "the line in your code",
    "input_dtype": "the input's number format",
    "weight_dtype": "the weights' number format",
    "size_a": "the one size",
    "size_b": "the other size",
    "checkpoint_classes": "the classes of the file",
    "model_classes": "the classes of your model",
    "channels_wanted": "the channels that the layer wants",
    "channels_got": "the channels that it got",
    "memory_asked": "the memory that was asked for",
    "http_host": "the server",
    "python": "python",
}

# {{missing_module}}, {{ missing_file|the weights file }}
SLOT = re.compile(r"\{\{ ?(?P<kind>[a-z_]{1,40}) ?(?:\|(?P<words>[^{}|\n]{0,80}))?\}\}")


def plain(text: str) -> str:
    """Every slot as plain words: its own (after the bar) or those of its kind.

    Double braces around anything else stay: in a Python f-string they are braces.
    """
    return SLOT.sub(lambda slot: slot["words"] or SLOTS.get(slot["kind"], slot[0]), text)


def fill(markdown: str, values: Mapping[str, str]) -> str:
    """Markdown with its slots filled: values stand as code in prose, quoted as their language wants
    in a fence. A slot without a value, or with one that cannot be meant, keeps its plain words.

    In shell fences, and behind `!` or `%`, only `python` (from a probe) is filled: nothing from a
    paste may reach a command (contracts 8).
    """
    language, lines = None, []
    for line in markdown.splitlines():
        fence = _FENCE.match(line)
        if fence:
            language = None if language is not None else fence["language"].lower()
        lines.append(_fill_line(line, values, language=language))
    return "\n".join(lines)


def fill_code(code: str, values: Mapping[str, str], *, language: str) -> str:
    """The code of one fence, filled as `fill` does."""
    lines = code.split("\n")
    return "\n".join(_fill_line(line, values, language=language.lower()) for line in lines)


# pip install timm; python -m pip install -U timm; not !pip or %pip, which mean the notebook's own
_PIP = re.compile(r"^(?P<indent>\s*)(?:python3?\s+-m\s+)?pip3?(?=\s+(?:install|uninstall)\b)", re.M)


def aim_pip(text: str, python: str) -> str:
    """Let shell lines that install packages name the interpreter that a probe looked at."""
    return _PIP.sub(lambda found: f"{found['indent']}{shlex.quote(python)} -m pip", text)


_FENCE = re.compile(r"^\s{0,3}(?:`{3,}|~{3,})\s*(?P<language>\w*)")
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
_PATH = re.compile(r"[\w.~+@=/\\: -]{1,300}")
_NUMBER = re.compile(r"\d{1,9}")
_VALUES = {
    "missing_file": _PATH,
    "own_file": _PATH,
    "python": _PATH,
    "memory_asked": re.compile(r"[\d.]{1,12} [KMGT]iB"),
    "http_host": re.compile(r"[A-Za-z0-9.-]{1,120}"),
} | dict.fromkeys(
    (
        "own_line size_a size_b checkpoint_classes model_classes channels_wanted channels_got"
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
