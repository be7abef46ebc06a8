"""Layer normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, plain
from pondera.errors import ArgumentError
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Give each row mean 0 and variance 1 over its values, then a learned gain and bias.

    Ba, Kiros & Hinton 2016, arXiv 1607.06450. It makes the size of the weights before it meaningless by
    themselves: doubling them changes nothing that leaves.

    Parameters
    ----------
    epsilon
        Added to the variance; above 0, at most 1.

    Examples
    --------
    >>> weights = {"gain": np.ones(2), "bias": np.zeros(2)}
    >>> [round(float(v), 3) for v in LayerNorm().apply(weights, np.array([3.0, 5.0]))]
    [-1.0, 1.0]
    """

    kind: ClassVar[str] = "layer_norm"

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", plain(self.epsilon))
        if type(self.epsilon) not in (int, float) or not 0 < self.epsilon <= 1:
            raise ArgumentError(
                f"The epsilon of a layer normalization must be a number above 0 and at most 1. Got {self.epsilon!r}."
            )

    def outputs(self, inputs: int) -> int:
        """Return ``inputs``."""
        return inputs

    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return ``gain`` (inputs,) and ``bias`` (inputs,)."""
        return {
            "gain": WeightSpec((inputs,), Choice("constant", value=1.0)),
            "bias": WeightSpec((inputs,), Choice("zeros")),
        }

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return (x − mean)/√(variance + ε) · gain + bias over the last axis."""
        centered = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centered * centered, axis=-1, keepdims=True)
        normal = centered * jax.lax.rsqrt(variance + self.epsilon)
        return jnp.asarray(normal * weights["gain"] + weights["bias"])

    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back: what changes all values of a row alike, or its spread, changes nothing that leaves."""
        centered = x - jnp.mean(x, axis=-1, keepdims=True)
        size = jnp.sqrt(jnp.mean(centered * centered, axis=-1, keepdims=True) + self.epsilon)
        normal = centered / size
        inner = jnp.asarray(errors) * weights["gain"]
        along = jnp.mean(inner * normal, axis=-1, keepdims=True)
        back = (inner - jnp.mean(inner, axis=-1, keepdims=True) - normal * along) / size
        return Backward(back, {"gain": (errors * normal).sum(axis=0), "bias": jnp.asarray(errors).sum(axis=0)})

    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any] | None:
        """Return None: what an input is multiplied by depends on the row."""
        return None
