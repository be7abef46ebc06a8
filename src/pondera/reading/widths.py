"""Values of any dtype -> float32, or float64 where that does not hold them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from pondera.weights.tensor import Array

WIDE = ("float64", "int32", "uint32", "int64", "uint64", "complex128")
"""Dtypes whose values float32 does not hold."""

COMPLEX = {"complex64": "float32", "complex128": "float64"}
"""Dtypes whose values are two -> the dtype of each."""


@cache
def _table(kind: np.dtype[Any]) -> Array:
    return np.arange(256, dtype=np.uint8).view(kind).astype(np.float32)


def widened(values: Array, wide: bool | None = None) -> Array:
    """Return values of any dtype as float32 or float64, in one stretch that cannot be written to.

    Parameters
    ----------
    values
        (n,); complex ones become (2 n,), real and imaginary parts in turn.
    wide
        Whether as float64; by default where float32 does not hold them.

    Examples
    --------
    >>> widened(np.array([1, 2], np.int8)).dtype, widened(np.array([1, 2])).dtype
    (dtype('float32'), dtype('float64'))
    """
    wide = values.dtype.name in WIDE if wide is None else wide
    found = _as_floats(values, wide).view()
    found.flags.writeable = False  # as a mapped file's are: loops are then compiled for one kind of array only
    return found


def _as_floats(values: Array, wide: bool) -> Array:
    kind = values.dtype
    if kind.kind == "c":
        values = np.ascontiguousarray(values).view(np.float32 if kind.itemsize == 8 else np.float64)
    elif not wide and kind.name == "bfloat16":
        bits = values.view(np.uint16).astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    elif not wide and kind.itemsize == 1 and kind.kind not in "biu":
        found: Array = _table(kind)[values.view(np.uint8)]
        return found
    return np.ascontiguousarray(values, np.float64 if wide else np.float32)
