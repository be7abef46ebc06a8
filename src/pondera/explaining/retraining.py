"""What networks come to that are trained anew: without a column, without several, on answers that mean nothing.

A column is taken away by giving all rows its mean: the network keeps its architecture, and learns as if there was no
such column. Half of the rows are trained on, and errors are of the other half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.method import Measured
from pondera.explaining.question import Question
from pondera.explaining.ranks import TIED
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

SHARES = (0.25, 0.5, 0.75)
"""Of the columns that are taken away at a time, the first of a ranking or of random orders."""

DRAWS = 3
"""Random sets of columns of each size that a ranking is compared with."""

MOST_ROWS = 16_384
"""Rows that are trained on and measured, together."""


def leave_out(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """Return by how much the mean error grows when the network is trained without a column.

    What other columns can replace counts nothing. Standard errors are of the rows only; trainings differ besides, which
    networks of several starts show.
    """
    halves = _Halves.of(question, random)
    whole = halves.errors(np.zeros(len(question.inputs), bool))
    grown = []
    for place in range(len(question.inputs)):
        gone = np.zeros(len(question.inputs), bool)
        gone[place] = True
        grown.append(halves.errors(gone) - whole)
    found = np.stack(grown)
    errors = found.std(axis=1, ddof=1) / np.sqrt(found.shape[1])
    return Measured(found.mean(axis=1), errors, figures={"error": float(whole.mean()), "trainings": len(found) + 1})


def without_meaning(question: Question, seed: int = 0) -> Subject:
    """Return a network trained on the same rows with their answers exchanged: it learns nothing that is true.

    A method that says the same of it does not look at what was learned (Adebayo et al. 2018, arXiv 1810.03292).
    """
    few = question.sample(MOST_ROWS, np.random.default_rng(seed))
    train, answers = _able(few)
    return train(few.x, np.random.default_rng(seed).permutation(answers), seed)


@dataclass(frozen=True)
class Retrained:
    """Errors of networks trained without the columns that a ranking puts first, beside random ones.

    ROAR (Hooker, Erhan, Kindermans & Kim 2019, arXiv 1806.10758): where columns are taken away and the network is not
    trained again, it is asked about rows as it never saw them; here it is not.

    Attributes
    ----------
    counts
        How many columns are gone: (points,).
    before
        The mean error with all columns.
    ranked
        The mean error without the first of the ranking: (points,).
    random
        Without as many random ones, never the same as the first: (draws, points).
    """

    counts: Array
    before: float
    ranked: Array
    random: Array

    @property
    def better(self) -> bool:
        """Whether the ranking costs more than every draw of random columns, the points together."""
        return bool((self.ranked.mean() > self.random.mean(axis=1)).all())

    @property
    def worse(self) -> bool:
        """Whether it costs less than every draw, by more than the fifth within which importances are equal."""
        ours, theirs = self.ranked.mean() - self.before, self.random.mean(axis=1) - self.before
        return bool((ours < (1 - TIED) * theirs).all())


def retrained_without(question: Question, values: Array, seed: int = 0) -> Retrained:
    """Return what taking columns away in the order of a ranking costs networks that are trained without them.

    Parameters
    ----------
    question
        With answers and a way to train.
    values
        The importances, (columns,).
    seed
        Drives all that is random.

    Raises
    ------
    ArgumentError
        If there is one column only.
    """
    columns = len(values)
    if columns < 2:
        raise ArgumentError("Orders of columns need at least 2 of them.")
    random = np.random.default_rng(seed)
    halves = _Halves.of(question, random)
    counts = np.unique(np.clip([round(share * columns) for share in SHARES], 1, columns - 1))
    order = np.argsort(-values, kind="stable")

    def without(gone: Array) -> float:
        return float(halves.errors(np.isin(np.arange(columns), gone)).mean())

    def other(count: int) -> Array:
        while set(drawn := random.permutation(columns)[:count]) == set(order[:count]):
            pass
        return drawn

    return Retrained(
        counts,
        without(order[:0]),
        np.array([without(order[:count]) for count in counts]),
        np.array([[without(other(int(count))) for count in counts] for _ in range(DRAWS)]),
    )


@dataclass(frozen=True)
class _Halves:
    """Rows to train on, and rows to measure."""

    question: Question
    trained: Array
    measured: Array
    seed: int

    @classmethod
    def of(cls, question: Question, random: np.random.Generator) -> _Halves:
        order = random.permutation(len(question.x))[:MOST_ROWS]
        half = len(order) // 2
        if half < 1:
            raise ArgumentError("Training anew needs at least 2 rows.")
        return cls(question, order[:half], order[half:], int(random.integers(1 << 31)))

    def errors(self, gone: Array) -> Array:
        """Return the error of each measured row of a network that is trained without some columns."""
        train, answers = _able(self.question)
        x = self.question.x.copy()
        places = np.repeat(gone, [each.stop - each.start for each in self.question.inputs])
        x[:, places] = x[self.trained][:, places].mean(axis=0)
        subject = train(x[self.trained], answers[self.trained], self.seed)
        return self.question.rows(self.measured).errors(subject, x[self.measured])


def _able(question: Question) -> tuple[Callable[[Array, Array, int], Subject], Array]:
    """Return how to train, and the answers."""
    if question.retrain is None or question.answers is None:
        raise ArgumentError("Training anew needs the right answers, and a model that Pondera trained.")
    return question.retrain, question.answers
