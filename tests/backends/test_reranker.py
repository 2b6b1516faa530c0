"""The reranker's model: a tiny Qwen2 with random weights, and the real one where it is."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

from assistant.backends.adapter import Adapter, pack_adapter, read_adapter
from assistant.backends.reranker import LocalReranker
from assistant.models import is_complete
from assistant.reranking import load_adapter
from assistant.settings import load_settings
from assistant.setup import default_model_folder, reranker_folder
from tests.evals.reranker_data import Example
from tests.evals.train_reranker import train

WIDTH, LAYERS = 32, 2
VERDICTS = Path(__file__).parents[1] / "data" / "reranker-verdicts.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of the reranker's kind, only tiny, with the default model's real tokenizer."""
    target = tmp_path_factory.mktemp("tiny-qwen2")
    tokens = default_model_folder(load_settings().cache_dir)
    if not is_complete(tokens):
        pytest.skip("the default model is not set up")
    AutoTokenizer.from_pretrained(tokens).save_pretrained(target)
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=49152,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    Qwen2Model(config).save_pretrained(target)
    return target


def make_adapter(scale: float = 0.3) -> Adapter:
    random = np.random.RandomState(3)
    sizes = {"q_proj": (WIDTH, WIDTH), "down_proj": (64, WIDTH)}
    pairs = {
        f"{layer}.{name}": (
            random.randn(2, inside).astype(np.float32) * scale,
            random.randn(outside, 2).astype(np.float32) * scale,
        )
        for layer in range(LAYERS)
        for name, (inside, outside) in sizes.items()
    }
    return Adapter(pairs, random.randn(4, WIDTH).astype(np.float32), np.zeros(4, np.float32))


def reranker(folder: Path, adapter: Adapter) -> LocalReranker:
    made = LocalReranker(folder, lambda: pack_adapter(adapter))
    made.load()
    return made


def test_packing_loses_less_than_a_hundredth() -> None:
    adapter = make_adapter()
    again = read_adapter(pack_adapter(adapter))
    assert again.pairs.keys() == adapter.pairs.keys()
    for name, (a, b) in adapter.pairs.items():
        other_a, other_b = again.pairs[name]
        difference = np.linalg.norm(other_b @ other_a - b @ a)
        assert difference < 0.02 * np.linalg.norm(b @ a)


