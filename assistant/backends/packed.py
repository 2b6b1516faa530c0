"""Half the bytes for each token on a CPU: linear layers keep float16 weights, computing in float32.

Writing a token reads every weight once, so half the bytes are nearly half the time, and several
tokens at once cost little more than one. It refuses to know which model this is.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

_LOG = logging.getLogger(__name__)
_LARGEST = 65504.0  # of float16


class PackedLinear(torch.nn.Module):
    """A linear layer without training: float32 in, float32 out, weights in FBGEMM's float16."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        bias = None if linear.bias is None else linear.bias.detach()
        # not a parameter: the product multiplies with it, nobody saves or moves it
        self._packed: Any = torch.ops.quantized.linear_prepack_fp16(linear.weight.detach(), bias)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return values @ weight.T + bias, [..., out_features]."""
        return torch.ops.quantized.linear_dynamic_fp16(values, self._packed)  # type: ignore[no-any-return]

    def bytes(self) -> int:
        """How much memory the weights take."""
        return 2 * self.in_features * self.out_features


def pack_linears(model: torch.nn.Module) -> int:
    """Replace the float32 linear layers of a model on the CPU in place; return how many.

    None where this build of torch has no such kernel (FBGEMM), and none that float16 cannot hold.
    """
    if not _has_kernel():
        return 0
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear and _fits(child.weight)
    ]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        packed = pool.map(lambda place: PackedLinear(place[2]), places)
        for (parent, name, _), layer in zip(places, packed, strict=True):
            setattr(parent, name, layer)
    return len(places)


def count_bytes(model: torch.nn.Module) -> int:
    """How much memory all weights of a model take, packed ones included."""
    own = sum({p.data_ptr(): p.nbytes for p in model.parameters()}.values())
    return own + sum(m.bytes() for m in model.modules() if isinstance(m, PackedLinear))


def _has_kernel() -> bool:
    """Try it: a name that exists may still refuse to run on another processor."""
    try:
        PackedLinear(torch.nn.Linear(8, 8))(torch.ones(1, 8))
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        _LOG.info("float16 weights on this CPU: no (%s)", type(error).__name__)
        return False
    return True


def _fits(weight: torch.Tensor) -> bool:
    return weight.dtype == torch.float32 and bool(weight.abs().amax() < _LARGEST)
