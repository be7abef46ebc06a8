"""Output units that point the same way: found by their projections on a few directions, then compared weight by weight.

Two unit vectors at a distance d differ by a normal number of standard deviation d in their products with a vector of
normal numbers. Four such products make a point; points further apart than 5.8 d belong to vectors further apart than d
but for one pair in a million (the χ² distribution with four degrees of freedom). What is near is compared in full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.reading.units import kernels
from pondera.reading.units.layout import Layout, stretches
from pondera.reading.widths import widened
from pondera.weights.tensor import Array, Tensor

THRESHOLD = 0.9999
"""|cosine| from which units are near-duplicates: an angle of 0.8°.

A copy rounded to 8 bits of precision (bfloat16) is well within it. Among random directions in eight dimensions or more
one pair in 10¹³ is: no pair of a layer comes to it by chance.
"""

FEWEST = 8
"""Units of fewer weights are not compared: in so few dimensions directions agree by chance."""

SAME = 1e-9
"""Units whose |cosine| is within this of 1 are compared with the others through one of them."""

LISTED = 20
"""How many pairs of each sign are told."""

ROOM = 1 << 16
"""How many pairs are compared in full at most, those of units that are the same not counted."""

GATHERED = 1 << 27
"""How many bytes of weights are held for it at a time."""

_BEYOND = 5.8  # the square root of the 1 − 10⁻⁶ quantile of χ² with four degrees of freedom


@dataclass(frozen=True)
class Duplicate:
    """Two output units that point the same way (cosine near 1) or opposite ways (near −1)."""

    first: int
    second: int
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """Return the pair as plain values."""
        return {"first": self.first, "second": self.second, "cosine": self.cosine}


@dataclass(frozen=True)
class Duplicates:
    """Pairs of output units whose cosine has at least the size :data:`THRESHOLD`.

    Units that are dead, or hold NaN or infinity, are in none. Those that point the same way and those that point
    opposite ways are counted apart: the latter are no duplicates where an activation tells signs apart.

    Attributes
    ----------
    pairs
        The closest ones, at most :data:`LISTED` of each sign; of many units that are all the same, each beside one of
        them.
    total
        How many pairs there are, all pairs among units that are the same counted; None where units have fewer than
        :data:`FEWEST` weights. Pairs within 2·10⁻⁶ of the threshold may be on either side of it.
    opposite
        How many of them point opposite ways.
    complete
        Whether all pairs were compared; if not, ``total`` is the number of those found.
    """

    pairs: tuple[Duplicate, ...] = ()
    total: int | None = None
    complete: bool = True
    opposite: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the pairs as plain values."""
        pairs = [each.to_json() for each in self.pairs]
        return {"pairs": pairs, "total": self.total, "opposite": self.opposite, "complete": self.complete}


