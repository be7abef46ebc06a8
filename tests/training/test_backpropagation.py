"""What is written out by hand is what JAX differentiates, for every layer, activation and loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pondera import Dense, Dropout, Embedding, LayerNorm, Network, Residual, Scale
from pondera.choice import Choice
from pondera.errors import ArgumentError, ShapeError
from pondera.network.activations import ACTIVATIONS
from pondera.network.layers import LAYERS
from pondera.training.backpropagation import trace
from pondera.training.losses import LOSSES, loss_of

RANDOM = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("x64")

STACKS = {
    "dense": [Dense(5, "tanh"), Dense(3)],
    "ntk": [Dense(5, "gelu", parametrization="ntk"), Dense(3, bias=None, parametrization="ntk")],
    "scale": [Scale(), Dense(3, "silu")],
    "layer_norm": [Dense(5), LayerNorm(), Dense(3)],
    "dropout": [Dense(8, "relu"), Dropout(0.4), Dense(3)],
    "residual": [Dense(4), Residual((Dense(6, "mish"), Residual((Scale(),)), Dropout(0.3), Dense(4))), Dense(3)],
    "embedding": [Embedding(columns=(3, 1), categories=(3, 4), size=2), Dense(3, "elu")],
}


def drawn(layers, inputs=4):
    network = Network.create(inputs, layers, dtype="float64")
    return network.with_weights({name: RANDOM.normal(size=value.shape) for name, value in network.weights.items()})


def rows(count=7):
    x = RANDOM.normal(size=(count, 4))
    x[:, 1], x[:, 3] = RANDOM.integers(-1, 4, count), RANDOM.integers(0, 4, count)  # codes, some of them unknown
    return x


def answers(loss, count=7, width=3):
    if loss == "softmax_cross_entropy":
        return RANDOM.integers(0, width, count)
    return RANDOM.random((count, width)) if "entropy" in loss else RANDOM.poisson(2.0, (count, width)).astype(float)


def by_jax(network, x, y, loss, shares, key):
    def mean(weights):
        return jnp.sum(loss_of(loss).error(network.architecture.apply(weights, x, key), y) * shares)

    return jax.value_and_grad(mean)(dict(network.weights))


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(float(np.abs(value).max()), 1e-300)
        np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-12 * scale, err_msg=name)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("training", [False, True])
def test_every_layer(name, training):
    network, x, y = drawn(STACKS[name]), rows(), answers("squared_error")
    weights = RANDOM.random(7)
    key = jax.random.PRNGKey(3) if training else None
    found = trace(network, x, y, sample_weight=weights, key=key)
    loss, gradients = by_jax(network, x, y, "squared_error", weights / weights.sum(), key)
    assert found.loss == pytest.approx(float(loss), rel=1e-12)
    same(found.gradients, gradients)
    assert [layer.name for layer in found.layers] == [f"layers.{at}" for at in range(len(STACKS[name]))]


def test_no_layer_is_left_out():
    assert {layer.kind for layers in STACKS.values() for layer in layers} == set(LAYERS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name):
    network, x, y = drawn([Dense(6, name), Dense(3, name)]), rows(), answers("squared_error")
    same(trace(network, x, y).gradients, by_jax(network, x, y, "squared_error", np.full(7, 1 / 7), None)[1])


CHOICES = [*LOSSES, Choice("huber", delta=0.5)] + [
    Choice(name, label_smoothing=0.2) for name in ("binary_cross_entropy", "softmax_cross_entropy")
]


@pytest.mark.parametrize("loss", CHOICES, ids=str)
def test_every_loss(loss):
    network, x, y = drawn([Dense(6, "tanh"), Dense(3)]), rows(), answers(Choice.of(loss).name)
    loss_found, gradients = by_jax(network, x, y, loss, np.full(7, 1 / 7), None)
    found = trace(network, x, y, loss)
    assert found.loss == pytest.approx(float(loss_found), rel=1e-12)
    same(found.gradients, gradients)


def test_errors_go_back_from_layer_to_layer():
    network, x, y = drawn(STACKS["dense"]), rows(), answers("squared_error")
    found = trace(network, x, y)
    np.testing.assert_allclose(found.layers[1].errors, 2 * (network(x) - y) / 3 / 7, rtol=1e-12)
    np.testing.assert_allclose(
        found.layers[0].errors, found.layers[1].signals @ network.weights["layers.1.weight"].T, rtol=1e-12
    )
    np.testing.assert_allclose(np.tanh(found.layers[0].sums), found.layers[0].outputs, rtol=1e-12)
    np.testing.assert_array_equal(found.layers[1].inputs, found.layers[0].outputs)


@pytest.mark.parametrize(
    ("stack", "name", "index"),
    [("dense", "layers.0.weight", (2, 4)), ("dense", "layers.1.bias", (1,)), ("ntk", "layers.0.weight", (3, 0))],
)
def test_a_gradient_is_a_sum_of_products(stack, name, index):
    network, x, y = drawn(STACKS[stack]), rows(), answers("squared_error")
    found = trace(network, x, y).product(name, index)
    assert found.gradient == pytest.approx(found.factor * (found.activations * found.signals).sum(), rel=1e-12)
    assert found.factor == pytest.approx(0.5 if stack == "ntk" else 1.0, rel=1e-9)
    gradients = by_jax(network, x, y, "squared_error", np.full(7, 1 / 7), None)[1]
    assert found.gradient == pytest.approx(float(gradients[name][index]), rel=1e-12)


@pytest.mark.parametrize(("parametrization", "factor"), [("ntk", 0.5), ("standard", 1.0)])
def test_a_factor_is_the_layers_own(parametrization, factor):
    network = Network.create(4, [Dense(2, parametrization=parametrization)])
    products = trace(network, [[0.0, 1.1, 2.3, 3.7], [0.0, 0.3, 0.7, 0.9]], np.ones((2, 2)))
    assert products.product("layers.0.weight", (0, 1)).factor == factor  # an input of 0 does not hide it
    assert products.product("layers.0.weight", (1, 1)).factor == factor  # nor do single floats round it
    assert products.product("layers.0.bias", (1,)).factor == 1


def test_the_neuron_that_everyone_knows():
    network = Network.create(2, [Dense(1)], dtype="float64")
    network = network.with_weights({"layers.0.weight": [[0.7], [0.3]], "layers.0.bias": [1.0]})
    found = trace(network, [[5.0, 2.0]], [4.1])
    assert found.layers[0].outputs[0, 0] == pytest.approx(5.1, rel=1e-15)
    assert found.loss == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(found.gradients["layers.0.weight"], [[10.0], [4.0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": np.ones((7, 3))}, ShapeError, "expected rows of 4 values"),
        ({"targets": np.ones((7, 2))}, ArgumentError, r"shape \(7, 3\).*Got \(7, 2\)"),
        ({"loss": "softmax_cross_entropy"}, ArgumentError, r"shape \(7,\)"),
        ({"loss": "cubed"}, ArgumentError, "cubed"),
        ({"sample_weight": np.zeros(7)}, ArgumentError, "sum is above 0"),
        ({"sample_weight": np.ones(6)}, ArgumentError, "7 numbers"),
    ],
)
def test_what_does_not_fit(change, error, words):
    asked = {"x": rows(), "targets": answers("squared_error"), **change}
    with pytest.raises(error, match=words):
        trace(drawn(STACKS["dense"]), asked.pop("x"), asked.pop("targets"), **asked)


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        ("layers.9.weight", (0, 0), "layers.9.weight"),
        ("layers.0.weight", (0,), r"shape \[4, 5\]: expected an index from \[0, 0\] to \[3, 4\]\. Got \[0\]"),
        ("layers.0.weight", (4, 0), r"Got \[4, 0\]"),
    ],
)
def test_weights_that_are_not_there(name, index, words):
    found = trace(drawn(STACKS["dense"]), rows(), answers("squared_error"))
    with pytest.raises(ArgumentError, match=words):
        found.product(name, index)


def test_products_are_of_dense_layers():
    found = trace(drawn(STACKS["scale"]), rows(), answers("squared_error"))
    with pytest.raises(ArgumentError, match="kind scale"):
        found.product("layers.0.scale", (1,))
