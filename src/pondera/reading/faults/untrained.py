"""Layers that are still as they were started.

Three kinds of evidence, from the sharpest:

1. The edge. Uniform and truncated normal starts end at a sharp edge, with many values just below it; the smallest step
   of training blurs it. The scale of the start, which follows from the layer's size, says where it should be.
2. Orthogonality. The rows of an orthogonal start are orthonormal to the last bits; no step of training keeps them so.
3. The shape. Normal starts have no edge. That values follow the normal distribution at a standard scale, with rows,
   columns and singular values as of independent numbers, is what a layer looks like that never moved, but also one that
   moved very little. A bias that is still zero tells the two apart; where there is none, the finding says "possibly".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.choice import counted
from pondera.findings import Finding
from pondera.reading.faults.distributions import DISTRIBUTIONS, UNIFORM, Distribution, distance, structure
from pondera.reading.faults.facts import Facts, Place, sample
from pondera.reading.faults.rule import certainty_of
from pondera.reading.faults.starts import RECURRENT, Scale, scales

FEWEST = 256
"""Tensors of fewer values are not judged."""

FEWEST_ALONE = 2048
"""The edge of fewer values is believed only where the bias beside them does not say otherwise."""

FEWEST_WITHOUT_SCALE = 16_384
"""An edge at no known place is believed where there are so many values."""

FEWEST_POSSIBLY = 4096
"""Without an edge and without a bias, fewer values say nothing."""

SAMPLED = 1 << 15
"""Values that distributions are compared on."""

LOOKED_AT = 1 << 22
"""Values among which the edge is looked for."""

MATRIX = 1 << 18
"""Values whose rows, columns and singular values are looked at."""

MOMENT = 4.5
"""Standard deviations that moments may be off."""

DISTANCE = 1.95
"""Kolmogorov's distance times √n that one sample of a thousand exceeds (Kolmogorov 1933)."""

STRUCTURE = 5.0
"""How far rows, columns and singular values may stand out."""

AT_EDGE = (20, 64)
"""Values expected just below the edge, in a narrow and in a wider strip."""

NEAR = 0.05
"""A largest value so little beyond the edge of a scale that follows from the layer's size was moved there."""

BEYOND = 14.0
"""With a probability of e⁻¹⁴ the largest of n values stays farther below the edge than so many n-ths."""

