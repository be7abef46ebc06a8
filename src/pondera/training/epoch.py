"""Steps of training, compiled: (state, rows in order) -> (state, figures).

This is the one seam between the training loop and what executes it. Nothing above knows how steps are run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from pondera.choice import Choice
from pondera.training.losses import loss_of
from pondera.training.optimizers import transformation

Weights = Any  # a pytree of arrays
TrainingApply = Callable[[Any, Any, Any], Any]  # (weights, x, key) -> outputs


SMALL = 1024
"""Values of a gradient that are summed together with those of others, at most."""

TOGETHER = 16
"""Gradients that are summed together."""


class State(NamedTuple):
    """What training carries from step to step."""

    weights: Weights
    optimizer: Any
    step: jax.Array  # steps taken so far
    epoch: jax.Array  # epochs finished so far
    key: jax.Array  # with the step, drives what is random in it


class Rows(NamedTuple):
    """The rows that are trained on."""

    x: Any  # (rows, inputs)
    targets: Any  # (rows, outputs), or class numbers (rows,)
    weights: Any  # (rows,)


class Taken(NamedTuple):
    """What steps leave behind.

    Attributes
    ----------
    state
        After the last of them.
    losses
        (steps of the epoch,) the mean loss of each step's batch, before its update; 0 for steps not taken.
    norms
        (steps of the epoch,) the norm of all gradients of each step; 0 where nobody asked for it.
    squares
        (tensors,) the sum of the squared gradients of each tensor in the last of them, in the order of the pytree's
        leaves; 0 where nobody asked for norms.
    finite
        Whether all weights are finite afterwards.
    """

    state: State
    losses: Any
    norms: Any
    squares: Any
    finite: Any


class Order(NamedTuple):
    """One epoch: which rows each step takes, and how fast it learns."""

    rows: Any  # (steps, batch) row numbers; a short last batch is filled up with row 0
    present: Any  # (steps, batch) 1 where there is a row, 0 where it was filled up
    rates: Any  # (steps,) learning rates


@dataclass(frozen=True)
class Program:
    """What is compiled. Equal programs on equal shapes share one compilation."""

    apply: TrainingApply
    loss: Choice
    optimizer: Choice | optax.GradientTransformation
    weight_decay: float
    gradient_clip: float | None
    rate_factors: tuple[tuple[str, float], ...]
    norms: bool = False  # whether each step's norm of all gradients is wanted

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """Return the way from gradients to updates."""
        return transformation(self.optimizer, self.weight_decay, self.gradient_clip)

    def start(self, weights: Weights, seed: int) -> State:
        """Return the state before the first step."""
        weights = jax.tree.map(jnp.asarray, weights)
        none = jnp.zeros((), jnp.int32)
        return State(weights, self.transformation().init(weights), none, none, jax.random.PRNGKey(seed))


def order_of(seed: int, epoch: int, rows: int, batch: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Return the order of rows in an epoch and which places hold one: two arrays (steps, batch).

    It follows from (seed, epoch, rows) alone, so that every process can compute its own share.

    Examples
    --------
    >>> order, present = order_of(seed=0, epoch=0, rows=5, batch=2)
    >>> sorted(order[present].tolist()), order.shape
    ([0, 1, 2, 3, 4], (3, 2))
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch])))
    missing = -rows % batch
    order = np.concatenate([random.permutation(rows), np.zeros(missing, np.int64)]).astype(np.int32)
    present = np.arange(rows + missing) < rows
    return order.reshape(-1, batch), present.reshape(-1, batch)


def weight_name(path: Any) -> str:
    """Return a weight's name from its place in a pytree: ``layers.0.weight``."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


