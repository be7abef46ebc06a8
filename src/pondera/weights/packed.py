"""Values of fewer than eight bits, packed into bytes without gap, the lowest bits first."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from pondera.weights.tensor import Array, Source

PACKED: dict[str, tuple[int, Array]] = {
    name: (bits, np.arange(1 << bits, dtype=np.uint8).view(kind).astype(np.float32))
    for name, bits, kind in (
        ("float4_e2m1fn", 4, ml_dtypes.float4_e2m1fn),
        ("float6_e2m3fn", 6, ml_dtypes.float6_e2m3fn),
        ("float6_e3m2fn", 6, ml_dtypes.float6_e3m2fn),
    )
}
"""Name of a dtype -> how many bits a value takes, and what each pattern of bits stands for."""

NARROW: dict[str, tuple[int, Array]] = {
    "uint2": (2, np.arange(4, dtype=np.uint8)),
    "int2": (2, np.array([0, 1, -2, -1], np.int8)),
    "uint4": (4, np.arange(16, dtype=np.uint8)),
    "int4": (4, np.array([*range(8), *range(-8, 0)], np.int8)),
    **PACKED,
}
"""The same for whole numbers too, which come out as those of eight bits."""

GROUP = 4
"""As many values as fill whole bytes under every width: 4 of 4 bits are 2 bytes, 4 of 6 bits are 3."""


@dataclass(frozen=True)
class Packed:
    """Values of a dtype in :data:`NARROW`; they come out as the smallest dtype of whole bytes that holds each exactly.

    Attributes
    ----------
    source
        The bytes that they are packed into, as uint8.
    dtype
        A name in :data:`NARROW`.
    count
        How many values there are.
    """

    source: Source
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        """How many bytes the values take where they are stored."""
        return self.source.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1."""
        bits, meaning = NARROW[self.dtype]
        first, last = start // GROUP, -(-stop // GROUP)
        size = GROUP * bits // 8  # bytes a group
        given = self.source.flat(first * size, min(last * size, packed_size(self.dtype, self.count)))
        groups = np.zeros((last - first, 4), np.uint8)
        padded = np.zeros((last - first) * size, np.uint8)
        padded[: len(given)] = given
        groups[:, :size] = padded.reshape(-1, size)
        words = groups.view("<u4")  # (groups, 1)
        codes = (words >> (bits * np.arange(GROUP, dtype=np.uint32))) & ((1 << bits) - 1)  # (groups, GROUP)
        found: Array = meaning[codes.reshape(-1)]
        return found[start - first * GROUP : stop - first * GROUP]


def packed_size(dtype: str, count: int) -> int:
    """Return how many bytes values take; the last one may be part empty.

    >>> packed_size("int4", 3), packed_size("float6_e2m3fn", 4)
    (2, 3)
    """
    return -(-count * NARROW[dtype][0] // 8)


def pack(values: Array, dtype: str) -> Array:
    """Return the bytes of values, (n,), that a dtype in :data:`PACKED` holds; the last byte may be part empty.

    >>> pack(np.array([0.5, -6.0, 1.0]), "float4_e2m1fn").tolist()
    [241, 2]
    """
    bits, _ = PACKED[dtype]
    groups = -(-len(values) // GROUP)
    codes = np.zeros(groups * GROUP, np.uint32)
    codes[: len(values)] = values.astype(np.dtype(getattr(ml_dtypes, dtype))).view(np.uint8)
    words = np.bitwise_or.reduce(codes.reshape(groups, GROUP) << (bits * np.arange(GROUP, dtype=np.uint32)), axis=1)
    found: Array = words.astype("<u4")[:, None].view(np.uint8)[:, : GROUP * bits // 8]
    return found.reshape(-1)[: -(-len(values) * bits // 8)]
