"""From what became of every tensor to what became of the network.

Weights that two trainings from different random starts led to have nothing in common slot by slot: their correlation is
0 ± 1/√n for n values. Those of one training at two times have much. Measured on scikit-learn's ``MLPClassifier``
(digits, 64-128-128-10, Adam at 0.001 and 0.01, 40 epochs, four starts): matrices of different starts correlate by at
most 0.055, the smallest having 1,280 values; those of one training by 0.54 and more from its start to its end, by 0.93
and more from epoch 10 on. :data:`UNLIKE <pondera.reading.comparison.differences.UNLIKE>` lies nearer to chance
because long trainings go far.
"""

from __future__ import annotations

from collections.abc import Sequence

from pondera.choice import counted
from pondera.reading.comparison.differences import UNLIKE
from pondera.reading.comparison.result import EXPLAINED, SAME, Pair, Verdict
from pondera.reading.comparison.sentences import part, rounded, same, strangers, trained
from pondera.reading.comparison.untrained import (
    exchanged,
    few,
    mixed,
    overwritten,
    reordered,
    replaced,
    rescaled,
    statistics,
    values_changed,
    zeroed,
)

VERDICTS = (
    "same weights in another file",
    "same network, renamed or transposed",
    "same network, units reordered",
    "part of the same network",
    "only rounded",
    "values set to zero",
    "rescaled",
    "values reordered",
    "values overwritten",
    "few values differ",
    "running statistics moved",
    "several changes",
    "parts replaced",
    "layers exchanged",
    "low-rank adapter merged",
    "low-rank adapter of the other",
    "fine-tuned",
    "unrelated networks",
    "different architectures",
)

ADAPTER = "low-rank adapter of the other"
"""The verdict where one is no network by itself."""

TRAINED = ("fine-tuned", "low-rank adapter merged")
"""Verdicts after which weights were trained."""

FEW_VALUES, FEW_SHARE = 16, 0.02
"""So few values, and no larger share of each tensor, are no training's work."""

SHARED = 0.1
"""If less than this share of the smaller network's values can be compared at all, the architectures differ."""

PART = 0.5
"""Equal values make two networks parts of one if they are so much of the smaller one: a fixed table may be shared."""

WITHOUT_TRAINING = (
    (frozenset[str](), rounded),
    ({"reordered", "zero signs"}, reordered),
    ({"zeroed", "zero signs"}, zeroed),
    ({"rescaled", "zero signs"}, rescaled),
    ({"overwritten", "zeroed", "zero signs"}, overwritten),
    ({"replaced", "zero signs"}, replaced),
    ({"exchanged"}, exchanged),
)
"""Statuses that, where tensors have no others, explain everything; and what makes their sentence."""


def judged(pairs: Sequence[Pair]) -> Verdict:
    """Return the verdict, one of :data:`VERDICTS`, and its sentence."""
    compared = [pair for pair in pairs if pair.compared]
    sizes = [
        sum(t.count for t in {p.name: p.tensor for p in pairs if getattr(p, s)}.values()) for s in ("first", "second")
    ]
    shared = sum(pair.count for pair in compared)
    if not compared or shared < SHARED * min(sizes):
        return strangers(pairs, compared)
    moved = [pair for pair in compared if pair.status not in SAME]
    if not moved:
        missing = [pair for pair in pairs if not pair.compared or pair.status == "extended"]
        if missing and shared < PART * min(sizes):
            return "different architectures", (
                f"Different architectures: {counted(len(compared), 'tensor')} of one "
                f"{'has its' if len(compared) == 1 else 'have their'} equal in the other, "
                f"{shared / min(sizes):.0%} of the smaller network, and nothing else belongs together."
            )
        return part(compared, missing) if missing else same(compared)
    if (median := _unrelated(compared)) is not None:
        still = len(compared) - len(moved)
        though = f" {counted(still, 'other')} {'is' if still == 1 else 'are'} equal." if still else ""
        return "unrelated networks", (
            f"Unrelated networks: {counted(len(moved), 'tensor')} fit by name and shape, but their values have "
            f"nothing in common (median correlation {median:.3f}), as after trainings from different starts.{though}"
        )
    kinds = {pair.status for pair in moved if not pair.is_counter or len(moved) == 1} - set(EXPLAINED)
    if kinds <= {"changed"} and all(pair.is_statistic for pair in moved):
        return statistics(compared, moved)
    if kinds == {"changed"} and all(map(_is_hardly_changed, moved)) and sum(map(values_changed, moved)) <= FEW_VALUES:
        return few(compared, moved)
    for explained, verdict in WITHOUT_TRAINING:
        if kinds <= explained:
            return verdict(compared, moved)
    return trained(compared, moved) if "changed" in kinds else mixed(compared, moved)


def _is_hardly_changed(pair: Pair) -> bool:
    """Whether so small a share of a tensor differs that it was not trained; a bias of few values may have been."""
    return values_changed(pair) <= FEW_SHARE * pair.count


def _unrelated(compared: Sequence[Pair]) -> float | None:
    """Return the correlation above and below which half of the values are, where that is none; matrices if there are.

    What is known to be the same, or to be made of the other, is related: networks that share matrices are.
    """
    matrices = [pair for pair in compared if pair.tensor.ndim >= 2]
    found, same = [], 0
    for pair in matrices or compared:
        if pair.status in (*SAME, "changed", "replaced"):  # the others are made of the first's values, or damaged
            if pair.correlation is not None:
                found.append((pair.correlation, pair.count))
            same += pair.count * (pair.status in SAME)
        else:
            found.append((1.0, pair.count))
    found.sort()
    half = sum(count for _, count in found) / 2
    if not found or same >= SHARED * 2 * half:
        return None
    reached = 0
    for value, count in found:
        reached += count
        if reached >= half:
            return value if abs(value) < UNLIKE else None
    return None
