"""One weight: what the error does without it and as it moves, and which rows push it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, outside, unknown
from pondera.constraints import index_into
from pondera.errors import ArgumentError
from pondera.explaining.question import Question
from pondera.network.architecture import Architecture
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
    numbers
        (rows,) what each row is called: its place among these, or in the table that they are from.
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
    numbers: Array

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
            "rows_up": [{"row": int(self.numbers[k]), "gradient": float(self.pushes[k])} for k in up],
            "rows_down": [{"row": int(self.numbers[k]), "gradient": float(self.pushes[k])} for k in down],
            "profile": {
                "values": [float(each) for each in self.values],
                "errors": [float(each) for each in self.errors],
            },
        }

    def strongest(self, count: int = 5) -> tuple[list[int], list[int]]:
        """Return the places of the rows that push it up the most, and of those that push it down the most."""
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
    numbers: Array | None = None,
) -> Weight:
    """Return what a single weight of a network does on rows and their answers; see :func:`weight_of`.

    ``numbers`` says which row of a table each of these is.
    """
    if name not in chosen.weights:
        raise ArgumentError(unknown("weight", name, chosen.weights))
    array = np.asarray(chosen.weights[name])
    index = index_into(name, array.shape, index)
    one = np.zeros_like(array)
    one[index] = 1
    value = float(array[index])
    steps = np.linspace(-1, 1, PROFILE) * (value or 1.0)
    rows = rows_and_targets(chosen, x, answers, loss)
    asked = (chosen.architecture, Choice.of(loss), name, dict(chosen.weights), one, *rows)
    with precision([array]):
        # Of each row, and their means of 64 bits: what one weight does is small beside the loss.
        now, gone, *profile = (np.asarray(_errors(*asked, array.dtype.type(by)), float) for by in (0, -value, *steps))
        slopes, bends = (np.asarray(each, float) for each in _derivatives(*asked, array.dtype.type(0)))
    gradient, curvature = float(slopes.mean()), float(bends.mean())
    return Weight(
        network,
        networks,
        name,
        index,
        value,
        float((gone - now).mean()),
        -value * gradient,
        -value * gradient + value * value * curvature / 2,
        gradient,
        curvature,
        slopes,
        value + steps,
        np.array([each.mean() for each in profile]),
        np.arange(len(x)) if numbers is None else numbers,
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _errors(
    architecture: Architecture,
    loss: Choice,
    name: str,
    weights: dict[str, Any],
    direction: Any,
    rows: Any,
    targets: Any,
    by: Any,
) -> jax.Array:
    """Return the error of each row where an array of weights is moved by so much in a direction.

    It is compiled once for all weights of an array, as are its derivatives.
    """
    there = weights[name] + by * direction
    found: jax.Array = loss_of(loss).error(architecture({**weights, name: there}, rows), targets)
    return found


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _derivatives(architecture: Architecture, loss: Choice, name: str, *given: Any) -> tuple[jax.Array, jax.Array]:
    """Return each row's first and second derivative by how far the array is moved; what is given is as above."""
    here, one = given[-1], jnp.ones_like(given[-1])
    error = functools.partial(_errors, architecture, loss, name, *given[:-1])
    first, second = jax.jvp(lambda by: jax.jvp(error, (by,), (one,))[1], (here,), (one,))
    return first, second


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
    rows, targets = rows_and_targets(network, x, answers, loss)
    return lambda weights: loss_of(Choice.of(loss)).error(network.architecture(weights, rows), targets)


def rows_and_targets(network: Network, x: Array, answers: Array, loss: Choice | str) -> tuple[Array, Array]:
    """Return rows as a network takes them, and their answers as a loss does."""
    of_classes = Choice.of(loss).name == "softmax_cross_entropy"
    return np.asarray(x, network.dtype), np.asarray(answers) if of_classes else np.asarray(answers)[:, None]
