"""The vector index as a cache: encoded once, rebuilt when it does not fit, never guessed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import BoW, Dense, Normalize

from assistant.encoders import SentenceEncoder, _builtin_folder
from assistant.errors import CacheError, EncoderError
from assistant.files import check_folder, write_atomically
from assistant.index import build_index, load_seed, passage_key
from assistant.low_rank import pack_pairs, read_pairs
from tests.fakes import FakeEncoder

TEXTS = ["No module named timm", "CUDA out of memory", "the loss does not fall"]


class CountingEncoder:
    """The real encoder, counted."""

    def __init__(self, real: SentenceEncoder) -> None:
        self._real = real
        self.encoded: list[str] = []

    @property
    def id(self) -> str:
        return self._real.id

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded.extend(texts)
        return self._real.encode(texts)


@pytest.fixture(scope="module")
def real() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="module")
def unadapted() -> SentenceEncoder:
    """The built-in model, given as a folder like any other."""
    return SentenceEncoder(str(_builtin_folder()))


def vectors_file(folder: Path) -> Path:
    return next(folder.glob("vectors-*.npz"))


# --- with the real encoder -----------------------------------------------------------------------


def test_the_second_build_encodes_nothing_and_finds_the_same(
    real: SentenceEncoder, tmp_path: Path
) -> None:
    encoder = CountingEncoder(real)
    first = build_index(TEXTS, encoder, folder=tmp_path)
    assert encoder.encoded == TEXTS
    assert first.notices == ()
    encoder.encoded.clear()
    second = build_index(TEXTS, encoder, folder=tmp_path)
    assert encoder.encoded == []
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(first.vectors, second.vectors)
    question = real.encode(["import timm fails"])
    found = second.similarities(question, exact=np.arange(3))
    assert found.shape == (1, 2, 3)
    assert found[0].argmax(axis=1).tolist() == [0, 0]
    for view in (0, 1):
        expected = second.vectors[view] @ question[0, view]
        assert np.allclose(found[0, view], expected, atol=1e-5)
    assert np.allclose(np.linalg.norm(second.vectors, axis=2), 1, atol=1e-5)


def test_changing_one_passage_encodes_only_that(real: SentenceEncoder, tmp_path: Path) -> None:
    encoder = CountingEncoder(real)
    first = build_index(TEXTS, encoder, folder=tmp_path)
    encoder.encoded.clear()
    changed = [TEXTS[0], "the kernel has died", TEXTS[2]]
    second = build_index(changed, encoder, folder=tmp_path)
    assert encoder.encoded == ["the kernel has died"]
    assert second.fingerprint != first.fingerprint
    assert np.array_equal(second.vectors[:, [0, 2]], first.vectors[:, [0, 2]])


def test_a_short_text_takes_one_thread_and_leaves_the_number_as_it_was(
    real: SentenceEncoder,
) -> None:
    before, seen = torch.get_num_threads(), []
    model = real._load()
    hook = model.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    try:
        short = real.encode(["a short one"])
        real.encode(["a long one " * 60])
    finally:
        hook.remove()
    assert seen == [1, before]
    assert torch.get_num_threads() == before
    assert short.shape == (1, 2, 384)


def test_each_text_keeps_its_place_among_longer_and_shorter_ones(
    unadapted: SentenceEncoder,
) -> None:
    texts = [f"{'long ' * (n * 7 % 60)}text number {n}" for n in range(70)]  # more than one batch
    vectors = unadapted.encode(texts)
    assert np.allclose(vectors[:, 0], unadapted.encode_plainly(texts), atol=1e-5)
    assert np.allclose(vectors[[3]], unadapted.encode([texts[3]]), atol=1e-5)
    assert unadapted.encode([]).shape[0] == 0


def test_only_the_built_in_model_is_adapted_and_the_plain_pipeline_has_it_as_it_was(
    real: SentenceEncoder, unadapted: SentenceEncoder
) -> None:
    texts = ["it trains but finds nothing", "no module named timm"]
    assert np.allclose(real.encode_plainly(texts), unadapted.encode_plainly(texts), atol=1e-6)
    cosines = (real.encode(texts)[:, 0] * unadapted.encode(texts)[:, 0]).sum(axis=1)
    assert (cosines < 0.99).all()
    file = resources.files("assistant.data") / "encoder.npz"
    assert len(file.read_bytes()) < 2_000_000
    with np.load(io.BytesIO(file.read_bytes())) as arrays:
        pairs = read_pairs(arrays)
    layers = [model._load()[0].auto_model for model in (real, unadapted)]
    for name, (a, b) in pairs.items():
        adapted, plain = (layer.get_submodule(name).weight.detach().numpy() for layer in layers)
        assert np.allclose(adapted - plain, b @ a, atol=1e-6), name
    assert len(pairs) == 36  # six layers of six
    assert real.id.endswith(hashlib.sha256(file.read_bytes()).hexdigest()[:12])


def test_a_damaged_adapter_means_no_encoder_and_never_an_unadapted_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assistant.encoders._adapter_bytes", lambda: b"not a zip file")
    encoder = SentenceEncoder()
    for _ in range(2):
        with pytest.raises(EncoderError) as caught:
            encoder.encode(["x"])
    assert "by words only" in caught.value.message


def test_low_rank_pairs_survive_the_file_but_for_rounding() -> None:
    random = np.random.default_rng(3)
    pairs = {"layer.0.x": (random.normal(size=(4, 9)), random.normal(size=(7, 4)))}
    again = read_pairs(pack_pairs(pairs))
    assert again.keys() == pairs.keys()
    for kept, old in zip(again["layer.0.x"], pairs["layer.0.x"], strict=True):
        assert kept.dtype == np.float32
        assert np.abs(kept - old).max() <= np.abs(old).max() / 250


def test_the_middle_view_is_the_mean_of_the_fourth_of_six_layers(real: SentenceEncoder) -> None:
    texts = ["No module named timm", "a text that is longer than the other one, for its padding"]
    model = real._load()
    tokens = model.tokenizer(texts, padding=True, return_tensors="pt")
    layer = model[0].auto_model(**tokens, output_hidden_states=True).hidden_states[4]
    for vector, seen, mask in zip(
        real.encode(texts)[:, 1], layer, tokens["attention_mask"], strict=True
    ):
        mean = seen[mask.bool()].mean(0)
        assert np.allclose(vector, (mean / mean.norm()).detach().numpy(), atol=1e-5)


def test_a_model_that_ends_in_another_dimension_has_one_view(
    real: SentenceEncoder, tmp_path: Path
) -> None:
    parts = [*real._load(), Dense(384, 128)]
    SentenceTransformer(modules=[parts[0], parts[1], parts[3]]).save(str(tmp_path / "small"))
    vectors = SentenceEncoder(str(tmp_path / "small")).encode(["a text"])
    assert vectors.shape == (1, 1, 128)


def test_a_models_own_prompt_and_number_format_are_kept(
    real: SentenceEncoder, tmp_path: Path
) -> None:
    model = SentenceTransformer(
        modules=list(real._load()), prompts={"query": "query: "}, default_prompt_name="query"
    )
    model.save(str(tmp_path / "prompted"))
    prompted = SentenceEncoder(str(tmp_path / "prompted"))
    assert np.allclose(prompted.encode(["a text"]), real.encode(["query: a text"]), atol=1e-5)
    config = tmp_path / "prompted" / "config.json"
    config.write_text(config.read_text("utf-8").replace('"float32"', '"bfloat16"'), "utf-8")
    halved = SentenceEncoder(str(tmp_path / "prompted"))
    half = halved.encode(["a text"])
    assert next(halved._load().parameters()).dtype == torch.bfloat16
    assert half.dtype == np.float32
    assert ((half * prompted.encode(["a text"])).sum(axis=2) > 0.99).all()


def test_a_model_without_layers_has_one_view(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(20)]
    bag = SentenceTransformer(modules=[BoW(vocab=words), Normalize()])
    bag.save(str(tmp_path / "bag"))
    vectors = SentenceEncoder(str(tmp_path / "bag")).encode(["word1 word2", "word3"])
    assert vectors.shape == (2, 1, 20)
    assert np.allclose(np.linalg.norm(vectors, axis=2), 1)


def test_the_encoders_vectors_are_what_they_were(real: SentenceEncoder) -> None:
    vectors = real.encode(
        ["No module named timm", "CUDA out of memory", "ModuleNotFoundError: timm"]
    )
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 2, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)
    sentence = vectors[:, 0]
    assert sentence[0] @ sentence[2] > 0.6 > 0.3 > sentence[0] @ sentence[1]


def test_the_shipped_vectors_belong_to_the_shipped_encoder_and_are_near_its_own(
    real: SentenceEncoder,
) -> None:
    from assistant.library import load_phrases

    seed = load_seed(real.id)
    assert seed
    assert load_seed("another encoder") == {}
    texts = [p.text for p in load_phrases() if passage_key(real.id, p.text) in seed][:5]
    assert len(texts) == 5
    for text, vector in zip(texts, real.encode(texts), strict=True):
        assert ((seed[passage_key(real.id, text)] * vector).sum(axis=1) > 0.99).all()


def test_an_encoder_that_cannot_be_loaded_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EncoderError) as caught:
        SentenceEncoder(str(tmp_path)).encode(["x"])
    assert "by words only" in caught.value.message
    assert "ASSISTANT_ENCODER" in caught.value.hint


# --- the cache -----------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def old_format(path: Path) -> None:
    manifest = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(manifest | {"format": 1}))


DAMAGES = {
    "truncated": truncate,
    "bit flipped": flip,
    "foreign": lambda path: path.write_bytes(b"PK\x03\x04 something else entirely"),
    "empty": lambda path: path.write_bytes(b""),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n(S'id'\ntR."),
    "no manifest": lambda path: path.with_suffix(".json").unlink(),
    "manifest is a list": lambda path: path.with_suffix(".json").write_text("[]"),
    "manifest is no text": lambda path: path.with_suffix(".json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_cache_is_made_again_with_a_notice(damage: object, tmp_path: Path) -> None:
    first = build_index(TEXTS, FakeEncoder(), folder=tmp_path)
    damage(vectors_file(tmp_path))  # type: ignore[operator]
    encoder = FakeEncoder()
    second = build_index(TEXTS, encoder, folder=tmp_path)
    assert encoder.encoded == TEXTS
    assert len(second.notices) == 1
    assert "damaged" in second.notices[0]
    assert "made again" in second.notices[0]
    assert np.array_equal(first.vectors, second.vectors)
    third = build_index(TEXTS, encoder, folder=tmp_path)
    assert (third.notices, len(encoder.encoded)) == ((), 3)


def test_another_versions_cache_is_made_again_and_not_called_damaged(tmp_path: Path) -> None:
    build_index(TEXTS, FakeEncoder(), folder=tmp_path)
    old_format(vectors_file(tmp_path))
    encoder = FakeEncoder()
    index = build_index(TEXTS, encoder, folder=tmp_path)
    assert encoder.encoded == TEXTS
    assert [("another version" in n, "damaged" in n) for n in index.notices] == [(True, False)]


def test_vectors_of_another_length_under_the_same_name_are_not_mixed(tmp_path: Path) -> None:
    build_index(TEXTS, FakeEncoder(dimension=8), folder=tmp_path)
    index = build_index([*TEXTS, "one more"], FakeEncoder(dimension=6), folder=tmp_path)
    assert index.vectors.shape == (2, 4, 6)
    assert len(index.notices) == 1


def test_each_encoder_has_its_own_file(tmp_path: Path) -> None:
    build_index(TEXTS, FakeEncoder("one"), folder=tmp_path)
    other = FakeEncoder("two")
    build_index(TEXTS, other, folder=tmp_path)
    assert other.encoded == TEXTS
    assert len(list(tmp_path.glob("vectors-*.npz"))) == 2


def test_an_unwritable_folder_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    encoder = FakeEncoder()
    index = build_index(TEXTS, encoder, folder=tmp_path / "cache" / "index")
    assert index.vectors.shape == (2, 3, 8)
    assert "cannot be kept" in " ".join(index.notices)
    assert "next start" in " ".join(index.notices)
    with pytest.raises(CacheError) as caught:
        check_folder(tmp_path / "cache" / "index")
    assert "ASSISTANT_CACHE_DIR" in caught.value.hint


def test_a_seed_spares_the_encoder(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    seed = {passage_key("fake", TEXTS[0]): encoder.encode([TEXTS[0]])[0]}
    encoder.encoded.clear()
    build_index(TEXTS, encoder, folder=tmp_path, seed=seed)
    assert encoder.encoded == TEXTS[1:]


def test_a_seed_goes_before_what_an_earlier_start_kept(tmp_path: Path) -> None:
    """Or some of the shipped phrases would be exact, others coarse, and the exact ones nearer."""
    encoder = FakeEncoder()
    kept = build_index(TEXTS, encoder, folder=tmp_path)
    coarse = -kept.vectors[:, 0]
    index = build_index(
        TEXTS, encoder, folder=tmp_path, seed={passage_key("fake", TEXTS[0]): coarse}
    )
    assert np.array_equal(index.vectors[:, 0], coarse)
    assert np.array_equal(index.vectors[:, 1:], kept.vectors[:, 1:])


def test_the_same_passage_twice_and_a_limited_search(tmp_path: Path) -> None:
    index = build_index(["a", "b", "a", "c"], FakeEncoder(), folder=tmp_path)
    assert np.array_equal(index.vectors[:, 0], index.vectors[:, 2])
    question = FakeEncoder().encode(["a"])
    nothing = np.array([], dtype=np.int64)
    every = index.similarities(question, exact=nothing)
    found = index.similarities(question, exact=nothing, limit=2)
    assert found[0, :, [0, 2]] == pytest.approx(1)
    assert np.count_nonzero(found) == 2 * 2
    summed = index.similarities(question, exact=np.array([0, 1]), limit=2)
    assert np.allclose(summed[:, :, [0, 1, 2]], every[:, :, [0, 1, 2]], atol=1e-6)
    assert np.count_nonzero(summed[:, :, 3]) == 0


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")
    os.mkdir(tmp_path / "taken")
    with pytest.raises(OSError):
        write_atomically(tmp_path / "taken", b"new")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "taken"]
    assert [p.name for p in path.parent.iterdir()] == ["file"]


BUILDER = """
import sys
from pathlib import Path
from assistant.index import build_index
from tests.fakes import FakeEncoder
for turn in range(30):
    texts = [f"passage {n} of {turn % 3}" for n in range(60)]
    index = build_index(texts, FakeEncoder(), folder=Path(sys.argv[1]))
    assert index.vectors.shape == (2, 60, 8)
    expected = FakeEncoder().encode(texts).swapaxes(0, 1)
    assert abs(index.vectors - expected).max() == 0
"""


def test_two_processes_build_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILDER, str(tmp_path)]
    root = Path(__file__).parent.parent
    running = [
        subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert not list(tmp_path.glob(".*")), "no half-written file is left"
    texts = [f"passage {n} of 2" for n in range(60)]
    assert build_index(texts, FakeEncoder(), folder=tmp_path).vectors.shape == (2, 60, 8)
