"""Figures of a tensor's values, from one pass over its bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.reading.passes import tally_of
from pondera.reading.tally import Tally
from pondera.weights.tensor import DTYPES, Mapped, Tensor

Array = np.ndarray[Any, Any]

STRETCH = 1 << 18
"""Values that one call of a compiled loop adds up: what a block encoding decodes to stays in the second cache."""

SAMPLED = 1 << 22
"""From this many values on, the histogram counts every eighth block only: its shares are right to 0.2 %."""

LOCATED = 5
"""How many places of values that are not finite are told."""

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Statistics:
    """Figures of a tensor's values. All but ``count``, ``nan`` and ``infinite`` are of the finite ones.

    Attributes
    ----------
    count
        How many values there are.
    minimum, maximum, mean, deviation
        NaN where no value is finite. The deviation is that of the population: divided by the count.
    l1, l2
        Σ |w| and √Σ w²; the largest size is ``max(-minimum, maximum)``.
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
    histogram: Array = field(repr=False, compare=False)

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

    def quantile(self, q: float) -> float:
        """Return the value below which the share ``q`` of the finite values lies, to 1 % of its size."""
        total = int(self.histogram.sum())
        if not total:
            return math.nan
        if q <= 0 or q >= 1:
            return self.minimum if q <= 0 else self.maximum
        below = np.cumsum(self.histogram)
        at = int(np.searchsorted(below, q * total, side="left"))
        before = int(below[at - 1]) if at else 0
        share = (q * total - before) / int(self.histogram[at])
        low, high = edges(at)
        return min(max(low + share * (high - low), self.minimum), self.maximum)


def edges(at: int) -> tuple[float, float]:
    """Return the smallest and the largest float32 of a bin of the histogram."""
    orders = (np.array([at, at], np.int64) - 32768) << 16
    orders[1] += 0xFFFF
    bits = np.where(orders < 0, orders ^ 0x7FFFFFFF, orders).astype(np.int32)
    low, high = bits.view(np.float32)
    return float(low), float(high)


def statistics_of(tensor: Tensor, threads: int | None = None) -> Statistics:
    """Return the figures of a tensor from one pass over its values; memory stays small however large it is.

    Parameters
    ----------
    tensor
        Of any real dtype.
    threads
        How many stretches are read at a time; by default as many as there are cores.

    Raises
    ------
    ArgumentError
        If the values are complex.
    """
    if tensor.dtype.startswith("complex"):
        raise ArgumentError(f"{tensor.name} holds complex numbers; figures are of real ones. Take its parts.")
    every = 8 if tensor.count >= SAMPLED else 1
    starts = range(0, tensor.count, STRETCH)

    def one(start: int) -> Tally:
        return tally_of(tensor.source.flat(start, min(start + STRETCH, tensor.count)), DTYPES.get(tensor.dtype), every)

    workers = min(threads or os.cpu_count() or 1, max(len(starts), 1))
    if workers == 1:
        whole = joined(map(one, starts))
    else:
        with ThreadPoolExecutor(workers) as pool:
            whole = joined(pool.map(one, starts))
    return _finished(tensor, whole)


def joined(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all stretches together, joined in their order."""
    whole = Tally()
    for tally in tallies:
        whole = whole.merge(tally)
    return whole


def _finished(tensor: Tensor, tally: Tally) -> Statistics:
    moments = tally.moments
    some = moments.count > 0
    variance = moments.second / moments.count if some else math.nan
    spread = some and variance > 0
    return Statistics(
        count=tally.values,
        minimum=tally.low if some else math.nan,
        maximum=tally.high if some else math.nan,
        mean=moments.mean if some else math.nan,
        deviation=math.sqrt(variance) if some else math.nan,
        l1=tally.absolute,
        l2=math.sqrt(moments.second + moments.count * moments.mean**2) if some else 0.0,
        zeros=tally.zeros,
        denormals=tally.denormals,
        nan=tally.nan,
        infinite=tally.infinite,
        places=_places(tensor) if tally.nan or tally.infinite else (),
        skewness=moments.third / moments.count / variance**1.5 if spread else math.nan,
        kurtosis=moments.fourth / moments.count / variance**2 - 3 if spread else math.nan,
        histogram=tally.histogram,
    )


def _places(tensor: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return where the first values are that are not finite: a second look, at the beginning only."""
    found: list[int] = []
    for number, values in enumerate(tensor.chunks(STRETCH)):
        broken = np.flatnonzero(~np.isfinite(values.astype(np.float32) if values.dtype.itemsize < 4 else values))
        found += [number * STRETCH + int(at) for at in broken[: LOCATED - len(found)]]
        if len(found) == LOCATED:
            break
    return tuple(tuple(int(i) for i in np.unravel_index(at, tensor.shape)) for at in found) if tensor.shape else ((),)
