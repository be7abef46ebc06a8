"""One row: what each column adds to its score, and the nearest change that would turn its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.change import Change, nearest_change
from pondera.explaining.method import MOST_EXACT
from pondera.explaining.question import Question
from pondera.explaining.scoring import mean_probabilities
from pondera.explaining.shapley import FITTED, exact_shapley, shapley

Array = np.ndarray[Any, Any]

PAIRS = 64
"""Orders that are drawn at least, each also taken backwards; as many from each row of the background, two at least."""

MOST_WORK = 1 << 19
"""Evaluations up to which every coalition is looked at, or so many that values are fitted to them."""


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
        Of the row, and the mean over the rows that contributions start from: those of the background where one was
        given, else some of the table.
    background
        Whether one was given.
    compared
        How many rows that mean is over.
    contributions, errors
        Shapley values, (columns,): their sum and the baseline are the score. Standard errors of sampling; 0 where all
        coalitions were looked at.
    prediction
        The class that is predicted, or the number, within the range of training where the model keeps to it; None where
        what is explained only gives scores.
    change
        The nearest change found that turns the class.
    searched
        What that was looked for among; None where there are no classes.
    seen
        Whether the row has the values of one that was trained on; None where that cannot be told.
    """

    row: int
    names: tuple[str, ...]
    values: tuple[Any, ...]
    unit: str
    score: float
    baseline: float
    background: bool
    compared: int
    contributions: Array
    errors: Array
    prediction: str | float | None
    change: Change | None
    searched: str | None
    seen: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, the largest contribution first."""
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        return {
            "row": self.row,
            "unit": self.unit,
            "score": self.score,
            "baseline": self.baseline,
            "background": self.background,
            "compared": self.compared,
            "row_seen": self.seen,
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
            "searched": self.searched,
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
    if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < len(question.x):
        raise ArgumentError(f"Rows are numbered from 0 to {len(question.x) - 1}. Got {row!r}.")
    asked = question.rows(np.array([row]))
    columns = len(question.inputs)
    others = len(question.background)
    exact = columns <= MOST_EXACT and others << columns <= MOST_WORK
    orders = max(2, -(-PAIRS // others))  # from each row of the background, so that the baseline is the mean of all
    if 2 * FITTED * others * columns <= MOST_WORK:
        orders = max(orders, FITTED)
    parts = [
        exact_shapley(asked, subject, np.random.default_rng(seed))
        if exact
        else shapley(asked, subject, np.random.default_rng(seed), pairs=orders * others)
        for subject in question.subjects
    ]
    contributions = np.mean([each.contributions[0] for each in parts if each.contributions is not None], axis=0)
    baseline = float(np.mean([each.baselines[0] for each in parts if each.baselines is not None]))
    score = float(np.mean([asked.scores(subject)[0] for subject in question.subjects]))
    sampled = [each.row_errors[0] for each in parts if each.row_errors is not None]
    errors = np.sqrt(np.square(sampled).mean(axis=0)) if sampled else np.zeros(columns)
    nearest = nearest_change(question, row) if question.classes else None
    return RowExplanation(
        row,
        tuple(question.names),
        tuple(question.column(k)[row] for k in range(columns)),
        question.unit,
        score,
        baseline,
        question.usual is not None,
        len(question.background),
        contributions,
        errors,
        _predicted(asked),
        None if nearest is None else nearest.change,
        None if nearest is None else nearest.searched,
        None if asked.seen is None or np.isnan(asked.seen[0]) else bool(asked.seen[0]),
    )


def _predicted(question: Question) -> str | float | None:
    """Return what is predicted of the first row."""
    if question.classes is not None:
        outputs = [subject.outputs(question.x) for subject in question.subjects]
        return question.classes[int(mean_probabilities(outputs)[0].argmax())]
    return None if question.predict is None else float(question.predict(question.x)[0])


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
