"""Rules about how far a step goes: too far, not far enough, differently from layer to layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pondera.recording.health.facts import Facts, first_recent
from pondera.recording.health.rule import Suspicion

GOOD = 1e-3
"""How far a step moves a matrix, by its own size, as a rule of thumb (Hinton 2010)."""

DECADES = 9.0
"""What nothing at all counts as, in powers of ten."""

FEWEST = 8
"""Steps before there is anything to say."""

POINTS, CLEAR = 12, 10.0
"""Steps that were looked at, at least: the first ones go far. Of fewer only what is beyond doubt is judged."""

FAR = 0.1
"""Of its size at the start, from which on a matrix has trained."""

LEARNED = 0.5
"""Of the best constant's loss, which a training that learns takes away."""

FASTEST = 1.0
"""The largest learning rate that is advised where one is too large."""

TIMES = 5
"""The median change of a batch's loss counts so many times as much as the worst rise."""


def too_high(facts: Facts) -> Suspicion | None:
    """How far steps change the loss of their own batch: the worst rise, or 5 times the median.

    Both are by the best constant's loss, or the first one where that is larger.

    A step that goes too far overshoots its own batch, or fits it and spoils the others: both are large changes.
    """
    if len(facts.looks) < FEWEST:
        return None
    before, after = facts.looks[:, 1], facts.looks[:, 2]
    usual = float(np.fmax(facts.span, before[0] - facts.floor))
    with np.errstate(invalid="ignore"):
        change = np.where(np.isfinite(after), (after - before) / usual, math.inf)
    rise = max(float(change.max()), 0.0)
    median = float(np.median(np.abs(change[first_recent(facts.looks[:, 0]) :])))
    measure = max(rise, TIMES * median)
    if len(facts.looks) < POINTS and measure < CLEAR:
        return None
    advice, slowed = slower(facts, 10.0)
    what = (
        f"made the loss of its own batch larger by {_share(rise)}"
        if rise >= TIMES * median
        else f"changes the loss of its own batch by {_share(median)}"
    )
    return Suspicion(
        measure,
        f"The learning rate is too high: a step {what} the best constant's.",
        advice,
        figures={"rise": rise, "median": median, **slowed},
    )


