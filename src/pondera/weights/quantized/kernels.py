"""The most used block encodings -> floats, as loops that Numba compiles when the first such block is decoded.

A kernel takes blocks as bytes, (n, bytes a block), the value of every half-precision number, (65536,), and where the
floats go, (n, values a block). It computes what its namesake in :mod:`pondera.weights.quantized.blocks` computes, with
the same roundings: whole numbers become floats before anything is subtracted from them, which is exact, and keeps the
loops in the one type that vectorizes. The shortest loops take their length from ``out``, although it is known: a loop
of a known length is unrolled before it can be vectorized, and is then four times slower.

Compiled code is kept in Numba's cache: beside this file, or in the user's cache folder where that cannot be written to
(``NUMBA_CACHE_DIR`` names another one). Where neither can be, it is compiled anew in every process.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pondera.weights.tensor import Array

Kernel = Callable[[Array, Array, Array], None]

with np.errstate(all="ignore"):
    HALVES: Array = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""What each pattern of sixteen bits stands for."""


def q8_0(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * q``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        for j in range(out.shape[1]):
            out[i, j] = d * np.float32(np.int8(blocks[i, 2 + j]))


def q4_0(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * (q - 8)``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        for j in range(out.shape[1] // 2):
            q = blocks[i, 2 + j]
            out[i, j] = d * (np.float32(q & 15) - np.float32(8))
            out[i, 16 + j] = d * (np.float32(q >> 4) - np.float32(8))


def q4_k(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * scale * q - m * minimum``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        m = halves[int(blocks[i, 2]) | int(blocks[i, 3]) << 8]
        for k in range(4):  # 32 bytes hold two groups of 32 values
            if k < 2:
                a, b = blocks[i, 4 + 2 * k] & 63, blocks[i, 5 + 2 * k] & 63
                low_a, low_b = blocks[i, 8 + 2 * k] & 63, blocks[i, 9 + 2 * k] & 63
            else:
                x, y = blocks[i, 8 + 2 * k], blocks[i, 9 + 2 * k]
                a = x & 15 | blocks[i, 2 * k] >> 2 & 48
                b = y & 15 | blocks[i, 1 + 2 * k] >> 2 & 48
                low_a = x >> 4 | blocks[i, 4 + 2 * k] >> 2 & 48
                low_b = y >> 4 | blocks[i, 5 + 2 * k] >> 2 & 48
            scale_a, scale_b = d * np.float32(a), d * np.float32(b)
            minimum_a, minimum_b = m * np.float32(low_a), m * np.float32(low_b)
            for j in range(32):
                q = blocks[i, 16 + 32 * k + j]
                out[i, 64 * k + j] = scale_a * np.float32(q & 15) - minimum_a
                out[i, 64 * k + 32 + j] = scale_b * np.float32(q >> 4) - minimum_b


def q6_k(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * scale * (q - 32)``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 208]) | int(blocks[i, 209]) << 8]
        for k in range(2):  # 128 values each
            for h in range(2):  # of 16 bytes: a scale holds for 16 values
                s = 192 + 8 * k + h
                scale_0 = d * np.float32(np.int8(blocks[i, s]))
                scale_1 = d * np.float32(np.int8(blocks[i, s + 2]))
                scale_2 = d * np.float32(np.int8(blocks[i, s + 4]))
                scale_3 = d * np.float32(np.int8(blocks[i, s + 6]))
                for j in range(16 * h, 16 * h + 16):
                    x, y, high = blocks[i, 64 * k + j], blocks[i, 64 * k + 32 + j], blocks[i, 128 + 32 * k + j]
                    at = 128 * k + j
                    out[i, at] = scale_0 * (np.float32(x & 15 | (high & 3) << 4) - np.float32(32))
                    out[i, at + 32] = scale_1 * (np.float32(y & 15 | (high & 12) << 2) - np.float32(32))
                    out[i, at + 64] = scale_2 * (np.float32(x >> 4 | high & 48) - np.float32(32))
                    out[i, at + 96] = scale_3 * (np.float32(y >> 4 | (high & 192) >> 2) - np.float32(32))


KERNELS: dict[str, Kernel] = {"Q8_0": q8_0, "Q4_0": q4_0, "Q4_K": q4_k, "Q6_K": q6_k}
"""Name of an encoding -> the loop that decodes it, as plain Python."""


@functools.cache
def compiled(name: str) -> Kernel | None:
    """Return a kernel as machine code; None where there is none or Numba is not installed."""
    if name not in KERNELS:
        return None
    try:
        numba: Any = importlib.import_module("numba")
    except ImportError:
        return None
    types = numba.types
    signature = types.void(
        types.Array(types.uint8, 2, "C", readonly=True),  # a mapped file cannot be written to
        types.Array(types.float32, 1, "C", readonly=True),
        types.Array(types.float32, 2, "C"),
    )
    try:
        kernel: Kernel = numba.njit(signature, nogil=True, cache=True)(KERNELS[name])
    except (RuntimeError, OSError):  # no folder that the cache can be written to, or no room in it
        kernel = numba.njit(signature, nogil=True)(KERNELS[name])
    return kernel
