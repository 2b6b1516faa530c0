"""The shipped guides prove themselves: entries whose code has changed, and a fixed tenth.

`make verify` runs all of them. What needs a network or a GPU is tried only where there is one.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from assistant.answer import build_fix, slot_values
from assistant.build import build_retriever
from assistant.figures import load_figures
from assistant.interpreter import read_interpreter
from assistant.library import Library, load_library
from assistant.needs import build_missing
from assistant.reading import read_query
from assistant.settings import load_settings
from assistant.slots import SLOT, SLOTS, fill, plain
from assistant.types import Entry
from assistant.verified import blocks_digest, is_in_sample, load_verified
from assistant.verify import Verdict, verify_entries

README = Path(__file__).parents[1] / "knowledge" / "README.md"


def verify(library: Library, entries: list[Entry]) -> list[Verdict]:
    interpreter = read_interpreter(sys.executable, environment=os.environ)
    retriever, _ = build_retriever(load_settings())(library, True)
    return list(
        verify_entries(
            entries,
            interpreter=interpreter,
            environment=os.environ,
            missing=build_missing(interpreter, os.environ),
            search=retriever.search,
        )
    )


HOSTS = frozenset(
    (
        "arxiv.org build.nvidia.com developer.nvidia.com docs.docker.com docs.kernel.org "
        "docs.nvidia.com docs.opencv.org docs.python.org docs.ultralytics.com docs.vllm.ai "
        "forums.developer.nvidia.com git-lfs.com github.com huggingface.co man.openbsd.org "
        "jupyter-server.readthedocs.io man7.org matplotlib.org numpy.org peps.python.org "
        "pillow.readthedocs.io pip.pypa.io pypi.org pytorch.org"
    ).split()
)


def test_sources_lead_to_documentation() -> None:
    """A link to another host is mended, or the host is added here on purpose."""
    entries = load_library([]).entries.values()
    links = {
        (entry.id, urlsplit(link))
        for entry in entries
        for link in re.findall(r"\]\((https?://[^)\s]+)\)", entry.sources)
    }
    assert {(id_, link.geturl()) for id_, link in links if link.hostname not in HOSTS} == set()
    assert {id_ for id_, _ in links} == {entry.id for entry in entries}


def test_each_drawing_is_shown_by_an_entry_with_words_for_it() -> None:
    bodies = "\n".join(entry.body for entry in load_library([]).entries.values())
    shown = dict(re.findall(r"^!\[([^\]\n]{20,})\]\(figures/([\w-]+)\.svg\)$", bodies, re.M))
    assert set(shown.values()) == set(load_figures())


def test_an_error_is_reproduced_or_says_why_not_and_most_are_proven() -> None:
    known = load_verified()
    errors = [e for e in load_library([]).entries.values() if e.kind == "error"]
    assert [e.id for e in errors if not e.proof and not e.unproven.startswith("Not run: ")] == []
    proven = [e for e in errors if e.id in known and known[e.id].blocks == blocks_digest(e)]
    assert len(proven) >= 0.7 * len(errors)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_changed_entries_and_a_tenth_prove_themselves() -> None:
    library, known = load_library([]), load_verified()
    chosen = [
        entry
        for entry in library.entries.values()
        if entry.proof
        and (
            is_in_sample(entry.id)
            or entry.id not in known
            or known[entry.id].blocks != blocks_digest(entry)
        )
    ]
    assert chosen
    failed = {v.id: v.reason for v in verify(library, chosen) if v.has_failed}
    assert failed == {}


def test_the_worked_example_proves_itself(tmp_path: Path) -> None:
    found = re.search(r"^````markdown\n(.*?)^````$", README.read_text("utf-8"), re.DOTALL | re.M)
    assert found is not None
    guide = tmp_path / "example.md"
    guide.write_text(found[1])
    library = load_library([str(guide)])
    (verdict,) = verify(library, list(library.entries.values()))
    assert (verdict.reproduced, verdict.rank, verdict.fixed) == (True, 1, True), verdict


def test_the_examples_of_info_strings_are_read() -> None:
    from assistant.info_string import parse_info

    lines = re.findall(r"^ {4}```(.*)$", README.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 3
    assert all(parse_info(line).role and not parse_info(line).faults for line in lines)


# real messages for slots that the entry's own symptoms, with their wildcards, don't fill
MESSAGES = {
    "state-dict-mismatch": (
        "RuntimeError: Error(s) in loading state_dict for ResNet:\n"
        "\tsize mismatch for fc.weight: copying a param with shape torch.Size([10, 512]) from "
        "checkpoint, the shape in current model is torch.Size([1000, 512]).\n"
        "\tsize mismatch for fc.bias: copying a param with shape torch.Size([10]) from "
        "checkpoint, the shape in current model is torch.Size([1000]).",
    ),
    "model-download-forbidden": (
        "requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: "
        "https://huggingface.co/org/net/resolve/main/config.json",
    ),
    "cv2-image-none": (
        "[ WARN:0@0.012] global loadsave.cpp:278 findDecoder imread_('data/cat 1.png'): can't "
        "open/read file: check file path/integrity\nTraceback (most recent call last):\n"
        '  File "a.py", line 4, in <module>\n    rgb = cv2.cvtColor(image, code)\n'
        "cv2.error: OpenCV(5.0.0) color.cpp:199: error: (-215) !_src.empty() in 'cvtColor'",
    ),
}


def find_slots(entry: Entry) -> set[str]:
    """The kinds of facts that an entry, as its author wrote it, has slots for."""
    return {slot["kind"] for slot in SLOT.finditer((entry.template or entry).body)} & set(SLOTS)


def test_slots_of_shipped_entries_are_filled_by_their_messages_and_read_well_without() -> None:
    """Each slot takes its value from a message of this very entry; its code is Python both ways."""
    entries = [entry for entry in load_library([]).entries.values() if entry.template]
    known = load_verified()
    assert len(entries) >= 10
    for entry in entries:
        said = [known[entry.id].says] if entry.id in known else []
        queries = [
            read_query(text) for text in (*entry.symptoms, *said, *MESSAGES.get(entry.id, ()))
        ]
        plain_fix = build_fix(entry)
        for kind in find_slots(entry):
            slot = f"{{{{{kind}}}}}"
            fitting = [q for q in queries if fill(slot, slot_values(q, ())) != fill(slot, {})]
            assert fitting, f"{entry.id}: no message fills {kind}"
            value = slot_values(fitting[0], ())[kind]
            filled_fix = build_fix(entry, fitting[0])
            assert value in filled_fix.text + "".join(b.code for b in filled_fix.blocks)
            for fix in (plain_fix, filled_fix):
                assert not SLOT.search(fix.text)
                assert "``" not in fix.text.replace("```", "")
                for block in fix.blocks:
                    assert not SLOT.search(block.code)
                    assert block.language != "python" or ast.parse(block.code)


def test_whoever_shows_an_entry_without_knowing_facts_meets_no_slot() -> None:
    for entry in load_library([]).entries.values():
        shown = [entry.body, entry.solution, entry.check, *entry.causes]
        shown += [block.code for block in (*entry.blocks, *entry.proof)]
        assert not any(SLOT.search(text) for text in shown), entry.id
        assert plain(entry.template.body) == entry.body if entry.template else True
