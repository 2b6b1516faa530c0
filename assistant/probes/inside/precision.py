"""Row `precision`, inside a target: does the device calculate in bf16 and fp16, how fast, how well?

Small matrices for about a second, on the GPU only where memory is free. Refuses to judge whether a
training would profit.
"""

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from assistant.probes.inside.device import choose_device, describe_failure, import_torch
    from assistant.probes.inside.shared import Document, guarded

FORMATS = ("float32", "bfloat16", "float16")
SIDES = {"cuda": 2048, "cpu": 512}
FORMAT_SECONDS = 0.3
FORMAT_BYTES = 256 << 20


def collect_precision(order: "Mapping[str, Any]") -> "Document":
    """Multiply the same two matrices in each format and compare with float64."""
    torch = import_torch()
    if torch is None:
        return {"executable": sys.executable, "found": False}
    place = choose_device(torch, FORMAT_BYTES)
    device = place["device"]
    return {
        "executable": sys.executable,
        "found": True,
        "torch": str(torch.__version__),
        "place": place,
        "bf16_supported": guarded(lambda: read_bf16_support(torch)) if device == "cuda" else None,
        "tf32": guarded(lambda: bool(torch.backends.cuda.matmul.allow_tf32)),
        "side": SIDES[device],
        "products": {name: multiply_in(torch, device, name) for name in FORMATS},
    }


def read_bf16_support(torch: "Any") -> bool:
    """Whether the device itself has bf16; older versions of torch count emulation too."""
    try:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:
        return bool(torch.cuda.is_bf16_supported())


def multiply_in(torch: "Any", device: str, name: str) -> "Document":
    """Time of one product in seconds, and its relative error against float64."""
    try:
        left, right, exact = build_matrices(torch, device)
        ours = [matrix.to(getattr(torch, name)) for matrix in (left, right)]
        wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
        product = ours[0] @ ours[1]  # the first one prepares kernels and is not timed
        wait()
        seconds, count = time_product(ours, wait)
        error = (product.double() - exact).norm() / exact.norm()
        return {"seconds": seconds, "count": count, "relative_error": float(error)}
    except Exception as error:
        return {"failed": describe_failure(error)}


def build_matrices(torch: "Any", device: str) -> "list[Any]":
    """Two random matrices and their product in float64, the same each time."""
    generator = torch.Generator().manual_seed(0)
    side = SIDES[device]
    pair = [torch.randn(side, side, generator=generator).to(device) for _ in range(2)]
    return [*pair, pair[0].double() @ pair[1].double()]


def time_product(pair: "list[Any]", wait: "Any") -> "tuple[float, int]":
    """The best time of one product, and how many were made."""
    best, count, start = float("inf"), 0, time.perf_counter()
    while count < 200 and (count < 3 or time.perf_counter() - start < FORMAT_SECONDS):
        before = time.perf_counter()
        pair[0] @ pair[1]
        wait()
        best = min(best, time.perf_counter() - before)
        count += 1
        if time.perf_counter() - start > 10 * FORMAT_SECONDS:
            break
    return best, count
