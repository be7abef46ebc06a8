"""How the values of a tensor are spread: all of them counted, a stretch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.weights.tensor import Tensor

Array = np.ndarray[Any, Any]

AT_ONCE = 1 << 20
"""Values that are held at a time."""


def counted(tensor: Tensor, bins: int, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """Return how many values lie in each of some bins of one width, and how many in none.

    Parameters
    ----------
    tensor
        Of any dtype and shape; complex values are counted by their magnitude.
    bins
        How many.
    low, high
        Where the first begins and the last ends; by default at the smallest and the largest finite value.

    Returns
    -------
    dict
        ``bins`` of ``from``, ``to`` and ``count``, each without its end but for the last; ``count`` of all values,
        ``not_finite``, ``below`` and ``above``; ``low`` and ``high``, the smallest and the largest finite value.

    Raises
    ------
    ArgumentError
        If the first bin would not begin before the last ends.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> data = np.array([0, 1, 1, 4, np.nan], "f4")
    >>> found = counted(Tensor("w", (5,), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 5)), 2)
    >>> found["bins"]
    [{'from': 0.0, 'to': 2.0, 'count': 3}, {'from': 2.0, 'to': 4.0, 'count': 1}]
    """
    smallest, largest, finite = np.inf, -np.inf, 0
    for values in _finite(tensor):
        finite += len(values)
        smallest = min(smallest, values.min(initial=np.inf))
        largest = max(largest, values.max(initial=-np.inf))
    first, last = float(smallest if low is None else low), float(largest if high is None else high)
    told: dict[str, Any] = {
        "bins": [],
        "count": tensor.count,
        "not_finite": tensor.count - finite,
        "below": 0,
        "above": 0,
        "low": float(smallest) if finite else None,
        "high": float(largest) if finite else None,
    }
    if not finite:
        return told
    if not (np.isfinite(first) and np.isfinite(last) and first <= last):
        raise ArgumentError(f"Expected bins from a number up to a larger one. Got {first:g} to {last:g}.")
    edges = np.array([first, last]) if first == last else np.linspace(first / 2, last / 2, bins + 1) * 2  # no overflow
    edges[0], edges[-1] = first, last
    counts = np.zeros(len(edges) - 1, np.int64)
    for values in _finite(tensor):
        told["below"] += int((values < first).sum())
        told["above"] += int((values > last).sum())
        within = values[(values >= first) & (values <= last)]
        places = np.minimum(np.searchsorted(edges, within, "right") - 1, len(counts) - 1)
        counts += np.bincount(places, minlength=len(counts))
    told["bins"] = [
        {"from": float(a), "to": float(b), "count": int(n)} for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]
    return told


def _finite(tensor: Tensor) -> Iterator[Array]:
    """Yield the finite values of a tensor as float64, a stretch at a time."""
    for chunk in tensor.chunks(AT_ONCE):
        values = np.abs(chunk).astype(np.float64) if np.iscomplexobj(chunk) else np.asarray(chunk).astype(np.float64)
        yield values[np.isfinite(values)]
