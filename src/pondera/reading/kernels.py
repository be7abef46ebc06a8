"""One pass over values, compiled: every sum, count and extreme at once.

Values are taken a block at a time by the loop of :mod:`pondera.reading.vectors`. What is rare costs only where it is
found: the largest bits, taken as signed and as unsigned whole numbers, give both extremes and tell whether all values
of the block are finite; the smallest size tells whether there are zeros or denormals to count. Floats, whose
comparisons must mind NaN, are not compared at all. Sums are of float64.

Importing this module compiles nothing. The first call of a loop does, for a second or two, and keeps the machine code
in Numba's cache beside this file, or in the user's cache folder where that cannot be written to.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from pondera.reading import vectors
from pondera.reading.vectors import LANES, LOOKS, SUMS

VECTORS = 2
"""Numba's cache looks at this file only: a change of :mod:`pondera.reading.vectors` is made known by another number."""

BLOCK = 8192
"""Values that are taken at a time."""

ZEROS, TINY, INFINITE, BROKEN = range(4)
"""Places in ``counts``: 0; 0 or denormal; ±∞; ±∞ or NaN."""

LOW, HIGH = range(2)
"""Places in ``extremes``: the smallest and the largest value, as whole numbers of the same order."""

MAX64, MIN64 = 2**63 - 1, -(2**63)

# Sums may be reordered, or nothing would vectorize; NaN and infinities keep their meaning.
_FAST: Any = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "cache": True, "boundscheck": False}

_plain, _centered, _single = vectors.plain, vectors.centered, vectors.single
_plain_brain, _centered_brain, _single_brain = vectors.plain_brain, vectors.centered_brain, vectors.single_brain
_wide, _float32_bits = vectors.wide, vectors.float32_bits


class Floats(NamedTuple):
    """How the bits of a kind of float are to be read, as whole numbers of its width.

    Attributes
    ----------
    sign
        The bit of the sign.
    infinite
        Infinity.
    normal
        The smallest value of full precision.
    brain
        Whether it is bfloat16.
    """

    sign: np.uint64
    infinite: np.uint64
    normal: np.uint64
    brain: bool


@njit(**_FAST)
def _looked_at(raw, start, stop, kind, center, sums, looks):  # type: ignore[no-untyped-def]
    """Sum values up; return their largest bits, signed and unsigned, and their smallest size."""
    mask = kind.sign - np.uint64(1)
    for lane in range(LANES):
        looks[0, lane], looks[1, lane], looks[2, lane] = ~mask, np.uint64(0), mask  # the least number that is signed
        for k in range(SUMS):
            sums[k, lane] = 0.0
    middle = stop - (stop - start) % LANES
    if kind.brain:
        if center == 0.0:
            _plain_brain(raw, start, middle, center, sums, looks)
        else:
            _centered_brain(raw, start, middle, center, sums, looks)
        _single_brain(raw, middle, stop, center, sums, looks)
    else:
        if center == 0.0:
            _plain(raw, start, middle, center, sums, looks)
        else:
            _centered(raw, start, middle, center, sums, looks)
        _single(raw, middle, stop, center, sums, looks)
    top, bottom, least = np.int64(looks[0, 0]), looks[1, 0], looks[2, 0]
    for lane in range(1, LANES):
        top, bottom, least = max(top, np.int64(looks[0, lane])), max(bottom, looks[1, lane]), min(least, looks[2, lane])
    return top, bottom, least


@njit(**_FAST)
def _settle(raw, start, stop, kind, found, counts, extremes):  # type: ignore[no-untyped-def]
    """Bring extremes and counts up to date by finite values, given what was found by looking at them."""
    top, bottom, least = found
    signed = np.int64(kind.sign - np.uint64(1))
    low, high = np.int64(bottom) - (np.int64(kind.sign) << 1), top  # the largest unsigned, as a signed number
    if top < 0 or bottom < kind.sign:  # all of one sign: what is nearest to 0 has the smallest signed bits
        nearest = _smallest(raw[start:stop], kind.sign)
        low, high = (low, nearest) if top < 0 else (nearest, high)
    extremes[LOW] = min(extremes[LOW], low ^ signed if low < 0 else low)
    extremes[HIGH] = max(extremes[HIGH], high ^ signed if high < 0 else high)
    if least < kind.normal:
        _count_small(raw[start:stop], kind, counts)


