"""How values are spread: counts in bins that are less than 1 % wide, kept where they are not zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BINS = 1 << 16
"""The upper 16 bits of a float32, in the order of the values."""


@dataclass(frozen=True)
class Histogram:
    """Counts of the bins that hold anything: of the values of a tensor some thousands.

    Attributes
    ----------
    bins
        Which, ascending, (n,); bin 32768 begins at 0.
    counts
        How many values in each, (n,).

    Examples
    --------
    >>> one = Histogram.of(np.array([1.0, 1.0, -2.0], np.float32))
    >>> one.counts.tolist(), one.merge(one).counts.tolist(), [round(edges(at)[0], 7) for at in one.bins]
    ([1, 2], [2, 4], [-2.0156248, 1.0])
    """

    bins: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, values: Array, counts: Array | None = None) -> Histogram:
        """Return the histogram of float32 values, each of which may stand for many."""
        bits = np.ascontiguousarray(values, np.float32).view(np.int32)
        bins = ((bits ^ (bits >> 31 & 0x7FFFFFFF)) >> 16) + 32768
        dense = np.zeros(BINS, np.int64)
        np.add.at(dense, bins, 1 if counts is None else counts)
        return cls.sparse(dense)

    @classmethod
    def sparse(cls, dense: Array) -> Histogram:
        """Return the bins of (65,536,) counts that are not empty."""
        bins = np.flatnonzero(dense)
        return cls(bins.astype(np.int32), dense[bins])

    @classmethod
    def joined(cls, many: Iterable[Histogram]) -> Histogram:
        """Return the histogram of all values together."""
        several = [each for each in many if len(each.bins)]
        if len(several) < 2:
            return several[0] if several else cls()
        dense = np.zeros(BINS, np.int64)
        for each in several:
            dense[each.bins] += each.counts
        return cls.sparse(dense)

    def merge(self, other: Histogram) -> Histogram:
        """Return the histogram of both sets of values together."""
        return Histogram.joined((self, other))

    @property
    def dense(self) -> Array:
        """The counts of all bins, (65,536,)."""
        found = np.zeros(BINS, np.int64)
        found[self.bins] = self.counts
        return found

    def quantile(self, q: float) -> float:
        """Return the value below which the share ``q`` lies, to 1 % of its size; NaN where nothing was counted."""
        below = np.cumsum(self.counts)
        if not len(below):
            return math.nan
        at = min(int(np.searchsorted(below, q * below[-1], side="left")), len(below) - 1)
        share = (q * float(below[-1]) - float(below[at - 1] if at else 0)) / float(self.counts[at])
        low, high = edges(int(self.bins[at]))
        return low + share * (high - low)


def edges(at: int) -> tuple[float, float]:
    """Return the smallest and the largest float32 of a bin.

    Examples
    --------
    >>> edges(32768 + (127 << 7))
    (1.0, 1.0078123807907104)
    """
    orders = (np.array([at, at], np.int64) - 32768) << 16
    orders[1] += 0xFFFF
    bits = np.where(orders < 0, orders ^ 0x7FFFFFFF, orders).astype(np.int32)
    low, high = bits.view(np.float32)
    return float(low), float(high)
