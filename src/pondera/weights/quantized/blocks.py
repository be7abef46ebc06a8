"""Blocks of numbers that share a scale -> floats, in NumPy: how the bytes of each encoding are laid out, and read.

The encodings are those of ggml (https://github.com/ggml-org/ggml; ``ggml-common.h`` has the layouts). A block is
described by a structured dtype; a decoder takes an array of such blocks, (n,), and returns float32, (n, values a
block). Sums and products are rounded one by one in the order of ggml's own Python package, so that the results are the
same to the bit; ggml's C code may fuse ``scale * q - minimum`` and then differs in the last bit.

Encodings whose blocks refer to a table of points are in :mod:`pondera.weights.quantized.grids`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.weights.tensor import Array

FIELDS: dict[str, list[Any]] = {
    "Q1_0": [("d", "<f2"), ("qs", "u1", 16)],
    "Q4_0": [("d", "<f2"), ("qs", "u1", 16)],
    "Q4_1": [("d", "<f2"), ("m", "<f2"), ("qs", "u1", 16)],
    "Q5_0": [("d", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)],
    "Q5_1": [("d", "<f2"), ("m", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)],
    "Q8_0": [("d", "<f2"), ("qs", "i1", 32)],
    "Q2_K": [("scales", "u1", 16), ("qs", "u1", 64), ("d", "<f2"), ("m", "<f2")],
    "Q3_K": [("qh", "u1", 32), ("qs", "u1", 64), ("scales", "u1", 12), ("d", "<f2")],
    "Q4_K": [("d", "<f2"), ("m", "<f2"), ("scales", "u1", 12), ("qs", "u1", 128)],
    "Q5_K": [("d", "<f2"), ("m", "<f2"), ("scales", "u1", 12), ("qh", "u1", 32), ("qs", "u1", 128)],
    "Q6_K": [("qs", "u1", 128), ("qh", "u1", 64), ("scales", "i1", 16), ("d", "<f2")],
    "Q8_K": [("d", "<f4"), ("qs", "i1", 256), ("sums", "<i2", 16)],
    "IQ4_NL": [("d", "<f2"), ("qs", "u1", 16)],
    "IQ4_XS": [("d", "<f2"), ("scales_h", "u1", 2), ("scales", "u1", 4), ("qs", "u1", 128)],
    "TQ1_0": [("qs", "u1", 48), ("qh", "u1", 4), ("d", "<f2")],
    "TQ2_0": [("qs", "u1", 64), ("d", "<f2")],
    "MXFP4": [("e", "u1"), ("qs", "u1", 16)],
    "NVFP4": [("scales", "u1", 4), ("qs", "u1", 32)],
}
"""The bytes of a block: ``d`` and ``m`` are the block's scale and minimum, ``qs`` the low and ``qh`` the high bits."""

LAYOUTS: dict[str, np.dtype[Any]] = {name: np.dtype(fields) for name, fields in FIELDS.items()}

FOUR_BIT_LEVELS = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113],
    np.int8,
)
"""The 16 unevenly spaced values of IQ4_NL and IQ4_XS."""

E2M1_DOUBLED = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
"""The 16 floats of four bits, times two to make them whole; the scales below are halved in turn."""

E8M0_HALF: Array = np.ldexp(np.float32(1), np.arange(256) - 128).astype(np.float32)
"""Powers of two, 2^(e - 127) / 2."""


def _ue4m3_half() -> Array:
    codes = np.arange(256)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    value = np.where(exponent == 0, mantissa * 2.0**-9, np.ldexp(1 + mantissa / 8, exponent - 7)) / 2
    value[0x7F] = 0  # not a number in the format; ggml reads nothing
    return value.astype(np.float32)


UE4M3_HALF = _ue4m3_half()
"""Floats of four bits of exponent and three of mantissa, halved; the highest bit is ignored."""


def bits(packed: Array, width: int, group: int = 1) -> Array:
    """Return numbers of ``width`` bits out of bytes, (n, bytes) -> (n, bytes · 8 / width).

    Of each group of bytes first come the lowest bits of all its bytes, then the next ones.

    >>> bits(np.array([[0x21, 0x43]], np.uint8), 4).tolist()
    [[1, 2, 3, 4]]
    >>> bits(np.array([[0x21, 0x43]], np.uint8), 4, group=2).tolist()
    [[1, 3, 2, 4]]
    """
    shifts = np.arange(0, 8, width, dtype=np.uint8)[:, None]
    found: Array = packed.reshape(len(packed), -1, 1, group) >> shifts & np.uint8((1 << width) - 1)
    return found.reshape(len(packed), -1)


def floats(field: Array) -> Array:
    """Return a field of floats as float32, (n,) -> (n, 1)."""
    return field.astype(np.float32)[:, None]


def scaled(scales: Array, q: Array) -> Array:
    """Return whole numbers, (n, values), times the scale of their group, (n, groups)."""
    groups = q.reshape(*scales.shape, -1).astype(np.float32)
    found: Array = scales[..., None] * groups
    return found.reshape(len(q), -1)


def q1_0(blocks: Array) -> Array:
    """A sign each: plus or minus the scale."""
    return scaled(floats(blocks["d"]), bits(blocks["qs"], 1).astype(np.int8) * np.int8(2) - np.int8(1))


def q4_0(blocks: Array) -> Array:
    """``d * (q - 8)``."""
    return scaled(floats(blocks["d"]), bits(blocks["qs"], 4, 16).astype(np.int8) - np.int8(8))


def q4_1(blocks: Array) -> Array:
    """``d * q + m``."""
    found: Array = scaled(floats(blocks["d"]), bits(blocks["qs"], 4, 16)) + floats(blocks["m"])
    return found


