"""What the singular values of noise would be: the law of Marchenko and Pastur.

Of an (N, n) matrix of independent entries of variance s², N ≥ n, the eigenvalues of WᵀW fill the interval
s² (√N ± √n)² (Marchenko & Pastur 1967). What lies beyond its upper end is not noise of that variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pondera.weights.tensor import Array

TRACY_WIDOM = 2.0234
"""The 99 % quantile of the Tracy–Widom law of order 1: where the largest eigenvalue of noise is once in a hundred."""


@dataclass(frozen=True)
class Bulk:
    """The part of a spectrum that looks like noise.

    Attributes
    ----------
    deviation
        Standard deviation of the entries that would give such a bulk.
    edge
        The singular value above which noise of this size is seen in one matrix of a hundred.
    outside
        How many singular values are above the edge.
    energy
        Their share of Σ σ².
    """

    deviation: float
    edge: float
    outside: int
    energy: float


def bulk_of(eigenvalues: Array, larger: int) -> Bulk:
    """Return the bulk of the eigenvalues of WᵀW.

    The variance comes from the median eigenvalue, which the large ones hardly move (Gavish & Donoho 2014, IEEE
    Transactions on Information Theory 60, section III.E). The edge is the law's, with the room that the largest
    eigenvalue of a matrix of finite size takes (Johnstone 2001, Annals of Statistics 29; constants of Ma 2012).

    Parameters
    ----------
    eigenvalues
        (n,) all of them, zeros included, n the smaller side of the matrix.
    larger
        N, its larger side.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (400, 200))
    >>> bulk = bulk_of(np.linalg.eigvalsh(noise.T @ noise), 400)
    >>> round(bulk.deviation, 2), round(bulk.edge, 1), bulk.outside
    (0.1, 3.5, 0)
    """
    smaller = len(eigenvalues)
    variance = float(np.median(eigenvalues)) / (larger * median(smaller / larger))
    N, n = math.sqrt(larger - 0.5), math.sqrt(smaller - 0.5)
    edge = variance * ((N + n) ** 2 + TRACY_WIDOM * (N + n) * (1 / N + 1 / n) ** (1 / 3))
    outside = eigenvalues > edge
    total = float(eigenvalues.sum())
    energy = float(eigenvalues[outside].sum()) / total if total else 0.0
    return Bulk(math.sqrt(variance), math.sqrt(edge), int(outside.sum()), energy)


def median(ratio: float, points: int = 2048) -> float:
    """Return the median of the law for entries of variance 1/N and the ratio n/N ≤ 1, to 10⁻⁶.

    >>> round(median(1.0), 4)
    0.6528
    """
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2
    angles = np.linspace(0, math.pi, points)
    x = low + (high - low) * (1 - np.cos(angles)) / 2
    middle = (angles[1:] + angles[:-1]) / 2
    at = low + (high - low) * (1 - np.cos(middle)) / 2
    mass = np.concatenate([[0.0], np.cumsum(np.sin(middle) ** 2 / at)])
    return float(np.interp(0.5, mass / mass[-1], x))