def duplicates(tensor: Tensor, layout: Layout, squares: Array, projections: Array, sound: Array) -> Duplicates:
    """Return the near-duplicates among the output units of a tensor.

    Parameters
    ----------
    tensor, layout
        The weights, and where they lie.
    squares
        (outputs,) Σ w² of each unit, in the layout's order.
    projections
        (4, outputs) products of each unit's weights with :func:`~pondera.reading.units.layout.directions`.
    sound
        (outputs,) which units hold finite weights only.
    """
    if layout.features < FEWEST:
        return Duplicates()
    alive = np.flatnonzero(sound & (squares > 0) & np.isfinite(squares))
    points = (projections[:, alive] / np.sqrt(squares[alive])).T
    order = np.argsort(np.abs(points[:, 0]), kind="stable")
    units, points = alive[order], np.ascontiguousarray(points[order])

    leader = np.empty(len(units), np.int64)
    kernels.leaders(points, _BEYOND * math.sqrt(2 * SAME), leader)
    members = np.flatnonzero(leader != np.arange(len(units)))
    same = _cosines(tensor, layout, squares, units[leader[members]], units[members])
    leader[members[np.abs(same) < 1 - SAME]] = members[np.abs(same) < 1 - SAME]
    sign = np.ones(len(units))  # which way a unit points, as its leader does or opposite
    sign[members] = np.where(np.abs(same) < 1 - SAME, 1, np.sign(same))
    found = [(leader[member], member, c) for member, c in zip(members, same, strict=True) if leader[member] != member]

    chosen, group, sizes = np.unique(leader, return_inverse=True, return_counts=True)
    balance = np.bincount(group.reshape(-1), sign, len(chosen)).astype(np.int64)  # (groups,) Σ sign
    first, second = np.empty((2, ROOM), np.int64)
    count = kernels.near_pairs(points[chosen], _BEYOND * math.sqrt(2 - 2 * THRESHOLD), first, second)
    first, second = first[:count], second[:count]
    cosines = _cosines(tensor, layout, squares, units[chosen[first]], units[chosen[second]])
    near = np.flatnonzero(np.abs(cosines) >= THRESHOLD)
    found += [(chosen[first[k]], chosen[second[k]], cosines[k]) for k in near]
    total = int((sizes * (sizes - 1) // 2).sum() + (sizes[first[near]] * sizes[second[near]]).sum())
    # The same way less opposite ways, of n signs that add up to b: (b² − n) / 2 within a group, ± b b' between two.
    between = np.sign(cosines[near]).astype(np.int64) * balance[first[near]] * balance[second[near]]
    more = int((balance * balance - sizes).sum() // 2 + between.sum())
    return Duplicates(tuple(_closest(layout, units, found)), total, bool(count <= ROOM), (total - more) // 2)


def _closest(layout: Layout, units: Array, found: list[tuple[Any, Any, Any]]) -> Iterator[Duplicate]:
    """Yield pairs, closest first, by the numbers that others know the units by."""
    number = np.empty(layout.outputs, np.int64)
    number[layout.order(np.arange(layout.outputs))] = np.arange(layout.outputs)
    pairs = [(*sorted((int(number[units[a]]), int(number[units[b]]))), float(c)) for a, b, c in found]
    told = {True: 0, False: 0}  # pairs of either sign
    for a, b, cosine in sorted(pairs, key=lambda pair: (-round(abs(pair[2]), 12), pair[0], pair[1])):
        told[cosine > 0] += 1
        if told[cosine > 0] <= LISTED:
            yield Duplicate(int(a), int(b), min(max(cosine, -1.0), 1.0))


def _cosines(tensor: Tensor, layout: Layout, squares: Array, first: Array, second: Array) -> Array:
    """Return the cosines of pairs of units, from their weights."""
    products = np.empty(len(first))
    at_once = max(GATHERED // (layout.features * 16), 1)  # two units of float64
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        wanted = np.unique(np.concatenate([first[part], second[part]]))
        rows = _gathered(tensor, layout, wanted)
        kernels.products(
            rows, np.searchsorted(wanted, first[part]), np.searchsorted(wanted, second[part]), products[part]
        )
    cosines: Array = products / np.sqrt(squares[first]) / np.sqrt(squares[second])
    return cosines


def _gathered(tensor: Tensor, layout: Layout, wanted: Array) -> Array:
    """Return the weights of some units, (units, features)."""
    rows = np.empty((len(wanted), layout.features), widened(tensor.source.flat(0, 1)).dtype)
    if layout.in_rows:
        for row, unit in zip(rows, wanted.tolist(), strict=True):
            first = unit * layout.features
            for start, values in stretches(tensor, range(first, first + layout.features)):
                row[start - first : start - first + len(values)] = widened(values)
        return rows
    slots = np.full(layout.outputs, -1, np.int64)
    slots[wanted] = np.arange(len(wanted))
    for start, values in stretches(tensor, range(tensor.count)):
        kernels.gather(widened(values), start, *layout.runs, wanted, slots, rows)
    return rows
