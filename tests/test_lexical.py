"""Words and symbols: tokens of code, BM25 and cosines."""

from __future__ import annotations

import numpy as np
import pytest

from assistant.lexical import build_lexical, has_content, tokenize

PASSAGES = [
    "ModuleNotFoundError: No module named 'timm'",
    "CUDA out of memory while training",
    "DataLoader hangs with num_workers",
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SamPredictor", ["sampredictor", "sam", "predictor"]),
        ("num_workers=4", ["num_worker", "num", "workers", "4"]),
        ("sam_vit_h_4b8939.pth", ["sam", "vit", "h", "4", "b", "8939", "pth"]),
        ("the GPU is training", ["gpu", "train"]),
        ("CUDAError", ["cudaerror", "cuda", "error"]),
        ("torch 2.10 images", ["torch", "2.10", "imag"]),
        ("没有模块", ["没", "有", "模", "块"]),
        ("", []),
        ("the of and", []),
        ("?!… \x00", []),
    ],
)
def test_tokens(text: str, wanted: list[str]) -> None:
    found = tokenize(text)
    assert [token for token in wanted if token not in found] == []
    if not wanted:
        assert found == []


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("no module timm", 0),
        ("memory of cuda", 1),
        ("num_workers hang", 2),
        ("data loader hanging", 2),
    ],
)
def test_the_nearest_passage_by_both_measures(question: str, best: int) -> None:
    index = build_lexical(PASSAGES)
    assert index.bm25(question).argmax() == best
    assert index.cosines(question).argmax() == best


def test_numbers_are_what_they_were() -> None:
    index = build_lexical(PASSAGES)
    assert index.count == 3
    factor = index.factor(np.arange(3))
    gram = (factor @ factor.T).toarray()
    assert np.allclose(np.diag(gram), 1, atol=1e-5)
    assert np.allclose(index.cosines(PASSAGES[1]), gram[1], atol=1e-5)
    assert index.bm25("cuda memory").dtype == np.float32
    assert index.bm25("timm")[1:] == pytest.approx([0, 0])


@pytest.mark.parametrize("text", ["", "zzzz qqqq", "\x00\u202e"])
def test_nothing_shared_is_zero(text: str) -> None:
    index = build_lexical(PASSAGES)
    assert not index.bm25(text).any()
    assert index.cosines(text).shape == (3,)
    assert index.cosines(text).max() < 0.1


def test_a_guide_in_another_script_can_be_searched() -> None:
    index = build_lexical(["модуль не найден", "память закончилась"])
    assert index.cosines("нет модуля").argmax() == 0
    assert build_lexical(["ошибка"]).count == 1


def test_one_passage_and_passages_without_words() -> None:
    assert build_lexical(["timm"]).cosines("timm") == pytest.approx([1], abs=1e-5)
    index = build_lexical(["?!", "timm is missing"])
    assert index.bm25("timm").argmax() == 1


@pytest.mark.parametrize(
    "text",
    [*PASSAGES, "timm timm timm is missing", "nothing known: qqq", "没有模块 x", "", " \x00"],
)
def test_a_row_is_what_the_vectorizers_make(text: str) -> None:
    index = build_lexical(PASSAGES)
    plain = [view.transform([text]).toarray()[0] for view in (index._words, index._characters)]
    wanted = np.concatenate(plain) * 0.5**0.5
    columns, values = index._row(text)
    row = np.zeros(len(wanted))
    row[columns] = values
    assert np.allclose(row, wanted, atol=1e-6)
    assert np.allclose(index.cosines(text), index._matrix @ wanted, atol=1e-6)


@pytest.mark.parametrize("text", ["neither", "and then?", "", " ... ", "Why not", "\x00"])
def test_function_words_alone_ask_nothing(text: str) -> None:
    assert not has_content(text)


@pytest.mark.parametrize("text", ["iou", "and timm?", "почему", "为什么", "403", "_pickle"])
def test_one_word_is_enough(text: str) -> None:
    assert has_content(text)
