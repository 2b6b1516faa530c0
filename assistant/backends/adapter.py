"""Low-rank adapters of a language model's linear layers, put beside its frozen weights.

y = W·x + B·(A·x) (low_rank.py). The weights themselves stay as they are, since a sum of both in
bfloat16 would round the small part away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from assistant.low_rank import Pairs, pack_pairs, read_pairs


@dataclass(frozen=True, slots=True)
class Adapter:
    """`pairs` by 'layer.module'; `head` float32 [options, width] and `bias` [options] turn the last
    token's state to scores."""

    pairs: Pairs
    head: np.ndarray
    bias: np.ndarray


def read_adapter(arrays: Mapping[str, np.ndarray]) -> Adapter:
    """Unpack an adapter's arrays. Raises KeyError and ValueError."""
    head, bias = (arrays[name].astype(np.float32) for name in ("head", "bias"))
    return Adapter(read_pairs(arrays), head, bias)


def pack_adapter(adapter: Adapter) -> dict[str, np.ndarray]:
    """The reverse of `read_adapter`."""
    head, bias = adapter.head.astype(np.float16), adapter.bias.astype(np.float32)
    return {"head": head, "bias": bias, **pack_pairs(adapter.pairs)}


class AdaptedLinear(nn.Module):
    """A linear layer with a low-rank pair beside it."""

    def __init__(self, base: nn.Linear, a: np.ndarray, b: np.ndarray) -> None:
        """Raises ValueError where the pair does not fit the layer."""
        super().__init__()
        if a.shape[1] != base.in_features or b.shape != (base.out_features, a.shape[0]):
            raise ValueError(f"a pair of {a.shape} and {b.shape} does not fit {base}")
        self.base = base
        weight = base.weight
        self.a = torch.tensor(a, dtype=weight.dtype, device=weight.device)
        self.b = torch.tensor(b, dtype=weight.dtype, device=weight.device)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`states` [..., in] to [..., out]."""
        small = functional.linear(functional.linear(states, self.a), self.b)
        return torch.as_tensor(self.base(states) + small)


def adapt(layers: Any, pairs: Pairs) -> None:
    """Put each pair beside its layer, in place; `layers` are the model's blocks, in order.

    Raises ValueError where a pair names no layer or does not fit it.
    """
    for name, (a, b) in pairs.items():
        number, _, module = name.partition(".")
        block = layers[int(number)] if int(number) < len(layers) else None
        part = next((p for p in (block and block.self_attn, block and block.mlp)
                     if p is not None and hasattr(p, module)), None)  # fmt: skip
        if part is None:
            raise ValueError(f"the model has no layer {name}")
        setattr(part, module, AdaptedLinear(getattr(part, module), a, b))
