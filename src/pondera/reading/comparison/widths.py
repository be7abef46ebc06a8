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


def widened(values: Array, wide: bool) -> Array:
    """Return values as float32 or float64, complex ones as pairs, in one stretch."""
    kind = values.dtype
    if kind.kind == "c":
        values = np.ascontiguousarray(values).view(np.float32 if kind.itemsize == 8 else np.float64)
        kind = values.dtype
    if wide:
        return np.ascontiguousarray(values, np.float64)
    if kind.name == "bfloat16":
        bits = values.view(np.uint16).astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    if kind.itemsize == 1 and kind.kind not in "biu":
        found: Array = _table(kind)[values.view(np.uint8)]
        return found
    return np.ascontiguousarray(values, np.float32)
