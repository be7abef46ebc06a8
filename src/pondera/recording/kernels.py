"""What is summed up over the values of a tensor while it is trained, compiled: one pass, one thread, no GIL."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

TOTAL, SQUARES, START_SQUARES, START_PRODUCT, DISTANCE, UPDATE, GRADIENT = range(7)
"""Places in ``sums``: of w, w², s², w·s, (w - s)², (after - w)², g²."""

ZEROS, NAN, INFINITE, FLIPS, BROKEN = range(5)
"""Places in ``counts``: exact zeros, NaN and ±∞ among w; signs other than at the start; gradients not finite."""

BINS = 2048
"""Of the upper 11 bits of a float32 in the order of the values: sign, exponent, 2 bits of mantissa."""

# Sums may be reordered, or nothing would vectorize; NaN and infinities keep their meaning.
_FAST: Any = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "cache": True, "boundscheck": False}


@njit(**_FAST)
def values_pass(w, bits, start, after, sums, counts, extremes, bins):  # type: ignore[no-untyped-def]
    """Add weights, their distances from the start and their moves to the figures; ``bits`` are w's as int32."""
    total = squares = start_squares = product = distance = update = 0.0
    zeros, flips = np.int64(0), np.int64(0)
    low, high = extremes[0], extremes[1]
    for i in range(len(w)):
        size = bits[i] & np.int32(0x7FFFFFFF)
        bins[((bits[i] ^ ((bits[i] >> 31) & np.int32(0x7FFFFFFF))) >> 21) + 1024] += 1
        if size >= np.int32(0x7F800000):
            counts[NAN if size > np.int32(0x7F800000) else INFINITE] += 1
            continue
        v, s = np.float64(w[i]), np.float64(start[i])
        u = np.float64(after[i]) - v
        total += v
        squares += v * v
        start_squares += s * s
        product += v * s
        distance += (v - s) * (v - s)
        update += u * u
        zeros = np.int64(zeros + np.int64(v == 0.0))
        flips = np.int64(flips + np.int64(v * s < 0.0))
        low, high = min(low, v), max(high, v)
    sums[TOTAL] += total
    sums[SQUARES] += squares
    sums[START_SQUARES] += start_squares
    sums[START_PRODUCT] += product
    sums[DISTANCE] += distance
    sums[UPDATE] += update
    counts[ZEROS] += zeros
    counts[FLIPS] += flips
    extremes[0], extremes[1] = low, high


@njit(**_FAST)
def gradient_pass(g, sums, counts):  # type: ignore[no-untyped-def]
    """Add the squares of a gradient's finite values, and count the others."""
    squares, broken = 0.0, 0
    for i in range(len(g)):
        v = np.float64(g[i])
        good = np.isfinite(v)
        squares += v * v if good else 0.0
        broken += not good
    sums[GRADIENT] += squares
    counts[BROKEN] += broken
