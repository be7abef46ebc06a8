"""Figures of a tensor's values, from one pass over its bytes."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.reading.histogram import Histogram
from pondera.reading.passes import LOOKED, Adder, Scratch
from pondera.reading.stretches import Stretch, over_threads, stretches_of
from pondera.reading.tally import Moments, Tally, joined
from pondera.weights.collection import Weights
from pondera.weights.tensor import Mapped, Tensor

Array = np.ndarray[Any, Any]

MOST_SKIPPED = 7
"""The histogram of the largest tensors takes one of 2⁷ values."""

LOCATED, AT_ONCE = 5, 1 << 18
"""How many places of values that are not finite are told, and in how many values at a time they are looked for."""

SMALLEST, LARGEST = 1e-60, 1e60
"""Largest sizes between which fourth powers, and sums of them, are numbers that float64 holds precisely."""

BINNED = float(np.finfo(np.float32).smallest_subnormal), float(np.finfo(np.float32).max)
"""Largest sizes between which the histogram, whose bins are those of float32, has quantiles."""

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Statistics:
    """Figures of a tensor's values. All but ``count``, ``nan`` and ``infinite`` are of the finite ones.

    Attributes
    ----------
    count
        How many values there are.
    minimum, maximum, mean, deviation
        NaN where no value is finite. The extremes of whole numbers are whole numbers, exact at any size. The deviation
        is that of the population: divided by the count.
    l1, l2
        ``Σ |w|`` and √Σ w²; the largest size is ``max(-minimum, maximum)``.
    zeros, denormals
        Exact zeros, and values too small for the dtype's full precision.
    nan, infinite
        How many values are not finite.
    places
        The indices of the first of those, in the tensor's shape.
    skewness, kurtosis
        Third and fourth standardized moment, the latter less 3: 0 for a normal distribution. NaN for a constant.
    """

    count: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    l1: float
    l2: float
    zeros: int
    denormals: int
    nan: int
    infinite: int
    places: tuple[tuple[int, ...], ...]
    skewness: float
    kurtosis: float
    histogram: Histogram = field(repr=False, compare=False)

    @classmethod
    def of(cls, values: Array, threads: int | None = None) -> Statistics:
        """Return the figures of an array of any shape.

        Examples
        --------
        >>> found = Statistics.of(np.array([1.0, 3.0]))
        >>> found.count, found.minimum, found.maximum, found.mean, found.deviation
        (2, 1.0, 3.0, 2.0, 1.0)
        """
        flat = np.ascontiguousarray(values)
        source = Mapped(flat.reshape(-1).view(np.uint8).data, 0, flat.dtype, flat.size)
        return statistics_of(Tensor("values", np.shape(values), flat.dtype.name, source), threads)

    @property
    def linf(self) -> float:
        """The largest size of a finite value; NaN where there is none."""
        return max(abs(self.minimum), abs(self.maximum))

    @property
    def sampled(self) -> int:
        """How many values the quantiles are of."""
        return int(self.histogram.counts.sum())

    def quantile(self, q: float) -> float:
        """Return the value below which the share ``q`` of the finite values lies, to 1 % of its size or 10⁻⁴⁰.

        Of large tensors it is that of a sample of :attr:`sampled` values: the share is right to √(q (1 − q) / sampled).
        NaN where float32 does not hold the values.
        """
        if q <= 0 or q >= 1 or self.minimum == self.maximum:
            return self.minimum if q <= 0 else self.maximum
        if not BINNED[0] <= self.linf <= BINNED[1]:
            return math.nan
        found = self.histogram.quantile(q)
        return min(max(found, self.minimum), self.maximum) if found == found else math.nan


def statistics_of(tensor: Tensor, threads: int | None = None) -> Statistics:
    """Return the figures of a tensor from one pass over its values; memory stays small however large it is.

    Parameters
    ----------
    tensor
        Of any real dtype.
    threads
        How many stretches are read at a time; by default as many as there are cores. It changes no figure.

    Raises
    ------
    ArgumentError
        If the values are complex.
    """
    if tensor.dtype.startswith("complex"):
        raise ArgumentError(f"{tensor.name} holds complex numbers; figures are of real ones. Take its parts.")
    return next(_figures([tensor], tensor.nbytes, threads))


def statistics_of_all(weights: Weights, threads: int | None = None) -> Iterator[tuple[str, Statistics]]:
    """Yield the name and the figures of each tensor as soon as they are known, in the order of the file.

    One pool of threads reads all tensors, so that small ones cost little. Tensors of complex numbers are passed over.

    Examples
    --------
    >>> tensors = [Tensor(name, (2,), "float32", Mapped(memoryview(bytes(8)), 0, np.dtype("f4"), 2)) for name in "ab"]
    >>> [(name, found.zeros) for name, found in statistics_of_all(Weights.of(tensors, "none"))]
    [('a', 2), ('b', 2)]
    """
    real = [tensor for tensor in weights.values() if not tensor.dtype.startswith("complex")]
    names = (tensor.name for tensor in real)
    yield from zip(names, _figures(real, sum(tensor.nbytes for tensor in real), threads), strict=True)
    weights.require_whole()


def _figures(tensors: list[Tensor], nbytes: int, threads: int | None) -> Iterator[Statistics]:
    local = threading.local()

    def tally(stretch: Stretch) -> Tally:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch()
        adder = Adder(sampling(stretch.tensor.count), local.scratch)
        blocks = stretch.blocks()
        if blocks is not None and len(blocks[1]):
            first = stretch.tensor.source.flat(stretch.start, min(stretch.start + LOOKED, stretch.stop))
            adder.add_blocks(*blocks, (stretch.stop - stretch.start) // len(blocks[1]), first)
            return adder.tally()
        for values in stretch.pieces():
            adder.add(values)
        return adder.tally()

    found = over_threads(tally, itertools.chain.from_iterable(map(stretches_of, tensors)), nbytes, threads)
    for tensor, (_, each) in zip(tensors, itertools.groupby(found, key=lambda pair: id(pair[0].tensor)), strict=True):
        broken: list[Stretch] = []
        yield _finished(tensor, joined(_noting(each, broken)), broken)


def _noting(found: Iterable[tuple[Stretch, Tally]], broken: list[Stretch]) -> Iterator[Tally]:
    """Yield the tallies, and keep the first stretches in which not all values are finite."""
    for stretch, tally in found:
        if (tally.nan or tally.infinite) and len(broken) < LOCATED:
            broken.append(stretch)
        yield tally


def sampling(count: int) -> int:
    """Return n where one of 2ⁿ values goes into the histogram: half a million of a tensor at least, or all it has.

    >>> sampling(1 << 20), sampling(1 << 24), sampling(1 << 40)
    (0, 4, 7)
    """
    return min(max((count >> 20).bit_length() - 1, 0) + (count >= 1 << 26), MOST_SKIPPED)


def _finished(tensor: Tensor, tally: Tally, broken: list[Stretch]) -> Statistics:
    moments, absolute, unit = tally.moments, tally.absolute, 1.0
    some = moments.count > 0
    largest = max(-tally.low, tally.high) if some else 0
    if largest and not SMALLEST < largest < LARGEST:
        unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)
        moments, absolute = _moments_in(unit, tensor)
    variance = moments.second / moments.count if some else math.nan
    spread = some and variance > 0
    return Statistics(
        count=tally.values,
        minimum=tally.low if some else math.nan,
        maximum=tally.high if some else math.nan,
        mean=unit * moments.mean if some else math.nan,
        deviation=unit * math.sqrt(variance) if some else math.nan,
        l1=unit * absolute,
        l2=unit * math.sqrt(moments.second + moments.count * moments.mean * moments.mean) if some else 0.0,
        zeros=tally.zeros,
        denormals=tally.denormals,
        nan=tally.nan,
        infinite=tally.infinite,
        places=_places(tensor, broken),
        skewness=moments.third / moments.count / variance**1.5 if spread else math.nan,
        kurtosis=moments.fourth / moments.count / variance**2 - 3 if spread else math.nan,
        histogram=tally.histogram,
    )


def _moments_in(unit: float, tensor: Tensor) -> tuple[Moments, float]:
    """Return the moments of float64 values divided by a unit, and Σ |v|: their own powers float64 would not hold."""
    whole, absolute = Moments(), 0.0
    for values in tensor.chunks(AT_ONCE):
        values = values[np.isfinite(values)] / unit
        center = float(values.mean()) if len(values) else 0.0
        powers = ((values - center) ** k for k in (1, 2, 3, 4))
        whole = whole.merge(Moments.about(center, len(values), *(float(power.sum()) for power in powers)))
        absolute += float(np.abs(values).sum())
    return whole, absolute


def _places(tensor: Tensor, broken: list[Stretch]) -> tuple[tuple[int, ...], ...]:
    """Return where the first values are that are not finite: a second look, where there are some only."""
    found: list[int] = []
    for stretch in broken:
        for start in range(stretch.start, stretch.stop, AT_ONCE):
            if len(found) == LOCATED:
                break
            values = tensor.source.flat(start, min(start + AT_ONCE, stretch.stop))
            bad = np.flatnonzero(~np.isfinite(values.astype(np.float32) if values.dtype.itemsize < 4 else values))
            found += [start + int(at) for at in bad[: LOCATED - len(found)]]
    return tuple(tuple(int(i) for i in np.unravel_index(at, tensor.shape)) if tensor.shape else () for at in found)
