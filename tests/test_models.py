"""The choice of a language model: rows, folders and memory; nothing is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.build import build_backend
from assistant.errors import SettingsError
from assistant.models import (
    MANIFEST,
    RECOMMENDED,
    TINY_NAME,
    ModelChoice,
    choose_model,
    find_in_hub_cache,
    find_memory_fault,
    is_complete,
    load_manifest,
    read_mem_available_gb,
)
from assistant.settings import Settings
from assistant.setup import default_model_folder

SMALL, LARGE = RECOMMENDED[0], RECOMMENDED[2]


def put_in_cache(cache: Path, hub_id: str, *, shards: int = 2, missing: int = 0) -> Path:
    """Lay a model down as the hub's library does: blobs, and links to them in a snapshot."""
    root = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = root / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (root / "blobs").mkdir()
    names = [f"model-{i:05}-of-{shards:05}.safetensors" for i in range(1, shards + 1)]
    for i, name in enumerate(names):
        if i >= missing:
            (root / "blobs" / f"b{i}").write_bytes(b"weights")
        (snapshot / name).symlink_to(root / "blobs" / f"b{i}")
    index = {"weight_map": {f"layer{i}": name for i, name in enumerate(names)}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "config.json").write_text("{}")
    (snapshot / "tokenizer_config.json").write_text("{}")
    return snapshot


