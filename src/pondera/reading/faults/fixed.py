"""Fixed bases: sines and cosines that were computed, not learned, such as those of a Fourier transform.

A sampled wave y obeys yₙ₊₁ + yₙ₋₁ = 2 cos(ω) yₙ at every place, one number for all of them. What a network learned does
not, to the last digits, in unit after unit. Waves are often under one window w, which the units tell themselves: a sine
and a cosine of each frequency have Σ y² = w² at each place, but for a factor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pondera.reading.faults.facts import Facts, Place
from pondera.weights.tensor import Array

MOST_VALUES = 1 << 24
"""Larger tensors are not judged."""

LARGEST = 1e100
"""No wave is so large, and squares of such numbers are none."""

LOOKED_AT = 64
"""Units that are held against the law of a wave, spread over all of them."""

ZERO_BY_DESIGN = 2
"""Units that may be zero: the sines of frequency 0 and of half the sampling rate."""

FAINT = 1e-4
"""Units below this share of the median are zero but for rounding."""

FEWEST_PLACES = 6
"""At fewer places the law says too little: its one number fits by chance."""

WITHIN_WINDOW = 0.1
"""Where the window is below this share of its largest value, dividing by it leaves only rounding."""

WITHIN = {"float64": 2e-3, "float32": 2e-3, "float16": 2e-3}
"""How far a wave may be off the law, as a share of its largest value: what phases computed in float32 are wrong by."""

COARSE = 0.01  # what bfloat16 rounds by

FLAT = 8.0
"""Waves whose 2 − 2 cos(ω) is below so many times that could as well be any other smooth line."""

BROKEN = (0.05, 6)
"""Share of the places, and how many, at which the law may be broken: cosines without their sines tell the window
wrongly at two places, each of which three places look at."""

APART = 1e-3
"""Frequencies this far apart, in radians a place, are two; a basis has many."""


def is_fixed(facts: Facts, name: str) -> bool:
    """Return whether a tensor of connections is a basis of waves that was computed, which no rule on training is about.

    Units may lie along the first axis, as in a Fourier transform, or along the last, as in position embeddings: of a
    line, or of a grid whose rows follow each other; of both the first row, before them all, may be zero.

    Examples
    --------
    >>> from pondera.reading.statistics import statistics_of
    >>> from pondera.weights.collection import Weights
    >>> from pondera.weights.tensor import Mapped, Tensor
    >>> turns = np.outer(np.arange(32), np.arange(32)) / 32
    >>> def looked(values):
    ...     data = values.astype(np.float32)
    ...     tensor = Tensor("w.weight", (32, 32), "float32", Mapped(memoryview(data).cast("B"), 0, data.dtype, 1024))
    ...     return is_fixed(Facts(Weights.of([tensor], ""), {tensor.name: statistics_of(tensor)}), tensor.name)
    >>> looked(np.sin(2 * np.pi * turns)), looked(np.random.default_rng(0).normal(size=(32, 32)))
    (True, False)
    """
    place = facts.by_name.get(name)
    if place is None or place.figures.nan or place.figures.infinite or place.tensor.count > MOST_VALUES:
        return False
    if place.figures.linf > LARGEST:
        return False
    limit = WITHIN.get(place.tensor.dtype, COARSE)
    return any(_are_waves(units, limit) for units in _both_ways(place))


def _both_ways(place: Place) -> Iterator[Array]:
    """Yield the tensor as (units, *places of each), float64, for units along the first axis and along the last."""
    values = place.tensor.source.flat(0, place.tensor.count).astype(np.float64).reshape(place.tensor.shape)
    for units in (values, np.moveaxis(values, -1, 0)):
        places = [size for size in units.shape[1:] if size > 1]
        if places:
            yield units.reshape(len(units), *places)


def _are_waves(units: Array, limit: float) -> bool:
    """Return whether units are waves, along a line or, where their places are one axis, on any grid that fills it."""
    sizes = np.sqrt(np.square(units).reshape(len(units), -1).sum(axis=1))
    alive = np.flatnonzero(sizes > FAINT * np.median(sizes))
    if len(units) - len(alive) > ZERO_BY_DESIGN or not len(alive):
        return False
    chosen = units[alive[np.unique(np.linspace(0, len(alive) - 1, LOOKED_AT).astype(int))]]
    window = np.sqrt(np.square(units).sum(axis=0))
    lit = np.flatnonzero(window > FAINT * window.max())  # windows may be zero at their ends, not within
    if lit[-1] + 1 - lit[0] - len(lit) > ZERO_BY_DESIGN:
        return False
    return any(
        # A transform without a window may come with too few of its waves to tell that there is none.
        _obey(waves, each, limit)
        for waves, shown in _as_places(chosen, window)
        for each in (np.ones(shown.shape), shown)
    )


def _as_places(units: Array, window: Array) -> Iterator[tuple[Array, Array]]:
    """Yield units, (units, *places), and their window as they are, without a first place that is zero, and as grids."""
    yield units, window
    if window.ndim > 1:
        return
    if not window[0]:
        units, window = units[:, 1:], window[1:]
        yield units, window
    count = len(window)
    for rows in range(math.isqrt(count), FEWEST_PLACES, -1):  # the nearest to a square first
        if count % rows == 0:
            for grid in ((rows, count // rows), (count // rows, rows)):
                yield units.reshape(-1, *grid), window.reshape(grid)


def _obey(units: Array, window: Array, limit: float) -> bool:
    """Return whether units, (units, *places), are waves under a window, (*places), of many frequencies."""
    inside = window > WITHIN_WINDOW * window.max()
    found = set()
    for unit in units:
        wave = np.where(inside, unit / np.where(inside, window, 1), np.nan)
        frequencies = [_frequency(np.moveaxis(wave, axis, 0), limit) for axis in range(wave.ndim)]
        if None in frequencies:
            return False
        found.add(tuple(round(each / APART) for each in frequencies if each is not None))
    return len(found) >= max(4, len(units) // 8)


def _frequency(wave: Array, limit: float) -> float | None:
    """Return the frequency of a wave along its first axis, in radians a place; None where it is not one.

    Values outside the window are NaN. Smooth lines have the frequency 0.
    """
    here, beside = wave[1:-1], wave[2:] + wave[:-2]
    known = np.isfinite(here + beside)
    here, beside = here[known], beside[known]
    if len(here) < FEWEST_PLACES:
        return None
    largest = float(np.abs(here).max())
    # A wave is far from zero at half of the places or more; what pruning left is not.
    if not largest > 0 or np.mean(np.abs(here) > 1e-3 * largest) < 0.4:
        return None
    strong = np.abs(here) > largest / 2
    twice_cosine = float(np.median(beside[strong] / here[strong]))
    broken = np.count_nonzero(np.abs(beside - twice_cosine * here) > 2 * limit * largest)
    if broken > min(BROKEN[0] * len(here), BROKEN[1]):
        return None
    return 0.0 if 2 - twice_cosine < FLAT * limit else float(np.arccos(np.clip(twice_cosine / 2, -1, 1)))
