"""Ranks and how alike two rankings are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TIED = 0.2
"""Importances within this share of each other are called equal."""

BEYOND = 1.96
"""Standard errors of a difference within which two importances are equal, too."""


def ranks(values: Array) -> Array:
    """Return ranks from 1, the smallest, with the mean rank for equal values: (n,).

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, first, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Array = (ends - (counts - 1) / 2)[first.reshape(-1)]
    return means


def tied_ranks(values: Array) -> Array:
    """Return ranks from 1, where values within a fifth of each other are equal: one more than how many are below.

    An equal one counts half, as in :func:`ranks`; what is equal to both of two need not make them equal.

    >>> tied_ranks(np.array([3.0, 1.0, 2.9, 1.01])).tolist()
    [3.5, 1.5, 3.5, 1.5]
    """
    first, second = np.triu_indices(len(values), 1)
    order = orders(values)
    above = np.bincount(first, order, len(values)) - np.bincount(second, order, len(values))
    return np.asarray((len(values) + 1 + above) / 2)


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's ρ; NaN where either has no order, or there are fewer than two.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 8.0, 9.0]))
    1.0
    """
    a, b = ranks(one), ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(np.clip(a @ b / size, -1, 1)) if size > 0 else math.nan


def concordance(one: Array, other: Array) -> float:
    """Return how far two sets of importances agree on which of two columns is the larger one: −1 to 1; NaN of fewer.

    Kendall's (1938, Biometrika 30) mean over pairs: 1 for one in the same order, −1 in the opposite one, where values
    within a fifth of each other are equal. A pair that only one of both orders counts ½: it supports nothing, and
    contradicts nothing. 1 where no pair is ordered by either: then both say that all columns are equal.

    >>> concordance(np.array([3.0, 2.0, 1.0]), np.array([9.0, 4.0, 4.1]))
    0.8333333333333334
    >>> concordance(np.array([1.0, 1.01, 0.99]), np.array([5.0, 5.1, 4.9]))
    1.0
    """
    if len(one) < 2:
        return math.nan
    a, b = orders(one), orders(other)
    counted = (a != 0) | (b != 0)
    return float(np.where(a * b == 0, 0.5, a * b)[counted].mean()) if counted.any() else 1.0


def orders(values: Array, errors: Array | None = None) -> Array:
    """Return of every two 1 where the first is larger, −1 where the second is, 0 where they are equal: (pairs,).

    Equal are those within a fifth of each other, and within the standard errors of their difference.
    """
    first, second = np.triu_indices(len(values), 1)
    one, other = values[first], values[second]
    least = TIED * np.maximum(np.abs(one), np.abs(other))
    if errors is not None:
        least = np.maximum(least, BEYOND * np.hypot(errors[first], errors[second]))
    return np.where(np.abs(one - other) > least, np.sign(one - other), 0.0)


def kept(values: Array, matter: Array | None) -> Array:
    """Return the places of what :func:`condensed` keeps.

    >>> kept(np.array([5.0, 0.1, 3.0, 0.2]), np.array([True, False, True, False])).tolist()
    [0, 2, 3]
    """
    if matter is None or matter.all():
        return np.arange(len(values))
    rest = np.flatnonzero(~matter)
    return np.append(np.flatnonzero(matter), rest[values[rest].argmax()])


def condensed(values: Array, matter: Array | None) -> Array:
    """Return the values of the columns that matter and, last, the largest of all others, along the last axis.

    The order among columns that do not matter is chance, and says nothing about a ranking; one of them among those that
    do would.

    >>> condensed(np.array([5.0, 0.1, 3.0, 0.2]), np.array([True, False, True, False])).tolist()
    [5.0, 3.0, 0.2]
    """
    if matter is None or matter.all():
        return values
    rest = values[..., ~matter].max(axis=-1, keepdims=True)
    return np.concatenate([values[..., matter], rest], axis=-1)


def shares(values: Array) -> Array:
    """Return values, negative ones as 0, as shares of their sum along the last axis."""
    sizes = np.maximum(values, 0)
    sums = sizes.sum(axis=-1, keepdims=True)
    found: Array = np.divide(sizes, sums, out=np.zeros_like(sizes, np.float64), where=sums > 0)
    return found
