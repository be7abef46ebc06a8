"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import plain
from pondera.errors import ArgumentError
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec


@dataclass(frozen=True)
class Dropout(Layer):
    """While training, set each value to zero with probability ``rate`` and divide the others by 1 − rate.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting". Outside training
    it does nothing.

    Parameters
    ----------
    rate
        Probability of zero, in [0, 1).

    Examples
    --------
    >>> [float(v) for v in Dropout(0.5).apply({}, np.ones(2))]
    [1.0, 1.0]
    """

    kind: ClassVar[str] = "dropout"

    rate: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", plain(self.rate))
        if type(self.rate) not in (int, float) or not 0 <= self.rate < 1:
            raise ArgumentError(f"The rate of a dropout layer must lie in [0, 1). Got {self.rate!r}.")

    def outputs(self, inputs: int) -> int:
        """Return ``inputs``."""
        return inputs

    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return nothing: there is nothing to learn."""
        return {}

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return x, or with a key x with values dropped: (..., inputs) -> (..., inputs)."""
        if key is None or self.rate == 0:
            return jnp.asarray(x)
        return jnp.where(self._kept(x, key), x / (1 - self.rate), 0)

    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back: the errors of what was kept, divided as its values were."""
        if key is None or self.rate == 0:
            return Backward(jnp.asarray(errors), {})
        return Backward(jnp.where(self._kept(x, key), errors / (1 - self.rate), 0), {})

    def _kept(self, x: Array, key: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, 1 - self.rate, x.shape)

    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any]:
        """Return ones, (inputs,): outside training every value passes as it is."""
        return np.ones(inputs)
