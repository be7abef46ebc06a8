"""Norms of a tensor's rows and columns, from one pass over its values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.reading import kernels
from pondera.reading.stretches import STRETCH, Stretch, over_threads
from pondera.reading.widths import widened
from pondera.weights.tensor import Tensor

Array = np.ndarray[Any, Any]


def norms_of(tensor: Tensor, threads: int | None = None) -> tuple[Array, Array]:
    """Return √Σ w² of every row and of every column; values that are not finite count as 0.

    Parameters
    ----------
    tensor
        Of any real dtype and at least two axes. A row is everything under one index of the first axis; a column, what
        lies at one place of all rows.
    threads
        How many stretches are read at a time; by default as many as there are cores. It changes no figure.

    Returns
    -------
    rows, columns
        (first axis,) and (the product of the others,) float64. Memory is that of these two, however large the tensor.

    Raises
    ------
    ArgumentError
        If there are fewer than two axes, or the values are complex.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> data = np.array([[3, 4], [0, 1]], np.float32)
    >>> tensor = Tensor("w", (2, 2), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 4))
    >>> rows, columns = norms_of(tensor)
    >>> rows.tolist(), (columns**2).round(9).tolist()
    ([5.0, 1.0], [9.0, 17.0])
    """
    if tensor.ndim < 2:
        raise ArgumentError(f"{tensor.name} has the shape {tensor.shape}; rows and columns need two axes or more.")
    if tensor.dtype.startswith("complex"):
        raise ArgumentError(f"{tensor.name} holds complex numbers; norms are of real ones. Take its parts.")
    width = math.prod(tensor.shape[1:])

    def squares(stretch: Stretch) -> tuple[Array, Array]:
        first, left = divmod(stretch.start, width)
        rows = np.zeros((stretch.stop - 1) // width - first + 1)
        columns, at = np.zeros(min(stretch.stop - stretch.start, width)), left  # all of them, or a part of one row's
        for values in stretch.pieces():
            kernels.add_squares(widened(values), at // width, at % width - left, width - left, rows, columns)
            at += len(values)
        return rows, columns

    rows, columns = np.zeros(tensor.shape[0]), np.zeros(width)
    found = over_threads(squares, _rows(tensor, width), tensor.nbytes, threads)
    for stretch, (of_rows, of_columns) in found:
        first, left = divmod(stretch.start, width)
        rows[first : first + len(of_rows)] += of_rows
        columns[left : left + len(of_columns)] += of_columns
    return np.sqrt(rows), np.sqrt(columns)


def _rows(tensor: Tensor, width: int) -> Iterator[Stretch]:
    """Yield whole rows, several at a time, or parts of one row where rows are longer than a stretch."""
    whole = max(STRETCH // max(width, 1), 1) * width  # values of whole rows
    for row in range(0, tensor.count, max(whole, 1)):
        end = min(row + whole, tensor.count)
        step = min(whole, STRETCH)
        yield from (Stretch(tensor, at, min(at + step, end)) for at in range(row, end, step))
