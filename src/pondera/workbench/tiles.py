"""Pieces of large matrices, reduced so that nothing large is lost: each cell holds its most extreme value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.weights.mapped import require_uncut
from pondera.weights.tensor import Tensor

Array = np.ndarray[Any, Any]

MOST_CELLS = 1 << 20
"""Of a tile."""

AT_ONCE = 1 << 22
"""Values that are held at a time."""

NARROW = 1024
"""Values of a row up to which it is read whole: to read a part of each row of many takes longer."""

MOST = np.finfo(np.float32).max


def extremes(tensor: Tensor, rows: tuple[int, int], columns: tuple[int, int], cells: tuple[int, int]) -> Array:
    """Return a piece of a tensor in fewer cells, float32 of shape ``cells``: of each, the value of the largest size.

    A tensor of more than two axes is looked at as its first axis by all others; one of fewer is one row.

    Parameters
    ----------
    tensor
        What is looked at.
    rows, columns
        The first, and the one after the last.
    cells
        How many cells down and to the right; never more than there are values.

    Raises
    ------
    ArgumentError
        If there is no such piece, or it has too many cells.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> data = np.array([[1, -9, 2, 3], [0, 1, 2, -4]], "f4")
    >>> extremes(Tensor("w", (2, 4), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 8)), (0, 2), (0, 4), (1, 2))
    array([[-9., -4.]], dtype=float32)
    """  # noqa: E501
    height, width = plane(tensor.shape)
    (top, bottom), (left, right) = rows, columns
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ArgumentError(
            f"{tensor.name} is {height} by {width}. Got rows {top}:{bottom} and columns {left}:{right}."
        )
    down, across = min(cells[0], bottom - top), min(cells[1], right - left)
    if down < 1 or across < 1 or down * across > MOST_CELLS:
        raise ArgumentError(f"A tile takes from 1 to {MOST_CELLS:,} cells. Got {cells[0]} by {cells[1]}.")
    below, right_of = top + _edges(bottom - top, down), left + _edges(right - left, across)
    found = np.zeros((down, across), np.float32)
    wide = min(right - left, AT_ONCE)
    high = AT_ONCE // (width if _is_narrow(width) else wide)
    for row in range(top, bottom, high):  # as many rows at a time as fit, of wide ones a part
        last = min(row + high, bottom)
        down_cells, row_starts = _touched(below, row, last)
        for column in range(left, right, wide):
            end = min(column + wide, right)
            across_cells, column_starts = _touched(right_of, column, end)
            values = _extreme(_extreme(_piece(tensor, row, last, column, end), row_starts, 0), column_starts, 1)
            found[down_cells, across_cells] = _larger(found[down_cells, across_cells], values)
    require_uncut(tensor.source)
    return found


def plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many rows and columns a tensor of a shape is looked at in.

    Examples
    --------
    >>> plane((64, 3, 7, 7)), plane((10,)), plane(())
    ((64, 147), (1, 10), (1, 1))
    """
    return (1, math.prod(shape)) if len(shape) < 2 else (shape[0], math.prod(shape[1:]))


def _edges(count: int, cells: int) -> Array:
    """Return where cells begin, and where the last one ends: (cells + 1,), all of them different."""
    return np.arange(cells + 1, dtype=np.int64) * count // cells


def _touched(edges: Array, start: int, stop: int) -> tuple[slice, list[int]]:
    """Return which cells a stretch reaches into, and where in the stretch each of them begins."""
    first = int(np.searchsorted(edges, start, "right")) - 1
    last = int(np.searchsorted(edges, stop, "left"))
    return slice(first, last), (np.maximum(edges[first:last], start) - start).tolist()


def _piece(tensor: Tensor, top: int, bottom: int, left: int, right: int) -> Array:
    """Return some rows and columns of a tensor; of narrow ones whole rows are read, of wide ones their part."""
    if tensor.ndim < 2:
        return _plain(tensor.source.flat(left, right)).reshape(1, -1)
    width = plane(tensor.shape)[1]
    if right - left == width or _is_narrow(width):
        rows = tensor.source.flat(top * width, bottom * width).reshape(bottom - top, width)
        return _plain(rows[:, left:right])
    return np.stack([_plain(tensor.source.flat(row * width + left, row * width + right)) for row in range(top, bottom)])


def _is_narrow(width: int) -> bool:
    """Whether rows are read whole, whatever part of them is looked at."""
    return width <= min(NARROW, AT_ONCE)


def _plain(values: Array) -> Array:
    """Return values as float32, complex ones by their magnitude; finite ones stay finite."""
    finite = np.isfinite(values)
    if np.iscomplexobj(values):
        values = np.abs(values)
    with np.errstate(over="ignore"):
        plain = np.asarray(values).astype(np.float32)
    beyond = np.isinf(plain) & finite
    return np.where(beyond, np.copysign(MOST, plain), plain) if beyond.any() else plain


def _larger(one: Array, other: Array) -> Array:
    """Return, place by place, the value of the larger size; NaN where there is one."""
    return np.where(np.isnan(one) | (np.abs(one) >= np.abs(other)), one, other)


def _extreme(values: Array, starts: list[int], axis: int) -> Array:
    """Return, of each stretch along an axis, the value of the largest size; NaN where there is one."""
    if len(starts) == values.shape[axis]:
        return values
    high, low = np.maximum.reduceat(values, starts, axis), np.minimum.reduceat(values, starts, axis)
    return np.where(high >= -low, high, np.where(np.isnan(high), high, low))
