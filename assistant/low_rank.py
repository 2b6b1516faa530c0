"""Low-rank pairs beside linear layers (LoRA), as kept in a file: int8 with scales.

W' = W + B·A: Hu et al., arXiv 2106.09685. Knows arrays, nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# By the layer's name: A float32 [rank, in] and B float32 [out, rank], any scale included in B.
Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


def read_pairs(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Unpack '<name>.A' int8 [rank, in] and '<name>.B' int8 [out, rank] with their scales
    '<name>.A_scale' and '<name>.B_scale' float32 [rank]. Raises KeyError and ValueError."""
    pairs = {}
    for name in sorted({key.rpartition(".")[0] for key in arrays if key.endswith((".A", ".B"))}):
        a, b = (arrays[f"{name}.{part}"].astype(np.float32) for part in "AB")
        pairs[name] = (
            a * arrays[f"{name}.A_scale"][:, None],
            b * arrays[f"{name}.B_scale"][None, :],
        )
    return pairs


def pack_pairs(pairs: Pairs) -> dict[str, np.ndarray]:
    """The reverse of `read_pairs`: each row of A and column of B as int8 with one scale."""
    arrays: dict[str, np.ndarray] = {}
    for name, (a, b) in pairs.items():
        scale_a = np.maximum(np.abs(a).max(axis=1), 1e-12) / 127
        scale_b = np.maximum(np.abs(b).max(axis=0), 1e-12) / 127
        arrays[f"{name}.A"] = np.rint(a / scale_a[:, None]).astype(np.int8)
        arrays[f"{name}.B"] = np.rint(b / scale_b[None, :]).astype(np.int8)
        arrays[f"{name}.A_scale"] = scale_a.astype(np.float32)
        arrays[f"{name}.B_scale"] = scale_b.astype(np.float32)
    return arrays
