"""Where a training first went wrong: the step, and the layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pondera.training.epoch import Order, Program, Rows, State, loss_and_gradients, run_steps, weight_name
from pondera.training.stopping import INPUTS

Trace = Callable[[Any, Any, Any], Iterator[tuple[str, Any]]]  # (weights, x, key) -> (layer, its output), ...


class Stretch(NamedTuple):
    """Steps first … last − 1 of an epoch, and the state before them."""

    state: State
    order: Order
    first: int
    last: int


def locate(
    program: Program, trace: Trace | None, rows: Rows, stretch: Stretch, before: Stretch | None
) -> tuple[State, int, str]:
    """Take a stretch of steps again, one at a time, up to the first that goes wrong.

    Parameters
    ----------
    trace
        Yields each layer's output; None where the model is a plain function.
    stretch
        The steps in which something went wrong.
    before
        The stretch before them, where there is one.

    Returns
    -------
    state
        The last good one: its weights, and the loss that they gave, are finite.
    step
        The step of the epoch that could not be taken.
    where
        Where the first value that is not finite appeared.
    """
    state, order, earlier = stretch.state, stretch.order, None
    for i in range(stretch.first, stretch.last):
        taken = run_steps(program, state, rows, order, i, i + 1)
        losses = taken.losses
        if not (np.isfinite(losses[i]) and taken.finite):
            where = _where(program, trace, state, rows, order, i)
            if np.isfinite(losses[i]) or where == INPUTS:
                return state, i, where
            # Finite weights that give no finite loss are not good ones: the step that led to them is undone.
            return earlier or _one_step_back(program, rows, stretch, before), i, where
        earlier, state = state, taken.state
    return state, stretch.last, "a step that could not be found again"


def _one_step_back(program: Program, rows: Rows, stretch: Stretch, before: Stretch | None) -> State:
    """Return the state before the last step of the stretch before; the start where there is none."""
    if before is None:
        return stretch.state
    state: State = run_steps(program, before.state, rows, before.order, before.first, before.last - 1).state
    return state


def _where(program: Program, trace: Trace | None, state: State, rows: Rows, order: Order, i: int) -> str:
    """Follow the step through its rows, its layers, its loss, its gradients and its update."""
    picked = order.rows[i]
    if not _finite(rows.x[picked]):
        return INPUTS
    if trace is not None:
        key = jax.random.fold_in(state.key, state.step)
        for name, out in trace(state.weights, rows.x[picked], key):
            if not _finite(out):
                return f"the output of {name}"
    loss, gradients = loss_and_gradients(program, state, rows, order, i)
    if not _finite(loss):
        return f"the loss ({program.loss.name})"
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        if not _finite(gradient):
            return f"the gradient of {weight_name(path)}"
    after = run_steps(program, state, rows, order, i, i + 1).state
    for path, weight in jax.tree_util.tree_leaves_with_path(after.weights):
        if not _finite(weight):
            return f"the update of {weight_name(path)}"
    return "the optimizer"


def _finite(array: Any) -> bool:
    return bool(jnp.isfinite(array).all())