def test_the_verdict_is_that_of_the_summed_weights(folder: Path) -> None:
    adapter = read_adapter(pack_adapter(make_adapter()))
    said = reranker(folder, make_adapter()).score("Which page? ", 3)
    net = Qwen2Model.from_pretrained(folder, dtype=torch.float32)
    for name, (a, b) in adapter.pairs.items():
        layer, _, module = name.partition(".")
        block = net.layers[int(layer)]
        part = block.self_attn if module == "q_proj" else block.mlp
        with torch.no_grad():
            getattr(part, module).weight += torch.tensor(b @ a)
    ids = AutoTokenizer.from_pretrained(folder)("Which page? ", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        state = net(ids).last_hidden_state[0, -1].numpy()
    scores = adapter.head @ state + adapter.bias
    expected = scores - np.log(np.exp(scores).sum())
    assert said is not None
    assert said.dtype == np.float32
    np.testing.assert_allclose(said, expected, atol=0.1)  # bfloat16 where the CPU has it
    plain = reranker(folder, make_adapter(scale=0.0)).score("Which page? ", 3)
    assert plain is not None
    assert np.abs(plain - said).max() > 0.2  # the pairs do something


def test_of_fewer_pages_only_those_are_options(folder: Path) -> None:
    said = reranker(folder, make_adapter()).score("Which page? ", 1)
    assert said is not None
    assert said.shape == (2,)
    assert np.exp(said).sum() == pytest.approx(1.0, abs=1e-3)


def test_digits_are_read_and_a_prompt_that_is_none_of_ours_is_not(folder: Path) -> None:
    digits = f"Message of a learner:\n{'0.0013 12 ' * 60}\n\nPages of the guide:\n"
    assert reranker(folder, make_adapter()).score(digits, 3) is not None
    assert reranker(folder, make_adapter()).score("word " * 2000, 3) is None


def test_words_that_steer_a_model_are_read_as_words(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    said = reranker(folder, make_adapter()).score("<|im_end|>", 3)
    ids = tokenizer("<|im_end|>", split_special_tokens=True)["input_ids"]
    assert len(ids) > 1
    assert said is not None


def test_what_is_no_number_is_no_verdict(folder: Path) -> None:
    broken = make_adapter()
    broken.head[0, 0] = np.nan
    packed = pack_adapter(broken)
    strange = LocalReranker(folder, lambda: packed)
    strange.load()
    assert strange.is_ready
    assert strange.score("Which page? ", 3) is None


def test_before_it_is_loaded_it_says_nothing_and_nobody_waits(folder: Path) -> None:
    idle = LocalReranker(folder, lambda: pack_adapter(make_adapter()))
    assert not idle.is_ready
    assert idle.score("Which page? ", 3) is None
    idle.start()
    idle.load()  # waits for the thread
    assert idle.is_ready


def test_a_broken_folder_or_adapter_is_said_and_costs_nothing_else(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{")
    broken = reranker(tmp_path, make_adapter())
    assert broken.score("Which page? ", 3) is None
    assert broken.fault.startswith("The reranker cannot be loaded")
    other = make_adapter()
    pairs = {"9.q_proj": other.pairs["0.q_proj"]}
    strange = reranker(folder, Adapter(pairs, other.head, other.bias))
    assert strange.score("Which page? ", 3) is None
    assert "no layer 9.q_proj" in strange.fault


def test_where_memory_is_short_nothing_is_loaded(folder: Path) -> None:
    def never() -> dict[str, np.ndarray]:
        raise AssertionError("read")

    small = LocalReranker(folder, never, find_fault=lambda: "It needs about 6.1 GB.")
    small.load()
    assert not small.is_ready
    assert small.score("Which page? ", 3) is None
    assert small.fault == "It needs about 6.1 GB."


def test_many_ask_at_once_and_it_is_loaded_once(folder: Path) -> None:
    reads: list[int] = []

    def read() -> dict[str, np.ndarray]:
        reads.append(1)
        return pack_adapter(make_adapter())

    shared = LocalReranker(folder, read)
    said: list[np.ndarray | None] = []

    def ask() -> None:
        shared.load()
        said.append(shared.score("Which page? ", 3))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert all(one is not None and np.array_equal(one, said[0]) for one in said)


@pytest.mark.model
@pytest.mark.slow
def test_the_real_model_says_what_it_said_on_the_gpu_that_trained_it() -> None:
    """Verdicts on texts that it had not learned, as the training printed them (H100, bfloat16)."""
    folder = reranker_folder(load_settings().cache_dir)
    if not is_complete(folder):
        pytest.skip("`assistant setup --reranker` was not run")
    real = LocalReranker(folder, load_adapter)
    real.load()
    for row in json.loads(VERDICTS.read_text("utf-8")):
        said = real.score(row["prompt"], 3)
        assert said is not None, real.fault
        np.testing.assert_allclose(np.exp(said), np.exp(row["verdict"]), atol=0.1)


def test_what_the_training_script_makes_can_be_read(folder: Path) -> None:
    """A few steps on the tiny model; the shipped adapter took an H100 (`train_reranker`)."""
    examples = [Example(f"Is {n} odd? ", (n % 2,)) for n in range(40)]
    adapter = train(folder, [examples, examples], steps=3, device="cpu")
    assert len(adapter.pairs) == 7 * LAYERS
    assert all(np.abs(b).max() > 0 for _, b in adapter.pairs.values())
    said = reranker(folder, adapter).score("Is 7 odd? ", 3)
    assert said is not None
    assert np.isfinite(said).all()
