"""One step looked at from inside: its gradients, and what each layer makes of its batch."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.layer import Layer
from pondera.recording.figures import UnitFigures
from pondera.training.epoch import Order, Program, Rows, State, loss_and_gradients, loss_of_step, weight_name
from pondera.training.watching import Point

FLAT = 0.05
"""An activation is saturated where its derivative is below this share of its largest."""

LISTED = 20
"""Silent units that are named, at most."""


class Seen(NamedTuple):
    """A step as it looks from inside.

    Attributes
    ----------
    gradients
        Of the mean loss in every weight, by path.
    units
        Figures of every layer's outputs.
    losses
        The mean loss of the step's batch before its update, and after it.
    """

    gradients: dict[str, Any]
    units: dict[str, UnitFigures]
    losses: tuple[float, float]


def look(program: Program, point: Point, rows: Rows) -> Seen:
    """Return a step's gradients, figures of every layer's outputs, and what the step did to its own batch."""
    gradients, sums, losses = _look(program, point.before, point.after.weights, rows, point.order, point.i)
    named = {weight_name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)}
    if not isinstance(program.apply, Architecture):
        return Seen(named, {}, (float(losses[0]), float(losses[1])))
    units = {
        f"layers.{k}": _units(layer, {name: np.asarray(value) for name, value in found.items()})
        for k, (layer, found) in enumerate(zip(program.apply.layers, sums, strict=True))
    }
    return Seen(named, units, (float(losses[0]), float(losses[1])))


@functools.partial(jax.jit, static_argnums=0)
def _look(
    program: Program, state: State, after: Any, rows: Rows, order: Order, i: int
) -> tuple[Any, list[dict[str, jax.Array]], tuple[jax.Array, jax.Array]]:
    before, gradients = loss_and_gradients(program, state, rows, order, i)
    losses = before, loss_of_step(program, state, rows, order, i)(after)
    sums: list[dict[str, jax.Array]] = []
    if isinstance(program.apply, Architecture):
        key = jax.random.fold_in(state.key, state.step)
        present = order.present[i][:, None]
        for layer, (_, out) in zip(
            program.apply.layers, program.apply.trace(state.weights, rows.x[order.rows[i]], key), strict=True
        ):
            sums.append(_sums(layer, out, present))
    return gradients, sums, losses


def _sums(layer: Layer, out: jax.Array, present: jax.Array) -> dict[str, jax.Array]:
    """Return what the outputs (batch, units) of the rows that are present add up to."""
    rows, infinity = jnp.sum(present), jnp.asarray(jnp.inf, out.dtype)
    mean = jnp.sum(out * present, axis=0) / rows
    centered = (out - mean) * present
    small = centered.T @ centered if out.shape[1] <= out.shape[0] else centered @ centered.T
    trace = jnp.trace(small)
    there = present > 0
    return {
        "rows": rows,
        "mean": jnp.mean(mean),
        "square": jnp.sum(jnp.square(out) * present) / (rows * out.shape[1]),
        "zeros": jnp.sum((out == 0) & there) / (rows * out.shape[1]),
        "low": jnp.min(jnp.where(there, out, infinity), axis=0),
        "high": jnp.max(jnp.where(there, out, -infinity), axis=0),
        "saturated": jnp.sum(_saturated(layer, out) & there) / (rows * out.shape[1]),
        "dimensions": jnp.square(trace) / jnp.sum(jnp.square(small)),
    }


def _saturated(layer: Layer, out: jax.Array) -> jax.Array:
    """Return where an activation with two flat ends is on one of them."""
    name = _activation(layer)
    slope = 1 - jnp.square(out) if name == "tanh" else 4 * out * (1 - out) if name == "sigmoid" else jnp.ones_like(out)
    return slope < FLAT


def _activation(layer: Layer) -> str:
    return layer.activation.name if isinstance(layer, Dense) else ""  # type: ignore[union-attr]


def _units(layer: Layer, sums: dict[str, Any]) -> UnitFigures:
    silent = np.flatnonzero(sums["low"] == sums["high"])
    name, rows = _activation(layer), int(sums["rows"])
    mean = float(sums["mean"])
    return UnitFigures(
        kind=f"{layer.kind} {name}".rstrip(),
        units=len(sums["low"]),
        rows=rows,
        mean=mean,
        deviation=math.sqrt(max(float(sums["square"]) - mean**2, 0.0)),
        zeros=float(sums["zeros"]),
        silent=len(silent),
        saturated=float(sums["saturated"]) if name in ("tanh", "sigmoid") else math.nan,
        dimensions=float(sums["dimensions"]),
        which=tuple(silent[:LISTED].tolist()),
    )
