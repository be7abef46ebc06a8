"""A power law fitted to the upper tail of positive values, after Clauset, Shalizi & Newman.

For each value as the beginning xmin of the tail, the exponent of p(x) ∝ x^−α is the continuous maximum likelihood
estimate α = 1 + n / Σ log(xᵢ / xmin); the xmin is taken at which the tail and its fit are closest, by the distance of
Kolmogorov and Smirnov max |S(x) − P(x)| with S = 0, 1/n, …, (n − 1)/n at the values in order, as the authors' own
program and WeightWatcher take it. (SIAM Review 51, 2009, sections 3.1 and 3.3.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from pondera.weights.tensor import Array

FEWEST = 10
"""An exponent of fewer values than this says nothing."""

_EQUAL = 1e-4  # values that differ by less, on average, are equal but for rounding: no exponent is above 10⁴
_COARSE = 32
_FAST: Any = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "cache": True, "boundscheck": False}


@dataclass(frozen=True)
class Tail:
    """A power law p(x) ∝ x^−α for x ≥ xmin.

    Attributes
    ----------
    alpha
        The exponent.
    error
        Its standard error (α − 1) / √n, for the xmin found.
    start
        Where the tail begins: xmin, one of the values.
    count
        How many values it has: n.
    distance
        How far the tail is from the fit: the distance of Kolmogorov and Smirnov, between 0 and 1. In a true power law
        of n values it is below 1.36 / √n nineteen times in twenty, and mostly further below as xmin was chosen for it.
    """

    alpha: float
    error: float
    start: float
    count: int
    distance: float


def tail_of(values: Array) -> Tail | None:
    """Return the power law that fits the upper tail of positive values best; None for fewer than :data:`FEWEST`.

    Parameters
    ----------
    values
        (n,) in any order. None too where all are equal to 10⁻⁴.

    Examples
    --------
    >>> sample = (1 - (np.arange(1000) + 0.5) / 1000) ** (-1 / 1.5)  # quantiles of the power law of exponent 2.5
    >>> tail = tail_of(sample)
    >>> round(tail.alpha, 1), tail.distance < 0.01
    (2.5, True)
    """
    ordered = np.sort(np.asarray(values, np.float64))
    if len(ordered) < FEWEST:
        return None
    logs = np.log(ordered)
    at, slope, distance = _fit(logs - logs[-1])
    if at < 0:
        return None
    count = len(ordered) - at
    return Tail(1 + slope, slope / math.sqrt(count), float(ordered[at]), count, distance)


@njit(**_FAST)
def _distance(logs, slope, step, best):  # type: ignore[no-untyped-def]
    """Return the distance of a tail from its fit, at every ``step``-th value; anything above ``best`` once that far."""
    count = len(logs)
    largest = 0.0
    for k in range(0, count, step):
        largest = max(largest, abs(1.0 - math.exp(slope * (logs[0] - logs[k])) - k / count))
        if largest > best:
            break
    return largest


@njit(**_FAST)
def _fit(logs):  # type: ignore[no-untyped-def]
    """Return where the best tail of ascending logarithms begins, α − 1 and the distance; −1 if there is none.

    Beginnings far apart are tried first: their best distance then rules out most others after a few values.
    """
    count = len(logs)
    above = np.zeros(count + 1)
    for i in range(count - 1, -1, -1):
        above[i] = above[i + 1] + logs[i]
    found, exponent, best = -1, 0.0, np.inf
    for sieve in range(2):
        for i in range(0, count - 1, _COARSE if sieve == 0 else 1):
            spread = above[i] - (count - i) * logs[i]
            if not spread > _EQUAL * (count - i):
                continue
            slope = (count - i) / spread
            tail = logs[i:]
            if _distance(tail, slope, _COARSE, best) > best:
                continue
            distance = _distance(tail, slope, 1, best)
            if distance < best or (distance == best and i < found):
                found, exponent, best = i, slope, distance
    return found, exponent, best
