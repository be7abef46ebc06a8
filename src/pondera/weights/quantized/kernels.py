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

from pondera.weights.quantized.blocks import E2M1_DOUBLED, E8M0_HALF, FOUR_BIT_LEVELS
from pondera.weights.tensor import Array

Kernel = Callable[[Array, Array, Array], None]

with np.errstate(all="ignore"):
    HALVES: Array = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""What each pattern of sixteen bits stands for."""

LEVELS: Array = FOUR_BIT_LEVELS.astype(np.float32)
E2M1: Array = E2M1_DOUBLED.astype(np.float32)


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


def q4_1(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * q + m``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        m = halves[int(blocks[i, 2]) | int(blocks[i, 3]) << 8]
        for j in range(out.shape[1] // 2):
            q = blocks[i, 4 + j]
            out[i, j] = d * np.float32(q & 15) + m
            out[i, 16 + j] = d * np.float32(q >> 4) + m


def q5_0(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * (q - 16)``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        first, second = int(blocks[i, 2]) | int(blocks[i, 3]) << 8, int(blocks[i, 4]) | int(blocks[i, 5]) << 8
        for j in range(out.shape[1] // 2):
            q = blocks[i, 6 + j]
            out[i, j] = d * (np.float32(q & 15 | (first >> j & 1) << 4) - np.float32(16))
            out[i, 16 + j] = d * (np.float32(q >> 4 | (second >> j & 1) << 4) - np.float32(16))


def q5_1(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * q + m``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        m = halves[int(blocks[i, 2]) | int(blocks[i, 3]) << 8]
        first, second = int(blocks[i, 4]) | int(blocks[i, 5]) << 8, int(blocks[i, 6]) | int(blocks[i, 7]) << 8
        for j in range(out.shape[1] // 2):
            q = blocks[i, 8 + j]
            out[i, j] = d * np.float32(q & 15 | (first >> j & 1) << 4) + m
            out[i, 16 + j] = d * np.float32(q >> 4 | (second >> j & 1) << 4) + m


def q2_k(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * scale * q - m * minimum``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 80]) | int(blocks[i, 81]) << 8]
        m = halves[int(blocks[i, 82]) | int(blocks[i, 83]) << 8]
        for k in range(4):  # 16 bytes hold four groups of 16 values
            g = k + 6 * (k // 2)  # the first of them; the next ones are two further each
            a, b, c, e = blocks[i, g], blocks[i, g + 2], blocks[i, g + 4], blocks[i, g + 6]
            scale_0, scale_1 = d * np.float32(a & 15), d * np.float32(b & 15)
            scale_2, scale_3 = d * np.float32(c & 15), d * np.float32(e & 15)
            minimum_0, minimum_1 = m * np.float32(a >> 4), m * np.float32(b >> 4)
            minimum_2, minimum_3 = m * np.float32(c >> 4), m * np.float32(e >> 4)
            for j in range(16):
                q, at = blocks[i, 16 + 16 * k + j], 16 * g + j
                out[i, at] = scale_0 * np.float32(q & 3) - minimum_0
                out[i, at + 32] = scale_1 * np.float32(q >> 2 & 3) - minimum_1
                out[i, at + 64] = scale_2 * np.float32(q >> 4 & 3) - minimum_2
                out[i, at + 96] = scale_3 * np.float32(q >> 6) - minimum_3


def q3_k(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * (scale - 32) * (q - 4)``."""
    scales = np.empty(16, np.float32)
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 108]) | int(blocks[i, 109]) << 8]
        for g in range(16):
            low, high = blocks[i, 96 + g % 8] >> 4 * (g // 8) & 15, blocks[i, 104 + g % 4] >> 2 * (g // 4) & 3
            scales[g] = d * (np.float32(low | high << 4) - np.float32(32))
        for k in range(4):  # 16 bytes hold the low bits of four groups of 16 values; two times 16 all the high bits
            g = k + 6 * (k // 2)  # the first of them; the next ones are two further each
            bit = 1 << 4 * (k // 2)  # of the high bits that of the first group
            scale_0, scale_1, scale_2, scale_3 = scales[g], scales[g + 2], scales[g + 4], scales[g + 6]
            for j in range(16):
                q, top, at = blocks[i, 32 + 16 * k + j], blocks[i, 16 * (k % 2) + j], 16 * g + j
                out[i, at] = scale_0 * (np.float32(q & 3) - np.float32(0 if top & bit else 4))
                out[i, at + 32] = scale_1 * (np.float32(q >> 2 & 3) - np.float32(0 if top & 2 * bit else 4))
                out[i, at + 64] = scale_2 * (np.float32(q >> 4 & 3) - np.float32(0 if top & 4 * bit else 4))
                out[i, at + 96] = scale_3 * (np.float32(q >> 6) - np.float32(0 if top & 8 * bit else 4))


def q4_k_and_q5_k(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * scale * q - m * minimum``; blocks of five bits have 32 bytes more, of the high bits."""
    five = blocks.shape[1] == 176
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
            if five:
                first, second = 1 << 2 * k, 2 << 2 * k  # which of its bits are the high ones here
                for j in range(32):
                    q, high = blocks[i, 48 + 32 * k + j], blocks[i, 16 + j]
                    a_high, b_high = np.float32(16 if high & first else 0), np.float32(16 if high & second else 0)
                    out[i, 64 * k + j] = scale_a * (np.float32(q & 15) + a_high) - minimum_a
                    out[i, 64 * k + 32 + j] = scale_b * (np.float32(q >> 4) + b_high) - minimum_b
            else:
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


def iq4_nl(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * level``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        for j in range(out.shape[1] // 2):
            q = blocks[i, 2 + j]
            out[i, j] = d * LEVELS[q & 15]
            out[i, 16 + j] = d * LEVELS[q >> 4]


def iq4_xs(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with ``d * (scale - 32) * level``."""
    for i in range(blocks.shape[0]):
        d = halves[int(blocks[i, 0]) | int(blocks[i, 1]) << 8]
        for g in range(8):  # groups of 32 values
            low, high = blocks[i, 4 + g // 2] >> 4 * (g % 2) & 15, blocks[i, 2 + g // 4] >> 2 * (g % 4) & 3
            scale = d * (np.float32(low | high << 4) - np.float32(32))
            for j in range(16):
                q = blocks[i, 8 + 16 * g + j]
                out[i, 32 * g + j] = scale * LEVELS[q & 15]
                out[i, 32 * g + 16 + j] = scale * LEVELS[q >> 4]


def mxfp4(blocks: Array, halves: Array, out: Array) -> None:
    """Fill ``out`` with floats of four bits times a power of two."""
    for i in range(blocks.shape[0]):
        scale = E8M0_HALF[blocks[i, 0]]
        for j in range(out.shape[1] // 2):
            q = blocks[i, 1 + j]
            out[i, j] = scale * E2M1[q & 15]
            out[i, 16 + j] = scale * E2M1[q >> 4]


KERNELS: dict[str, Kernel] = {
    "Q8_0": q8_0,
    "Q4_0": q4_0,
    "Q4_1": q4_1,
    "Q5_0": q5_0,
    "Q5_1": q5_1,
    "Q2_K": q2_k,
    "Q3_K": q3_k,
    "Q4_K": q4_k_and_q5_k,
    "Q5_K": q4_k_and_q5_k,
    "Q6_K": q6_k,
    "IQ4_NL": iq4_nl,
    "IQ4_XS": iq4_xs,
    "MXFP4": mxfp4,
}
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
