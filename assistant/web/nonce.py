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

Verdict = Literal["ok", "unknown", "expired", "other", "long"]

SHORTEST, LONGEST = 60.0, 600.0
LONGEST_VALUE = 4096  # characters of a path, a name, a number
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
    """A bounded store of grants. A session that has its share loses its own oldest one; when the
    store is full, the oldest of all goes."""

    def __init__(
        self,
        *,
        lifetime: float = LONGEST,
        capacity: int = 16_384,
        share: int = 256,
        clock: Callable[[], float] = time.monotonic,
        make: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        if not SHORTEST <= lifetime <= LONGEST:
            raise ValueError(f"lifetime must be {SHORTEST:g} to {LONGEST:g} seconds")
        if capacity < 1 or share < 1:
            raise ValueError("capacity and share must be at least 1")
        self._lifetime = lifetime
        self._capacity, self._share = capacity, share
        self._clock = clock
        self._make = make
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._nonces_of: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._grants)

    def issue(
        self, session: str, row: str, *, target: str, parameters: Mapping[str, str] = _NOTHING
    ) -> str:
        """Return a fresh nonce for one run of `row` on `target` in `session`; one that is good for
        nothing if a text is too long to be kept."""
        self._forget_expired()
        nonce = self._make()
        if _is_long(session, row, target, parameters):
            return nonce
        while len(self._grants) >= self._capacity:
            self._drop(next(iter(self._grants)))
        mine = self._nonces_of.get(session, ())
        if len(mine) >= self._share:
            self._drop(next(iter(mine)))
        told = tuple(sorted(parameters.items()))
        expires = self._clock() + self._lifetime
        self._grants[nonce] = Grant(session, row, target, told, expires)
        self._nonces_of.setdefault(session, OrderedDict())[nonce] = None
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
        grant = self._drop(nonce)
        if _is_long(session, row, target, parameters):
            return "long"
        if grant is None:
            return "unknown"
        if self._clock() >= grant.expires:
            return "expired"
        wanted = (session, row, target, tuple(sorted(parameters.items())))
        given = (grant.session, grant.row, grant.target, grant.parameters)
        return "ok" if wanted == given else "other"

    def forget(self, session: str) -> None:
        """Drop all grants of a session that has gone."""
        for nonce in tuple(self._nonces_of.get(session, ())):
            self._drop(nonce)

    def _forget_expired(self) -> None:
        """All grants live equally long, so the oldest stand first."""
        now = self._clock()
        while self._grants and next(iter(self._grants.values())).expires <= now:
            self._drop(next(iter(self._grants)))

    def _drop(self, nonce: str) -> Grant | None:
        grant = self._grants.pop(nonce, None)
        if grant is not None:
            mine = self._nonces_of[grant.session]
            del mine[nonce]
            if not mine:
                del self._nonces_of[grant.session]
        return grant


def _is_long(session: str, row: str, target: str, parameters: Mapping[str, str]) -> bool:
    texts = (session, row, target, *parameters, *parameters.values())
    return any(len(text) > LONGEST_VALUE for text in texts)
