"""One pass over the weights between units, compiled: sums by output and by input, and what stands out.

A tensor is seen as runs: values that follow each other and share either their output unit or their feature (an input
unit, of a convolution with a place of the kernel). Which, and how runs follow each other, is data: see
:class:`~pondera.reading.units.layout.Layout`. Values are float32 or float64; sums are float64. Those that are not
finite add nothing and are marked.

Importing this module compiles nothing; Numba keeps what the first call compiles, as in
:mod:`pondera.reading.kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from pondera.reading.units.layout import DIRECTIONS

BLOCK = 4096
"""Values that are looked through at a time for what stands out: they stay in the first cache."""

# Sums may be reordered, or nothing would vectorize; NaN and infinities keep their meaning.
_FAST: Any = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "cache": True, "boundscheck": False}


@njit(**_FAST)
def _place(run, outer):  # type: ignore[no-untyped-def]
    """Return the output and the feature at which a run begins; ``outer`` has a row (size, step, step) an axis."""
    output = feature = 0
    for axis in range(len(outer) - 1, -1, -1):
        run, at = run // outer[axis, 0], run % outer[axis, 0]
        output += at * outer[axis, 1]
        feature += at * outer[axis, 2]
    return output, feature


@njit(**_FAST)
def _one_output(values, d0, d1, d2, d3, features):  # type: ignore[no-untyped-def]
    """Add a run of weights that lead to one output; return Σ w² and the products with the directions."""
    total = p0 = p1 = p2 = p3 = 0.0
    for i in range(len(values)):
        value = np.float64(values[i]) if abs(values[i]) < np.inf else 0.0
        square = value * value
        total += square
        features[i] += square
        p0 += value * d0[i]
        p1 += value * d1[i]
        p2 += value * d2[i]
        p3 += value * d3[i]
    return total, p0, p1, p2, p3


@njit(**_FAST)
def _one_feature(values, d0, d1, d2, d3, outputs, p0, p1, p2, p3):  # type: ignore[no-untyped-def]
    """Add a run of weights that one feature leads to; return Σ w²."""
    total = 0.0
    for i in range(len(values)):
        value = np.float64(values[i]) if abs(values[i]) < np.inf else 0.0
        square = value * value
        total += square
        outputs[i] += square
        p0[i] += value * d0
        p1[i] += value * d1
        p2[i] += value * d2
        p3[i] += value * d3
    return total


@njit(**_FAST)
def _standing_out(values, limits):  # type: ignore[no-untyped-def]
    """Return how many values are above or below the limits, and how many are not finite."""
    hits = broken = np.int32(0)
    strong, weak, infinite = limits[0], limits[1], limits[2]
    for i in range(len(values)):
        size = abs(values[i])
        finite = size < infinite
        hits = np.int32(hits + np.int32(((size > strong) | ((size < weak) & (size > 0))) & finite))
        broken = np.int32(broken + np.int32(not finite))
    return hits, broken


@njit(**_FAST)
def _keep(size, place, sizes, places):  # type: ignore[no-untyped-def]
    """Put a value among the largest, in order; of equals, the earlier stays ahead."""
    at = len(sizes) - 1
    if not size > sizes[at]:
        return
    while at > 0 and sizes[at - 1] < size:
        sizes[at], places[at] = sizes[at - 1], places[at - 1]
        at -= 1
    sizes[at], places[at] = size, place


@njit(**_FAST)
def extremes(values, start, strong, strong_places, weak, weak_places, limits):  # type: ignore[no-untyped-def]
    """Keep the strongest and the weakest weights that are not 0; return how many values are not finite.

    ``weak`` holds sizes with their sign turned; ``limits``, of the values' dtype, is room for the last of either, and
    ends with infinity.
    """
    total = 0
    for first in range(0, len(values), BLOCK):
        block = values[first : first + BLOCK]
        limits[0], limits[1] = max(strong[-1], 0.0), -weak[-1]
        hits, broken = _standing_out(block, limits)
        total += broken
        if hits > 0:
            for i in range(len(block)):
                size = np.float64(abs(block[i]))
                if 0 < size < np.inf:
                    _keep(size, start + first + i, strong, strong_places)
                    _keep(-size, start + first + i, weak, weak_places)
    return total


@njit(**_FAST)
def sums(values, start, outer, inner, by_feature, directions, outputs, features, projections):  # type: ignore[no-untyped-def]
    """Add values from the flat index ``start`` on to Σ w² by output and by feature, and to the projections.

    ``inner`` values make a run; ``by_feature`` says that they share a feature, not an output.
    """
    at = 0
    while at < len(values):
        run, skipped = (start + at) // inner, (start + at) % inner
        count = min(inner - skipped, len(values) - at)
        output, feature = _place(run, outer)
        part = values[at : at + count]
        if by_feature:
            a, b = output + skipped, output + skipped + count
            d = directions[:, feature]
            p = projections
            features[feature] += _one_feature(
                part, d[0], d[1], d[2], d[3], outputs[a:b], p[0, a:b], p[1, a:b], p[2, a:b], p[3, a:b]
            )
        else:
            a, b = feature + skipped, feature + skipped + count
            d = directions
            total, p0, p1, p2, p3 = _one_output(part, d[0, a:b], d[1, a:b], d[2, a:b], d[3, a:b], features[a:b])
            outputs[output] += total
            projections[0, output] += p0
            projections[1, output] += p1
            projections[2, output] += p2
            projections[3, output] += p3
        at += count


@njit(**_FAST)
def mark_broken(values, start, outer, inner, by_feature, outputs, features):  # type: ignore[no-untyped-def]
    """Mark the outputs and the features of values that are not finite."""
    for i in range(len(values)):
        if not abs(values[i]) < np.inf:
            output, feature = _place((start + i) // inner, outer)
            skipped = (start + i) % inner
            outputs[output + (skipped if by_feature else 0)] = True
            features[feature + (0 if by_feature else skipped)] = True


@njit(**_FAST)
def gather(values, start, outer, inner, by_feature, wanted, slots, into):  # type: ignore[no-untyped-def]
    """Copy the weights of the wanted outputs; ``slots`` tells an output's row of ``into``, or −1."""
    at = 0
    while at < len(values):
        run, skipped = (start + at) // inner, (start + at) % inner
        count = min(inner - skipped, len(values) - at)
        output, feature = _place(run, outer)
        if by_feature:
            for row in range(len(wanted)):
                there = wanted[row] - output - skipped
                if 0 <= there < count:
                    into[row, feature] = values[at + there]
        elif slots[output] >= 0:
            for i in range(count):
                into[slots[output], feature + skipped + i] = values[at + i]
        at += count


