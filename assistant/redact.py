"""Secrets out of texts, before they are searched, shown, logged, kept or given to a model.

Rows of patterns, applied in order; each match becomes `<REDACTED:kind>`. Linear in the length of
the text (no nested quantifiers) and idempotent. It does not guess by entropy: commit hashes and
checksums in tracebacks are evidence, not secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecretRule:
    """`pattern` finds the secret; its group 'secret' is masked, or all of it if there is none."""

    kind: str
    pattern: re.Pattern[str]


def _rule(kind: str, pattern: str, flags: int = 0) -> SecretRule:
    return SecretRule(kind, re.compile(pattern, flags))


_VALUE = r"(?P<secret>[^\s'\"<>,;)\]}]{4,512})"

RULES: tuple[SecretRule, ...] = (
    # -----BEGIN OPENSSH PRIVATE KEY----- … (to its END line, or to the end of the text)
    _rule(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----(?P<secret>(?:[^-]|-(?!----)){0,20000}"
        r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----)?)",
    ),
    _rule("hf_token", r"\b(?:hf|api_org)_[A-Za-z0-9]{16,100}"),
    _rule("nvidia_key", r"\bnvapi-[A-Za-z0-9_-]{20,100}"),
    _rule("github_token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})"),
    _rule("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{16,100}"),
    _rule("anthropic_key", r"\bsk-ant-[A-Za-z0-9_-]{16,200}"),
    _rule("openai_key", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,250}"),
    _rule("stripe_key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}"),
    _rule("aws_key_id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    _rule("google_key", r"\bAIza[A-Za-z0-9_-]{35}"),
    _rule("google_oauth", r"\bya29\.[A-Za-z0-9_-]{20,300}"),
    _rule("slack_token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    _rule("slack_webhook", r"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/]{20,100})"),
    _rule("discord_webhook", r"discord(?:app)?\.com/api/webhooks/(?P<secret>[\w/-]{20,140})"),
    _rule("pypi_token", r"\bpypi-[A-Za-z0-9_-]{30,300}"),
    _rule("npm_token", r"\bnpm_[A-Za-z0-9]{30,100}"),
    _rule("telegram_token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{32,36}"),
    _rule("jwt", r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,1000}"),
    # https://user:password@host
    _rule("url_password", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,100}:(?P<secret>[^\s/@'\"]{1,200})@", re.I),
    # https://token@host (git clone with a token as the user name)
    _rule("url_token", r"\bhttps?://(?P<secret>[A-Za-z0-9_-]{20,200})@", re.I),
    # Authorization: Bearer …, Cookie: …
    _rule(
        "authorization",
        r"\b(?:proxy-)?authorization['\"]?\s{0,4}[:=]\s{0,4}['\"]?(?:(?:bearer|basic|token)\s{1,4})?+" + _VALUE,
        re.I,
    ),
    _rule("authorization", r"\bbearer\s{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{16,500})", re.I),
    _rule("cookie", r"\b(?:set-)?cookie['\"]?\s{0,4}:\s{0,4}(?P<secret>[^\r\n]{4,4000})", re.I),
    # ?token=…&X-Amz-Signature=…
    _rule(
        "url_parameter",
        r"[?&](?:access_token|token|api_?key|key|sig|signature|x-amz-signature|"
        r"x-amz-credential|x-amz-security-token|x-goog-signature|password|secret)="
        r"(?P<secret>[^\s&#'\"<>]{4,2000})",
        re.I,
    ),
    # export WANDB_API_KEY=… / os.environ["HF_TOKEN"] = "…" / "password": "…" / --password …
    _rule(
        "assigned_secret",
        r"(?<![A-Za-z0-9])[A-Za-z0-9_-]{0,40}(?:api_?key|access_?key(?:_id)?|secret(?:_?key)?|"
        r"auth_?token|access_?token|password|passwd|passphrase|credentials?)"
        r"['\"]?\]?\s{0,3}(?:=|:)\s{0,3}[rbf]?(?:'(?P<a>[^'\n]{4,500})'|\"(?P<b>[^\"\n]{4,500})\"|"
        r"(?P<c>[^\s'\"<>,;()\[\]{}]{4,500}))",
        re.I,
    ),
    # HF_TOKEN=…: a bare "token" needs a value that looks like one ("pad_token = 0" is not)
    _rule(
        "assigned_secret",
        r"(?<![A-Za-z0-9])[A-Za-z0-9_-]{0,40}token['\"]?\]?\s{0,3}(?:=|:)\s{0,3}['\"]?"
        r"(?P<secret>(?=[A-Za-z_./+-]{0,60}\d)[A-Za-z0-9_./+=-]{12,500})",
        re.I,
    ),
    _rule("assigned_secret", r"(?<!\w)--?(?:password|passwd|token|api-key|secret)[ =]" + _VALUE, re.I),
    _rule("assigned_secret", r"\bpassword (?:is|was|ist|es|est):?\s{1,3}" + _VALUE, re.I),
    # wandb: a 40-digit hexadecimal key right after the word
    _rule("wandb_key", r"\bwandb\b[^\n]{0,40}?(?P<secret>\b[0-9a-f]{40}\b)", re.I),
    # sshpass -p …, mysql -p…
    _rule("assigned_secret", r"\bsshpass\s{1,3}-p\s{0,3}" + _VALUE),
)

_MARK = re.compile(r"<REDACTED:[a-z_]+>")


def redact(text: str) -> str:
    """Return `text` with every secret that a rule knows replaced by `<REDACTED:kind>`."""
    for rule in RULES:
        text = rule.pattern.sub(lambda found, kind=rule.kind: _mask(found, kind), text)
    return text


def _mask(found: re.Match[str], kind: str) -> str:
    whole = found.group(0)
    groups = {name: value for name, value in found.groupdict().items() if value is not None}
    for name, secret in groups.items():
        if _MARK.search(secret) or "REDACTED:" in whole:
            return whole
        start, end = found.start(name) - found.start(), found.end(name) - found.start()
        return f"{whole[:start]}<REDACTED:{kind}>{whole[end:]}"
    return whole if "REDACTED:" in whole else f"<REDACTED:{kind}>"
