"""A dense layer: many neurons that share their inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, look_up, plain, unknown
from pondera.errors import ArgumentError
from pondera.network.activations import activation, derivative_of
from pondera.network.initializers import INITIALIZERS
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec
from pondera.network.product import product

PARAMETRIZATIONS = ("standard", "ntk")


@dataclass(frozen=True)
class Dense(Layer):
    """Every unit is a neuron: activation(x W + b), W (inputs, units), b (units,).

    Column j of ``weight`` and entry j of ``bias`` are the weights and the bias of a
    :class:`~pondera.network.neuron.Neuron`.

    Parameters
    ----------
    units
        Number of neurons, at least 1.
    activation
        Name of the activation.
    weight, bias
        Names of the initializers; ``bias=None`` leaves the bias out.
    parametrization
        ``"standard"``: x W + b. ``"ntk"``: x W / √inputs + b, with weights of order 1, so that one learning rate suits
        every width (Jacot, Gabriel & Hongler 2018, arXiv 1806.07572).

    Examples
    --------
    >>> layer = Dense(1, weight="zeros")
    >>> layer.apply({"weight": np.array([[0.7], [0.3]]), "bias": np.array([1.0])}, np.array([5.0, 2.0])).shape
    (1,)
    """

    kind: ClassVar[str] = "dense"

    units: int
    activation: Choice | str = "identity"
    weight: Choice | str = "he_normal"
    bias: Choice | str | None = "zeros"
    parametrization: Literal["standard", "ntk"] = "standard"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", plain(self.units))
        if type(self.units) is not int or self.units < 1:
            raise ArgumentError(f"A dense layer needs a whole number of units of at least 1. Got {self.units!r}.")
        if self.parametrization not in PARAMETRIZATIONS:
            raise ArgumentError(unknown("parametrization", self.parametrization, PARAMETRIZATIONS))
        object.__setattr__(self, "activation", Choice.of(self.activation))
        object.__setattr__(self, "weight", Choice.of(self.weight))
        object.__setattr__(self, "bias", None if self.bias is None else Choice.of(self.bias))
        activation(self.activation)
        for initializer in (self.weight, self.bias):
            if initializer is not None:
                look_up("initializer", initializer, INITIALIZERS)

    def outputs(self, inputs: int) -> int:
        """Return the number of units."""
        return self.units

    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return ``weight`` (inputs, units) and, unless left out, ``bias`` (units,)."""
        specs = {"weight": WeightSpec((inputs, self.units), Choice.of(self.weight))}
        if self.bias is not None:
            specs["bias"] = WeightSpec((self.units,), Choice.of(self.bias))
        return specs

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return activation(x W + b): (..., inputs) -> (..., units)."""
        return activation(self.activation)(self.sums(weights, x))

    def sums(self, weights: LayerWeights, x: Array) -> jax.Array:
        """Return the units' weighted sums, x W + b, before the activation: (..., inputs) -> (..., units)."""
        z = product(x, weights["weight"])
        if self.parametrization == "ntk":
            z = z * self.factor(x.shape[-1])
        return z if self.bias is None else z + weights["bias"]

    def folded(self, weights: LayerWeights, factors: Array) -> LayerWeights:
        """Return the weights with row i of W multiplied by factor i: (x · factors) W = x (factors · W)."""
        return {**weights, "weight": jnp.asarray(factors)[:, None] * weights["weight"]}

    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back: the signal of a unit is its error · its slope, a weight's gradient input · signal."""
        z = self.sums(weights, x)
        signals = jnp.asarray(errors) * derivative_of(self.activation)(z, activation(self.activation)(z))
        factor = self.factor(x.shape[-1])
        gradients = {"weight": factor * (jnp.asarray(x).T @ signals)}
        if self.bias is not None:
            gradients["bias"] = signals.sum(axis=0)
        return Backward(factor * (signals @ jnp.asarray(weights["weight"]).T), gradients, signals)

    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any]:
        """Return the factors that inputs are multiplied by, (inputs, units): W, or W / √inputs."""
        matrix = np.asarray(weights["weight"])
        return matrix * self.factor(inputs) if self.parametrization == "ntk" else matrix

    def factor(self, inputs: int) -> float:
        """Return what each product of an input and a weight is multiplied by: 1, or 1 / √inputs."""
        return 1 / math.sqrt(inputs) if self.parametrization == "ntk" else 1.0
