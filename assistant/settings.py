"""Settings: argument > environment `ASSISTANT_*` > TOML file > default; read once, then frozen.

It refuses to know what a setting is used for. The README's table is generated from this schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from assistant.errors import SettingsError

CONFIG_FILE = Path(platformdirs.user_config_dir("cv-troubleshooter")) / "assistant.toml"

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Everything that an operator can set. List values are comma-separated in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="ASSISTANT_", frozen=True, extra="ignore", toml_file=CONFIG_FILE
    )

    guide: Names = Field(
        ("builtin",),
        description="Guide files or folders to search; `builtin` stands for the shipped ones",
    )
    cache_dir: Path = Field(
        Path(platformdirs.user_cache_dir("cv-troubleshooter")),
        description="Where the index and converted models are kept",
    )
    history: bool = Field(
        True,
        description="Whether questions (masked), answers and outcomes are kept on this machine; "
        "`off` keeps nothing",
    )
    data_dir: Path = Field(
        Path(platformdirs.user_data_dir("cv-troubleshooter")),
        description="Where that history is kept",
    )
    encoder: str = Field(
        "builtin",
        description="Sentence encoder: `builtin` (all-MiniLM-L6-v2, adapted to this course), a "
        "folder, or a hub id",
    )
    reranker: bool = Field(
        True,
        description="Whether the page's second model reads the first entries beside the question, "
        "once `assistant setup --reranker` has fetched it",
    )
    model: str = Field(
        "auto",
        description="Language model: `auto` (the best one here; where that is the tiny one, fixed "
        "sentences speak instead), `tiny`, `none`, a hub id, a folder, or a GGUF file",
    )
    model_url: str = Field(
        "",
        description="Address of a server with the OpenAI API, e.g. http://127.0.0.1:8000/v1; then "
        "`model` is its model's name (`auto`: the first it lists), and its key stands in "
        "ASSISTANT_MODEL_KEY",
    )
    model_url_plain: bool = Field(
        False,
        description="Allow a `model_url` with http:// that leaves the local network (all can read)",
    )
    max_new_tokens: int = Field(
        220, ge=16, le=4096, description="Longest answer of the language model, in tokens"
    )
    answer_seconds: float = Field(
        90.0, gt=0, description="Longest time the language model may write, in seconds"
    )
    model_queue: int = Field(
        8, ge=1, description="Readers that may wait for the language model; more get the guide only"
    )
    model_idle_minutes: float = Field(
        0.0,
        ge=0,
        description="Free the language model's memory after this many unused minutes; 0 for never",
    )
    model_reserve_gb: float = Field(
        32.0,
        ge=0,
        description="Memory in GB that a language model leaves to your own work, at most a quarter "
        "of the machine's; the tiny model leaves 1 GB",
    )
    host: str = Field(
        "127.0.0.1", description="Address to listen on; any but loopback demands a token"
    )
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0 picks a free one")
    token: SecretStr | None = Field(
        None, description="Token that readers need; made and printed when one is demanded"
    )
    trusted_hosts: Names = Field(
        (), description="Further host names under which the page may be opened"
    )
    trusted_origins: Names = Field(
        (),
        description="Further origins (scheme://host:port) that may send requests, for a proxy "
        "that rewrites Host",
    )
    root_path: str = Field(
        "", description="Path prefix behind a proxy, e.g. /proxy/7860 (jupyter-server-proxy)"
    )
    max_body_mb: float = Field(8.0, gt=0, description="Largest request body, in MB")
    max_upload_mb: float = Field(20.0, gt=0, description="Largest file, in MB")
    targets: Names = Field(
        (), description="Further Python environments for probes: name=/path/to/python"
    )
    containers: Names = Field(
        (),
        description="Containers that probes may look into by `docker exec`: name=CONTAINER, or "
        "name=CONTAINER:/path/to/python",
    )
    probe_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Further folders whose files probes may look at, besides the notebook's folder "
        "and the model caches",
    )

    @field_validator(
        "guide",
        "trusted_hosts",
        "trusted_origins",
        "targets",
        "containers",
        "probe_roots",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        """A comma-separated string becomes a tuple."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; .env files and secret folders are not read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**arguments: Any) -> Settings:
    """Read the settings once; arguments that are None count as not given.

    Raises SettingsError naming the setting, its value's fault and what to write instead.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise SettingsError(
            f"The setting {name} has a value that cannot be used: {first['msg']}.",
            hint=f"Correct it where you gave it: --{name.replace('_', '-')}, "
            f"ASSISTANT_{name.upper()} or {CONFIG_FILE}.",
        ) from error
    except (SourceError, ValueError, OSError) as error:
        raise SettingsError(
            f"The settings file {CONFIG_FILE} cannot be read: {error}.",
            hint="Mend it as TOML (name = value), or remove it.",
        ) from error