def put_default(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    manifest = {"files": {"config.json": {"size": 2, "sha256": "unchecked here"}}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def choose(tmp_path: Path, setting: str = "auto", **options: object) -> ModelChoice:
    given = {"cuda": True, "mem_available_gb": 115.0, "reserve_gb": 32.0} | options
    return choose_model(
        setting,
        hub_cache=tmp_path / "hub",
        default_folder=tmp_path / TINY_NAME,
        **given,  # type: ignore[arg-type]
    )


# --- auto -----------------------------------------------------------------------------------------


def test_auto_takes_the_first_recommended_model_in_the_cache(tmp_path: Path) -> None:
    snapshot = put_in_cache(tmp_path / "hub", LARGE.hub_id)
    put_default(tmp_path / TINY_NAME)
    choice = choose(tmp_path)
    assert (choice.kind, choice.where, choice.tiny) == ("folder", str(snapshot), False)
    assert choice.label == LARGE.hub_id.split("/")[1]
    assert "60 GB" in choice.note
    put_in_cache(tmp_path / "hub", SMALL.hub_id)
    assert choose(tmp_path).label == SMALL.hub_id.split("/")[1]


@pytest.mark.parametrize(
    "options",
    [
        {"cuda": False},
        {"mem_available_gb": 90.0},  # 90 - 32 < 60
        {"mem_available_gb": None},
        {"reserve_gb": 80.0},
    ],
    ids=lambda options: str(options),
)
def test_auto_falls_back_to_the_tiny_model(tmp_path: Path, options: dict[str, object]) -> None:
    put_in_cache(tmp_path / "hub", LARGE.hub_id)
    folder = put_default(tmp_path / TINY_NAME)
    choice = choose(tmp_path, **options)
    assert (choice.where, choice.label, choice.tiny) == (str(folder), TINY_NAME, True)
    assert "tiny model" in choice.note
    assert f"ASSISTANT_MODEL={SMALL.hub_id} assistant serve" in choice.note


def test_the_tiny_model_can_be_asked_for_by_name(tmp_path: Path) -> None:
    put_in_cache(tmp_path / "hub", LARGE.hub_id)
    assert choose(tmp_path, "tiny").kind == "none"
    folder = put_default(tmp_path / TINY_NAME)
    assert choose(tmp_path, "tiny").where == str(folder)


def test_the_tiny_model_is_silent_unless_it_was_asked_for_by_name(tmp_path: Path) -> None:
    put_default(default_model_folder(tmp_path))
    silent = build_backend(Settings(cache_dir=tmp_path, model_reserve_gb=9e9))
    assert silent.status().state == "away"
    assert "ASSISTANT_MODEL=tiny" in silent.status().message
    speaking = build_backend(Settings(cache_dir=tmp_path, model="tiny"))
    assert speaking.is_tiny
    assert speaking.status().state == "loading"


def test_auto_without_any_model_names_the_command(tmp_path: Path) -> None:
    choice = choose(tmp_path)
    assert choice.kind == "none"
    assert "`assistant setup`" in choice.note


def test_a_model_that_is_half_downloaded_is_not_taken(tmp_path: Path) -> None:
    put_in_cache(tmp_path / "hub", SMALL.hub_id, missing=1)
    assert find_in_hub_cache(tmp_path / "hub", SMALL.hub_id) is None
    assert choose(tmp_path).kind == "none"


def test_a_default_model_with_a_short_file_is_not_taken(tmp_path: Path) -> None:
    folder = put_default(tmp_path / TINY_NAME)
    assert is_complete(folder)
    (folder / "config.json").write_text("{")
    assert not is_complete(folder)
    assert choose(tmp_path).kind == "none"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', '{"files": {"a": {"size": "x"}}}'])
def test_a_broken_manifest_is_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert load_manifest(tmp_path) == {}
    assert not is_complete(tmp_path)


# --- named ----------------------------------------------------------------------------------------


def test_none_is_respected_even_with_models_around(tmp_path: Path) -> None:
    put_default(tmp_path / TINY_NAME)
    choice = choose(tmp_path, "none")
    assert choice.kind == "none"
    assert "ASSISTANT_MODEL=none" in choice.note


def test_a_hub_id_in_the_cache_is_taken_from_there(tmp_path: Path) -> None:
    snapshot = put_in_cache(tmp_path / "hub", "some-org/Some.Model_1", shards=1)
    choice = choose(tmp_path, "some-org/Some.Model_1", cuda=False)
    assert (choice.kind, choice.where, choice.label) == ("folder", str(snapshot), "Some.Model_1")


def test_a_hub_id_that_is_not_here_says_that_it_is_downloaded(tmp_path: Path) -> None:
    choice = choose(tmp_path, SMALL.hub_id)
    assert (choice.kind, choice.where) == ("hub", SMALL.hub_id)
    assert "downloaded first (8 GB)" in choice.note


def test_a_folder_and_a_gguf_file(tmp_path: Path) -> None:
    folder = put_default(tmp_path / "mine")
    assert choose(tmp_path, str(folder)) == ModelChoice("folder", str(folder), "mine")
    (tmp_path / "Model.Q4_1.GGUF").write_bytes(b"GGUF")
    file = str(tmp_path / "Model.Q4_1.GGUF")
    assert choose(tmp_path, f" {file} ") == ModelChoice("gguf", file, "Model.Q4_1")


@pytest.mark.parametrize(
    "setting",
    [
        "gpt",
        "org/",
        "/model",
        "org/model/extra",
        "../model",
        "org/..",
        "org/mo..del",
        "org--a/model",
        "org/model;rm",
        "https://example.org/model",
        "org/model\n",
        "-o/model",
        "missing.gguf",
        "",
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(tmp_path: Path, setting: str) -> None:
    if setting == "org/model\n":  # a newline at the end is only space around the id
        assert choose(tmp_path, setting).where == "org/model"
        return
    with pytest.raises(SettingsError) as caught:
        choose(tmp_path, setting)
    assert "ASSISTANT_MODEL" in caught.value.hint


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no config\.json"):
        choose(tmp_path, str(tmp_path))


# --- rows and memory ------------------------------------------------------------------------------


def test_the_rows_are_unique_and_hold_together() -> None:
    assert len({row.hub_id for row in RECOMMENDED}) == len(RECOMMENDED)
    for row in RECOMMENDED:
        assert 0 < row.active_gb <= row.weights_gb
        assert row.mark in ("calculated", "reported")
        slowest = float(row.speed.split("-")[0])
        assert slowest * row.active_gb < 273, "no faster than the memory's bandwidth allows"


def meminfo(available_gb: float, total_gb: float) -> str:
    kilo = 1e9 / 1024
    return f"MemTotal: {int(total_gb * kilo)} kB\nMemAvailable: {int(available_gb * kilo)} kB\n"


def put_weights(folder: Path, gigabytes: float) -> Path:
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(int(gigabytes * 1e9))  # a file of holes: it takes no room
    return folder


@pytest.mark.parametrize(
    ("weights", "tiny", "available", "total", "fault"),
    [
        (8.0, False, 60.0, 128.0, ""),
        (8.0, False, 42.0, 128.0, "needs about 11.0 GB, 42.0 GB are free, and 32.0 GB"),
        (8.0, False, 16.0, 20.0, ""),  # a quarter of 20 GB stays
        (8.0, False, 15.0, 20.0, "5.0 GB stay reserved"),
        (0.27, True, 2.1, 8.0, ""),
        (0.27, True, 1.8, 8.0, "1.0 GB stay reserved"),
        (0.27, True, 2.1, 2.5, ""),  # a quarter is less than 1 GB
    ],
)
def test_a_model_that_leaves_too_little_is_not_loaded(
    tmp_path: Path, weights: float, tiny: bool, available: float, total: float, fault: str
) -> None:
    choice = ModelChoice("folder", str(put_weights(tmp_path / "m", weights)), "m", tiny=tiny)
    said = find_memory_fault(choice, meminfo=meminfo(available, total), reserve_gb=32.0)
    assert (fault in said) if fault else not said


def test_what_would_fit_instead_is_named(tmp_path: Path) -> None:
    choice = ModelChoice("hub", LARGE.hub_id, "large")
    said = find_memory_fault(choice, meminfo=meminfo(60.0, 128.0), reserve_gb=32.0)
    assert SMALL.hub_id in said
    assert not find_memory_fault(choice, meminfo="", reserve_gb=32.0), "unknown: not refused"
    assert not find_memory_fault(
        ModelChoice("folder", str(tmp_path / "gone")), meminfo=meminfo(1, 2), reserve_gb=32.0
    )


def test_mem_available_is_read_in_gb() -> None:
    text = "MemTotal:       127600748 kB\nMemFree:  1 kB\nMemAvailable:   121000000 kB\n"
    assert read_mem_available_gb(text) == pytest.approx(123.9, abs=0.01)
    assert read_mem_available_gb("MemTotal: 5 kB\n") is None
