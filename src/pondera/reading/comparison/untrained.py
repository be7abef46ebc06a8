"""Sentences on what became of weights without training: exchanged, zeroed, multiplied, damaged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from pondera.choice import counted, listed
from pondera.reading.comparison import kernels
from pondera.reading.comparison.differences import FAR
from pondera.reading.comparison.result import EXPLAINED, Pair, Verdict, block_of


def reordered(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where the same values lie in another order."""
    turned = [pair for pair in moved if pair.status == "reordered"]
    if not turned:
        number = sum(pair.status == "zero signs" for pair in moved)
        return "same weights in another file", (
            f"The same weights in another file: of {counted(len(compared), 'tensor')}, {number:,} "
            f"{'differs' if number == 1 else 'differ'} in the signs of zeros, and in nothing else but rounding."
        )
    layers = {pair.name.replace("/", ".").rpartition(".")[0] for pair in turned}
    if len(layers) == 1:
        return "values reordered", (
            f"The same values in another order, in {listed([pair.name for pair in turned])} alone: what leads to those "
            "units and from them did not move along, so the network computes something else."
        )
    return "same network, units reordered", (
        f"The same values in another order: in {len(turned):,} of {counted(len(compared), 'tensor')}, as when units "
        "were permuted; whether all that belongs to a unit moved along is not checked."
    )


