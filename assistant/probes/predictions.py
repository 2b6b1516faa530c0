"""Cell `predictions`: are a model's answers different, finite, and raw scores?

It refuses to know how the document was collected, and which answers are right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.causes import ONE_CHANNEL, ONE_CLASS, SOFTMAX
from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    combine,
    get,
    get_number,
    get_numbers,
)
from assistant.types import Clue, Finding

SOURCE = "one forward pass of your model in your notebook, in eval mode and without gradients"
CHANCE, IOU, TWICE, NAN = "cnn-stuck-at-random", "iou-zero", "softmax-twice", "loss-nan"
_FEW = 4  # images from which "always the same" says anything
_SAME = 1e-6
_UNDECIDED = 0.99  # of the largest entropy that there is
_RAW = r"raw scores|instead of probabilities"


@dataclass(frozen=True, slots=True)
class _Scores:
    """What the model answered. `entropy` is the mean in nats; shares are 0 to 1."""

    shape: tuple[float, ...]
    is_chances: bool
    low: float
    high: float
    guessed: float
    share: float
    entropy: float
    spread: float
    spread_batch: float

    @property
    def images(self) -> float:
        return self.shape[0]

    @property
    def classes(self) -> float:
        return self.shape[1]

    @property
    def is_mask(self) -> bool:
        return len(self.shape) > 2

    @property
    def is_raw(self) -> bool:
        return self.low < 0 or self.high > 1

    @property
    def is_constant(self) -> bool:
        """Different images, one answer."""
        return self.images > 1 and self.spread <= _SAME < self.spread_batch

    @property
    def is_one_class(self) -> bool:
        several = self.is_mask or (self.images >= _FEW and self.spread_batch > _SAME)
        return self.classes > 1 and several and self.guessed == 1

    @property
    def is_undecided(self) -> bool:
        return self.classes > 1 and self.entropy > _UNDECIDED * math.log(self.classes)


def interpret_predictions(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    lost = list(_lost(document))
    scores = None if lost else _read(document)
    if scores is None:
        verdict = combine(lost, healthy="")
        verdict = verdict if lost else Verdict("no_data", "No answer of a model was read.")
        clues = tuple(_lost_clues(document)) if lost else ()
        facts: Facts = ()
    else:
        verdict = combine(list(_complaints(scores)), healthy=_healthy(scores))
        clues, facts = tuple(_clues(scores)), _facts(scores)
    return build_finding(
        "predictions", verdict, where=where, source=SOURCE, facts=facts, clues=clues
    )


def _lost(document: Document) -> Iterator[Verdict]:
    """Numbers that are none, and where they begin."""
    if get_number(document, "nan_weights"):
        yield Verdict(
            "fail",
            "The weights themselves hold nan or infinite values.",
            "This model cannot recover: build it anew, and train with a lower rate.",
        )
    elif get_number(document, "nan_batch"):
        yield Verdict(
            "fail",
            "The images hold nan or infinite values.",
            "Look for the transform or the file that they come from.",
        )
    elif get_number(document, "nan"):
        yield Verdict(
            "fail",
            "Images and weights are sound, and the answers hold nan: it arises in the model.",
            "Use float32 or bfloat16 instead of float16; look for divisions and logarithms.",
        )


def _lost_clues(document: Document) -> Iterator[Clue]:
    images = bool(get_number(document, "nan_batch"))
    text = "The images hold nan." if images else "The images hold no nan."
    cause = r"data (?:hold|contain)s? nan"
    yield Clue(NAN, "confirmed" if images else "ruled_out", text, cause)
    if get_number(document, "nan_weights"):
        text = "The weights hold nan, as after a rate that was too high."
        yield Clue(CHANCE, "confirmed", text, r"learning rate")


def _complaints(scores: _Scores) -> Iterator[Verdict]:
    if scores.is_constant:
        yield Verdict(
            "fail",
            f"The model answers all {scores.images:g} images with the same numbers.",
            "Its layers are dead or do not use the image: start from fresh weights with a lower "
            "rate, and run the one-batch test.",
            (CHANCE,),
        )
    elif scores.is_one_class:
        what = "pixels" if scores.is_mask else "images"
        yield Verdict(
            "warn",
            f"The same class is the answer for all {what} of the batch.",
            "Early in training this is common; later it means a rate that is too high or labels "
            "of one class.",
            (IOU,) if scores.is_mask else (CHANCE,),
        )
    if scores.classes == 1 and scores.is_mask:
        kind = "raw scores" if scores.is_raw else "probabilities"
        yield Verdict(
            "warn",
            f"There is one output channel, with {kind} from {scores.low:.3g} to {scores.high:.3g}: "
            "argmax over it is always 0.",
            f"Use mask = scores{'.sigmoid()' if scores.is_raw else ''} > 0.5.",
            (IOU,),
        )
    if scores.is_chances and scores.classes > 1:
        yield Verdict(
            "warn",
            "The answers are probabilities already: there is a softmax in the model.",
            "CrossEntropyLoss applies its own. Take it out of forward().",
            (CHANCE,),
        )
    elif scores.is_undecided and not scores.is_constant:
        yield Verdict(
            "warn",
            "The model gives each class nearly the same probability, as before training.",
            "Nothing was learnt yet: run the one-batch test.",
            (CHANCE,),
        )


def _clues(scores: _Scores) -> Iterator[Clue]:
    seen = f"The answers lie between {scores.low:.3g} and {scores.high:.3g}"
    if scores.classes > 1:
        text = f"{seen} and add up to 1." if scores.is_chances else f"{seen}: raw scores."
        for topic in (CHANCE, TWICE):
            yield Clue(topic, "confirmed" if scores.is_chances else "ruled_out", text, SOFTMAX)
    elif scores.is_mask and not scores.is_raw:  # what was made of raw scores is not known
        yield Clue(IOU, "ruled_out", f"{seen}: no raw scores.", _RAW)
    if scores.classes > 1 and scores.is_mask:
        text = f"There are {scores.classes:g} output channels."
        yield Clue(IOU, "ruled_out", text, ONE_CHANNEL)
        one = scores.is_one_class
        text = "One class for all pixels." if one else f"{scores.guessed:g} classes are answered."
        yield Clue(IOU, "confirmed" if one else "ruled_out", text, ONE_CLASS)
    if scores.is_constant:
        text = "All images get the same answer."
        yield Clue(CHANCE, "confirmed", text, r"collapse|one class")


# --- reading -------------------------------------------------------------------------------------


def _read(document: Document) -> _Scores | None:
    names = ("low", "high", "guessed", "share", "entropy", "spread", "spread_batch")
    numbers = [get_number(document, name) for name in names]
    read = [number for number in numbers if number is not None]
    shape = get_numbers(document, "shape")
    if len(read) < len(names) or len(shape) < 2 or min(shape) < 1:
        return None
    return _Scores(shape, get(document, "sums_to_one") is True, *read)


def _healthy(scores: _Scores) -> str:
    return f"The answers are raw scores, differ, and name {scores.guessed:g} classes."


def _facts(scores: _Scores) -> Facts:
    share = f"{scores.guessed:g}; the most frequent {100 * scores.share:.3g} %"
    return (
        ("answers", " x ".join(f"{n:g}" for n in scores.shape)),
        ("answers: range", f"{scores.low:.3g} to {scores.high:.3g}"),
        ("answers: classes named", share),
        ("answers: entropy", f"{scores.entropy:.3f} of {math.log(max(scores.classes, 1)):.3f}"),
        ("answers: difference between images", f"{scores.spread:.3g}"),
    )
