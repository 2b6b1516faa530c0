"""Settings: argument > environment > TOML file > default; faults name the setting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from assistant import settings as module
from assistant.errors import SettingsError
from assistant.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[Path]:
    """No setting of this machine's user or environment; the file lies in a folder of its own."""
    kept = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("ASSISTANT_")
    }
    old = Settings.model_config["toml_file"]
    Settings.model_config["toml_file"] = tmp_path / "assistant.toml"
    yield tmp_path / "assistant.toml"
    Settings.model_config["toml_file"] = old
    for name in [name for name in os.environ if name.startswith("ASSISTANT_")]:
        del os.environ[name]
    os.environ.update(kept)


def test_defaults() -> None:
    settings = load_settings()
    assert settings.guide == ("builtin",)
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.model == "auto"
    assert settings.token is None
    assert settings.targets == settings.trusted_hosts == settings.trusted_origins == ()
    assert (settings.max_body_mb, settings.max_upload_mb) == (8, 20)


def test_argument_beats_environment_beats_file_beats_default(clean: Path) -> None:
    assert load_settings().port == 7860
    clean.write_text('port = 1001\nmodel = "from file"\nguide = ["a.md", "b.md"]\n')
    assert load_settings().port == 1001
    assert load_settings().guide == ("a.md", "b.md")
    os.environ["ASSISTANT_PORT"] = "1002"
    assert load_settings().port == 1002
    assert load_settings(port=1003).port == 1003
    assert load_settings(port=None).port == 1002, "None counts as not given"
    assert load_settings(port=1003).model == "from file"


def test_lists_are_comma_separated_in_the_environment() -> None:
    os.environ["ASSISTANT_GUIDE"] = "builtin, /a/b.md ,,"
    os.environ["ASSISTANT_TARGETS"] = "lab=/opt/venv/bin/python"
    os.environ["ASSISTANT_TRUSTED_HOSTS"] = ""
    settings = load_settings()
    assert settings.guide == ("builtin", "/a/b.md")
    assert settings.targets == ("lab=/opt/venv/bin/python",)
    assert settings.trusted_hosts == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "nine"),
        ("port", "70000"),
        ("port", "-1"),
        ("port", ""),
        ("max_new_tokens", "3"),
        ("answer_seconds", "0"),
        ("model_queue", "0"),
        ("model_reserve_gb", "-1"),
        ("max_body_mb", "0"),
        ("max_upload_mb", "much"),
    ],
)
def test_a_bad_value_names_the_setting_and_where_to_mend_it(name: str, value: str) -> None:
    os.environ[f"ASSISTANT_{name.upper()}"] = value
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"The setting {name} " in caught.value.message
    assert f"ASSISTANT_{name.upper()}" in caught.value.hint
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


def test_a_bad_argument_and_a_bad_file_value_are_named_too(clean: Path) -> None:
    with pytest.raises(SettingsError, match="The setting port "):
        load_settings(port=99999)
    clean.write_text('port = "many"\n')
    with pytest.raises(SettingsError, match="The setting port "):
        load_settings()


@pytest.mark.parametrize("content", [b"port = = 3", b"\xff\xfe\x00", b"[[["])
def test_a_broken_file_is_named(clean: Path, content: bytes) -> None:
    clean.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "settings file" in caught.value.message
    assert "TOML" in caught.value.hint


def test_the_token_does_not_show() -> None:
    os.environ["ASSISTANT_TOKEN"] = "very-secret-token"
    settings = load_settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "very-secret" not in shown
    assert settings.token is not None
    assert settings.token.get_secret_value() == "very-secret-token"


def test_a_bad_value_beside_the_token_does_not_show_it() -> None:
    os.environ["ASSISTANT_TOKEN"] = "very-secret-token"
    with pytest.raises(SettingsError) as caught:
        load_settings(port=99999)
    assert "very-secret" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings().port = 1  # type: ignore[misc]


def test_every_setting_is_described_and_foreign_variables_are_ignored() -> None:
    os.environ["ASSISTANT_NO_SUCH_THING"] = "1"
    load_settings()
    for name, field in Settings.model_fields.items():
        assert field.description, name
    assert module.CONFIG_FILE.name == "assistant.toml"
