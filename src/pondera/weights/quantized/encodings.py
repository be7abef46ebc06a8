"""Block encodings -> floats: groups of values that share a scale, as GGUF files hold them.

How the bytes of a block are read is in :mod:`pondera.weights.quantized.blocks` and
:mod:`pondera.weights.quantized.grids`; :mod:`pondera.weights.quantized.kernels` has compiled loops for those that are
used most. Blocks may hold any bytes: scales that are infinite or not a number give values that are.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.machine import cores
from pondera.weights.mapped import look
from pondera.weights.quantized import blocks as plain
from pondera.weights.quantized import grids
from pondera.weights.quantized.kernels import HALVES, Kernel, compiled
from pondera.weights.tensor import Array

VALUES_A_PIECE = 1 << 16
"""How many values are decoded at a time, so that what is needed on the way stays in the processor's cache."""

VALUES_A_THREAD = 1 << 19
"""Fewer values than this are not worth another thread."""


@dataclass(frozen=True)
class Encoding:
    """How values are stored in blocks.

    Attributes
    ----------
    name
        As ggml calls it.
    layout
        The bytes of a block, as a structured dtype.
    values
        How many values a block holds.
    decoder
        Blocks, (n,), as ``layout`` -> float32, (n, values).
    """

    name: str
    layout: np.dtype[Any]
    values: int
    decoder: Callable[[Array], Array]

    @property
    def size(self) -> int:
        """How many bytes a block takes."""
        return self.layout.itemsize

    def decode(self, blocks: Array, out: Array | None = None) -> Array:
        """Return blocks as floats.

        Parameters
        ----------
        blocks
            Bytes, (n, size), uint8, in one stretch.
        out
            Where the floats go, (n, values), float32, in one stretch; memory of its own by default.
        """
        found = np.empty((len(blocks), self.values), np.float32) if out is None else out
        kernel = compiled(self.name)
        threads = min(cores(), len(blocks) * self.values // VALUES_A_THREAD)
        if threads <= 1:
            self._decode(kernel, blocks, found)
            return found
        share = -(-len(blocks) // threads)
        parts = [slice(start, start + share) for start in range(0, len(blocks), share)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda part: self._decode(kernel, blocks[part], found[part]), parts))
        return found

    def _decode(self, kernel: Kernel | None, blocks: Array, out: Array) -> None:
        if kernel is not None:
            kernel(blocks, HALVES, out)
            return
        step = VALUES_A_PIECE // self.values
        with np.errstate(all="ignore"):  # infinite scales times nothing
            for start in range(0, len(blocks), step):
                piece = blocks[start : start + step]
                out[start : start + step] = self.decoder(piece.view(self.layout)[:, 0])


DECODERS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "Q4_0": (32, plain.q4_0),
    "Q4_1": (32, plain.q4_1),
    "Q5_0": (32, plain.q5_0),
    "Q5_1": (32, plain.q5_1),
    "Q8_0": (32, plain.q8),
    "Q2_K": (256, plain.q2_k),
    "Q3_K": (256, plain.q3_k),
    "Q4_K": (256, plain.q4_k),
    "Q5_K": (256, plain.q5_k),
    "Q6_K": (256, plain.q6_k),
    "Q8_K": (256, plain.q8),
    "IQ1_S": (256, grids.iq1_s),
    "IQ1_M": (256, grids.iq1_m),
    "IQ2_XXS": (256, grids.iq2_xxs),
    "IQ2_XS": (256, grids.iq2_xs),
    "IQ2_S": (256, grids.iq2_s),
    "IQ3_XXS": (256, grids.iq3_xxs),
    "IQ3_S": (256, grids.iq3_s),
    "IQ4_NL": (32, plain.iq4_nl),
    "IQ4_XS": (256, plain.iq4_xs),
    "TQ1_0": (256, plain.tq1_0),
    "TQ2_0": (256, plain.tq2_0),
    "MXFP4": (32, plain.mxfp4),
    "NVFP4": (64, plain.nvfp4),
    "Q1_0": (128, plain.q1_0),
}
"""Name -> values a block, and what decodes it."""

ENCODINGS: dict[str, Encoding] = {
    name: Encoding(name, (plain.LAYOUTS | grids.LAYOUTS)[name], values, decoder)
    for name, (values, decoder) in DECODERS.items()
}
"""Every block encoding, by its name."""


@dataclass(frozen=True)
class Blocks:
    """Values in blocks of an encoding; they come out as float32.

    Attributes
    ----------
    buffer
        Bytes, at least up to the last block.
    start
        Where the first block begins.
    encoding
        One of :data:`ENCODINGS`.
    count
        How many values there are: a whole number of blocks.

    Examples
    --------
    >>> ones = np.float16(0.5).tobytes() + bytes([2] * 32)
    >>> Blocks(memoryview(ones), 0, ENCODINGS["Q8_0"], 32).flat(3, 6).tolist()
    [1.0, 1.0, 1.0]
    """

    buffer: memoryview
    start: int
    encoding: Encoding
    count: int

    @property
    def nbytes(self) -> int:
        """How many bytes the blocks take."""
        return self.count // self.encoding.values * self.encoding.size

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1 as float32, decoding no other blocks than those they lie in."""
        size, values = self.encoding.size, self.encoding.values
        first = start // values
        blocks = max(0, -(-stop // values) - first)
        look(self.buffer, blocks * size)
        given = np.frombuffer(self.buffer, np.uint8, blocks * size, self.start + first * size)
        found = self.encoding.decode(given.reshape(blocks, size)).reshape(-1)
        return found[start - first * values : stop - first * values]

    def into(self, start: int, out: Array) -> None:
        """Decode as many values as ``out`` has, (n,) float32, from ``start`` on; both whole blocks.

        Memory that is used again is in the cache, while that of a new array must be fetched and cleared first, which
        takes ten times as long as decoding.
        """
        size, values = self.encoding.size, self.encoding.values
        blocks = len(out) // values
        look(self.buffer, blocks * size)
        given = np.frombuffer(self.buffer, np.uint8, blocks * size, self.start + start // values * size)
        self.encoding.decode(given.reshape(blocks, size), out.reshape(blocks, values))
