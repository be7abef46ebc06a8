"""From a model and a table to a question."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import groupby
from typing import Any

import jax
import numpy as np
import polars as pl

from pondera.choice import Choice
from pondera.errors import TableError
from pondera.explaining.question import Input, Question
from pondera.explaining.subject import Subject
from pondera.model.model import Model
from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.tables.encode import Unseen
from pondera.tables.parts import Where, row_number
from pondera.tables.target import Classes, TargetScaling, regression_values, require_complete
from pondera.training.fit import fit
from pondera.training.losses import loss_of
from pondera.training.plan import Plan

Array = np.ndarray[Any, Any]

HELD_OUT = 0.2
"""Of rows that a network is trained on anew, the share that decides which epoch's weights are kept."""

BACKGROUND = 128
"""Rows that stand for a column's not being known."""


def question_of(
    model: Model,
    frame: pl.DataFrame,
    target: pl.Series | None = None,
    *,
    seed: int = 0,
    where: Where = row_number,
    retrain: bool = False,
    baseline: str = "mean",
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
    background
        Rows that stand for a column's not being known are drawn from these; by default from the rows themselves.

    Returns
    -------
    The question, and what in the table training had not seen.

    Raises
    ------
    TableError
        If a column is missing, there are no rows, or the answers are none of the model's.
    """
    if not frame.height:
        raise TableError("Expected rows to explain, found a table without any.")
    x, unseen = model.inputs(frame, where)
    others = x if background is None else model.inputs(background)[0]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(others))[:BACKGROUND])
    subjects = tuple(Subject.of_network(network) for network in model.networks)
    directions, unit = _directions(model, subjects, x)
    regression = model.target if isinstance(model.target, TargetScaling) else None
    rated = regression is not None and Choice.of(model.loss).name == "poisson"
    answers = None if target is None else _answers(model, target, x.dtype, where)
    error = functools.partial(error_of, Choice.of(model.loss).name)
    return Question(
        subjects,
        inputs_of_columns(model),
        x,
        others[chosen],
        directions,
        unit=f"logarithm of {unit}" if rated else unit,
        scale=1.0 if regression is None or rated else regression.std,
        shift=0.0 if regression is None or rated else regression.mean,
        answers=answers,
        error=error,
        loss=Choice.of(model.loss).name,
        classes=tuple(str(each) for each in model.target.values) if isinstance(model.target, Classes) else None,
        reference=None if answers is None else _best_constant(model, answers, error),
        table=frame,
        baseline=baseline,
        retrain=functools.partial(_trained, model) if retrain and answers is not None else None,
    ), unseen


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


def _directions(model: Model, subjects: tuple[Subject, ...], x: Array) -> tuple[Array, str]:
    """Return what of each row's outputs is its score, (rows, outputs), and what that is called."""
    if not isinstance(model.target, Classes):
        return np.ones((len(x), 1)), model.target_name
    classes = model.target.values
    outputs = model.architecture.outputs
    if len(classes) == 2:
        towards = [1.0] if outputs == 1 else [-1.0, 1.0]
        return np.tile(towards, (len(x), 1)), f"log-odds of {model.target_name} = {classes[-1]}"
    mean = np.mean([subject.outputs(x) for subject in subjects], axis=0)
    directions = np.full(mean.shape, -1 / outputs)
    directions[np.arange(len(x)), mean.argmax(axis=1)] += 1
    return directions, f"logit of the predicted {model.target_name} above the mean of all"


def _answers(model: Model, target: pl.Series, dtype: Any, where: Where) -> Array:
    require_complete(target, where)
    if isinstance(model.target, Classes):
        codes = model.target.encode(target, where)
        return codes if model.architecture.outputs > 1 else codes.astype(dtype)
    return model.target.standardize(regression_values(target, where)).astype(dtype)


def _best_constant(model: Model, answers: Array, error: Callable[[Array, Array], Array]) -> float:
    """Return the mean error of the outputs that fit all rows best: those of the shares of the classes, or the mean."""
    width = model.architecture.outputs
    if not isinstance(model.target, Classes):
        middle = np.median(answers) if Choice.of(model.loss).name in ("absolute_error", "huber") else answers.mean()
        outputs = np.array([np.log(max(middle, 1e-12)) if Choice.of(model.loss).name == "poisson" else middle])
    elif width == 1:
        share = np.clip(answers.mean(), 1e-6, 1 - 1e-6)
        outputs = np.array([np.log(share / (1 - share))])
    else:
        outputs = np.log(np.maximum(np.bincount(answers, minlength=width) / len(answers), 1e-6))
    return float(error(np.tile(outputs, (len(answers), 1)).astype(np.float32), answers).mean())


@functools.cache
def _compiled(name: str) -> Callable[[Any, Any], Any]:
    compiled: Callable[[Any, Any], Any] = jax.jit(loss_of(name).error)
    return compiled


def error_of(loss: str, outputs: Array, answers: Array) -> Array:
    """Return the loss of each row, without what training adds to it such as label smoothing."""
    right = answers if loss == "softmax_cross_entropy" else answers.astype(outputs.dtype)[:, None]
    with precision([outputs]):
        return np.asarray(_compiled(loss)(outputs, right), np.float64)
