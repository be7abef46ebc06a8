"""What every layer is: a frozen description that says which weights it needs and what it does with them."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

import jax
import numpy as np

from pondera.choice import Choice

Array: TypeAlias = jax.Array | np.ndarray[Any, Any]
LayerWeights: TypeAlias = Mapping[str, Array]


class WeightSpec(NamedTuple):
    """One weight array that a layer needs: its shape, and how it starts."""

    shape: tuple[int, ...]
    initializer: Choice


class Backward(NamedTuple):
    """What goes back through a layer when the errors of its outputs are known.

    Attributes
    ----------
    errors
        The derivative of the loss in each input: (rows, inputs).
    gradients
        The derivative in each weight, summed over the rows, by the layer's own names.
    signals
        The derivative in each unit's weighted sum, before its activation, (rows, units); None where there are no units.
    """

    errors: jax.Array
    gradients: dict[str, jax.Array]
    signals: jax.Array | None = None


class Layer(abc.ABC):
    """A step of a network. It holds no weights; it is given them.

    Every layer is a frozen dataclass whose fields are plain values, layers, or choices by name: that is its JSON form.
    Arrays come in as ``(..., inputs)`` and leave as ``(..., outputs)``: a layer looks at the last axis only, and
    rows never see each other.
    """

    kind: ClassVar[str]

    @abc.abstractmethod
    def outputs(self, inputs: int) -> int:
        """Return how many values leave when ``inputs`` values enter.

        Raises
        ------
        ShapeError
            If the layer cannot take that many.
        """

    @abc.abstractmethod
    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return the weights that the layer needs for ``inputs`` values, by name."""

    @abc.abstractmethod
    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return the layer's output: (..., inputs) -> (..., outputs).

        ``key`` is given while training and drives what is random; without it the layer is a plain function.
        """

    @abc.abstractmethod
    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back through the layer, written out by hand: the reference of what training differentiates.

        Parameters
        ----------
        weights, x, key
            As they were given to :meth:`apply`, x as (rows, inputs).
        errors
            The derivative of the loss in each output: (rows, outputs).
        """

    @abc.abstractmethod
    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any] | None:
        """Return the factors by which inputs are multiplied, or None where there are none such.

        A matrix (inputs, outputs) where every input goes to every output, a vector (inputs,) where each goes to its
        own.
        """

    def factors(self, weights: LayerWeights) -> Array | None:
        """Return what each input is multiplied by, (inputs,), where the layer does nothing else; None otherwise."""
        return None

    def folded(self, weights: LayerWeights, factors: Array) -> LayerWeights | None:
        """Return the weights that do to x what ``weights`` do to x · factors, or None where there are none such."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the layer as a dictionary of plain values."""
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"kind": self.kind, **fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Choice | Layer):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
