"""Whether the values of each row are evenly spaced, as a quantization to whole numbers leaves them in a float dtype.

Fake quantization (Jacob et al. 2018, arXiv 1712.05877) and the export of integer weights as floats do that.
"""

from __future__ import annotations

import numpy as np

from pondera.reading.comparison.views import TILE, View
from pondera.reading.widths import widened
from pondera.weights.layers import WHOLE
from pondera.weights.tensor import Array

SPACED = "evenly spaced values"
"""What such a rounding is called."""

LEVELS = 256
"""At most so many steps lie between the smallest and the largest value of a row."""

FEWEST = 16
"""Rows of fewer values are not looked at: a few are evenly spaced by chance."""

NEAR = 1e-2
"""Values lie on the grid if they are no farther from it, in its steps."""

LOOKED = 64
"""Rows that are looked at first."""


def evenly_spaced(one: View, other: View) -> bool | None:
    """Return whether it is the first whose values went to the nearest of evenly spaced ones to give the second.

    None where neither is the other one on a grid.
    """
    tensors = (one.tensor, other.tensor)
    if not (one.straight and other.straight) or one.count != other.count or len(one.lengths) < 2:
        return None
    if any(tensor.dtype.startswith((*WHOLE, "complex")) for tensor in tensors):
        return None
    widths = [one.count // max(one.lengths[0], 1), one.count if one.count <= TILE else 0]  # one grid a row, or for all
    for of_first, source, result in ((True, one, other), (False, other, one)):
        for width in widths:
            if width >= FEWEST and all(_on_grid(source, result, width, rows) for rows in (LOOKED, one.count // width)):
                return of_first
    return None


def _on_grid(source: View, result: View, width: int, rows: int) -> bool:
    """Whether the first rows of a result are the source's, each on a grid of its own."""
    rows = min(rows, source.count // width)
    step = max(TILE // width, 1)
    for start in range(0, rows, step):
        places = (start * width, min(start + step, rows) * width)
        x, y = (
            widened(view.tensor.source.flat(view.offset + places[0], view.offset + places[1]), wide=True)
            for view in (source, result)
        )
        if not _rows_on_grid(x.reshape(-1, width), y.reshape(-1, width)):
            return False
    return True


def _rows_on_grid(x: Array, y: Array) -> bool:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    gaps = np.diff(np.sort(y, axis=1), axis=1)
    sizes = np.abs(y).max(axis=1, keepdims=True)
    apart = gaps > 1e-6 * sizes  # what the dtype's own rounding leaves is no gap
    steps = np.where(apart, gaps, np.inf).min(axis=1, keepdims=True)
    if not np.isfinite(steps).all():  # a row of one value tells no step
        return False
    counts = np.where(apart, gaps / steps, 0.0)
    even = np.abs(counts - np.rint(counts)) <= NEAR * np.maximum(counts, 1)
    few = (y.max(axis=1, keepdims=True) - y.min(axis=1, keepdims=True)) <= LEVELS * steps
    near = np.abs(y - x) <= (0.5 + NEAR) * steps
    return bool(even.all() and few.all() and near.all())