@njit(**_FAST)
def _smallest(raw, sign):  # type: ignore[no-untyped-def]
    """Return the smallest bits as signed whole numbers."""
    _wide()
    flip = raw.dtype.type(sign)
    found = raw[0] ^ flip
    for i in range(len(raw)):
        found = min(found, raw.dtype.type(raw[i] ^ flip))
    return np.int64(np.uint64(found) - sign)


@njit(**_FAST)
def _count_small(raw, kind, counts):  # type: ignore[no-untyped-def]
    """Count zeros, and what is smaller than the smallest value of full precision, zeros among it."""
    _wide()
    mask, limit = raw.dtype.type(kind.sign - np.uint64(1)), raw.dtype.type(kind.normal)
    zeros, tiny = np.uint32(0), np.uint32(0)
    for i in range(len(raw)):
        size = raw.dtype.type(raw[i] & mask)
        zeros = np.uint32(zeros + np.uint32(size == 0))
        tiny = np.uint32(tiny + np.uint32(size < limit))
    counts[ZEROS] += zeros
    counts[TINY] += tiny


@njit(**_FAST)
def _set_aside(raw, start, stop, kind, finite, counts):  # type: ignore[no-untyped-def]
    """Copy the finite values to ``finite``, count the others, and return how many are finite."""
    kept = 0
    for i in range(start, stop):
        size = np.uint64(raw[i]) & (kind.sign - np.uint64(1))
        finite[kept] = raw[i]
        kept += size < kind.infinite
        counts[INFINITE] += size == kind.infinite
    counts[BROKEN] += stop - start - kept
    return kept


@njit(**_FAST)
def _block(raw, start, stop, kind, center, room, counts, extremes):  # type: ignore[no-untyped-def]
    """Add a block of values."""
    sums, block, looks, finite = room
    found = _looked_at(raw, start, stop, kind, center, block, looks)
    top, bottom, _ = found
    if top < np.int64(kind.infinite) and bottom < kind.sign | kind.infinite:
        _settle(raw, start, stop, kind, found, counts, extremes)
    else:
        kept = _set_aside(raw, start, stop, kind, finite, counts)
        if not kept:
            return
        found = _looked_at(finite, 0, kept, kind, center, block, looks)
        _settle(finite, 0, kept, kind, found, counts, extremes)
    for k in range(SUMS):
        for lane in range(LANES):
            sums[k, lane] += block[k, lane]


@njit(**_FAST)
def _count(raw, start, stop, number, skip, brain, histogram):  # type: ignore[no-untyped-def]
    """Count one of 2^``skip`` values by the upper 16 bits of their float32, in the order of the values.

    It looks at another part of each block, or it would see the same columns always.
    """
    size = BLOCK >> skip
    first = start + ((number * 2654435769 >> 7) & ((1 << skip) - 1)) * size
    for i in range(first, min(first + size, stop)):
        bits = _float32_bits(raw[i], brain)
        order = bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))
        histogram[(order >> np.int32(16)) + np.int32(32768)] += 1