@functools.partial(jax.jit, static_argnums=0)
def run_steps(program: Program, state: State, rows: Rows, order: Order, first: int, last: int) -> Taken:
    """Take the steps first … last − 1 of an epoch."""
    update = program.transformation().update
    factors = _rate_factors(program, state.weights)

    def step(i: jax.Array, taken: Taken) -> Taken:
        state = taken.state
        mean_loss = loss_of_step(program, state, rows, order, i)
        loss, gradients = jax.value_and_grad(mean_loss)(state.weights)
        more = {"value": loss, "grad": gradients, "value_fn": mean_loss}  # for line searches and the like
        updates, optimizer = update(gradients, state.optimizer, state.weights, **more)
        rate = order.rates[i]
        weights = jax.tree.map(lambda w, u, f: w + (rate * f).astype(w.dtype) * u, state.weights, updates, factors)
        after = state._replace(weights=weights, optimizer=optimizer, step=state.step + 1)
        taken = taken._replace(state=after, losses=taken.losses.at[i].set(loss))
        if not program.norms:
            return taken
        squares = _squares(gradients).astype(taken.squares.dtype)
        return taken._replace(norms=taken.norms.at[i].set(jnp.sqrt(jnp.sum(squares))), squares=squares)

    none = jnp.zeros(order.rates.shape, order.rates.dtype)
    nothing = jnp.zeros(len(jax.tree.leaves(state.weights)), none.dtype)
    taken: Taken = jax.lax.fori_loop(first, last, step, Taken(state, none, none, nothing, jnp.asarray(True)))
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(taken.state.weights)]).all()
    return taken._replace(finite=finite)


def _squares(gradients: Weights) -> jax.Array:
    """Return Σ g² of each tensor.

    It must cost little beside a step. Small tensors are joined and summed by products, several in one operation. Large
    ones are read once more and no more than that: the barrier keeps their squares from being taken for those that an
    optimizer computes, which would have them written to memory for both.
    """
    leaves = [leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)) for leaf in jax.tree.leaves(gradients)]
    small = [place for place, leaf in enumerate(leaves) if leaf.size <= SMALL]
    large = [place for place, leaf in enumerate(leaves) if leaf.size > SMALL]
    sums: dict[int, jax.Array] = {}
    for at in range(0, len(small), TOGETHER):
        places = small[at : at + TOGETHER]
        sums.update(zip(places, _sums([jnp.square(leaves[place]).ravel() for place in places]), strict=True))
    for place in large:
        apart = jax.lax.optimization_barrier(leaves[place])  # type: ignore[no-untyped-call]
        sums[place] = jnp.sum(jnp.square(apart))
    return jnp.stack([sums[place] for place in range(len(leaves))])


def _sums(parts: Sequence[jax.Array]) -> jax.Array:
    """Return the sum of each of some arrays of squares, (n,), by a product with a matrix of zeros and ones.

    What is not finite would make all of them NaN: it goes in as a number that makes its own sum too large. Sums as
    large as that, of norms above 4 · 10¹⁷, come out as NaN: they are not known.
    """
    values = jnp.concatenate(parts)
    most = float(np.finfo(values.dtype).max) / (2 * SMALL)
    owners = np.repeat(np.arange(len(parts)), [part.size for part in parts])
    belongs = jnp.asarray(owners == np.arange(len(parts))[:, None], values.dtype)
    sums = jnp.matmul(belongs, jnp.where(values < most, values, most), precision=jax.lax.Precision.HIGHEST)
    return jnp.where(sums < most, sums, jnp.nan)


def loss_of_step(
    program: Program, state: State, rows: Rows, order: Order, i: jax.Array | int
) -> Callable[[Weights], jax.Array]:
    """Return the mean loss of one step's batch as a function of the weights."""
    picked = order.rows[i]  # (batch,)
    row_weights = rows.weights[picked] * order.present[i]
    key = jax.random.fold_in(state.key, state.step)
    error = loss_of(program.loss).error

    def mean_loss(weights: Weights) -> jax.Array:
        errors = error(program.apply(weights, rows.x[picked], key), rows.targets[picked])  # (batch,)
        return jnp.sum(errors * row_weights) / jnp.sum(row_weights)

    return mean_loss


def loss_and_gradients(
    program: Program, state: State, rows: Rows, order: Order, i: jax.Array | int
) -> tuple[jax.Array, Weights]:
    """Return the mean loss of one step's batch and its gradient in every weight."""
    return jax.value_and_grad(loss_of_step(program, state, rows, order, i))(state.weights)


def _rate_factors(program: Program, weights: Weights) -> Weights:
    factors = dict(program.rate_factors)
    return jax.tree_util.tree_map_with_path(
        lambda path, _: factors.get(weight_name(path).rpartition(".")[2], 1.0), weights
    )
