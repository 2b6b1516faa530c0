"""Row `yolo`: what do given weights find on a given image, and at which confidence limit?

It refuses to know how the document was collected. The same numbers decide each cause: how many
detections there are at 0.25, 0.1 and 0.01, the best score, the task, and a pass at twice the size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    get,
    get_error,
    get_number,
    get_rows,
    get_section,
    get_text,
    get_texts,
)
from assistant.types import Clue, Finding

SOURCE = (
    "one pass over this image with the file's numbers, in a network that ultralytics describes "
    "itself; nothing downloaded, nothing of the file run"
)
_TOPIC = "yolo-no-detections"
_ENTRIES = ("yolo-empty-detections",)
_LIMITS = ("0.25", "0.1", "0.01")
_WITH_BOXES = ("detect", "segment", "pose", "obb")
_THRESHOLD = r"confiden|threshold"
_TASK = r"wrong (?:model|weights).{0,30}task|model (?:is )?for (?:the|a|another|this)? ?task"
_OTHER_KIND = r"another kind|-cls\b|learn(?:t|ed) nothing|untrained"
_TINY = r"\btiny\b|\bsmall objects?\b|\bimgsz\b|size of \d+"


def interpret_yolo(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict, clues = _judge(document)
    return build_finding(
        "yolo", verdict, where=where, source=SOURCE, facts=_facts(document), clues=tuple(clues)
    )


def _judge(document: Document) -> tuple[Verdict, list[Clue]]:
    early = _not_tried(document)
    if early is not None:
        return early, []
    task = get_text(document, "model", "task")
    if task not in _WITH_BOXES:
        return _no_boxes(document, task)
    passes = get_rows(document, "model", "passes")
    if not passes:
        return Verdict("no_data", "The weights were loaded, but no pass was made."), []
    counts = [_count(passes[0], limit) for limit in _LIMITS]
    fits = Clue(_TOPIC, "ruled_out", f"The weights are made for the task {task}.", _TASK)
    if counts[0]:
        return _found(document, passes[0], counts), [fits, *_found_clues(passes[0], counts)]
    if counts[2]:
        verdict, clues = _too_strict(passes[0], counts)
    else:
        verdict, clues = _nothing(document, passes[0])
    if len(passes) > 1 and _count(passes[1], _LIMITS[0]):
        verdict, clue = _tiny(passes[1], verdict)
        clues.append(clue)
    return verdict, [fits, *clues]


def _not_tried(document: Document) -> Verdict | None:
    """Why there is no result, None if there is one."""
    if get(document, "package", "found") is not True:
        return Verdict("no_data", "ultralytics is not installed in this Python.")
    if error := get_error(document, "image"):
        advice = "Choose an image file that opens in a viewer."
        return Verdict("fail", f"The image cannot be read: {error}", advice)
    kind = get_text(document, "model", "failed", "kind")
    said = get_text(document, "model", "failed", "text")
    if kind == "UntrustedWeights":
        words = f"{_file(document)} was not opened: {said}."
        advice = "Use the .pt file as ultralytics saved it, or load this one only if you trust it."
        return Verdict("refused", words, advice)
    if kind == "UnknownNetwork":
        words = f"{_file(document)} was not tried: {said}."
        advice = (
            "This check opens networks that ultralytics describes itself, also after your own "
            "training; it cannot open layers of your own or much older weights."
        )
        return Verdict("no_data", words, advice)
    if kind == "NoRoom":
        return Verdict("no_data", "Too little memory is free to try these weights.")
    if kind or said:
        advice = "If the file is cut off, download it again; else update ultralytics."
        return Verdict("fail", f"{_file(document)} cannot be used: {kind} {said}", advice, _ENTRIES)
    return None if get_section(document, "model") else Verdict("no_data", "Nothing was tried.")


def _no_boxes(document: Document, task: str) -> tuple[Verdict, list[Clue]]:
    words = f"{_file(document)} is for the task {task or 'unknown'}: it has no boxes."
    advice = "Use weights for detection, whose name has no -cls."
    clues = (
        [Clue(_TOPIC, "confirmed", words, f"{_TASK}|{_OTHER_KIND}")] if task == "classify" else []
    )
    return Verdict("fail" if clues else "no_data", words, advice, _ENTRIES), clues


def _found(document: Document, row: Document, counts: list[int]) -> Verdict:
    names = ", ".join(get_texts(row, "found")[:8])
    words = f"{_detections(counts[0])} at the usual limit 0.25{f': {names}' if names else ''}."
    advice = (
        "Your program gets none? It hands over the image in another form, or filters: pass the "
        "file's path, without `classes=` and `conf=`."
    )
    return Verdict("ok", f"{_file(document)} finds {words}", advice)


def _found_clues(row: Document, counts: list[int]) -> Iterator[Clue]:
    words = f"At the usual confidence 0.25 there are {_detections(counts[0])} on this image."
    yield Clue(_TOPIC, "ruled_out", words, _THRESHOLD)
    yield Clue(_TOPIC, "ruled_out", words, _OTHER_KIND)
    size = get_number(row, "size") or 0
    yield Clue(_TOPIC, "ruled_out", f"They are found at {size:.0f} pixels.", _TINY)


def _too_strict(row: Document, counts: list[int]) -> tuple[Verdict, list[Clue]]:
    """Something is seen, but below the usual limit."""
    limit, count = (_LIMITS[1], counts[1]) if counts[1] else (_LIMITS[2], counts[2])
    words = (
        f"None at confidence 0.25, but {_detections(count)} at {limit} "
        f"(best score {_best(row):.2f})."
    )
    advice = f"Lower the limit: `model(image, conf={limit})`, and look whether they are right."
    return Verdict("warn", words, advice, _ENTRIES), [Clue(_TOPIC, "confirmed", words, _THRESHOLD)]


def _nothing(document: Document, row: Document) -> tuple[Verdict, list[Clue]]:
    """Not even a doubtful detection: lowering the limit would not help."""
    words = f"No detection even at confidence 0.01 (best score {_best(row):.3f})."
    classes = get_number(document, "model", "classes") or 0
    advice = (
        f"Look whether your object is among the {classes:.0f} classes below, and try the same "
        "weights on a photo of such an object: if that fails too, they learnt nothing."
    )
    return Verdict("warn", words, advice, _ENTRIES), [Clue(_TOPIC, "ruled_out", words, _THRESHOLD)]


def _tiny(row: Document, before: Verdict) -> tuple[Verdict, Clue]:
    size = get_number(row, "size") or 0
    count = _count(row, _LIMITS[0])
    words = f"At {size:.0f} pixels there are {_detections(count)} at the usual limit 0.25."
    advice = f"The objects are small: `model(image, imgsz={size:.0f})`."
    verdict = Verdict("warn", f"{before.summary} {words}", advice, _ENTRIES)
    return verdict, Clue(_TOPIC, "confirmed", words, _TINY)


def _count(row: Document, limit: str) -> int:
    value = get_number(row, "counts", limit)
    return int(value) if value is not None and value > 0 else 0


def _best(row: Document) -> float:
    return min(max(get_number(row, "best") or 0.0, 0.0), 1.0)


def _detections(count: int) -> str:
    return f"{count} detection{'' if count == 1 else 's'}"


def _file(document: Document) -> str:
    return os.path.basename(get_text(document, "weights", "file")) or "The file"


def _facts(document: Document) -> Facts:
    size = get_number(document, "weights", "bytes")
    width, height = get_text(document, "image", "width"), get_text(document, "image", "height")
    names = get_texts(document, "model", "names")
    return (
        ("python", get_text(document, "executable")),
        ("ultralytics", get_text(document, "package", "version")),
        (
            "weights",
            f"{get_text(document, 'weights', 'file')}{f', {as_gib(size)}' if size else ''}",
        ),
        ("task", get_text(document, "model", "task")),
        ("classes", _classes(document, names)),
        ("image", f"{width} x {height}, {get_text(document, 'image', 'mode')}" if width else ""),
        *((f"at {get_text(row, 'size')} pixels", _counts(row)) for row in _passes(document)),
    )


def _passes(document: Document) -> tuple[Document, ...]:
    return get_rows(document, "model", "passes")[:2]


def _counts(row: Document) -> str:
    parts = [f"{_count(row, limit)} at {limit}" for limit in _LIMITS]
    return f"{', '.join(parts)}; best score {_best(row):.3f}"


def _classes(document: Document, names: tuple[str, ...]) -> str:
    count = get_number(document, "model", "classes")
    return f"{count:.0f}: {', '.join(names[:80])}"[:600] if count and names else ""
