"""Values for columns that are taken away, from rows that are alike in the columns that stay."""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.explaining.question import Question

Array = np.ndarray[Any, Any]

ALIKE = 8
"""Rows that are alike, one of which gives the values."""


def replaced(question: Question, gone: Array, random: np.random.Generator) -> Array:
    """Return the rows with some columns taken from rows that are alike in the others: (rows, encoded).

    So that the network is asked about rows as they occur, which values from anywhere would not give
    (Hooker, Mentch & Zhou 2021, arXiv 1905.03151).

    Parameters
    ----------
    question
        Its rows are those that values come from, too.
    gone
        Which columns, (columns,) of truth values.
    random
        Chooses one of the most alike rows.
    """
    places = np.concatenate([np.full(each.stop - each.start, gone[k]) for k, each in enumerate(question.inputs)])
    kept = _comparable(question.x[:, ~places])
    rows = len(question.x)
    if kept.shape[1]:
        sizes = np.square(kept).sum(axis=1)
        distances = sizes[:, None] + sizes - 2 * kept @ kept.T
        np.fill_diagonal(distances, np.inf)
        distances += random.random(distances.shape) * 1e-9  # of equally near rows any
        nearest = np.argpartition(distances, min(ALIKE, rows - 1) - 1, axis=1)[:, : min(ALIKE, rows - 1)]
        givers = nearest[np.arange(rows), random.integers(nearest.shape[1], size=rows)]
    else:
        givers = random.integers(rows, size=rows)
    mixed = question.x.copy()
    mixed[:, places] = question.x[givers][:, places]
    return mixed


def _comparable(x: Array) -> Array:
    """Return values without their means, in units of their deviation."""
    deviation = x.std(axis=0, dtype=np.float64)
    return np.asarray(np.divide(x - x.mean(axis=0), deviation, out=np.zeros(x.shape), where=deviation > 0))
