"""How an input acts: what the score does when a column takes other values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pondera.explaining.question import Input, Question
from pondera.tables.columns import missing_in

Array = np.ndarray[Any, Any]

POINTS, FEWEST = 21, 8
"""Values of an ordered column that are looked at, quantiles; and rows between two of those that are rare, at least."""

CATEGORIES = 12
"""Categories that are looked at, the most frequent ones."""

ROWS, LOOKED_UP = 512, 1 << 14
"""Rows whose scores are asked for, and rows whose values are looked up: rare ones are rare among few."""

BETWEEN = 64
"""Rows between two values, at most, that accumulated effects are of."""

INTERACTION_ROWS = 48


@dataclass(frozen=True)
class Missing:
    """What the score does where a column's value is missing.

    Attributes
    ----------
    share
        Of the rows, those that miss it.
    mean
        The mean score over the rows with the value of each taken away, to be held against those of :attr:`Effect.mean`.
    """

    share: float
    mean: float


@dataclass(frozen=True)
class Effect:
    """What the score does along a column.

    Attributes
    ----------
    name
        Of the column.
    values
        What it is set to, in its own units.
    ordered
        Whether these lie on an axis; categories do not.
    shares
        The share of the rows, of those whose value is known and looked at, that each value stands for: (values,). A row
        between two values of an ordered column counts half for each.
    others
        How many categories were not looked at, all of them less frequent.
    curves
        The score of each row with the column set to each value: (rows, values). Individual conditional expectation
        (Goldstein et al. 2015, arXiv 1309.6392).
    accumulated
        Accumulated local effects, mean 0: (values,). None where there is no order, or no two values. Right where inputs
        vary together, which a mean over all rows is not.
    missing
        What a missing value does; None where no row misses one.
    mixed
        Whether scores are of the class that is predicted for each row, so that a mean over rows is of no single class.
    """

    name: str
    values: tuple[Any, ...]
    ordered: bool
    shares: Array
    others: int
    curves: Array
    accumulated: Array | None
    missing: Missing | None = None
    mixed: bool = False

    @property
    def mean(self) -> Array:
        """Partial dependence (Friedman 2001, Annals of Statistics 29): the mean over rows, (values,)."""
        found: Array = self.curves.mean(axis=0)
        return found

    @property
    def centered(self) -> Array:
        """Partial dependence less its mean over the rows, as accumulated effects are: (values,)."""
        found: Array = self.mean - self.shares @ self.mean
        return found

    @property
    def local(self) -> Array:
        """Accumulated local effects where there are any, else partial dependence less its mean: (values,)."""
        return self.centered if self.accumulated is None else self.accumulated

    @property
    def continuous(self) -> bool:
        """Whether values lie on an axis on which others could lie between them: of two, such as no and yes, none do."""
        return self.ordered and len(self.values) > 2

    @property
    def apart(self) -> bool:
        """Whether there is more to say of single values: they lie on no axis, or some are missing."""
        return self.missing is not None or (not self.continuous and len(self.values) > 1)

    @property
    def gone(self) -> float | None:
        """What a missing value does beside the known ones: its mean score less the mean of theirs."""
        return None if self.missing is None else self.missing.mean - float(self.shares @ self.mean)


def effect_of(question: Question, column: int, *, points: int = POINTS, seed: int = 0) -> Effect:
    """Return how one column acts on the score, the mean over the networks.

    Accumulated local effects are the mean differences of the score between the ends of the interval that a row lies in,
    summed up (Apley & Zhu 2020, arXiv 1612.08468): rows are changed only a little.

    Parameters
    ----------
    question
        Of its rows some hundred are looked at.
    column
        Its place.
    points
        How many values of an ordered column, quantiles of its own.
    seed
        Chooses the rows.

    Examples
    --------
    >>> from pondera.explaining.subject import Subject
    >>> question = Question.of_arrays(Subject(lambda x: x[:, :1] ** 2), np.linspace(-1, 1, 9)[:, None])
    >>> found = effect_of(question, 0, points=3)
    >>> found.values, found.mean.tolist(), found.accumulated.round(2).tolist()
    ((-1.0, 0.0, 1.0), [1.0, 0.0, 1.0], [0.44, -0.56, 0.44])
    """
    few, many = (question.sample(count, np.random.default_rng(seed)) for count in (ROWS, LOOKED_UP))
    each = many.inputs[column]
    series = many.column(column)
    ordered = series.dtype.is_numeric() or series.dtype.is_temporal() or series.dtype == pl.Boolean
    chosen, categories = (_quantile_rows(series, points), 0) if ordered else _category_rows(series)
    settings = many.x[chosen][:, each.places]  # (values, encoded of the column)
    curves = np.stack([_set(few, each, setting) for setting in settings], axis=1) if len(chosen) else few.x[:, :0]
    bins = _bins(series, chosen) if ordered and len(chosen) > 1 else None
    shares = _shares(series, chosen, bool(ordered))
    return Effect(
        each.name,
        tuple(series[int(row)] for row in chosen),
        bool(ordered),
        shares,
        max(categories - len(chosen), 0),
        curves,
        None if bins is None else _accumulated(many, each, chosen, bins, shares),
        _missing(few, many, each, series),
        bool((few.directions != few.directions[0]).any()),
    )


def _missing(few: Question, many: Question, each: Input, series: pl.Series) -> Missing | None:
    rows = np.flatnonzero(missing_in(series))
    if not len(rows):
        return None
    scores = _set(few, each, many.x[rows[0], each.places])
    return Missing(len(rows) / len(series), float(scores.mean()))


def _quantile_rows(series: pl.Series, points: int) -> Array:
    """Return the numbers of rows whose values are quantiles of the column, ascending and each once.

    Where many of these are the same, as of a column that is nearly always 0, others come from the rows with others.
    """
    order = np.asarray(series.arg_sort(nulls_last=True))[: len(series) - series.null_count()]
    if not len(order):
        return np.zeros(0, np.int64)
    first = np.asarray(series.gather(order.tolist()).is_first_distinct())
    number = np.cumsum(first) - 1  # of each row's value among those that differ, ascending
    picked, times = np.unique(number[_evenly(len(order), points)], return_counts=True)
    often = picked[times > 1]
    if len(often):
        rest = number[~np.isin(number, often)]
        others = rest[_evenly(len(rest), min(points - len(often), len(rest) // FEWEST))]
        picked = np.unique([0, number[-1], *often, *others])
    return np.asarray(order[np.flatnonzero(first)[picked]], np.int64)


def _evenly(count: int, points: int) -> Array:
    """Return places among so many, evenly apart from the first to the last."""
    return np.asarray(np.linspace(0, count - 1, points).round().astype(int))


def _category_rows(series: pl.Series) -> tuple[Array, int]:
    """Return the number of a row of each of the most frequent categories, in that order, and how many there are."""
    counts = series.to_frame("value").with_row_index("row").drop_nulls("value").group_by("value", maintain_order=True)
    found = counts.agg(pl.col("row").first(), pl.len().alias("rows")).sort("rows", descending=True, maintain_order=True)
    return np.asarray(found["row"][:CATEGORIES], np.int64), found.height


def _bins(series: pl.Series, chosen: Array) -> Array:
    """Return which two of the rows ``chosen``, ascending, each row's value lies between; −1 where it is missing."""
    ranks = np.asarray(series.rank("dense").fill_null(0), np.int64)
    found = np.clip(np.searchsorted(ranks[chosen], ranks, side="left") - 1, 0, len(chosen) - 2)
    return np.asarray(np.where(ranks > 0, found, -1))


