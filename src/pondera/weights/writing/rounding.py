"""Values of one dtype as another: rounded to the nearest, halves to even, with a count of what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pondera.weights.tensor import DTYPES, Array

BFLOAT16 = DTYPES["bfloat16"]

PIECE = 1 << 16
"""Values that are compared at a time: they stay in the processor's cache."""


@dataclass
class Losses:
    """What rounding did to values.

    Attributes
    ----------
    values
        How many were looked at.
    rounded
        How many came out as another number than they were.
    most
        The largest change of these, as a share of the number; of those that stayed finite and did not vanish.
    vanished
        How many became 0.
    overflowed
        How many became infinite.

    Examples
    --------
    >>> losses, values = Losses(), np.array([0.5, 0.1, 1e-9, 1e9])
    >>> losses.add(values, rounded(values, DTYPES["float16"]))
    >>> losses.rounded, losses.vanished, losses.overflowed
    (3, 1, 1)
    """

    values: int = 0
    rounded: int = 0
    most: float = 0.0
    vanished: int = 0
    overflowed: int = 0

    def add(self, before: Array, after: Array) -> None:
        """Count what changed between values, (n,), and the same values rounded, (n,)."""
        for start in range(0, len(before), PIECE):
            self._add(before[start : start + PIECE], after[start : start + PIECE])

    def _add(self, before: Array, after: Array) -> None:
        wide = np.float64 if before.dtype == np.float64 else np.float32
        with np.errstate(all="ignore"):  # some of what is no number is signalled; zeros are divided by
            given: Array = before.astype(wide, copy=False)
            got: Array = after.astype(wide)
            changed = (given != got) & (given == given)
            vanished, infinite = changed & (got == 0), changed & np.isinf(got)
            shares = np.where(changed & ~vanished & ~infinite, np.abs(got / given - 1), 0)
        self.values += len(before)
        self.rounded += int(changed.sum())
        self.vanished += int(vanished.sum())
        self.overflowed += int(infinite.sum())
        largest = int(shares.argmax())
        if shares[largest]:
            self.most = max(self.most, abs(float(got[largest]) / float(given[largest]) - 1))

    def merge(self, other: Losses) -> None:
        """Add what was counted elsewhere."""
        self.values += other.values
        self.rounded += other.rounded
        self.most = max(self.most, other.most)
        self.vanished += other.vanished
        self.overflowed += other.overflowed


def holds(dtype: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Whether every value of ``other``, a dtype of floats, is one of ``dtype``.

    >>> holds(DTYPES["float32"], DTYPES["bfloat16"]), holds(DTYPES["float16"], DTYPES["bfloat16"])
    (True, False)
    """
    if dtype == other:
        return True
    finfo: Any = ml_dtypes.finfo
    ours, theirs = finfo(dtype), finfo(other)
    return bool(
        ours.nmant >= theirs.nmant
        and float(ours.max) >= float(theirs.max)
        and float(ours.smallest_subnormal) <= float(theirs.smallest_subnormal)
    )


def rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return values, (n,), as another dtype: the nearest it has, of two as near the even one.

    NaN stays NaN; what is beyond the largest number becomes infinite.

    >>> rounded(np.array([1 + 2**-9 + 2**-40]), BFLOAT16).tolist()
    [1.0]
    >>> rounded(np.array([1 + 2**-8 + 2**-40]), BFLOAT16).tolist()
    [1.0078125]
    """
    with np.errstate(all="ignore"):
        if dtype == BFLOAT16 and values.dtype == np.float64:
            values = _to_odd(values)  # or it would be rounded twice, by way of float32
        return np.ascontiguousarray(values, dtype)


def _to_odd(values: Array) -> Array:
    """Return float64 as float32 in such a way that rounding once more gives what rounding once would.

    What float32 does not hold is cut off and its last bit set, so that it lies on no boundary (S. Boldo and
    G. Melquiond, "Emulation of a FMA and correctly rounded sums", IEEE Transactions on Computers 57, 2008).
    """
    found = values.astype(np.float32)
    back = found.astype(np.float64)
    bits = found.view(np.uint32)
    bits -= (np.abs(back) > np.abs(values)).astype(np.uint32)
    bits |= ((back != values) & ~np.isnan(values)).astype(np.uint32)
    return found
