"""Whether two tensors are the same bytes: the cheapest question first."""

from __future__ import annotations

import numpy as np

from pondera.reading.comparison.views import View
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


def _same_bytes(a: Array, b: Array) -> bool:
    words = len(a) // 8 * 8
    return np.array_equal(a[:words].view(np.uint64), b[:words].view(np.uint64)) and np.array_equal(a[words:], b[words:])
