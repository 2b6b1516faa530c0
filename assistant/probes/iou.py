"""How far two masks overlap, from counts of which values meet. It refuses to know any picture.

IoU is the number of pixels that both masks give to a class, divided by those that at least one of
them gives to it; Dice is twice the first, divided by the sum of what each of them gives.
"""

from __future__ import annotations

from collections.abc import Mapping

Pairs = Mapping[tuple[float, float], float]  # (predicted value, true value) → pixels

_VOID = 255.0  # the usual number for pixels that do not count


def measure_overlap(pairs: Pairs) -> dict[float, tuple[float, float]]:
    """Return {class: (IoU, Dice)} for every class of the target; 255 is left out if it is void."""
    kept = _without_void(pairs)
    found = {}
    for value in sorted({theirs for _, theirs in kept}):
        common = kept.get((value, value), 0.0)
        ours = sum(n for (p, _), n in kept.items() if p == value)
        theirs = sum(n for (_, t), n in kept.items() if t == value)
        found[value] = (common / (ours + theirs - common), 2 * common / (ours + theirs))
    return found


def match_classes(pairs: Pairs) -> dict[float, float]:
    """Return {predicted value: true value}, the pairs that overlap best first."""
    kept = _without_void(pairs)
    ours: dict[float, float] = {}
    theirs: dict[float, float] = {}
    for (p, t), n in kept.items():
        ours[p] = ours.get(p, 0.0) + n
        theirs[t] = theirs.get(t, 0.0) + n
    ranked = sorted(kept, key=lambda k: (-kept[k] / (ours[k[0]] + theirs[k[1]] - kept[k]), k))
    found: dict[float, float] = {}
    for p, t in ranked:
        if p not in found and t not in found.values():
            found[p] = t
    return found


def rename(pairs: Pairs, names: Mapping[float, float]) -> dict[tuple[float, float], float]:
    """The pairs after the predicted values were renamed."""
    found: dict[tuple[float, float], float] = {}
    for (p, t), n in pairs.items():
        key = (names.get(p, -1.0 - p), t)
        found[key] = found.get(key, 0.0) + n
    return found


def mean_overlap(pairs: Pairs) -> float:
    """The mean IoU over the classes of the target, 0 without any."""
    scores = [iou for iou, _ in measure_overlap(pairs).values()]
    return sum(scores) / len(scores) if scores else 0.0


def _without_void(pairs: Pairs) -> dict[tuple[float, float], float]:
    """255 beside other labels than 0 marks pixels that do not count."""
    truth = {theirs for _, theirs in pairs}
    is_void = _VOID in truth and len(truth - {0.0, _VOID}) > 0
    return {key: n for key, n in pairs.items() if not (is_void and key[1] == _VOID)}
