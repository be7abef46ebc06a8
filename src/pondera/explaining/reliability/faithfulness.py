"""Whether the columns that a ranking puts first are those without which the network does worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.alike import replaced
from pondera.explaining.method import fewer
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

ROWS = 512
ORDERS = 16
"""Random orders that a ranking is compared with."""

POINTS = 12
"""Of more columns, several are taken away between two points of a curve."""

BEYOND = 1.96
"""Standard errors by which an order must be better than the ranking."""

TRIFLE = 0.01
"""The share of what all columns together do by which it must be better, too: less is a tie, however sure."""


@dataclass(frozen=True)
class Faithfulness:
    """Curves of what happens as columns are taken away or given back in the order of a ranking, and in random orders.

    Attributes
    ----------
    counts
        How many columns are gone, or there, at each point.
    deletion, insertion
        The harm at each point, most important columns first: (points,). The growth of the error where answers are
        known, else how far the scores move.
    random_deletion, random_insertion
        The same in random orders, (orders, points).
    better
        Which of these orders are better than the ranking, (orders,): in the same rows, by more than chance gives, and
        by more than a trifle of the harm that is done without any column.
    """

    counts: Array
    deletion: Array
    insertion: Array
    random_deletion: Array
    random_insertion: Array
    better: Array

    @property
    def advantage(self) -> float:
        """How much better than random the ranking is, in standard deviations of the random orders.

        Areas under both curves together: taking what is important away first harms early, giving it back first heals
        early.
        """
        ours = self.deletion.mean() - self.insertion.mean()
        others = self.random_deletion.mean(axis=1) - self.random_insertion.mean(axis=1)
        spread = float(others.std(ddof=1))
        return float((ours - others.mean()) / spread) if spread > 0 else math.nan

    @property
    def share_better(self) -> float:
        """The share of the random orders that are better than the ranking, by more than chance and a trifle.

        Of few columns many orders are the same, and orders that differ among columns without influence do the same:
        such ties are not better.
        """
        return float(self.better.mean())


def faithfulness(
    question: Question, subjects: Subject | Sequence[Subject], values: Array, seed: int = 0
) -> Faithfulness:
    """Return deletion and insertion curves (Petsiuk, Das & Saenko 2018, arXiv 1806.07421) of a ranking.

    What is taken away is replaced from rows that are alike in what stays.

    Parameters
    ----------
    question
        Of its rows some hundred are looked at.
    subjects
        Who is asked: of several the mean harm of each row is taken, as the ranking is of their mean.
    values
        The importances, (columns,).
    seed
        Drives all that is random.
    """
    if len(question.inputs) < 2:
        raise ArgumentError("Orders of columns need at least 2 of them.")
    random = np.random.default_rng(seed)
    few = question.sample(fewer(ROWS, len(question.inputs)), random)
    several = (subjects,) if isinstance(subjects, Subject) else tuple(subjects)
    known = few.answers is not None and few.error is not None
    before = [few.errors(each) if known else few.scores(each) for each in several]

    known_harms: dict[bytes, Array] = {}

    def harm(gone: Array) -> Array:
        key = gone.tobytes()
        if key not in known_harms:
            known_harms[key] = measured(gone)
        return known_harms[key]

    def measured(gone: Array) -> Array:
        if not gone.any():
            return np.zeros(len(few.x))
        mixed = replaced(few, gone, np.random.default_rng([seed, *np.packbits(gone)]))  # the same however one got there
        moved = [
            few.errors(each, mixed) - was if known else np.abs(few.scores(each, mixed) - was)
            for each, was in zip(several, before, strict=True)
        ]
        return np.asarray(np.mean(moved, axis=0))

    columns = len(values)
    counts = np.unique(np.linspace(0, columns, min(columns, POINTS) + 1).round().astype(int))

    def curves(order: Array) -> tuple[Array, Array]:
        """Return the harm at each point in each row, of deletion and of insertion: (points, rows) each."""
        deletion, insertion = [], []
        for count in counts:
            first = np.zeros(columns, bool)
            first[order[:count]] = True
            deletion.append(harm(first))
            insertion.append(harm(~first))
        return np.array(deletion), np.array(insertion)

    ours = curves(np.argsort(-values, kind="stable"))
    area = ours[0].mean(axis=0) - ours[1].mean(axis=0)
    whole = abs(float(ours[0][-1].mean()))
    means, better = [], []
    for _ in range(ORDERS):
        theirs = curves(random.permutation(columns))
        means.append([each.mean(axis=1) for each in theirs])
        better.append(_is_more(theirs[0].mean(axis=0) - theirs[1].mean(axis=0), area, TRIFLE * whole))
    others = np.array(means)
    return Faithfulness(
        counts, ours[0].mean(axis=1), ours[1].mean(axis=1), others[:, 0], others[:, 1], np.array(better)
    )


def _is_more(theirs: Array, ours: Array, least: float) -> bool:
    """Return whether numbers are larger on average than others of the same rows, beyond chance and some least."""
    gain = theirs - ours
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    return bool(gain.mean() > max(BEYOND * error, least))
