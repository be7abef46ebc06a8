"""Explains whatever there is: a model of Pondera's, networks, a PyTorch module, an estimator, a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from pondera.choice import counted, listed, unknown
from pondera.errors import ArgumentError, TableError
from pondera.explaining.arrays import question_of_arrays
from pondera.explaining.ask import question_of
from pondera.explaining.explain import Progress
from pondera.explaining.explain import explain as explain_question
from pondera.explaining.explanation import Explanation
from pondera.explaining.question import BASELINES, Question
from pondera.model.model import Model
from pondera.tables.frame import as_frame, as_series


def explain(
    what: Any,
    x: Any,
    y: Any = None,
    *,
    names: Sequence[str] | None = None,
    output: int | None = None,
    target_class: Any = None,
    loss: str | None = None,
    methods: str | Sequence[str] | None = None,
    baseline: str = "mean",
    retrain: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Explanation:
    """Return which columns matter, by several methods, and how far that can be believed.

    Parameters
    ----------
    what
        A fitted :class:`~pondera.PonderaClassifier` or :class:`~pondera.PonderaRegressor`, what ``pondera.load``
        returns, a :class:`~pondera.Network` or several of other random starts, a PyTorch module, a fitted estimator of
        scikit-learn's kind, or a function of JAX from (rows, inputs) to (rows, outputs).
    x
        Rows to explain, best ones that were not trained on: a table for Pondera's models, what it was fitted on for an
        estimator, such as a data frame of mixed columns, else (rows, inputs).
    y
        Their right answers, which permutation and the verdict need.
    names
        Of the inputs of an array.
    output
        Which output is explained, of what is not Pondera's model; from the last where it is negative. By default the
        first; of several it is needed with ``y``, unless they are classes.
    target_class
        Of a classifier, the class whose score is explained: the log-odds of one of two classes, by default the second;
        of more by how much its logit is above the mean of all, by default for each row that of the class which is
        predicted. Errors, and with them permutation, are of all classes together.
    loss
        What the error is where they are not a classifier's, whose error is its Brier score, or how often it is wrong
        where it has no probabilities: ``"squared_error"`` of the output by default, or for
        logits ``"binary_cross_entropy"`` with answers 0 and 1, ``"softmax_cross_entropy"`` with class numbers; for
        logarithms of rates ``"poisson"`` with counts.
    methods
        A name from :data:`~pondera.explaining.methods.METHODS` or several; by default all that can be used here, but
        for those that take long and are used only where they are named.
    baseline
        Where integrated gradients begin: ``"mean"``, ``"zeros"`` or ``"rows"``.
    retrain
        Whether a Pondera model may be trained anew, without columns and on answers that mean nothing. It takes long.
    seed
        Drives all that is random.
    progress
        Is told what is being done, how much of it is done, and of how much.

    Raises
    ------
    ArgumentError, TableError
        If it cannot be explained, or the rows do not fit it.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    >>> found = explain(lambda x: 3 * x[:, :1] + x[:, 1:2], x, 3 * x[:, 0] + x[:, 1], names=["a", "b", "c"])
    >>> [found.names[k] for k in found.order], found.verdict_of(2)
    (['a', 'b', 'c'], 'no measurable influence')
    """
    question = question_about(
        what,
        x,
        y,
        names=names,
        output=output,
        target_class=target_class,
        loss=loss,
        baseline=baseline,
        retrain=retrain,
        seed=seed,
    )
    return explain_question(question, methods, seed=seed, progress=progress)


def question_about(
    what: Any,
    x: Any,
    y: Any = None,
    *,
    names: Sequence[str] | None = None,
    output: int | None = None,
    target_class: Any = None,
    loss: str | None = None,
    baseline: str = "mean",
    retrain: bool = False,
    seed: int = 0,
) -> Question:
    """Return what :func:`explain` asks: for single methods, rows, weights and connections.

    Parameters and errors are those of :func:`explain`.

    Examples
    --------
    >>> from pondera.explaining.row import explain_row
    >>> x = np.array([[5.0, 2.0], [1.0, 0.0]])
    >>> explain_row(question_about(lambda x: 0.7 * x[:, :1] + 0.3 * x[:, 1:], x), 0).contributions.round(6).tolist()
    [1.4, 0.3]
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(f"seed: expected a whole number from 0 up. Got {seed!r}.")
    if not isinstance(baseline, str) or baseline not in BASELINES:
        raise ArgumentError(unknown("baseline", baseline, BASELINES))
    model = getattr(what, "model_", what)
    if isinstance(model, Model):
        if names is not None or output is not None or loss is not None:
            raise ArgumentError("A model of Pondera's knows its columns and its loss. Leave out names, output, loss.")
        frame = _frame(model, x)
        return question_of(
            model,
            frame,
            _target_of(model, frame, y),
            seed=seed,
            retrain=retrain,
            baseline=baseline,
            target_class=target_class,
        )[0]
    if retrain:
        raise ArgumentError("Only models that Pondera trained on a table can be trained anew. Leave out retrain.")
    return question_of_arrays(
        what, x, y, names=names, output=output, target_class=target_class, loss=loss, baseline=baseline, seed=seed
    )


def _frame(model: Model, x: Any) -> pl.DataFrame:
    """Return rows as a table; an array has the model's columns in their order."""
    names = [each.name for each in model.encoding.columns]
    shape = np.shape(x) if isinstance(x, np.ndarray | list) else ()
    if len(shape) == 2 and shape[1] != len(names):
        raise TableError(
            f"Expected rows of {counted(len(names), 'column')}, which the model was trained on: {listed(names)}. "
            f"Got {counted(shape[1], 'column')}. Give these columns, or a data frame that has them."
        )
    return as_frame(x, names=names)


def _target_of(model: Model, frame: pl.DataFrame, y: Any) -> pl.Series | None:
    """Return the right answers: those given, else the table's own column of that name."""
    if y is None:
        return frame[model.target_name] if model.target_name in frame.columns else None
    return y if isinstance(y, pl.Series) else as_series(model.target_name, np.asarray(y).reshape(-1))
