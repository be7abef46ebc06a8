"""Tensors that are, bit for bit, others of the first network: layers that were exchanged or moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pondera.reading.comparison import kernels
from pondera.reading.comparison.alike import stored_alike
from pondera.reading.comparison.result import Pair
from pondera.reading.comparison.views import View

MOVED = ("changed", "replaced")

NEAR = 1e-9
"""Sums of squares of the same values, added up in another order, are no farther apart."""


def with_exchanges(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs; where the second's tensor is another one of the first, which also differs, it says so."""
    unlike = [pair for pair in pairs if pair.status in MOVED and pair.differences and pair.tensor.shape]
    found = []
    for pair in pairs:
        other = _original(pair, unlike) if pair in unlike else None
        if other is not None:
            pair = replace(pair, status="exchanged", relation=f"{other} of the first", rank=None)
        found.append(pair)
    return found


def _original(pair: Pair, unlike: Sequence[Pair]) -> str | None:
    """Return the name of the tensor of the first that the second's tensor of a pair is."""
    assert pair.second is not None
    assert pair.differences is not None
    size = float(pair.differences.sums[kernels.YY])
    for other in unlike:
        if other is pair or other.first is None or other.differences is None or other.first.shape != pair.second.shape:
            continue
        if abs(float(other.differences.sums[kernels.XX]) - size) > NEAR * size:
            continue
        if stored_alike(View.of(other.first), View.of(pair.second)):
            return other.first.name
    return None
