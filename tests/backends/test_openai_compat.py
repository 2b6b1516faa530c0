"""OpenAICompatBackend against servers on real sockets: good, bad, dead and malicious ones."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from assistant.backends.openai_compat import OpenAICompatBackend, ServerLimits
from assistant.build import build_backend
from assistant.errors import BackendBusyError, BackendError, SettingsError
from assistant.models import ModelChoice, choose_server
from assistant.settings import load_settings
from assistant.types import Backend, Message, Token
from tests.backends.servers import (
    STREAM,
    Behave,
    answer,
    chunk,
    drip,
    drop,
    fake_server,
    flood,
    silence,
    status,
)

LIMITS = ServerLimits(max_new_tokens=40, answer_seconds=10.0, read_seconds=3.0, retries=0)
ASK = (Message("system", "Be short."), Message("user", "Why?"))
KEY = "sk-test-4f9a81c2d7e35b60"


def build(url: str, limits: ServerLimits = LIMITS, **options: Any) -> OpenAICompatBackend:
    return OpenAICompatBackend(ModelChoice("server", url, "some-model"), limits, **options)


def read(backend: Backend, cancel: threading.Event | None = None) -> str:
    events = backend.generate(ASK, cancel=cancel or threading.Event())
    return "".join(event.text for event in events if isinstance(event, Token))


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def no_openai_variables() -> Iterator[None]:
    """Variables that the client library would read by itself."""
    names = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_BASE_URL", "HTTP_PROXY")
    kept = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "http://127.0.0.1:9/foreign"))
    yield
    for name, value in kept.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


# --- a good server --------------------------------------------------------------------------------


def test_streams_pieces_and_sends_what_it_should() -> None:
    with fake_server(answer("The ", "module ", "is missing.")) as server:
        backend = build(server.url)
        pieces = list(backend.generate(ASK, cancel=threading.Event()))
        assert pieces == [Token("The "), Token("module "), Token("is missing.")]
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/chat/completions ")
        sent = json.loads(body)
        assert sent["messages"] == [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Why?"},
        ]
        assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["stream"]) == (
            "some-model", 40, 0.0, True,
        )  # fmt: skip
        assert backend.name == f"some-model (server 127.0.0.1:{server.port})"
        assert backend.status().state == "ready"


def test_without_a_name_the_first_model_of_the_server_is_taken() -> None:
    models = json.dumps({"object": "list", "data": [{"id": "SmolLM2-135M-Instruct"}]}).encode()
    listing = status(200, models, "content-type: application/json")
    with fake_server(listing, answer("Yes.")) as server:
        backend = OpenAICompatBackend(ModelChoice("server", server.url), LIMITS)
        assert not backend.is_tiny
        assert read(backend) == "Yes."
        assert backend.is_tiny, "it is known by its name"
        assert b"SmolLM2-135M-Instruct" in server.requests[1]


def test_several_readers_get_their_own_answers() -> None:
    def echo(send: Any, ended: threading.Event) -> None:
        time.sleep(0.05)
        answer(f"number {len(server.requests)}")(send, ended)

    with fake_server(echo) as server:
        backend = build(server.url)
        assert len({read(backend) for _ in range(3)}) == 3


def test_a_beginning_that_fails_is_tried_again() -> None:
    with fake_server(status(503), status(429), answer("At last.")) as server:
        assert read(build(server.url, replace(LIMITS, retries=2))) == "At last."
        assert len(server.requests) == 3


# --- servers that misbehave -----------------------------------------------------------------------

BAD: tuple[tuple[str, Behave, type[BackendError], str], ...] = (
    ("500", status(500, b"Traceback: secret internals"), BackendError, "HTTP status 500"),
    ("429", status(429), BackendBusyError, "too busy"),
    ("401", status(401, KEY.encode()), BackendError, "refuses the key"),
    ("404", status(404), BackendError, "no model or no address"),
    ("redirect", status(302, b"", "location: http://127.0.0.1:9/v1"), BackendError, "302"),
    ("html", status(200, b"<html>login</html>", "content-type: text/html"), BackendError, "."),
    ("no answer", status(200, b""), BackendError, "no answer"),
    ("not http", lambda send, _: send(b"SSH-2.0-OpenSSH_9.6\r\n"), BackendError, "reached"),
    ("not json", lambda send, _: send(STREAM + b"data: {oops\n\n"), BackendError, "no answer"),
    ("a list", lambda send, _: send(STREAM + b"data: [1, 2]\n\n"), BackendError, "."),
    ("a number", lambda send, _: send(STREAM + chunk(7)), BackendError, "no answer"),
    ("bytes", lambda send, _: send(STREAM + b"data: \xff\xfe\x00\n\n"), BackendError, "."),
    ("error", lambda send, _: send(STREAM + b'data: {"error": "x"}\n\n'), BackendError, "."),
    ("drop at once", lambda send, _: None, BackendError, "reached"),
)


@pytest.mark.parametrize(("behave", "kind", "words"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_answer_is_one_clear_line(
    behave: Behave, kind: type[BackendError], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with fake_server(behave) as server:
        backend = build(server.url, key=KEY)
        with pytest.raises(kind, match=words) as caught:
            read(backend)
    assert type(caught.value) is kind
    said = f"{caught.value}\n{caplog.text}\n{backend!r}{vars(backend)!r}"
    assert KEY not in said
    assert "secret internals" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words_before_a_drop_are_kept_and_the_drop_is_said() -> None:
    with fake_server(drop) as server:
        events = build(server.url).generate(ASK, cancel=threading.Event())
        assert [next(events), next(events)] == [Token("Half an "), Token("answer")]
        with pytest.raises(BackendError, match="broke off"):
            next(events)


def test_a_lone_surrogate_cannot_break_what_writes_the_answer() -> None:
    with fake_server(answer("bad \ud800 text")) as server:
        assert read(build(server.url)).encode("utf-8") == b"bad ? text"


def test_an_answer_without_end_is_cut_at_its_tokens() -> None:
    def endless(send: Any, ended: threading.Event) -> None:
        send(STREAM)
        while not ended.is_set():
            send(chunk("x "))

    with fake_server(endless) as server:
        assert read(build(server.url)) == "x " * 80
        assert server.closed_by_client.wait(5)


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    with fake_server(flood) as server:
        with pytest.raises(BackendError, match="more than an answer"):
            read(build(server.url))
        assert server.closed_by_client.wait(5)


def test_a_slow_drip_ends_quietly_when_its_time_is_over() -> None:
    with fake_server(drip) as server:
        text = read(build(server.url, replace(LIMITS, answer_seconds=0.6)))
        assert text.startswith("word ")
        assert server.closed_by_client.wait(5)


def test_silence_is_an_error_when_the_time_is_over() -> None:
    with fake_server(silence) as server, pytest.raises(BackendError, match="in time"):
        read(build(server.url, replace(LIMITS, answer_seconds=0.5)))


@pytest.mark.parametrize("how", ["cancel", "close", "shut down"])
def test_leaving_closes_the_connection(how: str) -> None:
    with fake_server(drip) as server:
        backend, cancel = build(server.url, replace(LIMITS, max_new_tokens=4000)), threading.Event()
        events = backend.generate(ASK, cancel=cancel)
        next(events)
        if how == "cancel":
            cancel.set()
            assert list(events) == []
        elif how == "close":
            events.close()
        else:
            backend.close()
            assert list(events) == []
            assert backend.status().state == "away"
        assert server.closed_by_client.wait(5)


def test_too_many_readers_are_refused_and_places_come_back() -> None:
    with fake_server(drip) as server:
        backend = build(server.url, replace(LIMITS, readers=1))
        events = backend.generate(ASK, cancel=threading.Event())
        next(events)
        with pytest.raises(BackendBusyError):
            read(backend)
        events.close()
        wait_until(lambda: backend._places._value == 1)
        again = backend.generate(ASK, cancel=threading.Event())
        assert next(again) == Token("word ")
        again.close()


# --- a dead server --------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_dead_server_is_left_alone_and_comes_back_by_itself() -> None:
    now, port = [0.0], free_port()
    backend = build(f"http://127.0.0.1:{port}/v1", clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(BackendError, match="cannot be reached"):
            read(backend)
    assert backend.status().state == "away"
    assert "tried again" in backend.status().message
    with fake_server(answer("Here again."), port=port) as server:
        with pytest.raises(BackendError, match="rests"):
            read(backend)
        assert server.requests == [], "nobody waits for it while it rests"
        now[0] = 30.0
        assert backend.status().state == "ready"
        assert read(backend) == "Here again."
    for _ in range(2):  # the count starts anew after a good answer
        with pytest.raises(BackendError, match="cannot be reached"):
            read(backend)
    assert backend.status().state == "ready"


def test_too_busy_opens_no_breaker() -> None:
    with fake_server(status(429)) as server:
        backend = build(server.url)
        for _ in range(4):
            with pytest.raises(BackendBusyError):
                read(backend)
        assert backend.status().state == "ready"


# --- where it goes, and the key -------------------------------------------------------------------


@pytest.mark.usefixtures("no_openai_variables")
def test_only_our_key_is_sent_and_only_to_this_address() -> None:
    with fake_server(answer("Yes.")) as server:
        read(build(server.url, key=KEY))
        read(build(server.url))
        first, second = (r.partition(b"\r\n\r\n")[0] for r in server.requests)
    assert f"Bearer {KEY}".encode() in first
    assert b"foreign" not in first + second
    assert b"organization" not in first.lower() + second.lower()


def test_a_redirect_is_not_followed() -> None:
    with fake_server(answer("stolen")) as thief:
        there = f"location: {thief.url}/chat/completions"
        redirect = status(307, b"", there)
        with fake_server(redirect) as server, pytest.raises(BackendError, match="307"):
            read(build(server.url, key=KEY))
        assert thief.requests == []


def test_settings_build_it_with_the_key_of_the_environment() -> None:
    settings = load_settings(model_url="http://127.0.0.1:8000/v1", model="some-model")
    backend = build_backend(settings)
    assert backend.name == "some-model (server 127.0.0.1:8000)"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("http://ollama:11434/v1/", "http://ollama:11434/v1"),
        ("http://spark-2.local:8000/v1", "http://spark-2.local:8000/v1"),
        ("http://192.168.7.2/api/v1", "http://192.168.7.2/api/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        (" https://models.example.org/v1 ", "https://models.example.org/v1"),
    ],
)
def test_addresses_that_can_be_used(url: str, where: str) -> None:
    assert choose_server(url, "m", allow_plain=False) == ModelChoice("server", where, "m")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:8000", "cannot be used"),
        ("ftp://127.0.0.1/v1", "cannot be used"),
        ("file:///etc/passwd", "cannot be used"),
        ("http://", "cannot be used"),
        ("http://127.0.0.1:99999/v1", "cannot be used"),
        ("http://127.0.0.1:8000/v1 x", "cannot be used"),
        ("http://[::1/v1", "cannot be used"),
        ("http://user:pass@127.0.0.1/v1", "password"),
        ("http://127.0.0.1/v1?key=1", "after"),
        ("http://models.example.org/v1", "without encryption"),
        ("http://8.8.8.8/v1", "without encryption"),
        ("http://0.0.0.0/v1", "without encryption"),
        ("http://2130706433/v1", "without encryption"),
        ("http://0x7f000001/v1", "without encryption"),
        ("http://127.0.0.1.example.org/v1", "without encryption"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        choose_server(url, "m", allow_plain=False)
    assert "ASSISTANT_MODEL_" in caught.value.hint
    assert "pass" not in str(caught.value).replace("password", "")


def test_the_operator_may_allow_a_plain_address() -> None:
    choice = choose_server("http://models.example.org/v1", "auto", allow_plain=True)
    assert (choice.where, choice.label) == ("http://models.example.org/v1", "")