def _shares(series: pl.Series, chosen: Array, ordered: bool) -> Array:
    """Return the share of rows that each value stands for: (values,)."""
    if not ordered or len(chosen) < 2:
        counts = np.array([int((series == series[int(row)]).sum()) for row in chosen], np.float64)
    else:
        ranks = np.asarray(series.rank("dense").fill_null(0), np.int64)
        ends, known = ranks[chosen], ranks[ranks > 0]
        above = np.searchsorted(ends, known)
        at = ends[above] == known
        between = np.bincount(above[~at], minlength=len(chosen)) / 2
        counts = np.bincount(above[at], minlength=len(chosen)) + between + np.append(between[1:], 0)
    return np.asarray(counts / max(counts.sum(), 1))


def _set(question: Question, each: Input, setting: Array, rows: Array | slice = slice(None)) -> Array:
    """Return the scores of rows with a column set to what another row has, the mean over the networks."""
    x = question.x[rows].copy()
    x[:, each.places] = setting
    towards = question.directions[rows]
    return np.asarray(np.mean([question.scores(subject, x, towards) for subject in question.subjects], axis=0))


def _accumulated(question: Question, each: Input, chosen: Array, bins: Array, shares: Array) -> Array:
    """Return accumulated local effects at the values of the rows ``chosen``, ascending."""
    steps = np.zeros(len(chosen))
    for k in range(len(chosen) - 1):
        rows = np.flatnonzero(bins == k)
        if len(rows):
            rows = rows[_evenly(len(rows), min(len(rows), BETWEEN))]
            ends = [_set(question, each, question.x[row, each.places], rows) for row in chosen[k : k + 2]]
            steps[k + 1] = float((ends[1] - ends[0]).mean())
    total = np.cumsum(steps)
    return np.asarray(total - shares @ total)


