"""From a table to a model: split, encode, scale, build, train."""

from __future__ import annotations

import dataclasses
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

import pondera
from pondera.choice import Choice
from pondera.errors import ArgumentError, TableError
from pondera.model.model import Model
from pondera.model.settings import Settings
from pondera.tables.encode import Encoding
from pondera.tables.scale import Scaling
from pondera.tables.split import distinct_rows, split
from pondera.tables.target import Classes, TargetScaling, regression_values, require_complete
from pondera.training.fit import EpochFigures, Fit, Progress
from pondera.training.plan import Plan
from pondera.training.population import fit_population
from pondera.training.recipes import Task, recipe_of

Array = np.ndarray[Any, Any]

FEWEST_TO_SPLIT = 10  # with fewer different rows nothing is held out for validation


@dataclass(frozen=True)
class Trained:
    """A model, and what going on with its training would need."""

    model: Model
    fits: tuple[Fit, ...]


def train(
    frame: pl.DataFrame,
    target: pl.Series,
    task: Task,
    settings: Settings,
    *,
    sample_weight: Array | None = None,
    classes: Classes | None = None,
    one_epoch: bool = False,
    progress: Callable[[int, Progress], None] | None = None,
) -> Trained:
    """Train a model on a table.

    A table whose rows fit into one batch is put into an order of its own and its copies of a row are merged into one of
    more weight: there the order of rows and the number of copies cannot matter, and so they do not, to the last
    bit. Larger tables are trained on row by row, as they are.

    Parameters
    ----------
    frame
        The columns to predict from.
    target
        The column to predict, one value a row.
    task
        Classification or regression.
    settings
        What is wished for.
    sample_weight
        (rows,) how often each row counts; rows of weight 0 are left out.
    classes
        The classes, where more are known than this table shows.
    one_epoch
        Train one epoch at the peak learning rate, with nothing held out: the first of many calls.
    progress
        Called with the network's number and where its training stands.

    Raises
    ------
    TableError, ArgumentError
        If the table cannot be trained on.
    """
    started = time.perf_counter()
    require_complete(target)
    weights = np.ones(frame.height) if sample_weight is None else sample_weight
    plan = settings.plan(task, 2)
    rows, weights = _rows_that_count(frame, target, weights, plan.batch_size)
    if len(rows) < 2:
        raise TableError("Expected at least 2 different rows to learn from, found n_samples = 1. Give more rows.")
    frame, target = frame[rows], target[rows]
    if task == "classification":
        classes = Classes.fit(target) if classes is None else classes
        answers: Array = classes.encode(target)
        weights = weights * _class_factors(settings.class_weight, classes, answers, weights)
    else:
        answers = regression_values(target)
    fraction = 0.0 if one_epoch else settings.validation_fraction
    kept, held = _split(len(rows), fraction, settings.seed, answers if task == "classification" else None)
    encoding = Encoding.fit(frame[kept])
    scaling, x = _scaled(encoding, frame, kept, weights, settings)
    scale = classes or TargetScaling.fit(answers[kept], weights[kept], target.name)
    answers, plan, architecture = _prepared(scale, answers, task, settings, len(encoding.inputs))
    plan = single_epoch(plan) if one_epoch else plan
    population = fit_population(
        architecture,
        x[kept],
        answers[kept],
        plan,
        seeds=settings.seeds,
        dtype=settings.dtype,
        sample_weight=weights[kept],
        validation=(x[held], answers[held], weights[held]) if len(held) else None,
        progress=progress,
    )
    model = Model(
        target_name=target.name,
        encoding=encoding,
        scaling=scaling,
        target=scale,
        networks=population.networks,
        loss=Choice.of(plan.loss),
        clamp=recipe_of(settings.recipe).clamp,
        record=_record(settings, plan, population.fits, len(kept), len(held), time.perf_counter() - started),
    )
    return Trained(model, population.fits)


def train_on(
    trained: Trained,
    frame: pl.DataFrame,
    target: pl.Series,
    settings: Settings,
    *,
    sample_weight: Array | None = None,
) -> Trained:
    """Train a model for one more epoch on more rows, at the peak learning rate and with nothing held out.

    Columns, scaling and classes stay what the first rows made them.

    Raises
    ------
    TableError
        If the rows do not fit the model's columns or classes.
    """
    started = time.perf_counter()
    require_complete(target)
    model = trained.model
    plan = single_epoch(settings.plan(model.task, len(model.target.values) if isinstance(model.target, Classes) else 0))
    x, _ = model.inputs(frame)
    weights = np.ones(frame.height) if sample_weight is None else sample_weight
    if isinstance(model.target, Classes):
        answers: Array = model.target.encode(target)
        weights = weights * _class_factors(settings.class_weight, model.target, answers, weights)
    else:
        answers = model.target.standardize(regression_values(target))
    population = fit_population(
        model.architecture,
        x,
        answers,
        plan,
        seeds=len(model.networks),
        dtype=model.networks[0].dtype,
        sample_weight=weights,
        starts=[fit.state for fit in trained.fits],
    )
    fits = tuple(
        dataclasses.replace(fit, history=(*before.history, *fit.history))
        for before, fit in zip(trained.fits, population.fits, strict=True)
    )
    record = _record(settings, plan, fits, frame.height, 0, time.perf_counter() - started)
    return Trained(dataclasses.replace(model, networks=population.networks, record=record), fits)


