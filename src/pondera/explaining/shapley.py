"""Shapley values: a column's mean effect on the score when it becomes known, over the orders in which columns may.

What a column that is not known is replaced with comes from rows of the background, whatever the other columns are
(interventional; Lundberg & Lee 2017, arXiv 1705.07874).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.coalitions import Coalitions
from pondera.explaining.method import MOST_EXACT, Measured
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

PAIRS = 16
"""Orders that are drawn, each also taken backwards."""

FITTED = 8
"""Orders for each row of the background from which on values are fitted to coalitions: a fit to few is biased."""

AT_ONCE, VALUES = 1 << 15, 1 << 23
"""Rows that the network is asked about together, and numbers in them: of wide tables fewer rows."""


def shapley(question: Question, subject: Subject, random: np.random.Generator, *, pairs: int = PAIRS) -> Measured:
    """Return Shapley values from random orders of the columns (Castro, Gómez & Tejada 2009, Computers & OR 36).

    Each order starts from a row of the background and takes the values of the explained row column by column; its
    effects add up to the difference of the two scores, and so does their mean. Each order is taken backwards too, which
    cancels much of the error (Mitchell, Cooper, Frank & Holmes 2022, arXiv 2104.12199). ``errors`` come from the spread
    over pairs; importances are mean sizes without what the noise of single contributions adds to them.

    Of as many pairs as there are rows in the background, or more, every row has equally many, two at least: how far the
    effects from one row are from those of another is then no error of contributions, which are of the mean over these
    rows, and ``row_errors`` come from the spread over the orders of each row by itself.

    Where there are :data:`FITTED` orders or more for each row of the background, as many coalitions are asked about
    instead, and values of each row of the background fitted to them: see :mod:`~pondera.explaining.coalitions`. Of the
    same work that mostly makes less variance.
    """
    rows, columns = len(question.x), len(question.inputs)
    if columns > 1 and pairs >= FITTED * len(question.background):
        return _fitted(question, subject, random, pairs * (columns - 1) // len(question.background))
    count = len(question.background)
    rounds = max(2, -(-pairs // count)) if pairs >= count else 0
    pairs = rounds * count or pairs
    drawn = _drawn(count, pairs, random)
    orders = np.stack([random.permutation(columns) for _ in range(pairs)])
    none, last = question.crossed(subject, question.background), question.scores(subject)
    every = np.empty((pairs, rows, columns))
    at_once = max(1, _at_once(question) // (2 * columns))
    for start in range(0, pairs, at_once):
        some, places = orders[start : start + at_once], drawn[start : start + at_once]
        both, twice = np.concatenate([some, some[:, ::-1]]), np.concatenate([places, places])
        effects = _effects(question, subject, question.background[twice], both, none[twice], last)
        every[start : start + at_once] = (effects[: len(some)] + effects[len(some) :]) / 2
    # All rows share the orders and the rows of the background, so that their errors do not average out.
    found = Measured.of_contributions(every.mean(axis=0), none[drawn].mean(axis=0), every, orders=2 * pairs)
    if not rounds:
        return found
    by_row = every[np.argsort(drawn, kind="stable")].reshape(count, rounds, rows, columns)
    within = np.square(by_row - by_row.mean(axis=1, keepdims=True)).sum(axis=(0, 1)) / (rounds * (rounds - 1))
    return dataclasses.replace(found, row_errors=np.sqrt(within) / count)


def exact_shapley(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """Return Shapley values from all coalitions of at most 12 columns, over all rows of the background: exact.

    Shapley 1953, "A value for n-person games"; the network is asked about rows · background · 2^columns rows.

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
    coalitions = (np.arange(1 << columns)[:, None] >> np.arange(columns) & 1).astype(bool)  # (coalitions, columns)
    worth = np.zeros((1 << columns, len(question.x)))
    at_once = _at_once(question)
    for row in question.background:
        for start in range(0, 1 << columns, at_once):
            part = slice(start, start + at_once)
            worth[part] += _mixed_scores(question, subject, row, coalitions[part])
    worth /= len(question.background)
    contributions = np.zeros((len(question.x), columns))
    weights = [1 / (columns * math.comb(columns - 1, size)) for size in range(columns)]
    for number in range(1 << columns):
        for place in range(columns):
            if not number >> place & 1:
                weight = weights[number.bit_count()]
                contributions[:, place] += weight * (worth[number | 1 << place] - worth[number])
    return Measured.of_contributions(contributions, worth[0], coalitions=1 << columns)


