"""The row `hub`: what hosts answer, whether a token is there, and that no secret leaves."""

from __future__ import annotations

import base64
import http.server
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assistant.probes.hub import HOSTS, interpret_hub
from assistant.probes.inside import hub as inside
from tests.probes.running import check_all_spoiled, run_row

TOKEN = "hf_" + "Abcdef0123456789" * 2
SILENT = {"failed": "name", "text": "gaierror"}
OFFLINE = dict.fromkeys(HOSTS, SILENT)
FINE = {"status": 200}
ONLINE = dict.fromkeys(HOSTS, FINE)
CAPTIVE = {"status": 302, "elsewhere": "login.hotel.example"}
WWW = {"status": 301, "elsewhere": "www.github.com"}
NO_TOKEN = ("token", {"found": False})


# --- the verdict ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "said", "advised"),
    [
        ([], "ok", "All four hosts answer. A token is set.", ""),
        ([NO_TOKEN], "ok", "No token is set: gated models need one.", ""),
        ([NO_TOKEN, ("known", False)], "ok", "Whether a token is set is not known.", ""),
        ([NO_TOKEN, ("secrets", {"HF_TOKEN": True})], "ok", "A token is set.", ""),
        ([("token.form", False)], "warn", "does not look like a Hugging Face token", "auth login"),
        ([("hosts", OFFLINE)], "warn", "the machine is offline.", "HTTPS_PROXY"),
        ([("hosts", {h: {"failed": "certificate"} for h in HOSTS})], "warn", "not trusted", ""),
        ([("hosts", {**ONLINE, "github.com": SILENT})], "warn",
         "github.com (its name is not known here)", ""),
        ([("hosts", {**OFFLINE, "github.com": {"status": 200}})], "warn", "huggingface.co (", ""),
        ([("variables.HF_HUB_OFFLINE", "1")], "warn", "switched off by HF_HUB_OFFLINE", "Remove"),
        ([("hosts", {**ONLINE, HOSTS[0]: {"status": 429}})], "warn", "too many requests", "Wait"),
        ([("hosts", {**ONLINE, HOSTS[1]: {"status": 403}})], "warn", "answers 403",
         "token changes nothing"),
        ([("hosts", {**ONLINE, "github.com": CAPTIVE})], "warn",
         "sends us to login.hotel.example", "log in"),
        ([("hosts", {**ONLINE, "github.com": WWW})], "ok", "All", ""),
        ([("hosts", {})], "no_data", "No host could be asked", ""),
    ],
)  # fmt: skip
def test_verdict(load_row, changes, status, said, advised) -> None:
    row = load_row("running", "hub", *changes)
    finding = interpret_hub(row, where="here")
    assert (finding.status, said in finding.summary, advised in finding.next) == (
        status,
        True,
        True,
    )


LOGIN = "Model requires authentication or is rate-limited."
GUIDES = {
    "login": LOGIN, "rate": "429: too many requests", "network": "There is no network connection",
    "not logged in": "not logged in, token invalid", "host": "403 from another host",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([NO_TOKEN], {("login", "confirmed"), ("not logged in", "confirmed"),
                      ("network", "ruled_out")}),
        ([], {("not logged in", "ruled_out"), ("network", "ruled_out")}),
        ([NO_TOKEN, ("known", False)], {("network", "ruled_out")}),
        ([("hosts", OFFLINE)], {("not logged in", "ruled_out"), ("network", "confirmed")}),
        ([("hosts", {**OFFLINE, HOSTS[0]: {"status": 429}})],
         {("not logged in", "ruled_out"), ("rate", "confirmed"), ("login", "confirmed")}),
        ([("hosts", {**OFFLINE, HOSTS[1]: {"status": 403}})],
         {("not logged in", "ruled_out"), ("host", "confirmed"), ("login", "confirmed")}),
    ],
)  # fmt: skip
def test_clues_fit_the_causes_of_guides(load_row, changes, expected) -> None:
    finding = interpret_hub(load_row("running", "hub", *changes), where="here")
    rulings = {
        (meaning, clue.ruling)
        for clue in finding.clues
        for meaning, cause in GUIDES.items()
        if re.search(clue.cause, cause, re.IGNORECASE)
    }
    assert rulings == expected
    topics = {clue.topic for clue in finding.clues}
    assert topics <= {"download-refused", "http_host=dl.fbaipublicfiles.com"}


def test_hostile_documents(load_row) -> None:
    check_all_spoiled(interpret_hub, load_row("running", "hub"))


