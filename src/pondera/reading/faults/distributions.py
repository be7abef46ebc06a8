"""The distributions that initializers draw from, as tests of whether values still follow them.

All are of mean 0 and, here, of standard deviation 1. Hardly any trained layer is so: training moves many weights a
little and some a lot, which blurs edges and makes tails.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pondera.weights.tensor import Array


@dataclass(frozen=True)
class Distribution:
    """A symmetric distribution of standard deviation 1.

    Attributes
    ----------
    name
        What it is called.
    kurtosis
        Fourth moment less 3.
    spread
        The standard deviation of √n times the kurtosis of n values, for large n.
    edge
        The largest value there is; infinite where there is none.
    density
        Probability per unit of size just below the edge, both sides together.
    below
        Sizes |w| -> the probability of a smaller one.
    """

    name: str
    kurtosis: float
    spread: float
    edge: float
    density: float
    below: Callable[[Array], Array]


def _uniform(sizes: Array) -> Array:
    return np.clip(sizes / math.sqrt(3), 0.0, 1.0)


def _phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _erf(x: Array) -> Array:
    """Return erf of values of at least 0, to 1.5·10⁻⁷ (Abramowitz & Stegun 1964, 7.1.26)."""
    t = 1 / (1 + 0.3275911 * x)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    found: Array = 1 - series * np.exp(-x * x)
    return found


def truncated(cut: float) -> Distribution:
    """Return the normal distribution without what lies beyond ``cut`` standard deviations, scaled to deviation 1."""
    mass = math.erf(cut / math.sqrt(2))

    def moment(power: int) -> float:
        """Return E|x|^power by the recursion of integration by parts, before scaling; power is even."""
        if power == 0:
            return 1.0
        return (power - 1) * moment(power - 2) - 2 * cut ** (power - 1) * _phi(cut) / mass

    variance = moment(2)
    unit = math.sqrt(variance)
    b2, b4, b6 = (moment(2 * k) / variance**k for k in (2, 3, 4))

    def below(sizes: Array) -> Array:
        return np.clip(_erf(np.minimum(sizes * unit, cut) / math.sqrt(2)) / mass, 0.0, 1.0)

    return Distribution(
        f"truncated normal (at {cut:g} σ)",
        b2 - 3,
        math.sqrt(b6 - 4 * b2 * b4 + 4 * b2**3 - b2**2),  # the delta method for m₄ / m₂² of a symmetric distribution
        cut / unit,
        2 * _phi(cut) * unit / mass,
        below,
    )


UNIFORM = Distribution(
    "uniform", -1.2, math.sqrt(9 - 4 * 1.8 * 27 / 7 + 4 * 1.8**3 - 1.8**2), math.sqrt(3), 1 / math.sqrt(3), _uniform
)
NORMAL = Distribution("normal", 0.0, math.sqrt(24), math.inf, 0.0, lambda sizes: _erf(sizes / math.sqrt(2)))
DISTRIBUTIONS = (UNIFORM, truncated(2.0), truncated(3.0), NORMAL)
"""What weights are drawn from, those with an edge first: their test is the sharper one."""


def distance(sizes: Array, below: Callable[[Array], Array]) -> float:
    """Return Kolmogorov's distance of sizes from a distribution, times √n.

    Examples
    --------
    >>> round(distance(np.linspace(0, math.sqrt(3), 101), UNIFORM.below), 2)
    0.1
    """
    ordered = below(np.sort(sizes))
    n = len(ordered)
    steps = np.arange(n + 1) / n
    return float(max(np.abs(ordered - steps[1:]).max(), np.abs(ordered - steps[:-1]).max()) * math.sqrt(n))


def structure(matrix: Array, kurtosis: float) -> float:
    """Return by how many standard deviations rows, columns or singular values stand out of independent values.

    Of independent values of deviation 1, sums and sums of squares of rows and columns are χ²-like, and the largest
    singular value lies at the edge of the law of Marchenko and Pastur (1967) with the fluctuations of Tracy and Widom
    (Johnstone 2001, Annals of Statistics 29). What training did stands out.
    """
    rows, columns = matrix.shape
    if min(rows, columns) < 2:
        return 0.0
    found = [_edge(matrix)]
    for axis, length in ((0, rows), (1, columns)):
        count = matrix.shape[1 - axis]
        found.append(float(((matrix.sum(axis=axis) ** 2).sum() / length - count) / math.sqrt(2 * count)))
        energies = (matrix**2).mean(axis=axis) - 1
        expected = (kurtosis + 2) / length
        dispersion = ((energies**2).sum() / expected - count) / math.sqrt(2 * count)
        found.append(float(dispersion) / (1 + 6 / math.sqrt(length)))  # energies of few values have longer tails
    return max(found)


def _edge(matrix: Array) -> float:
    """Return how far the largest singular value² lies beyond the edge, in units of its fluctuation."""
    rows, columns = sorted(matrix.shape)
    tall = (matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T).astype(np.float32)  # errs by 10⁻³ of a unit
    if rows <= 64:
        largest = float(np.linalg.eigvalsh(tall.T @ tall)[-1])
    else:  # a few steps of subspace iteration find what stands out; what does not is not needed exactly
        start = np.random.default_rng(0).standard_normal((tall.shape[0], 6)).astype(np.float32)
        probe = np.linalg.qr(tall.T @ start)[0]
        for _ in range(10):
            probe = np.linalg.qr(tall.T @ (tall @ probe))[0]
        largest = float(np.linalg.eigvalsh((tall @ probe).T @ (tall @ probe))[-1])
    a, b = math.sqrt(columns - 1), math.sqrt(rows)
    return float((largest - (a + b) ** 2) / ((a + b) * (1 / a + 1 / b) ** (1 / 3)))
