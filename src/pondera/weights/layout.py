"""Values that lie in their file in another order, or in another byte order, than a tensor's own."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.weights.archive import Inflated
from pondera.weights.mapped import look
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
        if stop <= start:  # there may be no bytes at all
            return np.empty(0, self.dtype)
        look(self.buffer, (stop - start) * self.dtype.itemsize)
        axes = [(n, step * self.dtype.itemsize) for n, step in zip(self.shape, self.strides, strict=True) if n > 1]
        lengths, strides = [n for n, _ in axes], [step for _, step in axes]  # NumPy's views have 64 axes at most
        view: Array = np.ndarray(lengths, self.dtype, self.buffer, self.start, strides)
        return rows_of(view, start, stop)


class Turned:
    """Compressed values that lie with the first axis fastest.

    They are unpacked whole when the first of them are asked for, and forgotten when the last are.

    Parameters
    ----------
    source
        The values in the order in which they lie.
    shape
        Of the tensor.
    """

    def __init__(self, source: Source, shape: tuple[int, ...]) -> None:
        self.source, self.shape = source, shape
        self._whole: Array | None = None
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """How many bytes the values take, unpacked."""
        return self.source.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1."""
        count = math.prod(self.shape)
        if stop <= start:
            return self.source.flat(0, 0)
        with self._lock:
            if self._whole is None:
                self._whole = self.source.flat(0, count).reshape(self.shape, order="F")
            found = rows_of(self._whole, start, stop)
            if stop >= count:
                self._whole = None
            return found


def in_order(source: Source) -> bool:
    """Whether values have to be unpacked from the front on, so that to read them in another order would take long."""
    while not isinstance(source, Inflated):
        inner = getattr(source, "source", None)
        if inner is None or callable(inner):
            return False
        source = inner
    return True


def rows_of(view: Array, start: int, stop: int) -> Array:
    """Return the values start … stop − 1 of an array in any layout, in one stretch, copying no others.

    >>> rows_of(np.arange(12).reshape(4, 3).T, 3, 9).tolist()
    [9, 1, 4, 7, 10, 2]
    """
    return np.ascontiguousarray(_gathered(view, start, stop))


def _gathered(view: Array, start: int, stop: int) -> Array:
    """Return the end of one row, whole rows, the beginning of another: each row is an array of one axis less."""
    if view.ndim < 2 or stop <= start:
        return view.reshape(-1)[start:stop] if view.ndim < 2 else np.empty(0, view.dtype)
    width = math.prod(view.shape[1:])
    first, last = -(-start // width), stop // width  # the whole rows
    if first > last:
        return _gathered(view[last], start - last * width, stop - last * width)
    parts: list[Array] = []
    if start < first * width:
        parts.append(_gathered(view[first - 1], start - (first - 1) * width, width))
    if first < last:
        parts.append(view[first:last].reshape(-1))
    if stop > last * width:
        parts.append(_gathered(view[last], 0, stop - last * width))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
