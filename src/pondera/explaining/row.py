"""One row: what each column adds to its prediction, and the nearest change that would turn its class."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.question import Question
from pondera.explaining.shapley import MOST_EXACT, exact_shapley, shapley

Array = np.ndarray[Any, Any]

PAIRS = 64
EXACT_WORK = 1 << 19
"""Evaluations up to which every coalition is looked at."""

CANDIDATES, TOGETHER = 64, 16
"""Values that a column is set to, alone and together with another."""

MOST_COLUMNS = 8
"""Columns that are changed two at a time."""


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
        How far the columns move, in deviations of what they were encoded to.
    """

    columns: tuple[str, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    prediction: str
    distance: float


@dataclass(frozen=True)
class RowExplanation:
    """What each column adds to the score of a row.

    Attributes
    ----------
    row
        Its number.
    names, values
        The columns and what the row has in them.
    unit
        What a score is.
    score, baseline
        Of the row, and the mean over the rows that contributions start from.
    contributions, errors
        Shapley values, (columns,): their sum and the baseline are the score. Standard errors of sampling; 0 where all
        coalitions were looked at.
    prediction
        The class that is predicted, where classes are.
    change
        The nearest change found that turns the class.
    """

    row: int
    names: tuple[str, ...]
    values: tuple[Any, ...]
    unit: str
    score: float
    baseline: float
    contributions: Array
    errors: Array
    prediction: str | None
    change: Change | None

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, the largest contribution first."""
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        return {
            "row": self.row,
            "unit": self.unit,
            "score": self.score,
            "baseline": self.baseline,
            "prediction": self.prediction,
            "contributions": [
                {
                    "name": self.names[k],
                    "value": _plain(self.values[k]),
                    "contribution": float(self.contributions[k]),
                    "error": float(self.errors[k]),
                }
                for k in order
            ],
            "change": None
            if self.change is None
            else {
                "columns": list(self.change.columns),
                "before": [_plain(each) for each in self.change.before],
                "after": [_plain(each) for each in self.change.after],
                "prediction": self.change.prediction,
                "distance": self.change.distance,
            },
        }


def explain_row(question: Question, row: int, *, seed: int = 0) -> RowExplanation:
    """Return what each column adds to one row's score, the mean over the networks.

    Parameters
    ----------
    question
        Values for the nearest change come from its rows.
    row
        The number of the row, from 0.
    seed
        Draws orders of columns, where not all coalitions can be looked at.

    Raises
    ------
    ArgumentError
        If there is no such row.
    """
    if not 0 <= row < len(question.x):
        raise ArgumentError(f"Rows are numbered from 0 to {len(question.x) - 1}. Got {row}.")
    asked = question.rows(np.array([row]))
    columns = len(question.inputs)
    exact = columns <= MOST_EXACT and len(question.background) << columns <= EXACT_WORK
    parts = [
        exact_shapley(asked, subject, np.random.default_rng(seed))
        if exact
        else shapley(asked, subject, np.random.default_rng(seed), pairs=PAIRS)
        for subject in question.subjects
    ]
    contributions = np.mean([each.contributions[0] for each in parts if each.contributions is not None], axis=0)
    baseline = float(np.mean([each.baselines[0] for each in parts if each.baselines is not None]))
    score = float(np.mean([asked.scores(subject)[0] for subject in question.subjects]))
    sampled = [each.row_errors[0] for each in parts if each.row_errors is not None]
    errors = np.sqrt(np.square(sampled).mean(axis=0)) if sampled else np.zeros(columns)
    code = int(_classes(question, asked.x)[0]) if question.classes else 0
    return RowExplanation(
        row,
        tuple(question.names),
        tuple(_value(question, row, k) for k in range(columns)),
        question.unit,
        score,
        baseline,
        contributions,
        errors,
        question.classes[code] if question.classes else None,
        nearest_change(question, row) if question.classes else None,
    )


def nearest_change(question: Question, row: int) -> Change | None:
    """Return the smallest change found of one column, or of two, after which another class is predicted.

    Columns are set to values that other rows have (Wachter, Mittelstadt & Russell 2018, arXiv 1711.00399, look
    anywhere): so each value occurs, though perhaps not beside the others. None where nothing was found.
    """
    x = question.x[row]
    deviations = np.maximum(question.x.std(axis=0, dtype=np.float64), 1e-12)
    sized = np.abs(question.x - x) / deviations
    distances = np.sqrt(question.fold(np.square(sized)))  # (rows, columns)
    own = int(_classes(question, x[None])[0])
    nearest = [_candidates(distances[:, k], CANDIDATES) for k in range(len(question.inputs))]
    tries = [((k, giver),) for k, givers in enumerate(nearest) for giver in givers]
    best = _best(question, x, own, tries, distances)
    if best is None:
        reach = [float(distances[givers, k].max(initial=0)) for k, givers in enumerate(nearest)]
        some = sorted(np.argsort(reach)[::-1][:MOST_COLUMNS].tolist())
        tries_of_two = [
            ((i, a), (j, b))
            for i, j in itertools.combinations(some, 2)
            for a in nearest[i][:: max(len(nearest[i]) // TOGETHER, 1)]
            for b in nearest[j][:: max(len(nearest[j]) // TOGETHER, 1)]
        ]
        best = _best(question, x, own, tries_of_two, distances)
    if best is None or question.classes is None:
        return None
    changed, code, distance = best
    return Change(
        tuple(question.names[k] for k, _ in changed),
        tuple(_value(question, row, k) for k, _ in changed),
        tuple(_value(question, giver, k) for k, giver in changed),
        question.classes[code],
        distance,
    )


Try = tuple[tuple[int, int], ...]
"""Columns and the rows that give their values."""


def _best(question: Question, x: Array, own: int, tries: list[Any], distances: Array) -> tuple[Try, int, float] | None:
    if not tries:
        return None
    rows = np.repeat(x[None], len(tries), axis=0)
    for at, changed in enumerate(tries):
        for k, giver in changed:
            places = question.inputs[k].places
            rows[at, places] = question.x[giver, places]
    codes = _classes(question, rows)
    far = np.array([np.sqrt(sum(distances[giver, k] ** 2 for k, giver in changed)) for changed in tries])
    far[codes == own] = np.inf
    best = int(far.argmin())
    return (tries[best], int(codes[best]), float(far[best])) if np.isfinite(far[best]) else None


def _candidates(distances: Array, most: int) -> list[int]:
    """Return rows that have other values than the explained one, spread evenly from the nearest to the farthest."""
    values, first = np.unique(distances, return_index=True)
    others = first[values > 0]
    if len(others) <= most:
        return [int(each) for each in others]
    return [int(each) for each in others[np.linspace(0, len(others) - 1, most).round().astype(int)]]


def _classes(question: Question, x: Array) -> Array:
    """Return which class is predicted of each row, (rows,): of the networks' mean probabilities."""
    found = np.mean([_probabilities(subject.outputs(x)) for subject in question.subjects], axis=0)
    return np.asarray(found.argmax(axis=1))


def _probabilities(outputs: Array) -> Array:
    logits = np.concatenate([np.zeros_like(outputs), outputs], axis=1) if outputs.shape[1] == 1 else outputs
    sizes = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(sizes / sizes.sum(axis=1, keepdims=True))


def _value(question: Question, row: int, column: int) -> Any:
    each = question.inputs[column]
    return question.x[row, each.start].item() if question.table is None else question.table[each.name][row]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
