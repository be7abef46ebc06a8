"""The spectrum of a layer: its singular values, and what they say in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numba import njit

from pondera.errors import ArgumentError
from pondera.machine import cores
from pondera.reading.spectrum.krylov import COLUMNS, GROUPS, STEPS, sketch_of
from pondera.reading.spectrum.marchenko_pastur import Bulk, bulk_of
from pondera.reading.spectrum.operand import Operand, operand_of
from pondera.reading.spectrum.tail import Tail, tail_of
from pondera.weights.tensor import Array

EXACT = 2048
"""Matrices whose smaller side is no longer than this are taken apart; of larger ones the spectrum is estimated."""

AHEAD = 4
"""How many matrices are asked for ahead, for each thread."""


@dataclass(frozen=True)
class Spectrum:
    """Singular values σ₁ ≥ σ₂ ≥ … of a matrix in a few numbers. Those that cannot be told are None.

    Attributes
    ----------
    outputs, inputs
        The shape of the matrix.
    method
        ``"exact"``: all eigenvalues of WᵀW (or WWᵀ, the smaller), in float64. ``"randomized"``: see
        :mod:`pondera.reading.spectrum.krylov`. ``"none"``: see ``reason``.
    reason
        Why there are no figures; empty where there are.
    spectral_norm
        σ₁.
    stable_rank
        ‖W‖F² / σ₁²: how many directions as large as the first there would have to be. At most the rank.
    effective_rank
        exp(−Σ p log p) with p = σᵢ / Σ σ (Roy & Vetterli 2007).
    bulk
        What looks like noise, and how much does not.
    tail
        The power law of the largest eigenvalues of WᵀW; None where fewer than ten are not 0.
    errors
        Figure -> its error as a share of it: the bound of rounding where the method is exact; of estimates, for
        ``spectral_norm`` and ``stable_rank`` the bound by the residual, otherwise one standard error.
    values
        The singular values, largest first; of estimates, all but the largest are as many values spread as they are.
    """

    outputs: int
    inputs: int
    method: str
    reason: str = ""
    spectral_norm: float | None = None
    stable_rank: float | None = None
    effective_rank: float | None = None
    bulk: Bulk | None = None
    tail: Tail | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    values: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    @property
    def alpha(self) -> float | None:
        """The exponent of the tail."""
        return self.tail.alpha if self.tail else None

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values, without the singular values themselves."""
        bulk, tail = self.bulk, self.tail
        return {
            "method": self.method,
            "reason": self.reason,
            "spectral_norm": self.spectral_norm,
            "stable_rank": self.stable_rank,
            "effective_rank": self.effective_rank,
            "noise": bulk and bulk.deviation,
            "edge": bulk and bulk.edge,
            "outside": bulk and bulk.outside,
            "outside_share": bulk and bulk.outside / min(self.outputs, self.inputs),
            "outside_energy": bulk and bulk.energy,
            "alpha": tail and tail.alpha,
            "alpha_error": tail and tail.error,
            "alpha_start": tail.start if tail and math.isfinite(tail.start) else None,
            "alpha_count": tail and tail.count,
            "alpha_distance": tail and tail.distance,
            "errors": dict(self.errors),
        }


def spectrum_of(matrix: Array, exact: int = EXACT) -> Spectrum:
    """Return the spectrum of a matrix.

    Up to a side of ``exact``, all eigenvalues of the smaller of WᵀW and WWᵀ are found in float64: singular values are
    right to 10⁻¹⁵ · N · σ₁² / σ of themselves, so that those below about 10⁻⁷ σ₁ are rounding and count as 0. Above it
    they are estimated from 640 products in float32, with the errors stated; the matrix is read twenty times.

    Parameters
    ----------
    matrix
        (outputs, inputs) of any real dtype. Views are fine; float32 is not copied.
    exact
        The longest smaller side that is taken apart; at least 640, up to which nothing is gained by an estimate.

    Raises
    ------
    ArgumentError
        If it is not a matrix, or complex.

    Examples
    --------
    >>> found = spectrum_of(np.diag([3.0, 4.0, 0.0]))
    >>> found.spectral_norm, round(found.stable_rank, 4), round(found.effective_rank, 4)
    (4.0, 1.5625, 1.9796)
    """
    (found,) = spectra_of([matrix], exact)
    return found


def spectra_of(matrices: Iterable[Array], exact: int = EXACT, threads: int | None = None) -> Iterator[Spectrum]:
    """Yield the spectrum of each matrix, in order; small ones several at a time, a thread each.

    While it works, BLAS has one thread in the whole process.

    Parameters
    ----------
    matrices
        As for :func:`spectrum_of`; only a few are asked for ahead.
    exact
        As for :func:`spectrum_of`.
    threads
        How many small matrices, or blocks of a large one, are worked on at a time; by default as many as there are
        cores.
    """
    workers = threads or cores()
    exact = max(exact, COLUMNS * STEPS)
    batch: list[Array] = []
    for matrix in matrices:
        if matrix.ndim != 2 or matrix.dtype.kind == "c":
            raise ArgumentError(f"Expected a matrix of real numbers. Got {matrix.dtype} of the shape {matrix.shape}.")
        small = min(matrix.shape) <= exact
        if not small or len(batch) == AHEAD * workers:
            yield from _together(batch, workers)
            batch = []
        if small:
            batch.append(matrix)
        else:
            yield from _together([matrix], workers, estimated=True)
    yield from _together(batch, workers)


