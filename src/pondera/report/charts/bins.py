"""From the fine histogram of a tensor's figures to the bars of a chart."""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.reading.statistics import Statistics

Array = np.ndarray[Any, Any]


def boundaries() -> Array:
    """Return the ascending float32 at which the bins of :attr:`Statistics.histogram` begin, (65,537,).

    Those of patterns that are not finite are ±∞.
    """
    orders = (np.arange((1 << 16) + 1, dtype=np.int64) - 32768) << 16
    bits = np.where(orders < 0, orders ^ 0x7FFFFFFF, orders).clip(-(2**31), 2**31 - 1).astype(np.int32)
    with np.errstate(invalid="ignore"):
        found = bits.view(np.float32).astype(np.float64)
    middle = len(found) // 2
    found[:middle][~np.isfinite(found[:middle])] = -np.inf
    found[middle:][~np.isfinite(found[middle:])] = np.inf
    return found


def bars(figures: Statistics, count: int = 48, beyond: float = 0.001) -> tuple[Array, Array]:
    """Return the edges, (count + 1,), and the shares, (count,), of a histogram with bars of one width.

    It reaches from one quantile to another, so that single far values do not press all others into one bar; what lies
    beyond is not in it. Within a fine bin, which is less than 1 % wide, values are taken to be spread evenly.

    Parameters
    ----------
    figures
        Of a tensor; at least one value is finite.
    count
        How many bars.
    beyond
        The share of the values that is left out at either end.
    """
    low, high = figures.quantile(beyond), figures.quantile(1 - beyond)
    if not high > low:
        low, high = figures.minimum, figures.maximum
    if not high > low:
        half = abs(low) / 2 or 0.5
        low, high = low - half, low + half
    edges = np.linspace(low, high, count + 1)
    below = np.concatenate([[0], np.cumsum(figures.histogram.dense)])
    starts = boundaries()
    finite = np.isfinite(starts)
    shares = np.diff(np.interp(edges, starts[finite], below[finite])) / max(below[-1], 1)
    return edges, shares
