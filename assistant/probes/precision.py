"""Row `precision`: can the device calculate in bf16 and fp16, and what does that bring?

It refuses to know how the document was collected. A message about two formats that differ is never
explained by the device: where a format works, the row says so.
"""

from __future__ import annotations

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    get,
    get_number,
    get_section,
    get_text,
)
from assistant.types import Clue, Finding

SOURCE = "a product of two random matrices in float32, bfloat16 and float16, against float64"
_ENTRIES = ("training-precision",)
_WORST_ERROR = 0.05  # relative; bf16 keeps about three digits, so that 0.003 is usual
_DEVICE_CAUSE = r"\b(?:GPU|device|hardware|card)\b.{0,60}\b(?:cannot|can't|lacks?|support|old)"


def interpret_precision(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict, clues = _judge(document)
    facts = _facts(document)
    return build_finding("precision", verdict, where=where, source=SOURCE, facts=facts, clues=clues)


def _judge(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    if get(document, "found") is False:
        return Verdict("fail", "PyTorch is not installed in this Python."), ()
    bf16, full = _seconds(document, "bfloat16"), _seconds(document, "float32")
    if full is None:
        failed = _failure(document, "float32")
        if not failed:
            return Verdict("no_data", "No product of two matrices could be made here."), ()
        return Verdict("fail", f"Even float32 fails on {_place(document)}: {failed}"), ()
    if bf16 is None or _error(document, "bfloat16") > _WORST_ERROR:
        return _broken(document)
    words = f"bf16 works on {_place(document)}. {_compare(document, bf16, full)}"
    clue = Clue(
        "dtype-mismatch",
        "ruled_out",
        f"bf16 works on {_place(document)}: a message about two number formats is about two parts "
        "of your program that differ, not about the device.",
        _DEVICE_CAUSE,
    )
    if get(document, "place", "device") == "cuda":
        return Verdict("ok", words), (clue,)
    return _on_cpu(document, words), (clue,)


def _broken(document: Document) -> tuple[Verdict, tuple[Clue, ...]]:
    failed = _failure(document, "bfloat16")
    why = failed or f"its result is off by {_error(document, 'bfloat16'):.1%}"
    words = f"bf16 does not work on {_place(document)}: {why}"
    clue = Clue("dtype-mismatch", "confirmed", words, _DEVICE_CAUSE)
    return Verdict("fail", words, "Stay with float32 in this environment.", _ENTRIES), (clue,)


def _on_cpu(document: Document, words: str) -> Verdict:
    """Say whether the GPU is missing or was left alone."""
    free = get_number(document, "place", "free")
    if "free" not in get_section(document, "place"):
        return Verdict("ok", f"{words} torch sees no GPU here, so that this is the CPU alone.")
    left = f" ({as_gib(free)})" if free is not None else ""
    return Verdict(
        "warn",
        f"{words} The GPU was left alone: too little of its memory is free{left}.",
        "Shut down the kernels that you need no more, then try again.",
        ("clear-gpu-memory",),
    )


def _compare(document: Document, bf16: float, full: float) -> str:
    side = get_number(document, "side") or 0
    faster = full / bf16
    share = (
        f"{faster:.1f} times as fast as" if faster >= 1 else f"{1 / faster:.1f} times slower than"
    )
    return (
        f"A product of {side:.0f} x {side:.0f} numbers is {share} in float32, with a relative "
        f"error of {_error(document, 'bfloat16'):.1g} instead of {_error(document, 'float32'):.1g}."
    )


def _seconds(document: Document, name: str) -> float | None:
    value = get_number(document, "products", name, "seconds")
    return value if value is not None and value > 0 else None


def _error(document: Document, name: str) -> float:
    """The relative error; one that is no number is as bad as can be."""
    value = get_number(document, "products", name, "relative_error")
    return 1.0 if value is None else min(abs(value), 1.0)


def _failure(document: Document, name: str) -> str:
    return get_text(document, "products", name, "failed", "text")


def _place(document: Document) -> str:
    if get(document, "place", "device") == "cuda":
        return get_text(document, "place", "gpu") or "the GPU"
    return "the CPU"


def _facts(document: Document) -> Facts:
    supported, tf32 = get(document, "bf16_supported"), get(document, "tf32")
    return (
        ("python", get_text(document, "executable")),
        ("torch", get_text(document, "torch")),
        ("measured on", _place(document) if get_section(document, "place") else ""),
        ("bf16 of the device itself", str(supported) if isinstance(supported, bool) else ""),
        ("TF32 for float32", str(tf32) if isinstance(tf32, bool) else ""),
        *((name, _describe(document, name)) for name in ("float32", "bfloat16", "float16")),
    )


def _describe(document: Document, name: str) -> str:
    seconds = _seconds(document, name)
    if seconds is None:
        failed = _failure(document, name)
        return f"fails: {failed}" if failed else ""
    return f"{seconds * 1000:.3g} ms, relative error {_error(document, name):.2g}"
