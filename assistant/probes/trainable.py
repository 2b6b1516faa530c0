"""Cell `trainable`: which part of a model is trained, and whether the optimizer holds it.

It refuses to know how the document was collected. The last part with weights is taken for the head,
the layer that names the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.causes import FROZEN
from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    build_finding,
    clean,
    combine,
    get,
    get_number,
    get_numbers,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "requires_grad of the weights and the groups of the optimizer in your notebook"
CHANCE, TRANSFER = "cnn-stuck-at-random", "transfer-learning-not-improving"
_FREEZE = ("freeze-layers",)
# "an optimizer that holds the parameters of an older model", "optimizer was built before"
_OTHER_OPTIMIZER = r"optimizer (?:that holds|was (?:built|made|created))"
_RATE = r"learning rate (?:is |far )*too (?:high|low)"
_ONE_RATE = r"(?:one|same|single) (?:learning )?rate|discriminative"
_PEAK = r"max_lr|OneCycle"
# rates between which nothing is far off: Adam's kind moves each weight by about the rate itself
_ADAM, _SGD = (1e-6, 1e-2), (1e-5, 1.0)
_USUAL_ADAM, _USUAL_SGD = (1e-5, 2e-3), (1e-3, 0.2)
_GENTLE_ADAM, _GENTLE_SGD = 2e-4, 2e-3  # the most that pretrained layers take without harm


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the model: how many weights it has, how many are trained, and by the optimizer."""

    name: str
    all: float
    trained: float
    held: float


@dataclass(frozen=True, slots=True)
class _Model:
    """A model with its optimizer."""

    whole: _Part
    parts: tuple[_Part, ...]
    foreign: float
    optimizer: str
    rates: tuple[float, ...]
    peaks: tuple[float, ...]
    is_training: bool

    @property
    def head(self) -> _Part | None:
        named = [part for part in self.parts if "aux" not in part.name]
        return named[-1] if len(named) > 1 else None

    @property
    def is_head_only(self) -> bool:
        return self.head is not None and self.head.trained == self.whole.trained > 0

    @property
    def is_adam(self) -> bool:
        return "adam" in self.optimizer.lower() or self.optimizer == "Lion"


