"""Secrets are masked, what only looks like one stays, and masking twice changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.redact import RULES, redact
from tests.secrets_table import FAKE, SECRETS, core

CASES = [pytest.param(*row, id=f"{row[0]}-{n}") for n, row in enumerate(SECRETS)]


@pytest.mark.parametrize(("kind", "around", "secret"), CASES)
def test_secret_is_masked(kind: str, around: str, secret: str) -> None:
    text = around.format(secret)
    masked = redact(text)
    assert core(secret) not in masked
    assert FAKE not in masked
    assert "<REDACTED:" in masked
    assert f"<REDACTED:{kind}>" in redact(f"{text}")
    assert redact(masked) == masked


def test_every_rule_has_a_case_and_there_are_many_kinds() -> None:
    kinds = {rule.kind for rule in RULES}
    assert kinds == {kind for kind, _, _ in SECRETS}
    assert len(kinds) >= 18


def test_what_stands_around_a_secret_stays() -> None:
    text = f"git clone https://me:{FAKE}@git.example/x.git failed with code 128"
    assert redact(text) == (
        "git clone https://me:<REDACTED:url_password>@git.example/x.git failed with code 128"
    )


LOOKALIKES = [
    "commit 8f14e45fceea167a5a36dedd4bea2543ab12cd34",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "md5 4b8939a88964f0f4ff5f5b2642c598a6  sam_vit_h_4b8939.pth",
    "pad_token = 0",
    "tokenizer.eos_token",
    "tokenizer.pad_token = tokenizer.eos_token",
    "KeyError: 'password'",
    "KeyError: 'token'",
    "KeyError: 'Authorization'",
    "the [CLS] token",
    "max_new_tokens=200",
    "num_tokens: 128000",
    "next_token_id = 50256",
    "keys = ['a', 'b']",
    'Missing key(s) in state_dict: "conv1.weight"',
    "monkey: 12",
    "secretary of state",
    "sk-learn-contrib-something-long-name",
    "RuntimeError: shape '[1, 3]' is invalid for input of size 4",
    "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_h_4b8939.pth",
    "nvcr.io/nvidia/pytorch:25.11-py3",
    "me@example.org wrote",
    "http://127.0.0.1:7860/?view=compact",
    'File "/home/me/token.py", line 3, in <module>',
    "hf_hub_download('org/name', 'file')",
    "getpass prompt\nPassword:\nTraceback (most recent call last):",
    "wandb: Run data is saved locally",
    "2.9.1+cu130",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "def login(token: str | None = None) -> None:",
    "f(password=x, y=1)",
    "password=None, token=None",
    "curl -O https://x.example/a:b.pth",
    "curl -L https://x.example/sam_vit_h_4b8939.pth -o sam.pth",
    "docker run -u 1000:1000 -it image",
    "curl --unix-socket /run/x http://localhost/v1.41/containers/json",
    "secret santa = tom,dick",
    "API keys = a,b",
    "sam_vit_b_01ec64.pth",
    "resnet50-0676ba61.pth",
    "yolo11n.pt sha256 0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
    "wandb: Synced run-20261120_101112-a1b2c3d4",
    "wandb: \U0001f680 View run at https://wandb.ai/me/cv/runs/a1b2c3d4",
    "0f7e3c2 HEAD detached at 8f14e45fceea167a5a36dedd4bea2543ab12cd34",
    "ssh -L 7860:127.0.0.1:7860 you@spark",
    "ssh-rsa is not a key format that is used here",
    "tensor([0.1234, 0.5678], device='cuda:0')",
    "key = cv2.waitKey(0)",
    "for key, value in state_dict.items():",
    "KeyError: 'api_key'",
    "num_tokens=12345678901234",
    "torch.hub.load('facebookresearch/dinov2:main', 'dinov2_vits14')",
    "basic authentication is not supported",
    "the bearer of the network card",
    "Cookie was not set",
]


@pytest.mark.parametrize("text", LOOKALIKES)
def test_lookalikes_stay(text: str) -> None:
    assert redact(text) == text


HIDING = [
    f"Cookie: theme=<REDACTED:jwt>; session={FAKE}",
    f'password = "<REDACTED:jwt> {FAKE}"',
    f'password = "REDACTED: {FAKE}"',
    f"Authorization: Bearer {FAKE * 200}",
    f"api_key='{FAKE * 60}'",
    f"hf_{FAKE * 50}",
    f"https://me:{FAKE * 25}@host/x",
    f"_api-key={FAKE}",
    f"{'x' * 60}_password={FAKE}",
]


@pytest.mark.parametrize("text", HIDING)
def test_marks_and_length_hide_nothing(text: str) -> None:
    """Adversarial: a mark beside a secret, or a secret longer than usual, is no way through."""
    masked = redact(text)
    assert FAKE not in masked
    assert redact(masked) == masked


PIECES = st.sampled_from(
    [
        *(around.format(secret) for _, around, secret in SECRETS),
        *LOOKALIKES,
        *("=", ":", " ", "\n", "'", '"', "@", "/", "&", "?", "-----", "<", ">", "wandb ", "token"),
        *("password=", "Bearer ", "cookie: ", "https://", "<REDACTED:jwt>", "sk-", "eyJ", "x"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


# Values that hold commas, and user:password of a command line.
MASKED = [
    ("password=ab,cd,efgh", "password=<REDACTED:assigned_secret>"),
    ("export DB_PASSWORD=ab;cd,e", "export DB_PASSWORD=<REDACTED:assigned_secret>"),
    (
        "curl -u me:fakefake https://x.example",
        "curl -u me:<REDACTED:assigned_secret> https://x.example",
    ),
    (
        "curl -sS --user 'me:fakefake' x.example",
        "curl -sS --user 'me:<REDACTED:assigned_secret>' x.example",
    ),
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_values_with_commas_and_users_with_passwords(text: str, masked: str) -> None:
    assert redact(text) == masked
    assert redact(masked) == masked


# Known wrong: (text, what it should become, what it becomes)
KNOWN_WRONG = [
    (
        "connect(host, password=ab,cd)",  # inside a call a comma ends the value
        "connect(host, password=<REDACTED:assigned_secret>)",
        "connect(host, password=ab,cd)",
    ),
]


@pytest.mark.parametrize(("text", "desired", "actual"), KNOWN_WRONG)
def test_known_wrong(text: str, desired: str, actual: str) -> None:
    assert redact(text) == actual != desired
