"""Secrets out of texts, before they are searched, shown, logged, kept or given to a model.

Rows of patterns, applied in order; each match becomes `<REDACTED:kind>`. Linear in the length of
the text (no nested quantifiers) and idempotent. It does not guess by entropy: commit hashes and
checksums in tracebacks are evidence, not secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from assistant.lines import outline


@dataclass(frozen=True, slots=True)
class SecretRule:
    """`pattern` finds the secret; its group 'secret' is masked, or all of it if there is none.

    A text without any of `hints` (lower case) holds no match: looking for them is 50 times faster.
    """

    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]


def _rule(kind: str, hints: str, pattern: str, flags: int = 0) -> SecretRule:
    return SecretRule(kind, re.compile(pattern, flags), tuple(hints.split()))


# Where a token may begin: not inside a word, but after the "\n" of a repr: b'\nhf_…'
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
_VALUE = r"(?P<secret>[^\s'\"<>,;)\]}]{4,})"

RULES: tuple[SecretRule, ...] = (
    # -----BEGIN OPENSSH PRIVATE KEY----- … (to its END line, or to the end of the text)
    _rule(
        "private_key",
        "private",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?!<REDACTED)"
        r"(?P<secret>(?:[^-]|-(?!----)){0,20000}"
        r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?)",
    ),
    # a PuTTY key: the lines after "Private-Lines: 14"; an age key
    _rule(
        "private_key",
        "private-lines",
        r"\bPrivate-Lines: \d{1,3}\r?\n(?P<secret>[A-Za-z0-9+/=\r\n]{20,9000})",
    ),
    _rule("private_key", "age-secret-key", r"AGE-SECRET-KEY-1[0-9A-Z]{40,}"),
    _rule("hf_token", "hf_ api_org_", _START + r"(?:hf|api_org)_[A-Za-z0-9]{16,}"),
    _rule("nvidia_key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{20,}"),
    _rule("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", _START + r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _rule("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
    _rule("gitlab_token", "glpat-", r"glpat-[A-Za-z0-9_-]{16,}"),
    _rule("anthropic_key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    # has a digit somewhere: "sk-learn-contrib-something-long" is a name
    _rule("openai_key", "sk-", _START + r"sk-(?=[A-Za-z_-]{0,80}\d)[A-Za-z0-9_-]{20,}"),
    _rule("stripe_key", "k_live k_test", _START + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _rule("aws_key_id", "akia asia abia acca", _START + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    _rule("google_key", "aiza", _START + r"AIza[A-Za-z0-9_-]{35}"),
    _rule("google_oauth", "ya29", _START + r"ya29\.[A-Za-z0-9_-]{20,}"),
    _rule("slack_token", "xox", _START + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _rule(
        "slack_webhook", "hooks.slack", r"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/]{20,})"
    ),
    _rule(
        "discord_webhook", "webhooks", r"discord(?:app)?\.com/api/webhooks/(?P<secret>[\w/-]{20,})"
    ),
    _rule("pypi_token", "pypi-", _START + r"pypi-[A-Za-z0-9_-]{30,}"),
    _rule("npm_token", "npm_", _START + r"npm_[A-Za-z0-9]{30,}"),
    # Docker Hub, Groq, Replicate, xAI, LangSmith, Tavily, DigitalOcean, Weights & Biases, GitLab
    _rule(
        "service_token",
        "dckr_pat_ gsk_ r8_ xai- lsv2_ tvly- dop_v1_ wandb_v1_ glptt- gldt- glrt-",
        _START
        + r"(?:dckr_pat_|gsk_|r8_|xai-|lsv2_(?:pt|sk)_|tvly-|dop_v1_|wandb_v1_|gl(?:pt|d|r)t-)"
        r"(?=[A-Za-z_-]{0,80}\d)[A-Za-z0-9_-]{20,}",
    ),
    _rule("telegram_token", ":aa", r"\b\d{8,10}:AA[A-Za-z0-9_-]{32,36}"),
    _rule("jwt", "eyj", r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    # https://user:password@host (a password may hold an @ itself)
    _rule(
        "url_password",
        "://",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<]{0,100}:(?P<secret>[^\s/'\"]{1,500})@",
        re.I,
    ),
    # https://token@host (git clone with a token as the user name)
    _rule("url_token", "://", r"\bhttps?://(?P<secret>[A-Za-z0-9_-]{20,500})@", re.I),
    # Authorization: Bearer …, Cookie: …
    _rule(
        "authorization",
        "digest",
        r"\bauthorization['\"]?[ \t]{0,4}[:=][ \t]{0,4}['\"]?digest[ \t](?P<secret>[^\r\n<]{4,})",
        re.I,
    ),
    _rule(
        "authorization",
        "authorization",
        r"\b(?:proxy-)?authorization['\"]?[ \t]{0,4}[:=][ \t]{0,4}['\"]?"
        r"(?:(?:bearer|basic|token)[ \t]{1,4})?+" + _VALUE,
        re.I,
    ),
    _rule(
        "authorization", "bearer", r"\bbearer[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{16,})", re.I
    ),
    _rule(
        "cookie",
        "cookie",
        r"\b(?:set-)?cookie['\"]?[ \t]{0,4}:[ \t]{0,4}(?P<secret>[^\r\n]{4,})",
        re.I,
    ),
    # requests.get(url, cookies={"session": "…"})
    _rule(
        "cookie",
        "cookie",
        r"\bcookies?[ \t]{0,3}=[ \t]{0,3}\{(?P<secret>[^}\n]{6,2000})\}",
        re.I,
    ),
    # ?token=…&X-Amz-Signature=…
    _rule(
        "url_parameter",
        "? &",
        r"[?&](?:access_token|token|api_?key|key|sig|signature|x-amz-signature|"
        r"x-amz-credential|x-amz-security-token|x-goog-signature|password|secret)="
        r"(?P<secret>[^\s&#'\"<>]{4,})",
        re.I,
    ),
    # export WANDB_API_KEY=… / os.environ["HF_TOKEN"] = "…" / "password": "…" / --password …
    _rule(
        "assigned_secret",
        "key secret token password passwd passphrase credential",
        r"(?:api[_ -]?key|a(?:ccess|ccount)[_-]?key(?:_id)?|secret(?:[_-]?key)?|"
        r"auth[_-]?token|access[_-]?token|password|passwd|passphrase|credentials?)"
        r"['\"]?\]?[ \t]{0,3}(?:=|:)[ \t]{0,3}[rbf]?(?:'(?P<a>[^'\n]{4,4000})'|"
        r"\"(?P<b>[^\"\n]{4,4000})\"|(?P<c>(?!(?:None|True|False|null)\b)"
        r"[^\s'\"<>,;()\[\]{}]{4,}))",
        re.I,
    ),
    # password=a,b,c on a line of its own (.env, a shell): no call, no list, no second name=value
    _rule(
        "assigned_secret",
        "key secret token password passwd passphrase",
        r"^[ \t]{0,20}(?:export[ \t]{1,3}|set[ \t]{1,3})?[\w.-]{0,60}"
        r"(?:api[_-]?key|secret(?:[_-]?key)?|access[_-]?token|auth[_-]?token|password|passwd|"
        r"passphrase)[ \t]{0,3}=[ \t]{0,3}(?P<secret>[^\s'\"<>()\[\]{}=,;]{1,200}[,;]"
        r"[^\s'\"<>()\[\]{}=]{2,200})[ \t]{0,9}$",
        re.I | re.M,
    ),
    # HF_TOKEN=…: a bare "token" needs a value that looks like one ("pad_token = 0" is not)
    _rule(
        "assigned_secret",
        "token",
        r"token['\"]?\]?[ \t]{0,3}(?:=|:)[ \t]{0,3}['\"]?"
        r"(?P<secret>(?=[A-Za-z_./+-]{0,60}\d)[A-Za-z0-9_./+=-]{12,})",
        re.I,
    ),
    _rule(
        "assigned_secret",
        "-password -passwd -token -api-key -secret",
        r"(?<!\w)--?(?:password|passwd|token|api-key|secret)[ =]" + _VALUE,
        re.I,
    ),
    _rule(
        "assigned_secret",
        "password",
        r"\bpassword (?:is|was|ist|es|est):?[ \t]{1,3}" + _VALUE,
        re.I,
    ),
    # kaggle.json: {"username": "me", "key": "0123…"}
    _rule("kaggle_key", "key", r"[\"']key[\"']\s{0,3}:\s{0,3}[\"'](?P<secret>[0-9a-f]{32,})[\"']"),
    _rule(
        "kaggle_key",
        "kaggle",
        r"\bkaggle[^\n<]{0,30}?key[^\n<0-9a-f]{0,12}(?P<secret>[0-9a-f]{32})\b",
        re.I,
    ),
    # wandb: a 40-digit hexadecimal key right after the word
    _rule("wandb_key", "wandb", r"\bwandb\b[^\n<]{0,40}?(?P<secret>\b[0-9a-f]{40}\b)", re.I),
    # curl -u me:…, wget --user=me --password=… (the latter by --password above)
    _rule(
        "assigned_secret",
        "curl wget http",
        r"\b(?:curl|https?)\b[^\n|;]{0,300}?[ \t](?:-u|--user|-a|--auth)[ \t=]{0,2}['\"]?"
        r"[^\s:'\"<>]{1,100}:(?P<secret>[^\s'\"<>]{3,})",
    ),
    # docker login -p …, mysql -p…, redis-cli -a …, sshpass -p …
    _rule(
        "assigned_secret",
        "login",
        r"\b(?:docker|podman|nerdctl|helm)\b[^\n|;]{0,100}?\blogin\b[^\n|;]{0,200}?[ \t]-p"
        r"[ \t=]{0,2}['\"]?" + _VALUE,
    ),
    _rule(
        "assigned_secret",
        "--password-stdin",
        r"\becho[ \t]{1,3}['\"]?(?P<secret>[^\s'\"|<>$]{4,400})['\"]?[ \t]{0,3}\|"
        r"[^\n]{0,80}--password-stdin",
    ),
    _rule(
        "assigned_secret",
        "mysql redis-cli sshpass",
        r"\b(?:mysql\w{0,8}\b[^\n|;]{0,200}?[ \t]-p|redis-cli\b[^\n|;]{0,200}?[ \t]-a[ \t]|"
        r"sshpass\s{1,3}-p\s{0,3})(?P<secret>[^\s'\"<>,;)\]}]{4,})",
    ),
    # ~/.netrc: machine api.wandb.ai login user password …
    _rule(
        "assigned_secret",
        "machine",
        r"\bmachine\s{1,9}\S{1,200}\s{1,9}login\s{1,9}\S{1,200}\s{1,9}password\s{1,9}"
        r"(?P<secret>[^\s<>]{4,500})",
    ),
    # aws configure: aws_secret_access_key wJal…; jupyter: token 0123…
    _rule(
        "assigned_secret",
        "secret_access_key token",
        r"\b(?:aws_secret_access_key[ \t]{1,3}(?P<a>[A-Za-z0-9/+=]{30,})|"
        r"token[ \t]{1,3}(?P<b>[0-9a-f]{40,64})\b)",
        re.I,
    ),
    # JUPYTER_TOKEN=… (shorter than a bare "token" must be, but with a digit)
    _rule(
        "assigned_secret",
        "_token",
        r"\b[A-Z][A-Z0-9_]{1,40}_TOKEN['\"]?\]?[ \t]{0,3}[:=][ \t]{0,3}['\"]?"
        r"(?P<secret>(?=[A-Za-z_./+-]{0,60}\d)[A-Za-z0-9_./+=-]{8,})",
    ),
    _rule(
        "assigned_secret",
        "passwort kennwort contrase\u00f1a passe senha \u5bc6\u7801 "
        "\u043f\u0430\u0440\u043e\u043b\u044c",
        r"(?:passwort|kennwort|contrase\u00f1a|mot de passe|\bsenha|\u5bc6\u7801|"
        r"\u043f\u0430\u0440\u043e\u043b\u044c)[ \t]{0,3}[:=\uff1a][ \t]{0,3}['\"]?" + _VALUE,
        re.I,
    ),
    _rule("assigned_secret", "roboflow", r"\bRoboflow\(\s{0,9}['\"](?P<secret>\w{12,})['\"]"),
    _rule("assigned_secret", "sig=", r"\bsig=(?P<secret>[A-Za-z0-9%+/=]{20,})"),
)

# each hint as an outline has it, and the number of its rule
_HINTS = tuple((outline(hint), n) for n, rule in enumerate(RULES) for hint in rule.hints)
_PASSES = 4  # a mark may bring to light what stood glued to a secret
_MARK = re.compile(r"<REDACTED:[a-z_]{1,30}>")


def redact(text: str) -> str:
    """Return `text` with every secret that a rule knows replaced by `<REDACTED:kind>`."""
    for _ in range(_PASSES):
        before = text
        folded = outline(text).casefold()
        for number in sorted({number for hint, number in _HINTS if hint in folded}):
            rule = RULES[number]
            text = rule.pattern.sub(partial(_mask, rule.kind), text)
        if text == before:
            break
    return text


def _mask(kind: str, found: re.Match[str]) -> str:
    """The match with its secret masked; a secret that is nothing but a mark stays as it is."""
    whole, first = found.group(0), found.start()
    name = next((n for n, value in found.groupdict().items() if value is not None), None)
    if name is None:
        return f"<REDACTED:{kind}>"
    if _MARK.fullmatch(found[name]):
        return whole
    return (
        f"{whole[: found.start(name) - first]}<REDACTED:{kind}>{whole[found.end(name) - first :]}"
    )