@njit(**_FAST)
def float_pass(raw, before, kind, center, skip, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add floats, given as the unsigned whole numbers that their bits are, to ``sums``, (SUMS, LANES).

    ``before`` is how many values came before these: the histogram looks elsewhere then.
    """
    room = sums, np.empty((SUMS, LANES)), np.empty((LOOKS, LANES), np.uint64), np.empty(BLOCK, raw.dtype)
    for number in range(-(-len(raw) // BLOCK)):
        start, stop = number * BLOCK, min((number + 1) * BLOCK, len(raw))
        _block(raw, start, stop, kind, center, room, counts, extremes)
        _count(raw, start, stop, before // BLOCK + number, skip, kind.brain, histogram)


def _decoded(decode, blocks, values, halves, size, kind, center, skip, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add what blocks of an encoding decode to, (n, bytes), ``size`` blocks of ``values`` each at a time."""
    room = np.empty((size, values), np.float32)
    raw = room.reshape(-1).view(np.uint32)
    for start in range(0, len(blocks), size):
        part = blocks[start : start + size]
        decode(part, halves, room[: len(part)])
        before = start * values
        float_pass(raw[: len(part) * values], before, kind, center, skip, sums, counts, extremes, histogram)


@cache
def decoded_pass() -> Any:
    """Return the loop over blocks of an encoding: that decodes and adds, without a look at Python in between."""
    blocks, halves = (types.Array(kind, n, "C", readonly=True) for kind, n in ((types.uint8, 2), (types.float32, 1)))
    decode = types.FunctionType(types.void(blocks, halves, types.Array(types.float32, 2, "C")))
    named: Any = types.NamedTuple
    kind, whole, real = named((*[types.uint64] * 3, types.boolean), Floats), types.int64, types.float64
    given = (decode, blocks, whole, halves, whole, kind, real, whole)
    return njit(types.void(*given, real[:, ::1], *[whole[::1]] * 3), **_FAST)(_decoded)


@njit(**_FAST)
def whole_pass(values, before, kind, center, skip, sums, counts, extremes, histogram):  # type: ignore[no-untyped-def]
    """Add whole numbers, as float64; return the smallest and the largest exactly. ``before`` is as in float_pass."""
    low = high = values[0]
    reals, finite = np.empty(BLOCK), np.empty(BLOCK, np.uint64)
    raw = reals.view(np.uint64)
    room = sums, np.empty((SUMS, LANES)), np.empty((LOOKS, LANES), np.uint64), finite
    for number in range(-(-len(values) // BLOCK)):
        block = values[number * BLOCK : (number + 1) * BLOCK]
        for i in range(len(block)):
            low, high = min(low, block[i]), max(high, block[i])
            reals[i] = np.float64(block[i])
        _block(raw, 0, len(block), kind, center, room, counts, extremes)
        _count(raw, 0, len(block), before // BLOCK + number, skip, False, histogram)
    return low, high


@njit(**_FAST)
def byte_pass(values, table):  # type: ignore[no-untyped-def]
    """Count the patterns of values of 8 bits, given as uint64: eight of them at a time, each in a row of its own."""
    for i in range(len(values)):
        word = values[i]
        for k in range(8):
            table[k, (word >> np.uint64(8 * k)) & np.uint64(0xFF)] += 1


@njit(**_FAST)
def add_squares(values, row, place, width, rows, columns):  # type: ignore[no-untyped-def]
    """Add the squares of finite values to their rows' sums and their columns'.

    The first value lies at ``place`` of the ``row``-th row; rows have ``width`` values.
    """
    _wide()
    at = 0
    while at < len(values):
        count = min(width - place, len(values) - at)
        part, into = values[at : at + count], columns[place : place + count]
        whole = 0.0
        for i in range(count):
            value = np.float64(part[i])
            square = value * value if value - value == 0.0 else 0.0
            whole += square
            into[i] += square
        rows[row] += whole
        row, place, at = row + 1, 0, at + count


@njit(**_FAST)
def total(words, times):  # type: ignore[no-untyped-def]
    """Return the sum of whole numbers, several times over: nothing that looks at each of them is faster."""
    _wide()
    found = np.uint64(0)
    for _ in range(times):
        once = np.uint64(0)
        for i in range(len(words)):
            once += words[i]
        found = found * np.uint64(3) + once
    return found


@njit(**_FAST)
def harvest(histogram, bins, counts):  # type: ignore[no-untyped-def]
    """Move the counts of finite values that are not 0 to the front of ``bins`` and ``counts``; return how many.

    The 128 bins at either end are those of NaN and infinity.
    """
    found = 0
    for at in range(len(histogram)):
        if histogram[at]:
            if 128 <= at < len(histogram) - 128:
                bins[found], counts[found] = at, histogram[at]
                found += 1
            histogram[at] = 0
    return found
