"""From a model and a table to a question."""

from __future__ import annotations

import functools
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from pondera.choice import Choice
from pondera.errors import ArgumentError, TableError
from pondera.explaining.question import Input, Question, some_of
from pondera.explaining.scoring import best_constant, class_score, error_of, place_of
from pondera.explaining.subject import Subject
from pondera.model.model import Model
from pondera.network.network import Network
from pondera.tables.encode import Unseen
from pondera.tables.parts import Where, row_number
from pondera.tables.sketch import Sketch
from pondera.tables.target import Classes, TargetScaling, regression_values, require_complete
from pondera.training.fit import fit
from pondera.training.plan import Plan

Array = np.ndarray[Any, Any]

HELD_OUT = 0.2
"""Of rows that a network is trained on anew, the share that decides which epoch's weights are kept."""


def question_of(
    model: Model,
    frame: pl.DataFrame,
    target: pl.Series | None = None,
    *,
    seed: int = 0,
    where: Where = row_number,
    retrain: bool = False,
    baseline: str = "mean",
    target_class: Any = None,
    background: pl.DataFrame | None = None,
) -> tuple[Question, Unseen]:
    """Return the question how much each column matters to a model's predictions of the rows of a table.

    Parameters
    ----------
    model
        What is explained.
    frame
        Rows with the model's columns.
    target
        Their right answers, where they are known: some methods need them.
    seed
        Draws the rows that stand for a column's not being known.
    where
        Says where a row is, in an error.
    retrain
        Whether methods may train such networks anew, which takes as many trainings as there are columns and more.
    baseline
        Where integrated gradients begin: ``"mean"`` of some rows, ``"zeros"``, or some ``"rows"``.
    target_class
        The class whose score is explained: see :func:`~pondera.explaining.scoring.class_score`.
    background
        Rows that stand for a column's not being known are drawn from these; by default from the rows themselves.

    Returns
    -------
    The question, and what in the table training had not seen.

    Raises
    ------
    TableError
        If a column is missing, there are no rows, or the answers are none of the model's.
    ArgumentError
        If there is no such class.
    """
    if not frame.height:
        raise TableError("Expected rows to explain, found a table without any.")
    if target is not None and len(target) != frame.height:
        raise TableError(f"Expected {frame.height:,} right answers, one a row. Got {len(target):,}.")
    x, unseen = model.inputs(frame, where)
    others = x if background is None else _usual(model, background)
    some = some_of(len(others), seed)
    subjects = tuple(Subject.of_network(network) for network in model.networks)
    directions, unit = _directions(model, subjects, x, target_class)
    regression = model.target if isinstance(model.target, TargetScaling) else None
    loss = Choice.of(model.loss).name
    rated = regression is not None and loss == "poisson"
    answers = None if target is None else _answers(model, target, x.dtype, where)
    return Question(
        subjects,
        inputs_of_columns(model),
        x,
        others[some],
        directions,
        unit=f"logarithm of {unit}" if rated else unit,
        scale=1.0 if regression is None or rated else regression.std,
        shift=0.0 if regression is None or rated else regression.mean,
        answers=answers,
        target=model.target_name,
        error=functools.partial(error_of, loss),
        loss=loss,
        classes=tuple(str(each) for each in model.target.values) if isinstance(model.target, Classes) else None,
        reference=None if answers is None else best_constant(loss, answers, model.architecture.outputs),
        table=frame,
        usual=None if background is None else background[some],
        baseline=baseline,
        seen=_seen(model, x),
        strange={name: rows / frame.height for name, rows in {**unseen.missing, **unseen.categories}.items()},
        predict=lambda x: model.labels(model.predictions(x)),
        retrain=functools.partial(_trained, model) if retrain and answers is not None else None,
    ), unseen


def _usual(model: Model, background: pl.DataFrame) -> Array:
    """Return what goes into the networks for rows that others are compared with."""
    if not background.height:
        raise TableError("The background: expected rows that others are compared with, found a table without any.")
    try:
        return model.inputs(background)[0]
    except TableError as error:
        raise TableError(f"The background: {error}") from None


def _seen(model: Model, x: Array) -> Array | None:
    """Return which rows training saw, as far as the model's record tells."""
    try:
        return Sketch.from_text(str(model.record["sketch"])).among(x)
    except (KeyError, ValueError):  # of a model that was saved without, or by other hands
        return None


def _trained(model: Model, x: Array, answers: Array, seed: int) -> Subject:
    """Return a network of the same architecture, trained on encoded rows by the same plan, a fifth of them held out."""
    plan = Plan.from_json(model.record["plan"]).replace(seed=seed) if "plan" in model.record else Plan(seed=seed)
    network = Network(model.architecture, model.architecture.initial(seed, model.networks[0].dtype))
    found = fit(network, x, answers, plan, validation=HELD_OUT).network
    assert found is not None  # a network was given
    return Subject.of_network(found)


def inputs_of_columns(model: Model) -> tuple[Input, ...]:
    """Return the columns of a model with the places of what they were encoded to."""
    found: list[Input] = []
    for name, encoded in groupby(model.encoding.inputs, key=lambda each: each.column):
        start = found[-1].stop if found else 0
        found.append(Input(name, start, start + len(list(encoded))))
    return tuple(found)


def _directions(model: Model, subjects: tuple[Subject, ...], x: Array, target_class: Any) -> tuple[Array, str]:
    """Return what of each row's outputs is its score, (rows, outputs), and what that is called."""
    if not isinstance(model.target, Classes):
        if target_class is not None:
            raise ArgumentError(
                f"The model predicts numbers, '{model.target_name}', and no classes. Leave the class out."
            )
        return np.ones((len(x), 1)), model.target_name
    classes = model.target.values
    outputs = [subject.outputs(x) for subject in subjects]
    towards = None if target_class is None else place_of(target_class, classes)
    return class_score(outputs, [str(each) for each in classes], model.target_name, towards)


def _answers(model: Model, target: pl.Series, dtype: Any, where: Where) -> Array:
    require_complete(target, where)
    if isinstance(model.target, Classes):
        codes = model.target.encode(target, where)
        return codes if model.architecture.outputs > 1 else codes.astype(dtype)
    with np.errstate(over="ignore"):  # what is too large for the dtype is infinite, and refused
        values: Array = model.target.standardize(regression_values(target, where)).astype(dtype)
    gone = np.flatnonzero(~np.isfinite(values))
    if len(gone):
        raise TableError(
            f"'{target.name}', {where(int(gone[0]))}: expected numbers near those that were trained on, found "
            f"{target[int(gone[0])]}, which is too large to be compared. Correct it, or leave the row out."
        )
    return values
