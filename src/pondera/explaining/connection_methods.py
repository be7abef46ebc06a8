"""The list of methods for connections. A new one is a function and an entry here, which brings its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.explaining.question import Question
from pondera.explaining.weight import error_by_weights
from pondera.network.network import Network
from pondera.network.precision import precision

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ConnectionMethod:
    """A way to say how much a connection matters.

    Attributes
    ----------
    name, title
        For programs and for people.
    measure
        Question, network, the path of a dense layer's weight and places in it, (n, 2) -> (n,).
    caveat
        When it misleads.
    source
        The paper.
    answers
        Whether it needs the right answers.
    """

    name: str
    title: str
    measure: Callable[[Question, Network, str, Array], Array]
    caveat: str
    source: str
    answers: bool = True


def size(question: Question, network: Network, path: str, places: Array) -> Array:
    """Return |w|, factors of the parametrization multiplied in."""
    found = network.connections()[path.removesuffix(".weight")]
    return np.asarray(np.abs(np.asarray(found, np.float64))[tuple(places.T)])


def activation_scaled(question: Question, network: Network, path: str, places: Array) -> Array:
    """Return |w| · ‖x‖: a weight times how large what comes in is over the rows."""
    entering = np.asarray(question.x, network.dtype)
    with precision([entering]):
        for name, out in network.architecture.trace(network.weights, entering):
            if f"{name}.weight" == path:
                break
            entering = np.asarray(out)
    norms = np.sqrt(np.square(entering, dtype=np.float64).sum(axis=0))
    return np.asarray(size(question, network, path, places) * norms[places[:, 0]])


def first_order(question: Question, network: Network, path: str, places: Array) -> Array:
    """Return −w·g: the change of the mean error without it, as its slope says."""
    error = error_by_weights(question, network)
    array = np.asarray(network.weights[path])
    with precision([array]):
        slope = np.asarray(jax.grad(lambda w: error({**network.weights, path: w}).mean())(jnp.asarray(array)))
    return np.asarray((-array.astype(np.float64) * slope)[tuple(places.T)])


def second_order(question: Question, network: Network, path: str, places: Array) -> Array:
    """Return −w·g + ½·w²·h: the same, as slope and curvature say; h is the exact second derivative of that weight."""

    def at(moved: Callable[[Any], Any]) -> Any:
        def slope(by: Any) -> Any:
            return jax.jvp(moved, (by,), (jnp.ones_like(by),))[1]

        here = jnp.zeros((), network.dtype)
        return jax.jvp(slope, (here,), (jnp.ones_like(here),))[1]

    bends = _each(question, network, path, places, at)
    values = np.asarray(network.weights[path], np.float64)[tuple(places.T)]
    return np.asarray(first_order(question, network, path, places) + values * values * bends / 2)


def ablation(question: Question, network: Network, path: str, places: Array) -> Array:
    """Return the change of the mean error when the connection alone is set to 0: exact."""
    values = np.asarray(network.weights[path])[tuple(places.T)]
    before = _each(question, network, path, places[:1], lambda moved: moved(jnp.zeros((), network.dtype)))
    return _each(question, network, path, places, lambda moved, value: moved(-value), values) - before


def _each(question: Question, network: Network, path: str, places: Array, found: Any, *more: Array) -> Array:
    """Return what a function makes of each connection's error, given how far the connection is moved: (n,)."""
    error = error_by_weights(question, network)
    own = np.asarray(network.weights[path])
    with precision([own]):
        array = jnp.asarray(own)

        def one(given: Any) -> Any:
            place, *rest = given
            return found(lambda by: error({**network.weights, path: array.at[tuple(place)].add(by)}).mean(), *rest)

        return np.asarray(jax.jit(lambda given: jax.lax.map(one, given))((places, *more)), np.float64)


_ALL = (
    ConnectionMethod(
        "size",
        "|w|",
        size,
        "Says what is multiplied by, not with what: inputs of other scales and later layers break the link.",
        "Han, Pool, Tran & Dally 2015, arXiv 1506.02626",
        answers=False,
    ),
    ConnectionMethod(
        "activation_scaled",
        "|w| · ‖x‖",
        activation_scaled,
        "Knows what comes in, not what becomes of it: compare connections of one layer only.",
        "Sun, Liu, Bair & Kolter 2024, arXiv 2306.11695",
        answers=False,
    ),
    ConnectionMethod(
        "first_order",
        "slope says",
        first_order,
        "Near a minimum slopes are almost 0, and what is left of them is chance.",
        "Mozer & Smolensky 1988, NIPS 1; Molchanov et al. 2017, arXiv 1611.06440",
    ),
    ConnectionMethod(
        "second_order",
        "slope and curvature say",
        second_order,
        "Right as far as the error is a parabola: where units switch off on the way to 0 it is none.",
        "LeCun, Denker & Solla 1990, Optimal Brain Damage, NIPS 2",
    ),
    ConnectionMethod(
        "ablation",
        "without it",
        ablation,
        "Each is taken away alone: of two that do the same neither is missed.",
        "the definition: exact",
    ),
)

CONNECTION_METHODS: Mapping[str, ConnectionMethod] = {method.name: method for method in _ALL}
"""Every method by name; a new one is a function and an entry here."""
