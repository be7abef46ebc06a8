"""Whether two tensors are the same bytes, or the same values in any order."""

from __future__ import annotations

import numpy as np

from pondera.reading.comparison.views import View, tile_size, tiles
from pondera.reading.widths import widened
from pondera.weights.mapped import look
from pondera.weights.quantized.encodings import Blocks
from pondera.weights.tensor import Array, Mapped

STRETCH = 1 << 22
"""Bytes that are compared at a time."""


def stored_alike(one: View, other: View) -> bool:
    """Whether two tensors are the same bytes under the same dtype or encoding; reads until the first that differ."""
    a, b = one.tensor, other.tensor
    sources = (a.source, b.source)
    if a.dtype != b.dtype or one.count != other.count or not (one.straight and other.straight):
        return False
    whole = one.count == a.count and other.count == b.count
    if whole and all(isinstance(each, Mapped | Blocks) for each in sources) and a.nbytes == b.nbytes:
        left, right = ((each.buffer, each.start) for each in sources)  # type: ignore[attr-defined]
        for start in range(0, a.nbytes, STRETCH):
            size = min(STRETCH, a.nbytes - start)
            for buffer, _ in (left, right):
                look(buffer, size)
            if not _same_bytes(*(np.frombuffer(buffer, np.uint8, size, at + start) for buffer, at in (left, right))):
                return False
        return True
    step = STRETCH // 4
    for start in range(0, one.count, step):
        stop = min(start + step, one.count)
        runs = [view.tensor.source.flat(view.offset + start, view.offset + stop) for view in (one, other)]
        if not _same_bytes(*(np.ascontiguousarray(run).view(np.uint8) for run in runs)):
            return False
    return True


def same_values(one: View, other: View) -> bool:
    """Whether two views have the same values equally often, in whatever order.

    The sums of 64 bits that each value is scattered to are compared, which for other values agree once in 2⁶⁴ times.
    """
    return _scattered(one) == _scattered(other)


def _scattered(view: View) -> int:
    """Return Σ h(value) mod 2⁶⁴, where h is the finalizer of SplitMix64 (Steele, Lea & Flood 2014)."""
    total = 0
    for place in tiles(view.lengths, tile_size(view, view)):
        values = widened(view.tile(*place), wide=True) + 0.0  # -0 is 0
        with np.errstate(over="ignore"):
            bits = values.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            bits = (bits ^ bits >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ bits >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
            total += int((bits ^ bits >> np.uint64(31)).sum())
    return total % (1 << 64)


def _same_bytes(a: Array, b: Array) -> bool:
    words = len(a) // 8 * 8
    return np.array_equal(a[:words].view(np.uint64), b[:words].view(np.uint64)) and np.array_equal(a[words:], b[words:])
