"""Backpropagation made visible: every number between a batch and what a step makes of a weight.

Nothing here is differentiated by JAX. Values go forward layer by layer, errors come back by the derivatives that stand
beside each loss, activation and layer, and the update is the optimizer's formula written out: it is the reference that
the compiled training is tested against (Rumelhart, Hinton & Williams 1986, Nature 323).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pondera.choice import Choice, unknown
from pondera.constraints import index_into
from pondera.errors import ArgumentError
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.network.stack import back_through, weights_by_layer
from pondera.training.losses import loss_of

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LayerTrace:
    """What passed through one layer, forward and back.

    Attributes
    ----------
    name, kind
        ``"layers.0"``, ``"dense"``.
    inputs, outputs
        (rows, inputs), (rows, outputs).
    sums
        Of the units of a dense layer, before the activation, (rows, units); None elsewhere.
    errors
        The derivative of the loss in each output, (rows, outputs).
    signals
        The derivative in each unit's sum, (rows, units); None where there are no units.
    gradients
        The derivative in each weight, by its path in the network.
    factor
        What a dense layer multiplies each product of an input and a weight by.
    """

    name: str
    kind: str
    inputs: Array
    outputs: Array
    sums: Array | None
    errors: Array
    signals: Array | None
    gradients: Mapping[str, Array]
    factor: float = 1.0


@dataclass(frozen=True)
class Trace:
    """A batch on its way through a network and back.

    Attributes
    ----------
    loss
        The weighted mean of the rows' errors.
    errors
        Of each row, (rows,).
    shares
        What of the mean each row makes up, (rows,): its weight over the sum of all.
    layers
        In their order.
    """

    loss: float
    errors: Array
    shares: Array
    layers: tuple[LayerTrace, ...]

    @property
    def gradients(self) -> dict[str, Array]:
        """The derivative of the loss in every weight, by its path."""
        return {name: value for layer in self.layers for name, value in layer.gradients.items()}

    def product(self, name: str, index: tuple[int, ...]) -> Product:
        """Return the gradient of one weight of a dense layer as products, a row each.

        Parameters
        ----------
        name, index
            Such as ``"layers.1.weight"`` and ``(3, 7)``: from input 3 to unit 7; of a bias ``(7,)``.

        Raises
        ------
        ArgumentError
            If there is no such weight, or it is not one of a dense layer.
        """
        gradients = self.gradients
        if name not in gradients:
            raise ArgumentError(unknown("weight", name, gradients))
        value = gradients[name]
        index = index_into(name, value.shape, index)
        layer = next(layer for layer in self.layers if name in layer.gradients)
        if layer.signals is None:
            raise ArgumentError(f"{name} is in a layer of kind {layer.kind}; products are of dense layers' weights.")
        signals = layer.signals[:, index[-1]]
        of_bias = value.ndim == 1
        activations = np.ones_like(signals) if of_bias else layer.inputs[:, index[0]]
        return Product(name, index, activations, signals, 1.0 if of_bias else layer.factor, float(value[index]))


@dataclass(frozen=True)
class Product:
    """The gradient of one weight: Σ over the rows of what its input was times the signal of its unit.

    Attributes
    ----------
    name, index
        Which weight.
    activations
        What came in over it, (rows,): ones for a bias.
    signals
        Of its unit, each with its row's share of the mean in it: (rows,).
    factor
        What the network multiplies the weight by besides: 1 / √inputs where it is so parametrized.
    gradient
        factor · Σ activations · signals, as the layer computes it.
    """

    name: str
    index: tuple[int, ...]
    activations: Array
    signals: Array
    factor: float
    gradient: float


def trace(
    network: Network,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    loss: Choice | str = "squared_error",
    *,
    sample_weight: npt.ArrayLike | None = None,
    key: Any = None,
) -> Trace:
    """Return a batch's way through a network and back.

    Parameters
    ----------
    network
        Whose weights; in float64 the result is right to the last digits.
    x
        (rows, inputs).
    targets
        (rows,) or (rows, outputs); class numbers (rows,) for softmax cross-entropy.
    loss
        A name in :data:`~pondera.training.losses.LOSSES`, or a choice with options.
    sample_weight
        (rows,) how much each counts.
    key
        Of JAX; with one, dropout drops what training with that key would.

    Raises
    ------
    ArgumentError, ShapeError
        If rows, targets and network do not fit.

    Examples
    --------
    >>> network = Network.create(2, [Dense(1)], dtype="float64").with_weights(
    ...     {"layers.0.weight": [[0.7], [0.3]], "layers.0.bias": [1.0]}
    ... )
    >>> found = trace(network, [[5.0, 2.0]], [4.1])
    >>> round(found.loss, 10), found.gradients["layers.0.weight"].round(10).tolist()
    (1.0, [[10.0], [4.0]])
    >>> found.product("layers.0.weight", (0, 0)).activations.tolist()
    [5.0]
    """
    rows = np.asarray(x, network.dtype)
    network.architecture.check_rows(rows.shape)
    kind, width = Choice.of(loss).name, network.architecture.outputs
    answers = np.asarray(targets)
    if kind != "softmax_cross_entropy":
        answers = answers.astype(network.dtype).reshape(len(rows), -1) if answers.size else answers
    expected = (len(rows),) if kind == "softmax_cross_entropy" else (len(rows), width)
    if answers.shape != expected:
        raise ArgumentError(f"{kind} needs targets of shape {expected} for these rows. Got {answers.shape}.")
    counts = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if counts.shape != (len(rows),) or not counts.sum() > 0:
        raise ArgumentError(f"sample_weight must be {len(rows)} numbers whose sum is above 0. Got {counts.shape}.")
    shares = (counts / counts.sum()).astype(network.dtype)
    layers = network.architecture.layers
    with precision([rows]):
        names, leaving = (
            zip(*network.architecture.trace(network.weights, rows, key), strict=True) if layers else ((), ())
        )
        outputs = leaving[-1] if leaving else rows
        of_rows = loss_of(loss)
        errors = np.asarray(of_rows.error(outputs, answers))
        slope = of_rows.slope(outputs, answers) * shares[:, None]
        parts = back_through(layers, network.weights, rows, slope, key)
        own = weights_by_layer(layers, network.weights)
        found, entering = [], rows
        for at, (name, layer, part) in enumerate(zip(names, layers, parts, strict=True)):
            found.append(
                LayerTrace(
                    name,
                    layer.kind,
                    np.asarray(entering),
                    np.asarray(leaving[at]),
                    np.asarray(layer.sums(own[at], entering)) if isinstance(layer, Dense) else None,
                    np.asarray(parts[at + 1].errors if at + 1 < len(parts) else slope),
                    None if part.signals is None else np.asarray(part.signals),
                    {f"{name}.{each}": np.asarray(value) for each, value in part.gradients.items()},
                    layer.factor(np.shape(entering)[-1]) if isinstance(layer, Dense) else 1.0,
                )
            )
            entering = leaving[at]
    return Trace(float(errors @ shares), errors, shares, tuple(found))
