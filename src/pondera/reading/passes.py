"""From a dtype to the compiled loop that takes its values."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from pondera.reading import kernels
from pondera.reading.tally import Array, Moments, Tally

FLOAT32_HOLDS = ("bool", "int8", "uint8", "int16", "uint16", "float32")


def tally_of(values: Array, dtype: np.dtype[Any] | None, every: int) -> Tally:
    """Return what values add up to.

    Parameters
    ----------
    values
        (n,) as they are stored, or decoded.
    dtype
        The stored dtype, where it is no block encoding.
    every
        The histogram counts every so-manyth block of :data:`~pondera.reading.kernels.BLOCK` values.
    """
    sums, counts = np.zeros(5), np.zeros(4, np.int64)
    histogram = np.zeros(kernels.BINS, np.int64)
    kind = values.dtype
    wide = kind.name in ("float64", "int32", "uint32", "int64", "uint64")
    extremes = np.array([kernels.MAX64, kernels.MIN64] if wide else [kernels.MAX32, kernels.MIN32])
    center, normal = _center(values), _smallest_normal(kind, wide)
    rest = (center, normal, every, sums, counts, extremes, histogram)
    if wide:
        numbers = np.ascontiguousarray(values, np.float64)
        kernels.float64_pass(numbers, numbers.view(np.int64), *rest)
    elif kind.name == "bfloat16":
        kernels.bfloat16_pass(values.view(np.uint16), *rest)
    elif kind.itemsize <= 2 and kind.kind not in "biu":
        kernels.table_pass(values.view(np.uint8 if kind.itemsize == 1 else np.uint16), _table(kind), *rest)
    else:
        numbers32 = np.ascontiguousarray(values, np.float32)
        kernels.float32_pass(numbers32, numbers32.view(np.int32), *rest)
    broken = int(counts[kernels.BROKEN])
    finite = len(values) - broken
    zeros, infinite = int(counts[kernels.ZEROS]), int(counts[kernels.INFINITE])
    return Tally(
        values=len(values),
        moments=Moments.about(center, finite, *(float(each) for each in sums[:4])),
        absolute=float(sums[kernels.ABSOLUTE]),
        low=_value(extremes[0]) if finite else np.inf,
        high=_value(extremes[1]) if finite else -np.inf,
        zeros=zeros,
        denormals=int(counts[kernels.TINY]) - zeros,
        infinite=infinite,
        nan=broken - infinite,
        histogram=histogram,
    )


def _center(values: Array) -> float:
    """Return the mean of the first finite values: close enough to that of all for sums about it not to lose digits."""
    with np.errstate(all="ignore"):
        first = values[:256].astype(np.float64)
    finite = first[np.isfinite(first)]
    return float(finite.mean()) if len(finite) else 0.0


def _value(order: Any) -> float:
    """Return the float whose bits, as an ordered whole number, these are."""
    if isinstance(order, np.int64):
        bits = order ^ np.int64(0x7FFFFFFFFFFFFFFF) if order < 0 else order
        return float(np.array(bits, np.int64).view(np.float64))
    bits = order ^ np.int32(0x7FFFFFFF) if order < 0 else order
    return float(np.array(bits, np.int32).view(np.float32))


@cache
def _smallest_normal(kind: np.dtype[Any], wide: bool) -> Any:
    """Return the bits of the smallest value of full precision, as the loop compares them."""
    if kind.kind in "biu":
        return np.int64(0) if wide else np.int32(0)
    limits: Any = ml_dtypes.finfo
    smallest = limits(kind).smallest_normal
    return np.float64(smallest).view(np.int64) if wide else np.float32(smallest).view(np.int32)


@cache
def _table(kind: np.dtype[Any]) -> Array:
    """Return the float32 that each pattern of 8 or 16 bits stands for."""
    patterns = np.arange(1 << 8 * kind.itemsize, dtype=np.uint8 if kind.itemsize == 1 else np.uint16)
    return patterns.view(kind).astype(np.float32)
