"""Of what rank is the difference of two matrices? Few directions are what an adapter leaves; training moves in all.

A merged low-rank adapter (LoRA; Hu et al. 2021, https://arxiv.org/abs/2106.09685) adds a product of two thin matrices.
What is stored is that sum rounded, and the rounding errors have every rank: singular values count only above what such
errors give by themselves. Independent errors of variance σ² in an m × n matrix have singular values up to σ(√m + √n)
(Marchenko & Pastur 1967; Davidson & Szarek 2001).

Where the smaller side has at most :data:`EXACT` rows the squares of all singular values come from the matrix of inner
products of that side. Larger differences are looked at through a sample of rows and columns first, whose rank is no
higher than the whole's; where that is low, a random projection finds the range and the singular values in two passes
(Halko, Martinsson & Tropp 2011, SIAM Review 53).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pondera.machine import cores
from pondera.reading.comparison.grids import digits_of
from pondera.reading.comparison.views import View
from pondera.reading.widths import COMPLEX, widened
from pondera.weights.tensor import Array

T = TypeVar("T")

EXACT = 1024
"""Up to this length of the smaller side all singular values are found."""

SAMPLE = 384
"""Rows and columns of the sample of a larger matrix."""

MARGIN = 1.5
"""Above so many times the largest singular value of rounding errors a direction counts."""

LEFT, EXACTNESS = 2.0, 1e-10
"""Of squares: what may be left, in those of rounding errors; how far sums of them are exact."""

NOISE_EVERY = 16
"""Of long rows the rounding errors are known from one of so many values."""

LOW = 4
"""A rank is low if it is at most the smaller side divided by this."""


@dataclass(frozen=True)
class Rank:
    """Singular values of a difference, summed up.

    Attributes
    ----------
    rank
        How many lie above rounding, if these leave no more than rounding does; else how many there are at all. None
        where that is not known, because it is not low and the matrix is large.
    effective
        exp of the entropy of the singular values divided by their sum (Roy & Vetterli 2007): how many directions share
        the change; None likewise.
    side
        Length of the smaller side: the highest rank there is.
    explained
        Whether what the singular values above rounding leave has no more than :data:`LEFT` times the squares that
        rounding errors have. Changes of about a unit of last place everywhere leave more.
    """

    rank: int | None
    effective: float | None
    side: int
    explained: bool = False

    @property
    def low(self) -> bool:
        """Whether it is that of an adapter: at least 1, and at most a quarter of the smaller side."""
        return self.explained and self.rank is not None and 1 <= self.rank <= self.side // LOW


def matrices(one: View, other: View) -> tuple[View, View] | None:
    """Return two views as matrices of the same lengths; None where they have fewer than two axes longer than one."""
    kept = [at for at, length in enumerate(one.lengths) if length > 1]
    if len(kept) < 2:
        return None
    rows, columns = kept[0], kept[1:]
    width = math.prod(one.lengths[at] for at in columns)
    joined = []
    for view in (one, other):
        steps = [view.strides[at] for at in columns]
        lengths = [view.lengths[at] for at in columns]
        if any(steps[i] != steps[i + 1] * lengths[i + 1] for i in range(len(steps) - 1)):
            return None
        joined.append(View(view.tensor, (view.lengths[rows], width), (view.strides[rows], steps[-1]), view.offset))
    return joined[0], joined[1]


def rank_of(one: View, other: View, pool: ThreadPoolExecutor | None = None) -> Rank | None:
    """Return the rank of the difference of two tensors, as matrices; None where they are none.

    Parameters
    ----------
    one, other
        Values at the same slots.
    pool
        Goes through several parts of the matrices at a time.
    """
    pair = matrices(one, other)
    if pair is None or any(view.tensor.dtype in COMPLEX for view in pair):
        return None
    m, n = pair[0].lengths
    if n < m:
        pair = (pair[0].transposed((1, 0)), pair[1].transposed((1, 0)))
        m, n = n, m
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Every thread multiplies its own part: threads that share one product wait for each other in a loop.
    with threadpool_limits(1, "blas"):
        return (_exact if m <= EXACT else _sampled)(Change(*pair), pool)


@dataclass(frozen=True)
class Change:
    """The difference of two matrices of m rows and n columns, of which parts are taken."""

    one: View
    other: View

    @property
    def shape(self) -> tuple[int, int]:
        """Its lengths, the shorter first."""
        m, n = self.one.lengths
        return m, n

    def part(self, rows: range, columns: range) -> tuple[Array, Array]:
        """Return a part of the difference, and the same part of the second matrix, (rows, columns) float64."""
        size = (len(rows), len(columns))
        x, y = (
            widened(view.tile((rows.start, columns.start), size), wide=True).reshape(size)
            for view in (self.one, self.other)
        )
        with np.errstate(all="ignore"):
            d = y - x
            if not np.isfinite(d.sum()):
                d[~np.isfinite(d)] = 0.0
        return d, y

    def noise(self, y: Array) -> float:
        """Return Σ of the variances of the rounding errors of values of the second matrix, from one of 16 of many."""
        every = NOISE_EVERY if y.shape[1] >= NOISE_EVERY * NOISE_EVERY else 1
        sizes = y[:, ::every]
        kinds = [view.tensor.dtype for view in (self.one, self.other)]
        digits = min((d for d in map(digits_of, kinds) if d >= 0), default=23)
        _, exponents = np.frexp(np.where(np.isfinite(sizes), sizes, 0.0))
        errors = np.square(np.ldexp(1.0, exponents - 1 - digits))  # a value's last place, evenly missed
        return float(errors.sum()) / 12 * y.size / sizes.size


def _shares(length: int, step: int, pool: ThreadPoolExecutor | None) -> list[list[range]]:
    """Return stretches of an axis, for each thread those that it goes through."""
    stretches = [range(start, min(start + step, length)) for start in range(0, length, step)]
    workers = min(cores(), len(stretches)) if pool is not None else 1
    size = -(-len(stretches) // workers)
    return [stretches[at : at + size] for at in range(0, len(stretches), size)]


def _over(pool: ThreadPoolExecutor | None, work: Callable[[list[range]], T], shares: list[list[range]]) -> list[T]:
    return list(map(work, shares) if pool is None else pool.map(work, shares))


def _exact(change: Change, pool: ThreadPoolExecutor | None) -> Rank:
    m, n = change.shape

    def products(stretches: list[range]) -> tuple[Array, float]:
        gram, noise = np.zeros((m, m)), 0.0
        for columns in stretches:
            d, y = change.part(range(m), columns)
            gram += d @ d.T
            noise += change.noise(y)
        return gram, noise

    parts = _over(pool, products, _shares(n, max(1, (1 << 20) // m), pool))
    noise = sum(each for _, each in parts)
    found = np.sqrt(np.maximum(np.linalg.eigvalsh(sum(gram for gram, _ in parts))[::-1], 0.0))
    floor = max(_floor(noise, m, n), 1e-6 * float(found[0]))  # of squares, half the digits stay
    rank = int((found > floor).sum())
    squares = np.square(found)
    explained = float(squares[rank:].sum()) <= LEFT * noise + EXACTNESS * float(squares.sum())
    if not explained:
        rank = int((found > 1e-6 * found[0]).sum())
    return Rank(rank, _effective(found), m, explained)


def _floor(noise: float, m: int, n: int) -> float:
    return MARGIN * math.sqrt(noise / (m * n)) * (math.sqrt(m) + math.sqrt(n))


def _effective(found: Array) -> float:
    shares = found[found > 0] / found.sum() if found.any() else found[:0]
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def _sampled(change: Change, pool: ThreadPoolExecutor | None) -> Rank:
    m, n = change.shape
    drawn = np.random.default_rng(0)
    rows, columns = (np.sort(drawn.choice(length, SAMPLE, replace=False)) for length in (m, n))
    sample, noise = np.empty((SAMPLE, SAMPLE)), 0.0
    for at, row in enumerate(rows.tolist()):
        d, y = change.part(range(row, row + 1), range(n))
        sample[at], noise = d[0, columns], noise + change.noise(y)
    found = np.linalg.svd(sample, compute_uv=False)
    least = int((found > max(_floor(noise * SAMPLE / n, SAMPLE, SAMPLE), 1e-12 * float(found[0]))).sum())
    if least > SAMPLE // LOW:
        return Rank(None, None, m)
    return _projected(change, 2 * least + 16, noise * m / SAMPLE, pool)


def _projected(change: Change, width: int, noise: float, pool: ThreadPoolExecutor | None) -> Rank:
    m, n = change.shape
    random = np.random.default_rng(1).normal(size=(n, width))
    shares = _shares(m, max(1, (1 << 20) // n), pool)
    reached = np.empty((m, width))

    def reach(stretches: list[range]) -> float:
        total = 0.0
        for rows in stretches:
            d, _ = change.part(rows, range(n))
            reached[rows.start : rows.stop] = d @ random
            total += float(np.vdot(d, d))
        return total

    total = sum(_over(pool, reach, shares))
    basis = np.linalg.qr(reached)[0]

    def project(stretches: list[range]) -> Array:
        within = np.zeros((width, n))
        for rows in stretches:
            within += basis[rows.start : rows.stop].T @ change.part(rows, range(n))[0]
        return within

    found = np.linalg.svd(sum(_over(pool, project, shares)), compute_uv=False)
    rank = int((found > _floor(noise, m, n)).sum())
    left = total - float(np.square(found[:rank]).sum())
    if rank >= width - 8 or left > LEFT * noise + EXACTNESS * total:  # the range is wider than what was looked at
        return Rank(None, None, m)
    return Rank(rank, _effective(found[:rank]), m, explained=True)