def _five_bits(blocks: Array, low: int, high: int) -> Array:
    found: Array = bits(blocks["qs"], 4, low) | bits(blocks["qh"], 1, high) << np.uint8(4)
    return found


def q5_0(blocks: Array) -> Array:
    """``d * (q - 16)``."""
    return scaled(floats(blocks["d"]), _five_bits(blocks, 16, 1).astype(np.int8) - np.int8(16))


def q5_1(blocks: Array) -> Array:
    """``d * q + m``."""
    found: Array = scaled(floats(blocks["d"]), _five_bits(blocks, 16, 1)) + floats(blocks["m"])
    return found


def q8(blocks: Array) -> Array:
    """``d * q``: Q8_0, and Q8_K, whose sums are there for products and not needed."""
    return scaled(floats(blocks["d"]), blocks["qs"])


def q2_k(blocks: Array) -> Array:
    """``d * scale * q - m * minimum``: 16 groups of 16 values, scale and minimum of 4 bits each."""
    scales = floats(blocks["d"]) * (blocks["scales"] & np.uint8(15))
    minima = floats(blocks["m"]) * (blocks["scales"] >> np.uint8(4))
    found: Array = scaled(scales, bits(blocks["qs"], 2, 32)) - np.repeat(minima, 16, axis=1)
    return found


def q3_k(blocks: Array) -> Array:
    """``d * (scale - 32) * q``: 16 groups of 16 values; q is lowered by 4 where its high bit is not set."""
    packed = blocks["scales"]
    scales = bits(packed[:, :8], 4, 8) | bits(packed[:, 8:], 2, 4) << np.uint8(4)
    q = bits(blocks["qs"], 2, 32) | bits(blocks["qh"], 1, 32) << np.uint8(2)
    return scaled(floats(blocks["d"]) * (scales.astype(np.int8) - np.int8(32)), q.astype(np.int8) - np.int8(4))


def scales_and_minima(packed: Array) -> tuple[Array, Array]:
    """Return the eight scales and eight minima of six bits each that Q4_K and Q5_K pack into twelve bytes.

    The first four bytes hold four scales, the next four their minima. Their two upper bits belong to the other four,
    whose lower bits are in the last four bytes.
    """
    first, second, rest = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    high = np.uint8(0x30)
    scales = [first & np.uint8(63), rest & np.uint8(15) | first >> np.uint8(2) & high]
    minima = [second & np.uint8(63), rest >> np.uint8(4) | second >> np.uint8(2) & high]
    return np.concatenate(scales, axis=1), np.concatenate(minima, axis=1)


def _with_minima(blocks: Array, q: Array) -> Array:
    scales, minima = scales_and_minima(blocks["scales"])
    lowered = np.repeat(floats(blocks["m"]) * minima, 32, axis=1)
    found: Array = scaled(floats(blocks["d"]) * scales, q) - lowered
    return found


def q4_k(blocks: Array) -> Array:
    """``d * scale * q - m * minimum``: 8 groups of 32 values."""
    return _with_minima(blocks, bits(blocks["qs"], 4, 32))


def q5_k(blocks: Array) -> Array:
    """``d * scale * q - m * minimum``: 8 groups of 32 values."""
    return _with_minima(blocks, _five_bits(blocks, 32, 32))


def q6_k(blocks: Array) -> Array:
    """``d * scale * (q - 32)``: 16 groups of 16 values."""
    q = bits(blocks["qs"], 4, 64) | bits(blocks["qh"], 2, 32) << np.uint8(4)
    return scaled(floats(blocks["d"]) * blocks["scales"], q.astype(np.int8) - np.int8(32))


def iq4_nl(blocks: Array) -> Array:
    """``d * level``."""
    return scaled(floats(blocks["d"]), FOUR_BIT_LEVELS[bits(blocks["qs"], 4, 16)])


def iq4_xs(blocks: Array) -> Array:
    """``d * (scale - 32) * level``: 8 groups of 32 values."""
    scales = bits(blocks["scales"], 4) | bits(blocks["scales_h"], 2) << np.uint8(4)
    levels = FOUR_BIT_LEVELS[bits(blocks["qs"], 4, 16)]
    return scaled(floats(blocks["d"]) * (scales.astype(np.int8) - np.int8(32)), levels)


def tq1_0(blocks: Array) -> Array:
    """``d * q``, q of -1, 0, 1: five to a byte, which is a fraction of 256 written with the digits 0, 1, 2."""
    parts = ((blocks["qs"][:, :32], 5), (blocks["qs"][:, 32:], 5), (blocks["qh"], 4))
    digits = [
        (packed[:, None, :] * np.array([1, 3, 9, 27, 81], np.uint8)[:count, None]).reshape(len(blocks), -1)
        for packed, count in parts
    ]
    q = np.concatenate(digits, axis=1).astype(np.uint16) * np.uint16(3) >> np.uint16(8)
    return scaled(floats(blocks["d"]), q.astype(np.int8) - np.int8(1))


def tq2_0(blocks: Array) -> Array:
    """``d * (q - 1)``."""
    return scaled(floats(blocks["d"]), bits(blocks["qs"], 2, 32).astype(np.int8) - np.int8(1))


def mxfp4(blocks: Array) -> Array:
    """Floats of four bits times a power of two (OCP Microscaling Formats, version 1.0)."""
    return scaled(E8M0_HALF[blocks["e"]][:, None], E2M1_DOUBLED[bits(blocks["qs"], 4, 16)])


def nvfp4(blocks: Array) -> Array:
    """Floats of four bits times a scale that is a float of eight bits: 4 groups of 16 values."""
    return scaled(UE4M3_HALF[blocks["scales"]], E2M1_DOUBLED[bits(blocks["qs"], 4, 8)])
