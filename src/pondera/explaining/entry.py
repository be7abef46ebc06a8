"""Explains whatever there is: a model of Pondera's, networks, a PyTorch module, an estimator, a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from pondera.errors import ArgumentError
from pondera.explaining.adapters import of_estimator, of_torch
from pondera.explaining.ask import question_of
from pondera.explaining.explain import Progress
from pondera.explaining.explain import explain as explain_question
from pondera.explaining.explanation import Explanation
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject
from pondera.model.model import Model
from pondera.network.network import Network
from pondera.tables.frame import as_frame, as_series

BACKGROUND = 128
"""Rows that stand for a column's not being known."""


def explain(
    what: Any,
    x: Any,
    y: Any = None,
    *,
    names: Sequence[str] | None = None,
    output: int = 0,
    methods: Sequence[str] | None = None,
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
        Rows to explain, best ones that were not trained on: a table for Pondera's models, else (rows, inputs).
    y
        Their right answers, which permutation and the verdict need; of what is not Pondera's, numbers that the squared
        error of ``output`` is taken to.
    names
        Of the inputs of an array.
    output
        Which output is explained, of what is not Pondera's model.
    methods
        Names from :data:`~pondera.explaining.methods.METHODS`; by default all that can be used here.
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
    model = getattr(what, "model_", what)
    if isinstance(model, Model):
        question = _of_table(model, x, y, seed, baseline, retrain)
    elif retrain:
        raise ArgumentError("Only models that Pondera trained on a table can be trained anew. Leave out retrain.")
    else:
        question = _of_array(subjects_of(what), x, y, names, output, baseline, seed)
    return explain_question(question, methods, seed=seed, progress=progress)


def subjects_of(what: Any) -> tuple[Subject, ...]:
    """Return anything that gives outputs for rows as what is explained.

    Raises
    ------
    ArgumentError
        If it gives none.
    """
    if isinstance(what, Subject):
        return (what,)
    if isinstance(what, Network):
        return (Subject.of_network(what),)
    if isinstance(what, Sequence) and what and not isinstance(what, str):
        return tuple(subject for each in what for subject in subjects_of(each))
    if any(kind.__module__.split(".")[0] == "torch" for kind in type(what).__mro__):
        return (of_torch(what),)
    if hasattr(what, "predict"):
        return (of_estimator(what),)
    if callable(what):
        function: Callable[[Any], Any] = what
        return (Subject.of_function(lambda weights, x: function(x), ()),)
    raise ArgumentError(
        "Expected a model, networks, a PyTorch module, a fitted estimator or a function of JAX to explain. "
        f"Got {type(what).__name__}."
    )


def _of_table(model: Model, x: Any, y: Any, seed: int, baseline: str, retrain: bool) -> Question:
    frame = x if isinstance(x, pl.DataFrame) else as_frame(x, names=[each.name for each in model.encoding.columns])
    target = y
    if y is None and model.target_name in frame.columns:
        target = frame[model.target_name]
    elif y is not None and not isinstance(y, pl.Series):
        target = as_series(model.target_name, np.asarray(y).reshape(-1))
    return question_of(model, frame, target, seed=seed, retrain=retrain, baseline=baseline)[0]


def _of_array(
    subjects: tuple[Subject, ...],
    x: Any,
    y: Any,
    names: Sequence[str] | None,
    output: int,
    baseline: str,
    seed: int,
) -> Question:
    rows = np.asarray(x)
    if rows.ndim != 2 or rows.dtype.kind not in "fiub":
        raise ArgumentError(f"Expected rows of numbers, (rows, inputs). Got {rows.dtype} of shape {rows.shape}.")
    called = list(names) if names is not None else list(getattr(x, "columns", [])) or None
    if called is not None and len(called) != rows.shape[1]:
        raise ArgumentError(f"Expected {rows.shape[1]} names, one an input. Got {len(called)}.")
    answers = None if y is None else np.asarray(y).reshape(-1)
    if answers is not None and (len(answers) != len(rows) or answers.dtype.kind not in "fiub"):
        raise ArgumentError(f"Expected {len(rows)} numbers as right answers. Got {len(answers)} of {answers.dtype}.")
    rows = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:BACKGROUND])
    return Question.of_arrays(
        subjects,
        rows,
        answers,
        names=None if called is None else [str(each) for each in called],
        background=rows[chosen],
        output=output,
        baseline=baseline,
    )
