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
from dataclasses import dataclass

import numpy as np

from pondera.reading.comparison.grids import digits_of
from pondera.reading.comparison.views import View
from pondera.reading.comparison.widths import COMPLEX, widened
from pondera.weights.tensor import Array

EXACT = 1024
"""Up to this length of the smaller side all singular values are found."""

SAMPLE = 384
"""Rows and columns of the sample of a larger matrix."""

MARGIN = 1.5
"""Above so many times the largest singular value of rounding errors a direction counts."""

LEFT, EXACTNESS = 2.0, 1e-10
"""Of squares: what may be left, in those of rounding errors; how far sums of them are exact."""

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


def rank_of(one: View, other: View) -> Rank | None:
    """Return the rank of the difference of two tensors, as matrices; None where they are none."""
    pair = matrices(one, other)
    if pair is None or any(view.tensor.dtype in COMPLEX for view in pair):
        return None
    m, n = pair[0].lengths
    if n < m:
        pair = (pair[0].transposed((1, 0)), pair[1].transposed((1, 0)))
        m, n = n, m
    if m <= EXACT:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        # Threads that wait for each other in a loop gain little on so small a matrix, and lose much on a busy machine.
        with threadpool_limits(1, "blas"):
            return _exact(*pair)
    return _sampled(*pair)


def _rows(one: View, other: View, start: int, stop: int, columns: int) -> tuple[Array, float]:
    """Return rows of the difference, (rows, columns), float64, and Σ of the variances of their rounding errors."""
    size = (stop - start, columns)
    x, y = (widened(view.tile((start, 0), size), wide=True) for view in (one, other))
    kinds = [view.tensor.dtype for view in (one, other)]
    digits = min((d for d in map(digits_of, kinds) if d >= 0), default=23)
    with np.errstate(all="ignore"):
        d = y - x
        d[~np.isfinite(d)] = 0.0
        size_of = np.where(np.isfinite(y), np.abs(y), 0.0)
    _, exponents = np.frexp(size_of)
    noise = float(np.square(np.ldexp(1.0, exponents - 1 - digits)).sum()) / 12  # a value's last place, evenly missed
    return d.reshape(size), noise


def _exact(one: View, other: View) -> Rank:
    m, n = one.lengths
    gram, noise = np.zeros((m, m)), 0.0
    step = max(1, (1 << 20) // m)
    for start in range(0, n, step):
        stop = min(n, start + step)
        part, more = _rows(one.part(1, start, stop - start), other.part(1, start, stop - start), 0, m, stop - start)
        gram += part @ part.T
        noise += more
    found = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
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


def _sampled(one: View, other: View) -> Rank:
    m, n = one.lengths
    drawn = np.random.default_rng(0)
    rows, columns = (np.sort(drawn.choice(length, SAMPLE, replace=False)) for length in (m, n))
    sample, noise = np.empty((SAMPLE, SAMPLE)), 0.0
    for at, row in enumerate(rows):
        whole, more = _rows(one, other, int(row), int(row) + 1, n)
        sample[at], noise = whole[0, columns], noise + more * SAMPLE / n
    found = np.linalg.svd(sample, compute_uv=False)
    least = int((found > max(_floor(noise, SAMPLE, SAMPLE), 1e-12 * float(found[0]))).sum())
    if least > SAMPLE // LOW:
        return Rank(None, None, m)
    return _projected(one, other, 2 * least + 16)


def _projected(one: View, other: View, width: int) -> Rank:
    m, n = one.lengths
    step = max(1, (1 << 21) // n)
    random = np.random.default_rng(1).normal(size=(n, width))
    reached, noise, total = np.empty((m, width)), 0.0, 0.0
    for start in range(0, m, step):
        stop = min(m, start + step)
        part, more = _rows(one, other, start, stop, n)
        reached[start:stop] = part @ random
        noise, total = noise + more, total + float(np.square(part).sum())
    basis = np.linalg.qr(reached)[0]
    within = np.zeros((width, n))
    for start in range(0, m, step):
        stop = min(m, start + step)
        within += basis[start:stop].T @ _rows(one, other, start, stop, n)[0]
    found = np.linalg.svd(within, compute_uv=False)
    rank = int((found > _floor(noise, m, n)).sum())
    left = total - float(np.square(found[:rank]).sum())
    if rank >= width - 8 or left > LEFT * noise + EXACTNESS * total:  # the range is wider than what was looked at
        return Rank(None, None, m)
    return Rank(rank, _effective(found[:rank]), m, explained=True)
