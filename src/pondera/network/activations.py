"""What a unit makes of its weighted sum. Each derivative stands beside its function.

An activation is a pair: ``function(x)`` and ``derivative(x, y)`` where ``y = function(x)``. Both work element by
element on arrays of any shape. The derivative is registered with JAX, so training runs on what is written here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from pondera.choice import Choice, look_up
from pondera.constraints import number

Function = Callable[..., jax.Array]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def identity(x: jax.Array) -> jax.Array:
    """Return ``x``: the unit is linear."""
    return x


def identity_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """1."""
    return jnp.ones_like(x)


def relu(x: jax.Array) -> jax.Array:
    """max(x, 0). Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines"."""
    return jnp.maximum(x, 0)


def relu_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """1 where x > 0, else 0 (0 at x = 0)."""
    return (x > 0).astype(x.dtype)


def leaky_relu(x: jax.Array, *, slope: float = 0.01) -> jax.Array:
    """X where x > 0, else slope·x. Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve acoustic models"."""
    return jnp.where(x > 0, x, slope * x)


def leaky_relu_derivative(x: jax.Array, y: jax.Array, *, slope: float = 0.01) -> jax.Array:
    """1 where x > 0, else slope."""
    return jnp.where(x > 0, jnp.ones_like(x), slope)


def elu(x: jax.Array, *, alpha: Annotated[float, number(0)] = 1.0) -> jax.Array:
    """X where x > 0, else α(eˣ − 1). Clevert, Unterthiner & Hochreiter 2016, arXiv 1511.07289."""
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))


def elu_derivative(x: jax.Array, y: jax.Array, *, alpha: float = 1.0) -> jax.Array:
    """1 where x > 0, else y + α = α·eˣ."""
    return jnp.where(x > 0, jnp.ones_like(x), y + alpha)


def selu(x: jax.Array) -> jax.Array:
    """Scaled ELU that keeps mean 0 and variance 1. Klambauer et al. 2017, arXiv 1706.02515."""
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


def selu_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """λ where x > 0, else y + λα = λα·eˣ."""
    return jnp.where(x > 0, SELU_SCALE * jnp.ones_like(x), y + SELU_SCALE * SELU_ALPHA)


def gelu(x: jax.Array) -> jax.Array:
    """x·Φ(x), Φ the normal distribution function, exact. Hendrycks & Gimpel 2016, arXiv 1606.08415."""
    return x * _normal_distribution(x)


def gelu_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """Φ(x) + x·φ(x), φ the normal density."""
    return _normal_distribution(x) + x * jnp.exp(-0.5 * x * x) * 0.3989422804014327


def silu(x: jax.Array) -> jax.Array:
    """x·σ(x), also called swish. Elfwing, Uchibe & Doya 2018, arXiv 1702.03118."""
    return x * sigmoid(x)


def silu_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """σ(x) + y(1 − σ(x))."""
    s = sigmoid(x)
    return s + y * (1 - s)


def mish(x: jax.Array) -> jax.Array:
    """x·tanh(softplus(x)). Misra 2019, arXiv 1908.08681."""
    return x * _tanh_softplus(x)


def mish_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """T + x(1 − t²)σ(x), with t = tanh(softplus(x))."""
    t = _tanh_softplus(x)
    return t + x * (1 - t * t) * sigmoid(x)


def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent."""
    return jnp.tanh(x)


def tanh_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """1 − y²."""
    return 1 - y * y


def sigmoid(x: jax.Array) -> jax.Array:
    """1/(1 + e⁻ˣ), without overflow on either side."""
    e = jnp.exp(-jnp.abs(x))
    return jnp.where(x >= 0, 1, e) / (1 + e)


def sigmoid_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """y(1 − y)."""
    return y * (1 - y)


def softplus(x: jax.Array) -> jax.Array:
    """ln(1 + eˣ), without overflow. Dugas et al. 2001, "Incorporating second-order functional knowledge"."""
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


def softplus_derivative(x: jax.Array, y: jax.Array) -> jax.Array:
    """σ(x)."""
    return sigmoid(x)


def _normal_distribution(x: jax.Array) -> jax.Array:
    """Φ(x); erfc keeps its digits far on the negative side, where 1 + erf would not."""
    return 0.5 * jax.lax.erfc(-x * 0.7071067811865476)


def _tanh_softplus(x: jax.Array) -> jax.Array:
    """tanh(ln(1 + eˣ)) with one exponential: n/(n + 2), n = eˣ(eˣ + 2), written in e^−|x| so that nothing overflows."""
    e = jnp.exp(-jnp.abs(x))
    positive = (1 + 2 * e) / (1 + 2 * e + 2 * e * e)
    negative = e * (e + 2) / (e * (e + 2) + 2)
    return jnp.where(x >= 0, positive, negative)


class Activation(NamedTuple):
    """A function, and what its slope is: ``derivative(x, function(x))``."""

    function: Function
    derivative: Function


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, identity_derivative),
    "relu": Activation(relu, relu_derivative),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative),
    "elu": Activation(elu, elu_derivative),
    "selu": Activation(selu, selu_derivative),
    "gelu": Activation(gelu, gelu_derivative),
    "silu": Activation(silu, silu_derivative),
    "mish": Activation(mish, mish_derivative),
    "tanh": Activation(tanh, tanh_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "softplus": Activation(softplus, softplus_derivative),
}


def activation(choice: str | Choice) -> Function:
    """Return the activation of that name, differentiated by the derivative that stands beside it.

    Parameters
    ----------
    choice
        A name in :data:`ACTIVATIONS`, or a :class:`~pondera.choice.Choice` with options.

    Raises
    ------
    ArgumentError
        If there is no such activation, or it takes no such option.

    Examples
    --------
    >>> float(activation("relu")(jnp.array(-2.0)))
    0.0
    >>> round(float(jax.grad(activation("sigmoid"))(0.0)), 3)
    0.25
    """
    function = look_up("activation", choice, {name: entry.function for name, entry in ACTIVATIONS.items()})
    derivative = derivative_of(choice)
    differentiable = jax.custom_jvp(function)
    differentiable.defjvps(lambda tangent, y, x: derivative(x, y) * tangent)
    return differentiable


def derivative_of(choice: str | Choice) -> Function:
    """Return the derivative (x, y) -> slope of the activation of that name, where y is its value at x.

    Raises
    ------
    ArgumentError
        If there is no such activation, or it takes no such option.

    Examples
    --------
    >>> float(derivative_of("tanh")(jnp.array(0.0), jnp.array(0.0)))
    1.0
    """
    return look_up("activation", choice, {name: entry.derivative for name, entry in ACTIVATIONS.items()})
