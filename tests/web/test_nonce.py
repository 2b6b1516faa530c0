"""A nonce runs one probe, once, for the one it was issued to."""

from __future__ import annotations

import pytest

from assistant.web.nonce import LONGEST_VALUE, Nonces


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("session", "row", "target", "wait", "verdict"),
    [
        ("me", "gpu", "own", 0.0, "ok"),
        ("me", "gpu", "own", 119.9, "ok"),
        ("me", "gpu", "own", 120.0, "expired"),
        ("you", "gpu", "own", 0.0, "other"),
        ("me", "memory", "own", 0.0, "other"),
        ("me", "gpu", "kernel", 0.0, "other"),
    ],
)
def test_a_nonce_is_good_only_for_what_it_was_issued_for(session, row, target, wait, verdict):
    clock = Clock()
    nonces = Nonces(lifetime=120.0, clock=clock)
    nonce = nonces.issue("me", "gpu", target="own")
    clock.now += wait
    assert nonces.redeem(nonce, session, row=row, target=target) == verdict
    assert nonces.redeem(nonce, "me", row="gpu", target="own") == "unknown"  # used up either way


@pytest.mark.parametrize("nonce", ["", "guess", "None", "x" * 10_000])
def test_an_invented_nonce_is_unknown(nonce):
    nonces = Nonces()
    nonces.issue("me", "gpu", target="own")
    assert nonces.redeem(nonce, "me", row="gpu", target="own") == "unknown"


def test_the_store_is_bounded_and_forgets_the_oldest():
    nonces = Nonces(capacity=3)
    issued = [nonces.issue("me", "gpu", target="own") for _ in range(5)]
    assert len(nonces) == 3
    verdicts = [nonces.redeem(nonce, "me", row="gpu", target="own") for nonce in issued]
    assert verdicts == ["unknown", "unknown", "ok", "ok", "ok"]


def test_a_session_can_not_push_out_the_nonces_of_others():
    nonces = Nonces(capacity=100, share=10)
    yours = nonces.issue("you", "gpu", target="own")
    mine = [nonces.issue("me", "gpu", target="own") for _ in range(1000)]
    assert len(nonces) == 11
    assert nonces.redeem(yours, "you", row="gpu", target="own") == "ok"
    assert nonces.redeem(mine[-10], "me", row="gpu", target="own") == "ok"
    assert nonces.redeem(mine[-11], "me", row="gpu", target="own") == "unknown"


def test_long_texts_are_not_kept():
    nonces = Nonces()
    fits, long = {"file": "x" * LONGEST_VALUE}, {"file": "x" * (LONGEST_VALUE + 1)}
    nonce = nonces.issue("me", "gpu", target="own", parameters=long)
    assert nonces.redeem(nonce, "me", row="gpu", target="own", parameters=long) == "long"
    assert len(nonces) == 0
    nonce = nonces.issue("me", "gpu", target="own", parameters=fits)
    assert nonces.redeem(nonce, "me", row="gpu", target="own", parameters=fits) == "ok"


def test_expired_nonces_leave_the_store():
    clock = Clock()
    nonces = Nonces(lifetime=60.0, clock=clock)
    for _ in range(10):
        nonces.issue("me", "gpu", target="own")
    clock.now += 60.0
    nonces.issue("me", "gpu", target="own")
    assert len(nonces) == 1


def test_a_session_that_has_gone_takes_its_nonces_along():
    nonces = Nonces()
    mine, yours = (nonces.issue(name, "gpu", target="own") for name in ("me", "you"))
    nonces.forget("me")
    assert nonces.redeem(mine, "me", row="gpu", target="own") == "unknown"
    assert nonces.redeem(yours, "you", row="gpu", target="own") == "ok"


@pytest.mark.parametrize("lifetime", [0.0, 59.9, 600.1, float("inf"), float("nan")])
def test_a_lifetime_outside_one_to_ten_minutes_is_refused(lifetime):
    with pytest.raises(ValueError, match="lifetime"):
        Nonces(lifetime=lifetime)


def test_nonces_are_long_and_differ():
    nonces = Nonces()
    issued = {nonces.issue("me", "gpu", target="own") for _ in range(200)}
    assert len(issued) == 200
    assert min(map(len, issued)) >= 32
