"""Sums that can be joined: what a stretch of values adds up to.

Values are summed about a center close to their mean, in float64, in stretches; stretches are joined by the formulas of
Pébay (2008, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
statistical moments", Sandia report SAND2008-6212). A sum of n values is wrong by at most about 2⁻³⁶ of the sum of their
sizes, whatever n: a lane of a stretch adds at most 2¹⁷ values, and there are fewer than 2¹⁴ stretches in 10¹⁰ values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


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
        return cls(
            count,
            float(center + d),
            max(s2 - count * d * d, 0.0),
            s3 - 3 * d * s2 + 2 * count * d**3,
            max(s4 - 4 * d * s3 + 6 * d * d * s2 - 3 * count * d**4, 0.0),
        )

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        if not self.count or not other.count:
            return self if self.count else other
        n, m = self.count, other.count
        whole = n + m
        d = other.mean - self.mean
        return Moments(
            whole,
            self.mean + d * m / whole,
            self.second + other.second + d * d * n * m / whole,
            self.third
            + other.third
            + d**3 * n * m * (n - m) / whole**2
            + 3 * d * (n * other.second - m * self.second) / whole,
            self.fourth
            + other.fourth
            + d**4 * n * m * (n * n - n * m + m * m) / whole**3
            + 6 * d * d * (n * n * other.second + m * m * self.second) / whole**2
            + 4 * d * (n * other.third - m * self.third) / whole,
        )


@dataclass(frozen=True)
class Tally:
    """What a stretch of values adds up to. Two of them can be joined, so that stretches can be read anywhere."""

    values: int = 0
    moments: Moments = Moments()
    absolute: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    denormals: int = 0
    infinite: int = 0
    nan: int = 0
    histogram: Array = field(default_factory=lambda: np.zeros(1, np.int64), repr=False)

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
            self.histogram + other.histogram,
        )
