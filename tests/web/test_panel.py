"""The memory panel: numbers out of a finding, as text and as a curve."""

from __future__ import annotations

import re

import pytest

from assistant.types import Finding
from assistant.web.panel import (
    SAMPLES,
    draw_curve,
    is_busy,
    read_sample,
    render_panel,
    render_refusal,
)
from tests.web.test_messages import HARMLESS, XSS, kinds


def finding(**facts: str) -> Finding:
    return Finding("memory", "ok", "12 GiB are left", where="lab", facts=tuple(facts.items()))


@pytest.mark.parametrize(
    ("total", "available", "sample"),
    [
        ("16 GiB", "12 GiB", (4.0, 16.0)),
        ("2048 MiB", "512 MiB", (1.5, 2.0)),
        ("16 GiB", "17 GiB", (0.0, 16.0)),
        ("0 GiB", "0 GiB", None),
        ("16 GiB", "?", None),
        ("16 GB", "12 GiB", None),
        ("9999999 GiB", "1 GiB", None),
    ],
)
def test_used_and_total_are_read(total, available, sample):
    assert read_sample(finding(MemTotal=total, MemAvailable=available)) == sample
    assert read_sample(finding()) is None


def test_the_curve_stays_in_its_frame_and_the_newest_stands_at_the_right():
    samples = [(number % 17, 16.0) for number in range(SAMPLES)]
    places = re.findall(r"(\d+\.\d),(-?\d+\.\d)", draw_curve(samples))
    assert len(places) == SAMPLES
    assert (places[0][0], places[-1][0]) == ("0.0", "600.0")
    assert all(0 <= float(height) <= 90 for _, height in places)
    assert "8.0 of 16.0 GiB in use" in render_panel(finding(), [(8.0, 16.0)])
    assert "![" not in render_panel(finding(), [])


def test_a_busy_machine_is_not_asked_again_and_again():
    assert [is_busy(load, cpus=4) for load in (0.0, 4.0, 4.1)] == [False, False, True]
    calm, busy = (render_panel(finding(), [], busy=busy) for busy in (False, True))
    assert "every 10 seconds" in calm
    assert "only when you press Refresh" in busy  # page.js looks for these words


@pytest.mark.parametrize("payload", XSS)
def test_words_of_a_finding_stay_words(payload):
    facts = ((f"process {payload}", payload), ("MemTotal", payload))
    nasty = Finding("memory", "ok", payload, where=payload, facts=facts)
    ours = {"bullet_list", "list_item"}
    assert kinds(render_panel(nasty, [])) <= HARMLESS | ours
    assert kinds(render_refusal(payload)) <= HARMLESS
