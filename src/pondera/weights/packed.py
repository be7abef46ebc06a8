"""Values of fewer than eight bits, packed into bytes without gap, the lowest bits first."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from pondera.weights.tensor import Array

PACKED: dict[str, tuple[int, Array]] = {
    name: (bits, np.arange(1 << bits, dtype=np.uint8).view(kind).astype(np.float32))
    for name, bits, kind in (
        ("float4_e2m1fn", 4, ml_dtypes.float4_e2m1fn),
        ("float6_e2m3fn", 6, ml_dtypes.float6_e2m3fn),
        ("float6_e3m2fn", 6, ml_dtypes.float6_e3m2fn),
    )
}
"""Name of a dtype -> how many bits a value takes, and what each pattern of bits stands for."""

GROUP = 4
"""As many values as fill whole bytes under every width: 4 of 4 bits are 2 bytes, 4 of 6 bits are 3."""


@dataclass(frozen=True)
class Packed:
    """Values of a dtype in :data:`PACKED`; they come out as float32, which holds each of them exactly.

    Attributes
    ----------
    buffer
        Bytes, at least up to the last value.
    start
        Where the first value begins.
    dtype
        A name in :data:`PACKED`.
    count
        How many values there are.
    """

    buffer: memoryview
    start: int
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        """How many bytes the values take; the last one may be part empty."""
        return -(-self.count * PACKED[self.dtype][0] // 8)

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1 as float32."""
        bits, meaning = PACKED[self.dtype]
        first, last = start // GROUP, -(-stop // GROUP)
        size = GROUP * bits // 8  # bytes a group
        given = np.frombuffer(
            self.buffer, np.uint8, min(last * size, self.nbytes) - first * size, self.start + first * size
        )
        groups = np.zeros((last - first, 4), np.uint8)
        padded = np.zeros((last - first) * size, np.uint8)
        padded[: len(given)] = given
        groups[:, :size] = padded.reshape(-1, size)
        words = groups.view("<u4")  # (groups, 1)
        codes = (words >> (bits * np.arange(GROUP, dtype=np.uint32))) & ((1 << bits) - 1)  # (groups, GROUP)
        found: Array = meaning[codes.reshape(-1)]
        return found[start - first * GROUP : stop - first * GROUP]
