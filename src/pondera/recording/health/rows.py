"""What rules need to know of the rows that are trained on: a few figures, no rows."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import special

from pondera.choice import Choice
from pondera.training.epoch import Rows
from pondera.training.losses import loss_of

Array = np.ndarray[Any, Any]

MOST, FEWEST, CELLS = 1 << 16, 1 << 10, 1 << 22
"""Rows that are looked at, evenly spaced: at most the first number, and of many inputs at least the second, or as many
as make the third number of values."""

LUCK = 0.01
"""Tables of noise of which so many are to have a column that tells more than is put down to chance."""

STEPS, IN_A_STEP, SORTED = 64, 8, 1 << 12
"""Steps that a column's values are cut into, at most; rows in one, at least; and rows that are sorted for that."""

LEAST = 1e-6
"""Shares of classes, and rates, are kept this far from 0 before their logarithm is taken."""


def figures_of(rows: Rows, loss: Choice) -> dict[str, Any]:
    """Return figures of rows as JSON can hold them.

    Returns
    -------
    ``count``: of rows. ``inputs``: of a row. ``size``: √mean x² of the middle column, zeros not counted;
    ``largest``: that of the largest column, and ``column``, its number; ``rms``: √mean x² of all inputs. ``tells``:
    the share of the targets' variance that one column alone explains, by a straight line or by steps, of the one that
    explains most, ``teller``; ``chance``: what the best of so many columns of noise would explain in one of a hundred
    tables.
    ``baseline``: the mean loss of the best constant outputs, ``floor`` that of perfect ones. ``classes``: for losses of
    classes, how many rows each has, by their weights. What is not finite is None.

    Examples
    --------
    >>> rows = Rows(np.array([[3.0, 100.0], [-3.0, 100.0]]), np.array([[1.0], [3.0]]), np.ones(2))
    >>> found = figures_of(rows, Choice("squared_error"))
    >>> found["size"], found["largest"], found["column"], found["baseline"]
    (51.5, 100.0, 1, 1.0)
    """
    width = int(np.prod(rows.x.shape[1:]))
    step = -(-len(rows.x) // max(min(MOST, CELLS // max(width, 1)), FEWEST))
    x, targets, weights = (np.asarray(part)[::step] for part in rows)
    counts = _classes(targets, weights, loss)
    with np.errstate(all="ignore"):
        found: dict[str, Any] = {
            "count": len(rows.x),
            "baseline": baseline(targets, weights, loss),
            "floor": floor(loss, 1 if counts is None else len(counts)),
        }
        if x.ndim == 2:
            squares = np.square(x, dtype=np.float64).sum(axis=0)
            # Zeros do not count: a category that few rows have is 1 where it is not 0, however few they are.
            sizes = np.sqrt(squares / np.maximum(np.count_nonzero(x, axis=0), 1))
            used = sizes[sizes > 0]
            tells, teller, luck = best_teller(x, targets, classes=counts is not None)
            found |= {
                "inputs": x.shape[1],
                "size": float(np.median(used)) if len(used) else 0.0,
                "largest": float(sizes.max()),
                "rms": float(np.sqrt(squares.mean() / len(x))),
                "column": int(sizes.argmax()),
                "tells": tells,
                "teller": teller,
                "chance": luck,
            }
    if counts is not None:
        found["classes"] = counts.tolist()
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in found.items()
    }


