"""One neuron, with nothing hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pondera.choice import Choice, counted
from pondera.errors import ArgumentError, ShapeError


@dataclass(frozen=True)
class Explanation:
    """How a neuron came to its output.

    Attributes
    ----------
    inputs, weights
        What came in, and what it was multiplied by.
    contributions
        input × weight, one for each input.
    bias
        What was added.
    sum
        The contributions and the bias together, correctly rounded: no order of addition changes it.
    activation
        The name of the activation.
    output
        activation(sum).
    """

    inputs: tuple[float, ...]
    weights: tuple[float, ...]
    contributions: tuple[float, ...]
    bias: float
    sum: float
    activation: str
    output: float

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as a dictionary of plain values."""
        return {
            "inputs": list(self.inputs),
            "weights": list(self.weights),
            "contributions": list(self.contributions),
            "bias": self.bias,
            "sum": self.sum,
            "activation": self.activation,
            "output": self.output,
        }


class Neuron:
    """One neuron: output = activation(Σ inputᵢ · weightᵢ + bias).

    A dense layer is many of these over the same inputs; unit j of a layer is
    ``Neuron(weight[:, j], bias[j], activation)``.

    Parameters
    ----------
    weights
        One factor for each input.
    bias
        Added to the weighted sum.
    activation
        Name of the activation; see :data:`pondera.network.activations.ACTIVATIONS`.

    Raises
    ------
    ArgumentError
        If the weights or the bias are not finite numbers, or the activation is unknown.

    Examples
    --------
    >>> neuron = Neuron([0.7, 0.3], bias=1)
    >>> neuron([5, 2])
    5.1
    >>> neuron.explain([5, 2]).contributions
    (3.5, 0.6)
    >>> print(neuron([[5, 2], [0, 0]]))
    [5.1 1. ]
    """

    __slots__ = ("activation", "bias", "weights")

    def __init__(
        self, weights: Sequence[float] | npt.ArrayLike, bias: float = 0.0, activation: str | Choice = "identity"
    ) -> None:
        values = _finite(weights, "weights")
        if values.ndim != 1 or values.size == 0:
            raise ArgumentError(
                f"A neuron needs a list of weights, one an input. Got an array of shape {values.shape}."
            )
        offset = _finite(bias, "bias")
        if offset.ndim != 0:
            raise ArgumentError(f"A neuron has one bias, a number. Got an array of shape {offset.shape}.")
        self.weights: tuple[float, ...] = tuple(values.tolist())
        self.bias: float = float(offset)
        self.activation = Choice.of(activation)
        self._activate(np.zeros(1))

    def __call__(self, inputs: npt.ArrayLike) -> Any:
        """Return the output for one row (a float) or for many: (rows, inputs) -> (rows,)."""
        x = _finite(inputs, "inputs")
        if x.ndim == 1:
            return self.explain(inputs).output
        if x.ndim != 2:
            raise ShapeError(f"Expected one row of inputs, or rows of them. Got an array of shape {x.shape}.")
        return np.array([self.explain(row).output for row in x])

    def explain(self, inputs: npt.ArrayLike) -> Explanation:
        """Return what each input contributed to the output for one row.

        Raises
        ------
        ShapeError
            If there are not as many inputs as weights.
        """
        x = _finite(inputs, "inputs")
        if x.shape != (len(self.weights),):
            found = f"{x.size} were given" if x.ndim == 1 else f"an array of shape {x.shape} was given"
            raise ShapeError(
                f"This neuron has {counted(len(self.weights), 'weight')} and needs as many inputs; {found}."
            )
        contributions = tuple(value * weight for value, weight in zip(x.tolist(), self.weights, strict=True))
        try:
            total = math.fsum((*contributions, self.bias))
        except (OverflowError, ValueError):
            total = math.inf
        if not math.isfinite(total):
            raise ArgumentError("The weighted sum is too large for a float64. Use smaller inputs or weights.")
        return Explanation(
            inputs=tuple(x.tolist()),
            weights=self.weights,
            contributions=contributions,
            bias=self.bias,
            sum=total,
            activation=self.activation.name,
            output=float(self._activate(np.array([total]))[0]),
        )

    def _activate(self, sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.activation == Choice("identity"):
            return sums  # without JAX, so that the simplest neuron starts in a blink
        from pondera.network.activations import activation
        from pondera.network.precision import precision

        with precision([sums]):
            return np.asarray(activation(self.activation)(sums))

    def __repr__(self) -> str:
        return f"Neuron({list(self.weights)}, bias={self.bias}, activation={self.activation.to_json()!r})"


def _finite(values: npt.ArrayLike, what: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"The {what} of a neuron must be numbers. Got {values!r:.80}.") from None
    if not np.isfinite(array).all():
        raise ArgumentError(f"The {what} of a neuron must be finite numbers. Got {values!r:.80}.")
    return array
