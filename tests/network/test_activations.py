import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.network.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE, activation

POINTS = np.linspace(-6, 6, 48) + 0.0137  # no kink among them

REFERENCES = {
    "identity": lambda x: x,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
}

OPTIONS = [
    (name, option)
    for name, (function, _) in ACTIVATIONS.items()
    for option, parameter in inspect.signature(function).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
]


def test_every_activation_has_a_derivative_and_a_reference():
    assert set(ACTIVATIONS) == set(REFERENCES)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value(name, x64):
    np.testing.assert_allclose(
        ACTIVATIONS[name].function(jnp.asarray(POINTS)), REFERENCES[name](POINTS), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_far_out_value(name, x64):
    far = np.array([-700.0, -90.0, -30.0, -1e-9, 1e-9, 30.0, 90.0, 700.0])
    np.testing.assert_allclose(
        ACTIVATIONS[name].function(jnp.asarray(far)), REFERENCES[name](far), rtol=1e-12, atol=1e-300
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_derivative_beside_the_function_is_its_slope(name, x64, slopes):
    x = jnp.asarray(POINTS)
    stated = ACTIVATIONS[name].derivative(x, ACTIVATIONS[name].function(x))
    measured = [slopes(lambda v: ACTIVATIONS[name].function(jnp.asarray(v)), value) for value in POINTS]
    np.testing.assert_allclose(stated, measured, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_jax_differentiates_by_the_derivative(name, x64):
    x = jnp.asarray(np.append(POINTS, 0.0))
    function = activation(name)
    stated = ACTIVATIONS[name].derivative(x, ACTIVATIONS[name].function(x))
    for transform in (jax.grad, jax.jacfwd):
        np.testing.assert_array_equal(jax.vmap(transform(function))(x), stated)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_options_reach_function_and_derivative(name, option, x64, slopes):
    chosen = activation(Choice(name, **{option: 0.37}))
    assert not np.allclose(chosen(jnp.asarray(POINTS)), ACTIVATIONS[name].function(jnp.asarray(POINTS)))
    stated = jax.vmap(jax.grad(chosen))(jnp.asarray(POINTS))
    measured = [slopes(lambda v: chosen(jnp.asarray(v)), value) for value in POINTS]
    np.testing.assert_allclose(stated, measured, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nothing_overflows(name, dtype, x64):
    x = jnp.asarray([-1e4, -100.0, 0.0, 100.0, 1e4], dtype)
    y = activation(name)(x)
    slope = jax.vmap(jax.grad(activation(name)))(x)
    assert y.dtype == slope.dtype == dtype
    assert np.isfinite(y).all()
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_stays_float32(name):
    x = jnp.asarray(POINTS, jnp.float32)
    y = activation(name)(x)
    assert y.dtype == jnp.float32
    assert ACTIVATIONS[name].derivative(x, y).dtype == jnp.float32
    np.testing.assert_allclose(y, REFERENCES[name](POINTS), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_any_shape(name):
    for shape in [(), (0,), (2, 3), (2, 1, 3)]:
        assert activation(name)(jnp.ones(shape)).shape == shape


def test_published_constants_of_selu():
    # Klambauer et al. 2017, equation 14: the fixed point of mean 0 and variance 1
    tail, wide = math.erfc(1 / math.sqrt(2)), math.erfc(math.sqrt(2))
    alpha = -math.sqrt(2 / math.pi) / (tail * math.exp(0.5) - 1)
    scale = (
        (1 - tail * math.sqrt(math.e))
        * math.sqrt(2 * math.pi)
        / math.sqrt(
            2 * wide * math.e**2
            + math.pi * tail**2 * math.e
            - 2 * (2 + math.pi) * tail * math.sqrt(math.e)
            + math.pi
            + 2
        )
    )
    assert pytest.approx(alpha, rel=1e-14) == SELU_ALPHA
    assert pytest.approx(scale, rel=1e-14) == SELU_SCALE


def test_published_values(x64):
    assert float(activation("gelu")(1.0)) == pytest.approx(0.8413447460685429, rel=1e-15)
    assert float(activation("mish")(1.0)) == pytest.approx(0.8650983882673103, rel=1e-15)
    assert float(activation("silu")(1.0)) == pytest.approx(0.7310585786300049, rel=1e-15)
    assert float(activation("softplus")(0.0)) == pytest.approx(math.log(2), rel=1e-15)
    # the lowest points of mish and silu
    grid = jnp.linspace(-3, 0, 30001)
    assert float(activation("mish")(grid).min()) == pytest.approx(-0.30884, abs=1e-5)
    assert float(activation("silu")(grid).min()) == pytest.approx(-0.27846, abs=1e-5)


def test_unknown_names_and_options():
    with pytest.raises(ArgumentError, match=r"Unknown activation 'rleu'. Did you mean 'relu'\?"):
        activation("rleu")
    with pytest.raises(ArgumentError, match=r"'relu' takes no options. Got the option 'slope'"):
        activation(Choice("relu", slope=0.1))
    with pytest.raises(ArgumentError, match=r"'leaky_relu' takes slope. Got the option 'alpha'"):
        activation(Choice("leaky_relu", alpha=0.1))
