"""Codes of eight bits whose scales lie in a tensor beside them -> the values that they stand for.

A value is ``(code - zero point) · scale``, one scale for the tensor, for each row, or for each block of it:
LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339), the blocks of 128 × 128 float8 of DeepSeek-V3 (arXiv 2412.19437),
``compressed-tensors``, and the ``DequantizeLinear`` of ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pondera.weights.tensor import Array, Source, Tensor

CODES = ("int8", "uint8", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
"""Dtypes of codes."""

BESIDE = " with scales"
"""How the dtype of such a tensor ends: ``"int8 with scales"``."""

ABSMAX = ("SCB",)
"""Names, at their end, of scales that are the largest size of a row: the size of code 127 (bitsandbytes)."""


@dataclass(frozen=True)
class Scaled:
    """Values by codes and scales; they come out as float32.

    Attributes
    ----------
    codes
        The tensor of codes, of two axes or more.
    scales, zeros
        As many axes as the codes have; each entry is for a block. ``zeros`` None where there are no zero points.
    blocks
        How long a block is along each axis.
    beside
        Bytes that the scales take where they are stored.
    """

    codes: Tensor
    scales: Array
    blocks: tuple[int, ...]
    zeros: Array | None = None
    beside: int = 0

    @property
    def nbytes(self) -> int:
        """How many bytes codes and scales take."""
        return self.codes.nbytes + self.beside

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop - 1."""
        codes = self.codes.source.flat(start, stop).astype(np.float32)
        if self.zeros is not None:
            codes -= self._spread(self.zeros, start, stop)
        with np.errstate(all="ignore"):
            found: Array = codes * self._spread(self.scales, start, stop)
        return found

    def step(self, start: int, stop: int) -> Array:
        """Return how far the value of the next code is from each of the values start … stop - 1."""
        codes = self.codes.source.flat(start, stop)
        found: Array = _gaps(codes.dtype)[codes.view(np.uint8)] * np.abs(self._spread(self.scales, start, stop))
        return found

    def _spread(self, figures: Array, start: int, stop: int) -> Array:
        """Return the figure of each value's block."""
        *outer, width = self.codes.shape
        first, last = start // width, -(-stop // width)
        rows = np.unravel_index(np.arange(first, last), outer)
        found = figures[tuple(row // block for row, block in zip(rows, self.blocks, strict=False))]  # (rows, blocks)
        found = np.repeat(found, self.blocks[-1], axis=1)[:, :width].reshape(-1)
        spread: Array = found[start - first * width : stop - first * width]
        return spread


@dataclass(frozen=True)
class Steps:
    """The distance to the next code as the values of a tensor, for :class:`Scaled` values in any view."""

    scaled: Scaled

    @property
    def nbytes(self) -> int:
        """How many bytes are read for them."""
        return self.scaled.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the steps of the values start … stop - 1."""
        return self.scaled.step(start, stop)


def scaled(codes: Tensor, scales: Tensor, zeros: Tensor | None = None, last: bool = False) -> Tensor | None:
    """Return the tensor that codes and their scales stand for; None where the shapes do not fit.

    Parameters
    ----------
    codes
        Of one of :data:`CODES`, with two axes or more.
    scales
        One number, one for each row (of a square matrix: of the first axis, or the last one if ``last``), or one for
        each block.
    zeros
        Zero points, of the same shape.
    last
        Whether outputs are the last axis.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> def tensor(name, values):
    ...     source = Mapped(memoryview(values.tobytes()), 0, values.dtype, values.size)
    ...     return Tensor(name, values.shape, values.dtype.name, source)
    >>> codes = tensor("w", np.array([[2, -127], [3, 4]], np.int8))
    >>> found = scaled(codes, tensor("w_scale", np.array([0.5, 10.0], np.float32)))
    >>> found.dtype, found.values().tolist()
    ('int8 with scales', [[1.0, -63.5], [30.0, 40.0]])
    """
    if codes.dtype not in CODES or codes.ndim < 2 or not codes.count or "float" not in scales.dtype:
        return None
    if codes.dtype == "uint8" and zeros is None:  # bytes into which anything may be packed
        return None
    lattice = _lattice(codes.shape, scales.shape, last)
    if lattice is None or (zeros is not None and zeros.count != scales.count):
        return None
    factors = scales.values().astype(np.float32).reshape(lattice)
    if scales.name.endswith(ABSMAX):
        factors = factors / np.float32(127)
    blocks = tuple(_block(length, count) for length, count in zip(codes.shape, lattice, strict=True))
    middle = None if zeros is None else zeros.values().astype(np.float32).reshape(lattice)
    beside = scales.nbytes + (zeros.nbytes if zeros is not None else 0)
    return replace(codes, dtype=codes.dtype + BESIDE, source=Scaled(codes, factors, blocks, middle, beside))


def scaled_along(tensor: Tensor, codes: Source, scales: Array, zeros: Array, inner: int) -> Tensor | None:
    """Return a tensor whose codes have one scale for all, or for each place of an axis; None where that does not fit.

    Parameters
    ----------
    tensor
        What the codes are the values of.
    codes
        Whole numbers, as many as the tensor has values.
    scales, zeros
        (1,) or (places,).
    inner
        How many values in a row share them.
    """
    kind = codes.flat(0, 0).dtype.name
    axes = [at for at in range(tensor.ndim) if math.prod(tensor.shape[at + 1 :]) == inner]
    axis = next((at for at in axes if tensor.shape[at] == len(scales)), None)
    if kind not in CODES or tensor.ndim < 2 or (axis is None and len(scales) != 1):
        return None
    lattice = tuple(len(scales) if at == axis else 1 for at in range(tensor.ndim))
    blocks = tuple(_block(length, count) for length, count in zip(tensor.shape, lattice, strict=True))
    factors, middle = (figures.astype(np.float32).reshape(lattice) for figures in (scales, zeros))
    stored = replace(tensor, dtype=kind, source=codes)
    return replace(tensor, dtype=kind + BESIDE, source=Scaled(stored, factors, blocks, middle))


def steps_of(tensor: Tensor) -> Tensor:
    """Return the distance to the next code for each value of a tensor that :func:`scaled` gave."""
    assert isinstance(tensor.source, Scaled)
    return replace(tensor, dtype="float32", source=Steps(tensor.source))


def _lattice(shape: Sequence[int], scales: Sequence[int], last: bool) -> tuple[int, ...] | None:
    """Return the shape of the scales with an axis for each of the codes."""
    count = math.prod(scales)
    if count == 0:
        return None
    if count == 1:
        return (1,) * len(shape)
    if len(scales) == len(shape):
        fits = all(1 <= few <= many for few, many in zip(scales, shape, strict=True))
        return tuple(scales) if fits else None
    ends = [at for at in (0, len(shape) - 1) if shape[at] == count]
    if len(scales) != 1 or not ends:
        return None
    axis = ends[-1 if last else 0]
    return tuple(count if at == axis else 1 for at in range(len(shape)))


def _block(length: int, count: int) -> int:
    """Return how long so many blocks of an axis are: a power of two where one fits, as all known formats have it."""
    block = -(-length // count)
    power = 1 << (block - 1).bit_length()
    return power if -(-length // power) == count else block


def _gaps(kind: np.dtype[Any]) -> Array:
    """Return the distance from each of 256 codes to the next one away from zero, by the code's bits."""
    values = np.arange(256, dtype=np.uint8).view(kind).astype(np.float64)
    known = np.unique(values[np.isfinite(values)])
    gaps = np.append(np.diff(known), np.diff(known)[-1])
    sizes = np.abs(np.where(np.isfinite(values), values, known[-1]))
    found: Array = gaps[np.minimum(np.searchsorted(known, sizes), len(gaps) - 1)].astype(np.float32)
    return found
