"""Two runs of values side by side, compiled: every figure of their difference in one pass.

Values come in widened to float32, or to float64 where float32 does not hold them; sums are float64. Whether a value is
finite, and whether two are the same, is decided on their bits. A pair of which one is not finite adds nothing to sums
and extremes and is counted instead.

The place of a value among those that a dtype has is what distances in units of last place are differences of. With p
bits of mantissa and 2ᵉ as smallest value of full precision it is ``|v| · 2ᵖ⁻ᵉ`` below 2ᵉ, and from there on the bits of
``|v|`` with all but p bits of the mantissa behind the point: neighbours are 1 apart everywhere.

Importing this module compiles nothing; the machine code is kept as that of :mod:`pondera.reading.kernels` is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

XX, YY, XY, DD, ABSOLUTE, X, Y, ULPS = range(8)
"""Places in ``sums``: of x², y², x·y, (y - x)², |y - x|, x, y, and distances in units of last place."""

LARGEST, FARTHEST, FLOOR = range(3)
"""Places in ``extremes``: the largest |y - x|, the largest distance in units of last place; unused."""

CHANGED, SIGNS, BROKEN_X, BROKEN_Y, BROKEN, ZERO_X, ZERO_Y = range(7)
"""Places in ``counts``: other bits; of these, zeros of the other sign; x, y, and either of them not finite; and where x
alone is zero, and y alone."""

# Sums may be reordered, or nothing would vectorize. What is not finite is sorted out by its bits before any arithmetic,
# so that largest values may be found as if there was no NaN.
_FAST: Any = {"fastmath": {"reassoc", "contract", "nsz", "nnan"}, "nogil": True, "cache": True, "boundscheck": False}
_EXACT: Any = {"nogil": True, "cache": True, "boundscheck": False}


@njit(**_FAST)
def differences32(x, y, xb, yb, loose, normal, fine, below, step, sums, counts, extremes):  # type: ignore[no-untyped-def]
    """Add pairs of float32 values to the figures.

    ``xb``, ``yb`` are the same values as int32. ``loose``: NaN of any bits are the same. ``normal``, ``fine``,
    ``below`` and ``step`` are those of :class:`~pondera.reading.comparison.grids.Grid`.
    """
    xx = yy = xy = dd = absolute = s = t = ulps = largest = farthest = 0.0
    changed = signs = broken_x = broken_y = broken = zero_x = zero_y = np.int32(0)
    for i in range(len(x)):
        size, other = xb[i] & np.int32(0x7FFFFFFF), yb[i] & np.int32(0x7FFFFFFF)
        good_x, good_y = size < np.int32(0x7F800000), other < np.int32(0x7F800000)
        good = good_x & good_y
        nans = loose & (size > np.int32(0x7F800000)) & (other > np.int32(0x7F800000))
        a = np.float64(x[i]) if good else 0.0
        b = np.float64(y[i]) if good else 0.0
        d = b - a
        xx += a * a
        yy += b * b
        xy += a * b
        dd += d * d
        absolute += abs(d)
        s += a
        t += b
        largest = max(largest, abs(d))
        p = np.float64(size) * fine - below if size >= normal else abs(a) * step
        q = np.float64(other) * fine - below if other >= normal else abs(b) * step
        u = abs((q if yb[i] >= 0 else -q) - (p if xb[i] >= 0 else -p)) if good else 0.0
        ulps += u
        farthest = max(farthest, u)
        changed = np.int32(changed + np.int32((xb[i] != yb[i]) & (not nans)))
        signs = np.int32(signs + np.int32((xb[i] != yb[i]) & ((size | other) == 0)))
        broken_x = np.int32(broken_x + np.int32(not good_x))
        broken_y = np.int32(broken_y + np.int32(not good_y))
        broken = np.int32(broken + np.int32(not good))
        zero_x = np.int32(zero_x + np.int32((size == 0) & (other != 0)))
        zero_y = np.int32(zero_y + np.int32((size != 0) & (other == 0)))
    _add(sums, counts, extremes, xx, yy, xy, dd, absolute, s, t, ulps, largest, farthest)
    counts[CHANGED] += changed
    counts[SIGNS] += signs
    counts[BROKEN_X] += broken_x
    counts[BROKEN_Y] += broken_y
    counts[BROKEN] += broken
    counts[ZERO_X] += zero_x
    counts[ZERO_Y] += zero_y


@njit(**_FAST)
def differences64(x, y, xb, yb, loose, normal, fine, below, step, sums, counts, extremes):  # type: ignore[no-untyped-def]
    """Add pairs of float64 values to the figures; ``xb``, ``yb`` are the same values as int64."""
    xx = yy = xy = dd = absolute = s = t = ulps = largest = farthest = 0.0
    changed = signs = broken_x = broken_y = broken = zero_x = zero_y = np.int64(0)
    most, infinity = np.int64(0x7FFFFFFFFFFFFFFF), np.int64(0x7FF0000000000000)
    for i in range(len(x)):
        size, other = xb[i] & most, yb[i] & most
        good_x, good_y = size < infinity, other < infinity
        good = good_x & good_y
        nans = loose & (size > infinity) & (other > infinity)
        a = x[i] if good else 0.0
        b = y[i] if good else 0.0
        d = b - a
        xx += a * a
        yy += b * b
        xy += a * b
        dd += d * d
        absolute += abs(d)
        s += a
        t += b
        largest = max(largest, abs(d))
        near = (size >= normal) & (other >= normal) & ((xb[i] ^ yb[i]) >= 0)
        p = np.float64(size) * fine - below if size >= normal else abs(a) * step
        q = np.float64(other) * fine - below if other >= normal else abs(b) * step
        far = abs((q if yb[i] >= 0 else -q) - (p if xb[i] >= 0 else -p))
        u = (abs(np.float64(other - size)) * fine if near else far) if good else 0.0  # float64 holds 53 bits only
        ulps += u
        farthest = max(farthest, u)
        changed += np.int64((xb[i] != yb[i]) & (not nans))
        signs += np.int64((xb[i] != yb[i]) & ((size | other) == 0))
        broken_x += np.int64(not good_x)
        broken_y += np.int64(not good_y)
        broken += np.int64(not good)
        zero_x += np.int64((size == 0) & (other != 0))
        zero_y += np.int64((size != 0) & (other == 0))
    _add(sums, counts, extremes, xx, yy, xy, dd, absolute, s, t, ulps, largest, farthest)
    counts[CHANGED] += changed
    counts[SIGNS] += signs
    counts[BROKEN_X] += broken_x
    counts[BROKEN_Y] += broken_y
    counts[BROKEN] += broken
    counts[ZERO_X] += zero_x
    counts[ZERO_Y] += zero_y


@njit(**_FAST)
def _add(sums, counts, extremes, xx, yy, xy, dd, absolute, s, t, ulps, largest, farthest):  # type: ignore[no-untyped-def]
    sums[XX] += xx
    sums[YY] += yy
    sums[XY] += xy
    sums[DD] += dd
    sums[ABSOLUTE] += absolute
    sums[X] += s
    sums[Y] += t
    sums[ULPS] += ulps
    extremes[LARGEST] = max(extremes[LARGEST], largest)
    extremes[FARTHEST] = max(extremes[FARTHEST], farthest)


@njit(**_EXACT)
def not_rounded32(xb, yb, x, y, drop, normal, step, top, chop):  # type: ignore[no-untyped-def]
    """Return how many float32 values y are not x rounded to a coarser dtype, given both as int32 too.

    ``drop`` bits of the mantissa go: to nearest, ties to even, or towards zero if ``chop``. From the bits ``top`` on
    there is no finite value of that dtype; what is stored there is each converter's own choice and let pass.
    """
    missed = np.int32(0)
    half = np.int32(0) if chop else np.int32((1 << (drop - 1)) - 1)
    one = np.int32(0) if chop else np.int32(1)
    mask = np.int32(~((1 << drop) - 1))
    shift = np.int32(drop)
    for i in range(len(xb)):
        size, other = xb[i] & np.int32(0x7FFFFFFF), yb[i] & np.int32(0x7FFFFFFF)
        rounded = np.int32(size + half + ((size >> shift) & one)) & mask
        scaled = abs(np.float64(x[i])) * step
        small = np.floor(scaled) if chop else np.rint(scaled)
        fits = rounded == other if size >= normal else small == abs(np.float64(y[i])) * step
        signs = ((xb[i] ^ yb[i]) >= 0) | (other == 0)
        beyond = (size >= np.int32(0x7F800000)) | (rounded >= top)
        missed = np.int32(missed + np.int32(not (fits & signs | beyond & (other >= top - np.int32(1 << drop)))))
    return missed


@njit(**_EXACT)
def not_rounded64(xb, yb, x, y, drop, normal, step, top, chop):  # type: ignore[no-untyped-def]
    """Return how many float64 values y are not x rounded to a coarser dtype, given both as int64 too."""
    missed = np.int64(0)
    half = np.int64(0) if chop else np.int64((1 << (drop - 1)) - 1)
    one = np.int64(0) if chop else np.int64(1)
    mask = np.int64(~((1 << drop) - 1))
    most, infinity, shift = np.int64(0x7FFFFFFFFFFFFFFF), np.int64(0x7FF0000000000000), np.int64(drop)
    for i in range(len(xb)):
        size, other = xb[i] & most, yb[i] & most
        rounded = (size + half + ((size >> shift) & one)) & mask
        scaled = abs(x[i]) * step
        small = np.floor(scaled) if chop else np.rint(scaled)
        fits = rounded == other if size >= normal else small == abs(y[i]) * step
        signs = ((xb[i] ^ yb[i]) >= 0) | (other == 0)
        beyond = (size >= infinity) | (rounded >= top)
        missed += np.int64(not (fits & signs | beyond & (other >= top - np.int64(1 << drop))))
    return missed


@njit(**_EXACT)
def block_steps(x, y, group, levels, symmetric, found):  # type: ignore[no-untyped-def]
    """Add up, group by group, how far y is from x beside the step that an encoding has for such values.

    ``found``: Σ step², Σ (y - x)², and how many are farther apart than a whole step and a bit.
    """
    for g in range(len(x) // group):
        low = high = np.float64(0.0) if symmetric else np.float64(x[g * group])
        error = 0.0
        worst = 0.0
        for i in range(g * group, (g + 1) * group):
            a, d = np.float64(x[i]), np.float64(y[i]) - np.float64(x[i])
            low, high = min(low, a), max(high, a)
            error += d * d
            worst = max(worst, abs(d))
        step = (max(high, -low) if symmetric else high - min(low, 0.0)) / levels
        if np.isfinite(error):
            found[0] += step * step * group
            found[1] += error
            if worst > 1.25 * step:
                for i in range(g * group, (g + 1) * group):
                    found[2] += np.float64(abs(np.float64(y[i]) - np.float64(x[i])) > 1.25 * step)


@njit(**_EXACT)
def known_steps(x, y, one, other, found):  # type: ignore[no-untyped-def]
    """Add up how far y is from x beside the steps of either, known value by value; as :func:`block_steps` does."""
    for i in range(len(x)):
        d, a, b = abs(np.float64(y[i]) - np.float64(x[i])), np.float64(one[i]), np.float64(other[i])
        if np.isfinite(d) and np.isfinite(a + b):
            found[0] += a * a + b * b
            found[1] += d * d
            found[2] += np.float64(d > 1.25 * (a + b))