EPSILON = {"float32": 2.0**-22, "float64": 2.0**-22, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Twice the rounding of dtypes that initial values are stored in; others are not judged."""

EXACT = ("float32", "float64")
"""In fewer bits, small steps are lost beside a gain of 1."""

FEWEST_GAINS = 8
"""Normalizations of fewer units are not judged."""

START = {"bias": 0.0, "mean": 0.0, "variance": 1.0}
"""What is beside the gain of a normalization -> what it starts with."""

ORTHOGONAL = "an orthogonal matrix"

ADVICE = (
    "Check that it is among the weights the optimizer is given, that gradients reach it, and that the file was loaded "
    "whole: a loader that does not find a tensor leaves it as it was started. If it is frozen on purpose, all is well."
)
FOLDED = (
    "They were probably folded into the layers that follow, or frozen, and all is well. If they should have learned, "
    "check that they are among the weights the optimizer is given."
)
POSSIBLY = "It may also have been trained very little; from the weights alone this cannot be told apart. "


@dataclass(frozen=True)
class Verdict:
    """What a tensor looks like.

    Attributes
    ----------
    distribution
        What it follows, in words.
    scale
        The start whose scale it has; None where it has none of those known.
    sharp
        Whether an edge or orthogonality shows it.
    figures
        The numbers behind it.
    """

    distribution: str
    scale: Scale | None
    sharp: bool
    figures: dict[str, Any]

    @property
    def is_orthogonal(self) -> bool:
        """Whether it is an orthogonal matrix."""
        return self.distribution == ORTHOGONAL

    @property
    def is_uniform(self) -> bool:
        """Whether it is spread evenly."""
        return UNIFORM.name in self.distribution


def untrained(facts: Facts) -> Iterator[Finding]:
    """Layers at their start: for certain where an edge, orthogonality or the bias shows it, else possibly."""
    initial = False  # whether any matrix is
    for place in facts.connections:
        verdict = verdict_of(place)
        if verdict is None:
            continue
        bias = _bias(facts, place)
        certain = _is_certain(place, verdict, bias)
        if not certain and not _is_possible(place, verdict, bias):
            continue
        initial = True
        rule = "untrained" if certain else "possibly untrained"
        scale = f" with the scale of {verdict.scale.name}" if verdict.scale else ""
        yield Finding(
            f"{place.name} {'looks' if certain else 'possibly is'} as it was before training: its "
            f"{counted(place.figures.count, 'value')} are {verdict.distribution}{scale}.",
            {"deviation": place.figures.deviation, **verdict.figures, "bias": bias},
            "moments, edge, Kolmogorov's test of the distribution, χ² of rows and columns, largest singular value "
            "against the edge of Marchenko and Pastur",
            "Kolmogorov 1933; Marchenko & Pastur 1967; Johnstone 2001, Annals of Statistics 29; scales: LeCun et al. "
            "1998, Glorot & Bengio 2010, He et al. 2015",
            certainty_of(rule),
            ADVICE if certain else POSSIBLY + ADVICE,
            rule,
            place.name,
        )
    yield from _normalizations(facts, initial)


def _is_certain(place: Place, verdict: Verdict, bias: str) -> bool:
    if verdict.sharp and verdict.scale is None:
        return verdict.is_orthogonal or place.figures.count >= FEWEST_WITHOUT_SCALE
    if verdict.sharp and place.figures.count < FEWEST_ALONE:
        return bias == "initial" or (verdict.is_uniform and bias != "moved")
    if verdict.sharp:
        return True
    return verdict.scale is not None and bias == "initial"


def _is_possible(place: Place, verdict: Verdict, bias: str) -> bool:
    return place.figures.count >= FEWEST_POSSIBLY and bias == "none" and verdict.scale is not None


def verdict_of(place: Place) -> Verdict | None:
    """Return what start a tensor still looks like, or None."""
    figures = place.figures
    broken = figures.nan or figures.infinite or figures.minimum == figures.maximum
    if figures.count < FEWEST or broken or place.tensor.dtype not in EPSILON or not figures.deviation > 0:
        return None
    n, unit = figures.count, figures.deviation
    if abs(figures.mean) > MOMENT * unit / math.sqrt(n) or abs(figures.skewness) > MOMENT * math.sqrt(15 / n):
        return None
    if abs(figures.kurtosis) < 0.5:  # the numbers of an orthogonal matrix are nearly normal
        orthogonal = _orthogonal(place)
        if orthogonal is not None:
            return orthogonal
    for distribution in DISTRIBUTIONS:
        if abs(figures.kurtosis - distribution.kurtosis) > MOMENT * distribution.spread / math.sqrt(n) + 3e-3:
            continue
        found = _follows(place, distribution)
        if found is not None:
            return found
    return None


def _follows(place: Place, distribution: Distribution) -> Verdict | None:
    """Return the verdict if values follow a distribution, at its edge, in the middle, and in rows and columns."""
    n, unit, largest = place.figures.count, place.figures.deviation, max(-place.figures.minimum, place.figures.maximum)
    known = scales(place.fans)
    edged = math.isfinite(distribution.edge)
    if edged:
        scale = _scale_at_edge(place, distribution, largest, known)
        if scale is _MOVED or not _edge_is_sharp(place, distribution, largest):
            return None
        unit = largest / distribution.edge
    else:
        allowed = MOMENT * math.sqrt((distribution.kurtosis + 2) / (4 * n)) + EPSILON[place.tensor.dtype]
        scale = next((each for each in known if abs(unit / each.deviation - 1) < allowed), None)
        if n * math.erfc(largest / unit / math.sqrt(2)) < 1e-4:
            return None
    values = sample(place.tensor, SAMPLED).astype(np.float64)
    off = distance(np.abs(values) / unit, distribution.below)
    if off > DISTANCE:
        return None
    out = structure(place.matrix(MATRIX) / unit, distribution.kurtosis)
    if out > STRUCTURE:
        return None
    return Verdict(
        f"spread as by a {distribution.name} distribution",
        scale,
        edged,
        {
            "kurtosis": place.figures.kurtosis,
            "largest": largest,
            "kolmogorov": off,
            "standing_out": out,
            "start": None if scale is None else scale.name,
        },
    )


_MOVED = Scale(math.nan, "beyond the edge")


def _scale_at_edge(place: Place, distribution: Distribution, largest: float, known: list[Scale]) -> Scale | None:
    """Return the scale whose edge the largest value reaches, or that it went beyond the edge it must have had."""
    n, rounding = place.figures.count, EPSILON[place.tensor.dtype]
    window = BEYOND / (n * distribution.density * distribution.edge)  # relative to the edge
    near: Scale | None = None
    for scale in known:
        ratio = largest / (scale.deviation * distribution.edge) - 1
        if -window - rounding < ratio < rounding:
            return scale
        if rounding <= ratio < NEAR and scale.by_size:
            near = scale
    return None if near is None else _MOVED


def _edge_is_sharp(place: Place, distribution: Distribution, largest: float) -> bool:
    """Whether as many values lie just below the largest as an edge would have."""
    values = sample(place.tensor, LOOKED_AT)
    n, rounding = len(values), EPSILON[place.tensor.dtype]
    for count in AT_EDGE:
        width = max(count / (n * distribution.density * distribution.edge), 2 * rounding)
        if width > 0.25:
            return count != AT_EDGE[0]  # there are too few values for the wider strip
        limit = largest * (1 - width)
        expected = n * float(1 - distribution.below(np.array(limit / largest * distribution.edge)))
        above, under = int((values >= limit).sum()), int((values <= -limit).sum())
        tolerance = 3.5 * math.sqrt(expected) + 0.5 * expected * (rounding > width / 8)
        # Both sides of the edge must be there, and counts within what a Poisson number has.
        if abs(above + under - expected) > tolerance or abs(above - under) > tolerance + 1:
            return False
    return True


def _orthogonal(place: Place) -> Verdict | None:
    """Return the verdict of rows, or columns, that are orthonormal but for one factor."""
    rows, width = place.tensor.shape[0], place.figures.count // place.tensor.shape[0]
    if min(rows, width) < 8 or max(rows, width) > MATRIX // 32 or (rows > width and place.figures.count > LOOKED_AT):
        return None
    taken = rows if rows > width else min(rows, 32)
    matrix = place.tensor.source.flat(0, taken * width).reshape(taken, width)
    gain = off = math.nan
    for few in (8, 32):  # a few are enough for nearly all matrices
        part = (matrix[:, :few].T if rows > width else matrix[:few]).astype(np.float64)
        gram = part @ part.T
        gain = float(np.diag(gram).mean())
        off = float(np.abs(gram - gain * np.eye(len(part))).max()) / gain if gain > 0 else math.inf
        if off > max(EPSILON[place.tensor.dtype] / 4, 2e-6) or np.count_nonzero(part) < part.size // 2:
            return None  # not orthogonal, or a permutation
    return Verdict(ORTHOGONAL, None, True, {"gain": math.sqrt(gain), "largest_product": off})


def _bias(facts: Facts, place: Place) -> str:
    """Return "initial" for a bias that is constant, "moved" for one that no initializer gives, "uniform", or "none".

    "not read" is a bias that is not among the tensors looked at.
    """
    bias = facts.beside(place, "bias") if place.role == "weight" else None
    if bias is None and place.role == "weight" and place.layer is not None and "bias" in place.layer.tensors:
        return "not read"
    if bias is None or bias.figures.count < 1:
        return "none"
    figures = bias.figures
    if figures.minimum == figures.maximum and figures.count > 1:
        return "initial"
    largest = max(-figures.minimum, figures.maximum)
    limits = [1 / math.sqrt(into) for into, _ in place.fans if into]  # PyTorch's
    limits += [math.sqrt(gates / out) for _, out in place.fans for gates in RECURRENT if out and out % gates == 0]
    limits += [math.sqrt(six / (into + out)) for into, out in place.fans for six in (2, 6) if into]  # scikit-learn's
    # The largest of n numbers that are uniform up to a limit is below this share of it once in a thousand times.
    share = 1e-3 ** (1 / figures.count)
    flat = figures.count < 16 or figures.kurtosis < 0
    return "uniform" if flat and any(share * limit < largest <= limit for limit in limits) else "moved"


def _normalizations(facts: Facts, initial: bool) -> Iterator[Finding]:
    """Normalization whose gain is exactly 1 and bias exactly 0, and whose averages, where it has any, are 0 and 1.

    Where all of a file's are so, while no matrix is as it started, they were folded into other layers, or frozen.
    """
    gains = [place for place in facts.floats if place.kind == "normalization" and place.role == "weight"]
    gains = [place for place in gains if place.figures.count >= FEWEST_GAINS]
    exact = [place for place in gains if place.tensor.dtype in EXACT and _others_at_start(facts, place)]
    folded = len(exact) == len(gains) > 1 and not initial and bool(facts.connections) and facts.weights.whole
    for place in exact:
        there = _others_at_start(facts, place)
        values = "all gains are 1" + "".join(f", each {role} is {START[role]:g}" for role in there)
        yield Finding(
            f"{place.name} and what belongs to it change nothing: {values}. So do all normalizations of the file, "
            "while its matrices were trained."
            if folded
            else f"{place.name} and what belongs to it are as before training: {values}.",
            {"values": place.figures.count, "with": there},
            "comparison with the values that normalization starts with",
            advice=FOLDED if folded else ADVICE,
            rule="possibly untrained" if folded else "untrained",
            where=place.name,
        )


def _others_at_start(facts: Facts, place: Place) -> list[str]:
    """Return what lies beside a gain that is all 1, if there is any and all of it is as it starts; else nothing."""
    there = {role: found for role in START if (found := facts.beside(place, role)) is not None}
    at_start = _is_only(place, 1.0) and all(_is_only(each, START[role]) for role, each in there.items())
    return list(there) if at_start else []


def _is_only(place: Place, value: float) -> bool:
    return place.figures.minimum == place.figures.maximum == value
