"""Row `hub`: can models be downloaded from here, as whom, and what is here already?

It refuses to know how the document was collected. Of a token it knows whether there is one; proxies
are shown without user and password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.probes.document import (
    Document,
    Facts,
    Verdict,
    as_gib,
    build_finding,
    combine,
    get,
    get_number,
    get_rows,
    get_section,
    get_text,
)
from assistant.types import Clue, Finding

HUB = "huggingface.co"
HOSTS = (HUB, "dl.fbaipublicfiles.com", "github.com", "download.pytorch.org")
SOURCE = "HEAD requests to four fixed hosts (no token sent), names and sizes in the caches"
_TOPIC = "download-refused"
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "YOLO_OFFLINE")
_ON = re.compile(r"1|true|yes|on", re.IGNORECASE)
_LOGIN = r"authenticat|not logged in|logg?(?:ed)? ?in|\btoken\b"
_NO_LOGIN = r"not logged in|no token|without a token"
_RATE = r"\brate\b|rate-limit|too many requests|\b429\b"
_NETWORK = r"network|no connection|connection|offline|unreachable|no internet|proxy"
_WORDS = {
    "name": "its name is not known here",
    "silent": "no answer within 3 seconds",
    "refused": "connection refused",
    "certificate": "its certificate is not trusted here",
    "proxy": "not asked: the proxy's password is not known here",
    "tunnel": "the proxy refused the connection",
    "other": "no connection",
}


def interpret_hub(document: Document, *, where: str) -> Finding:
    """Turn the collected document into a finding."""
    verdict = combine(
        [*_offline(document), *_switched_off(document), *_refusals(document), *_token(document)],
        healthy=f"All four hosts answer. {_token_words(document)}",
    )
    if not get_section(document, "hosts"):
        verdict = Verdict("no_data", "No host could be asked from this Python.")
    return build_finding(
        "hub",
        verdict,
        where=where,
        source=SOURCE,
        facts=_facts(document),
        clues=tuple(_clues(document)),
    )


def _offline(document: Document) -> Iterator[Verdict]:
    silent = [host for host in HOSTS if _status(document, host) is None]
    if not silent:
        return
    if len(silent) == len(HOSTS):
        names = {get_text(document, "hosts", host, "failed") for host in HOSTS}
        certificate = " Their certificates are not trusted." if names == {"certificate"} else ""
        yield Verdict(
            "warn",
            f"No download host answers: seen from this Python the machine is offline.{certificate}",
            "Only what is in the caches below can be loaded. Behind a proxy, set HTTPS_PROXY where "
            "Jupyter is started.",
        )
        return
    reasons = ", ".join(f"{host} ({_answer(document, host)})" for host in silent)
    yield Verdict("warn", f"No answer from {reasons}.", "Try again, or ask who runs the network.")


def _switched_off(document: Document) -> Iterator[Verdict]:
    names = _switches_on(document)
    if names:
        yield Verdict(
            "warn",
            f"Downloads are switched off by {', '.join(names)}.",
            f"Remove {names[0]} and restart the kernel.",
        )


def _refusals(document: Document) -> Iterator[Verdict]:
    """A host that answers, but not as it should; a redirect is followed by nobody here."""
    for host in HOSTS:
        status = _status(document, host)
        if status is None or status < 400:
            elsewhere = get_text(document, "hosts", host, "elsewhere")
            if elsewhere and not _is_related(elsewhere, host):
                words = f"{host} sends us to {elsewhere}: a login page of the network?"
                yield Verdict("warn", words, "Open a browser there and log in to the network.")
        elif status == 429:
            yield Verdict("warn", f"{host} answers 429: too many requests.", "Wait, or log in.")
        else:
            words = f"{host} answers {status:.0f} to a request without a login."
            advice = "A Hugging Face token changes nothing there." if host != HUB else ""
            yield Verdict("warn", words, advice)


def _token(document: Document) -> Iterator[Verdict]:
    """A missing token is no fault by itself; a file that holds something else is."""
    if get(document, "token", "form") is False:
        yield Verdict(
            "warn",
            "The token file holds something that does not look like a Hugging Face token.",
            "Log in again in a terminal: `hf auth login`.",
        )


def _clues(document: Document) -> Iterator[Clue]:
    if not get_section(document, "hosts"):
        return
    yield from _token_clues(document)
    status = _status(document, HUB)
    silent = [host for host in HOSTS if _status(document, host) is None]
    if status == 429:
        yield Clue(_TOPIC, "confirmed", f"{HUB} answers 429 to this machine.", _RATE)
    if len(silent) == len(HOSTS):
        yield Clue(_TOPIC, "confirmed", "No download host answers from here.", _NETWORK)
    elif status is not None and status < 400:
        yield Clue(_TOPIC, "ruled_out", f"{HUB} answers from here.", _NETWORK)
    for host in HOSTS[1:]:
        if _status(document, host) in (401, 403):
            words = f"{host} refuses this machine without any login: no token changes that."
            yield Clue(f"http_host={host}", "confirmed", words, r"another host|rate-limit|refuse")
    if _switches_on(document):
        words = f"{_switches_on(document)[0]} is set."
        yield Clue(_TOPIC, "confirmed", words, r"\boffline\b")


def _token_clues(document: Document) -> Iterator[Clue]:
    token = _has_token(document)
    if token is True:
        words = "A Hugging Face token is set here; whether it is accepted was not tried."
        yield Clue(_TOPIC, "ruled_out", words, _NO_LOGIN)
    elif token is False:
        words = "No Hugging Face token is set or saved here: gated models are refused."
        yield Clue(_TOPIC, "confirmed", words, _LOGIN)


def _has_token(document: Document) -> bool | None:
    """Whether a token is set or saved; None where the variables of the programs are unknown."""
    if get(document, "token", "found") is True or any(
        get(document, "secrets", name) is True for name in _TOKENS
    ):
        return True
    is_known = get(document, "known") is True and get(document, "token", "found") is False
    return False if is_known else None


def _token_words(document: Document) -> str:
    words = {True: "A token is set.", False: "No token is set: gated models need one."}
    token = _has_token(document)
    return "Whether a token is set is not known." if token is None else words[token]


def _switches_on(document: Document) -> list[str]:
    return [name for name in _SWITCHES if _ON.fullmatch(get_text(document, "variables", name))]


def _status(document: Document, host: str) -> float | None:
    value = get_number(document, "hosts", host, "status")
    return value if value is not None and 100 <= value <= 599 else None


def _answer(document: Document, host: str) -> str:
    status = _status(document, host)
    if status is not None:
        seconds = get_number(document, "hosts", host, "seconds")
        return f"{status:.0f}" + (f" in {seconds:.1f} s" if seconds is not None else "")
    return _WORDS.get(get_text(document, "hosts", host, "failed"), "no answer")


def _is_related(host: str, other: str) -> bool:
    """Whether two hosts belong to one site, as www.github.com and github.com."""
    return host.lower().endswith(f".{other}") or other.endswith(f".{host.lower()}")


def _facts(document: Document) -> Facts:
    free = get_number(document, "disk", "free")
    known = get(document, "known") is True
    return (
        ("python", get_text(document, "executable")),
        *((host, _answer(document, host)) for host in HOSTS if get_section(document, "hosts")),
        ("proxy", get_text(document, "proxy") or "none"),
        *((name, _is_set(document, name)) for name in _TOKENS if known),
        ("token file", "there" if get(document, "token", "found") is True else "none"),
        *((name, "on" if name in _switches_on(document) else "") for name in _SWITCHES),
        ("other hub", _mask(get_text(document, "variables", "HF_ENDPOINT"))),
        *_cache_facts(document, "models", "hub cache"),
        *_cache_facts(document, "files", "torch cache"),
        ("free on that disk", as_gib(free) if free is not None else ""),
    )


def _is_set(document: Document, name: str) -> str:
    return "set" if get(document, "secrets", name) is True else "not set"


def _mask(address: str) -> str:
    """An address without what may be a secret in it."""
    found = re.match(r"(?:https?://)?(?:[^@/]*@)?([\w.:-]{1,120})", address)
    return found[1] if found else ""


def _cache_facts(document: Document, key: str, title: str) -> Iterator[tuple[str, str]]:
    rows = get_rows(document, key, "rows")
    sizes = [(get_number(row, "bytes") or 0.0, row) for row in rows]
    total = sum(size for size, _ in sizes)
    path = get_text(document, key, "path")
    yield title, f"{path}: {len(rows)} with {as_gib(total)}" if rows else f"{path}: empty"
    for size, row in sorted(sizes, key=lambda pair: -pair[0])[:6]:
        unfinished = " (a download broke off)" if get_number(row, "unfinished") else ""
        yield f"· {get_text(row, 'name')[:80]}", f"{as_gib(size)}{unfinished}"
