"""Which checks a page may press, and the permissions for it: one click, one run.

A permission (a permit: the row's id and a nonce) is handed out for a row on a target with its
parameters, and is used up by the click. What is refused is written into the audit log, what is
granted too, by whom. It refuses to know what a check does and how a page looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from assistant.probes.choice import choose_target
from assistant.probes.runner import Audit
from assistant.progress import paths_of
from assistant.types import Parameter, ParameterKind, ProbeInfo, Query, Target
from assistant.web.browser import Visitor
from assistant.web.nonce import Nonces
from assistant.web.session import Offer, Session

OFFERS = 4
QUICK = {"gpu": "GPU", "memory": "Memory", "packages": "Packages", "environment": "Environment"}
CHECK_ALL = "check"  # the row of the button that runs all quick checks that can tell more
PANEL = "panel"  # the slot of the memory panel; its row is `memory`
REFUSED = {
    "unknown": "this press of the button was already used, or did not come from this page",
    "expired": "the page was open for so long that the button's permission ran out",
    "other": "the permission was given for something else",
    "long": "one of the fields holds more text than any check needs",
}


class Source(Protocol):
    """What is asked about checks; the assistant has it."""

    def probes(self) -> tuple[ProbeInfo, ...]:
        """Return the probes that can be run."""

    def targets(self) -> tuple[Target, ...]:
        """Return the environments that can be looked at, the default first."""

    def cell(self, probe_id: str) -> str:
        """Return a notebook cell that does the same elsewhere, '' if there is none."""


class Checks:
    """Hands out permits and takes them back; used from one event loop."""

    def __init__(self, source: Source, *, nonces: Nonces, audit: Audit | None = None) -> None:
        self._source = source
        self._nonces = nonces
        self._audit = audit
        self._infos = {info.id: info for info in source.probes()}

    @property
    def infos(self) -> tuple[ProbeInfo, ...]:
        """All probes in display order."""
        return tuple(self._infos.values())

    @property
    def titles(self) -> Mapping[str, str]:
        """Titles of probes by id."""
        return {info.id: info.title for info in self._infos.values()}

    async def targets(self) -> tuple[Target, ...]:
        """Look for the environments; reads the file system, so in a thread."""
        return await asyncio.to_thread(self._source.targets)

    async def find_target(self, query: Query) -> str:
        """Name of the environment that a traceback comes from, '' if that cannot be told."""
        found = choose_target(paths_of(query), await self.targets())
        return found.name if found else ""

    def cell(self, row: str) -> str:
        """The notebook cell of a known row, '' for any other."""
        return self._source.cell(row) if row in self._infos else ""

    def issue(
        self,
        visitor: Visitor,
        row: str,
        *,
        target: str,
        parameters: Mapping[str, str] | None = None,
    ) -> str:
        """Return a permit for one run."""
        told = parameters or {}
        return f"{row} {self._nonces.issue(visitor.id, row, target=target, parameters=told)}"

    def renew(self, session: Session) -> None:
        """Give all buttons of a page fresh permits for its target."""
        for slot, row in (
            *zip(QUICK, QUICK, strict=True),
            (CHECK_ALL, CHECK_ALL),
            (PANEL, "memory"),
        ):
            session.permits[slot] = self.issue(session.visitor, row, target=session.target)
        self.offer(session, [one.row for one in session.offers])

    def offer(self, session: Session, rows: Iterable[str]) -> None:
        """Put these checks beside the answer, with fresh permits."""
        known = [self._infos[row] for row in rows if row in self._infos][:OFFERS]
        session.offers = tuple(
            Offer(
                info.id,
                info.title,
                ""
                if needs_form(info) or info.is_cell
                else self.issue(session.visitor, info.id, target=session.target),
            )
            for info in known
        )

    def is_quick(self, row: str) -> bool:
        """Whether the row runs with the quick ones."""
        return row in self._infos and self._infos[row].quick

    async def redeem(
        self,
        visitor: Visitor,
        permit: str,
        *,
        target: str,
        parameters: Mapping[str, str] | None = None,
    ) -> tuple[str, str]:
        """Use up a permit: return its row and '', or '' and in words why nothing is run."""
        row, _, nonce = permit.partition(" ")
        verdict = self._nonces.redeem(
            nonce, visitor.id, row=row, target=target, parameters=parameters or {}
        )
        if verdict == "ok":
            known = not target or target in {one.name for one in await self.targets()}
            allowed = row in self._infos or row == CHECK_ALL
            verdict = "ok" if known and allowed and visitor.tab else "other"
        status = "pressed" if verdict == "ok" else f"refused: {verdict}"
        if self._audit is not None:
            write = partial(self._audit.write, who=visitor.audit_name, row=row, target=target)
            await asyncio.to_thread(write, status=status)
        return (row, "") if verdict == "ok" else ("", REFUSED[verdict])

    def forget(self, visitor: Visitor) -> None:
        """The page has gone: its permits die."""
        self._nonces.forget(visitor.id)


# --- what a check can be told --------------------------------------------------------------------


def needs_form(info: ProbeInfo) -> bool:
    """Whether it can do nothing before it is told which file."""
    return any(one.kind == "path" and not one.default for one in info.parameters)


def build_slots(infos: Iterable[ProbeInfo]) -> tuple[ParameterKind, ...]:
    """The fields of one form that fits every row: as many of each kind as any row asks for."""
    kinds: tuple[ParameterKind, ...] = ("path", "name", "choice", "number")
    asked = [[one.kind for one in info.parameters] for info in infos]
    most = {kind: max((row.count(kind) for row in asked), default=0) for kind in kinds}
    return tuple(kind for kind in kinds for _ in range(most[kind]))


def fit_slots(
    info: ProbeInfo | None, slots: Sequence[ParameterKind]
) -> tuple[Parameter | None, ...]:
    """Which of a row's parameters each field asks for, None for a field that is not needed."""
    left = list(info.parameters) if info else []
    fitted: list[Parameter | None] = []
    for kind in slots:
        found = next((one for one in left if one.kind == kind), None)
        if found is not None:
            left.remove(found)
        fitted.append(found)
    return tuple(fitted)


def read_slots(
    info: ProbeInfo | None, slots: Sequence[ParameterKind], values: Sequence[object]
) -> dict[str, str]:
    """What the fields say, by the names of the row's parameters; empty ones are left out."""
    fitted = zip(fit_slots(info, slots), values, strict=True)
    texts = {one.name: _text(value) for one, value in fitted if one is not None}
    return {name: text for name, text in texts.items() if text}


def _text(value: object) -> str:
    """8.0 → '8': a slider's whole numbers come as floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value).strip()
