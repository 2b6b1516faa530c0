from __future__ import annotations

import pytest

from assistant.spelling import build_speller

TEXTS = [
    "the module memory of a checkpoint",
    "module memory checkpoint segment_anything labels",
] * 2
SPELLER = build_speller(TEXTS, frozenset({"memories", "cause"}))


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("modupe", "module"),
        ("modul", "module"),
        ("modulle", "module"),
        ("moduel", "module"),
        ("chexkpoint of 3.4 GB", "checkpoint of 3.4 GB"),
        ("segmenj_anything", "segment_anything"),
        ("memories", "memories"),  # a word of everyday English
        ("memory", "memory"),
        ("mxxory", "mxxory"),  # two slips
        ("'modupe'", "'modupe'"),  # a name in quotes is meant as it is
        ("nodule.", "module."),
        ("", ""),
    ],
)
def test_one_slip_is_mended(text: str, mended: str) -> None:
    assert SPELLER.mend(text) == mended
