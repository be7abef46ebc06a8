"""A matrix as products see it: stood upright, in blocks of float32 or float64, scaled so that squares stay in range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.reading.widths import widened
from pondera.weights.tensor import Array

BLOCK = 1 << 23
"""Values that are multiplied at a time: enough for full speed, and few enough to stay in a cache."""

WHOLE = 1 << 28
"""Matrices of no more values than this are widened once; larger ones block by block, every time they are read."""

SAFE = 1e9
"""Between this and its reciprocal, sizes are left as they are: their squares, summed, are well within float32."""


@dataclass(frozen=True)
class Operand:
    """A matrix W, (N, n) with N ≥ n: one that was given or its transpose, multiplied by 2^−exponent.

    Attributes
    ----------
    values
        As they were given, or already widened.
    dtype
        What blocks are widened to.
    exponent
        What is still to be scaled.
    """

    values: Array
    dtype: np.dtype[Any]
    exponent: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """N and n."""
        return self.values.shape[0], self.values.shape[1]

    def blocks(self) -> Iterator[Array]:
        """Return all rows, some at a time: views where nothing has to be widened."""
        return map(self._block, self._starts())

    def _starts(self) -> range:
        return range(0, self.shape[0], self._rows())

    def _rows(self) -> int:
        return max(BLOCK // max(self.shape[1], 1), 1)

    def _block(self, start: int) -> Array:
        block = self.values[start : start + self._rows()]
        if self.exponent:
            block = np.ldexp(widened(block).astype(np.float64), -self.exponent)
        elif block.dtype not in (np.float32, np.float64):
            block = widened(block)
        return block.astype(self.dtype, copy=False)

    def held(self) -> Operand:
        """Return the same matrix, widened and scaled once and for all unless it is too large for that."""
        if (self.values.dtype == self.dtype and not self.exponent) or self.values.size > WHOLE:
            return self
        blocks = list(self.blocks())
        return Operand(blocks[0] if len(blocks) == 1 else np.concatenate(blocks), self.dtype)

    def times(self, columns: Array, pool: Executor) -> Array:
        """Return WᵀW times some columns, (n, columns), reading W once; blocks are shared out among threads."""

        def product(start: int) -> Array:
            block = self._block(start)
            result: Array = block.T @ (block @ columns)
            return result

        return sum(pool.map(product, self._starts()), np.zeros(columns.shape, columns.dtype))

    def gram(self) -> Array:
        """Return WᵀW, (n, n)."""
        result = np.zeros((self.shape[1], self.shape[1]), self.dtype)
        for block in self.blocks():
            result += block.T @ block
        return result

    def energy(self) -> float:
        """Return Σ w²: products in the dtype, sums of blocks' rows in float64."""
        return sum(float(np.einsum("ij,ij->i", block, block).sum(dtype=np.float64)) for block in self.blocks())


def operand_of(matrix: Array, dtype: Any) -> tuple[Operand, int] | None:
    """Return a matrix to be multiplied in a dtype and the exponent of its scale; None where a value is not finite."""
    upright = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    largest = 0.0
    for block in Operand(upright, widest(matrix.dtype)).blocks():
        top, bottom = float(block.max()), float(block.min())  # NaN wins both
        if not (math.isfinite(top) and math.isfinite(bottom)):
            return None
        largest = max(largest, top, -bottom)
    exponent = math.frexp(largest)[1] if largest and not 1 / SAFE < largest < SAFE else 0
    return Operand(upright, np.dtype(dtype), exponent).held(), exponent


def widest(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return which of float32 and float64 holds all values of a dtype.

    >>> widest(np.dtype(np.int8)), widest(np.dtype(np.float64))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(widened(np.empty(0, kind)).dtype)
