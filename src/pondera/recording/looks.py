"""One step looked at from inside: its gradients, and what each layer makes of its batch."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.layer import Layer
from pondera.recording.figures import UnitFigures
from pondera.training.epoch import Order, Program, Rows, State, loss_and_gradients, weight_name

Array = np.ndarray[Any, Any]

FLAT = 0.05
"""An activation is on a flat end where its derivative is below this share of its largest."""


def gradients(program: Program, state: State, rows: Rows, order: Order, i: int) -> dict[str, Array]:
    """Return the gradient of a step in every weight, by path."""
    found = _gradients(program, state, rows, order, i)
    return {weight_name(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(found)}


def units(program: Program, state: State, rows: Rows, order: Order, i: int) -> dict[str, UnitFigures]:
    """Return figures of every layer's outputs for the batch of a step; of a plain function nothing is known."""
    if not isinstance(program.apply, Architecture):
        return {}
    present = np.asarray(order.present[i]) > 0
    outputs = _outputs(program, state, rows, order, i)
    return {
        f"layers.{k}": _units(layer, np.asarray(out)[present])
        for k, (layer, out) in enumerate(zip(program.apply.layers, outputs, strict=True))
    }


@functools.partial(jax.jit, static_argnums=0)
def _gradients(program: Program, state: State, rows: Rows, order: Order, i: int) -> Any:
    return loss_and_gradients(program, state, rows, order, i)[1]


@functools.partial(jax.jit, static_argnums=0)
def _outputs(program: Program, state: State, rows: Rows, order: Order, i: int) -> list[jax.Array]:
    key = jax.random.fold_in(state.key, state.step)
    return [out for _, out in program.apply.trace(state.weights, rows.x[order.rows[i]], key)]  # type: ignore[attr-defined]


def _units(layer: Layer, out: Array) -> UnitFigures:
    name = layer.activation.name if isinstance(layer, Dense) else ""  # type: ignore[union-attr]
    slope = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}.get(name)
    return UnitFigures.of(f"{layer.kind} {name}".rstrip(), out, None if slope is None else slope(out) < FLAT)
