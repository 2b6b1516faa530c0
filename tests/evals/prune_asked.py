"""Makes `unneeded.txt`: the cases whose texts the ranker learns nothing from.

    python -m tests.evals.prune_asked SHARE GUIDE…

A text whose weights are all small says what others say already: without it a search is faster and
finds the same. At most SHARE of the texts goes, those that matter least with every guide given; an
entry keeps its best `_KEPT`. Run `make_asked`, `make_vectors`, `fit_calibration` and `fit_reranker`
afterwards.

Measured on 3,173 texts of `FOLDS[0]`, which were neither learned nor part of the choice (by hand:
`main` always takes all sets), with the course's own guide (2026-11-27, 20,900 rows): of those in
scope first / AUROC of "the first is right" / right answers at the best threshold:

    all rows                           96.2 %   .9696   90.7 %
    the 85 % with the largest weights  96.2 %   .9695   90.7 %
    the 70 %                           96.2 %   .9683   90.6 %
    the half                           96.1 %   .9669   90.8 %
    a half drawn by chance             94.9 %   .9653   89.3 %

With the encoder of 2026-11-28 and all sets: 24,992 rows .9734, right 91.4 %; the 16,224 that stay
of them with a share of 0.4, chosen without that fold, 96.7 % first, .9720, right 91.1 %.

The shipped file was made with 0.28, the course's own guide and `builtin`, and leaves 20,874 of
28,545 texts. A row that only says what a text of the first fold says is gone too, and then missed
when that fold is looked at: 96.6 % first, .9697, right 91.0 %. So that look tells less than is
there; how much of it is lost for a stranger's text was not measured.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from assistant.build import build_retriever
from assistant.library import load_library
from assistant.retrieval import HybridRetriever
from assistant.settings import load_settings
from tests.evals.make_asked import UNNEEDED, asked_by_case, with_asked

_KEPT = 40


def main() -> None:
    share, guides = float(sys.argv[1]), sys.argv[2:]
    rows = asked_by_case()
    importance = dict.fromkeys(rows, 0.0)
    for guide in guides:
        weights = _weights(guide, [*rows.values()])
        importance = {
            case: max(value, weights.get(rows[case]["text"], np.inf))
            for case, value in importance.items()
        }
    gone = least_needed(importance, {case: row["id"] for case, row in rows.items()}, share, _KEPT)
    UNNEEDED.write_text("\n".join(gone) + "\n", "utf-8")
    print(f"{UNNEEDED}: {len(gone)} of {len(rows)} texts are not needed")


def least_needed(
    importance: Mapping[str, float], ids: Mapping[str, str], share: float, kept: int
) -> list[str]:
    """Of the texts (or cases) those whose importance is below the quantile `share`, in their order,
    but for the `kept` that matter most of each entry."""
    limit = float(np.quantile([*importance.values()], share))
    of_entry: dict[str, list[float]] = defaultdict(list)
    for name, value in importance.items():
        of_entry[ids[name]].append(value)
    floors = {id_: sorted(values)[-kept:][0] for id_, values in of_entry.items()}
    return [name for name, value in importance.items() if value < min(limit, floors[ids[name]])]


def _weights(guide: str, rows: list[dict[str, str]]) -> dict[str, float]:
    """The greatest absolute weight of each text for any label, of those that were learned
    (`learned_rows` takes an even choice where there are very many)."""
    library = with_asked(load_library((guide,)), rows)
    settings = load_settings(guide=(guide,), reranker=False)
    retriever, _ = build_retriever(settings)(library, True)
    assert isinstance(retriever, HybridRetriever)
    assert retriever._dense is not None
    greatest = np.abs(retriever._dense[2].weights).max(axis=1)
    learned = [retriever._passages[row].text for row in retriever._learned]
    weights: dict[str, float] = {}
    for text, value in zip(learned, greatest.tolist(), strict=True):
        weights[text] = max(weights.get(text, 0.0), value)
    return weights


if __name__ == "__main__":
    main()
