"""Row `hub`, inside a target: can models be downloaded from here, and which ones are here already?

Asks four fixed hosts for headers (HEAD), at once, three seconds each, and follows no redirect. Of a
token file it says whether it is there and whether it has a token's form. Refuses to show a secret,
and to send one; only a proxy gets the password that stands in its own address.
"""

import base64
import http.client
import os
import re
import socket
import ssl
import sys
import threading
import time
from typing import TYPE_CHECKING
from urllib import request as urllib_request
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from assistant.probes.inside.shared import Document, guarded, read_disk

    Host = tuple[str, int, str]

HUB_HOSTS = (
    ("huggingface.co", 443, "/"),
    ("dl.fbaipublicfiles.com", 443, "/segment_anything/sam_vit_b_01ec64.pth"),
    ("github.com", 443, "/"),
    ("download.pytorch.org", 443, "/models/resnet18-f37072fd.pth"),
)
HEAD_SECONDS = 3.0
PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
MOST_MODELS = 40
MOST_FILES = 400


def collect_hub(order: "Mapping[str, Any]") -> "Document":
    """Token file, caches, proxy, and what the hosts answer."""
    places = {str(name): str(path) for name, path in (order.get("variables") or {}).items()}
    home = str(order["home"])
    proxy = next((os.environ[name] for name in PROXY_NAMES if os.environ.get(name)), "")
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return {
        "executable": sys.executable,
        "token": guarded(lambda: read_token(places, home)),
        "proxy": guarded(lambda: mask_address(proxy)),
        "models": guarded(lambda: list_models(hub_folder(places, home))),
        "files": guarded(lambda: list_checkpoints(torch_folder(places, home))),
        "disk": guarded(lambda: read_disk(hub_folder(places, home))),
        "hosts": ask_hosts(
            HUB_HOSTS, proxy=proxy, excluded=excluded, authorities=own_authorities(places)
        ),
    }


def read_token(places: "Mapping[str, str]", home: str) -> "Document":
    """Whether there is a token file, and whether it has a token's form; never the token."""
    above = places.get("HF_HOME") or os.path.join(cache_home(places, home), "huggingface")
    path = places.get("HF_TOKEN_PATH") or os.path.join(above, "token")
    if not os.path.isfile(path):
        return {"found": False}
    with open(path, "rb") as file:
        text = file.read(1000).strip()
    return {"found": True, "form": bool(re.match(rb"hf_[A-Za-z0-9]{16,}$", text))}


def own_authorities(places: "Mapping[str, str]") -> str:
    """The file of certificates that the learner's programs trust, '' for the system's own."""
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
    paths = [places[name] for name in names if name in places]
    return next((path for path in paths if os.path.isfile(path)), "")


def cache_home(places: "Mapping[str, str]", home: str) -> str:
    """Where programs of this user keep what they can fetch again."""
    return places.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")


def hub_folder(places: "Mapping[str, str]", home: str) -> str:
    """The hub's cache, by the same rules as huggingface_hub."""
    if places.get("HF_HUB_CACHE"):
        return places["HF_HUB_CACHE"]
    above = places.get("HF_HOME") or os.path.join(cache_home(places, home), "huggingface")
    return os.path.join(above, "hub")


def torch_folder(places: "Mapping[str, str]", home: str) -> str:
    """Where torch.hub and torchvision keep weights."""
    above = places.get("TORCH_HOME") or os.path.join(cache_home(places, home), "torch")
    return os.path.join(above, "hub", "checkpoints")


def list_models(folder: str) -> "Document":
    """Names and sizes of what the hub's cache holds; only blobs are counted, links are not."""
    if not os.path.isdir(folder):
        return {"path": folder, "found": False, "rows": []}
    rows = []
    names = sorted(
        name for name in os.listdir(folder) if name.startswith(("models--", "datasets--"))
    )
    for name in names[:MOST_MODELS]:
        size, unfinished = measure_files(os.path.join(folder, name, "blobs"))
        title = name.partition("--")[2].replace("--", "/")
        rows.append({"name": title[:120], "bytes": size, "unfinished": unfinished})
    return {"path": folder, "found": True, "count": len(names), "rows": rows}


