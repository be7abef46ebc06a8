"""Values that pile up at their extremes, as clipping and a scale of quantization that is too small leave them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from pondera.findings import Finding
from pondera.reading.faults.facts import WEIGHT, Facts, Place, sample
from pondera.reading.faults.rule import certainty_of
from pondera.reading.statistics import Statistics
from pondera.weights.tensor import Tensor

SHARE = 0.005
"""Of all values at least so many are at one extreme, …"""

STEEP = 5
"""… and this many times as many as at the levels next to it."""

FEWEST = 16
"""At least so many values, half of them at one extreme."""

MOST_CODES = 1 << 20
"""Codes that are counted by channel."""

GROUPS = (16, 32, 64, 128, 256)
"""Values in a row that quantizations give a scale of their own."""

LEVELS = 16
"""With no more levels than this, extremes are full by design: ternary weights, four bits, masks."""

SAMPLED = 1 << 17

CODES = ("int8", "uint8")

PACKED = re.compile(r"(qweight|qzeros|_packed|_blocks)$")
"""What tensors are called into each of whose values several weights are packed."""


def saturated(facts: Facts) -> Iterator[Finding]:
    """Tensors in which far more values are at an extreme than near it."""
    for place in _candidates(facts):
        figures, tensor = place.figures, place.tensor
        if figures.count < 4 * FEWEST or figures.minimum == figures.maximum or not _is_full(figures, tensor.dtype):
            continue
        piles = _piles(tensor)
        share = sum(piles.values())
        if share * figures.count < FEWEST or (tensor.dtype in CODES and _is_by_channel(tensor)):
            continue
        extremes = " and ".join(f"{value:g}" for value in piles)
        yield Finding(
            f"{share:.1%} of {tensor.name} are exactly {extremes}, and hardly any value lies just within: it was cut "
            "off there.",
            {"share": share, "extremes": list(piles), "shares": list(piles.values()), "dtype": tensor.dtype},
            f"values equal to the extremes against the levels next to them, in a sample of at most {SAMPLED:,}",
            certainty=certainty_of("saturated"),
            advice="Quantize again with a larger scale, or one for each channel, calibrated on data."
            if tensor.dtype in CODES
            else "If weights are clipped in training on purpose, the limit is too small for many of "
            "them; otherwise look for what cut them off.",
            where=tensor.name,
        )


def _candidates(facts: Facts) -> Iterator[Place]:
    yield from facts.connections
    for name, figures in facts.statistics.items():
        tensor = facts.weights.get(name)
        if tensor is not None and tensor.dtype in CODES and tensor.ndim >= 2:
            place = Place(tensor, figures, *facts.owners.get(name, (None, "")))
            if _are_codes(place):
                yield place


def _are_codes(place: Place) -> bool:
    """Whether whole numbers are weights, one each: those of a layer that has scales, or called weights.

    Others are images, letters or counts, which may well pile up at an extreme, or several weights packed into one.
    """
    beside = set(place.layer.tensors) if place.layer else set()
    packed = PACKED.search(place.name) or beside & {"quantization map", "quantization state"}
    scaled = place.role in ("weight", "packed") and beside & {"scales", "zero_points"}
    return not packed and bool(scaled or WEIGHT.search(place.name))


def _is_full(figures: Statistics, dtype: str) -> bool:
    """Whether the bin of an extreme holds enough values that a closer look is worth it."""
    counts = figures.histogram.counts
    whole = int(counts.sum())
    if not whole:
        return False
    if dtype in CODES:
        return True
    # Of bin 2ᵏ with 128 bins a power of two, the extreme's own bin alone is looked at.
    return bool(max(counts[0], counts[-1]) >= SHARE * whole)


def _is_by_channel(tensor: Tensor) -> bool:
    """Whether each channel, or group of its values, has a code or two at an extreme: its own scale puts them there."""
    rows = min(tensor.shape[0], max(MOST_CODES * tensor.shape[0] // tensor.count, 2))
    values = tensor.source.flat(0, rows * (tensor.count // tensor.shape[0]))
    wide = values.astype(np.int16)
    center = 128 if tensor.dtype == "uint8" else 0
    full = np.abs(wide - center) >= np.abs(wide - center).max()
    for channels in (full.reshape(rows, -1), full.reshape(-1, tensor.shape[-1]).T):
        flat = channels.reshape(-1)
        for width in (channels.shape[1], *GROUPS):
            counts = flat[: len(flat) // width * width].reshape(-1, width).sum(axis=1)
            if len(counts) > 1 and counts.min() >= 1 and np.median(counts) <= 2:
                return True
    return False


def _piles(tensor: Tensor) -> dict[float, float]:
    """Return the extremes that values pile up at, and the share of values there."""
    values = sample(tensor, SAMPLED)
    values = values[np.isfinite(values.astype(np.float32))] if values.dtype.kind not in "iu" else values
    levels, counts = np.unique(values.astype(np.float64), return_counts=True)
    if len(levels) <= LEVELS:
        return {}
    found = {}
    for at, near in ((0, (1, 2)), (-1, (-2, -3))):
        next_to = max(int(counts[i]) for i in near)
        enough = counts[at] >= max(SHARE * len(values), STEEP * next_to, FEWEST // 2)
        # Exact zeros are an extreme of what is never negative; they are sparsity, not saturation.
        if enough and not (levels[at] == 0 and tensor.dtype not in CODES):
            found[float(levels[at])] = float(counts[at] / len(values))
    return found
