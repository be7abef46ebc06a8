"""Shapley values: a column's mean effect on the score when it becomes known, over the orders in which columns may.

What a column that is not known is replaced with comes from rows of the background, whatever the other columns are
(interventional; Lundberg & Lee 2017, arXiv 1705.07874).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.method import Measured
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

PAIRS = 16
"""Orders that are drawn, each also taken backwards."""

MOST_EXACT = 12
"""Columns up to which every coalition can be looked at: 4,096."""


def shapley(question: Question, subject: Subject, random: np.random.Generator, *, pairs: int = PAIRS) -> Measured:
    """Return Shapley values from random orders of the columns (Castro, Gómez & Tejada 2009, Computers & OR 36).

    Each order starts from a row of the background and takes the values of the explained row column by column; its
    effects add up to the difference of the two scores, and so does their mean. Each order is taken backwards too, which
    cancels much of the error (Mitchell, Cooper, Frank & Holmes 2022, arXiv 2104.12199). ``errors`` come from the spread
    over pairs.
    """
    rows, columns = len(question.x), len(question.inputs)
    total, squares, bases = np.zeros((rows, columns)), np.zeros((rows, columns)), np.zeros(rows)
    for row in question.background[_drawn(len(question.background), pairs, random)]:
        order = random.permutation(columns)
        forward, base = _one_order(question, subject, row, order)
        backward, _ = _one_order(question, subject, row, order[::-1])
        found = (forward + backward) / 2
        total += found
        squares += found * found
        bases += base
    mean = total / pairs
    errors = np.sqrt(np.maximum(squares / pairs - mean * mean, 0) / max(pairs - 1, 1))
    return Measured.of_contributions(mean, bases / pairs, errors, orders=2 * pairs)


def exact_shapley(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """Return Shapley values from all coalitions of at most 12 columns, over all rows of the background: exact.

    Raises
    ------
    ArgumentError
        If there are more than 12 columns.
    """
    columns = len(question.inputs)
    if columns > MOST_EXACT:
        raise ArgumentError(
            f"Exact Shapley values take 2^columns coalitions; at most {MOST_EXACT} columns. Got {columns}."
        )
    worth = np.zeros((1 << columns, len(question.x)))
    for number in range(1 << columns):
        known = [each for place, each in enumerate(question.inputs) if number >> place & 1]
        for row in question.background:
            mixed = np.broadcast_to(row, question.x.shape).copy()
            for each in known:
                mixed[:, each.places] = question.x[:, each.places]
            worth[number] += question.scores(subject, mixed)
    worth /= len(question.background)
    contributions = np.zeros((len(question.x), columns))
    weights = [1 / (columns * math.comb(columns - 1, size)) for size in range(columns)]
    for number in range(1 << columns):
        for place in range(columns):
            if not number >> place & 1:
                weight = weights[number.bit_count()]
                contributions[:, place] += weight * (worth[number | 1 << place] - worth[number])
    return Measured.of_contributions(contributions, worth[0], coalitions=1 << columns)


def _drawn(count: int, wanted: int, random: np.random.Generator) -> Array:
    """Return numbers of rows, every row once before any comes again."""
    rounds = [random.permutation(count) for _ in range(-(-wanted // count))]
    return np.concatenate(rounds)[:wanted]


def _one_order(question: Question, subject: Subject, start: Array, order: Array) -> tuple[Array, Array]:
    """Return the effect of each column, (rows, columns), when they become known in this order; and the first score."""
    mixed = np.broadcast_to(start, question.x.shape).copy()
    base = before = question.scores(subject, mixed)
    effects = np.zeros((len(question.x), len(question.inputs)))
    for place in order:
        where = question.inputs[place].places
        mixed[:, where] = question.x[:, where]
        after = question.scores(subject, mixed)
        effects[:, place] = after - before
        before = after
    return effects, base
