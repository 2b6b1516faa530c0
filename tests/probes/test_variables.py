"""Which variables of a notebook are looked at, and that no secret is among them."""

from __future__ import annotations

import pytest

from assistant.probes.variables import listed_variables


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("CUDA_VISIBLE_DEVICES", "", ""),
        ("HF_TOKEN", "hf_tiger", "set"),
        ("HF_TOKEN", "", ""),
        ("WANDB_API_KEY", "tiger", "set"),
        ("HF_TOKEN_PATH", "/h/token", "/h/token"),
        ("HTTPS_PROXY", "http://p:3128", "http://p:3128"),
        ("NVIDIA_API_KEY", "tiger", None),
        ("CUDA_AUTH_COOKIE", "tiger", None),
        ("AWS_SECRET_ACCESS_KEY", "tiger", None),
        ("MY_PASSWORD", "tiger", None),
        ("BASH_FUNC_x%%", "() { :; }", None),
        ("XPATH", "x", None),
        ("LANG", "C\0", None),
    ],
)
def test_listed(name: str, value: str, shown: str | None) -> None:
    assert dict(listed_variables({name: value})).get(name) == shown


def test_a_value_is_cut() -> None:
    assert len(dict(listed_variables({"PATH": "x" * 100_000}))["PATH"]) == 8192
