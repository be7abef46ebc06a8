"""The nearest change of a row that turns its class."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pondera.choice import counted
from pondera.explaining.question import Question
from pondera.explaining.scoring import mean_probabilities

Array = np.ndarray[Any, Any]

VALUES = 8192
"""Values of a column that are looked at, alone."""

TOGETHER = 1 << 17
"""Changes of two columns that are looked at."""

MOST_COLUMNS = 16
"""Columns that are changed two at a time."""

CATEGORY = 1.0
"""How far another category is, and a value where there was none: as far as a number that moves by its deviation."""

AT_ONCE = 4096


@dataclass(frozen=True)
class Change:
    """A change of one or two columns that turns the class.

    Attributes
    ----------
    columns, before, after
        Names, and their values in their own units.
    prediction
        The class that it leads to.
    distance
        How far the columns move, added up: numbers and times in standard deviations of their column, another category
        as 1.
    """

    columns: tuple[str, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    prediction: str
    distance: float


@dataclass(frozen=True)
class Nearest:
    """The nearest change that was found, if any, and in words what was looked at."""

    change: Change | None
    searched: str


@dataclass(frozen=True)
class _Moves:
    """What columns may be changed to, one a row.

    Attributes
    ----------
    columns, givers
        Which columns, and the rows that give their values: (changes, columns at a time).
    distances
        How far that is: (changes,).
    """

    columns: Array
    givers: Array
    distances: Array

    @classmethod
    def joined(cls, parts: list[_Moves]) -> _Moves:
        return cls(
            np.concatenate([each.columns for each in parts]),
            np.concatenate([each.givers for each in parts]),
            np.concatenate([each.distances for each in parts]),
        )

    def some(self, which: Array) -> _Moves:
        return _Moves(self.columns[which], self.givers[which], self.distances[which])

    def spread(self, most: int) -> _Moves:
        """Return so many of them at most, spread evenly from the nearest to the farthest."""
        count = len(self.distances)
        return self if count <= most else self.some(np.linspace(0, count - 1, most).round().astype(int))

    def beside(self, other: _Moves) -> _Moves:
        """Return each together with each of another column."""
        a, b = (each.ravel() for each in np.indices((len(self.distances), len(other.distances))))
        return _Moves(
            np.concatenate([self.columns[a], other.columns[b]], axis=1),
            np.concatenate([self.givers[a], other.givers[b]], axis=1),
            self.distances[a] + other.distances[b],
        )


def nearest_change(question: Question, row: int) -> Nearest:
    """Return the smallest change of one column after which another class is predicted; of two, if no single one turns.

    Columns are set to values that rows of the table, or usual ones, have: so each value occurs, though perhaps not
    beside the others (Wachter, Mittelstadt & Russell 2018, arXiv 1711.00399, look anywhere). Changes are tried from the
    nearest on, so that of those that are looked at the first that turns the class is the nearest; one column's are all
    its values unless there are more than 8,192. Of two columns there are too many: pairs are of the 16 columns that
    alone lower the class's probability the most, of some values each, spread evenly; for the pair that was found more
    are tried.

    Examples
    --------
    >>> import dataclasses
    >>> from pondera.explaining.subject import Subject
    >>> question = Question.of_arrays(Subject(lambda x: x[:, :1] + x[:, 1:]), np.array([[1.0, 0], [-2, 0], [-3, 3]]))
    >>> found = nearest_change(dataclasses.replace(question, classes=("no", "yes")), 0)
    >>> found.change.columns, found.change.after, found.change.prediction
    (('x0',), (-2.0,), 'no')
    """
    question = _with_usual(question)
    every = [_moves(question, row, k) for k in range(len(question.inputs))]
    alone = [each.spread(VALUES) for each in every]
    whole = all(len(a.distances) == len(b.distances) for a, b in zip(alone, every, strict=True))
    rows = counted(len(question.x), "row")
    searched = f"{'every value' if whole else f'up to {VALUES:,} values a column, of those'} that {rows} have"
    singles = _Moves.joined(alone)
    found, left = _first(question, row, singles)
    if found is not None:
        return Nearest(_change(question, row, singles, found), f"{searched}, of one column.")
    able = [k for k, each in enumerate(every) if len(each.distances)]
    lowest = {k: float(left[singles.columns[:, 0] == k].min()) for k in able}
    some = sorted(sorted(able, key=lowest.__getitem__)[:MOST_COLUMNS])
    if len(some) < 2:
        return Nearest(None, f"{searched}, of one column.")
    pairs = list(itertools.combinations(some, 2))
    most = math.isqrt(TOGETHER // len(pairs))
    moves = _Moves.joined([every[i].spread(most).beside(every[j].spread(most)) for i, j in pairs])
    fewer = any(len(every[k].distances) > most for k in some)
    searched += ", of one column, then of two"
    searched += f" of the {len(some)} that alone come nearest to it" if len(some) < len(able) else ""
    searched += f", up to {most:,} values each." if fewer else "."
    found, _ = _first(question, row, moves)
    if found is None:
        return Nearest(None, searched)
    change = _change(question, row, moves, found)
    return Nearest(_nearer(question, row, every, moves.columns[found[0]], change) if fewer else change, searched)


def _with_usual(question: Question) -> Question:
    """Return the question with the usual rows behind its own, where there are such: their values are looked at too."""
    if question.usual is None or question.table is None:
        return question
    tables = [each.select(question.names) for each in (question.table, question.usual)]
    return dataclasses.replace(
        question, x=np.concatenate([question.x, question.background]), table=pl.concat(tables, how="vertical_relaxed")
    )


def _nearer(question: Question, row: int, every: list[_Moves], columns: Array, change: Change) -> Change:
    """Return a nearer change of the same two columns, among more of their values, if there is one."""
    one, other = (
        each.some(each.distances < change.distance).spread(math.isqrt(TOGETHER)) for each in (every[k] for k in columns)
    )
    moves = one.beside(other)
    moves = moves.some(moves.distances < change.distance)
    found, _ = _first(question, row, moves)
    return change if found is None else _change(question, row, moves, found)


def _moves(question: Question, row: int, column: int) -> _Moves:
    """Return every other value that a column has, the nearest first."""
    series = question.column(column)
    own = series[row]
    known = np.flatnonzero(np.asarray(series.is_first_distinct() & series.is_not_null()))
    if own is not None and (series.dtype.is_numeric() or series.dtype.is_temporal()):
        numbers = series.to_physical().cast(pl.Float64)
        spread = float(numbers.std(ddof=0) or 1.0)  # type: ignore[arg-type]  # of numbers it is one
        distances = np.abs(numbers.to_numpy()[known] - numbers[row]) / spread
    else:
        distances = np.array([0.0 if series[int(giver)] == own else CATEGORY for giver in known])
    others = np.flatnonzero(distances > 0)
    order = others[np.argsort(distances[others], kind="stable")]
    return _Moves(np.full((len(order), 1), column), known[order][:, None], distances[order])


def _first(question: Question, row: int, moves: _Moves) -> tuple[tuple[int, int] | None, Array]:
    """Return the place of the nearest change that turns the class, with that class, and what probability is left.

    The latter is of the class that was predicted, (changes,); 1 of what was not looked at.
    """
    x = question.x[row]
    own = int(_probabilities(question, x[None])[0].argmax())
    order = np.argsort(moves.distances, kind="stable")
    left = np.ones(len(order))
    for start in range(0, len(order), AT_ONCE):
        block = order[start : start + AT_ONCE]
        rows = np.repeat(x[None], len(block), axis=0)
        for columns, givers in zip(moves.columns[block].T, moves.givers[block].T, strict=True):
            for k in np.unique(columns):
                changed = np.flatnonzero(columns == k)
                rows[changed, question.inputs[k].places] = question.x[givers[changed], question.inputs[k].places]
        probabilities = _probabilities(question, rows)
        left[block] = probabilities[:, own]
        codes = probabilities.argmax(axis=1)
        turned = np.flatnonzero(codes != own)
        if len(turned):
            return (int(block[turned[0]]), int(codes[turned[0]])), left
    return None, left


def _probabilities(question: Question, x: Array) -> Array:
    """Return the probabilities by which classes are predicted: (rows, classes)."""
    return mean_probabilities([subject.outputs(x) for subject in question.subjects])


def _change(question: Question, row: int, moves: _Moves, found: tuple[int, int]) -> Change:
    place, code = found
    assert question.classes is not None  # nothing else has a class that turns
    columns = [int(k) for k in moves.columns[place]]
    givers = [int(giver) for giver in moves.givers[place]]
    return Change(
        tuple(question.names[k] for k in columns),
        tuple(question.column(k)[row] for k in columns),
        tuple(question.column(k)[giver] for k, giver in zip(columns, givers, strict=True)),
        question.classes[code],
        float(moves.distances[place]),
    )
