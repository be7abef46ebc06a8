"""Spectra of matrices too large to be taken apart: what products with a few vectors tell.

A block Lanczos process on WᵀW, begun with random orthonormal columns, gives three things at once: its largest Ritz
values, which converge to the largest eigenvalues (Golub & Underwood 1977; how fast, from a random beginning: Musco &
Musco 2015); a quadrature for Σ f(λ) over all of them (Ubaru, Chen & Saad 2017, SIAM Journal on Matrix Analysis 38); and
the error of either: by the residual, and by how far the columns disagree. It goes beyond the randomized range finder
of Halko, Martinsson & Tropp (2011) in that it keeps all powers, not only the last.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from pondera.reading.spectrum.operand import Operand
from pondera.weights.tensor import Array

COLUMNS = 32
"""Columns that are multiplied together."""

STEPS = 20
"""How often they are multiplied by WᵀW."""

GROUPS = 4
"""Groups of columns whose figures are compared to tell the error."""

CONVERGED = 1e-3
"""Ritz values whose residual is below this share of them are taken for eigenvalues, one each."""


@dataclass(frozen=True)
class Sketch:
    """What is known of the eigenvalues of WᵀW.

    Attributes
    ----------
    eigenvalues
        (n,) ascending: the largest as found, the others spread as the quadrature says. Their sum is Σ w².
    groups
        The same from each group of columns alone: how much they differ tells the error of sampling.
    coarser
        The same from half the steps: how much it differs bounds the error of the quadrature.
    error
        How far the largest may be off, as a share of it.
    """

    eigenvalues: Array
    groups: tuple[Array, ...]
    coarser: Array
    error: float


def sketch_of(matrix: Operand, pool: Executor, seed: int = 0) -> Sketch:
    """Return what is known of the eigenvalues of WᵀW from products of W with :data:`COLUMNS` · :data:`STEPS` columns.

    n is at least COLUMNS · STEPS. Memory beside W: (n, COLUMNS · STEPS) float32 and some blocks. Products are shared
    out among the pool's threads; in what order they are added does not depend on them: the same seed gives the same
    every time.
    """
    n, columns = matrix.shape[1], COLUMNS
    small, last = _lanczos(matrix, columns, STEPS, pool, seed)
    values, vectors = np.linalg.eigh(small)
    residuals = np.linalg.norm(last @ vectors[-columns:], axis=0)
    shares = vectors[:columns] ** 2  # (columns, values): what each column says of how often a value occurs
    found = _found(values, residuals, shares.mean(axis=0) * n)
    half = STEPS // 2 * columns
    fewer, others = np.linalg.eigh(small[:half, :half])
    top, energy = values[len(values) - found :], matrix.energy()
    return Sketch(
        _spread(values, shares.mean(axis=0), top, n, energy),
        tuple(_spread(values, part.mean(axis=0), top, n, energy) for part in np.array_split(shares, GROUPS)),
        _spread(fewer, (others[:columns] ** 2).mean(axis=0), top, n, energy),
        float(residuals[-1] / values[-1]) / 2 if values[-1] > 0 else 0.0,
    )


def _found(values: Array, residuals: Array, counts: Array) -> int:
    """Return how many of the largest Ritz values are eigenvalues that occur once.

    Their residuals say that they are eigenvalues. Their counts say that there are not many of a kind, of which a Krylov
    space sees no more than it has columns: that of one that occurs once is 1 with a deviation of √(2 / COLUMNS).
    """
    number = np.arange(1, len(values) + 1)
    good = residuals[::-1] <= CONVERGED * np.abs(values[::-1])
    once = np.cumsum(counts[::-1]) <= number + 4 * np.sqrt(2 * number / COLUMNS) + 1
    both = good & once
    return len(values) if both.all() else int(np.argmin(both))


def _lanczos(matrix: Operand, columns: int, steps: int, pool: Executor, seed: int) -> tuple[Array, Array]:
    """Return WᵀW as seen in a basis of its Krylov space, and the block that leads out of it."""
    n = matrix.shape[1]
    start = np.random.default_rng(seed).standard_normal((n, columns), np.float32)
    basis = np.empty((n, columns * steps), np.float32, order="F")
    basis[:, :columns] = np.linalg.qr(start)[0]
    small = np.zeros((columns * steps, columns * steps))
    for step in range(steps):
        here = slice(step * columns, (step + 1) * columns)
        known = basis[:, : here.stop]
        block = matrix.times(np.ascontiguousarray(basis[:, here]), pool)
        small[here, here] = basis[:, here].T @ block
        for _ in range(2):  # once leaves what float32 lost
            block -= known @ (known.T @ block)
        block, out = np.linalg.qr(block)
        if step + 1 < steps:
            there = slice(here.stop, here.stop + columns)
            block -= known @ (known.T @ block)  # columns that hold nothing but rounding point anywhere
            block, again = np.linalg.qr(block)
            out = again @ out
            basis[:, there] = block
            small[there, here], small[here, there] = out, out.T
    return (small + small.T) / 2, out.astype(np.float64)


def _spread(values: Array, counts: Array, top: Array, n: int, energy: float) -> Array:
    """Return n eigenvalues: ``top`` as they are, the others so that their distribution is what the counts say."""
    below = values < top[0] if len(top) else np.full(len(values), True)
    rest, counts = np.maximum(values[below], 0.0), counts[below]
    others = n - len(top)
    if not others or not counts.sum() > 0:
        return np.concatenate([np.zeros(others), np.maximum(top, 0.0)])
    counts = counts * (others / counts.sum())
    middles = np.cumsum(counts) - counts / 2  # the distribution passes a value of a quadrature within its step
    spread = np.interp(np.arange(others) + 0.5, middles, np.sqrt(rest)) ** 2
    left, total = energy - float(top.sum()), float(spread.sum())
    if left > 0 and total > 0:
        spread = np.minimum(spread * (left / total), max(float(values[-1]), 0.0))
    return np.concatenate([spread, top])
