"""Contributions from derivatives: each encoded input's, added up over the inputs of a column."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pondera.choice import unknown
from pondera.errors import ArgumentError
from pondera.explaining.method import Measured
from pondera.explaining.question import BASELINES, Question
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

BASELINE_ROWS = 8
"""Rows of the background that lines begin at, where they begin at rows."""

FEWEST_STEPS, MOST_STEPS = 8, 512
COMPLETE = 0.01
"""How far contributions may be from the difference of the scores, as a share of it."""

DRAWS = 64
"""How many rows of the background each row is compared with, by expected gradients."""

PARTS = 8
"""Estimates that the draws make, each of which gives its size under the sign of the others."""


def linear(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """(x − mean of the background) · w of a network that is linear: exact."""
    baseline = question.background.mean(axis=0, dtype=np.float64)
    slopes = question.slopes(subject, question.x, question.directions)
    contributions = question.fold((question.x - baseline) * slopes)
    return Measured.of_contributions(contributions, question.scores(subject) - contributions.sum(axis=1))


def gradient_input(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """Slope · input. The sum over the inputs of a bent function is not its value."""
    slopes = question.slopes(subject, question.x, question.directions)
    return Measured.of_contributions(question.fold(question.x * slopes), np.zeros(len(question.x)))


def integrated_gradients(
    question: Question,
    subject: Subject,
    random: np.random.Generator,
    *,
    baseline: str | Array | None = None,
    steps: int | None = None,
) -> Measured:
    """Return the slopes along the straight line from a baseline to each row, integrated, times what changed on it.

    Parameters
    ----------
    question, subject, random
        As of every method; nothing is random here.
    baseline
        ``"mean"`` of the background, ``"zeros"`` (the middle of the training rows where inputs are scaled), ``"rows"``
        of the background, some of them, or rows of one's own, (encoded,) or (some, encoded): the mean over them is
        taken. By default what the question says.
    steps
        Points of Gauss and Legendre's rule on the line. By default as many as bring the sum of the contributions
        within 1 % of the difference of the scores, row by row, from 8 up to 512.

    Returns
    -------
    Contributions; ``figures`` has ``completeness_error``, the mean of |Σ contributions − difference| as a share of the
    mean |difference|, and the largest number of ``steps``.
    """
    starts = _baselines(question, question.baseline if baseline is None else baseline)
    parts = [_integrated(question, subject, start, steps) for start in starts]
    contributions = np.mean([found for found, _, _ in parts], axis=0)
    bases = np.mean([base for _, base, _ in parts], axis=0)
    differences = question.scores(subject) - bases
    missed = np.abs(contributions.sum(axis=1) - differences).mean() / max(float(np.abs(differences).mean()), 1e-300)
    return Measured.of_contributions(
        contributions, bases, completeness_error=float(missed), steps=max(most for _, _, most in parts)
    )


def _integrated(question: Question, subject: Subject, start: Array, steps: int | None) -> tuple[Array, Array, int]:
    """Return contributions from one baseline, the scores at it, and how many steps were needed at most."""
    base = question.scores(subject, np.broadcast_to(start, question.x.shape))
    change = question.scores(subject) - base
    enough = COMPLETE * np.maximum(np.abs(change), np.abs(change).mean())
    contributions = np.zeros((len(question.x), len(question.inputs)))
    open_rows, count = np.arange(len(question.x)), steps or FEWEST_STEPS
    while True:
        contributions[open_rows] = question.fold(_along(question, subject, start, open_rows, count))
        missed = np.abs(contributions[open_rows].sum(axis=1) - change[open_rows])
        still = open_rows[missed > enough[open_rows]]
        if steps is not None or not len(still) or count >= MOST_STEPS:
            return contributions, base, count
        open_rows, count = still, 2 * count


def _along(question: Question, subject: Subject, start: Array, rows: Array, steps: int) -> Array:
    """Return the mean slope on the way from ``start`` to rows, times the way: (rows, encoded)."""
    points, weights = _rule(steps)
    way = question.x[rows].astype(np.float64) - start
    towards = question.directions[rows]
    mean = np.zeros_like(way)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        mean += weight * question.slopes(subject, start + point * way, towards)
    return np.asarray(way * mean)


@functools.cache
def _rule(steps: int) -> tuple[Array, Array]:
    """Return points and weights of Gauss and Legendre's rule; of many steps they take longer than the network."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    return points, weights


def _baselines(question: Question, baseline: str | Array) -> Array:
    """Return the rows that the line begins at, (some, encoded)."""
    if not isinstance(baseline, str):
        return np.atleast_2d(np.asarray(baseline, np.float64))
    if baseline == "zeros":
        return np.zeros((1, question.x.shape[1]))
    if baseline == "rows":
        return np.asarray(question.background[:BASELINE_ROWS], np.float64)
    if baseline == "mean":
        return np.asarray(question.background.mean(axis=0, dtype=np.float64, keepdims=True))
    raise ArgumentError(unknown("baseline", baseline, BASELINES))


def expected_gradients(
    question: Question, subject: Subject, random: np.random.Generator, *, draws: int = DRAWS
) -> Measured:
    """Return integrated gradients averaged over rows of the background as baselines, one point on each line.

    The points of the lines are drawn one from each of ``draws`` equal parts, which makes the errors smaller. Sums are
    right on average only; ``figures`` has their ``completeness_error``. Importances are mean sizes without what noise
    adds to them.
    """
    parts = np.zeros((min(PARTS, draws), len(question.x), len(question.inputs)))
    total = np.zeros((len(question.x), len(question.inputs)))
    bases = np.zeros(len(question.x))
    for draw in range(draws):
        start = question.background[random.integers(len(question.background), size=len(question.x))]
        point = ((draw + random.random(len(question.x))) / draws)[:, None]
        way = question.x.astype(np.float64) - start
        found = question.fold(way * question.slopes(subject, start + point * way, question.directions))
        total += found
        parts[draw % len(parts)] += found
        bases += question.scores(subject, start)
    mean, bases = total / draws, bases / draws
    differences = question.scores(subject) - bases
    missed = np.abs(mean.sum(axis=1) - differences).mean() / max(float(np.abs(differences).mean()), 1e-300)
    counts = np.bincount(np.arange(draws) % len(parts))
    estimates = parts / counts[:, None, None]
    return Measured.of_contributions(mean, bases, estimates, completeness_error=float(missed), draws=draws)