@njit(**_FAST)
def products(rows, first, second, into):  # type: ignore[no-untyped-def]
    """Write Σ wᵢ · vᵢ of pairs of rows."""
    for pair in range(len(first)):
        one, other = rows[first[pair]], rows[second[pair]]
        total = 0.0
        for i in range(len(one)):
            total += np.float64(one[i]) * np.float64(other[i])
        into[pair] = total


@njit(**_FAST)
def _near(one, other, squared):  # type: ignore[no-untyped-def]
    """Whether two points are near each other, or one is near the other's opposite."""
    apart = opposite = 0.0
    for k in range(DIRECTIONS):
        apart += (one[k] - other[k]) ** 2
        opposite += (one[k] + other[k]) ** 2
    return min(apart, opposite) <= squared


@njit(**_FAST)
def leaders(points, radius, leader):  # type: ignore[no-untyped-def]
    """Write, for each point, which earlier one near it stands for it, or itself.

    Points, (n, 4), come in the order of the size of their first coordinate: those near each other are not far apart.
    """
    kept = np.empty(len(points), np.int64)
    count = 0
    for i in range(len(points)):
        leader[i] = i
        k = count - 1
        while k >= 0 and abs(points[i, 0]) - abs(points[kept[k], 0]) <= radius:
            if _near(points[i], points[kept[k]], radius * radius):
                leader[i] = kept[k]
                break
            k -= 1
        if leader[i] == i:
            kept[count] = i
            count += 1


@njit(**_FAST)
def near_pairs(points, radius, first, second):  # type: ignore[no-untyped-def]
    """Write pairs of points near each other until there is no more room; return how many, or one more than the room."""
    count = 0
    for i in range(len(points)):
        j = i + 1
        while j < len(points) and abs(points[j, 0]) - abs(points[i, 0]) <= radius:
            if _near(points[i], points[j], radius * radius):
                if count == len(first):
                    return count + 1
                first[count], second[count] = i, j
                count += 1
            j += 1
    return count
