"""A scaling layer: one learned weight an input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec


@dataclass(frozen=True)
class Scale(Layer):
    """Multiply each input by one learned weight that starts at 1, so that an input's strength can be read off.

    As the first layer of a tabular network it acts as a soft feature selection
    (Holzmüller et al. 2024, arXiv 2407.04491).

    Examples
    --------
    >>> [float(v) for v in Scale().apply({"scale": np.array([2.0, 0.0])}, np.array([3.0, 5.0]))]
    [6.0, 0.0]
    """

    kind: ClassVar[str] = "scale"

    def outputs(self, inputs: int) -> int:
        """Return ``inputs``."""
        return inputs

    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return ``scale`` (inputs,)."""
        return {"scale": WeightSpec((inputs,), Choice("constant", value=1.0))}

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return x · scale: (..., inputs) -> (..., inputs)."""
        return jnp.asarray(x) * weights["scale"]

    def factors(self, weights: LayerWeights) -> Array:
        """Return the factor of each input, (inputs,)."""
        return weights["scale"]

    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back: each error times its factor, and for the factor error · input."""
        return Backward(jnp.asarray(errors) * weights["scale"], {"scale": (jnp.asarray(errors) * x).sum(axis=0)})

    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any]:
        """Return the factor of each input, (inputs,)."""
        return np.asarray(weights["scale"])
