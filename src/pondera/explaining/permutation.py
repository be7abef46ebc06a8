"""Importance to the predictions' being right: how much the error grows when a column is taken from other rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pondera.explaining.method import Measured, deviations_of, fewer
from pondera.explaining.question import Input, Question
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

ROWS, CONDITIONAL_ROWS = 1 << 16, 1 << 13
"""Rows that are looked at, at most: trees of many rows take long to grow."""

ASKED, REPEATS = 10_240, 5
"""Rows with another value that a network is asked about, at most, for each column; and how often the values of all rows
are exchanged, at most. A row that gets the value it had need not be asked about: of a column that is nearly always 0 a
network is asked about all rows several times over, where it would be asked about a few of them once."""

FEWEST_ALIKE = 20
"""Rows of a leaf, between which a column is exchanged."""

DEEPEST, MOST_ASKED = 8, 40
"""How deep a tree is, and from how many other inputs it predicts a column."""


def permutation(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """Return by how much the mean error grows when a column's values are exchanged between all rows.

    Of inputs that vary together it makes rows that do not occur, and the importance of each hides behind the others.
    """
    every = np.zeros(len(question.x), np.int64)
    return _grown(question, subject, random, lambda _: every)


def conditional_permutation(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """Return by how much the mean error grows when a column is exchanged between rows that are alike in the others.

    Alike are the rows of a leaf of a tree that predicts the column from the others (Molnar, König, Bischl &
    Casalicchio 2023, arXiv 2006.04628): what is left of a column's influence is what the others do not tell.
    """
    return _grown(question, subject, random, lambda each: leaves(question, each))


def leaves(question: Question, column: Input) -> Array:
    """Return numbers of groups of rows within which a column depends little on the others: (rows,)."""
    from sklearn.tree import DecisionTreeRegressor

    if column not in question.leaves:  # the same for every network, and for every one of random weights
        others = np.delete(question.x, np.r_[column.places], axis=1)
        own = question.x[:, column.places]
        found = np.zeros(len(question.x), np.int64)
        if others.shape[1] and len(question.x) >= 2 * FEWEST_ALIKE:
            others = others[:, _nearest(others, own)]
            tree = DecisionTreeRegressor(max_depth=DEEPEST, min_samples_leaf=FEWEST_ALIKE, random_state=0)
            found = np.asarray(tree.fit(others, own).apply(others), np.int64)
        question.leaves[column] = found
    return question.leaves[column]


def _nearest(others: Array, own: Array) -> Array:
    """Return places of the inputs that say most about a column by themselves, at most MOST_ASKED."""
    if others.shape[1] <= MOST_ASKED:
        return np.arange(others.shape[1])
    a, b = (each - each.mean(axis=0) for each in (others, own))
    sizes = np.sqrt(np.square(a).sum(axis=0))[:, None] * np.sqrt(np.square(b).sum(axis=0))
    said = np.abs(np.divide(a.T @ b, sizes, out=np.zeros(sizes.shape), where=sizes > 0)).max(axis=1)
    return np.sort(np.argsort(-said, kind="stable")[:MOST_ASKED])


def exchanged(groups: Array, random: np.random.Generator) -> Array:
    """Return for every row the number of a row of the same group, each once: (rows,)."""
    ordered = np.argsort(groups, kind="stable")
    shuffled = np.lexsort((random.random(len(groups)), groups))
    found = np.empty(len(groups), np.int64)
    found[ordered] = shuffled
    return found


def _grown(
    question: Question, subject: Subject, random: np.random.Generator, groups: Callable[[Input], Array]
) -> Measured:
    asked, least = fewer(ASKED, len(question.inputs)), len(question.x)
    question = dataclasses.replace(question, table=None, seen=None)  # which would be copied with every choice of rows
    before = question.errors(subject)
    grown = np.zeros(len(question.inputs))
    parts, growths = (np.zeros((len(question.x), len(question.inputs))) for _ in range(2))
    for place, column in enumerate(question.inputs):
        values, alike, rows = question.x[:, column.places], groups(column), np.arange(len(question.x))
        givers = exchanged(alike, random)
        changed = int((values != values[givers]).any(axis=1).sum())
        if changed > asked:
            rows = np.sort(random.choice(rows, len(rows) * asked // changed, replace=False))
            givers = exchanged(alike[rows], random)
            least = min(least, len(rows))
        repeats = min(max(asked // max(changed, 1), 1), REPEATS)
        # By how much the errors of rows grow that take a value, and those of the rows that take theirs.
        taken, given = np.zeros((2, len(rows)))
        for repeat in range(repeats):
            givers = exchanged(alike[rows], random) if repeat else givers
            takers = np.flatnonzero((values[rows] != values[rows[givers]]).any(axis=1))
            if len(takers):
                some = question.rows(rows[takers])
                some.x[:, column.places] = values[rows[givers[takers]]]
                errors = some.errors(subject) - before[rows[takers]]
                taken[takers] += errors / repeats
                given[givers[takers]] += errors / repeats
                if repeat == 0:  # of more, one value that many rows were given would count as many
                    growths[rows[takers], place] = errors
        grown[place] = taken.mean()
        # A row counts by what happens to it and by what its value does to another: both are its part of the growth. Of
        # few repeats what is not its own counts too, and the errors are rather too large.
        parts[rows, place] = deviations_of(taken + given)
    figures = {"error": float(before.mean()), "least_rows": least}
    return Measured.of_deviations(grown, parts, figures=figures, growths=growths)