def _together(matrices: list[Array], workers: int, estimated: bool = False) -> list[Spectrum]:
    """Return the spectra of small matrices, a thread each, or of a large one with all threads.

    Threads are ours, not those of BLAS, which wait for each other in a loop: where another process wants a core, that
    has taken a hundred times as long as the work.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        if estimated:
            return [_spectrum(matrix, np.float32, partial(_estimated, pool)) for matrix in matrices]
        return list(pool.map(lambda matrix: _spectrum(matrix, np.float64, _exact), matrices))


def _spectrum(matrix: Array, dtype: Any, figures: Callable[[Operand, int], dict[str, Any]]) -> Spectrum:
    outputs, inputs = matrix.shape
    if not matrix.size:
        return Spectrum(outputs, inputs, "none", "It has no values.")
    made = operand_of(matrix, dtype)
    if made is None:
        return Spectrum(outputs, inputs, "none", "It holds values that are NaN or infinite.")
    return Spectrum(outputs, inputs, **figures(*made))


@njit(nogil=True, cache=True)
def _eigenvalues(matrix):  # type: ignore[no-untyped-def]
    """Return the eigenvalues of a symmetric matrix, ascending. NumPy alone keeps other threads waiting meanwhile."""
    return np.linalg.eigvalsh(matrix)


def _exact(operand: Operand, exponent: int) -> dict[str, Any]:
    eigenvalues = _eigenvalues(operand.gram())
    rounding = float(np.finfo(np.float64).eps) * max(operand.shape)
    eigenvalues[eigenvalues <= rounding * eigenvalues[-1]] = 0.0
    figures = _figures(eigenvalues, exponent, operand.shape[0])
    errors = {"spectral_norm": rounding, "stable_rank": 2 * rounding} if eigenvalues[-1] > 0 else {}
    return {"method": "exact", **figures, "errors": errors}


def _estimated(pool: Executor, operand: Operand, exponent: int) -> dict[str, Any]:
    sketch, larger = sketch_of(operand, pool), operand.shape[0]
    rounding = float(np.finfo(np.float32).eps) * math.sqrt(larger)

    def figures(eigenvalues: Array) -> dict[str, Any]:
        return _figures(np.where(eigenvalues > rounding * eigenvalues[-1], eigenvalues, 0.0), exponent, larger)

    whole, coarser, groups = figures(sketch.eigenvalues), figures(sketch.coarser), map(figures, sketch.groups)
    errors = {"spectral_norm": sketch.error + rounding, "stable_rank": 2 * (sketch.error + rounding)}
    compared = [_compared(each) for each in (whole, coarser, *groups)]
    for name, value in compared[0].items():
        if all(name in each for each in compared):
            sampling = float(np.std([each[name] / value for each in compared[2:]], ddof=1)) / math.sqrt(GROUPS)
            errors[name] = math.hypot(sampling, compared[1][name] / value - 1)
    return {"method": "randomized", **whole, "errors": errors if whole["stable_rank"] else {}}


def _compared(figures: dict[str, Any]) -> dict[str, float]:
    """Return the figures whose errors are told by estimating them in several ways, where they are not 0 or None."""
    bulk, tail = figures["bulk"], figures["tail"]
    known = {"effective_rank": figures["effective_rank"], "edge": bulk and bulk.edge, "alpha": tail and tail.alpha}
    return {name: value for name, value in known.items() if value}


def _figures(eigenvalues: Array, exponent: int, larger: int) -> dict[str, Any]:
    """Return the figures of the eigenvalues, ascending, of a matrix that was multiplied by 2^−exponent."""
    largest = float(eigenvalues[-1])
    singular = np.sqrt(eigenvalues)
    positive = singular[singular > 0]
    shares = positive / positive.sum()
    bulk, tail = bulk_of(eigenvalues, larger), tail_of(eigenvalues[eigenvalues > 0])
    scale = 2.0**exponent
    if exponent:
        bulk = replace(bulk, deviation=bulk.deviation * scale, edge=bulk.edge * scale)
        tail = tail and replace(tail, start=tail.start * scale * scale)
    return {
        "spectral_norm": math.sqrt(largest) * scale,
        "stable_rank": float(eigenvalues.sum()) / largest if largest else None,
        "effective_rank": math.exp(-float((shares * np.log(shares)).sum())) if largest else None,
        "bulk": bulk if largest else None,
        "tail": tail,
        "values": singular[::-1] * scale,
    }
