"""How far block encodings move values: the step that each takes for the values of a block."""

from __future__ import annotations

from dataclasses import dataclass

from pondera.weights.packed import PACKED
from pondera.weights.quantized.encodings import ENCODINGS
from pondera.weights.quantized.scaled import BESIDE


@dataclass(frozen=True)
class Steps:
    """Evenly spaced values within a group.

    Attributes
    ----------
    group
        How many values share a scale.
    levels
        Steps from 0 to the largest size if symmetric, else from the smallest (at most 0) to the largest value.
    symmetric
        Whether there is no minimum of its own.
    """

    group: int
    levels: float
    symmetric: bool


STEPS: dict[str, Steps] = {
    "Q8_0": Steps(32, 127, True),
    "Q8_K": Steps(256, 127, True),
    "Q4_0": Steps(32, 8, True),
    "Q5_0": Steps(32, 16, True),
    "Q4_1": Steps(32, 15, False),
    "Q5_1": Steps(32, 31, False),
    "Q2_K": Steps(16, 3, False),
    "Q3_K": Steps(16, 4, True),
    "Q4_K": Steps(32, 15, False),
    "Q5_K": Steps(32, 31, False),
    "Q6_K": Steps(16, 32, True),
}
"""Encodings of evenly spaced values, as ``ggml-quants.c`` in https://github.com/ggml-org/ggml chooses the steps."""

RATIO = 1.5
"""Up to so many times the error of even spacing, step / √12, is explained by an encoding of :data:`STEPS`.

Measured on 14 matrices of a sentence encoder with the encoders of ``gguf`` 0.19: Q8_0, Q4_0, Q5_0, Q4_1 and Q5_1 err
by 0.87 to 1.02 times as much, with no value farther off than 1.25 steps. The encodings of super-blocks, which were not
measured, round their scales too and weigh values by size, hence the room. A change that adds less than 1.1 · step / √12
cannot be told from the encoding's error.
"""

ROUGH = 2.5
"""The same for other encodings, in errors of the best quantizer of as many bits. Measured: MXFP4 1.5, TQ2_0 2.1."""

PANTER_DITE = 1.65
"""√(π√3 / 2): normally distributed values, best quantized to b bits, are wrong by 1.65 · 2⁻ᵇ of their size.

Panter & Dite 1951, Proceedings of the IRE 39."""


def bits_a_value(name: str) -> float:
    """Return how many bits an encoding takes for a value.

    Examples
    --------
    >>> bits_a_value("Q8_0"), bits_a_value("Q4_K")
    (8.5, 4.5)
    """
    if name in PACKED:
        return PACKED[name][0]
    if name.endswith(BESIDE):
        return 8
    found = ENCODINGS[name]
    return 8 * found.size / found.values


def is_encoding(name: str) -> bool:
    """Whether a dtype's values are packed in blocks or in parts of bytes, or have scales beside them."""
    return name in ENCODINGS or name in PACKED or name.endswith(BESIDE)


def deciding(one: str, other: str) -> str | None:
    """Return the encoding of fewer bits a value of two dtypes; None where neither is one.

    Examples
    --------
    >>> deciding("float32", "Q8_0"), deciding("Q8_0", "Q4_K"), deciding("float32", "float16")
    ('Q8_0', 'Q4_K', None)
    >>> deciding("bfloat16", "int8 with scales")
    'int8 with scales'
    """
    return min(filter(is_encoding, (other, one)), key=bits_a_value, default=None)
