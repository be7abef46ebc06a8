"""Units that do nothing, and units that do the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pondera.choice import counted, listed
from pondera.findings import Finding
from pondera.reading.faults.facts import Facts, Place
from pondera.reading.faults.rule import certainty_of
from pondera.weights.tensor import Array

FAINT = 1e-6
"""A unit whose strength is below this, as a share of the median, is as good as dead."""

FEWEST = 8
"""Units of fewer weights lose all of them too easily, by rounding or pruning."""

AT_ONCE = 1 << 20
"""Values that are looked at at a time."""

PRUNED = 0.2
"""With more zeros than this among the other weights, dead units are what pruning left."""

FEWEST_COMPARED = 16
"""Units of fewer weights, such as the filters of depthwise convolutions, come to be alike by themselves."""

ALIKE = 0.02
"""Units are called duplicates where pairs of them are more than this share of the units, and …"""

PAIRS = 1
"""… there are at least so many pairs."""


def dead(facts: Facts) -> Iterator[Finding]:
    """Units that no weight leads to, or that no weight leaves."""
    for place in facts.connections:
        units = facts.units.get(place.layer.name) if place.layer else None
        # Tokens that never occur have no weights; that is no fault of the layer.
        if units is None or place.role != "weight" or facts.is_of_tokens(place) or not place.figures.l2 > 0:
            continue
        for side, strengths, broken in (
            ("output", units.outputs, units.broken_outputs),
            ("input", units.inputs, units.broken_inputs),
        ):
            gone = _gone(strengths)
            gone = gone[~broken[gone]]  # what is left of a unit whose weights are NaN says nothing
            few = place.figures.count < FEWEST * len(strengths)
            if few or not len(gone) or _is_pruned(place, len(gone) / len(strengths)):
                continue
            end = "leads to" if side == "output" else "leaves"
            yield Finding(
                f"{len(gone):,} of {counted(len(strengths), side)} of {place.layer.name if place.layer else ''} "
                f"{'is' if len(gone) == 1 else 'are'} dead: hardly any weight or none {end} "
                f"{'it' if len(gone) == 1 else 'them'} ({side} {listed([str(i) for i in gone[:10].tolist()])}"
                f"{' …' if len(gone) > 10 else ''}).",
                {"side": side, "dead": len(gone), "units": len(strengths), "first": gone[:100].tolist()},
                f"√(Σ w²) of each unit, below {FAINT:g} of the median",
                certainty=certainty_of("dead units"),
                advice=(
                    "They take room and do nothing: leave them out, or train again with a smaller learning rate, less "
                    "weight decay, or an activation that is never flat, such as leaky ReLU."
                )
                if side == "output"
                else "The layer does not use these inputs. Check that they are not constant, and leave them out.",
                where=place.name,
            )
    yield from dead_slices(facts)


def dead_slices(facts: Facts) -> Iterator[Finding]:
    """Units of a layer of which it is not known which axis is which: slices along the first axis that are all zero."""
    for place in facts.connections:
        units, width = place.tensor.shape[0], place.figures.count // place.tensor.shape[0]
        few = units < 2 or width < FEWEST or not width <= place.figures.zeros < place.figures.count
        if place.kind != "unknown" or few:
            continue
        gone = np.flatnonzero(~_occupied(place, units, width))
        if not len(gone) or _is_pruned(place, len(gone) / units):
            continue
        yield Finding(
            f"{len(gone):,} of {counted(units, 'slice')} of {place.name} along its first axis "
            f"{'is' if len(gone) == 1 else 'are'} all zero (slice {listed([str(i) for i in gone[:10].tolist()])}"
            f"{' …' if len(gone) > 10 else ''}).",
            {"side": "first axis", "dead": len(gone), "units": units, "first": gone[:100].tolist()},
            "counted",
            certainty=certainty_of("dead units"),
            advice="If they are units of the layer, they take room and do nothing: leave them out. If it is a table, "
            "they may stand for what never occurs.",
            where=place.name,
        )


def _occupied(place: Place, units: int, width: int) -> Array:
    """Return which slices along the first axis are not all zero, (units,)."""
    at_once = max(AT_ONCE // width, 1)
    parts = (place.tensor[start : min(start + at_once, units)] for start in range(0, units, at_once))
    return np.concatenate([part.reshape(len(part), -1).any(axis=1) for part in parts])


def _gone(strengths: Array) -> Array:
    median = float(np.median(strengths)) if len(strengths) else 0.0
    limit = FAINT * (median or float(strengths.max(initial=0.0)))
    found: Array = np.flatnonzero(strengths <= limit)
    return found if len(found) < len(strengths) else found[:0]


def _is_pruned(place: Place, share: float) -> bool:
    zeros = place.figures.zeros / place.figures.count
    return (zeros - share) / max(1 - share, 1e-9) > PRUNED


def duplicated(facts: Facts) -> Iterator[Finding]:
    """Output units of a layer that point the same way: all but one of them add nothing."""
    for place in facts.connections:
        units = facts.units.get(place.layer.name) if place.layer else None
        few = place.figures.count < FEWEST_COMPARED * len(units.outputs) if units else True
        alike = place.figures.minimum == place.figures.maximum  # another rule says so
        apart = facts.is_of_tokens(place) or _is_by_channel(facts, place)
        if units is None or place.role != "weight" or apart or alike or few:
            continue
        pairs = units.duplicates
        same = [pair for pair in pairs.pairs if pair.cosine > 0]
        total = (pairs.total or 0) - pairs.opposite
        if total < max(PAIRS, ALIKE * len(units.outputs)) or _is_pruned(place, 0.0):
            continue
        yield Finding(
            f"{place.layer.name if place.layer else place.name} has {'' if pairs.complete else 'at least '}"
            f"{counted(total, 'pair')} of output units with the "
            f"same weights but for a factor: {_pairs([(pair.first, pair.second) for pair in same])}.",
            {
                "pairs": total,
                "units": len(units.outputs),
                "closest": [pair.to_json() for pair in same],
                "complete": pairs.complete,
            },
            "cosine of at least 0.9999 between the weights of two units",
            certainty=certainty_of("duplicated units"),
            advice="If they were started with the same values they can never part: start them at random. If units or "
            "heads were copied on purpose, all is well.",
            where=place.name,
        )


def _is_by_channel(facts: Facts, place: Place) -> bool:
    """Whether each unit has an input of its own, so that the same weights do not do the same.

    So it is in a depthwise convolution. Where groups are not known, one that takes one input may as well be the first
    layer of a network for gray images; there is but one of these.
    """
    layer = place.layer
    if layer is None or layer.kind != "convolution":
        return False
    if layer.groups is not None:
        return layer.groups == layer.outputs
    return layer.inputs == 1 and sum(each.kind == "convolution" and each.inputs == 1 for each in facts.layers) > 1


def _pairs(pairs: Sequence[tuple[int, int]]) -> str:
    return listed([f"{first} and {second}" for first, second in pairs[:5]]) + (" …" if len(pairs) > 5 else "")
