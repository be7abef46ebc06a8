"""The values that a float dtype has, as the compiled loops ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from pondera.weights.tensor import DTYPES

WHOLE = 1 << 62
"""Bits that no float64 has: a dtype without mantissa counts its values by themselves."""


@dataclass(frozen=True)
class Grid:
    """A dtype's values, for the loops of one width.

    Attributes
    ----------
    drop
        How many bits of the wide mantissa it does not have.
    normal
        Bits, as wide float, of its smallest value of full precision.
    fine, below, step
        The place of a value among the dtype's own: ``bits * fine - below`` from ``normal`` on, ``|v| * step`` before.
    top
        Bits, as wide float, from which on it has no finite value.
    """

    drop: int
    normal: Any
    fine: float
    below: float
    step: float
    top: Any


@cache
def grid(name: str, wide: bool) -> Grid:
    """Return the grid of a dtype in float32's bits, or in float64's where ``wide``.

    Examples
    --------
    >>> grid("bfloat16", wide=False).drop, grid("float16", wide=True).drop
    (16, 42)
    """
    kind = DTYPES[name]
    whole, mantissa = (np.int64, 52) if wide else (np.int32, 23)
    find: Any = ml_dtypes.finfo
    limits = None if kind.kind in "biu" else find(kind)
    if limits is None:
        return Grid(0, whole(WHOLE if wide else 2**31 - 1), 1.0, 0.0, 1.0, whole(0))
    float_type = np.float64 if wide else np.float32
    digits, lowest = int(limits.nmant), float(limits.smallest_normal)
    normal = int(float_type(lowest).view(whole))
    drop = mantissa - digits
    if not drop:  # its own bits count its values, those below full precision too
        return Grid(0, whole(0), 1.0, 0.0, 1.0, whole(_most(wide)))
    fine = 2.0**-drop
    top = int(float_type(float(limits.max)).view(whole)) + (1 << drop)
    return Grid(
        drop, whole(normal), fine, normal * fine - 2.0**digits, 2.0**digits / lowest, whole(min(top, _most(wide)))
    )


def _most(wide: bool) -> int:
    return 0x7FF0000000000000 if wide else 0x7F800000


def digits_of(name: str) -> int:
    """Return how many bits of mantissa a dtype has; whole numbers and block encodings have no fixed ones: -1."""
    kind = DTYPES.get(name)
    if kind is None or kind.kind in "biu":
        return -1
    find: Any = ml_dtypes.finfo
    limits = find(np.dtype(f"f{kind.itemsize // 2}") if kind.kind == "c" else kind)
    return int(limits.nmant)


def coarser(one: str, other: str) -> str | None:
    """Return the dtype in whose last place two tensors' distance is told; None where one of them has none.

    Examples
    --------
    >>> coarser("float32", "bfloat16"), coarser("float16", "bfloat16"), coarser("float32", "Q8_0")
    ('bfloat16', 'bfloat16', None)
    """
    real = [{"complex64": "float32", "complex128": "float64"}.get(name, name) for name in (one, other)]
    if any(name not in DTYPES for name in real):
        return None
    floats = [name for name in real if digits_of(name) >= 0]
    return min(floats, key=digits_of) if floats else real[0]
