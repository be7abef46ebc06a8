"""One weight: what the error does without it and as it moves, and which rows push it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, outside, unknown
from pondera.constraints import index_into
from pondera.errors import ArgumentError
from pondera.explaining.question import Question
from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.training.losses import loss_of

Array = np.ndarray[Any, Any]

PROFILE = 21
"""Values that a weight is set to, from 0 to twice what it is."""


@dataclass(frozen=True)
class Weight:
    """One weight, and what depends on it.

    Attributes
    ----------
    network, networks
        Which network it is of, from 0, and how many there are.
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

    network: int
    networks: int
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
            "network": self.network,
            "networks": self.networks,
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


def weight_of(question: Question, name: str, index: tuple[int, ...], *, network: int = 0) -> Weight:
    """Return what a single weight does on the rows of a question.

    Derivatives are of the weight alone, along which the network is differentiated forward once and twice: exact for
    every row.

    Parameters
    ----------
    question
        With the right answers of its rows.
    name, index
        ``"layers.1.weight"`` and its place there.
    network
        Which of the population, from 0: weights of networks of other starts have nothing to do with each other.

    Raises
    ------
    ArgumentError
        If there is no such network or weight, or the answers are not known.
    """
    chosen = network_of(question, network)
    return weight_on(chosen, *answered(question), name, index, network=network, networks=len(question.subjects))


def weight_on(
    chosen: Network,
    x: Array,
    answers: Array,
    loss: Choice | str,
    name: str,
    index: tuple[int, ...],
    *,
    network: int = 0,
    networks: int = 1,
) -> Weight:
    """Return what a single weight of a network does on rows and their answers; see :func:`weight_of`."""
    if name not in chosen.weights:
        raise ArgumentError(unknown("weight", name, chosen.weights))
    array = np.asarray(chosen.weights[name])
    index = index_into(name, array.shape, index)
    error = error_on(chosen, x, answers, loss)
    one = np.zeros_like(array)
    one[index] = 1
    value = float(array[index])

    def moved(by: Any) -> jax.Array:
        found: jax.Array = error({**chosen.weights, name: array + by * one})
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
        network,
        networks,
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


def network_of(question: Question, number: int) -> Network:
    """Return one of the networks that a question is asked of.

    Raises
    ------
    ArgumentError
        If there is no such network, or what is explained has no weights that could be looked at.
    """
    if not 0 <= number < len(question.subjects):
        raise ArgumentError(outside("The model has", len(question.subjects), "network", number))
    found = question.subjects[number].network
    if found is None:
        raise ArgumentError("What is explained has no weights that could be looked at: give a model of Pondera's.")
    return found


def error_by_weights(question: Question, network: Network) -> Any:
    """Return weights -> the error of each row, (rows,), as JAX can differentiate it.

    Raises
    ------
    ArgumentError
        If the answers are not known.
    """
    return error_on(network, *answered(question))


def answered(question: Question) -> tuple[Array, Array, str]:
    """Return the rows of a question, their right answers and the loss.

    Raises
    ------
    ArgumentError
        If the answers are not known.
    """
    if question.answers is None or question.loss is None:
        raise ArgumentError(question.unanswered)
    return question.x, question.answers, question.loss


def error_on(network: Network, x: Array, answers: Array, loss: Choice | str) -> Any:
    """Return weights -> the error of each row, (rows,), as JAX can differentiate it."""
    choice = Choice.of(loss)
    error, rows = loss_of(choice).error, np.asarray(x, network.dtype)
    targets = answers if choice.name == "softmax_cross_entropy" else np.asarray(answers)[:, None]
    return lambda weights: error(network.architecture(weights, rows), targets)
