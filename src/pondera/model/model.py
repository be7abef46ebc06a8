"""A model: networks, and how a table's columns go in and its predictions come out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pondera.choice import Choice, unknown
from pondera.errors import ShapeError
from pondera.network.architecture import Architecture
from pondera.network.network import Network
from pondera.network.rows import Apply
from pondera.network.rows import outputs as outputs_of
from pondera.tables.encode import Encoding, Unseen
from pondera.tables.inputs import inputs_of
from pondera.tables.parts import Where, row_number
from pondera.tables.scale import Scaling
from pondera.tables.target import Classes, TargetScaling
from pondera.training.losses import loss_of
from pondera.training.recipes import Task

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Model:
    """Everything that is needed to predict, and nothing that was needed to train only.

    Attributes
    ----------
    target_name
        The column that is predicted.
    encoding, scaling
        How columns become inputs; their figures come from training rows.
    target
        The classes, or the mean, spread and range of the numbers that are predicted.
    networks
        One, or a population whose predictions are averaged.
    loss
        What was trained with: it says what the outputs are.
    clamp
        Whether predicted numbers are kept within the range of the training targets.
    record
        What is known of the training, JSON-ready: plan, recipe, rows, history, versions, held-out figures.
    """

    target_name: str
    encoding: Encoding
    scaling: Scaling
    target: Classes | TargetScaling
    networks: tuple[Network, ...]
    loss: Choice
    clamp: bool
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "classification" if isinstance(self.target, Classes) else "regression"

    @property
    def architecture(self) -> Architecture:
        """The architecture that all networks share."""
        return self.networks[0].architecture

    @cached_property
    def weights(self) -> dict[str, Array]:
        """Path -> array: ``layers.0.weight``, or ``networks.0.layers.0.weight`` where there are several networks."""
        return {
            f"{prefix}{name}": value
            for prefix, network in zip(prefixes(len(self.networks)), self.networks, strict=True)
            for name, value in network.weights.items()
        }

    def inputs(self, frame: pl.DataFrame, where: Where = row_number) -> tuple[Array, Unseen]:
        """Return what goes into the networks, (rows, inputs), and what in the table training had not seen.

        ``where`` says where a row is, in an error.

        Raises
        ------
        TableError
            If a column is missing or holds something else than in training.
        """
        return inputs_of(self.encoding, self.scaling, frame, self.networks[0].dtype, where)

    def predictions(self, x: Array) -> Array:
        """Return the mean prediction of the networks for inputs: probabilities (rows, classes) or numbers (rows,)."""
        mean: Array = np.mean([self._prediction(network(x)) for network in self.networks], axis=0)
        return mean

    def labels(self, predictions: Array) -> Array:
        """Return what is predicted, in the target's own values: a class or a number a row."""
        return self.target.decode(predictions.argmax(axis=1)) if isinstance(self.target, Classes) else predictions

    def with_weights(self, weights: Mapping[str, npt.ArrayLike]) -> Model:
        """Return the model with some or all of its weights replaced, named as in :attr:`weights`.

        Raises
        ------
        ShapeError
            If a name is unknown or an array is of another shape.
        """
        for name in weights:
            if name not in self.weights:
                raise ShapeError(unknown("weight", name, self.weights))
        networks = [
            network.with_weights({name: weights[prefix + name] for name in network.weights if prefix + name in weights})
            for prefix, network in zip(prefixes(len(self.networks)), self.networks, strict=True)
        ]
        return dataclasses.replace(self, networks=tuple(networks))

    def with_record(self, **entries: Any) -> Model:
        """Return the model with more known of its training."""
        return dataclasses.replace(self, record={**self.record, **entries})

    def _prediction(self, outputs: Array) -> Array:
        """Return one network's prediction, float64, from its outputs (rows, outputs)."""
        linked = outputs_of(_linked(self.loss), (), outputs).astype(np.float64)
        if isinstance(self.target, TargetScaling):
            numbers = self.target.restore(linked[:, 0])
            return np.clip(numbers, self.target.low, self.target.high) if self.clamp else numbers
        if linked.shape[1] == 1:
            return np.column_stack([1 - linked[:, 0], linked[:, 0]])
        probabilities: Array = linked / linked.sum(axis=1, keepdims=True)
        return probabilities


@cache
def _linked(loss: Choice) -> Apply:
    """Return what turns a network's outputs into predictions, the same function for the same loss: compiled once."""
    link = loss_of(loss).link
    return lambda _, outputs: link(outputs)


def prefixes(networks: int) -> list[str]:
    """Return what the names of each network's weights begin with: nothing where there is only one."""
    return [""] if networks == 1 else [f"networks.{k}." for k in range(networks)]
