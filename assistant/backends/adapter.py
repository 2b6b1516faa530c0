"""Low-rank adapters (LoRA) of linear layers: read from a file, put beside frozen weights.

y = W·x + scale·B·(A·x): Hu et al., arXiv 2106.09685. The weights themselves stay as they are, since
a sum of both in bfloat16 would round the small part away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Adapter:
    """`pairs`: A float32 [rank, in] and B float32 [out, rank] by 'layer.module' (scale included in
    B); `head` float32 [options, width] and `bias` [options] turn the last token's state to scores.
    """

    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]
    head: np.ndarray
    bias: np.ndarray


def read_adapter(arrays: Mapping[str, np.ndarray]) -> Adapter:
    """Unpack int8 rows with their float32 scales. Raises KeyError and ValueError."""
    pairs = {}
    for name in sorted({key.rpartition(".")[0] for key in arrays if key.endswith((".A", ".B"))}):
        a, b = (arrays[f"{name}.{part}"].astype(np.float32) for part in "AB")
        pairs[name] = (
            a * arrays[f"{name}.A_scale"][:, None],
            b * arrays[f"{name}.B_scale"][None, :],
        )
    return Adapter(pairs, arrays["head"].astype(np.float32), arrays["bias"].astype(np.float32))


def pack_adapter(adapter: Adapter) -> dict[str, np.ndarray]:
    """The reverse of `read_adapter`: each row of A and column of B as int8 with one scale."""
    arrays: dict[str, np.ndarray] = {
        "head": adapter.head.astype(np.float16),
        "bias": adapter.bias.astype(np.float32),
    }
    for name, (a, b) in adapter.pairs.items():
        scale_a = np.maximum(np.abs(a).max(axis=1), 1e-12) / 127
        scale_b = np.maximum(np.abs(b).max(axis=0), 1e-12) / 127
        arrays[f"{name}.A"] = np.rint(a / scale_a[:, None]).astype(np.int8)
        arrays[f"{name}.B"] = np.rint(b / scale_b[None, :]).astype(np.int8)
        arrays[f"{name}.A_scale"] = scale_a.astype(np.float32)
        arrays[f"{name}.B_scale"] = scale_b.astype(np.float32)
    return arrays


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


def adapt(layers: Any, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
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
