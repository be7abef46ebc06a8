"""Rules about a chain of dense layers: what grows or shrinks from one to the next."""

from __future__ import annotations

import math

import numpy as np

from pondera.recording.health.facts import Connection, Facts
from pondera.recording.health.rule import Suspicion

DECADES = 9.0
"""What nothing at all counts as, in powers of ten."""

NORMALIZED = "Normalize between the layers (LayerNorm), connect past them (Residual), or take fewer of them (--hidden)."


def vanishing(facts: Facts) -> Suspicion | None:
    """How many powers of ten the error that comes back to the first layer is below that of the last hidden one."""
    found = _signals(facts)
    if found is None:
        return None
    first, last, names = found
    fall = min(math.log10(last / first), DECADES) if first > 0 and last > 0 else DECADES if last > 0 else 0.0
    return Suspicion(
        fall,
        f"Gradients vanish on the way back: what reaches {names[0]} is {10**-fall:.2g} of that at {names[1]}.",
        f"Take an activation that does not saturate (--activation relu). {NORMALIZED}",
        names[0],
        {"powers_of_ten": fall, "change": {"activation": "relu"}},
    )


def exploding(facts: Facts) -> Suspicion | None:
    """How many powers of ten the error that comes back to the first layer is above that of the last hidden one."""
    found = _signals(facts)
    if found is None:
        return None
    first, last, names = found
    rise = min(math.log10(first / last), DECADES) if first > 0 and last > 0 else 0.0
    return Suspicion(
        rise,
        f"Gradients explode on the way back: what reaches {names[0]} is {10**rise:.2g} times that at {names[1]}.",
        "Start with smaller weights, such as LeCun's (weight='lecun_normal'), or clip gradients (gradient_clip=1). "
        f"{NORMALIZED}",
        names[0],
        {"powers_of_ten": rise},
    )


def bad_start(facts: Facts) -> Suspicion | None:
    """By how many powers of ten a hidden layer's sums are off the size of 1, at the first step."""
    worst, where, size, alike = 0.0, "", 1.0, False
    for each in facts.chain[:-1]:
        figures = facts.tensors[each.weight].figures[:1]
        units = facts.units.get(each.name, [])[:1]
        coming = _coming(facts, each, 0) if each.before else 1.0
        if not figures or coming is None:
            continue
        sums = math.sqrt(figures[0].squares / each.units) * coming * each.factor
        # Inputs of another size, which another rule speaks of, go on through layers that do not saturate.
        inputs = float(facts.rows.get("rms") or 1.0)
        off = min(abs(math.log10(max(size, 10**-DECADES))) for size in (sums, sums / inputs))
        same = bool(units) and units[0][1].units > 1 and units[0][1].dimensions < 1 + 1e-4 and units[0][1].deviation > 0
        off = DECADES if same and _is_constant(figures[0]) else off
        if off > worst:
            worst, where, size, alike = off, each.name, sums, same and _is_constant(figures[0])
    if not where:
        return None
    said = (
        f"All units of {where} start the same and stay the same."
        if alike
        else f"{where} starts with weights of the wrong size: its weighted sums are {size:.2g}, and about 1 is usual."
    )
    return Suspicion(
        worst,
        said,
        "Start from He's weights (weight='he_normal') where relu or its kin follow, from LeCun's "
        "(weight='lecun_normal') before tanh and selu.",
        where,
        {"sums": size, "since": 0},
    )


def _is_constant(figures: object) -> bool:
    return bool(getattr(figures, "low", 0.0) == getattr(figures, "high", 1.0))


def _signals(facts: Facts) -> tuple[float, float, tuple[str, str]] | None:
    """Return the size of the error at the first layer and at the last hidden one, the medians of recent points."""
    if len(facts.chain) < 4:  # between two layers other things decide
        return None
    first, last = facts.chain[0], facts.chain[-2]
    sizes = [_signal(facts, each) for each in (first, last)]
    if any(not len(each) for each in sizes):
        return None
    return float(np.median(sizes[0])), float(np.median(sizes[1])), (first.name, last.name)


def _signal(facts: Facts, at: Connection) -> list[float]:
    """Return, for recent points, √mean g² of a layer's weights by the size of what came in: the error's size there."""
    tensor = facts.tensors[at.weight]
    recent = facts.recent(at.weight)
    first = len(tensor.figures) - len(recent)
    found = []
    for k, figures in enumerate(recent):
        coming = _coming(facts, at, first + k)
        if coming and math.isfinite(figures.gradient_squares):
            found.append(math.sqrt(figures.gradient_squares / figures.count) / coming / at.factor)
    return found


def _coming(facts: Facts, at: Connection, point: int) -> float | None:
    """Return the size of what comes into a layer, √mean a²; None where that is not known."""
    if not at.before:
        return float(facts.rows.get("rms") or 1.0)
    found = facts.units.get(at.before, [])
    if point >= len(found):
        return None
    figures = found[point][1]
    return math.hypot(figures.mean, figures.deviation)
