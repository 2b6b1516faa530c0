"""What an answer says of its own ground: origin, sources, last proof, and other versions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from assistant.events import Done, Event, Fix, Notice
from assistant.library import load_library
from assistant.provenance import describe_proof, find_other_versions, installed_versions
from assistant.render import render_provenance
from assistant.service import Assistant
from assistant.snapshots import Snapshots
from assistant.types import Clue, Entry, Finding, Target
from assistant.verified import Verified, blocks_digest
from tests.course import build_lexical_retriever
from tests.fakes import FakeBackend, FakeProber

GUIDE = """---
origin: Course of the tests
---
### Error: `ModuleNotFoundError: No module named 'timm'` {#missing-timm}

**Symptoms**:
- `ModuleNotFoundError: No module named 'timm'`

**Cause**: It is not installed.

**Solution**: Install timm.

```bash fix without=timm needs=pypi
python -m pip install timm
```

**Reproduce**:

```python reproduce without=timm
import timm
```

**Sources**: [timm](https://example.org/timm)

### Error: the machine melts {#melts}

**Symptoms**:
- the machine melts in the middle of an epoch

**Solution**: Cool it.

**Reproduce**: Not run: it needs a machine to melt.

### Error: the loss sings {#sings}

**Symptoms**:
- the loss sings

**Solution**: Listen.
"""
TIMM = (
    'Traceback (most recent call last):\n  File "/x/a.py", line 1, in <module>\n    import timm\n'
)
TIMM += "ModuleNotFoundError: No module named 'timm'"
PACKAGES = Finding(
    "packages",
    "ok",
    "All there.",
    facts=(("torch", "3.1.0+cpu (CPU-only build) from /x"), ("timm", "1.0.9 from /x"),
           ("cv2", "5.0.0 from /x"), ("lap", "not installed"), ("python", "/x/bin/python")),
    clues=(Clue("missing_module=timm", "confirmed", "timm is not installed."),),
)  # fmt: skip


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    path = tmp_path / "guide.md"
    path.write_text(GUIDE)
    return path


def entry_of(guide: Path, id_: str = "missing-timm") -> Entry:
    return load_library([str(guide)]).entries[id_]


def row_of(entry: Entry, **packages: str) -> dict[str, Verified]:
    row = Verified("2026-11-26", "x86_64", "3.12", packages, blocks_digest(entry))
    return {entry.id: row}


def test_a_proof_is_told_with_its_day_and_versions(guide: Path) -> None:
    entry = entry_of(guide)
    known = row_of(entry, timm="1.0.31", torch="2.14.1")
    said = describe_proof(entry, known)
    assert said == (
        "Reproduced and fixed on 2026-11-26 with timm 1.0.31, torch 2.14.1, Python 3.12 (x86_64)."
    )
    changed = {entry.id: replace(known[entry.id], blocks="of other code")}
    assert describe_proof(entry, changed) == "Not yet proven by running it; its code needs: pypi."


def test_what_was_never_run_says_why(guide: Path) -> None:
    said = describe_proof(entry_of(guide, "melts"), {})
    assert said == "Its error was not reproduced. Not run: it needs a machine to melt."
    entry = entry_of(guide, "sings")
    assert describe_proof(entry, {}) == ""
    assert describe_proof(entry, row_of(entry)) == ""  # it has no code that could have been run


def test_versions_are_those_of_a_finding_that_decides_something() -> None:
    found = installed_versions([PACKAGES])
    assert found == {
        "torch": "3.1.0+cpu", "timm": "1.0.9",
        "opencv-python": "5.0.0", "opencv-python-headless": "5.0.0",
    }  # fmt: skip
    assert installed_versions([replace(PACKAGES, clues=())]) == {}
    assert installed_versions([replace(PACKAGES, id="memory")]) == {}


def test_another_major_version_is_named(guide: Path) -> None:
    entry = entry_of(guide)
    known = row_of(entry, timm="1.0.31", torch="2.14.1")
    said = find_other_versions(entry, known, [PACKAGES])
    assert "torch 3.1.0+cpu (verified with 2.14.1)" in said
    assert "timm" not in said
    assert find_other_versions(entry, known, []) == ""
    assert find_other_versions(entry, {}, [PACKAGES]) == ""
    own = int(metadata.version("pytest").partition(".")[0])
    known = row_of(entry, pytest=f"{own + 1}.0")
    assert "pytest" in find_other_versions(entry, known, [], ["pytest", "no-such-package"])


async def events_of(
    guide: Path, prober: FakeProber, verified: Mapping[str, Verified], *, check: bool = False
) -> list[Event]:
    snapshots = Snapshots((str(guide),), build_lexical_retriever)
    assistant = Assistant(snapshots, FakeBackend(), prober, verified=verified)
    assistant.start()
    events = [event async for event in assistant.ask(TIMM, check=check)]
    await assistant.aclose()
    return events


OWN = Target("own", "own", ("python",), "the assistant's own")
OTHER = Target("lab", "interpreter", ("python",), "another")


@pytest.mark.parametrize(
    ("place", "finding", "check", "is_said"),
    [
        (OWN, None, False, True),  # our own Python is the one in question
        (OTHER, None, False, False),  # nothing is known of the other one
        (None, None, False, False),
        (OTHER, PACKAGES, True, True),  # a probe has looked
    ],
)
async def test_an_answer_says_so(
    guide: Path, place: Target | None, finding: Finding | None, check: bool, is_said: bool
) -> None:
    entry = entry_of(guide)
    own = int(metadata.version("pytest").partition(".")[0])
    verified = row_of(entry, torch="2.14.1" if finding else "", pytest=f"{own + 1}.0")
    prober = FakeProber(*([finding] if finding else ()), place=place, informs=("missing-module",))
    events = await events_of(guide, prober, verified, check=check)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert any("Other versions than" in text for text in notices) == is_said, notices
    fix = next(event.fix for event in reversed(events) if isinstance(event, Fix))
    assert fix is not None
    assert fix.origin == "Course of the tests"
    assert fix.proof.startswith("Reproduced and fixed on 2026-11-26")
    assert render_provenance(fix) == (
        f"From: Course of the tests. {fix.proof}\nSources: [timm](https://example.org/timm)"
    )


async def test_a_check_that_is_pressed_later_says_so_too(guide: Path) -> None:
    verified = row_of(entry_of(guide), torch="2.14.1")
    snapshots = Snapshots((str(guide),), build_lexical_retriever)
    prober = FakeProber(PACKAGES, place=OWN, informs=("missing-module",))
    assistant = Assistant(snapshots, FakeBackend(), prober, verified=verified)
    assistant.start()
    first = [event async for event in assistant.ask(TIMM)]
    last = first[-1]
    assert isinstance(last, Done)
    later = [
        event async for event in assistant.ask("", conversation=(last.turn,), probe="packages")
    ]
    await assistant.aclose()
    said = [event.text for event in later if isinstance(event, Notice)]
    assert any("torch 3.1.0+cpu (verified with 2.14.1)" in text for text in said), said
    assert not any("Other versions" in e.text for e in first if isinstance(e, Notice))