def _fitted(question: Question, subject: Subject, random: np.random.Generator, wanted: int) -> Measured:
    """Return Shapley values by least squares, from so many coalitions for each row of the background."""
    background = question.background
    coalitions = Coalitions.draw(len(question.inputs), wanted, len(background), random)
    none, last = question.crossed(subject, background), question.scores(subject)
    known = coalitions.known.reshape(-1, len(question.inputs))
    starts = np.repeat(np.arange(len(background)), len(coalitions.weights))
    halves = np.empty((len(known), len(last)))
    at_once = max(1, _at_once(question) // 2)
    for start in range(0, len(known), at_once):
        part = slice(start, start + at_once)
        both = np.stack([known[part], ~known[part]])
        here, others = _mixed_scores(question, subject, background[starts[part], None], both)
        halves[part] = (here - others) / 2
    values, errors = coalitions.fit(halves.reshape(len(background), -1, len(last)), last - none)
    found = Measured.of_contributions(values.mean(axis=0), none.mean(axis=0), values, coalitions=2 * len(known))
    return dataclasses.replace(found, row_errors=np.sqrt(errors.sum(axis=0)) / len(background))


def _at_once(question: Question) -> int:
    """Return of how many mixtures of all rows the network is asked together."""
    rows, encoded = question.x.shape
    return max(1, min(AT_ONCE, VALUES // int(encoded)) // int(rows))


def _drawn(count: int, wanted: int, random: np.random.Generator) -> Array:
    """Return numbers of rows, every row once before any comes again."""
    rounds = [random.permutation(count) for _ in range(-(-wanted // count))]
    return np.concatenate(rounds)[:wanted]


def _effects(question: Question, subject: Subject, starts: Array, orders: Array, first: Array, last: Array) -> Array:
    """Return the effect of each column when they become known in given orders: (orders, rows, columns).

    Parameters
    ----------
    question, subject
        As of every method.
    starts
        The row of the background that each order begins at, (orders, encoded).
    orders
        (orders, columns)
    first
        The scores where no column is known, (orders, rows).
    last
        The scores where all are, (rows,).
    """
    count, columns = orders.shape
    places = np.argsort(orders, axis=1)  # when each column becomes known
    known = places[:, None, :] < np.arange(1, columns)[:, None]  # (orders, states between, columns)
    at_once = max(1, _at_once(question) // count)
    parts = [known[:, start : start + at_once] for start in range(0, columns - 1, at_once)]
    between = [_mixed_scores(question, subject, starts[:, None, None, :], each) for each in parts]
    every = [first[:, None], *between, np.broadcast_to(last, (count, 1, len(last)))]
    effects = np.empty((count, len(last), columns))
    changes = np.diff(np.concatenate(every, axis=1), axis=1).swapaxes(1, 2)
    np.put_along_axis(effects, np.broadcast_to(orders[:, None, :], effects.shape), changes, 2)
    return effects


def _mixed_scores(question: Question, subject: Subject, start: Array, known: Array) -> Array:
    """Return the scores of all rows where only some columns are known: (…, columns) -> (…, rows)."""
    widths = [each.stop - each.start for each in question.inputs]
    taken = np.repeat(known, widths, axis=-1)[..., None, :]  # (…, 1, encoded)
    mixed = np.where(taken, question.x, start)
    shape = mixed.shape[:-1]
    directions = np.broadcast_to(question.directions, (*shape, question.directions.shape[1]))
    flat = mixed.reshape(-1, mixed.shape[-1])
    return question.scores(subject, flat, directions.reshape(len(flat), -1)).reshape(shape)
