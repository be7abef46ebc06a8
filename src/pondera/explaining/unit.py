"""One unit: what comes into it, what goes out of it, and what the error is without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, outside, unknown
from pondera.errors import ArgumentError
from pondera.explaining.weight import error_on
from pondera.network.network import Network
from pondera.network.precision import precision

Array = np.ndarray[Any, Any]

INPUTS = "inputs"
"""What the units are called that nothing comes into: the values of a row as the first dense layer takes them."""


@dataclass(frozen=True)
class Unit:
    """One unit of a network.

    Attributes
    ----------
    layer, unit
        ``"layers.1"`` or ``"inputs"``, and its place there, from 0.
    units
        How many units the layer has.
    into, out
        The matrices that lead to it and away from it; None of an input and of an output.
    incoming, outgoing
        The weights of its connections, (inputs,) and (outputs,); empty where there are none.
    bias
        None where it has none.
    ablation
        The change of the mean error when nothing of it goes on: exact. Of a unit in a plain stack of dense layers that
        is unit ablation (Morcos, Barrett, Rabinowitz & Botvinick 2018, arXiv 1803.06959). None of an output, which the
        error is made of, and where the error is not known.
    """

    layer: str
    unit: int
    units: int
    into: str | None
    out: str | None
    incoming: Array
    outgoing: Array
    bias: float | None
    ablation: float | None

    @property
    def name(self) -> str:
        """Layer and place, as the command line takes them."""
        return f"{self.layer}[{self.unit}]"

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; connections with their names, the strongest first."""
        return {
            "name": self.name,
            "units": self.units,
            "bias": self.bias,
            "incoming": _named(self.incoming, lambda other: f"{self.into}[{other},{self.unit}]"),
            "outgoing": _named(self.outgoing, lambda other: f"{self.out}[{self.unit},{other}]"),
            "ablation_loss_change": self.ablation,
        }


def unit_on(
    network: Network, layer: str, unit: int, x: Array | None = None, answers: Array | None = None, loss: Any = None
) -> Unit:
    """Return what is known of a unit of a dense layer, on rows and their answers where these are given.

    Parameters
    ----------
    network
        What it is a unit of.
    layer, unit
        ``"layers.1"``, or ``"inputs"`` for what the first dense layer takes; and its place, from 0.
    x, answers, loss
        Rows (rows, inputs), what the loss compares their outputs with, and the loss.

    Raises
    ------
    ArgumentError
        If there is no such unit.

    Examples
    --------
    >>> from pondera.network.dense import Dense
    >>> net = Network.create(2, [Dense(1), Dense(1)], dtype="float64").with_weights(
    ...     {"layers.0.weight": [[2.0], [-1.0]], "layers.1.weight": [[3.0]]}
    ... )
    >>> found = unit_on(net, "layers.0", 0, np.array([[1.0, 1.0]]), np.array([3.0]), "squared_error")
    >>> found.incoming.tolist(), found.outgoing.tolist(), found.ablation
    ([2.0, -1.0], [3.0], 9.0)
    """
    paths = dense_paths(network)
    known = [INPUTS, *(path.removesuffix(".weight") for path in paths)]
    if layer not in known or not paths:
        raise ArgumentError(unknown("layer of units", layer, known))
    at = known.index(layer)
    into = paths[at - 1] if at else None
    units = network.weights[into].shape[1] if into else network.weights[paths[0]].shape[0]
    if not 0 <= unit < units:
        raise ArgumentError(outside(f"{layer} has", units, "unit", unit))
    out = next((path for path in paths[at : at + 1] if network.weights[path].shape[0] == units), None)
    bias = network.weights.get(f"{layer}.bias")
    ablation = None
    if out is not None and x is not None and answers is not None and loss is not None:
        ablation = _without(network, out, unit, x, answers, loss)
    nothing = np.zeros(0, network.dtype)
    return Unit(
        layer,
        unit,
        units,
        into,
        out,
        network.weights[into][:, unit] if into else nothing,
        network.weights[out][unit] if out else nothing,
        None if bias is None else float(bias[unit]),
        ablation,
    )


def dense_paths(network: Network) -> list[str]:
    """Return the names of the matrices that lead from units to units, in the order of the network."""
    found = network.connections()
    return [f"{name}.weight" for name, matrix in found.items() if matrix is not None and matrix.ndim == 2]


def _without(network: Network, out: str, unit: int, x: Array, answers: Array, loss: Choice | str) -> float:
    """Return by how much the mean error grows when the connections that lead away from a unit are 0."""
    error = error_on(network, x, answers, loss)
    matrix = network.weights[out]
    with precision([matrix]):
        gone = jnp.asarray(matrix).at[unit].set(0)
        return float(error({**network.weights, out: gone}).mean()) - float(error(dict(network.weights)).mean())


def _named(values: Array, name: Any) -> list[dict[str, Any]]:
    """Return connections as plain values, the strongest first."""
    order = np.argsort(-np.abs(values), kind="stable")
    return [{"name": name(int(k)), "unit": int(k), "value": float(values[k])} for k in order]
