"""Where we cannot look: a cell to run there, and reading what it printed.

The cell is the same probe code, in plain sight, started as a process of its own, so that it changes
nothing in the notebook and a crash does not end its kernel. Only a check of the learner's own
variables runs in the notebook itself. What comes back was in many hands: it is read like every
document of a target, and its findings say that they were pasted.

It refuses to know where the text came from, and it runs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources

from assistant.probes.document import Document, clean, get_number, get_section, get_text
from assistant.probes.mask import mask_finding
from assistant.probes.packages import NAMES
from assistant.probes.registry import PROBES
from assistant.probes.row import Probe
from assistant.probes.source import probe_source
from assistant.types import Finding

WHERE = "pasted by you"
_KEY = '"assistant_probe"'
# `python` is the one with which an answer writes commands: nothing out of a paste is
_PASTED_NAMES = {"python": "python by the paste"}
_MOST = 20  # documents in one text
_LONGEST = 1_000_000
_NEXT = "Put your own names into the cell's first function."
# labels: nothing was read (NameError: name 'labels' is not defined). Put …
_UNREAD = re.compile(r"^([a-z][a-z-]{1,30}): nothing was read \((.{1,320}?)\)\. Put ", re.MULTILINE)
_VERSION = re.compile(r"\d\.\d{1,2}\.\d{1,2}\w{0,4}")  # 3.12.3, 3.14.0rc2


def build_cell(row: Probe) -> str:
    """Return a notebook cell that prints the row's document; it needs no parameter.

    Only the row's id goes into it: nothing that a person typed. A row that is a cell by itself runs
    in the notebook, on the variables that its first function names.
    """
    if row.cell:
        return _build_own_cell(row)
    order = {
        "rows": [row.id],
        "marker": "",
        "folder": "",
        "home": "",
        "packages": NAMES,
        "parameters": {},
    }
    return (
        f"# {row.title}: reads {row.reads}.\n"
        f"# It {row.never}. Run this cell and paste what it prints into the assistant.\n"
        "import subprocess, sys\n\n"
        f"CODE = r'''\n{probe_source([row.id])}'''\n"
        f"ORDER = r'''{json.dumps(order)}'''\n"
        "result = subprocess.run([sys.executable, '-c', CODE, ORDER], stdin=subprocess.DEVNULL, "
        f"capture_output=True, text=True, timeout={row.seconds + 30:.0f})\n"
        "print(result.stdout.strip() or result.stderr[-1000:])\n"
    )


# The end of a cell that looks at variables: whatever they are, it prints one line, and leaves no
# name behind.
_LOOK = """

def assistant_check():
    import json

    try:
        found = assistant_look(**assistant_names())
        document = {"assistant_probe": 1, "rows": {ROW: found}}
        print(json.dumps(document, default=str))
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(f"{ROW}: nothing was read ({said}). {NEXT}")


assistant_check()
del assistant_names, assistant_look, assistant_check
"""


def _build_own_cell(row: Probe) -> str:
    code = resources.files("assistant.probes").joinpath("cells", row.cell).read_text("utf-8")
    _, _, code = code.partition('"""\n')  # without the docstring of the file
    end = _LOOK.replace("{ROW}", row.id).replace("ROW", json.dumps(row.id)).replace("{NEXT}", _NEXT)
    return (
        f"# {row.title}: reads {row.reads}.\n"
        f"# It {row.never}. Paste what it prints into the assistant.\n\n\n"
        f"{code.strip()}\n{end}"
    )


def read_pasted(text: str, *, rows: Sequence[Probe] = PROBES) -> tuple[Finding, ...]:
    """Return the findings of every probe document that stands in the text; () if there is none.

    Of two about one row the later one counts. Nothing in it is trusted or run.
    """
    known = {row.id: row for row in rows}
    found = {finding.id: finding for finding in _find_unread(text, known)}
    for document in _find_documents(text):
        for name in get_section(document, "rows"):
            row = known.get(str(name))
            if row is not None:
                found[row.id] = _interpret(row, document)
    return tuple(found[name] for name in known if name in found)


def _find_unread(text: str, known: Mapping[str, Probe]) -> Iterator[Finding]:
    """What a cell says that found other variables than it looks for."""
    for name, said in _UNREAD.findall(text)[:_MOST]:
        if name in known:
            words = f"The cell could not look: {clean(said)}"
            finding = Finding(name, "no_data", words, _NEXT, where=WHERE, pasted=True)
            yield mask_finding(finding)


def _interpret(row: Probe, document: Document) -> Finding:
    section = {**get_section(document, "rows", row.id), "own": False, "known": True}
    section["pasted"] = True
    for name in ("variables", "secrets", "parameters", "others"):
        section.pop(name, None)  # the runner's word, which a paste cannot have
    python = get_text(document, "python")
    where = f"{WHERE} (Python {python})" if _VERSION.fullmatch(python) else WHERE
    seconds = get_number(document, "seconds", row.id) or 0.0
    finding = row.read(section, where=where)
    facts = tuple((_PASTED_NAMES.get(name, name), value) for name, value in finding.facts)
    return replace(finding, facts=facts, seconds=seconds, pasted=True)


def _find_documents(text: str) -> Iterator[Mapping[str, object]]:
    """Read the JSON objects that begin with our key; what stands around them is passed over."""
    decoder = json.JSONDecoder()
    place = -1
    for _ in range(_MOST):
        place = text.find(_KEY, place + 1)
        if place < 0:
            return
        start = text.rfind("{", 0, place)
        if start < 0 or text[start + 1 : place].strip():
            continue
        try:
            value, _ = decoder.raw_decode(text[start : start + _LONGEST])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value
