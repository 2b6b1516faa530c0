"""Permits, and the one form that fits every check."""

from __future__ import annotations

import json

import pytest

from assistant.probes.audit import AuditLog
from assistant.probes.registry import PROBES
from assistant.types import Target
from assistant.web.browser import Visitor
from assistant.web.checks import (
    CHECK_ALL,
    OFFERS,
    PANEL,
    QUICK,
    Checks,
    build_slots,
    fit_slots,
    needs_form,
    read_slots,
)
from assistant.web.nonce import Nonces
from assistant.web.session import Session
from tests.fakes import FakeAssistant

ME = Visitor("tab", "a" * 32)
INFOS = {row.id: row.info for row in PROBES}
SLOTS = build_slots(INFOS.values())


# --- permits -------------------------------------------------------------------------------------


async def test_every_press_is_audited_granted_or_refused(tmp_path):
    file = tmp_path / "audit.jsonl"
    checks = Checks(FakeAssistant(), nonces=Nonces(), audit=AuditLog(file))
    permit = checks.issue(ME, "gpu", target="own")
    for given in (permit, permit, "gpu guess"):
        await checks.redeem(ME, given, target="own")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["who"], line["row"], line["target"], line["status"]) for line in lines] == [
        (ME.audit_name, "gpu", "own", "pressed"),
        (ME.audit_name, "gpu", "own", "refused: unknown"),
        (ME.audit_name, "gpu", "own", "refused: unknown"),
    ]


@pytest.mark.parametrize(
    ("row", "target", "who"),
    [("gpu", "invented", ME), ("invented", "own", ME), ("gpu", "own", Visitor("", ME.owner))],
    ids=["target", "row", "no tab"],
)
async def test_even_a_matching_permit_needs_what_is_known(row, target, who):
    checks = Checks(FakeAssistant(), nonces=Nonces())
    permit = checks.issue(who, row, target=target)
    assert await checks.redeem(who, permit, target=target) == (
        "",
        "the permission was given for something else",
    )


async def test_a_page_that_has_gone_leaves_no_permits():
    checks = Checks(FakeAssistant(), nonces=Nonces())
    permit = checks.issue(ME, "gpu", target="own")
    checks.forget(ME)
    row, reason = await checks.redeem(ME, permit, target="own")
    assert (row, "already used" in reason) == ("", True)


async def test_buttons_get_permits_for_the_chosen_python():
    places = tuple(Target(name, "kernel", ("python",), name) for name in ("one", "two"))
    checks = Checks(FakeAssistant(targets=places), nonces=Nonces())
    session = Session(ME, target="two")
    checks.offer(session, ["image", "gpu", "no such row", *QUICK])
    checks.renew(session)
    assert set(session.permits) == {*QUICK, CHECK_ALL, PANEL}
    assert len(session.offers) == OFFERS
    assert [bool(one.permit) for one in session.offers] == [False, True, True, True]  # image: form
    assert await checks.redeem(ME, session.permits["gpu"], target="two") == ("gpu", "")
    assert (await checks.redeem(ME, session.permits["memory"], target="one"))[0] == ""
    assert await checks.redeem(ME, session.permits[PANEL], target="two") == ("memory", "")


# --- the form ------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
def test_the_form_has_a_field_for_each_parameter_of_each_check(info):
    fitted = fit_slots(info, SLOTS)
    assert len(fitted) == len(SLOTS)
    asked = [one for one in fitted if one is not None]
    assert sorted(one.name for one in asked) == sorted(one.name for one in info.parameters)
    assert all(one is None or one.kind == kind for kind, one in zip(SLOTS, fitted, strict=True))


def test_fields_become_parameters_and_nothing_else():
    values = dict.fromkeys(range(len(SLOTS)), "stray")
    info = INFOS["checkpoint-keys"]
    for place, one in enumerate(fit_slots(info, SLOTS)):
        if one is not None:
            values[place] = {"path": " m.pth ", "choice": None, "number": 5.0}[one.kind]
    assert read_slots(info, SLOTS, list(values.values())) == {"file": "m.pth", "classes": "5"}
    assert read_slots(None, SLOTS, list(values.values())) == {}


def test_only_what_must_be_told_a_file_needs_the_form():
    needing = {id_ for id_, info in INFOS.items() if needs_form(info)}
    assert needing == {"yolo", "sam", "checkpoint-keys", "image", "mask"}
