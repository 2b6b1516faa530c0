"""What a model computed for the beginning of earlier prompts, so that it need not do it again.

System prompt and entry are the same for everybody who hits an error; a prompt that begins like an
earlier one continues from there. It refuses to know what the tokens mean.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]  # keys and values, [1, heads, tokens, dim]
_SHORTEST = 16  # tokens: below, the copy costs as much as the computation


class PrefixCache:
    """Key/value tensors of whole prompts, least recently used out first, `megabytes` at most.

    One thread at a time uses it (whoever holds the model).
    """

    def __init__(self, megabytes: float) -> None:
        self._limit = int(megabytes * 1e6)
        self._kept: OrderedDict[tuple[int, ...], _Layers] = OrderedDict()
        self._bytes = 0

    def find(self, tokens: Sequence[int]) -> DynamicCache:
        """Return a cache that holds the longest known beginning, empty if none is known.

        The last token is never in it: a model must compute at least one to go on. Growing the cache
        does not touch what is kept here, as a DynamicCache grows by making new tensors.
        """
        cache = DynamicCache()
        shared, best = max(
            ((_count_shared(kept, tokens), kept) for kept in self._kept), default=(0, ())
        )
        shared = min(shared, len(tokens) - 1)
        if shared >= _SHORTEST:
            self._kept.move_to_end(best)
            for number, (keys, values) in enumerate(self._kept[best]):
                cache.update(keys[..., :shared, :], values[..., :shared, :], number)
        return cache

    def keep(self, tokens: Sequence[int], cache: Any) -> None:
        """Keep what `cache` holds for these tokens (it may hold more, written after them).

        Caches of another kind (a sliding window, a state) cannot be cut, so they are not kept.
        """
        key, length = tuple(tokens), len(tokens)
        layers = getattr(cache, "layers", ())
        if key in self._kept or any(type(layer) is not DynamicLayer for layer in layers):
            return
        if not layers or cache.get_seq_length() < length:
            return  # it was ended before the prompt was read
        kept = tuple(
            (layer.keys[..., :length, :].clone(), layer.values[..., :length, :].clone())
            for layer in layers
        )
        size = _count_bytes(kept)
        if size > self._limit:
            return
        while self._bytes + size > self._limit:
            self._bytes -= _count_bytes(self._kept.popitem(last=False)[1])
        self._kept[key] = kept
        self._bytes += size

    def clear(self) -> None:
        """Free everything."""
        self._kept.clear()
        self._bytes = 0

    def bytes(self) -> int:
        """How much memory it takes now."""
        return self._bytes


def _count_shared(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two prompts have in common from the beginning."""
    shared = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _count_bytes(layers: _Layers) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in layers)
