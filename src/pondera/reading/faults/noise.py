"""Random bytes, and bits that flipped.

A file that was overwritten holds bytes of something else. Read as floats those have all exponents alike, so that among
weights there are numbers such as 10³⁰. Every tensor of floats is looked at, whatever its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pondera.choice import counted
from pondera.findings import Finding
from pondera.reading.faults.facts import Facts, Place
from pondera.reading.faults.rule import RESTORE, certainty_of
from pondera.reading.histogram import Histogram
from pondera.weights.layers import STATE
from pondera.weights.tensor import Array

FLIPPED = 2.0**60
"""So many times the usual size no weight is: the highest bits of an exponent have flipped."""

FLIPPED_HALF, LARGE_HALF = 2.0**12, 64.0
"""The same for float16, in which the highest bit of the exponent is a factor of 2¹⁶; what stays smaller is harmless."""

FEW = 2
"""Values that single bits may have made absurd."""

FEWEST = 16
"""Of fewer values none is far off the usual size."""


def noise(facts: Facts) -> Iterator[Finding]:
    """Random bytes read as floats: huge values of all exponents alike among ordinary ones."""
    for place in facts.stored:
        found = _huge(place) if place.figures.count >= FEWEST else None
        if found is None:
            continue
        count, octaves, typical = found
        figures = place.figures
        yield Finding(
            f"{place.name} has about {counted(count, 'value')} of absurd size, up to "
            f"{max(-figures.minimum, figures.maximum):.2g}, while half of its values are below {typical:.2g}: "
            f"{'they look like random bytes' if count > FEW else 'as bits that flipped, or random bytes, leave them'}.",
            {
                "huge": count,
                "octaves": octaves,
                "median_size": typical,
                "largest": max(-figures.minimum, figures.maximum),
                "nan": figures.nan,
                "infinite": figures.infinite,
            },
            "exponents of the values, from the histogram: random bytes have all of them alike",
            "IEEE 754-2019 on the encoding of floats",
            certainty_of("random bytes"),
            f"Part of the tensor was overwritten, or is read with the wrong dtype or byte order. {RESTORE}",
            where=place.name,
        )


def _huge(place: Place) -> tuple[int, int, float] | None:
    """Return how many values are far too large, over how many powers of two they spread, and the typical size."""
    figures = place.figures
    wide = place.tensor.dtype in ("float32", "bfloat16", "float64")
    largest = max(-figures.minimum, figures.maximum)
    if not largest > (2.0**20 if wide else 2.0**7):
        return None
    if largest > 1e60:
        return 1, 200, _typical(exponents_of(figures.histogram))
    counts = exponents_of(figures.histogram)  # (256,)
    typical = _typical(counts)
    if _is_one_number(figures.histogram, typical):
        return None
    first = 127 + math.ceil(math.log2(max(typical, 2.0**-20))) + (40 if wide else 10)
    first = max(first, 127 + (20 if wide else 6))
    upper = counts[first:255]
    octaves = np.flatnonzero(upper)
    if upper.sum() < 3 or len(octaves) < 3 or np.ptp(octaves) < (16 if wide else 3):
        flipped = largest > FLIPPED * typical if wide else _is_flipped_half(place, largest, typical)
        return (max(int(upper.sum()), 1), max(len(octaves), 1), typical) if flipped else None
    half = len(upper) // 2 if wide else max((127 + 16 - first) // 2, 1)
    if not wide and (upper.sum() < 8 or 3 * upper[half:].sum() < upper[:half].sum()):
        return None  # a tail that grows thinner is one of a heavy-tailed tensor
    return int(upper.sum()), len(octaves), typical


def _is_flipped_half(place: Place, largest: float, typical: float) -> bool:
    """Whether a value of float16 is larger than any weight by what the highest bit of its exponent is a factor of."""
    learned = place.kind != "unknown" and place.role not in STATE  # figures of a training may have any range
    if place.tensor.dtype != "float16" or not learned or not largest > max(FLIPPED_HALF * typical, LARGE_HALF):
        return False
    sizes = exponents_of(place.figures.histogram)[127 + round(math.log2(LARGE_HALF)) : 255]
    return bool(sizes.sum() <= FEW)


def _is_one_number(histogram: Histogram, typical: float) -> bool:
    """Whether all that is absurdly large is one number again and again: it stands for something, such as no entry."""
    orders = histogram.bins.astype(np.int64) - 32768
    sizes = np.where(orders < 0, -1 - orders, orders) >> 7  # exponents
    absurd = sizes >= min(127 + 40 + math.log2(typical), 254)
    return bool(absurd.sum() == 1 and histogram.counts[absurd].sum() > FEW)


def exponents_of(histogram: Histogram) -> Array:
    """Return how many values have each of the 256 exponents of a float32, (256,), from a histogram of statistics."""
    orders = np.zeros(512, np.int64)  # sign and exponent, in the order of the values
    np.add.at(orders, histogram.bins >> 7, histogram.counts)
    counts: Array = orders[256:] + orders[:256][::-1]
    return counts


def _typical(counts: Array) -> float:
    """Return the power of two above the median size of the values that are not 0."""
    below = np.cumsum(counts[1:])
    return 2.0 ** (int(np.searchsorted(below, below[-1] / 2)) + 1 - 126) if len(below) and below[-1] else 1.0
