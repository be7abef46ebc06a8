"""Weighted figures of one column that depend on its values alone: not on the order or on copies of rows.

A row of weight 2 must count as the row written twice, bit for bit. So equal values are merged and sorted before
anything is added up: whatever the order and however the copies are written down, the same numbers are then added
in the same order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pondera.errors import ArgumentError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """The distinct values of a column in ascending order, and how much weight lies on each.

    Attributes
    ----------
    values
        (distinct,) finite, ascending; empty when the column has no values.
    weights
        (distinct,) positive.
    """

    values: Floats
    weights: Floats

    def quantile(self, q: float) -> float:
        """Return the smallest value with at least the share ``q`` of the weight at or below it.

        Where the share is met exactly the result is the mean of that value and the next one (the *averaged inverted
        distribution function*; NumPy's ``method="averaged_inverted_cdf"``). It is the one common rule under which
        a weight of 2 equals two copies.

        Examples
        --------
        >>> distribution([1.0, 2.0, 3.0, 4.0]).quantile(0.5)
        2.5
        """
        below = np.cumsum(self.weights)  # (distinct,)
        wanted = q * below[-1]
        at = min(int(np.searchsorted(below, wanted)), len(below) - 1)
        value = float(self.values[at])
        if below[at] == wanted and at + 1 < len(below):
            return value / 2 + float(self.values[at + 1]) / 2  # halves first: the sum could overflow
        return value

    def mean_and_deviation(self) -> tuple[float, float]:
        """Return mean and standard deviation (of the population: divided by the sum of weights).

        Works at any magnitude: the values are brought to about 1 by a power of two, which is exact.
        """
        if len(self.values) == 1:
            return float(self.values[0]), 0.0
        exponent = math.frexp(float(np.abs(self.values).max()))[1]
        scaled = np.ldexp(self.values, -exponent)
        total = self.weights.sum()
        mean = (self.weights * scaled).sum() / total
        variance = (self.weights * (scaled - mean) ** 2).sum() / total
        return float(np.ldexp(mean, exponent)), float(np.ldexp(np.sqrt(variance), exponent))


def distribution(values: ArrayLike, weights: Floats | None = None) -> Distribution:
    """Merge equal values of a column; NaN and rows of weight 0 are left out.

    Parameters
    ----------
    values
        (rows,) floats.
    weights
        (rows,) as :func:`checked_weights` returns them, or None for all ones.

    Examples
    --------
    >>> distribution([2.0, 1.0, 2.0]).weights
    array([1., 2.])
    """
    column = np.asarray(values, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    if weights is None:
        distinct, counts = _merge_sorted(np.sort(column[~np.isnan(column)]), None)
        return Distribution(distinct, counts)
    kept = ~np.isnan(column) & (weights > 0)
    column, weights = column[kept], weights[kept]
    order = np.argsort(column)
    ordered = column[order]
    if np.any(weights != np.floor(weights)) and np.any(ordered[1:] == ordered[:-1]):
        order = np.lexsort((weights, column))  # only sums of whole weights are exact in any order
    distinct, counts = _merge_sorted(ordered, weights[order])
    return Distribution(distinct, counts)


def _merge_sorted(column: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    if not len(column):
        return column, np.empty(0)
    starts = np.flatnonzero(np.concatenate(([True], column[1:] != column[:-1])))
    if weights is None:
        counts = np.diff(np.append(starts, len(column))).astype(np.float64)
    else:
        counts = np.add.reduceat(weights, starts)
    return column[starts], counts


def checked_weights(weights: ArrayLike | None, rows: int) -> Floats | None:
    """Return weights as (rows,) float64, or None when there are none.

    Raises
    ------
    ArgumentError
        Another length than the table, a negative, infinite or missing weight, or nothing above 0.
    """
    if weights is None:
        return None
    try:
        result = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("The weights of the rows must be numbers, one a row.") from None
    if result.shape != (rows,):
        raise ArgumentError(f"Expected one weight for each of the {rows} rows, found weights of shape {result.shape}.")
    bad = ~np.isfinite(result) | (result < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ArgumentError(
            f"The weights of rows must be finite and not negative; row {row} (the first is 0) has {result[row]}."
        )
    if rows and not result.any():
        raise ArgumentError("Every row has weight 0: give at least one row a weight above 0.")
    return result