def list_checkpoints(folder: str) -> "Document":
    """Names and sizes of the files of torch's own cache."""
    if not os.path.isdir(folder):
        return {"path": folder, "found": False, "rows": []}
    names = sorted(os.listdir(folder))
    rows = []
    for name in names[:MOST_MODELS]:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            unfinished = int(name.endswith((".partial", ".incomplete")))
            rows.append(
                {"name": name[:120], "bytes": os.path.getsize(path), "unfinished": unfinished}
            )
    return {"path": folder, "found": True, "count": len(names), "rows": rows}


def measure_files(folder: str) -> "tuple[int, int]":
    """Bytes of the files of one folder, and how many downloads broke off."""
    size = unfinished = 0
    if os.path.isdir(folder):
        for entry in sorted(os.listdir(folder))[:MOST_FILES]:
            path = os.path.join(folder, entry)
            size += os.path.getsize(path) if os.path.isfile(path) else 0
            unfinished += entry.endswith(".incomplete")
    return size, unfinished


def mask_address(text: str) -> str:
    """An address without user, password and parameters."""
    if not text:
        return ""
    parts = urlsplit(text if "://" in text else "//" + text)
    host = parts.netloc.rpartition("@")[2][:120]
    return (
        (parts.scheme + "://" if parts.scheme else "")
        + ("***@" if "@" in parts.netloc else "")
        + host
    )


def ask_hosts(hosts: "Sequence[Host]", **how: "Any") -> "Document":
    """Ask all hosts at once; who has not answered when the time is over did not answer."""
    answers: Document = {}

    def ask(host: "Host") -> None:
        answers[host[0]] = ask_host(host, **how)

    threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + HEAD_SECONDS + 0.5
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = {"failed": "silent", "text": "no answer within 3 seconds"}
    return {host[0]: answers.get(host[0], silent) for host in hosts}


def ask_host(
    host: "Host", proxy: str = "", excluded: str = "", authorities: str = "", secure: bool = True
) -> "Document":
    """One HEAD request: the status, or how it failed; a redirect is named, never followed."""
    name, port, path = host
    if urllib_request.proxy_bypass_environment(name, {"no": excluded}):  # type: ignore[attr-defined]
        proxy = ""
    if "*" in proxy or "<" in proxy:
        return {"failed": "proxy", "text": "not asked: the proxy's password is not known here"}
    start = time.monotonic()
    connection = None
    try:
        connection = (
            build_connection(name, port, proxy, authorities)
            if secure
            else (http.client.HTTPConnection(name, port, timeout=HEAD_SECONDS))
        )
        connection.request("HEAD", path, headers={"User-Agent": "connection-check"})
        answer = connection.getresponse()
        target = urlsplit(answer.getheader("Location") or "").hostname or ""
        elsewhere = target if target and target != name else ""
        seconds = round(time.monotonic() - start, 3)
        return {"status": answer.status, "elsewhere": elsewhere[:120], "seconds": seconds}
    except Exception as error:
        return {"failed": name_failure(error), "text": type(error).__name__}
    finally:
        if connection is not None:
            connection.close()


def build_connection(name: str, port: int, proxy: str, authorities: str) -> "Any":
    """An encrypted connection to the host, through the proxy if there is one."""
    context = ssl.create_default_context()
    if authorities:
        context.load_verify_locations(authorities)
    if not proxy:
        return http.client.HTTPSConnection(name, port, timeout=HEAD_SECONDS, context=context)
    parts = urlsplit(proxy if "://" in proxy else "http://" + proxy)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 8080, timeout=HEAD_SECONDS, context=context
    )
    connection.set_tunnel(name, port, headers=authorize(parts.username, parts.password))
    return connection


def authorize(user: "str | None", password: "str | None") -> "dict[str, str]":
    """The header by which a proxy knows its user; {} without one."""
    if not user:
        return {}
    pair = unquote(user) + ":" + unquote(password or "")
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def name_failure(error: BaseException) -> str:
    """The kind of failure, in one word of ours."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, socket.gaierror):
        return "name"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "silent"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "tunnel" if "Tunnel connection failed" in str(error) else "other"
