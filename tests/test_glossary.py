from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.condense import search_text
from assistant.glossary import LANGUAGES, gloss
from assistant.reading import read_query

ROOT = Path(__file__).parents[1]
QUOTED = re.compile(r'"[^"]*"')
PLAIN_ENGLISH = re.compile(
    r"\b(?:the|my|and|what|does|how|why|i|this|when|to|is|it)\b", re.IGNORECASE
)


def _is_english(text: str) -> bool:
    """Told without the module: letters of English, and its commonest words among the words."""
    text = QUOTED.sub("", text)
    words, common = text.split(), PLAIN_ENGLISH.findall(text)
    only_ascii = all(letter.isascii() for letter in text if letter.isalpha())
    enough = len({word.lower() for word in common}) >= 2 and len(common) >= 0.12 * len(words)
    return only_ascii and enough


def _english_texts() -> list[str]:
    files = [*(ROOT / "tests/evals").glob("*.jsonl"), ROOT / "knowledge/phrases.jsonl"]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    texts = [str(json.loads(line).get("text", "")) for line in lines]
    return [text for text in texts if _is_english(text)]


def test_no_english_text_is_touched() -> None:
    texts = _english_texts()
    assert len(texts) > 2500
    assert [text for text in texts if gloss(text).text != text] == []


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Der Trainingsverlust fällt nicht", "German", "training loss decreases not"),
        ("La précision n'augmente pas", "French", "precision rises not"),
        ("la perdida no baja y la memoria esta llena", "Spanish", "loss memory full"),
        ("os pesos não são do mesmo tipo", "Portuguese", "weights not same type"),
        ("la maschera è vuota, perché?", "Italian", "mask empty why"),
        ("сеть не учится, точность низкая", "Russian", "network does not learn accuracy low"),
        ("学习率太大了吗", "Chinese", "learning rate"),
        ("損失が下がりません", "Japanese", "loss decreases not"),
    ],
)
def test_each_language_is_told_and_read(text: str, language: str, words: str) -> None:
    read = gloss(text)
    assert read.language == language
    assert [word for word in words.split() if word not in re.findall(r"\w+", read.text)] == []


@pytest.mark.parametrize(
    "spelling",
    ["Die Bildgröße passt nicht", "die bildgroesse passt nicht", "Die Bildgrosse passt nicht"],
)
def test_umlauts_may_be_typed_in_any_way(spelling: str) -> None:
    assert "image size" in gloss(spelling).text


def test_messages_in_english_stay_among_other_words() -> None:
    text = 'No entiendo el error: No module named "timm"\nRuntimeError: CUDA out of memory.'
    read = gloss(text).text
    assert 'No module named "timm"\nRuntimeError: CUDA out of memory.' in read
    assert read.startswith("not")


@pytest.mark.parametrize("name", ["yolov8n", "num_workers", "model.eval()", "data/images", "U-Net"])
def test_names_stay_as_they_are(name: str) -> None:
    assert name in gloss(f"das Netz mit {name} ist nicht so gut wie vorher").text


def test_the_exception_is_compared_as_it_is_and_the_text_that_is_shown_stays() -> None:
    text = "Warum kommt das?\nModuleNotFoundError: No module named 'lap'"
    query = read_query(text)
    assert query.text == text
    assert search_text(query).endswith("\nModuleNotFoundError: No module named 'lap'")
    assert search_text(query).startswith("why")


@given(st.text(alphabet=st.sampled_from("dernicht üß'-\n:\"网络ネットсеть_.8"), max_size=200))
def test_nothing_that_is_typed_raises(text: str) -> None:
    read = gloss(text)
    assert read.language in {None, *LANGUAGES}
    assert read.text.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "piece", ["Der Verlust fällt nicht. ", "损失不下降，", "a-é'n ", "Lernratenlernraten"]
)
def test_the_steps_grow_with_the_length_only(piece: str) -> None:
    def steps(times: int) -> int:
        count = 0

        def tick(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(tick)
        try:
            gloss(piece * times)
        finally:
            sys.setprofile(None)
        return count

    steps(400)  # words are looked up once
    assert steps(400) < 4.4 * steps(100) + 200


@pytest.mark.parametrize(
    ("text", "notices"),
    [
        (
            "Warum fällt der Verlust nicht?",
            ("Read as German, word by word. The answer is in English.",),
        ),
        ("why does the loss not fall?", ()),
        ("hola", ()),
        ("ModuleNotFoundError: No module named 'lap'", ()),
    ],
)
def test_the_reader_is_told_how_the_text_was_read(text: str, notices: tuple[str, ...]) -> None:
    assert read_query(text).notices == notices
