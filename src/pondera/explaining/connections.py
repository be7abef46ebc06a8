"""The connections and units inside a network: which are strong, and what the error does without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.connection_methods import CONNECTION_METHODS, activation_scaled, first_order
from pondera.explaining.question import Question
from pondera.explaining.ranks import rank_correlation
from pondera.explaining.weight import error_by_weights, network_of
from pondera.network.network import Network
from pondera.network.precision import precision

Array = np.ndarray[Any, Any]

ROWS = 1024
"""Rows that are looked at."""

MOST = 4096
"""Connections of a network up to which every one is taken away."""

CANDIDATES = 256
"""Of larger networks, how many of a layer are taken away: the first by activations, by slopes, and at random."""


def unit_ablation(question: Question, network: Network, layer: int) -> Array:
    """Return by how much the mean error grows when a unit of a layer gives 0: (units,), exact.

    Morcos, Barrett, Rabinowitz & Botvinick 2018, arXiv 1803.06959.

    Raises
    ------
    ArgumentError
        If the layer's outputs do not enter a dense layer, or the answers are not known.
    """
    layers = network.architecture.layers
    path = f"layers.{layer + 1}.weight"
    if not 0 <= layer < len(layers) - 1 or layers[layer + 1].kind != "dense":
        raise ArgumentError(f"layers.{layer} has no units that enter a dense layer; choose another layer.")
    error = error_by_weights(question, network)
    outgoing = np.asarray(network.weights[path])
    with precision([outgoing]):
        matrix = jnp.asarray(outgoing)
        without = jax.jit(lambda unit: error({**network.weights, path: matrix.at[unit].set(0)}).mean())
        before = float(error(dict(network.weights)).mean())
        return np.array([float(without(unit)) - before for unit in range(len(outgoing))])


@dataclass(frozen=True)
class Connections:
    """The connections of a network, those that matter most first.

    Attributes
    ----------
    network, networks
        Which network it is, from 0, and how many there are.
    rows
        How many rows were looked at.
    error
        The mean error with all connections; None where the right answers are not known.
    count
        How many connections of dense layers there are.
    places
        Path and place of each that was looked at, the largest change of the error first.
    sources
        What each comes from: an input's name, or a unit's.
    drawn
        Which of these were drawn at random, (looked at,): all where none was left out.
    values
        The weights, (looked at,).
    measured
        Name of a method -> (looked at,).
    units
        Name of a layer -> the change of the mean error without each of its units, (units,).
    """

    network: int
    networks: int
    rows: int
    error: float | None
    count: int
    places: tuple[tuple[str, int, int], ...]
    sources: tuple[str, ...]
    drawn: Array
    values: Array
    measured: Mapping[str, Array]
    units: Mapping[str, Array]

    @property
    def agreement(self) -> dict[str, float]:
        """Rank correlation of each method's sizes with those of the exact changes; empty where these are not known.

        Of the connections that were drawn at random, since of those that were chosen by a method it would be another;
        the mean over layers, whose sizes are not to be compared, weighted by their connections.
        """
        exact = self.measured.get("ablation")
        if exact is None:
            return {}
        paths = np.array([path for path, _, _ in self.places])
        layers = [(paths == path) & self.drawn for path in dict.fromkeys(paths.tolist())]
        counts = np.array([layer.sum() for layer in layers])
        found = {}
        for name, values in self.measured.items():
            each = np.array([rank_correlation(np.abs(values[layer]), np.abs(exact[layer])) for layer in layers])
            known = ~np.isnan(each)
            if name != "ablation":
                found[name] = float(np.average(each[known], weights=counts[known])) if known.any() else float("nan")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        agreed = self.agreement
        return {
            "network": self.network,
            "networks": self.networks,
            "rows": self.rows,
            "error": self.error,
            "count": self.count,
            "looked_at": len(self.places),
            "methods": [
                {
                    "name": name,
                    "title": CONNECTION_METHODS[name].title,
                    "agrees_with_ablation": None if np.isnan(agreed.get(name, np.nan)) else agreed[name],
                    "caveat": CONNECTION_METHODS[name].caveat,
                    "source": CONNECTION_METHODS[name].source,
                }
                for name in self.measured
            ],
            "connections": [
                {
                    "name": path,
                    "index": [source, unit],
                    "from": self.sources[k],
                    "value": float(self.values[k]),
                    **{name: float(found[k]) for name, found in self.measured.items()},
                }
                for k, (path, source, unit) in enumerate(self.places)
            ],
            "units": {name: [float(change) for change in found] for name, found in self.units.items()},
        }


def connections_of(
    question: Question, *, network: int = 0, names: Sequence[str] | None = None, seed: int = 0
) -> Connections:
    """Return the connections of a network's dense layers by every method of the list, and its units.

    Where there are more than 4,096, those are taken away that are among the 256 first of a layer by |w| · ‖x‖ or by
    their slopes, and 256 at random, by which methods are compared.

    Parameters
    ----------
    question
        With right answers, where the error is to be known; of its rows 1,024 are looked at.
    network
        Which of the population, from 0.
    names
        Of the encoded inputs; by default of the columns.
    seed
        Chooses the rows, and connections at random.

    Raises
    ------
    ArgumentError
        If there is no such network, or it has no dense layer.

    Examples
    --------
    >>> from pondera.explaining.subject import Subject
    >>> from pondera.network.dense import Dense
    >>> net = Network.create(2, [Dense(1)], dtype="float64").with_weights({"layers.0.weight": [[2.0], [-1.0]]})
    >>> question = Question.of_arrays(Subject.of_network(net), np.array([[3.0, 0.0], [4.0, 1.0]]))
    >>> connections_of(question).measured["activation_scaled"].tolist()
    [10.0, 1.0]
    """
    chosen = network_of(question, network)
    paths = [
        f"{name}.weight" for name, matrix in chosen.connections().items() if matrix is not None and matrix.ndim == 2
    ]
    if not paths:
        raise ArgumentError("The network has no dense layer, and so no connections from unit to unit.")
    few = question.sample(ROWS, np.random.default_rng(seed))
    answered = few.answers is not None and few.loss is not None
    methods = {name: each for name, each in CONNECTION_METHODS.items() if answered or not each.answers}
    count = sum(chosen.weights[path].size for path in paths)
    random = np.random.default_rng(seed)
    chances = {path: _looked_at(few, chosen, path, count, answered, random) for path in paths}
    looked = {path: some for path, (some, _) in chances.items()}
    measured = {
        name: np.concatenate([each.measure(few, chosen, path, places) for path, places in looked.items()])
        for name, each in methods.items()
    }
    order = np.argsort(-np.abs(measured["ablation" if answered else "activation_scaled"]), kind="stable")
    places = [(path, int(i), int(j)) for path, some in looked.items() for i, j in some]
    called = list(names) if names is not None else _encoded(few)
    first = paths[0] if chosen.first_connections() is not None else None  # else its inputs are not the network's
    return Connections(
        network,
        len(question.subjects),
        len(few.x),
        float(few.errors(question.subjects[network]).mean()) if answered else None,
        count,
        tuple(places[k] for k in order),
        tuple(called[i] if path == first else f"unit {i}" for path, i, _ in (places[k] for k in order)),
        np.concatenate([drawn for _, drawn in chances.values()])[order],
        np.array([chosen.weights[path][i, j] for path, i, j in (places[k] for k in order)], np.float64),
        {name: found[order] for name, found in measured.items()},
        _units(few, chosen) if answered else {},
    )


def _encoded(question: Question) -> list[str]:
    """Return the column of each encoded input, numbered where it became several."""
    return [
        each.name if each.stop - each.start == 1 else f"{each.name} ({place})"
        for each in question.inputs
        for place in range(each.stop - each.start)
    ]


def _looked_at(
    question: Question, network: Network, path: str, count: int, answered: bool, random: np.random.Generator
) -> tuple[Array, Array]:
    """Return the places of a layer's connections that are taken away, (n, 2), and which were drawn at random, (n,)."""
    every = np.indices(network.weights[path].shape).reshape(2, -1).T
    if count <= MOST:
        return every, np.ones(len(every), bool)
    first = [activation_scaled(question, network, path, every)]
    first += [np.abs(first_order(question, network, path, every))] if answered else []
    drawn = random.permutation(len(every))[:CANDIDATES]
    chosen = np.unique(np.concatenate([drawn, *(np.argsort(-each, kind="stable")[:CANDIDATES] for each in first)]))
    return np.asarray(every[chosen]), np.isin(chosen, drawn)


def _units(question: Question, network: Network) -> dict[str, Array]:
    """Return unit ablation of every layer of units before a dense one."""
    layers = network.architecture.layers
    units = [k for k in range(len(layers) - 1) if layers[k].kind != "scale" and layers[k + 1].kind == "dense"]
    return {f"layers.{k}": unit_ablation(question, network, k) for k in units}
