"""Tables of sines and cosines, which are weights by name only: bases of Fourier and cosine transforms, positions."""

from __future__ import annotations

import numpy as np

from pondera.reading.faults.facts import Place
from pondera.weights.tensor import Array

MOST = 1 << 24
"""Values of the largest table that is looked at."""

ROWS = 5
"""A table of fewer rows fits any rule."""

TOLERANCE = 0.02
"""How far rows may be off by, as a share of their size: half precision leaves 0.001, training far more."""

BREAKS = 8
"""Rows that need not follow from their neighbours: where sines follow cosines, and the two ends."""


def is_fixed_basis(place: Place) -> bool:
    """Say whether a tensor is a table of sines and cosines of evenly spaced frequencies, windowed or not.

    cos (k + 1)θ + cos (k − 1)θ = 2 cos θ · cos kθ, and so for sines, and for both times any window: two neighbours of a
    row add up to the row times factors that are the same for every row. Nothing that was trained is so; that a
    frequency of 0 has no sine is no fault then.

    Examples
    --------
    >>> k, t = np.arange(9)[:, None], np.arange(16)
    >>> basis = np.concatenate([np.cos(2 * np.pi * k * t / 16), np.sin(2 * np.pi * k * t / 16)]) * np.hanning(16)
    >>> _follows(basis), _follows(np.random.default_rng(0).standard_normal((18, 16)))
    (True, False)
    """
    shape = place.tensor.shape
    if place.tensor.count > MOST or len(shape) < 2:
        return False
    values = place.tensor.source.flat(0, place.tensor.count)
    if values.dtype.kind not in "fV" and not np.issubdtype(values.dtype, np.floating):
        return False
    with np.errstate(invalid="ignore"):
        table = values.astype(np.float64).reshape(shape[0], -1)
    if not np.isfinite(table).all():
        return False
    return _follows(table) or _follows(table.T) or _interleaved(table) or _interleaved(table.T)


def _interleaved(table: Array) -> bool:
    """Say whether every second row is such a table, and so are the others."""
    return len(table) >= 2 * ROWS and _follows(table[::2]) and _follows(table[1::2])


def _follows(table: Array) -> bool:
    """Say whether the neighbours of every row add up to the row times factors common to all."""
    if len(table) < ROWS or table.shape[1] < ROWS:
        return False
    row, around = table[1:-1], table[2:] + table[:-2]
    squares = (row * row).sum(axis=0)
    if not squares.any():
        return False
    # Rows at breaks spoil the mean: the factors come out of the middle of the products, column by column.
    factors = _factors(row, around, np.ones(len(row), bool))
    for _ in range(2):
        off = _off(row, around, factors)
        factors = _factors(row, around, off <= np.partition(off, len(off) // 2)[len(off) // 2])
    broken = int(np.count_nonzero(_off(row, around, factors) > TOLERANCE))
    same = float(np.abs(table - table[0]).max()) == 0
    return not same and broken <= min(BREAKS, len(row) // 3)


def _factors(row: Array, around: Array, kept: Array) -> Array:
    """Return the factor of each column that fits the rows that are kept best."""
    squares = (row[kept] ** 2).sum(axis=0)
    found: Array = (row[kept] * around[kept]).sum(axis=0) / np.where(squares > 0, squares, 1.0)
    return found


def _off(row: Array, around: Array, factors: Array) -> Array:
    """Return how far each row's neighbours are from its multiple, as a share of their sizes."""
    sizes = np.sqrt((around**2).sum(axis=1) + (2 * row**2).sum(axis=1))
    away = np.sqrt(((around - factors * row) ** 2).sum(axis=1))
    found: Array = away / np.where(sizes > 0, sizes, 1.0)
    return found
