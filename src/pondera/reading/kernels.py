"""One pass over values, compiled: every sum, count and extreme at once.

Values of every dtype are widened, a cache-sized block at a time, to float32 (or float64 where float32 does not hold
them) and go through one of two loops that vectorize. Extremes are found on whole numbers that order as the floats do
(the lower bits are flipped where the sign is set), because comparisons of floats must mind NaN and do not vectorize;
values that are not finite add nothing to sums and extremes and are counted instead.

Importing this module compiles nothing. The first call of a loop does, for a second or two, and keeps the machine code
in Numba's cache beside this file, or in the user's cache folder where that cannot be written to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

BLOCK = 4096
"""Values that are widened at a time: 16 kB of float32, which stay in the first cache."""

BINS = 1 << 16
"""Bins of the histogram: the upper 16 bits of a float32, so that each is less than 1 % wide."""

S1, S2, S3, S4, ABSOLUTE = range(5)
"""Places in ``sums``: powers of (value - center), and |value|."""

ZEROS, TINY, INFINITE, BROKEN = range(4)
"""Places in ``counts``: 0; 0 or denormal; ±∞; ±∞ or NaN."""

MAX32, MIN32 = np.int32(2**31 - 1), np.int32(-(2**31))
MAX64, MIN64 = np.int64(2**63 - 1), np.int64(-(2**63))

# Sums may be reordered, or nothing would vectorize; NaN and infinities keep their meaning.
_FAST: Any = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "cache": True, "boundscheck": False}


@njit(**_FAST)
def _block32(values, bits, count, center, normal, sums, counts, extremes):  # type: ignore[no-untyped-def]
    """Add ``count`` float32 values to the figures; ``bits`` are the same values as int32."""
    s1 = s2 = s3 = s4 = absolute = 0.0
    zeros = tiny = infinite = broken = np.int32(0)
    low, high = extremes[0], extremes[1]
    for i in range(count):
        size = bits[i] & np.int32(0x7FFFFFFF)
        finite = size < np.int32(0x7F800000)
        order = bits[i] ^ ((bits[i] >> np.int32(31)) & np.int32(0x7FFFFFFF))
        low = min(low, order if finite else MAX32)
        high = max(high, order if finite else MIN32)
        value = np.float64(values[i]) if finite else center
        d = value - center
        square = d * d
        s1 += d
        s2 += square
        s3 += square * d
        s4 += square * square
        absolute += abs(value) if finite else 0.0
        zeros = np.int32(zeros + np.int32(size == 0))
        tiny = np.int32(tiny + np.int32(size < normal))
        infinite = np.int32(infinite + np.int32(size == np.int32(0x7F800000)))
        broken = np.int32(broken + np.int32(not finite))
    sums[S1] += s1
    sums[S2] += s2
    sums[S3] += s3
    sums[S4] += s4
    sums[ABSOLUTE] += absolute
    counts[ZEROS] += zeros
    counts[TINY] += tiny
    counts[INFINITE] += infinite
    counts[BROKEN] += broken
    extremes[0], extremes[1] = low, high


@njit(**_FAST)
def _block64(values, bits, count, center, normal, sums, counts, extremes):  # type: ignore[no-untyped-def]
    """Add ``count`` float64 values to the figures; ``bits`` are the same values as int64."""
    s1 = s2 = s3 = s4 = absolute = 0.0
    zeros = tiny = infinite = broken = np.int64(0)
    low, high = extremes[0], extremes[1]
    for i in range(count):
        size = bits[i] & np.int64(0x7FFFFFFFFFFFFFFF)
        finite = size < np.int64(0x7FF0000000000000)
        order = bits[i] ^ ((bits[i] >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))
        low = min(low, order if finite else MAX64)
        high = max(high, order if finite else MIN64)
        value = values[i] if finite else center
        d = value - center
        square = d * d
        s1 += d
        s2 += square
        s3 += square * d
        s4 += square * square
        absolute += abs(value) if finite else 0.0
        zeros += np.int64(size == 0)
        tiny += np.int64(size < normal)
        infinite += np.int64(size == np.int64(0x7FF0000000000000))
        broken += np.int64(not finite)
    sums[S1] += s1
    sums[S2] += s2
    sums[S3] += s3
    sums[S4] += s4
    sums[ABSOLUTE] += absolute
    counts[ZEROS] += zeros
    counts[TINY] += tiny
    counts[INFINITE] += infinite
    counts[BROKEN] += broken
    extremes[0], extremes[1] = low, high


@njit(**_FAST)
def _count32(bits, count, histogram):  # type: ignore[no-untyped-def]
    """Count float32 values by their upper 16 bits, in the order of the values."""
    for i in range(count):
        order = bits[i] ^ ((bits[i] >> np.int32(31)) & np.int32(0x7FFFFFFF))
        histogram[(order >> np.int32(16)) + np.int32(32768)] += 1


@njit(**_FAST)
def float32_pass(values, bits, center, normal, every, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add float32 values; every ``every``-th block goes into the histogram."""
    for number in range(-(-len(values) // BLOCK)):
        start = number * BLOCK
        count = min(BLOCK, len(values) - start)
        block = bits[start : start + count]
        _block32(values[start : start + count], block, count, center, normal, sums, counts, extremes)
        if number % every == 0:
            _count32(block, count, histogram)


@njit(**_FAST)
def float64_pass(values, bits, center, normal, every, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add float64 values; the histogram is that of the values as float32."""
    narrow = np.empty(BLOCK, np.float32)
    for number in range(-(-len(values) // BLOCK)):
        start = number * BLOCK
        count = min(BLOCK, len(values) - start)
        _block64(
            values[start : start + count], bits[start : start + count], count, center, normal, sums, counts, extremes
        )
        if number % every == 0:
            for i in range(count):
                narrow[i] = np.float32(values[start + i])
            _count32(narrow.view(np.int32), count, histogram)


@njit(**_FAST)
def bfloat16_pass(values, center, normal, every, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add bfloat16 values, given as uint16: the upper half of a float32."""
    wide = np.empty(BLOCK, np.int32)
    for number in range(-(-len(values) // BLOCK)):
        start = number * BLOCK
        count = min(BLOCK, len(values) - start)
        for i in range(count):
            wide[i] = np.int32(np.uint32(values[start + i]) << np.uint32(16))
        _block32(wide.view(np.float32), wide, count, center, normal, sums, counts, extremes)
        if number % every == 0:
            _count32(wide, count, histogram)


@njit(**_FAST)
def table_pass(values, table, center, normal, every, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add values of 8 bits, given as uint8, or of 16 bits as uint16, by the float32 that each pattern stands for."""
    wide = np.empty(BLOCK, np.float32)
    for number in range(-(-len(values) // BLOCK)):
        start = number * BLOCK
        count = min(BLOCK, len(values) - start)
        for i in range(count):
            wide[i] = table[values[start + i]]
        bits = wide.view(np.int32)
        _block32(wide, bits, count, center, normal, sums, counts, extremes)
        if number % every == 0:
            _count32(bits, count, histogram)
