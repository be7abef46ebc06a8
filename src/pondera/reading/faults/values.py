"""Faults that counts and extremes show by themselves: no test is needed, only arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from pondera.choice import counted
from pondera.findings import Finding
from pondera.reading.faults.design import MASK, design_of
from pondera.reading.faults.facts import Facts, Place
from pondera.reading.histogram import Histogram
from pondera.reading.statistics import Statistics
from pondera.weights.layers import STATE
from pondera.weights.tensor import Array, Tensor

HALF_OVERFLOWS = 65_520.0
"""From here on a value is rounded to infinity in float16 (IEEE 754-2019: halfway above its largest, 65,504)."""

HALF_NORMAL = 2.0**-14
"""Below this float16 has fewer than 11 bits."""

SUBNORMAL_SHARE = 0.1
"""A tensor loses precision where this share of Σ w² is of values below that."""

LORA_SECOND = re.compile(r"(^|[._/])(lora_?(b|up)|loraB|lora_embedding_A)([._/]|$)", re.IGNORECASE)
"""What the second factor of a low-rank adapter is called, which starts at zero."""

VARIANCE = re.compile(
    r"(^|[._/:])((\w+_)?(running_var|moving_var|moving_variance)|_variance|var_ema/average)(:0)?$", re.ASCII
)
"""What running variances are called, whatever layer they are found to be of: in MXNet, Paddle and Haiku, too."""

SMALLEST_ADDED = 1e-5
"""What most frameworks add to a variance, or less: 10⁻⁵ PyTorch and Flax, 10⁻³ Keras."""

FEWEST_UNKNOWN = 16
"""What is not known by name and has fewer rows or columns may be anything that begins with zeros."""

FEW_ROWS, AT_ONCE = 16, 1 << 20
"""Rows that are compared first, and values at a time after that."""

COUNTED = "counts of one pass over all values"


def not_finite(facts: Facts) -> Iterator[Finding]:
    """NaN and infinities. A mask, zeros and infinities only, is none, nor is a single number that is a constant."""
    for name, figures in facts.statistics.items():
        tensor = facts.weights.get(name)
        if not (figures.nan or figures.infinite) or tensor is None:
            continue
        kind = facts.owners[name][0].kind if name in facts.owners else "unknown"
        limit = tensor.count == 1 and not figures.nan
        if kind == "unknown" and (limit or design_of(facts, name) == MASK):
            continue
        said = [f"{figures.nan:,} NaN"] if figures.nan else []
        said += [f"{figures.infinite:,} infinite"] if figures.infinite else []
        yield Finding(
            f"{name} has {' and '.join(said)} among {counted(figures.count, 'value')}.",
            {
                "nan": figures.nan,
                "infinite": figures.infinite,
                "values": figures.count,
                "first": [list(place) for place in figures.places],
            },
            COUNTED,
            advice="Do not use these weights: every output they reach becomes NaN. Go back to the last checkpoint "
            "without; train on with a smaller learning rate, with gradients clipped, or in more precision.",
            where=name,
        )


def constant(facts: Facts) -> Iterator[Finding]:
    """Tensors that are all zero, or one other value, where that leaves nothing of what they are for."""
    for place in facts.stored:
        figures, connects = place.figures, place.name in facts.connecting
        if figures.count < 2 or figures.nan or figures.infinite or LORA_SECOND.search(place.name):
            continue
        if figures.zeros == figures.count:
            if advice := _without_zeros(facts, place):
                yield Finding(
                    f"{place.name} is all zero: {counted(figures.count, 'value')}.",
                    {"values": figures.count, "value": 0.0},
                    COUNTED,
                    advice=advice,
                    where=place.name,
                )
        elif connects and figures.minimum == figures.maximum:
            yield Finding(
                f"{place.name} is constant: all of its {counted(figures.count, 'value')} are {figures.minimum:g}.",
                {"values": figures.count, "value": figures.minimum},
                COUNTED,
                advice="All its units do the same and will stay so in training. Start it at random and train it.",
                where=place.name,
            )
        elif place.kind == "embedding" and connects and _rows_are_alike(place.tensor):
            rows = place.tensor.shape[0]
            yield Finding(
                f"All {rows:,} rows of {place.name} are the same.",
                {"values": figures.count, "rows": rows},
                "comparison of rows",
                advice="The network cannot tell its tokens, or places, apart. Load it again from where it came from, "
                "or start it at random and train it.",
                where=place.name,
            )


def _without_zeros(facts: Facts, place: Place) -> str:
    """Return what it means that a tensor is all zero, and what to do; ``""`` where it may well be."""
    if place.kind == "embedding":
        if place.tensor.shape[0] == 1:
            return ""  # one token type, which biases can stand for
        return (
            "It adds nothing: its tokens, or places, are all alike. If the model has no use for them, as for token "
            "types where there is one, it is meant so; otherwise load or train it again."
        )
    if place.role == "scales":
        return "What these scales multiply is all zero: nothing passes through. Load it again or quantize again."
    if place.role == "variance" or VARIANCE.search(place.name):
        return (
            "Outputs are divided by the root of the small number that is added to a variance: they become hundreds of "
            "times too large. Let the network see some batches in training mode, or load it again."
        )
    gain = place.kind == "normalization" and place.role == "weight"
    if gain or place.name in facts.connecting:
        return (
            "Nothing passes through this layer. If it is the last of a residual branch it may be meant to start so, "
            "and has not been trained; otherwise load or train it again."
        )
    unknown = place.kind == "unknown" and place.role not in STATE and not facts.weights.format.startswith("ONNX")
    if unknown and place.tensor.ndim > 1 and min(place.tensor.shape) >= FEWEST_UNKNOWN:
        return (
            "What it is for is not known. If it is a mask, or a state that begins empty, it is meant so; otherwise "
            "load it again from where it came from."
        )
    return ""


def _rows_are_alike(tensor: Tensor) -> bool:
    """Whether all rows are the same; a few of them tell of nearly all tensors that they are not."""
    rows = tensor.shape[0]
    first = tensor[0]
    few = np.unique(np.linspace(0, rows - 1, FEW_ROWS).astype(int)).tolist()
    if rows < 2 or not all(np.array_equal(tensor[row], first) for row in few):
        return False
    width = first.size
    return all(
        bool((values.reshape(-1, width) == first.reshape(-1)).all())
        for values in tensor.chunks(max(AT_ONCE // width, 1) * width)
    )


def negative_variance(facts: Facts) -> Iterator[Finding]:
    """Variances of a normalization that are below zero."""
    for place in facts.stored:
        figures = place.figures
        named = place.kind == "normalization" and place.role == "variance"
        if not (named or VARIANCE.search(place.name)) or not figures.minimum < 0:
            continue
        hidden = figures.minimum > -SMALLEST_ADDED
        yield Finding(
            f"{place.name} has variances below zero, down to {figures.minimum:.3g}"
            f"{', which what is added to them before the root is taken makes up for' if hidden else ''}.",
            {"least": figures.minimum, "values": figures.count},
            COUNTED,
            advice=(
                "No variance is negative: rounding may have left it. With nothing, or less than that, added, outputs "
                "become NaN. "
                if hidden
                else "The square root of a variance is taken: outputs become NaN. "
            )
            + "Load it again from where it came from, or let the network see some batches in training mode again.",
            where=place.name,
        )


def lora_zero(facts: Facts) -> Iterator[Finding]:
    """Adapters whose second factor is still the zeros it starts with (Hu et al. 2021)."""
    for name, figures in facts.statistics.items():
        if figures.count > 1 and figures.zeros == figures.count and LORA_SECOND.search(name):
            yield Finding(
                f"{name} is all zero: the adapter changes nothing.",
                {"values": figures.count},
                COUNTED,
                "Hu et al. 2021, arXiv 2106.09685: B starts at zero",
                advice="The adapter was saved before it was trained, or never received a gradient. Check that its "
                "weights are among those the optimizer is given, and train it.",
                where=name,
            )


def beyond_half(facts: Facts) -> Iterator[Finding]:
    """Values that float16 cannot hold."""
    for place in facts.floats:
        figures = place.figures
        largest = max(-figures.minimum, figures.maximum)
        if place.tensor.dtype == "float16" or not largest >= HALF_OVERFLOWS:
            continue
        yield Finding(
            f"{place.name} has values up to {largest:.3g}, which float16 does not hold: it ends at 65,504.",
            {"largest": largest, "values_beyond": _beyond(figures)},
            f"{COUNTED}; how many are beyond is from the histogram",
            "IEEE 754-2019, binary16",
            advice="Converted to float16 they become infinite. Keep this tensor in float32 or bfloat16.",
            where=place.name,
        )


def below_half(facts: Facts) -> Iterator[Finding]:
    """Tensors so small that float16 keeps few of their bits, or kept few of them."""
    for place in facts.floats:
        narrow = place.role == "bias" or place.tensor.dtype.startswith("float8")  # a tiny bias is as good as none
        if narrow or not 0 < place.size < HALF_NORMAL / math.sqrt(SUBNORMAL_SHARE):
            continue
        share = _share_below(place.figures)
        if share < SUBNORMAL_SHARE:
            continue
        stored = place.tensor.dtype == "float16"
        yield Finding(
            f"{place.name} is so small (√(Σ w² / n) = {place.size:.2g}) that {'float16 keeps' if stored else 'in '}"
            f"{'' if stored else 'float16 it would have'} fewer than 11 bits of most of it.",
            {"root_mean_square": place.size, "share_of_squares_below": share, "limit": HALF_NORMAL},
            "share of Σ w² of values below 2⁻¹⁴, from the histogram",
            "IEEE 754-2019, binary16",
            advice="Train and store it in bfloat16 or float32, or move a factor into the next layer."
            if stored
            else "Keep this tensor in float32 or bfloat16, or multiply it by a factor before it is converted.",
            where=place.name,
        )


def _beyond(figures: Statistics) -> int:
    """Return about how many values are beyond float16, one at least."""
    sizes, counts = sizes_of(figures.histogram), figures.histogram.counts
    beyond = int(counts[sizes >= HALF_OVERFLOWS].sum())
    finite = figures.count - figures.nan - figures.infinite  # the histogram is of these, or of some of them
    return max(1, round(beyond * finite / max(int(counts.sum()), 1)))


def _share_below(figures: Statistics) -> float:
    sizes = sizes_of(figures.histogram)
    energy = figures.histogram.counts * np.where(np.isfinite(sizes), sizes, 0.0) ** 2
    whole = float(energy.sum())
    return float(energy[sizes < HALF_NORMAL].sum()) / whole if whole else 0.0


def sizes_of(histogram: Histogram) -> Array:
    """Return the size |w| in the middle of each bin of a histogram, float64; NaN beyond the largest float32."""
    orders = (histogram.bins.astype(np.int64) - 32768) << 16 | 0x8000
    bits = np.where(orders < 0, orders ^ 0x7FFFFFFF, orders).astype(np.int32)
    with np.errstate(invalid="ignore"):  # the middle of the bin of infinity is no number
        return np.abs(bits.view(np.float32).astype(np.float64))