def interpret_trainable(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    model = _read(document)
    if model is None:
        verdict = Verdict("no_data", "No model was read.")
        return build_finding("trainable", verdict, where=where, source=SOURCE, facts=())
    return build_finding(
        "trainable",
        combine(list(_complaints(model)), healthy=f"{_share(model)} The optimizer holds them all."),
        where=where,
        source=SOURCE,
        facts=_facts(model),
        clues=tuple(_clues(model)),
    )


def _complaints(model: _Model) -> Iterator[Verdict]:
    whole, head = model.whole, model.head
    if not whole.trained:
        yield Verdict(
            "fail",
            "No weight is trained: everything is frozen.",
            "Open the head at least: for p in model.fc.parameters(): p.requires_grad = True (fc is "
            "the head's name here), then build the optimizer anew.",
            (TRANSFER, *_FREEZE),
        )
    elif not whole.held:
        yield Verdict(
            "fail",
            "The optimizer holds none of the weights that are trained"
            + (": it belongs to another model." if model.foreign else "."),
            "Build the optimizer after the model is complete, from model.parameters().",
            (CHANCE,),
        )
    elif head is not None and head.held < head.trained:
        yield Verdict(
            "fail",
            f"The optimizer does not hold the head ({head.name}): it was built before the head was "
            "put in.",
            "Build the optimizer again after the head was replaced.",
            (TRANSFER,),
        )
    elif whole.held < whole.trained:
        missing = whole.trained - whole.held
        yield Verdict(
            "warn",
            f"{missing:,.0f} trained weights are not in the optimizer.",
            "Build the optimizer after the last change of requires_grad.",
        )
    if whole.trained and head is not None and not head.trained:
        yield Verdict("warn", f"The head ({head.name}) is frozen.", "Train the head too.", _FREEZE)
    if whole.held:
        yield from _rates(model)


def _rates(model: _Model) -> Iterator[Verdict]:
    low, high = _ADAM if model.is_adam else _SGD
    usual = "1e-3 for a new head, 1e-4 to 1e-5 for pretrained layers" if model.is_adam else "0.01"
    advice = f"Try {usual}."
    if max(model.rates, default=0.0) >= high:
        text = f"The learning rate {max(model.rates):g} is very high for {model.optimizer}."
        yield Verdict("warn", text, advice, (CHANCE,))
    if model.rates and max(model.rates) <= low:
        text = f"The learning rate {max(model.rates):g} is so low that hardly anything changes."
        yield Verdict("warn", text, advice, (CHANCE,))


def _clues(model: _Model) -> Iterator[Clue]:
    share = _share(model)
    if not model.whole.trained:
        yield Clue(TRANSFER, "confirmed", share, FROZEN)
        yield Clue(CHANCE, "confirmed", share, FROZEN)
        return
    head = model.head
    foreign = not model.whole.held
    lost = head is not None and head.held < head.trained
    if foreign or lost:
        text = "The optimizer holds none of the trained weights."
        if not foreign and head is not None:
            text = f"The optimizer does not hold the head ({head.name})."
        yield Clue(TRANSFER, "confirmed", text, _OTHER_OPTIMIZER)
        yield Clue(CHANCE, "confirmed", text, _OTHER_OPTIMIZER)
    elif head is not None and head.trained:
        text = f"{share} The optimizer holds the head ({head.name})."
        yield Clue(TRANSFER, "ruled_out", text, FROZEN)
    yield from _rate_clues(model)


def _rate_clues(model: _Model) -> Iterator[Clue]:
    rates = sorted(set(model.rates))
    if not rates or not model.whole.held:
        return
    said = f"{model.optimizer} has the learning rate {', '.join(f'{rate:g}' for rate in rates)}."
    (low, high), usual = (_ADAM, _USUAL_ADAM) if model.is_adam else (_SGD, _USUAL_SGD)
    if rates[-1] >= high or rates[-1] <= low:
        yield Clue(CHANCE, "confirmed", said, _RATE)
    elif usual[0] <= rates[0] and rates[-1] <= usual[1]:
        yield Clue(CHANCE, "ruled_out", f"{said} That is usual.", _RATE)
    if len(rates) > 1 or model.is_head_only:
        text = said if len(rates) > 1 else "Only the head is trained."
        yield Clue(TRANSFER, "ruled_out", text, _ONE_RATE)
    elif model.head is not None and rates[0] > (_GENTLE_ADAM if model.is_adam else _GENTLE_SGD):
        yield Clue(TRANSFER, "confirmed", f"{said} It is one for all layers.", _ONE_RATE)
    if len(model.peaks) > 1 and len(set(model.peaks)) == 1:
        text = f"OneCycleLR takes all {len(model.peaks)} groups up to {model.peaks[0]:g}."
        yield Clue(TRANSFER, "confirmed", text, _PEAK)
    else:
        text = "The peaks of the schedule differ." if model.peaks else "There is no OneCycleLR."
        yield Clue(TRANSFER, "ruled_out", text, _PEAK)


# --- reading -------------------------------------------------------------------------------------


def _read(document: Document) -> _Model | None:
    whole = get_numbers(document, "all")
    if len(whole) != 3:
        return None
    rows = get(document, "parts")
    found = []
    for row in rows[:64] if isinstance(rows, list) else []:
        counts = get_numbers({"row": row[1:]}, "row") if isinstance(row, list) and row else ()
        if len(counts) == 3:
            found.append(_Part(clean(row[0])[:40], *counts))
    return _Model(
        whole=_Part("", *whole),
        parts=tuple(found),
        foreign=get_number(document, "foreign") or 0.0,
        optimizer=get_text(document, "optimizer")[:40] or "The optimizer",
        rates=get_numbers(document, "rates"),
        peaks=get_numbers(document, "peaks"),
        is_training=get(document, "training") is True,
    )


def _share(model: _Model) -> str:
    whole = model.whole
    return f"{whole.trained:,.0f} of {whole.all:,.0f} weights are trained."


def _facts(model: _Model) -> Facts:
    shown = [part for part in model.parts if part.all][-12:]
    return (
        ("weights", _share(model)),
        ("mode", "train" if model.is_training else "eval"),
        ("optimizer", f"{model.optimizer}, rates {', '.join(f'{r:g}' for r in model.rates[:8])}"),
        *(
            (part.name, f"{part.trained:,.0f} of {part.all:,.0f} trained, {part.held:,.0f} held")
            for part in shown
        ),
    )