@dataclass(frozen=True)
class Interaction:
    """How much two columns do together that they do not do alone.

    Attributes
    ----------
    first, second
        Their names.
    strength
        The deviation over rows of what both do together less what each does alone, in the score's unit.
    share
        That deviation r as a share of √(a² + b² + r²), a and b the deviations of what each does alone: 0 where effects
        add up, 1 where neither does anything alone. Of columns that have nothing to do with each other it is Friedman's
        H, whose denominator, the deviation of what both do, may be next to 0 where what they do alone cancels.
    """

    first: str
    second: str
    strength: float
    share: float


def interactions(question: Question, columns: list[int], *, seed: int = 0) -> list[Interaction]:
    """Return the interactions of all pairs of some columns, the strongest first (Friedman & Popescu 2008, AOAS 2).

    Each pair takes the square of 48 rows. Where rows have scores of different classes, as of the predicted one, what
    columns do is measured for each of these classes on all rows; deviations are root mean squares over the classes,
    each as often as it is a row's: a mean over rows of different classes would be of none, and its parts would cancel.

    Parameters
    ----------
    question
        What is asked.
    columns
        Places of the columns: the important ones.
    seed
        Chooses the rows.
    """
    few = question.sample(INTERACTION_ROWS, np.random.default_rng(seed))
    towards, times = np.unique(few.directions, axis=0, return_counts=True)

    def deviation(dependence: Array) -> float:
        return float(np.sqrt(times @ np.square(dependence).mean(axis=0) / len(few.x)))

    alone = {k: _dependence(few, [k], towards) for k in columns}
    found = []
    for at, i in enumerate(columns):
        for j in columns[:at]:
            rest = deviation(_dependence(few, [i, j], towards) - alone[i] - alone[j])
            whole = math.hypot(deviation(alone[i]), deviation(alone[j]), rest)
            found.append(Interaction(few.names[j], few.names[i], rest, rest / whole if whole > 0 else 0.0))
    return sorted(found, key=lambda each: -each.strength)


def _dependence(question: Question, columns: list[int], towards: Array) -> Array:
    """Return the mean scores over all rows with some columns set to those of each row, less their means.

    ``towards`` are the directions of several scores, (scores, outputs), each of which all rows are asked for: the
    result is (rows, scores).
    """
    rows = len(question.x)
    x = np.repeat(question.x[None], rows, axis=0)  # (set to, rows, encoded)
    for k in columns:
        places = question.inputs[k].places
        x[:, :, places] = question.x[:, None, places]
    outputs = np.mean([subject.outputs(x.reshape(rows * rows, -1)) for subject in question.subjects], axis=0)
    means = question.scale * outputs.reshape(rows, rows, -1).mean(axis=1, dtype=np.float64) @ towards.T
    return np.asarray(means - means.mean(axis=0))
