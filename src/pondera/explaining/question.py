"""A question to a network: which rows, what of its outputs, and in whose columns the answer is wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from pondera.choice import quoted
from pondera.errors import ArgumentError
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]


BASELINES = ("mean", "zeros", "rows")
"""Where integrated gradients may begin, beside at rows that are given."""

BACKGROUND = 128
"""Rows that stand for a column's not being known."""


def some_of(count: int, seed: int) -> Array:
    """Return the numbers of rows that stand for a column's not being known, drawn from many: at most BACKGROUND."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:BACKGROUND])


@dataclass(frozen=True)
class Input:
    """What a user calls an input: a column, and where the encoded inputs lie that it became.

    Attributes
    ----------
    name
        Of the column.
    start, stop
        Its encoded inputs are start … stop − 1.
    """

    name: str
    start: int
    stop: int

    @property
    def places(self) -> slice:
        """Its encoded inputs."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Question:
    """What is asked: how much each column matters to a number that the outputs of some rows come to, the *score*.

    Of a regression the score is the prediction; of two classes the log-odds of one; of more classes by how much the
    logit of one, or of the one that is predicted, is above the mean of all logits. Contributions are shares of scores,
    in the same unit.

    Attributes
    ----------
    subjects
        What is explained: the networks of a population, or the only one.
    inputs
        The columns; their encoded inputs lie one after the other.
    x
        The rows, (rows, encoded).
    background
        Rows that stand for a column's not being known, (others, encoded).
    directions
        The score of a row is ``scale`` · Σ outputs · direction + ``shift``: (rows, outputs).
    unit
        What a score is, in words.
    scale, shift
        From outputs to the unit.
    answers
        What is right, as ``error`` takes it, a row each; None where it is not known.
    target
        The column of a table that holds it; None where there is no such column.
    error
        Outputs and answers -> the error of each row, (rows,).
    reference
        The mean error of the best constant outputs, which a network must be better than.
    loss
        The name of what ``error`` is, where it is of all outputs and one of :data:`~pondera.training.losses.LOSSES`:
        methods that look at the derivatives of the error need it.
    measure
        What ``error`` is called.
    classes
        What the outputs stand for, where they are classes; one output stands for the second of two.
    table
        The same rows as the user knows them.
    usual
        The rows of the background as the user knows them, where they are not of the table.
    baseline
        Where integrated gradients begin: see :func:`~pondera.explaining.gradients.integrated_gradients`.
    seen
        Whether each row has the values of one that was trained on, 1 or 0, NaN where that cannot be told: (rows,); None
        where nothing is known of the training.
    strange
        Columns and the shares of rows in which they hold what training never saw, so that the network is given a
        stand-in: another category, or none where every training row had a value.
    predict
        Rows (some, encoded) -> what the model predicts of each, in the target's own values; None where only scores are
        known.
    retrain
        Rows (some, encoded), answers and a seed -> what a training like the subjects' makes of them; None where nothing
        is to be trained anew.
    leaves
        Column -> groups of these rows that are alike in the others, as far as they were asked for.

    Examples
    --------
    >>> double = Subject(lambda x: 2 * x[:, :1] + x[:, 1:])
    >>> question = Question.of_arrays(double, np.array([[1.0, 0.0], [3.0, 1.0]]))
    >>> [each.name for each in question.inputs], question.scores(double).tolist()
    (['x0', 'x1'], [2.0, 7.0])
    """

    subjects: tuple[Subject, ...]
    inputs: tuple[Input, ...]
    x: Array
    background: Array
    directions: Array
    unit: str = "output"
    scale: float = 1.0
    shift: float = 0.0
    answers: Array | None = None
    target: str | None = None
    error: Callable[[Array, Array], Array] | None = None
    reference: float | None = None
    loss: str | None = None
    measure: str = "error"
    classes: tuple[str, ...] | None = None
    table: pl.DataFrame | None = None
    usual: pl.DataFrame | None = None
    baseline: str | Array = "mean"
    seen: Array | None = None
    strange: Mapping[str, float] = field(default_factory=dict)
    predict: Callable[[Array], Array] | None = None
    retrain: Callable[[Array, Array, int], Subject] | None = None
    leaves: dict[Input, Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of_arrays(
        cls,
        subjects: Subject | Sequence[Subject],
        x: Array,
        answers: Array | None = None,
        *,
        names: Sequence[str] | None = None,
        background: Array | None = None,
        error: Callable[[Array, Array], Array] | None = None,
        output: int = 0,
        baseline: str | Array = "mean",
    ) -> Question:
        """Return the question how much each input of arrays matters to one output.

        Parameters
        ----------
        subjects
            What is explained.
        x
            (rows, inputs).
        answers
            (rows,) what is right.
        names
            Of the inputs; by default x0, x1, …
        background
            (others, inputs); by default the rows themselves.
        error
            Outputs (rows, outputs) and answers -> (rows,); by default the squared error of ``output``.
        output
            Which one.
        baseline
            Where integrated gradients begin.

        Raises
        ------
        ArgumentError
            If there are no rows, or no such output.
        """
        several = (subjects,) if isinstance(subjects, Subject) else tuple(subjects)
        rows = np.asarray(x)
        if rows.ndim != 2 or not len(rows):
            raise ArgumentError(f"Expected rows to explain, (rows, inputs). Got an array of shape {rows.shape}.")
        width = several[0].outputs(rows[:1]).shape[1]
        if not -width <= output < width:
            raise ArgumentError(f"Outputs are numbered from 0 to {width - 1}. Got {output}.")
        directions = np.zeros((len(rows), width), rows.dtype if rows.dtype.kind == "f" else np.float64)
        directions[:, output] = 1
        called = list(names) if names is not None else [f"x{place}" for place in range(rows.shape[1])]
        return cls(
            several,
            tuple(Input(name, place, place + 1) for place, name in enumerate(called)),
            rows,
            rows if background is None else np.asarray(background),
            directions,
            answers=answers,
            error=error or (lambda found, right: np.square(found[:, output] - right)),
            loss="squared_error" if error is None and width == 1 else None,
            reference=None if answers is None or error is not None else float(np.var(answers)),
            baseline=baseline,
        )

    @property
    def names(self) -> list[str]:
        """The columns."""
        return [each.name for each in self.inputs]

    def column(self, place: int) -> pl.Series:
        """Return a column in its own units, null where it is missing; of arrays, what it was encoded to."""
        each = self.inputs[place]
        if self.table is not None:
            return self.table[each.name]
        return pl.Series(each.name, self.x[:, each.start], nan_to_null=True)

    def scores(self, subject: Subject, x: Array | None = None, directions: Array | None = None) -> Array:
        """Return the scores of the rows, or of others with directions of their own: (rows,) float64."""
        towards = self.directions if directions is None else directions
        found = subject.outputs(self.x if x is None else x)
        scores: Array = self.scale * np.einsum("ro,ro->r", found.astype(np.float64), towards) + self.shift
        return scores

    def crossed(self, subject: Subject, x: Array) -> Array:
        """Return the scores of other rows as they would be of each of the rows: (others, rows) float64.

        >>> question = Question.of_arrays(Subject(lambda x: 2 * x), np.array([[1.0], [3.0]]))
        >>> question.crossed(question.subjects[0], np.array([[5.0]])).tolist()
        [[10.0, 10.0]]
        """
        found: Array = self.scale * (subject.outputs(x).astype(np.float64) @ self.directions.T) + self.shift
        return found

    def slopes(self, subject: Subject, x: Array, directions: Array) -> Array:
        """Return the derivatives of scores in the encoded inputs: (rows, encoded) float64."""
        if subject.slopes is None:
            raise ArgumentError("What is explained has no derivatives; choose a method that needs none.")
        found: Array = self.scale * subject.slopes(x, directions).astype(np.float64)
        return found

    @property
    def unanswered(self) -> str:
        """The sentence for what needs right answers where they are not known."""
        column = "the target's column" if self.target is None else f"the target's column, {quoted(self.target)}"
        return f"This needs the right answers: give a table that has {column}."

    def errors(self, subject: Subject, x: Array | None = None) -> Array:
        """Return the error of each row's outputs: (rows,) float64.

        Raises
        ------
        ArgumentError
            Where the right answers are not known.
        """
        if self.answers is None or self.error is None:
            raise ArgumentError(self.unanswered)
        return np.asarray(self.error(subject.outputs(self.x if x is None else x), self.answers), np.float64)

    def fold(self, encoded: Array) -> Array:
        """Return sums over the encoded inputs of each column: (..., encoded) -> (..., columns)."""
        return np.asarray(np.add.reduceat(encoded, [each.start for each in self.inputs], axis=-1))

    def united(self, units: Sequence[tuple[int, ...]]) -> Question:
        """Return the same question with some columns as one: every column is in one of the units.

        >>> question = Question.of_arrays(Subject(lambda x: x[:, :1] + 5 * x[:, 2:]), np.array([[1.0, 2.0, 3.0]]))
        >>> together = question.united([(0, 2), (1,)])
        >>> together.names, together.x.tolist(), together.scores(together.subjects[0]).tolist()
        (['x0 + x2', 'x1'], [[1.0, 3.0, 2.0]], [16.0])
        """
        places = [np.concatenate([np.r_[self.inputs[k].places] for k in unit]) for unit in units]
        order = np.concatenate(places)
        back = np.argsort(order)
        ends = np.cumsum([len(each) for each in places])
        return dataclasses.replace(
            self,
            subjects=tuple(
                Subject(lambda x, each=each: each.outputs(x[:, back]))  # type: ignore[misc]
                for each in self.subjects
            ),
            inputs=tuple(
                Input(" + ".join(self.inputs[k].name for k in unit), int(end) - len(each), int(end))
                for unit, each, end in zip(units, places, ends, strict=True)
            ),
            x=self.x[:, order],
            background=self.background[:, order],
            baseline=self.baseline if isinstance(self.baseline, str) else self.baseline[..., order],
            table=None,
            usual=None,
            retrain=None,
        )

    def rows(self, which: Array) -> Question:
        """Return the same question about some of the rows, given by their numbers."""
        return dataclasses.replace(
            self,
            x=self.x[which],
            directions=self.directions[which],
            answers=None if self.answers is None else self.answers[which],
            table=None if self.table is None else self.table[which],
            seen=None if self.seen is None else self.seen[which],
        )

    def sample(self, count: int, random: np.random.Generator) -> Question:
        """Return the question about so many of the rows at most, drawn at random."""
        if len(self.x) <= count:
            return self
        return self.rows(np.sort(random.choice(len(self.x), count, replace=False)))
