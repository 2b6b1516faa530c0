"""Single-use permissions to run a probe: one click, one run.

A nonce is bound to a session, a probe row, its target and parameters; it dies when it is
redeemed, rightly or wrongly, and when its time is up. It refuses to know what a probe is, how a
page delivers the nonce, and what time it is: the clock is handed in.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Verdict = Literal["ok", "unknown", "expired", "other"]

SHORTEST, LONGEST = 60.0, 600.0
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a nonce allows: `row` on `target`, told `parameters`, for `session`, until `expires`."""

    session: str
    row: str
    target: str
    parameters: tuple[tuple[str, str], ...]
    expires: float


class Nonces:
    """A bounded store of grants; when it is full the oldest one is forgotten."""

    def __init__(
        self,
        *,
        lifetime: float = LONGEST,
        capacity: int = 16_384,
        clock: Callable[[], float] = time.monotonic,
        make: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        if not SHORTEST <= lifetime <= LONGEST:
            raise ValueError(f"lifetime must be {SHORTEST:g} to {LONGEST:g} seconds")
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._lifetime = lifetime
        self._capacity = capacity
        self._clock = clock
        self._make = make
        self._grants: OrderedDict[str, Grant] = OrderedDict()

    def __len__(self) -> int:
        return len(self._grants)

    def issue(
        self, session: str, row: str, *, target: str, parameters: Mapping[str, str] = _NOTHING
    ) -> str:
        """Return a fresh nonce for one run of `row` on `target` in `session`."""
        self._forget_expired()
        while len(self._grants) >= self._capacity:
            self._grants.popitem(last=False)
        nonce = self._make()
        told = tuple(sorted(parameters.items()))
        expires = self._clock() + self._lifetime
        self._grants[nonce] = Grant(session, row, target, told, expires)
        return nonce

    def redeem(
        self,
        nonce: str,
        session: str,
        *,
        row: str,
        target: str,
        parameters: Mapping[str, str] = _NOTHING,
    ) -> Verdict:
        """Use up `nonce`; 'ok' only for exactly what it was issued for, and only once."""
        grant = self._grants.pop(nonce, None)
        if grant is None:
            return "unknown"
        if self._clock() >= grant.expires:
            return "expired"
        wanted = (session, row, target, tuple(sorted(parameters.items())))
        given = (grant.session, grant.row, grant.target, grant.parameters)
        return "ok" if wanted == given else "other"

    def forget(self, session: str) -> None:
        """Drop all grants of a session that has gone."""
        for nonce in [n for n, grant in self._grants.items() if grant.session == session]:
            del self._grants[nonce]

    def _forget_expired(self) -> None:
        """All grants live equally long, so the oldest stand first."""
        now = self._clock()
        while self._grants and next(iter(self._grants.values())).expires <= now:
            self._grants.popitem(last=False)
