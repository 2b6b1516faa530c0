"""Cell `speed`: what makes a training step slow, as far as settings tell it.

It refuses to know how the document was collected, and measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assistant.probes.causes import FORMATS
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

SOURCE = "model, batch and loader in your notebook"
SLOW, ACCURACY = "vit-training-slow", "vit-accuracy-low"
_STEP = r"every step|each step|float32"
_WAITS = r"GPU (?:waits|is waiting)|waits? for (?:images|data)|data ?loading"
_COARSE = r"\bcoarse\b|few tokens|patch(?:es)? (?:are |is )?too (?:large|big)"
# "Training starts from random weights", "Not using pre-trained weights", "trained from scratch on"
_SCRATCH = r"random weights|from scratch|pre-?trained weights"
# "on too few images", "ViTs need more data"
_HUNGRY = r"too few images|more data|too little data|from scratch"
_FEW_TOKENS, _MANY_TOKENS = 16, 100
_ENOUGH = 1_000_000  # images on which a ViT learns from nothing
_SMALL = 8  # images of a batch that leave a GPU idle
_LARGE = 256  # pixels of a side beyond which a ViT gets slow


@dataclass(frozen=True, slots=True)
class _Setup:
    """How training is set up. `workers` is None if unknown; `side` is 0 if it is no image."""

    model_device: str
    batch_device: str
    model_dtype: str
    batch_dtype: str
    has_cuda: bool
    is_mixed: bool  # autocast
    precision: str
    is_compiled: bool
    weights: float
    trained: float
    images: float
    side: float
    patch: float
    workers: float | None
    norms: float
    untouched: float
    examples: float | None

    @property
    def is_full(self) -> bool:
        """Full precision where half of it would do."""
        return self.model_dtype == "float32" and not self.is_mixed and self.precision == "highest"

    @property
    def is_new(self) -> bool:
        """Its normalisation layers are as they are made: neither pretrained nor trained much."""
        return self.norms >= 2 and self.untouched == self.norms

    @property
    def tokens(self) -> float:
        return (self.side // self.patch) ** 2 if self.patch >= 2 else 0.0


def interpret_speed(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    setup = _read(document)
    if setup is None:
        verdict = Verdict("no_data", "No model was read.")
        return build_finding("speed", verdict, where=where, source=SOURCE, facts=())
    healthy = "Device, number format and loader are set as they should be."
    return build_finding(
        "speed",
        combine(list(_complaints(setup)), healthy=healthy),
        where=where,
        source=SOURCE,
        facts=_facts(setup),
        clues=tuple(_clues(setup)),
    )


def _complaints(setup: _Setup) -> Iterator[Verdict]:
    if setup.model_device == "cpu":
        if setup.has_cuda:
            yield Verdict(
                "fail",
                "The model is on the CPU although there is a GPU.",
                'Move both: model.to("cuda"), images.to("cuda").',
                (SLOW,),
            )
        else:
            text = "There is no GPU for this Python: the model trains on the CPU."
            yield Verdict("warn", text, "Run the probe gpu: it says why.", (SLOW,))
    elif setup.is_full:
        yield Verdict(
            "warn",
            "The model computes in float32, without autocast and without TF32.",
            "Use torch.autocast in bfloat16 around the forward pass.",
            (SLOW,),
        )
    if setup.workers == 0 and setup.model_device != "cpu":
        yield Verdict(
            "warn",
            "The loader has no workers: the GPU waits while one process prepares the images.",
            "Set num_workers to 8 and pin_memory=True.",
            (SLOW,),
        )
    if setup.images and setup.images < _SMALL and setup.model_device != "cpu":
        text = f"The batch has {setup.images:g} images only: most of the GPU is idle."
        yield Verdict("warn", text, "Use larger batches as far as memory goes.")
    if setup.tokens and setup.tokens <= _FEW_TOKENS:
        yield Verdict(
            "warn",
            f"Images of {setup.side:g} pixels in patches of {setup.patch:g} leave "
            f"{setup.tokens:g} tokens.",
            "Enlarge the images, or use smaller patches.",
            (ACCURACY,),
        )
    if setup.is_new:
        yield Verdict(
            "warn",
            f"All {setup.norms:g} normalisation layers are as they are made: the model has random "
            "weights.",
            "Begin with pretrained weights: weights=… (torchvision) or pretrained=True (timm).",
            (SLOW, ACCURACY),
        )
    if _differs(setup):
        yield Verdict(
            "warn",
            f"The model is {setup.model_dtype}, the batch {setup.batch_dtype}.",
            "Give the batch the model's format: images.to(next(model.parameters()).dtype).",
        )


def _clues(setup: _Setup) -> Iterator[Clue]:
    trains_all = setup.trained == setup.weights
    if setup.model_device == "cpu":
        text = f"The model is on the CPU{', not on the GPU' if setup.has_cuda else ''}."
        yield Clue(SLOW, "confirmed", text, _STEP)
        yield Clue(SLOW, "ruled_out", text, _WAITS)
    else:
        text = f"{setup.model_dtype}, {_format(setup)}, {_trained(setup)}."
        if setup.is_full:
            yield Clue(SLOW, "confirmed", text, _STEP)
        elif not trains_all and setup.side <= _LARGE:
            yield Clue(SLOW, "ruled_out", text, _STEP)
        if setup.workers == 0:
            yield Clue(SLOW, "confirmed", "The loader has no workers.", _WAITS)
    if setup.tokens:
        text = f"{setup.side:g} pixels in patches of {setup.patch:g}: {setup.tokens:g} tokens."
        if setup.tokens <= _FEW_TOKENS:
            yield Clue(ACCURACY, "confirmed", text, _COARSE)
        elif setup.tokens >= _MANY_TOKENS:
            yield Clue(ACCURACY, "ruled_out", text, _COARSE)
    if setup.is_new:
        text = f"All {setup.norms:g} normalisation layers are as they are made."
        yield Clue(SLOW, "confirmed", text, _SCRATCH)
        if setup.examples is not None and setup.examples < _ENOUGH:
            text = f"{text} There are {setup.examples:,.0f} images."
            yield Clue(ACCURACY, "confirmed", text, _HUNGRY)
    if setup.examples is not None and setup.examples >= _ENOUGH:
        yield Clue(ACCURACY, "ruled_out", f"There are {setup.examples:,.0f} images.", _HUNGRY)
    text = f"The model is {setup.model_dtype}, the batch {setup.batch_dtype}."
    if _differs(setup):
        yield Clue("dtype-mismatch", "confirmed", text, FORMATS)
    if setup.model_device != setup.batch_device:
        text = f"The model is on {setup.model_device}, the batch on {setup.batch_device}."
        yield Clue("device-mismatch", "confirmed", text, r"GPU.{0,80}CPU|different devices?")


def _differs(setup: _Setup) -> bool:
    """Autocast converts floats by itself, whole numbers never."""
    return setup.model_dtype != setup.batch_dtype and (
        not setup.is_mixed or "int" in setup.batch_dtype
    )


# --- reading -------------------------------------------------------------------------------------


def _read(document: Document) -> _Setup | None:
    devices, dtypes = get_texts(document, "devices"), get_texts(document, "dtypes")
    weights, shape = get_number(document, "weights"), get_numbers(document, "shape")
    if len(devices) < 2 or len(dtypes) < 2 or not weights:
        return None
    return _Setup(
        model_device=devices[0][:20],
        batch_device=devices[1][:20],
        model_dtype=dtypes[0][:30].removeprefix("torch."),
        batch_dtype=dtypes[1][:30].removeprefix("torch."),
        has_cuda=get(document, "cuda") is True,
        is_mixed=get(document, "autocast") is True,
        precision=get_text(document, "precision")[:20],
        is_compiled=get(document, "compiled") is True,
        weights=weights,
        trained=get_number(document, "trained") or 0.0,
        images=shape[0] if shape else 0.0,
        side=max(shape[-2:]) if len(shape) == 4 else 0.0,
        patch=get_number(document, "patch") or 0.0,
        workers=get_number(document, "workers"),
        norms=get_number(document, "norms") or 0.0,
        untouched=get_number(document, "untouched") or 0.0,
        examples=get_number(document, "examples"),
    )


def _format(setup: _Setup) -> str:
    return "autocast" if setup.is_mixed else f"no autocast, float32 products {setup.precision}"


def _trained(setup: _Setup) -> str:
    return f"{setup.trained:,.0f} of {setup.weights:,.0f} weights are trained"


def _facts(setup: _Setup) -> Facts:
    workers = "" if setup.workers is None else f"{setup.workers:g}"
    return (
        ("model", f"{setup.model_dtype} on {setup.model_device}, {_trained(setup)}"),
        ("batch", f"{setup.images:g} images, {setup.batch_dtype} on {setup.batch_device}"),
        ("precision", _format(setup)),
        ("torch.compile", "yes" if setup.is_compiled else "no"),
        ("loader: workers", workers),
        ("loader: images", "" if setup.examples is None else f"{setup.examples:,.0f}"),
        ("new normalisation layers", f"{setup.untouched:g} of {setup.norms:g}"),
        ("image side", f"{setup.side:g}" if setup.side else ""),
    )
