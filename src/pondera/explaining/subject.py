"""What is explained: a function from encoded rows to outputs, with its slopes where it has any."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.network.rows import BLOCK, Apply, blocks_of, outputs_of_many

Array = np.ndarray[Any, Any]

MANY = 4096
"""Rows that are asked about at a time where there are many."""


@dataclass(frozen=True)
class Subject:
    """A function of rows. Methods know nothing else of what they explain, unless they look at a network's weights.

    Attributes
    ----------
    outputs
        (rows, encoded) -> (rows, outputs).
    slopes
        Rows (rows, encoded) and a direction (rows, outputs) -> the derivative of Σ outputs · direction, (rows,
        encoded). None where there are no derivatives, as of a forest.
    network
        Where its weights can be looked at.
    random
        Whether its training may have begun at random, so that another one may say otherwise.
    changed
        A change of an array -> the same function with every one of its arrays of weights changed so. None where it has
        none that can be reached.

    Examples
    --------
    >>> from pondera.network.dense import Dense
    >>> subject = Subject.of_network(Network.create(2, [Dense(1)]).with_weights({"layers.0.weight": [[2.0], [3.0]]}))
    >>> rows = np.array([[1.0, 1.0], [5.0, 0.0]], np.float32)
    >>> subject.outputs(rows).tolist(), subject.slopes(rows, np.ones((2, 1))).tolist()
    ([[5.0], [10.0]], [[2.0, 3.0], [2.0, 3.0]])
    """

    outputs: Callable[[Array], Array]
    slopes: Callable[[Array, Array], Array] | None = None
    network: Network | None = None
    random: bool = True
    changed: Callable[[Callable[[Array], Array]], Subject] | None = None

    @classmethod
    def of_network(cls, network: Network) -> Subject:
        """Return a network as what is to be explained."""
        found = cls.of_function(network.architecture, dict(network.weights), network.dtype)

        def changed(change: Callable[[Array], Array]) -> Subject:
            return cls.of_network(
                network.with_weights({name: change(value) for name, value in network.weights.items()})
            )

        return cls(found.outputs, found.slopes, network, changed=changed)

    @classmethod
    def of_function(cls, apply: Apply, weights: Any, dtype: str = "float32") -> Subject:
        """Return any pure function ``apply(weights, x)`` of JAX as what is to be explained.

        Parameters
        ----------
        apply
            (weights, rows) -> (rows, outputs), each row by itself.
        weights
            A pytree.
        dtype
            Of the rows it takes.
        """
        kind = np.dtype(dtype)

        def found(x: Array) -> Array:
            rows = np.ascontiguousarray(x, kind)
            return outputs_of_many(apply, weights, rows, _size(rows))

        return cls(
            found, lambda x, direction: _slopes_in_blocks(apply, weights, np.ascontiguousarray(x, kind), direction)
        )


def _size(x: Array) -> int:
    """Return how many rows are worth asking about at a time; of two sizes there are few compiled programs."""
    return MANY if len(x) > MANY // 2 else BLOCK


@functools.partial(jax.jit, static_argnums=0)
def _slopes(apply: Apply, weights: Any, x: jax.Array, direction: jax.Array) -> jax.Array:
    found: jax.Array = jax.grad(lambda rows: jnp.sum(apply(weights, rows) * direction))(x)
    return found


def _slopes_in_blocks(apply: Apply, weights: Any, x: Array, direction: Array) -> Array:
    size = _size(x)
    pairs = zip(blocks_of(x, size), blocks_of(np.asarray(direction, x.dtype), size), strict=True)
    with precision([x]):
        parts = [np.asarray(_slopes(apply, weights, rows, towards)) for rows, towards in pairs]
    return np.concatenate(parts)[: len(x)] if parts else np.zeros_like(x)