def single_epoch(plan: Plan) -> Plan:
    """Return the plan cut down to one epoch at the peak learning rate."""
    return plan.replace(epochs=1, schedule="constant", patience=None, keep="last")


def _rows_that_count(frame: pl.DataFrame, target: pl.Series, weights: Array, batch: int) -> tuple[Array, Array]:
    """Return the numbers of the rows to use and their weights; those of one batch in an order of their own."""
    used = np.flatnonzero(weights > 0)
    if len(used) == 0:
        raise TableError("Expected at least one row of a weight above 0, found none. Give rows, or larger weights.")
    if len(used) > batch:
        return used, weights[used]
    whole = frame.with_columns(target.alias(f"{''.join(frame.columns)}="))  # a name that no column has
    return distinct_rows(whole, weights)


def _split(rows: int, fraction: float, seed: int, labels: Array | None) -> tuple[Array, Array]:
    """Return the numbers of the rows to train on and of those held out for validation."""
    if rows < FEWEST_TO_SPLIT or fraction == 0:
        return np.arange(rows), np.arange(0)
    return split(rows, fraction, seed, labels)


def _scaled(
    encoding: Encoding, frame: pl.DataFrame, kept: Array, weights: Array, settings: Settings
) -> tuple[Scaling, Array]:
    """Return the scaling, from the rows to train on, and all rows scaled by it."""
    matrix, _ = encoding.transform(frame)
    scaling = Scaling.fit(matrix[kept], recipe_of(settings.recipe).scaling, weights[kept])
    return scaling, scaling.transform(matrix, settings.dtype)


def _class_factors(wish: Any, classes: Classes, codes: Array, weights: Array) -> Array:
    """Return what each row's weight is multiplied by for its class: (rows,)."""
    if wish is None:
        return np.ones(len(codes))
    if isinstance(wish, str):
        if wish != "balanced":
            raise ArgumentError(f"class_weight must be 'balanced', a dictionary or None. Got {wish!r}.")
        totals = np.bincount(codes, weights, len(classes.values))
        factors: Array = weights.sum() / (len(classes.values) * np.maximum(totals, np.finfo(float).tiny))
        return factors[codes]
    given = {str(label): float(weight) for label, weight in wish.items()}
    by_class: Array = np.array([given.get(str(label), 1.0) for label in classes.values])
    if not np.isfinite(by_class).all() or (by_class < 0).any():
        raise ArgumentError(f"class_weight must hold finite numbers of at least 0. Got {wish!r}.")
    return by_class[codes]


def _prepared(
    scale: Classes | TargetScaling, answers: Array, task: Task, settings: Settings, inputs: int
) -> tuple[Array, Plan, Any]:
    """Return the targets as the loss wants them, the plan, and the architecture."""
    classes = len(scale.values) if isinstance(scale, Classes) else 0
    plan = settings.plan(task, classes)
    if isinstance(scale, TargetScaling):
        answers = scale.standardize(answers)
    return answers, plan, settings.architecture(task, inputs, classes)


def _record(
    settings: Settings, plan: Plan, fits: Sequence[Fit], kept: int, held: int, seconds: float
) -> dict[str, Any]:
    """Return what is known of the training, as plain values."""
    return {
        "recipe": settings.recipe,
        "plan": plan.to_json(),
        "seeds": settings.seeds,
        "rows": {"train": kept, "validation": held},
        "seconds": seconds,
        "fits": [
            {"reason": fit.reason, "message": fit.message, "best_epoch": fit.best_epoch, "metric": fit.metric}
            for fit in fits
        ],
        "history": [_plain(figures) | {"network": k} for k, fit in enumerate(fits) for figures in fit.history],
        "versions": {"pondera": pondera.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("jax", "numpy", "optax", "polars")},
    }


def _plain(figures: EpochFigures) -> dict[str, Any]:
    """Return an epoch's figures as JSON can hold them: what is not finite becomes None."""
    values = dataclasses.asdict(figures)
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}
