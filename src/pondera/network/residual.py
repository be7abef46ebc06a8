"""Residual blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pondera.errors import ShapeError
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec
from pondera.network.stack import apply_stack, back_through, checked_layers, stack_outputs, stack_weights


@dataclass(frozen=True)
class Residual(Layer):
    """Return x + f(x), where f is a stack of layers that ends as wide as it began.

    He, Zhang, Ren & Sun 2016, arXiv 1512.03385.

    Parameters
    ----------
    layers
        The layers of f, in order. Their weights are named ``layers.0.…``, ``layers.1.…``.

    Examples
    --------
    >>> from pondera.network.scale import Scale
    >>> [float(v) for v in Residual((Scale(),)).apply({"layers.0.scale": np.full(2, 3.0)}, np.array([1.0, 2.0]))]
    [4.0, 8.0]
    """

    kind: ClassVar[str] = "residual"

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", checked_layers("A residual block", self.layers))

    def outputs(self, inputs: int) -> int:
        """Return ``inputs``."""
        outputs = stack_outputs(self.layers, inputs)
        if outputs != inputs:
            raise ShapeError(
                f"a residual block must end as wide as it began; {inputs} values come in, its layers return {outputs}"
            )
        return inputs

    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return the weights of the inner layers."""
        return stack_weights(self.layers, inputs)

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return x + f(x): (..., inputs) -> (..., inputs)."""
        return jnp.asarray(x) + apply_stack(self.layers, weights, x, key)

    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back: the errors as they are, and what comes back through f."""
        errors = jnp.asarray(errors)
        parts = back_through(self.layers, weights, x, errors, key)
        gradients = {
            f"layers.{i}.{name}": each for i, part in enumerate(parts) for name, each in part.gradients.items()
        }
        return Backward(errors + parts[0].errors if parts else 2 * errors, gradients)

    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any] | None:
        """Return None: the block is not one multiplication."""
        return None
