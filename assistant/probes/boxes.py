"""Cell `boxes`: what a YOLO model was given, and why nothing may have come back.

It refuses to know how the document was collected. Nothing was run again: of boxes below the limit
it knows nothing (the row `yolo` does).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_number,
    get_numbers,
    get_text,
    get_texts,
)
from assistant.types import Clue, Finding

SOURCE = "the model, its last results and your picture in your notebook"
TOPIC = "yolo-empty-detections"
_WITH_BOXES = ("detect", "segment", "pose", "obb")
_DEFAULT = 0.25
_SURE, _LOOSE = 0.5, 0.05  # limits above which much is lost, and below which hardly anything is
_THRESHOLD = r"confiden|threshold"
_FORM = r"wrong form|preprocess|prepared|normali[sz]ed"
_TASK = r"wrong (?:model|weights).{0,30}task"
_KIND = rf"another kind|-cls\b|{_TASK}"
_FILTER = r"classes=|not among the classes"
_TINY = r"\btiny\b|\bsmall objects?\b|\bimgsz\b"


@dataclass(frozen=True, slots=True)
class _Run:
    """One prediction. `low` and `high` are of an array or tensor, None for files and PIL."""

    task: str
    boxes: float
    limit: float
    sides: tuple[float, ...]
    network: float
    filter: tuple[float, ...]
    kind: str
    dtype: str
    shape: tuple[float, ...]
    low: float | None
    high: float | None

    @property
    def form(self) -> tuple[str, str]:
        """What is wrong with the picture's form, and what to do; '' if nothing is."""
        if self.low is None or self.high is None:
            return "", ""
        seen = f"(values from {self.low:.3g} to {self.high:.3g})"
        if self.low < 0:
            text = f"The picture was normalised with mean and deviation {seen}."
            return text, "Give a file name or a PIL image; Ultralytics prepares it by itself."
        if self.is_tensor and self.high > 1:
            return f"The tensor is not scaled {seen}.", "Divide it by 255."
        if not self.is_tensor and self.high <= 1.01:
            text = f"The array is scaled to 0 to 1, which is almost black here {seen}."
            return text, "Give whole numbers: (picture * 255).astype(np.uint8), in BGR."
        if not self.is_tensor and self.shape and self.shape[-1] != 3:
            size = " x ".join(f"{n:g}" for n in self.shape)
            return f"The array has the form {size}.", "Give height x width x 3, in BGR."
        return "", ""

    @property
    def is_tensor(self) -> bool:
        return self.dtype.startswith("torch")


def interpret_boxes(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    run = _read(document)
    if run is None:
        verdict = Verdict("no_data", "No results were read.")
        return build_finding("boxes", verdict, where=where, source=SOURCE, facts=())
    healthy = f"{run.boxes:g} boxes at confidence {run.limit:g}; the picture has the right form."
    return build_finding(
        "boxes",
        combine(list(_complaints(run)), healthy=healthy),
        where=where,
        source=SOURCE,
        facts=_facts(run, document),
        clues=tuple(_clues(run)),
    )


def _complaints(run: _Run) -> Iterator[Verdict]:
    if run.task not in _WITH_BOXES:
        yield Verdict(
            "fail",
            f'The weights are for the task "{run.task}", which has no boxes.',
            "Load weights of a detector, such as yolov8m.pt.",
            (TOPIC,),
        )
        return
    text, advice = run.form
    if text:
        yield Verdict("fail", text, advice, (TOPIC,))
    if run.boxes:
        return
    if run.filter:
        names = ", ".join(f"{number:g}" for number in run.filter[:8])
        text = f"No boxes; classes=[{names}] leaves out all others."
        yield Verdict("warn", text, "Try without classes=.", (TOPIC,))
    if run.limit > _LOOSE:
        yield Verdict(
            "warn",
            f"No boxes at confidence {run.limit:g}.",
            "Try conf=0.05: if boxes appear, it is the limit.",
            (TOPIC,),
        )
    else:
        yield Verdict(
            "warn",
            f"No boxes even at confidence {run.limit:g}: the limit is not to blame.",
            "Try the sample picture of the package, then larger imgsz.",
            (TOPIC,),
        )


def _clues(run: _Run) -> Iterator[Clue]:
    fits = run.task in _WITH_BOXES
    text = f"The weights are for the task {run.task}."
    yield Clue(TOPIC, *(("ruled_out", text, _TASK) if fits else ("confirmed", text, _KIND)))
    if run.boxes:
        yield Clue(TOPIC, "ruled_out", f"The results hold {run.boxes:g} boxes.")
        return
    text = run.form[0]
    if text:
        yield Clue(TOPIC, "confirmed", text, _FORM)
    elif run.low is None:
        yield Clue(TOPIC, "ruled_out", f"The picture is given as {run.kind or 'a file'}.", _FORM)
    if run.limit <= _LOOSE:
        text = f"There are no boxes even at {run.limit:g}."
        yield Clue(TOPIC, "ruled_out", text, _THRESHOLD)
    elif run.limit >= _SURE:
        text = f"The limit is {run.limit:g}; what is less sure is thrown away."
        yield Clue(TOPIC, "confirmed", text, _THRESHOLD)
    if run.filter:
        yield Clue(TOPIC, "confirmed", "classes= leaves out other classes.", _FILTER)
    largest = max(run.sides, default=0.0)
    if 0 < largest <= run.network:
        text = f"The picture has {largest:g} pixels and is not made smaller."
        yield Clue(TOPIC, "ruled_out", text, _TINY)


# --- reading -------------------------------------------------------------------------------------


def _read(document: Document) -> _Run | None:
    boxes, task = get_number(document, "boxes"), get_text(document, "task")
    if boxes is None or not task:
        return None
    limit, network = get_number(document, "conf"), get(document, "imgsz")
    sizes = get_numbers({"n": network if isinstance(network, list) else [network]}, "n")
    return _Run(
        task=task[:20],
        boxes=boxes,
        limit=_DEFAULT if limit is None else limit,
        sides=get_numbers(document, "size"),
        network=max(sizes, default=640.0),
        filter=get_numbers(document, "filter"),
        kind=get_text(document, "kind")[:30],
        dtype=get_text(document, "dtype")[:30],
        shape=get_numbers(document, "shape"),
        low=get_number(document, "low"),
        high=get_number(document, "high"),
    )


def _facts(run: _Run, document: Document) -> Facts:
    count = get_number(document, "classes") or 0
    size = " x ".join(f"{side:g}" for side in run.sides)
    return (
        ("task", run.task),
        ("boxes", f"{run.boxes:g} at confidence {run.limit:g}"),
        ("picture", f"{run.kind} {run.dtype}".strip() + (f", {size}" if size else "")),
        ("network's input", f"{run.network:g}"),
        ("classes", f"{count:g}: {', '.join(get_texts(document, 'names')[:12])[:200]}"),
    )
