"""From a dtype to the compiled loop that takes its values."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from pondera.reading import kernels
from pondera.reading.histogram import BINS, Histogram
from pondera.reading.tally import Array, Moments, Tally
from pondera.reading.vectors import LANES, SUMS
from pondera.weights.quantized.kernels import HALVES, Kernel

LOOKED = 256
"""From so many values the center of the sums is chosen."""

PIECE = 1 << 16
"""Values that are decoded at a time: 256 kB of float32, which stay in the second cache."""

FAR = 4.0
"""A mean of fewer deviations than these is near enough to 0 for sums about 0."""


class Scratch:
    """What a thread counts bins in, one stretch of values after the other."""

    def __init__(self) -> None:
        self.histogram = np.zeros(BINS, np.int64)
        self._bins, self._counts = np.empty(BINS, np.int32), np.empty(BINS, np.int64)

    def harvest(self) -> Histogram:
        """Return what was counted, and begin anew."""
        found = kernels.harvest(self.histogram, self._bins, self._counts)
        return Histogram(self._bins[:found].copy(), self._counts[:found].copy())


class Adder:
    """Adds up a stretch of values of one dtype, which may come in pieces.

    Parameters
    ----------
    skip
        The histogram takes one of 2^skip values.
    scratch
        Of the thread.

    Examples
    --------
    >>> adder = Adder(0, Scratch())
    >>> adder.add(np.array([1, 2], np.float32))
    >>> adder.add(np.array([6], np.float32))
    >>> adder.tally().moments.mean
    3.0
    """

    def __init__(self, skip: int, scratch: Scratch) -> None:
        self.skip, self.scratch = skip, scratch
        self.values = 0
        self.center: float | None = None
        self.sums, self.counts = np.zeros((SUMS, LANES)), np.zeros(4, np.int64)
        self.extremes = np.array([kernels.MAX64, kernels.MIN64])
        self.bounds: tuple[float, float] | None = None  # of whole numbers
        self.patterns: Array | None = None  # (8, 256) of values of 8 bits
        self.kind = np.dtype(np.float32)

    def add(self, values: Array) -> None:
        """Add values, (n,), of the same dtype as those before."""
        if not len(values):
            return
        kind = self.kind = values.dtype
        before, self.values = self.values, self.values + len(values)
        if kind.itemsize == 1:
            self._add_bytes(values.view(np.uint8))
            return
        if self.center is None:
            self.center = center_of(values[:LOOKED])
        rest = (self.center, self.skip, self.sums, self.counts, self.extremes, self.scratch.histogram)
        if kind.kind in "iu":
            low, high = kernels.whole_pass(values, before, _floats(np.dtype(np.float64)), *rest)
            known = self.bounds or (low, high)
            self.bounds = min(int(low), known[0]), max(int(high), known[1])
        else:
            kernels.float_pass(values.view(f"u{kind.itemsize}"), before, _floats(kind), *rest)

    def add_blocks(self, decode: Kernel, blocks: Array, values: int, first: Array) -> None:
        """Add what blocks of an encoding decode to, float32.

        Parameters
        ----------
        decode
            A compiled loop of :mod:`pondera.weights.quantized.kernels`.
        blocks
            (n, bytes), uint8.
        values
            How many each holds.
        first
            The first values, decoded.
        """
        if self.center is None:
            self.center = center_of(first[:LOOKED])
        self.values += len(blocks) * values
        kernels.decoded_pass()(
            decode, blocks, values, HALVES, PIECE // values, _floats(self.kind), self.center, self.skip,
            self.sums, self.counts, self.extremes, self.scratch.histogram,
        )  # fmt: skip

    def _add_bytes(self, values: Array) -> None:
        if self.patterns is None:
            self.patterns = np.zeros((8, 256), np.int64)
        first = min(-values.__array_interface__["data"][0] % 8, len(values))
        last = first + (len(values) - first) // 8 * 8
        kernels.byte_pass(values[first:last].view(np.uint64), self.patterns)
        for rest in (values[:first], values[last:]):
            self.patterns[0] += np.bincount(rest, minlength=256)

    def tally(self) -> Tally:
        """Return what the values add up to."""
        if self.patterns is not None:
            return _tally_of_patterns(self.patterns.sum(axis=0), self.kind)
        zeros, tiny, infinite, broken = (int(each) for each in self.counts)
        with np.errstate(all="ignore"):  # powers of the largest float64 are none
            finite, sums = self.values - broken, self.sums.sum(axis=1)
        low, high = self.bounds or tuple(_value(int(each), self.kind) if finite else 0.0 for each in self.extremes)
        return Tally(
            values=self.values,
            moments=Moments.about(self.center or 0.0, finite, *(float(each) for each in sums[:4])),
            absolute=float(sums[4]),
            low=low if finite else np.inf,
            high=high if finite else -np.inf,
            zeros=zeros,
            denormals=max(tiny - zeros, 0),
            infinite=infinite,
            nan=broken - infinite,
            histogram=self.scratch.harvest(),
        )


def center_of(values: Array) -> float:
    """Return about what values like these are best summed: 0, or their mean where it is far from 0.

    With k of n values looked at, a sum of squares about the center is at most n / k times the one about the mean, so
    that subtracting what the center is wrong by costs few digits, wherever the other values lie.
    """
    with np.errstate(all="ignore"):
        first = values.astype(np.float64)
        finite = first[np.isfinite(first)]
        if not len(finite) or not abs(finite.mean()) > FAR * finite.std():  # which may overflow to no number
            return 0.0
        return float(finite.mean())


def _tally_of_patterns(counts: Array, kind: np.dtype[Any]) -> Tally:
    """Return what values of 8 bits add up to, from how often each pattern occurs, (256,)."""
    meant = _meaning(kind)
    finite = np.isfinite(meant) & (counts > 0)
    sizes, many = meant[finite], counts[finite]
    total = int(many.sum())
    center = float((sizes * many).sum() / total) if total else 0.0
    powers = [float((many * (sizes - center) ** k).sum()) for k in (1, 2, 3, 4)]
    whole = kind.kind in "biu"
    low, high = (sizes.min(), sizes.max()) if total else (np.inf, -np.inf)
    tiny = 0 if whole else int(many[np.abs(sizes) < float(_limits(kind).smallest_normal)].sum())
    zeros = int(many[sizes == 0].sum())
    infinite = int(counts[np.isinf(meant)].sum())
    return Tally(
        values=int(counts.sum()),
        moments=Moments.about(center, total, *powers),
        absolute=float((np.abs(sizes) * many).sum()),
        low=int(low) if whole and total else float(low),
        high=int(high) if whole and total else float(high),
        zeros=zeros,
        denormals=max(tiny - zeros, 0),
        infinite=infinite,
        nan=int(counts[np.isnan(meant)].sum()),
        histogram=Histogram.of(sizes.astype(np.float32), many),
    )


@cache
def _meaning(kind: np.dtype[Any]) -> Array:
    """Return the value of each pattern of 8 bits, (256,)."""
    patterns = np.arange(256, dtype=np.uint8)
    return (patterns != 0).astype(np.float64) if kind.kind == "b" else patterns.view(kind).astype(np.float64)


def _limits(kind: np.dtype[Any]) -> Any:
    limits: Any = ml_dtypes.finfo
    return limits(kind)


@cache
def _floats(kind: np.dtype[Any]) -> kernels.Floats:
    """Return how the bits of a dtype of floats are to be read."""
    limits, bits = _limits(kind), np.dtype(f"u{kind.itemsize}")
    infinite, normal = (np.uint64(np.array(each, kind).view(bits)) for each in (np.inf, limits.smallest_normal))
    return kernels.Floats(np.uint64(1 << 8 * kind.itemsize - 1), infinite, normal, kind == ml_dtypes.bfloat16)


def _value(order: int, kind: np.dtype[Any]) -> float:
    """Return the float whose bits, as an ordered whole number, these are."""
    bits = order ^ (1 << 8 * kind.itemsize - 1) - 1 if order < 0 else order
    return float(np.array(bits, np.int64).astype(f"i{kind.itemsize}").view(kind))
