"""Where a training first went wrong: the step, and the layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.training.epoch import Order, Program, Rows, State, loss_and_gradients, run_steps, weight_name

Trace = Callable[[Any, Any, Any], Iterator[tuple[str, Any]]]  # (weights, x, key) -> (layer, its output), ...

ADVICE = "Try a smaller learning rate, gradient clipping, or inputs of a smaller scale."


def locate(
    program: Program, trace: Trace | None, state: State, rows: Rows, order: Order, first: int, last: int
) -> tuple[State, int, str]:
    """Take the steps again, one at a time, up to the first that goes wrong.

    Parameters
    ----------
    state
        The good state before step ``first``.
    trace
        Yields each layer's output; None where the model is a plain function.

    Returns
    -------
    state
        The last good one.
    step
        The step of the epoch that could not be taken.
    where
        Where the first value that is not finite appeared.
    """
    for i in range(first, last):
        after, losses, finite = run_steps(program, state, rows, order, i, i + 1)
        if not (np.isfinite(losses[i]) and finite):
            return state, i, _where(program, trace, state, rows, order, i)
        state = after
    return state, last, "a step that could not be found again"


def _where(program: Program, trace: Trace | None, state: State, rows: Rows, order: Order, i: int) -> str:
    """Follow the step through its rows, its layers, its loss, its gradients and its update."""
    picked = order.rows[i]
    if not _finite(rows.x[picked]):
        return "the inputs themselves"
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
    after = run_steps(program, state, rows, order, i, i + 1)[0]
    for path, weight in jax.tree_util.tree_leaves_with_path(after.weights):
        if not _finite(weight):
            return f"the update of {weight_name(path)}"
    return "the optimizer"


def _finite(array: Any) -> bool:
    return bool(jnp.isfinite(array).all())
