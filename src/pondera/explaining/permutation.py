"""Importance to the predictions' being right: how much the error grows when a column is taken from other rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.explaining.method import Measured
from pondera.explaining.question import Input, Question
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

REPEATS = 5
FEWEST_ALIKE = 20
"""Rows of a leaf, between which a column is exchanged."""

DEEPEST = 8


def permutation(
    question: Question, subject: Subject, random: np.random.Generator, *, repeats: int = REPEATS
) -> Measured:
    """Return by how much the mean error grows when a column's values are exchanged between all rows.

    Of inputs that vary together it makes rows that do not occur, and the importance of each hides behind the others.
    """
    every = np.zeros(len(question.x), np.int64)
    return _grown(question, subject, random, repeats, lambda _: every)


def conditional_permutation(
    question: Question, subject: Subject, random: np.random.Generator, *, repeats: int = REPEATS
) -> Measured:
    """Return by how much the mean error grows when a column is exchanged between rows that are alike in the others.

    Alike are the rows of a leaf of a tree that predicts the column from the others (Molnar, König, Bischl &
    Casalicchio 2023, arXiv 2006.04628): what is left of a column's influence is what the others do not tell.
    """
    return _grown(question, subject, random, repeats, lambda each: leaves(question, each))


def leaves(question: Question, column: Input) -> Array:
    """Return numbers of groups of rows within which a column depends little on the others: (rows,)."""
    from sklearn.tree import DecisionTreeRegressor

    others = np.delete(question.x, np.r_[column.places], axis=1)
    if not others.shape[1] or len(question.x) < 2 * FEWEST_ALIKE:
        return np.zeros(len(question.x), np.int64)
    tree = DecisionTreeRegressor(max_depth=DEEPEST, min_samples_leaf=FEWEST_ALIKE, random_state=0)
    return np.asarray(tree.fit(others, question.x[:, column.places]).apply(others), np.int64)


def exchanged(groups: Array, random: np.random.Generator) -> Array:
    """Return for every row the number of a row of the same group, each once: (rows,)."""
    ordered = np.argsort(groups, kind="stable")
    shuffled = np.lexsort((random.random(len(groups)), groups))
    found = np.empty(len(groups), np.int64)
    found[ordered] = shuffled
    return found


def _grown(question: Question, subject: Subject, random: np.random.Generator, repeats: int, groups: Any) -> Measured:
    before = question.errors(subject)
    grown = np.zeros((len(question.x), len(question.inputs)))
    for place, column in enumerate(question.inputs):
        alike = groups(column)
        for _ in range(repeats):
            mixed = question.x.copy()
            mixed[:, column.places] = question.x[exchanged(alike, random), column.places]
            grown[:, place] += (question.errors(subject, mixed) - before) / repeats
    errors = grown.std(axis=0, ddof=1) / np.sqrt(len(grown)) if len(grown) > 1 else np.zeros(grown.shape[1])
    return Measured(grown.mean(axis=0), errors, figures={"error": float(before.mean()), "repeats": repeats})
