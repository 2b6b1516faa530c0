"""Secrets in the places where learners paste them; each is made up, and says so.

They are put together at run time so that no scanner takes this file for a leak.
"""

from __future__ import annotations

FAKE = "FAKE0fake1"  # 10 characters that no real token would have

# (kind, text around the secret with {} in its place, the secret)
SECRETS: list[tuple[str, str, str]] = [
    ("hf_token", "export HF_TOKEN={}", "hf_" + FAKE * 4),
    ("hf_token", "login('{}')", "hf_" + FAKE * 3),
    ("hf_token", "Illegal header value b'\\n{}\\n'", "hf_" + FAKE * 4),
    ("hf_token", "api = {}", "api_org_" + FAKE * 4),
    ("nvidia_key", "NGC_API_KEY: {}", "nvapi-" + FAKE * 6),
    ("github_token", "remote: {} is not allowed", "ghp_" + FAKE * 4),
    ("github_token", "{}", "github_pat_" + FAKE * 8),
    ("gitlab_token", "{}", "glpat-" + FAKE * 2),
    ("anthropic_key", "x-api-key: {}", "sk-ant-api03-" + FAKE * 9),
    ("openai_key", "Incorrect API key provided: {}.", "sk-proj-" + FAKE * 10),
    ("openai_key", "{}", "sk-" + FAKE * 5),
    ("stripe_key", "{}", "sk_live_" + FAKE * 3),
    ("aws_key_id", "aws_access_key_id = {}", "AKIA" + "FAKEFAKE" * 2),
    ("assigned_secret", "aws_secret_access_key = {}", FAKE * 4),
    ("google_key", "?v=1 {}", "AIza" + FAKE * 3 + "FAKE0"),
    ("google_oauth", "{}", "ya29." + FAKE * 6),
    ("slack_token", "{}", "xoxb-" + "1234567890-" + FAKE * 2),
    ("slack_webhook", "https://hooks.slack.com/services/{}", "T0FAKE/B0FAKE/" + FAKE * 2),
    ("discord_webhook", "https://discord.com/api/webhooks/{}", "123456789/" + FAKE * 6),
    ("pypi_token", "password = {}", "pypi-" + FAKE * 10),
    ("npm_token", "{}", "npm_" + FAKE * 4),
    ("telegram_token", "bot {}", "123456789:AA" + FAKE * 3 + "FAKE"),
    ("jwt", "jwt {}", "eyJ" + FAKE * 2 + ".eyJ" + FAKE * 4 + "." + FAKE * 4),
    ("url_password", "postgres://me:{}@db.example:5432/x", "fake-p@ssword"),
    ("url_password", "http://:{}@proxy.example:3128", "FakeProxy"),
    ("url_token", "git clone https://{}@git.example/x.git", FAKE * 3),
    ("authorization", "Authorization: Bearer {}", FAKE * 3),
    ("authorization", "'authorization': 'Basic {}'", FAKE * 2 + "=="),
    ("authorization", "curl -H 'Authorization: token {}'", FAKE * 3),
    ("authorization", "sent bearer {} to it", FAKE * 3),
    ("cookie", "Cookie: {}", "session=" + FAKE + "; theme=dark"),
    ("url_parameter", "GET https://x.example/f?a=1&X-Amz-Signature={}&b=2", FAKE * 6),
    ("url_parameter", "https://x.example/?token={}", FAKE),
    ("assigned_secret", "export WANDB_API_KEY={}", FAKE * 4),
    ("assigned_secret", "os.environ['COMET_API_KEY'] = \"{}\"", FAKE * 2),
    ("assigned_secret", '"password": "{}"', "fake horse battery"),
    ("assigned_secret", "DB_PASSWORD={} python x.py", "FakeFake"),
    ("assigned_secret", "x-api-key: {}", FAKE),
    ("assigned_secret", "client_secret='{}'", FAKE * 2),
    ("assigned_secret", "AccountKey={};EndpointSuffix=x", FAKE * 8 + "=="),
    ("assigned_secret", "NEPTUNE_API_TOKEN={}", FAKE * 9),
    ("assigned_secret", "tool --password {} --x", "fake-fake"),
    ("assigned_secret", "my password is {}", "fakefake"),
    ("assigned_secret", "sshpass -p {} ssh me@host", "fakefake"),
    ("kaggle_key", "export KAGGLE_KEY={}", "0123456789abcdef" * 2),
    ("kaggle_key", "os.environ['KAGGLE_KEY'] = '{}'", "0123456789abcdef" * 2),
    ("service_token", "docker login -u me --password-stdin <<< {}", "dckr_pat_" + FAKE * 3),
    ("service_token", "GROQ {}", "gsk_" + FAKE * 5),
    ("service_token", "{}", "wandb_v1_" + FAKE * 8),
    ("private_key", "Private-Lines: 2\n{}\nPrivate-MAC: 00", (FAKE * 6 + "\n") * 2),
    ("private_key", "# created\n{}", "AGE-SECRET-KEY-1" + FAKE.upper() * 5),
    ("authorization", "Authorization: Digest username=me, response={}", FAKE * 3),
    ("cookie", "requests.get(url, cookies={{'session': '{}'}})", FAKE * 3),
    ("assigned_secret", "curl -u me:{} https://x.example", FAKE),
    ("assigned_secret", "curl -sS --user 'me:{}' x.example", FAKE),
    ("assigned_secret", "docker login -u '$oauthtoken' -p {} nvcr.io", FAKE * 3),
    ("assigned_secret", "echo {} | docker login nvcr.io --password-stdin", FAKE * 3),
    ("assigned_secret", "mysql -u me -p{} db", FAKE),
    ("assigned_secret", "redis-cli -a {} ping", FAKE),
    ("assigned_secret", "machine api.wandb.ai\n  login user\n  password {}", FAKE * 4),
    ("assigned_secret", "aws configure set aws_secret_access_key {}", FAKE * 4),
    ("assigned_secret", "export JUPYTER_TOKEN={}", FAKE),
    ("assigned_secret", "Mein Passwort: {}", FAKE),
    ("assigned_secret", "rf = Roboflow('{}')", FAKE * 2),
    ("assigned_secret", "SharedAccessSignature sig={}", FAKE * 4 + "%3D"),
    ("kaggle_key", '{{"username": "me", "key": "{}"}}', "0123456789abcdef" * 2),
    ("wandb_key", "wandb login {}", "0123456789abcdef0123" * 2),
    (
        "private_key",
        "cat id\n{}\ndone",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + (FAKE * 6 + "\n") * 5 + "-----END OPENSSH "
        "PRIVATE KEY-----",
    ),
    ("private_key", "{}", "-----BEGIN PRIVATE KEY-----\\n" + FAKE * 40),
    (
        "private_key",
        "{}",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + FAKE * 6 + "\n=FAKE\n-----END PGP PRIVATE "
        "KEY BLOCK-----",
    ),
]


def core(secret: str) -> str:
    """The part that must be gone: names of cookies and the frames of keys may stay."""
    body = secret.removeprefix("session=").split("; ")[0]
    if body.startswith("AGE-"):
        return FAKE.upper()
    return FAKE if "PRIVATE KEY" in body or "\n" in body else body