def best_teller(x: Array, targets: Array, classes: bool) -> tuple[float, int, float]:
    """Return how much the column that tells most tells of the targets, its number, and what chance would have it tell.

    >>> x = np.random.default_rng(0).standard_normal((200, 3))
    >>> [round(float(each), 2) for each in best_teller(x, np.exp(3 * x[:, 1:2]), classes=False)]
    [1.0, 1.0, 0.23]
    """
    told = told_by(x, targets, classes)
    best = int(told.argmax())
    by_line = float(told[best]), best, chance(x, targets, best, classes)
    apart = -(-len(x) // max(min(SORTED, CELLS // 8 // max(x.shape[1], 1)), FEWEST))  # all of them would take long
    x, targets = x[::apart], targets[::apart]
    told, steps = told_in_steps(x, targets, classes)
    best = int(told.argmax())
    in_steps = float(told[best]), best, chance(x, targets, best, classes, int(steps[best]))
    return min(by_line, in_steps, key=lambda each: (1 - each[0]) / (1 - each[2]) if each[2] < 1 else math.inf)


def told_in_steps(x: Array, targets: Array, classes: bool) -> tuple[Array, Array]:
    """Return what each column tells of the targets if it is cut into steps, and how many these are: (inputs,) each.

    Of numbers that is the share of their ranks' variance that lies between the means of the steps (the correlation
    ratio, Pearson 1905), of the target it fits best; of classes the same of their shares (Goodman & Kruskal's τ, 1954).

    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> told, steps = told_in_steps(x, (np.abs(x[:, 0]) > 0.5).astype(int), classes=True)
    >>> told.round(2).tolist(), steps.tolist()
    ([0.94], [25])
    """
    answers: Array = targets.reshape(len(x), -1)
    if classes:
        answers = (answers[:, :1] == np.unique(answers)).astype(np.float64)
    else:
        answers = np.stack([np.unique(each, return_inverse=True)[1].ravel() for each in answers.T], axis=1) * 1.0
    answers -= answers.mean(axis=0)
    whole = np.square(answers).sum(axis=0)
    count = min(max(len(x) // IN_A_STEP, 2), STEPS)
    places = np.arange(1, count) * len(x) // count
    told, steps = np.zeros(x.shape[1]), np.ones(x.shape[1], np.int64)
    for column, edges in enumerate(np.sort(x, axis=0)[places].T):
        step = np.searchsorted(np.unique(edges), x[:, column], "right")
        sizes = np.bincount(step, minlength=count)
        sums = np.stack([np.bincount(step, each, count) for each in answers.T], axis=1)
        between = (np.square(sums) / np.maximum(sizes, 1)[:, None]).sum(axis=0)
        if classes:
            told[column] = between.sum() / max(whole.sum(), 1e-300)
        else:
            told[column] = (between / np.where(whole > 0, whole, 1)).max()
        steps[column] = np.count_nonzero(sizes)
    return np.clip(told, 0.0, 1.0), steps


def told_by(x: Array, targets: Array, classes: bool) -> Array:
    """Return the share of the variance that each column has in common with the targets: (inputs,).

    Of numbers that is the squared correlation, of the target it fits best; of classes the share of the column's
    variance that lies between their means, which is the squared correlation ratio (Pearson 1905).

    >>> x = np.array([[1.0, 1.0], [2.0, 5.0], [3.0, 2.0], [4.0, 0.0]])
    >>> told_by(x, np.array([[1.0], [2.0], [3.0], [4.0]]), classes=False).round(2).tolist()
    [1.0, 0.13]
    >>> told_by(np.array([[7.0], [7.0], [2.0]]), np.array([0, 0, 1]), classes=True).tolist()
    [1.0]
    """
    x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    spread = np.square(x).sum(axis=0)
    answers = targets.reshape(len(x), -1).astype(np.float64)
    if classes:
        answers = (answers[:, :1] == np.unique(answers)).astype(np.float64)  # (rows, classes)
        within = answers.T @ x  # the sums of each class
        common = (np.square(within) / answers.sum(axis=0)[:, None]).sum(axis=0)
    else:
        answers = answers - answers.mean(axis=0)
        sizes = np.square(answers).sum(axis=0)
        common = (np.square(answers.T @ x) / np.where(sizes > 0, sizes, 1)[:, None]).max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        told: Array = np.where(spread > 1e-12 * len(x), common / spread, 0.0)
    return np.clip(told, 0.0, 1.0)


def chance(x: Array, targets: Array, teller: int, classes: bool, steps: int | None = None) -> float:
    """Return what the best of all columns would tell at most, if each were noise, in all but 1 % of tables.

    Of k classes and n rows what noise tells by a line is Beta((k − 1)/2, (n − k)/2), of numbers that of k = 2 (Pearson
    1905; Fisher 1924). What it tells in s steps is Beta((s − 1) (k − 1)/2, (n − s) (k − 1)/2): of numbers exactly, of
    classes nearly (Light & Margolin 1971). Each of the columns has its share of that 1 %, in both ways (Bonferroni).
    Where values repeat, that is not the
    whole of it: where values can be arranged in so few ways that one of the columns may well be arranged as the answers
    are, chance tells all.

    >>> x = np.random.default_rng(0).standard_normal((100, 3))
    >>> targets = x[:, :1] ** 2
    >>> round(chance(x, targets, 0, classes=False), 2), chance(x[:4], targets[:4] > 1, 0, classes=True)
    (0.1, 1.0)
    """
    answers = targets.reshape(len(x), -1)
    k = len(np.unique(answers)) if classes else 2
    share = LUCK / (2 * x.shape[1] * (1 if classes else answers.shape[1]))
    column = x[:, teller]
    ways = _ways(column) - k * math.log(len(np.unique(column)))  # of orders, for each that is constant in classes
    if not classes:
        ways = min(_ways(column), _ways(answers)) - math.log(2)  # for each that goes with the answers, or against
    groups, times = (k, 1) if steps is None else (steps, k - 1)
    if not 1 < groups < len(x) or not times or ways < -math.log(share):
        return 1.0
    return 1 - float(special.betaincinv(times * (len(x) - groups) / 2, times * (groups - 1) / 2, share))


def _ways(values: Array) -> float:
    """Return the logarithm of the number of different orders of rows, (rows,) or (rows, n)."""
    _, counts = np.unique(values, axis=None if values.size == len(values) else 0, return_counts=True)
    return float(special.gammaln(len(values) + 1) - special.gammaln(counts + 1).sum())


def baseline(targets: Array, weights: Array, loss: Choice) -> float:
    """Return the mean loss of the constant outputs that fit all rows best: what a network must be better than.

    >>> float(round(baseline(np.array([0, 0, 0, 1]), np.ones(4), Choice("softmax_cross_entropy")), 4))
    0.5623
    """
    weights = weights.astype(np.float64)
    mean = np.average(targets, axis=0, weights=weights)
    counts = _classes(targets, weights, loss)
    if loss.name == "softmax_cross_entropy":
        assert counts is not None
        shares = np.maximum(counts / counts.sum(), LEAST)
        smoothing = loss.options.get("label_smoothing", 0.0)
        constant = np.log((1 - smoothing) * shares + smoothing / len(shares))
    elif loss.name == "binary_cross_entropy":
        smoothing = loss.options.get("label_smoothing", 0.0)
        share = np.clip(mean * (1 - smoothing) + smoothing / 2, LEAST, 1 - LEAST)
        constant = np.log(share / (1 - share))
    elif loss.name == "poisson":
        constant = np.log(np.maximum(mean, LEAST))
    else:
        constant = np.median(targets, axis=0) if loss.name in ("absolute_error", "huber") else mean
    outputs = jnp.asarray(np.tile(constant, (len(targets), 1)))
    errors = np.asarray(loss_of(loss).error(outputs, jnp.asarray(targets)), np.float64)
    return float(np.average(errors, weights=weights))


def floor(loss: Choice, classes: int) -> float:
    """Return the loss of outputs that could not be better: 0, but for smoothed labels, whose entropy is left.

    >>> floor(Choice("squared_error"), 1), round(floor(Choice("binary_cross_entropy", label_smoothing=0.1), 2), 4)
    (0.0, 0.1985)
    """
    smoothing = float(loss.options.get("label_smoothing", 0.0))
    count = 2 if loss.name == "binary_cross_entropy" else classes
    if not smoothing or count < 2:
        return 0.0
    other, right = smoothing / count, 1 - smoothing + smoothing / count
    return -right * math.log(right) - (count - 1) * other * math.log(other)


def _classes(targets: Array, weights: Array, loss: Choice) -> Array | None:
    """Return how many rows each class has, by their weights; None where targets are no classes."""
    if loss.name == "softmax_cross_entropy":
        return np.bincount(targets, weights).astype(np.float64)
    if loss.name == "binary_cross_entropy" and targets.shape[1] == 1 and np.isin(targets, (0, 1)).all():
        ones = float(weights @ targets[:, 0])
        return np.array([float(weights.sum()) - ones, ones])
    return None
