"""One named tensor: its shape, its dtype, and where its values lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import ml_dtypes
import numpy as np

from pondera.errors import ArgumentError
from pondera.weights.mapped import look, require_uncut

Array = np.ndarray[Any, Any]

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(kind)
    for name, kind in {
        "bool": np.bool_,
        "int8": np.int8,
        "int16": np.int16,
        "int32": np.int32,
        "int64": np.int64,
        "uint8": np.uint8,
        "uint16": np.uint16,
        "uint32": np.uint32,
        "uint64": np.uint64,
        "float16": np.float16,
        "float32": np.float32,
        "float64": np.float64,
        "complex64": np.complex64,
        "complex128": np.complex128,
        "bfloat16": ml_dtypes.bfloat16,
        "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
        "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
        "float8_e5m2": ml_dtypes.float8_e5m2,
        "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
        "float8_e8m0fnu": ml_dtypes.float8_e8m0fnu,
    }.items()
}
"""Every dtype whose values take whole bytes, by its name; those NumPy does not have come from ml_dtypes."""

VALUES_AT_ONCE = 1 << 22
"""How many values are taken at a time by default."""


class Source(Protocol):
    """Where a tensor's values come from: any stretch of them, in the order of their indices, last axis fastest."""

    @property
    def nbytes(self) -> int:
        """How many bytes the values take where they are stored."""
        ...

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1, (stop − start,), decoded where they are encoded.

        The array may be a read-only view of a mapped file. Nothing but this stretch (and the rest of the blocks it
        lies in) is read.
        """
        ...


@dataclass(frozen=True)
class Mapped:
    """Values as they lie in a mapped file or any other buffer, little-endian.

    Attributes
    ----------
    buffer
        Bytes, at least up to the last value.
    start
        Where the first value begins.
    dtype
        One of :data:`DTYPES`.
    count
        How many values there are.
    """

    buffer: memoryview
    start: int
    dtype: np.dtype[Any]
    count: int

    @property
    def nbytes(self) -> int:
        """How many bytes the values take."""
        return self.count * self.dtype.itemsize

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1 without copying them."""
        count = max(stop - start, 0)
        look(self.buffer, count * self.dtype.itemsize)
        return np.frombuffer(self.buffer, self.dtype, count, self.start + start * self.dtype.itemsize)


@dataclass(frozen=True)
class Tensor:
    """A named array that is not read until its values are asked for.

    Attributes
    ----------
    name
        Its name in the file.
    shape
        As the framework that wrote it has it; ``()`` for a single number.
    dtype
        Name of the stored dtype: one of :data:`DTYPES`, or of a block encoding such as ``"Q4_K"``.
    source
        Where the values come from.

    Examples
    --------
    >>> data = np.arange(6, dtype="f4")
    >>> tensor = Tensor("w", (2, 3), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 6))
    >>> tensor[1].tolist()
    [3.0, 4.0, 5.0]
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    source: Source

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes it takes where it is stored."""
        return self.source.nbytes

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def values(self) -> Array:
        """Return all values in their shape: a view of the file where it holds them as they are."""
        return self.source.flat(0, self.count).reshape(self.shape)

    def chunks(self, size: int = VALUES_AT_ONCE) -> Iterator[Array]:
        """Yield all values in order, flat, at most ``size`` at a time: memory stays small however large the tensor."""
        for start in range(0, self.count, size):
            yield self.source.flat(start, min(start + size, self.count))
            require_uncut(self.source)

    def __getitem__(self, rows: int | slice) -> Array:
        """Return some rows of the first axis without reading the others.

        Raises
        ------
        ArgumentError
            If there is no such row, the step is not 1, or the tensor has no axis.
        """
        if not self.shape:
            raise ArgumentError(f"{self.name} is a single number; it has no rows. Use values().")
        length, width = self.shape[0], math.prod(self.shape[1:])
        if isinstance(rows, slice):
            start, stop, step = rows.indices(length)
            if step != 1:
                raise ArgumentError(f"{self.name}: rows are read in one stretch. Got {rows}; leave out the step.")
            stop = max(start, stop)
            return self.source.flat(start * width, stop * width).reshape(stop - start, *self.shape[1:])
        if not -length <= rows < length:
            raise ArgumentError(f"{self.name} has {length} rows. Got row {rows}.")
        at = rows % length
        return self.source.flat(at * width, (at + 1) * width).reshape(self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the values as NumPy asks for them."""
        return np.array(self.values(), dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<Tensor {self.name!r} {self.dtype} {' × '.join(map(str, self.shape)) or 'number'}>"
