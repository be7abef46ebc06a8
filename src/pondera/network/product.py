"""The product of rows and weights, with the derivative that a processor takes fastest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

_barrier: Callable[[Any], Any] = jax.lax.optimization_barrier  # without it XLA undoes the writing down


@jax.custom_jvp
def product(x: Any, weight: Any) -> jax.Array:
    """Return x W: (..., inputs), (inputs, units) -> (..., units).

    What a weight's gradient takes is xᵀ g. XLA multiplies it on a processor with x read across its rows, at two thirds
    of the speed of the forward product; with xᵀ written down once it is as fast. Values and derivatives of every
    order are those of ``x @ weight``.
    """
    return jnp.matmul(x, weight)


@product.defjvp
def _product_tangent(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    x, weight = primals
    change_of_x, change_of_weight = tangents
    written = _barrier(x.reshape(-1, x.shape[-1]).T)  # (inputs, rows)
    from_weight = jax.lax.dot_general(written, change_of_weight, (((0,), (0,)), ((), ())))  # (rows, units)
    out = product(x, weight)
    return out, change_of_x @ weight + from_weight.reshape(out.shape)
