"""What makes the local model fast must not change a word: packed weights, beginnings, guesses."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from assistant.backends.decoding import Decoding, write_answer
from assistant.backends.packed import PackedLinear, count_bytes, pack_linears
from assistant.backends.prefixes import PrefixCache
from assistant.models import LoadedModel
from assistant.turns import Stop

CAUSE = (
    "Cause in the guide: The package timm (PyTorch image models) is not installed in the Python "
    "that runs your notebook. It may well be installed in another one.\nError: {}\n"
    "Why did this error happen?"
)
ERRORS = (
    "ModuleNotFoundError: No module named 'timm'",
    "ImportError: cannot import name 'create_model' from 'timm'",
    "RuntimeError: timm is needed for this model",
)


def encode(loaded: LoadedModel, error: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": CAUSE.format(error)}]
    return dict(
        loaded.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    )


def write(
    loaded: LoadedModel,
    error: str,
    *,
    prefixes: PrefixCache | None = None,
    guess: bool = True,
    tokens: int = 18,
) -> str:
    pieces: list[str] = []
    write_answer(
        loaded,
        encode(loaded, error),
        Decoding(tokens, tiny=True, guess=guess),
        prefixes=prefixes or PrefixCache(0),
        stop=Stop((threading.Event(),), time.monotonic() + 100, time.monotonic),
        put=pieces.append,
    )
    return "".join(pieces)


@pytest.fixture
def plain(tiny_loaded: LoadedModel, tiny_choice: Any) -> LoadedModel:
    """The same weights in float32, as plain transformers loads them."""
    model = AutoModelForCausalLM.from_pretrained(tiny_choice.where, dtype=torch.float32).eval()
    return LoadedModel(tiny_loaded.tokenizer, model, tiny_loaded.context)


def is_packed(loaded: LoadedModel) -> bool:
    return any(isinstance(m, PackedLinear) for m in loaded.model.modules())


@pytest.mark.model
def test_packed_weights_guesses_and_beginnings_change_no_word(
    plain: LoadedModel, tiny_loaded: LoadedModel
) -> None:
    assert not is_packed(plain)
    expected = [write(plain, error, guess=False) for error in ERRORS]
    assert len(set(expected)) > 1
    prefixes = PrefixCache(256)
    assert [write(tiny_loaded, error) for error in ERRORS] == expected
    for _ in range(2):  # beginnings of others, then their own
        assert [write(tiny_loaded, error, prefixes=prefixes) for error in ERRORS] == expected


@pytest.mark.model
def test_a_known_beginning_is_not_computed_again(tiny_loaded: LoadedModel) -> None:
    read: list[int] = []
    hook = tiny_loaded.model.get_input_embeddings().register_forward_hook(
        lambda _, inputs, __: read.append(inputs[0].shape[1])
    )
    prefixes = PrefixCache(256)
    for error in (ERRORS[0], ERRORS[1], ERRORS[1]):
        read.append(-1)
        write(tiny_loaded, error, prefixes=prefixes, tokens=1)
    hook.remove()
    first, other, same = (read[i + 1] for i, count in enumerate(read) if count == -1)
    assert first == encode(tiny_loaded, ERRORS[0])["input_ids"].shape[1]
    assert 1 < other < first / 2, "only what differs"
    assert same == 1, "only the last token"


@pytest.mark.model
def test_guesses_save_passes_through_the_model(tiny_loaded: LoadedModel) -> None:
    passes: list[int] = []
    hook = tiny_loaded.model.register_forward_hook(lambda *_: passes.append(1))
    counts = []
    for guess in (False, True):
        passes.clear()
        write(tiny_loaded, ERRORS[0], guess=guess, tokens=24)
        counts.append(len(passes))
    hook.remove()
    assert counts[1] < counts[0]


@pytest.mark.model
def test_packed_weights_take_less_memory(plain: LoadedModel, tiny_loaded: LoadedModel) -> None:
    if not is_packed(tiny_loaded):
        pytest.skip("this build of torch has no float16 kernel for this CPU")
    whole, packed = count_bytes(plain.model), count_bytes(tiny_loaded.model)
    assert packed < 0.75 * whole
    assert tiny_loaded.gigabytes == pytest.approx(packed / 1e9)


def test_what_float16_cannot_hold_stays_as_it_is() -> None:
    large, half = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4).to(torch.bfloat16)
    torch.nn.init.constant_(large.weight, 1e6)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), large, half)
    assert pack_linears(model) in (0, 1)
    assert model[1] is large
    assert model[2] is half


# --- the cache of beginnings, without a model ----------------------------------------------------


def fill(tokens: int, number: float = 1.0) -> DynamicCache:
    cache = DynamicCache()
    for layer in range(2):
        cache.update(torch.full((1, 1, tokens, 2), number), torch.zeros(1, 1, tokens, 2), layer)
    return cache


MEGABYTES = 100 * 2 * 2 * 2 * 4 / 1e6  # 100 tokens of `fill`


def test_the_longest_beginning_is_found_and_never_the_last_token() -> None:
    prefixes = PrefixCache(1)
    prefixes.keep(range(50), fill(50, 1.0))
    prefixes.keep([*range(40), *range(90, 110)], fill(60, 2.0))
    found = prefixes.find([*range(40), *range(90, 100), 7])
    assert found.get_seq_length() == 50
    assert float(found.layers[0].keys.mean()) == 2.0
    assert prefixes.find(range(50)).get_seq_length() == 49
    assert prefixes.find(range(200, 260)).get_seq_length() == 0
    assert prefixes.find(range(8)).get_seq_length() == 0, "too short to be worth it"


def test_writing_on_does_not_touch_what_is_kept() -> None:
    prefixes = PrefixCache(1)
    prefixes.keep(range(50), fill(50))
    found = prefixes.find(range(60))
    found.update(torch.zeros(1, 1, 9, 2), torch.zeros(1, 1, 9, 2), 0)
    found.layers[0].keys.zero_()
    assert float(prefixes.find(range(60)).layers[0].keys.mean()) == 1.0


def test_memory_is_capped_and_the_least_recently_used_goes_first() -> None:
    prefixes = PrefixCache(2 * MEGABYTES)
    for begin in (0, 1000):
        prefixes.keep(range(begin, begin + 100), fill(100))
    prefixes.find(range(101))
    prefixes.keep(range(2000, 2100), fill(100))
    lengths = [prefixes.find(range(b, b + 101)).get_seq_length() for b in (0, 1000, 2000)]
    assert lengths == [100, 0, 100]
    prefixes.keep(range(3000, 3300), fill(300))
    assert prefixes.find(range(3000, 3301)).get_seq_length() == 0, "larger than everything"
    assert prefixes.bytes() == int(2 * MEGABYTES * 1e6)
    prefixes.clear()
    assert prefixes.bytes() == prefixes.find(range(101)).get_seq_length() == 0


def test_only_the_prompt_is_kept_and_a_prompt_half_read_is_not() -> None:
    prefixes = PrefixCache(1)
    prefixes.keep(range(50), fill(80))
    assert prefixes.find(range(80)).get_seq_length() == 50
    prefixes.keep(range(100, 150), fill(20))
    prefixes.keep(range(100, 150), DynamicCache())
    assert prefixes.find(range(100, 150)).get_seq_length() == 0


def test_a_cache_of_another_kind_is_not_kept() -> None:
    class Sliding:
        layers = (object(),)

    prefixes = PrefixCache(1)
    prefixes.keep(range(50), Sliding())
    assert prefixes.bytes() == 0
