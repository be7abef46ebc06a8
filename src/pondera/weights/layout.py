"""Values that lie in their file in another order, or in another byte order, than a tensor's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.weights.tensor import Array, Source


@dataclass(frozen=True)
class Converted:
    """Values that come out as another dtype, such as the machine's byte order."""

    source: Source
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """How many bytes the values take where they are stored."""
        return self.source.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1, converted."""
        return self.source.flat(start, stop).astype(self.dtype)


@dataclass(frozen=True)
class Transposed:
    """Values that lie with the first axis fastest, as Fortran has them.

    Attributes
    ----------
    source
        The values in the order in which they lie.
    shape
        Of the tensor.
    """

    source: Source
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """How many bytes the values take where they are stored."""
        return self.source.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1; of a mapped source only these are looked at."""
        if stop <= start:
            return self.source.flat(0, 0)
        whole = self.source.flat(0, math.prod(self.shape)).reshape(self.shape, order="F")
        return rows_of(whole, start, stop)


@dataclass(frozen=True)
class Strided:
    """Values that lie in a buffer at steps of their own: a transposed, sliced or repeated array.

    Attributes
    ----------
    buffer
        Bytes.
    start
        Where the value at index 0, 0, … lies.
    dtype
        Of the values.
    shape, strides
        Of the tensor; strides in values, not bytes, at least 0.
    """

    buffer: memoryview
    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """How many bytes the values would take one after the other."""
        return math.prod(self.shape) * self.dtype.itemsize

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1, gathered."""
        if stop <= start:
            return np.empty(0, self.dtype)
        reach = 1 + sum((length - 1) * step for length, step in zip(self.shape, self.strides, strict=True))
        whole = np.frombuffer(self.buffer, self.dtype, reach, self.start)
        strides = [step * self.dtype.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(whole, self.shape, strides, writeable=False)
        return rows_of(view, start, stop)


def rows_of(view: Array, start: int, stop: int) -> Array:
    """Return the values start … stop − 1 of an array in any layout, copying no more than the rows they lie in."""
    if not view.shape:
        return view.reshape(1)
    width = math.prod(view.shape[1:])
    first, last = start // width, -(-stop // width)
    found: Array = view[first:last].reshape(-1)
    return found[start - first * width : stop - first * width]
