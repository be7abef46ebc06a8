"""An architecture: the layers of a network without their weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from pondera.choice import look_up, plain, unknown
from pondera.errors import ArgumentError, ShapeError
from pondera.network.dense import Dense
from pondera.network.initializers import INITIALIZERS, generator
from pondera.network.layer import Array, Layer, LayerWeights, WeightSpec
from pondera.network.layers import layer_from_json
from pondera.network.stack import apply_stack, checked_layers, stack_steps, stack_weights, stack_widths

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class Architecture:
    """What a network is made of: how many values come in, and the layers they pass.

    It is frozen, has no weights in it, and is the same as its JSON form. Two equal architectures share one compiled
    program.

    Parameters
    ----------
    inputs
        Number of values in a row.
    layers
        The layers in order.

    Raises
    ------
    ShapeError
        If a layer cannot take what the layer before it returns.

    Examples
    --------
    >>> architecture = Architecture(2, (Dense(3, "relu"), Dense(1)))
    >>> architecture.shapes
    {'layers.0.weight': (2, 3), 'layers.0.bias': (3,), 'layers.1.weight': (3, 1), 'layers.1.bias': (1,)}
    >>> Architecture.from_json(architecture.to_json()) == architecture
    True
    """

    inputs: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", checked_layers("An architecture", self.layers))
        object.__setattr__(self, "inputs", plain(self.inputs))
        if type(self.inputs) is not int or self.inputs < 1:
            raise ArgumentError(f"An architecture needs a whole number of inputs of at least 1. Got {self.inputs!r}.")
        stack_widths(self.layers, self.inputs)

    @property
    def widths(self) -> list[int]:
        """How many values enter each layer, and at the end how many leave the last."""
        return stack_widths(self.layers, self.inputs)

    @property
    def outputs(self) -> int:
        """How many values leave the last layer."""
        return self.widths[-1]

    @property
    def specs(self) -> dict[str, WeightSpec]:
        """Shape and initializer of every weight array, by path."""
        return stack_weights(self.layers, self.inputs)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every weight array, by path."""
        return {name: spec.shape for name, spec in self.specs.items()}

    @property
    def size(self) -> int:
        """Number of single weights, biases included."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def initial(self, seed: int = 0, dtype: str = "float32") -> dict[str, np.ndarray[Any, Any]]:
        """Return the random start that follows from the seed: path -> array.

        Raises
        ------
        ArgumentError
            If ``dtype`` is neither float32 nor float64, the seed is negative, or an initializer draws numbers that are
            too large.
        """
        if dtype not in PRECISIONS:
            raise ArgumentError(unknown("dtype", dtype, PRECISIONS))
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ArgumentError(f"A seed is a whole number of at least 0. Got {seed!r}.")
        return {name: _drawn(spec, int(seed), name, dtype) for name, spec in self.specs.items()}

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return the network's outputs for rows: (rows, inputs) -> (rows, outputs).

        A pure function of its arguments, ready for ``jax.jit``, ``jax.grad`` and ``jax.vmap``. ``key`` drives dropout
        and is given while training only.
        """
        return apply_stack(self.layers, weights, x, key)

    def __call__(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return what :meth:`apply` does.

        Equal architectures are equal functions, and so share one compiled program; their bound methods are not equal.
        """
        return self.apply(weights, x, key)

    def trace(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> Iterator[tuple[str, jax.Array]]:
        """Yield the name of each layer and what leaves it: ``("layers.0", (rows, outputs))``."""
        for i, out in enumerate(stack_steps(self.layers, weights, x, key)):
            yield f"layers.{i}", out

    def check(self, weights: Mapping[str, Any]) -> None:
        """Raise unless these are this architecture's weights: the same names, each of its shape.

        Raises
        ------
        ShapeError
            Naming the weight, the shape expected and the shape found.
        """
        shapes = self.shapes
        for name in weights:
            if name not in shapes:
                raise ShapeError(unknown("weight", name, shapes))
        for name, shape in shapes.items():
            if name not in weights:
                raise ShapeError(f"The weight {name!r} of shape {shape} is missing.")
            if tuple(np.shape(weights[name])) != shape:
                raise ShapeError(
                    f"{name}: expected the shape {shape}, found {tuple(np.shape(weights[name]))}. "
                    "Give an array of the expected shape, or change the architecture."
                )

    def check_rows(self, shape: Sequence[int]) -> None:
        """Raise unless rows of this shape can enter the first layer.

        Raises
        ------
        ShapeError
            Naming the first layer, the shape expected and the shape found.
        """
        if len(shape) != 2 or shape[1] != self.inputs:
            first = f"layers.0 ({self.layers[0].kind})" if self.layers else "the network"
            raise ShapeError(
                f"{first}: expected rows of {self.inputs} values, an array of shape (rows, {self.inputs}); "
                f"found the shape {tuple(shape)}."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the architecture as a dictionary of plain values."""
        return {"inputs": self.inputs, "layers": [layer.to_json() for layer in self.layers]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Architecture:
        """Return the architecture that :meth:`to_json` described.

        Raises
        ------
        ArgumentError
            If the value describes none.
        """
        if not isinstance(value, Mapping) or "inputs" not in value or not isinstance(value.get("layers"), list | tuple):
            raise ArgumentError(f"Expected an architecture with 'inputs' and 'layers'. Got {value!r:.80}.")
        return Architecture(value["inputs"], tuple(layer_from_json(layer) for layer in value["layers"]))


def _drawn(spec: WeightSpec, seed: int, name: str, dtype: str) -> np.ndarray[Any, Any]:
    initializer = look_up("initializer", spec.initializer, INITIALIZERS)
    with np.errstate(over="ignore"):
        values = initializer(generator(seed, name), spec.shape).astype(dtype, copy=False)
    if not np.isfinite(values).all():
        raise ArgumentError(f"{name}: the initializer {spec.initializer!r} draws numbers that {dtype} cannot hold.")
    return values


def multilayer(inputs: int, hidden: Sequence[int], outputs: int, activation: str = "relu") -> Architecture:
    """Return the plain multilayer perceptron: dense hidden layers, then a dense output without activation.

    Examples
    --------
    >>> multilayer(20, [128, 128], 1).size
    19329
    """
    return Architecture(inputs, (*(Dense(units, activation) for units in hidden), Dense(outputs)))
