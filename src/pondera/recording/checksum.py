"""The checksum of TensorBoard's records: CRC-32C (Castagnoli, Bräuer & Herrmann 1993), masked.

Compiled, since an event file may have gigabytes and nothing in the standard library has this polynomial.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, the lowest bit first."""


def masked_crc(data: bytes | memoryview) -> int:
    """Return the checksum of a record: its CRC-32C turned by 15 bits, plus a constant.

    >>> hex(masked_crc(b"123456789"))  # whose CRC-32C is 0xE3069283
    '0xc78ab0e5'
    """
    crc = int(_crc(np.frombuffer(data, np.uint8), TABLE))
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF


def _table() -> Array:
    """Return what each byte does to a checksum: (256,)."""
    found: Array = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        found = found >> 1 ^ np.where(found & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    return found


TABLE = _table()


@njit(cache=True, nogil=True)
def _crc(data, table):  # type: ignore[no-untyped-def]
    crc = np.uint32(0xFFFFFFFF)
    for i in range(len(data)):
        crc = table[(crc ^ data[i]) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)
