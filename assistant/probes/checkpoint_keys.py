"""Row `checkpoint-keys`: which network a file of weights belongs to, and how it was wrapped.

It refuses to know how the document was collected; the network is told by assistant/architectures.py
from names and shapes. What a pickle would import is judged by name, and was not imported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from assistant.architectures import Architecture, Shape, is_same, recognise, strip_wrappers
from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    clean,
    combine,
    get,
    get_error,
    get_number,
    get_text,
    get_texts,
)
from assistant.types import Clue, Finding

SOURCE = "header or pickle of the file, followed without running anything in it"
ANY = "any"
CLASSES = r"number of classes|classes differ|num_classes|last layer"
WRAPPED = r"module\.|DataParallel|torch\.compile|_orig_mod|\bprefix"
NESTED = r"dictionary with more|under a key|nested|checkpoint dict"
OTHER_NETWORK = r"(?:another|other|different|wrong) (?:architecture|model|network)|mismatch between"
BROKEN_FILE = r"broke off|incomplete|truncated|corrupt|damaged|error page"

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
# torch._utils._rebuild_tensor_v2, torch.HalfStorage: what torch loads with weights_only=True
_PLAIN = re.compile(
    r"torch\.(?:_utils\._rebuild_\w+|_tensor\._rebuild_from_type_v2|\w+Storage|Size|device|bool"
    r"|\w*float\w*|\w*int\d+|double|half|long|nn\.parameter\.Parameter|storage\.\w*Storage"
    r"|serialization\._get_layout|jit\._pickle\.build_\w+)"
    r"|collections\.(?:OrderedDict|Counter|defaultdict)|_codecs\.encode"
    r"|(?:__builtin__|builtins)\.(?:set|dict|list|tuple|int|float|bool|str|bytes|bytearray|complex)"
    r"|numpy\.(?:_?core\.(?:multiarray|numeric)\.\w+|dtype|ndarray|dtypes\.\w+|[a-z]+\d+)"
    r"|__torch__\.[\w.]{1,200}"
)
# posix.system, builtins.eval, and names that are computed ('?'): what no network needs
_DANGEROUS = re.compile(
    r"(?:os|posix|nt|subprocess|sys|shutil|socket|ctypes|importlib|runpy|pty|webbrowser|urllib|http"
    r"|requests|code|marshal|pickle|asyncio|multiprocessing|commands)(?:\.[\w.]{1,200})?"
    r"|(?:__builtin__|builtins)\.(?:eval|exec|compile|open|getattr|setattr|__import__|breakpoint)"
    r"|torch\.(?:load|hub\.\w{1,80})"
    r"|.{0,300}(?:\?|\.system|\.popen|\.exec|\.eval|\.__import__|\.runstring)"
)


def interpret_checkpoint_keys(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    weights = _read_weights(document)
    found = recognise(weights, complete=True) if weights else None
    complaints = [
        *_damage(document),
        *_danger(document),
        *_objects(document),
        *_script(document),
        *_wrapping(document, weights),
        *_comparison(document, found),
    ]
    verdict = combine(complaints, healthy="")
    if not get_text(document, "path"):
        verdict = Verdict("no_data", "No file was read.")
    elif not get_error(document, "content"):
        holds = _holds(document, weights, found)
        verdict = replace(verdict, summary=f"{holds} {verdict.summary}".strip())
    return build_finding(
        "checkpoint-keys",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document, weights, found),
        clues=tuple(_clues(document, weights, found)),
    )


def _read_weights(document: Document) -> dict[str, Shape]:
    value = get(document, "content", "weights")
    weights: dict[str, Shape] = {}
    for row in value if isinstance(value, list) else []:
        name, shape = (row[0], row[1]) if isinstance(row, list) and len(row) > 1 else (None, None)
        if isinstance(name, str) and isinstance(shape, list):
            numbers = [n for n in shape if isinstance(n, int) and not isinstance(n, bool)]
            weights[clean(name)] = tuple(numbers)
    return weights


def _holds(document: Document, weights: dict[str, Shape], found: Architecture | None) -> str:
    if not weights:
        root = get_text(document, "content", "root")
        what = f" It holds {root}." if root else ""
        return f"There is no table of weights in this file.{what}"
    if found is None:
        return f"The file holds {len(weights)} weights of a network that is not known here."
    inside = found.prefix and strip_wrappers(found.prefix)[1]
    place = f' (its names begin with "{inside}")' if inside else ""
    return f"The file holds {found.words}{place}."


def _damage(document: Document) -> Iterator[Verdict]:
    if get(document, "whole") is False:
        yield Verdict(
            "fail",
            f"The file is damaged or no checkpoint: {get_text(document, 'kind')}, "
            f"{_size(document)}.",
            "Delete it and download or save it again.",
        )
    elif error := get_error(document, "content"):
        yield Verdict("fail", f"The file could not be read: {error}")


def _danger(document: Document) -> Iterator[Verdict]:
    names = _dangerous_names(document)
    if names:
        yield Verdict(
            "fail",
            f"Loading it as a whole would use {', '.join(names[:3])}, which no network needs.",
            "Do not load it, least of all with weights_only=False. Get the weights elsewhere.",
        )


def _objects(document: Document) -> Iterator[Verdict]:
    """Whole Python objects instead of a table: torch 2.6 and later refuse them by default."""
    names = _object_names(document)
    if names and not _dangerous_names(document):
        packages = sorted({name.partition(".")[0] for name in names})
        yield Verdict(
            "warn",
            f"It holds whole Python objects ({names[0]}), which torch.load refuses with "
            "weights_only=True, its default since torch 2.6.",
            f"Load it with the package that wrote it ({', '.join(packages[:3])}), and only if you "
            "trust where it comes from.",
        )


def _script(document: Document) -> Iterator[Verdict]:
    if get(document, "content", "script") is True:
        yield Verdict(
            "warn",
            "It is a TorchScript program, no table of weights for load_state_dict.",
            "Open it with torch.jit.load, if you trust where it comes from.",
        )


def _wrapping(document: Document, weights: dict[str, Shape]) -> Iterator[Verdict]:
    path = get_texts(document, "content", "path")
    if path and not _object_names(document):
        keys = "".join(f'["{key}"]' for key in path)
        plain = all(_PLAIN_KEY.fullmatch(key) for key in path)  # else it could be any program
        yield Verdict(
            "warn",
            f"The weights lie under the key {' / '.join(path)}.",
            f"Take them out before load_state_dict{f': content{keys}' if plain else '.'}",
        )
    wrapper = _wrapper(weights)
    if wrapper:
        yield Verdict(
            "warn",
            f'The names begin with "{wrapper}", from DataParallel or torch.compile.',
            f'Remove "{wrapper}" from the names before load_state_dict.',
        )


def _wrapper(weights: dict[str, Shape]) -> str:
    """The prefix that most names share, '' if none."""
    counts = Counter(strip_wrappers(name)[0] for name in weights)
    prefix, count = counts.most_common(1)[0] if counts else ("", 0)
    return prefix if count > len(weights) / 2 else ""


def _comparison(document: Document, found: Architecture | None) -> Iterator[Verdict]:
    wanted, classes = _wanted(document)
    if found is None:
        return
    if wanted and not is_same(found, wanted):
        yield Verdict(
            "fail",
            f"That is not {wanted}.",
            f"Build {found.words} for this file, or take a file of {wanted}.",
        )
    if classes and found.classes is not None and found.classes != classes:
        yield Verdict(
            "fail",
            f"It was trained for {found.classes} classes, not {classes:.0f}.",
            f"Build the network with {found.classes} classes, load the file, and exchange the last "
            "layer afterwards.",
        )


def _wanted(document: Document) -> tuple[str, float]:
    """What it is compared with: ('' or 0 where nothing was said)."""
    wanted = get_text(document, "parameters", "architecture")
    classes = get_number(document, "parameters", "classes") or 0.0
    return "" if wanted == ANY else wanted, classes


def _clues(
    document: Document, weights: dict[str, Shape], found: Architecture | None
) -> Iterator[Clue]:
    topic = "state-dict-load"
    if get(document, "whole") is False:
        for family in ("broken-file", "weights-only", "unusable-file"):
            yield Clue(family, "confirmed", f"{_file(document)} is damaged.", BROKEN_FILE)
        return
    if _object_names(document):
        text = f"The file holds whole Python objects ({_object_names(document)[0]})."
        yield Clue("weights-only", "confirmed", text, r"whole object|pickled? object|full")
    if not weights:
        return
    wrapper, path = _wrapper(weights), get_texts(document, "content", "path")
    text = f'Names in the file begin with "{wrapper}".' if wrapper else "No name has such a prefix."
    yield Clue(topic, "confirmed" if wrapper else "ruled_out", text, WRAPPED)
    text = f"The weights lie under {' / '.join(path)}." if path else "The weights lie at the top."
    yield Clue(topic, "confirmed" if path else "ruled_out", text, NESTED)
    wanted, classes = _wanted(document)
    if found is not None and wanted:
        same = is_same(found, wanted)
        text = f"The file holds {found.words}."
        yield Clue(topic, "ruled_out" if same else "confirmed", text, OTHER_NETWORK)
    if found is not None and found.classes is not None and classes:
        same = found.classes == classes
        text = f"The file was trained for {found.classes} classes."
        yield Clue(topic, "ruled_out" if same else "confirmed", text, CLASSES)


def _dangerous_names(document: Document) -> list[str]:
    names = get_texts(document, "content", "names")
    hidden = (get_number(document, "content", "names_count") or 0) - len(names)
    more = [f"{hidden:.0f} more names than can be shown"] if hidden > 0 else []
    return [*(name for name in names if _DANGEROUS.fullmatch(name)), *more]


def _object_names(document: Document) -> list[str]:
    return [n for n in get_texts(document, "content", "names") if not _PLAIN.fullmatch(n)]


def _facts(document: Document, weights: dict[str, Shape], found: Architecture | None) -> Facts:
    names = list(weights)
    ends = [names[0], names[-1]] if len(names) > 1 else names
    count = get_number(document, "content", "count")
    return (
        ("file", _file(document)),
        ("size", _size(document)),
        ("format", get_text(document, "kind")),
        ("weights", f"{count:.0f}" if count else ""),
        ("type of numbers", ", ".join(_types(document))),
        ("network", found.words if found else "not known here" if weights else ""),
        ("prefix", found.prefix if found else _wrapper(weights)),
        ("under the key", " / ".join(get_texts(document, "content", "path"))),
        ("other shapes than the original", ", ".join(found.unusual[:5]) if found else ""),
        *((name, " x ".join(map(str, weights[name])) or "one number") for name in ends),
        ("objects", ", ".join(_object_names(document)[:5])),
        ("blocks of numbers", get_text(document, "content", "blocks") if not weights else ""),
    )


def _types(document: Document) -> list[str]:
    value = get(document, "content", "weights")
    rows = value if isinstance(value, list) else []
    kinds = Counter(clean(row[2])[:20] for row in rows if isinstance(row, list) and len(row) > 2)
    return [kind for kind, _ in kinds.most_common(3) if kind]


def _file(document: Document) -> str:
    return get_text(document, "path")


def _size(document: Document) -> str:
    size = get_number(document, "size")
    if size is None:
        return "size unknown"
    return as_gib(size) if size >= 1 << 20 else f"{size:,.0f} bytes"