def statistics(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where nothing but figures of normalization layers moved."""
    layers = {pair.name.replace("/", ".").rpartition(".")[0] for pair in moved}
    return "running statistics moved", (
        f"Only running statistics moved, of {counted(len(layers), 'normalization layer')}, as in a pass over data "
        f"without training; {others(compared, moved)}."
    )


def few(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where fewer values differ than any training changes."""
    said = [f"{values_changed(pair):,} of the {counted(pair.count, 'value')} of {pair.name}" for pair in moved]
    one = sum(map(values_changed, moved)) == 1
    far = max((pair.differences.ulp or 0.0 for pair in moved if pair.differences), default=0.0)
    little = " by one unit in the last place" if 0 < far <= 1 else ""
    return "few values differ", (
        f"Few values differ: {listed(said)} differ{'s' if one else ''}{little}, which training does not do; "
        f"{others(compared, moved)}."
    )


def values_changed(pair: Pair) -> int:
    """Return how many values of a tensor differ."""
    return int(pair.differences.counts[kernels.CHANGED]) if pair.differences else 0


def exchanged(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where layers are others of the first."""
    some = [pair for pair in moved if pair.status == "exchanged"]
    places = dict.fromkeys((block_of(pair.name), block_of(pair.relation.split(" ")[0])) for pair in some)
    said = [f"{name} of the second is {other} of the first" for name, other in places]
    more = f" and {len(said) - 4:,} more" if len(said) > 4 else ""
    return "layers exchanged", (
        f"Layers exchanged: {listed(said[:4])}{more}, bit for bit ({counted(len(some), 'tensor')}); "
        f"{others(compared, moved)}."
    )


def replaced(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where some tensors have nothing in common with the first's."""
    drawn = [pair for pair in moved if pair.status == "replaced"]
    parts = list(dict.fromkeys(block_of(pair.name) for pair in drawn))
    more = f" and {len(parts) - 4:,} more" if len(parts) > 4 else ""
    return "parts replaced", (
        f"Parts replaced: {counted(len(drawn), 'tensor')} of {listed(parts[:4])}{more} "
        f"{'has' if len(drawn) == 1 else 'have'} nothing in common with "
        f"{'its namesake' if len(drawn) == 1 else 'their namesakes'} in the first, as if drawn anew or exchanged; "
        f"{others(compared, moved)}."
    )


def zeroed(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where values were set to zero."""
    said = []
    for side in ("first", "second"):
        some = [(pair, pair.differences) for pair in moved if pair.differences and pair.differences.zeroed == side]
        if some:
            zeros = sum(int(found.counts[kernels.CHANGED] - found.counts[kernels.SIGNS]) for _, found in some)
            values = sum(pair.count for pair, _ in some)
            where = some[0][0].name if len(some) == 1 else f"{len(some):,} of {counted(len(compared), 'tensor')}"
            number = f"all {zeros:,} values" if zeros == values else f"{zeros:,} of the {counted(values, 'value')}"
            said.append(f"{number} of {where} {'is' if zeros == 1 else 'are'} zero in the {side} only")
    return "values set to zero", f"Values set to zero: {' and '.join(said)}; {others(compared, moved)}."


def rescaled(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where tensors are times a number."""
    names: dict[str, list[str]] = {}
    for pair in moved:
        if pair.status == "rescaled" and pair.differences and pair.differences.factor is not None:
            names.setdefault(f"{pair.differences.factor:.6g}", []).append(pair.name)
    said = [
        f"{some[0]} is {factor} times that of the first"
        if len(some) == 1
        else f"{listed(some) if len(some) < 4 else counted(len(some), 'tensor')} are {factor} times those of the first"
        for factor, some in names.items()
    ]
    more = f" and {len(said) - 4:,} more factors" if len(said) > 4 else ""
    return "rescaled", f"Rescaled: in the second, {listed(said[:4])}{more}; {others(compared, moved)}."


def overwritten(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where a few values are what no training makes of them."""
    some = [pair for pair in moved if pair.status == "overwritten"]
    said = [_damage(pair) for pair in some]
    more = f" and in {len(some) - 3:,} more" if len(some) > 3 else ""
    zeroed = [pair.name for pair in moved if pair.status == "zeroed"]
    also = f"; values of {listed(zeroed[:3])} are zero" if zeroed else ""
    return "values overwritten", (
        f"Values overwritten, as by damage, not by training: {listed(said[:3])}{more}{also}; {others(compared, moved)}."
    )


def _damage(pair: Pair) -> str:
    """Return what became of an overwritten tensor: "3 of the 512 values of fc.weight are NaN or infinite"."""
    found = pair.differences
    assert found is not None
    changed = int(found.counts[kernels.CHANGED])
    broken = abs(int(found.counts[kernels.BROKEN_X] - found.counts[kernels.BROKEN_Y]))
    usual = math.sqrt(min(found.sums[kernels.XX], found.sums[kernels.YY]) / max(found.finite, 1))
    of = f"of the {counted(pair.count, 'value')} of {pair.name}"
    lost = f"NaN or infinite in the {found.overwritten}"
    if broken == changed:
        return f"{changed:,} {of} {'is' if changed == 1 else 'are'} {lost}"
    far = f", by up to {found.max / usual:.3g} times their usual size" if usual and found.max > FAR * usual else ""
    also = f", and {broken:,} {'is' if broken == 1 else 'are'} {lost}" if broken else f" in the {found.overwritten}"
    return f"{changed:,} {of} differ{'s' if changed == 1 else ''}{far}{also}"


KINDS = {
    "rescaled": "rescaled",
    "zeroed": "with values set to zero",
    "overwritten": "with values overwritten",
    "replaced": "with nothing in common with the first's",
    "exchanged": "exchanged with others",
    "reordered": "with the same values in another order",
}
"""Status -> what is said of so many tensors."""


def kinds_of(moved: Sequence[Pair]) -> list[str]:
    """Return what else than training became of tensors: how many of each kind."""
    counts = Counter(pair.status for pair in moved)
    return [f"{counts[status]:,} {words}" for status, words in KINDS.items() if counts[status]]


def mixed(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where several things happened, none of which is training."""
    return "several changes", (
        f"Several changes, none of which looks like training: of {counted(len(compared), 'tensor')}, "
        f"{listed(kinds_of(moved))}; {others(compared, moved)}."
    )


def others(compared: Sequence[Pair], moved: Sequence[Pair]) -> str:
    """Return what is to be said of the tensors that are the same or only rounded."""
    rounded = sum(pair.status in EXPLAINED for pair in moved)
    rest = len(compared) - len(moved)
    said = [f"{counted(rest, 'other tensor')} {'has' if rest == 1 else 'have'} the same values"] if rest else []
    if rounded:
        said.append(f"{rounded:,} {'is' if rounded == 1 else 'are'} only rounded")
    return " and ".join(said) or "none stayed as it was"