def too_low(facts: Facts) -> Suspicion | None:
    """How far all steps of the plan could move the matrix that moves most, by its own size, if they pulled one way.

    It is no less than how far one was moved by then: steps that went too far leave weights so large that those after
    them look small. Where they took half of the best constant's loss away, they go far enough, however far that is.
    """
    if not facts.usual or facts.seen < FEWEST or not facts.planned:
        return None
    largest = facts.rates.max(initial=0.0)
    mean = float(np.mean(facts.rates) / largest) if largest > 0 else 0.0
    reach = max(max(facts.usual.values()) * facts.planned * mean, *map(facts.moved, facts.usual))
    advice, change = _faster(facts, 10.0 if reach > 0.01 else 100.0)
    lately = facts.steps.losses[facts.steps.latest(max(facts.steps.told // 10, 1))]
    learned = len(lately) > 0 and (facts.baseline - float(np.median(lately))) / facts.span > LEARNED
    return Suspicion(
        0.0 if learned else -math.log10(max(reach, 10**-DECADES)),
        f"The learning rate is too low: if all {facts.planned:,} steps pulled the same way, no matrix of weights would "
        f"move by more than {100 * reach:.2g}% of its size.",
        advice,
        figures={"reach": reach, "planned": facts.planned, **change},
    )


def out_of_range(facts: Facts) -> Suspicion | None:
    """By how many powers of ten the steps of a matrix are off a thousandth of its size, at the worst one.

    Of a matrix that has gone far from its start small steps are none too few: it went too far, or has arrived.
    """
    off = {
        name: abs(math.log10(max(ratio, 10**-DECADES) / GOOD))
        for name, ratio in facts.driven.items()
        if ratio > GOOD or facts.moved(name) < FAR
    }
    if not facts.driven or facts.seen < FEWEST:
        return None
    if not off:
        return Suspicion(0.0, "", "")
    worst = max(off, key=off.__getitem__)
    ratio = facts.driven[worst]
    advice, change = slower(facts, 10.0) if ratio > GOOD else _faster(facts, 10.0)
    return Suspicion(
        off[worst],
        f"A step moves {worst} by {ratio:.2g} of its size; about {GOOD:g} is usual.",
        advice,
        worst,
        {"ratio": ratio, **change},
    )


def stuck_layer(facts: Facts) -> Suspicion | None:
    """How many times less far a step moves one matrix than the others, in powers of ten."""
    if len(facts.ratios) < 2 or facts.seen < FEWEST:
        return None
    least = min(facts.ratios, key=facts.ratios.__getitem__)
    if facts.moved(least) >= FAR:
        return Suspicion(0.0, "", "")  # it has trained, and may have nothing left to learn
    others = float(np.median([ratio for name, ratio in facts.ratios.items() if name != least]))
    if others < 1e-9:
        return None  # then none of them moves, which another rule says
    ratio = facts.ratios[least]
    return Suspicion(
        min(math.log10(others / max(ratio, others * 10**-DECADES)), DECADES),
        f"{least} does not train: a step moves it by {ratio:.2g} of its size, and the others by {others:.2g}.",
        "If it is frozen on purpose, nothing needs doing. Otherwise look for what lets no gradient through to it: dead "
        "units behind it, or an activation that saturates (--activation).",
        least,
        {"ratio": ratio, "others": others},
    )


def never_moved(facts: Facts) -> Suspicion | None:
    """How near all matrices are to their start, by its size, in powers of ten."""
    if facts.seen < 2 * FEWEST:
        return None
    moved = {}
    for name in facts.matrices:
        last = facts.tensors[name].figures[-1:]
        if last and last[0].start_squares > 0:
            moved[name] = math.sqrt(last[0].distance_squares / last[0].start_squares)
    if not moved:
        return None
    most = max(moved.values())
    held = all(each.gradient_squares == 0 for name in moved for each in facts.tensors[name].figures)
    known, faster = bool(facts.plan) or len(facts.rates) > 0, max(peak_of(facts) * 100, 1e-3)
    return Suspicion(
        -math.log10(max(most, 10**-DECADES)),
        f"After {facts.seen:,} steps no matrix of weights is further from its start than {most:.2g} of its size.",
        "No gradient comes: look for what lets none through, such as a loss that does not depend on the outputs, dead "
        "units, or weights that are frozen."
        if held
        else f"Learn faster{f': --learning-rate {faster:.3g};' if known else ','} or look for what holds the weights.",
        figures={"distance": most, **({"change": {"learning_rate": _rounded(faster)}} if known and not held else {})},
    )


def slower(facts: Facts, times: float) -> tuple[str, dict[str, Any]]:
    """Return the advice to learn so many times slower, and no faster than FASTEST, and the advice as data."""
    peak = peak_of(facts)
    if not peak:
        return "Take a smaller learning rate.", {}
    rate = min(peak / times, FASTEST)
    return f"Learn slower: --learning-rate {rate:.3g}.", {"change": {"learning_rate": _rounded(rate)}}


def _faster(facts: Facts, times: float) -> tuple[str, dict[str, Any]]:
    """Return the advice to learn so many times faster, and the advice as data."""
    rate = peak_of(facts) * times
    if not rate:
        return "Learn faster: learning_rate=.", {}
    return f"Learn faster: --learning-rate {rate:.3g}.", {"change": {"learning_rate": _rounded(rate)}}


def peak_of(facts: Facts) -> float:
    """Return the learning rate at its peak; 0 where it is not known."""
    plan = dict(facts.plan)
    if plan.get("learning_rate") is not None:
        return float(plan["learning_rate"])
    if plan and plan.get("optimizer") != "custom":
        from pondera.training.plan import Plan  # what its optimizer learns at; with it comes JAX, which takes a second

        return Plan.from_json(plan).peak
    return float(facts.rates.max(initial=0.0))


def _share(value: float) -> str:
    """Return how much of something a number is, in words.

    >>> _share(0.147), _share(320285498.3)
    ('14.7% of', '3.2e+08 times')
    """
    if value < 10:
        return f"{value:.1%} of"
    return f"{value:.2g} times" if math.isfinite(value) else "infinitely many times"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