# --- the requests --------------------------------------------------------------------------------


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers by the path: /403 gives 403, /away redirects; keeps what it was asked."""

    seen: list[tuple[str, str, str]]

    def do_HEAD(self) -> None:
        self.note()
        away = self.path == "/away"
        self.send_response(302 if away else int(self.path.strip("/")))
        if away:
            self.send_header("Location", "http://login.hotel.example/secret?token=1")
        self.end_headers()

    def do_CONNECT(self) -> None:
        self.note()
        self.send_error(407)

    def note(self) -> None:
        given = self.headers.get("Proxy-Authorization", "")
        self.server.seen.append((self.command, self.path, given))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(name="server")
def run_server() -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(port: int, path: str) -> dict[str, Any]:
    return inside.ask_host(("127.0.0.1", port, path), secure=False)


def test_a_host_is_asked_for_headers_only_and_redirects_are_not_followed(server) -> None:
    port = server.server_address[1]
    assert ask(port, "/200")["status"] == 200
    assert ask(port, "/403")["status"] == 403
    away = ask(port, "/away")
    assert (away["status"], away["elsewhere"]) == (302, "login.hotel.example")
    assert [(command, path) for command, path, _ in server.seen] == [
        ("HEAD", "/200"), ("HEAD", "/403"), ("HEAD", "/away"),
    ]  # fmt: skip


def test_hosts_that_refuse_or_keep_silent_do_not_hold_up_the_others(server) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            closed = other.getsockname()[1]
        hosts = [
            ("127.0.0.1", server.server_address[1], "/200"),
            ("127.0.0.2", closed, "/"),
            ("localhost", silent.getsockname()[1], "/"),
        ]
        answers = inside.ask_hosts(hosts, secure=False)
    assert answers["127.0.0.1"]["status"] == 200
    assert answers["127.0.0.2"]["failed"] == "refused"
    assert answers["localhost"]["failed"] == "silent"


def test_a_proxy_alone_gets_its_own_password(server) -> None:
    proxy = f"http://ada:geheim%40x@127.0.0.1:{server.server_address[1]}"
    answer = inside.ask_host(("huggingface.co", 443, "/"), proxy=proxy)
    assert answer["failed"] == "tunnel"
    ((command, path, given),) = server.seen
    assert (command, path) == ("CONNECT", "huggingface.co:443")
    assert base64.b64decode(given.split()[1]) == b"ada:geheim@x"
    assert "geheim" not in json.dumps(answer)


def test_a_masked_password_is_not_tried() -> None:
    answer = inside.ask_host(("huggingface.co", 443, "/"), proxy="http://ada:***@127.0.0.1:9")
    assert answer["failed"] == "proxy"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://ada:pw@proxy.lab:3128/x?token=1", "http://***@proxy.lab:3128"),
        ("ada:p@w@proxy.lab:3128", "***@proxy.lab:3128"),
        ("http://proxy.lab:3128", "http://proxy.lab:3128"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address: str, shown: str) -> None:
    assert inside.mask_address(address) == shown


def test_only_the_four_hosts_are_ever_asked() -> None:
    assert tuple(host for host, _, _ in inside.HUB_HOSTS) == HOSTS
    assert {port for _, port, _ in inside.HUB_HOSTS} == {443}


# --- for real, with a proxy that refuses ---------------------------------------------------------


def test_caches_and_token_of_a_home_and_no_secret_in_the_finding(server, tmp_path: Path) -> None:
    hub = tmp_path / ".cache" / "huggingface"
    blobs = hub / "hub" / "models--timm--resnet50.a1_in1k" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "abc").write_bytes(b"x" * 3_000_000)
    (blobs / "def.incomplete").write_bytes(b"x")
    (hub / "token").write_text(TOKEN + "\n")
    weights = tmp_path / ".cache" / "torch" / "hub" / "checkpoints"
    weights.mkdir(parents=True)
    (weights / "resnet18-f37072fd.pth").write_bytes(b"x" * 2_000_000)
    environment = {
        "https_proxy": f"http://ada:geheim%40x@127.0.0.1:{server.server_address[1]}",
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "1",
    }
    finding = run_row("hub", tmp_path, environment=environment)
    facts = dict(finding.facts)
    assert finding.status == "warn"
    assert "offline" in finding.summary
    assert "switched off by HF_HUB_OFFLINE" in finding.summary
    assert facts["huggingface.co"] == "the proxy refused the connection"
    assert facts["proxy"] == f"http://***@127.0.0.1:{server.server_address[1]}"
    assert facts["· timm/resnet50.a1_in1k"] == "3 MiB (a download broke off)"
    assert facts["· resnet18-f37072fd.pth"] == "2 MiB"
    assert facts["token file"] == "there"
    assert {path for _, path, _ in server.seen} == {f"{host}:443" for host in HOSTS}
    assert TOKEN[5:] not in repr(finding)
    assert "geheim" not in repr(finding)
