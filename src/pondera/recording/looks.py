"""One step looked at from inside: its gradients, and what each layer makes of its batch."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.layer import Layer
from pondera.recording.figures import UnitFigures
from pondera.training.epoch import Order, Program, Rows, State, loss_and_gradients, loss_of_step, weight_name
from pondera.training.watching import Point

Array = np.ndarray[Any, Any]

FLAT = 0.05
"""An activation is on a flat end where its derivative is below this share of its largest."""


MOST_PRODUCTS, FEWEST_ROWS = 200_000_000, 32
"""A look multiplies about so many weights with rows; of a batch that is too large for that it takes fewer rows, evenly
apart, but so many at least."""


class Seen(NamedTuple):
    """A step as it looks from inside.

    Attributes
    ----------
    units
        Figures of every layer's outputs; of a plain function nothing is known.
    losses
        The mean loss of the rows looked at before the step's update, and after it.
    """

    units: dict[str, UnitFigures]
    losses: tuple[float, float]


def look(program: Program, point: Point, rows: Rows) -> Seen:
    """Return figures of every layer's outputs for the batch of a step, and what the step did to its own batch.

    Where the network is large, they are of some rows of the batch.
    """
    order = _some(point, sum(leaf.size for leaf in jax.tree.leaves(point.before.weights)))
    place = (point.before, rows, order, 0)
    outputs, before = _forward(program, point.before.weights, *place)
    _, after = _forward(program, point.after.weights, *place)
    units = {}
    if isinstance(program.apply, Architecture):
        present = np.asarray(order.present[0]) > 0
        units = {
            f"layers.{k}": _units(layer, np.asarray(out)[present])
            for k, (layer, out) in enumerate(zip(program.apply.layers, outputs, strict=True))
        }
    return Seen(units, (float(before), float(after)))


def gradients(program: Program, point: Point, rows: Rows) -> dict[str, Array]:
    """Return the gradient of a step in every weight, by path."""
    return named(_gradients(program, point.before, rows, point.order, point.i))


def named(weights: Any) -> dict[str, Array]:
    """Return the leaves of a pytree of weights as arrays by path, without copying what is in memory."""
    return {weight_name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(weights)}


def _some(point: Point, weights: int) -> Order:
    """Return an order of the one step, with all rows of its batch or some of them."""
    whole, i = point.order, point.i
    batch = whole.rows.shape[1]
    apart = max(batch // max(MOST_PRODUCTS // max(weights, 1), FEWEST_ROWS), 1)
    return Order(whole.rows[i : i + 1, ::apart], whole.present[i : i + 1, ::apart], whole.rates[i : i + 1])


@functools.partial(jax.jit, static_argnums=0)
def _gradients(program: Program, state: State, rows: Rows, order: Order, i: int) -> Any:
    return loss_and_gradients(program, state, rows, order, i)[1]


@functools.partial(jax.jit, static_argnums=0)
def _forward(
    program: Program, weights: Any, state: State, rows: Rows, order: Order, i: int
) -> tuple[list[jax.Array], jax.Array]:
    """Return every layer's outputs for the batch of a step, and its mean loss, with the randomness of that step."""
    loss = loss_of_step(program, state, rows, order, i)(weights)
    if not isinstance(program.apply, Architecture):
        return [], loss
    key = jax.random.fold_in(state.key, state.step)
    return [out for _, out in program.apply.trace(weights, rows.x[order.rows[i]], key)], loss


def _units(layer: Layer, out: Array) -> UnitFigures:
    name = layer.activation.name if isinstance(layer, Dense) else ""  # type: ignore[union-attr]
    slope = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}.get(name)
    return UnitFigures.of(f"{layer.kind} {name}".rstrip(), out, None if slope is None else slope(out) < FLAT)
