"""What a method is, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pondera.choice import Choice
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network

Array = np.ndarray[Any, Any]

MOST_EXACT = 12
"""Columns up to which every coalition can be looked at: 4,096."""

WIDE, FEWEST = 64, 64
"""Columns from which on fewer rows are looked at, and how few at least."""

Kind = Literal["strength", "importance"]
"""``strength`` comes from weights alone; ``importance`` from what happens on data."""

Need = Literal[
    "slopes", "answers", "network", "connections", "scaling layer", "linear", "training", "first layer", "few columns"
]


@dataclass(frozen=True)
class Measured:
    """What a method found of one network.

    Attributes
    ----------
    values
        How strong or important each column is: (columns,). Its unit is the method's own; compare shares and ranks.
    errors
        Standard errors from looking at some rows or samples only: (columns,); 0 where nothing was sampled.
    contributions
        What each column adds to the score of each row, (rows, columns), where the method says that.
    baselines
        The score that contributions start from, (rows,): their sum and this is the row's score, where ``sums``.
    figures
        More that is worth knowing, JSON-ready.
    row_errors
        Standard errors of contributions, (rows, columns), where they were sampled.
    estimates
        Independent ones that sampled contributions are the mean of, (estimates, rows, columns).
    deviations
        Independent ones that the errors are made of, (some, columns), one a row or one a draw: their squares add up to
        those of the errors, and so do those of any weighted sum of columns. None where they are not known.
    growths
        By how much the error of each row grew with the value of another one, (rows, columns), 0 where it was not asked.
        A column that says nothing has errors shrink as often, and by as much. None of other methods.
    noise
        Of contributions, standard errors of their mean sizes over these very rows, from what else was drawn,
        (columns,). None of other methods, which tell of rows in general.
    """

    values: Array
    errors: Array
    contributions: Array | None = None
    baselines: Array | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    row_errors: Array | None = None
    estimates: Array | None = None
    deviations: Array | None = None
    growths: Array | None = None
    noise: Array | None = None

    @classmethod
    def of_contributions(
        cls, contributions: Array, baselines: Array, estimates: Array | None = None, **figures: Any
    ) -> Measured:
        """Return the mean size of contributions as importance.

        Its standard error comes from the spread over rows. Where contributions were sampled, they are the mean of
        independent ``estimates``, (estimates, rows, columns): sizes are those of :func:`sizes_of`, and the spread of
        their means over the estimates, which rows may share, counts too.
        """
        every = np.abs(contributions)[None] if estimates is None else sizes_of(estimates)
        sizes, drawn = every.mean(axis=0), deviations_of(every.mean(axis=1))
        return cls.of_deviations(
            sizes.mean(axis=0),
            np.concatenate([deviations_of(sizes), drawn]),
            contributions=contributions,
            baselines=baselines,
            figures=figures,
            row_errors=None if estimates is None else np.sqrt(np.square(deviations_of(estimates)).sum(axis=0)),
            estimates=estimates,
            noise=np.sqrt(np.square(drawn).sum(axis=0)),
        )

    @classmethod
    def of_deviations(cls, values: Array, deviations: Array, **more: Any) -> Measured:
        """Return values whose standard errors are those that the deviations come to."""
        return cls(values, np.sqrt(np.square(deviations).sum(axis=0)), deviations=deviations, **more)


def fewer(rows: int, columns: int) -> int:
    """Return how many rows are looked at of wide tables, so that the work grows no faster than the columns.

    Every method asks about each row once a column or more often. Of 200 columns it looks at a third of the rows that it
    would look at of 64; standard errors say what that costs.

    >>> fewer(4096, 20), fewer(4096, 200), fewer(256, 2000)
    (4096, 1310, 64)
    """
    return rows if columns <= WIDE else min(rows, max(rows * WIDE // columns, FEWEST))


def deviations_of(samples: Array) -> Array:
    """Return by how much each of several independent samples moves their mean from what is expected: the same shape.

    The sum of their squares estimates the mean's variance; of a single sample nothing is known, and they are 0.

    >>> round(float(np.square(deviations_of(np.array([[1.0], [2.0], [3.0]]))).sum()), 6)  # 1 / 3
    0.333333
    """
    count = len(samples)
    return np.asarray((samples - samples.mean(axis=0)) / np.sqrt(count * max(count - 1, 1)))


def sizes_of(parts: Array) -> Array:
    """Return the sizes of contributions of which several independent estimates were drawn, without what noise adds.

    The size of a noisy number is too large on average: one that is 0 never is. So the sign comes from all other
    estimates, and what is added up under it is the one left out: that is right on average where the sign is known, and
    0 where there is nothing. (Cross-fitting, as of Chernozhukov et al. 2018, Econometrics Journal 21.) In between it is
    too small, by 2·max t·Φ(−t) = 0.34 standard errors of all other estimates' mean at most, at 0.75 of one.

    Parameters
    ----------
    parts
        (estimates, rows, columns)

    Returns
    -------
    (estimates, rows, columns), whose mean over estimates is the size; single ones may be below 0.

    Examples
    --------
    >>> sizes_of(np.array([[[1.0, -2.0]], [[3.0, 0.1]], [[2.0, -1.6]]])).mean(axis=0).round(2).tolist()
    [[2.0, 1.17]]
    """
    if len(parts) < 2:
        return np.abs(parts)
    return np.asarray(np.sign(parts.sum(axis=0) - parts) * parts)


@dataclass(frozen=True)
class Method:
    """A way to say how much each column matters.

    Attributes
    ----------
    name
        For programs, ``integrated_gradients``.
    title
        For people, ``integrated gradients``.
    kind
        Whether it looks at weights alone or at what happens on data.
    measure
        Question, subject, randomness -> what was found.
    caveat
        When it misleads.
    source
        The paper.
    needs
        What it cannot do without.
    sums
        Whether contributions and baseline add up to the score, to the last digits.
    rows
        How many rows it looks at, at most: enough for a small standard error, few enough to be quick.
    named
        Whether it is used only where it is named: it takes long, and another says nearly the same.
    family
        What it has in common with methods that say nearly the same, which have one vote together; by default it stands
        for itself.
    """

    name: str
    title: str
    kind: Kind
    measure: Callable[[Question, Subject, np.random.Generator], Measured]
    caveat: str
    source: str
    needs: frozenset[Need] = frozenset()
    sums: bool = False
    rows: int = 512
    named: bool = False
    family: str = ""

    @property
    def kin(self) -> str:
        """The family whose vote it shares."""
        return self.family or self.name

    def rows_of(self, columns: int) -> int:
        """Return how many rows it looks at, at most, where there are so many columns: see :func:`fewer`."""
        return fewer(self.rows, columns)

    def obstacle(self, question: Question, subject: Subject) -> str | None:
        """Return why the method cannot be used here, as the end of a sentence, or None."""
        return next((OBSTACLES[need] for need in sorted(self.needs) if not _has(need, question, subject)), None)


OBSTACLES: Mapping[Need, str] = {
    "slopes": "what is explained has no derivatives",
    "answers": "the right answers are not known",
    "network": "there is no network whose weights could be looked at",
    "connections": "its layers do more than multiply and add, so that products of weights say nothing",
    "scaling layer": "the network does not begin with a scaling layer",
    "linear": "the network is not linear",
    "first layer": "there is no network whose first weights are those of the inputs",
    "few columns": f"coalitions of more than {MOST_EXACT} columns are too many to look at every one",
    "training": "nothing is trained anew unless retraining is asked for",
}


def _has(need: Need, question: Question, subject: Subject) -> bool:
    network = subject.network
    if need == "slopes":
        return subject.slopes is not None
    if need == "answers":
        return question.answers is not None and question.error is not None
    if need == "few columns":
        return len(question.inputs) <= MOST_EXACT
    if need == "training":
        return question.retrain is not None
    if network is None:
        return False
    if need == "first layer":
        return first_matrix(network) is not None
    layers = network.architecture.layers
    if need == "scaling layer":
        return bool(layers) and layers[0].kind == "scale"
    if need == "connections":
        return all(layer.kind in ("dense", "scale", "dropout") for layer in layers)
    if need == "linear":
        return all(
            layer.kind in ("scale", "dropout")
            or (isinstance(layer, Dense) and Choice.of(layer.activation).name == "identity")
            for layer in layers
        )
    return True


def first_matrix(network: Network) -> Array | None:
    """Return what inputs are multiplied by first, (inputs, units) or (inputs,); None where others take their place.

    An embedding makes several values of one input, so that the weights behind it are no longer an input's. A
    normalization leaves them where they are.
    """
    matrix = network.first_connections()
    if matrix is None:
        matrix = next((each for each in network.connections().values() if each is not None), None)
    return matrix if matrix is not None and len(matrix) == network.architecture.inputs else None
