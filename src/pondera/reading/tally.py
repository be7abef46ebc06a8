"""Sums that can be joined: what a stretch of values adds up to.

Values are summed in float64 about a center, in stretches; stretches are joined by the formulas of Pébay (2008,
"Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments", Sandia
report SAND2008-6212). A sum of k terms one after the other is wrong by at most k · 2⁻⁵³ of the sum of their sizes. Here
lanes of at most 2¹¹ values are summed first, 4 or 16 of which make a block, then at most 2¹¹ blocks, which make a
stretch; 10¹⁰ values have fewer than 2¹⁰ stretches. So k stays below 2¹³, and the mean of 10¹⁰ values is right to 2⁻⁴⁰
of their mean distance from the center, which is 0 or close to the mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pondera.reading.histogram import Histogram

Array = np.ndarray[Any, Any]

TOGETHER = 64
"""Histograms that are kept until they are joined at once, which takes less time than one by one."""


@dataclass(frozen=True)
class Moments:
    """How many finite values there were, their mean, and the sums of the powers 2 to 4 of their distances from it."""

    count: int = 0
    mean: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0

    @classmethod
    def about(cls, center: float, count: int, s1: float, s2: float, s3: float, s4: float) -> Moments:
        """Return the moments from sums of powers of the distances from any center."""
        if count == 0:
            return cls()
        d = s1 / count
        cube = d * d * d  # a product overflows to infinity, where a power raises
        return cls(
            count,
            float(center + d),
            max(s2 - count * d * d, 0.0),
            s3 - 3 * d * s2 + 2 * count * cube,
            max(s4 - 4 * d * s3 + 6 * d * d * s2 - 3 * count * cube * d, 0.0),
        )

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        if not self.count or not other.count:
            return self if self.count else other
        n, m = self.count, other.count
        whole = n + m
        d = other.mean - self.mean
        cube = d * d * d
        return Moments(
            whole,
            self.mean + d * m / whole,
            self.second + other.second + d * d * n * m / whole,
            self.third
            + other.third
            + cube * n * m * (n - m) / whole**2
            + 3 * d * (n * other.second - m * self.second) / whole,
            self.fourth
            + other.fourth
            + cube * d * n * m * (n * n - n * m + m * m) / whole**3
            + 6 * d * d * (n * n * other.second + m * m * self.second) / whole**2
            + 4 * d * (n * other.third - m * self.third) / whole,
        )


@dataclass(frozen=True)
class Tally:
    """What a stretch of values adds up to. Two of them can be joined, so that stretches can be read anywhere.

    Attributes
    ----------
    values
        How many there are.
    moments
        Of the finite ones.
    absolute
        Σ |v| of the finite ones.
    low, high
        The smallest and the largest finite value: whole numbers where the dtype is of whole numbers.
    zeros, denormals, infinite, nan
        How many of each.
    histogram
        Of finite values, or of a part of them.
    """

    values: int = 0
    moments: Moments = Moments()
    absolute: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    denormals: int = 0
    infinite: int = 0
    nan: int = 0
    histogram: Histogram = field(default_factory=Histogram, repr=False)

    def merge(self, other: Tally) -> Tally:
        """Return the tally of both stretches."""
        return Tally(
            self.values + other.values,
            self.moments.merge(other.moments),
            self.absolute + other.absolute,
            min(self.low, other.low),
            max(self.high, other.high),
            self.zeros + other.zeros,
            self.denormals + other.denormals,
            self.infinite + other.infinite,
            self.nan + other.nan,
            self.histogram.merge(other.histogram),
        )


def joined(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all stretches together, joined in their order."""
    whole, bare, histograms = Tally(), Histogram(), [Histogram()]
    for tally in tallies:
        whole = whole.merge(replace(tally, histogram=bare))
        histograms.append(tally.histogram)
        if len(histograms) > TOGETHER:
            histograms = [Histogram.joined(histograms)]
    return replace(whole, histogram=Histogram.joined(histograms))
