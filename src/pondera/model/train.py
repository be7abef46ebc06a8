"""From a table to a model: split, encode, scale, build, train."""

from __future__ import annotations

import dataclasses
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from numbers import Real
from typing import Any

import jax
import numpy as np
import polars as pl

import pondera
from pondera.choice import Choice
from pondera.errors import ArgumentError, TableError
from pondera.machine import cores
from pondera.model.model import Model
from pondera.model.settings import Settings
from pondera.network.architecture import Architecture
from pondera.tables.encode import Encoding, check_columns
from pondera.tables.frame import from_objects
from pondera.tables.inputs import inputs_of, scaling_of
from pondera.tables.scale import Scaling
from pondera.tables.sketch import Sketch
from pondera.tables.split import distinct_rows, split
from pondera.tables.target import Classes, TargetScaling, regression_values, require_complete
from pondera.training.epoch import State
from pondera.training.figures import EpochFigures, Fit, Progress
from pondera.training.plan import Plan
from pondera.training.population import fit_population
from pondera.training.recipes import Task, recipe_of
from pondera.training.watching import Watcher

Array = np.ndarray[Any, Any]

FEWEST_TO_SPLIT = 10  # with fewer different rows nothing is held out for validation


@dataclass(frozen=True)
class Trained:
    """A model, how its trainings ended, what going on with them needs; and how many were left out of it."""

    model: Model
    fits: tuple[Fit, ...]
    left_out: int = 0

    @property
    def states(self) -> tuple[State, ...]:
        """The kept weights of each network with the optimizer's last state, as NumPy arrays."""
        return tuple(jax.tree.map(np.asarray, fit.state._replace(weights=fit.weights)) for fit in self.fits)


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
    recorder: Callable[[int], Watcher] | None = None,
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
    recorder
        Gives who sees the training of each network go by.

    Raises
    ------
    TableError, ArgumentError
        If the table cannot be trained on.
    """
    started = time.perf_counter()
    ready = prepare(frame, target, task, settings, sample_weight=sample_weight, classes=classes, one_epoch=one_epoch)
    population = fit_population(
        ready.architecture,
        ready.x,
        ready.answers,
        ready.plan,
        seeds=settings.seeds,
        dtype=settings.dtype,
        sample_weight=ready.weights,
        validation=ready.held,
        progress=progress,
        recorder=None if recorder is None else _naming(recorder, ready, target.name),
    )
    model = Model(
        target_name=target.name,
        encoding=ready.encoding,
        scaling=ready.scaling,
        target=ready.target,
        networks=population.networks,
        loss=Choice.of(ready.plan.loss),
        clamp=recipe_of(settings.recipe).clamp,
        record=_record(settings, ready.plan, population.fits, ready.rows, ready.sketch, started),
    )
    return Trained(model, population.fits, settings.seeds - len(population.fits))


def _naming(recorder: Callable[[int], Watcher], ready: Prepared, column: str) -> Callable[[int], Watcher]:
    """Return the same, where each watcher is told first what inputs and outputs are called."""
    classes = [str(value) for value in ready.target.values] if isinstance(ready.target, Classes) else [column]
    outputs = classes[-ready.architecture.outputs :]  # of two classes with one output, that of the second

    def watcher(part: int) -> Watcher:
        found = recorder(part)
        inputs = ready.encoding.inputs
        found.named([each.name for each in inputs], outputs, [each.column for each in inputs])
        return found

    return watcher


@dataclass(frozen=True)
class Prepared:
    """A table as a network is trained on it.

    Attributes
    ----------
    architecture, plan
        What is trained, and how.
    x, answers, weights
        The rows that are trained on: (rows, inputs), (rows,) and (rows,).
    held
        The same of the rows that decide which epoch's weights are kept; None where there are none.
    encoding, scaling, target
        How columns became inputs, and what the answers were made from.
    rows
        How many rows of the table are trained on, and how many held out; copies count.
    numbers
        (rows,) which row of the table each of ``x`` is; of equal ones one.
    sketch
        By which both are known again.
    """

    architecture: Architecture
    plan: Plan
    x: Array
    answers: Array
    weights: Array
    held: tuple[Array, Array, Array] | None
    encoding: Encoding
    scaling: Scaling
    target: Classes | TargetScaling
    rows: tuple[int, int]
    numbers: Array
    sketch: Sketch


def prepare(
    frame: pl.DataFrame,
    target: pl.Series,
    task: Task,
    settings: Settings,
    *,
    sample_weight: Array | None = None,
    classes: Classes | None = None,
    one_epoch: bool = False,
) -> Prepared:
    """Return a table as :func:`train`, whose arguments these are, trains a network on it."""
    require_complete(target)
    weights = np.ones(frame.height) if sample_weight is None else sample_weight
    check_columns(frame)
    rows, weights, copies = _rows_that_count(frame, target, weights, settings.plan(task, 2).batch_size)
    if len(rows) < 2:
        raise TableError("Expected at least 2 different rows to learn from, found 1 sample. Give more rows.")
    frame, target = frame[rows], target[rows]
    if task == "classification" and classes is None:
        classes = Classes.fit(target)
    fraction = 0.0 if one_epoch else settings.validation_fraction
    kept, held = _split(len(rows), fraction, settings.seed, None if classes is None else classes.encode(target))
    scale = classes or TargetScaling.fit(regression_values(target[kept]), weights[kept], target.name)
    trained_on, held_out = frame[kept], frame[held]
    encoding = Encoding.fit(trained_on)
    kept_weights = None if (weights[kept] == 1).all() else weights[kept]  # the same figures, found faster
    scaling = scaling_of(encoding, trained_on, recipe_of(settings.recipe).scaling, kept_weights)
    x, held_x = (inputs_of(encoding, scaling, part, settings.dtype)[0] for part in (trained_on, held_out))
    answers, weights = _answers(scale, target, weights, settings)
    count = len(scale.values) if isinstance(scale, Classes) else 0
    plan = settings.plan(task, count)
    return Prepared(
        architecture=settings.architecture(task, x.shape[1], count),
        plan=single_epoch(plan) if one_epoch else plan,
        x=x,
        answers=answers[kept],
        weights=weights[kept],
        held=(held_x, answers[held], weights[held]) if len(held) else None,
        encoding=encoding,
        scaling=scaling,
        target=scale,
        rows=(int(copies[kept].sum()), int(copies[held].sum())),
        numbers=rows[kept],
        sketch=Sketch.of(x).with_rows(held_x),
    )


def train_on(
    model: Model,
    states: Sequence[State] | None,
    frame: pl.DataFrame,
    target: pl.Series,
    settings: Settings,
    *,
    sample_weight: Array | None = None,
) -> Trained:
    """Train a model for one more epoch on more rows, at the peak learning rate and with nothing held out.

    Columns, scaling and classes stay what the first rows made them.

    Parameters
    ----------
    model
        The model to go on from.
    states
        ``Trained.states`` of what came before; without them the optimizer starts afresh.
    frame, target, settings, sample_weight
        As for :func:`train`.

    Raises
    ------
    TableError
        If the rows do not fit the model's columns or classes.
    """
    started = time.perf_counter()
    require_complete(target)
    weights = np.ones(frame.height) if sample_weight is None else sample_weight
    answers, weights = _answers(model.target, target, weights, settings)
    count = len(model.target.values) if isinstance(model.target, Classes) else 0
    plan = single_epoch(settings.plan(model.task, count))
    x = model.inputs(frame)[0]
    population = fit_population(
        model.architecture,
        x,
        answers,
        plan,
        seeds=len(model.networks),
        dtype=model.networks[0].dtype,
        networks=model.networks,
        starts=states,
        sample_weight=weights,
    )
    before = model.record.get("sketch")
    sketch = Sketch.of(x) if before is None else Sketch.from_text(before).with_rows(x)
    record = _record(settings, plan, population.fits, (frame.height, 0), sketch, started)
    record["history"] = [*model.record["history"], *record["history"]]
    return Trained(dataclasses.replace(model, networks=population.networks, record=record), population.fits)


def single_epoch(plan: Plan) -> Plan:
    """Return the plan cut down to one epoch at the peak learning rate."""
    return plan.replace(epochs=1, schedule="constant", patience=None, keep="last")


def _rows_that_count(frame: pl.DataFrame, target: pl.Series, weights: Array, batch: int) -> tuple[Array, Array, Array]:
    """Return the numbers of the rows to use, their weights, and how many rows of the table each stands for.

    Rows that fit into one batch come in an order of their own and without copies.
    """
    used = np.flatnonzero(weights > 0)
    if len(used) == 0:
        raise TableError("Expected at least one row of a weight above 0, found none. Give rows, or larger weights.")
    if len(used) > batch:
        return used, weights[used], np.ones(len(used), np.int64)
    whole = frame.with_columns(target.alias(f"{''.join(frame.columns)}="))  # a name that no column has
    rows, summed = distinct_rows(whole, weights)
    _, copies = distinct_rows(whole, weights > 0)
    return rows, summed, copies.astype(np.int64)


def _split(rows: int, fraction: float, seed: int, labels: Array | None) -> tuple[Array, Array]:
    """Return the numbers of the rows to train on and of those held out for validation."""
    alone = labels is not None and np.bincount(labels).max() == 1  # every class would lose its only row
    if rows < FEWEST_TO_SPLIT or fraction == 0 or alone:
        return np.arange(rows), np.arange(0)
    return split(rows, fraction, seed, labels)


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
    by_class: Array = np.ones(len(classes.values))
    for label, weight in wish.items():
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
            raise ArgumentError(f"class_weight must hold finite numbers of at least 0. Got {weight!r} for {label!r}.")
        try:
            by_class[classes.encode(from_objects("class_weight", [label]))] = float(weight)
        except TableError:
            known = ", ".join(repr(value) for value in classes.values[:10])
            raise ArgumentError(f"class_weight names {label!r}, which is none of the classes: {known}.") from None
    return by_class[codes]


def _answers(
    scale: Classes | TargetScaling, target: pl.Series, weights: Array, settings: Settings
) -> tuple[Array, Array]:
    """Return the targets as the loss wants them, and the weights of rows with those of their classes in them."""
    if isinstance(scale, TargetScaling):
        return scale.standardize(regression_values(target)), weights
    codes = scale.encode(target)
    return codes, weights * _class_factors(settings.class_weight, scale, codes, weights)


def _record(
    settings: Settings, plan: Plan, fits: Sequence[Fit], rows: tuple[int, int], sketch: Sketch, started: float
) -> dict[str, Any]:
    """Return what is known of the training, as plain values."""
    return {
        "recipe": settings.recipe,
        "plan": plan.to_json(),
        "seeds": len(fits),
        "rows": {"train": int(rows[0]), "validation": int(rows[1])},
        "sketch": sketch.to_text(),
        "seconds": time.perf_counter() - started,
        "fits": [
            {"reason": fit.reason, "message": fit.message, "best_epoch": fit.best_epoch, "metric": fit.metric}
            for fit in fits
        ],
        "history": [_plain(figures) | {"network": k} for k, fit in enumerate(fits) for figures in fit.history],
        "cores": cores(),
        "versions": {"pondera": pondera.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("jax", "numpy", "optax", "polars")},
    }


def _plain(figures: EpochFigures) -> dict[str, Any]:
    """Return an epoch's figures as JSON can hold them: what is not finite becomes None."""
    values = dataclasses.asdict(figures)
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}
