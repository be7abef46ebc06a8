"""Single weights and units inside a network: what the error does without them, and which rows push them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, unknown
from pondera.errors import ArgumentError
from pondera.explaining.question import Question
from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.training.losses import loss_of

Array = np.ndarray[Any, Any]

PROFILE = 21
"""Values that a weight is set to, from 0 to twice what it is."""


def activation_scaled(network: Network, x: Array) -> dict[str, Array]:
    """Return |w| · ‖x‖ of every connection: its weight times how large what comes in is over the rows.

    Parameters
    ----------
    network
        Any.
    x
        (rows, inputs)

    Returns
    -------
    Path of a dense layer's weight -> (inputs, units). Wanda (Sun, Liu, Bair & Kolter 2024, arXiv 2306.11695).

    Examples
    --------
    >>> from pondera.network.dense import Dense
    >>> network = Network.create(2, [Dense(1)]).with_weights({"layers.0.weight": [[2.0], [-1.0]]})
    >>> activation_scaled(network, np.array([[3.0, 0.0], [4.0, 1.0]]))["layers.0.weight"].tolist()
    [[10.0], [1.0]]
    """
    found, entering = {}, np.asarray(x, network.dtype)
    with precision([entering]):
        leaving = network.architecture.trace(network.weights, entering)
        for (name, out), matrix in zip(leaving, network.connections().values(), strict=True):
            if matrix is not None and matrix.ndim == 2:
                norms = np.sqrt(np.square(entering, dtype=np.float64).sum(axis=0))
                found[f"{name}.weight"] = np.abs(matrix) * norms[:, None]
            entering = np.asarray(out)
    return found


def unit_ablation(question: Question, network: Network, layer: int) -> Array:
    """Return by how much the mean error grows when a unit of a layer gives 0: (units,), exact.

    Raises
    ------
    ArgumentError
        If the layer's outputs do not enter a dense layer, or the answers are not known.
    """
    layers = network.architecture.layers
    path = f"layers.{layer + 1}.weight"
    if not 0 <= layer < len(layers) - 1 or layers[layer + 1].kind != "dense":
        raise ArgumentError(f"layers.{layer} has no units that enter a dense layer; choose another layer.")
    error = _error_of(question, network)
    outgoing = np.asarray(network.weights[path])
    with precision([outgoing]):
        before = error(dict(network.weights)).mean()
        changes = [
            float(error({**network.weights, path: _without(outgoing, unit)}).mean() - before)
            for unit in range(len(outgoing))
        ]
    return np.array(changes)


def _without(matrix: Array, row: int) -> Array:
    found = matrix.copy()
    found[row] = 0
    return found


@dataclass(frozen=True)
class Weight:
    """One weight, and what depends on it.

    Attributes
    ----------
    name, index, value
        Which, and what it is.
    ablation
        The change of the mean error when it is set to 0: exact.
    first_order, second_order
        The same as its slope, and its slope and curvature, say: −w·g and −w·g + ½·w²·h (LeCun, Denker & Solla 1990,
        "Optimal Brain Damage").
    gradient, curvature
        Of the mean error.
    pushes
        The gradient of each row's error, (rows,): where it is negative the row would have the weight larger.
    values, errors
        What the mean error is when the weight is set to other values.
    """

    name: str
    index: tuple[int, ...]
    value: float
    ablation: float
    first_order: float
    second_order: float
    gradient: float
    curvature: float
    pushes: Array
    values: Array
    errors: Array

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; of the rows the twenty that push it up and down the most."""
        up, down = self.strongest(20)
        return {
            "name": self.name,
            "index": list(self.index),
            "value": self.value,
            "ablation": self.ablation,
            "first_order": self.first_order,
            "second_order": self.second_order,
            "gradient": self.gradient,
            "curvature": self.curvature,
            "rows_up": [{"row": row, "gradient": float(self.pushes[row])} for row in up],
            "rows_down": [{"row": row, "gradient": float(self.pushes[row])} for row in down],
            "profile": {
                "values": [float(each) for each in self.values],
                "errors": [float(each) for each in self.errors],
            },
        }

    def strongest(self, count: int = 5) -> tuple[list[int], list[int]]:
        """Return the rows that push it up the most, and those that push it down the most."""
        order = np.argsort(self.pushes, kind="stable")
        up = [int(k) for k in order[:count] if self.pushes[k] < 0]
        down = [int(k) for k in order[::-1][:count] if self.pushes[k] > 0]
        return up, down


def weight_of(question: Question, network: Network, name: str, index: tuple[int, ...]) -> Weight:
    """Return what a single weight does on the rows of a question; see :func:`weight_on`."""
    return weight_on(network, question.x, *_answers_of(question), name, index)


def weight_on(
    network: Network, x: Array, answers: Array, loss: Choice | str, name: str, index: tuple[int, ...]
) -> Weight:
    """Return what a single weight does on some rows.

    Derivatives are of the weight alone, along which the network is differentiated forward once and twice: exact for
    every row.

    Raises
    ------
    ArgumentError
        If there is no such weight, or the answers are not known.
    """
    if name not in network.weights:
        raise ArgumentError(unknown("weight", name, network.weights))
    array = np.asarray(network.weights[name])
    if len(index) != array.ndim or not all(0 <= at < size for at, size in zip(index, array.shape, strict=True)):
        raise ArgumentError(f"{name} has the shape {array.shape}. Got the index {list(index)}.")
    error = _error_on(network, x, answers, loss)
    one = np.zeros_like(array)
    one[index] = 1
    value = float(array[index])

    def moved(by: Any) -> jax.Array:
        found: jax.Array = error({**network.weights, name: array + by * one})
        return found

    def slope(by: Any) -> jax.Array:
        found: jax.Array = jax.jvp(moved, (by,), (jnp.ones_like(by),))[1]
        return found

    with precision([array]):
        here = jnp.zeros((), array.dtype)
        before, pushes = jax.jvp(moved, (here,), (jnp.ones_like(here),))
        curved = jax.jvp(slope, (here,), (jnp.ones_like(here),))[1]
        steps = np.linspace(-1, 1, PROFILE) * (value or 1.0)
        compiled = jax.jit(lambda by: moved(by).mean())
        errors = np.array([float(compiled(jnp.asarray(step, array.dtype))) for step in steps])
        gone = float(moved(jnp.asarray(-value, array.dtype)).mean())
        slopes, bends = np.asarray(pushes).astype(np.float64), np.asarray(curved).astype(np.float64)
        now = float(before.mean())
    gradient, curvature = float(slopes.mean()), float(bends.mean())
    return Weight(
        name,
        index,
        value,
        gone - now,
        -value * gradient,
        -value * gradient + value * value * curvature / 2,
        gradient,
        curvature,
        slopes,
        value + steps,
        errors,
    )


def _error_of(question: Question, network: Network) -> Any:
    """Return weights -> the error of each row, (rows,), as JAX can differentiate it."""
    return _error_on(network, question.x, *_answers_of(question))


def _answers_of(question: Question) -> tuple[Array, str]:
    if question.answers is None or question.loss is None:
        raise ArgumentError("This needs the right answers: give a table that has the target's column.")
    return question.answers, question.loss


def _error_on(network: Network, x: Array, answers: Array, loss: Choice | str) -> Any:
    choice = Choice.of(loss)
    error, rows = loss_of(choice).error, np.asarray(x, network.dtype)
    targets = answers if choice.name == "softmax_cross_entropy" else np.asarray(answers)[:, None]
    return lambda weights: error(network.architecture(weights, rows), targets)
