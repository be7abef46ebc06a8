import contextlib
import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.choice import Choice
from pondera.errors import ArgumentError, PonderaError, ShapeError
from pondera.network.activations import ACTIVATIONS
from pondera.network.architecture import Architecture, multilayer
from pondera.network.dense import Dense
from pondera.network.dropout import Dropout
from pondera.network.embedding import Embedding
from pondera.network.layers import LAYERS, layer_from_json
from pondera.network.network import Network
from pondera.network.neuron import Neuron
from pondera.network.normalization import LayerNorm
from pondera.network.residual import Residual
from pondera.network.scale import Scale
from pondera.weights.safetensors import read, write

# kind -> layers, how many values enter each and leave it, and the shapes of its weights
EXAMPLES = {
    "dense": [
        (Dense(3, "tanh"), 5, 3, {"weight": (5, 3), "bias": (3,)}),
        (Dense(2, "gelu", bias=None), 4, 2, {"weight": (4, 2)}),
        (
            Dense(4, Choice("elu", alpha=0.5), weight=Choice("normal", std=1.0), bias="normal", parametrization="ntk"),
            3,
            4,
            {"weight": (3, 4), "bias": (4,)},
        ),
    ],
    "scale": [(Scale(), 4, 4, {"scale": (4,)})],
    "layer_norm": [
        (LayerNorm(), 5, 5, {"gain": (5,), "bias": (5,)}),
        (LayerNorm(epsilon=0.1), 2, 2, {"gain": (2,), "bias": (2,)}),
    ],
    "dropout": [(Dropout(0.4), 6, 6, {}), (Dropout(0.0), 3, 3, {})],
    "residual": [
        (
            Residual((Dense(4, "silu"), Residual((Scale(), Dropout(0.2))), Dense(5, bias=None))),
            5,
            5,
            {
                "layers.0.weight": (5, 4),
                "layers.0.bias": (4,),
                "layers.1.layers.0.scale": (4,),
                "layers.2.weight": (4, 5),
            },
        ),
        (Residual(()), 2, 2, {}),
    ],
    "embedding": [
        (Embedding((1, 3), (3, 4), size=2), 5, 7, {"table.1": (3, 2), "table.3": (4, 2)}),
        (Embedding((0,), (3,), table=Choice("uniform", limit=2.0)), 1, 8, {"table.0": (3, 8)}),
        (Embedding((), ()), 2, 2, {}),
    ],
}
ALL = [pytest.param(*example, id=f"{kind}-{i}") for kind, group in EXAMPLES.items() for i, example in enumerate(group)]


def test_every_layer_has_examples():
    assert list(EXAMPLES) == list(LAYERS)
    for kind, group in EXAMPLES.items():
        assert {type(layer) for layer, *_ in group} == {LAYERS[kind]}


def case(layer, inputs, rows=4, seed=0, dtype=np.float64):
    """Give weights that are neither zero nor one, and rows; codes lie halfway between two jumps."""
    random = np.random.default_rng(seed)
    weights = {
        name: random.uniform(0.3, 1.2, spec.shape).astype(dtype) * random.choice([-1, 1], spec.shape).astype(dtype)
        for name, spec in layer.weights(inputs).items()
    }
    x = random.normal(size=(rows, inputs)).astype(dtype)
    if isinstance(layer, Embedding):
        for column, count in zip(layer.columns, layer.categories, strict=True):
            x[:, column] = random.integers(-1, count + 1, rows) + 0.5
    return weights, x


@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_shapes_and_names(layer, inputs, outputs, shapes):
    assert layer.outputs(inputs) == outputs
    assert {name: spec.shape for name, spec in layer.weights(inputs).items()} == shapes
    weights, x = case(layer, inputs, dtype=np.float32)
    for lead in [(), (4,), (2, 2), (0,)]:
        rows = np.broadcast_to(x[0], (*lead, inputs))
        out = layer.apply(weights, rows)
        assert out.shape == (*lead, outputs)
        assert out.dtype == np.float32
    architecture = Architecture(inputs, (layer,))
    assert architecture.shapes == {f"layers.0.{name}": shape for name, shape in shapes.items()}
    assert architecture.size == sum(int(np.prod(shape)) for shape in shapes.values())


@pytest.mark.parametrize("key", [None, 5], ids=["predicting", "training"])
@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_gradients(layer, inputs, outputs, shapes, key, x64, slopes):
    weights, x = case(layer, inputs)
    key = None if key is None else jax.random.PRNGKey(key)
    into_one = jnp.asarray(np.random.default_rng(1).normal(size=(len(x), outputs)))

    @jax.jit
    def total(weights, x):
        return jnp.sum(layer.apply(weights, x, key) * into_one)

    by_weights, by_inputs = jax.grad(total, argnums=(0, 1))(weights, x)
    assert by_inputs.dtype == np.float64
    np.testing.assert_allclose(by_inputs, slopes(lambda v: total(weights, v), x), rtol=1e-7, atol=1e-8)
    for name in shapes:
        measured = slopes(lambda v, name=name: total({**weights, name: v}, x), weights[name])
        np.testing.assert_allclose(by_weights[name], measured, rtol=1e-7, atol=1e-8, err_msg=name)


@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_json_round_trip(layer, inputs, outputs, shapes):
    text = json.dumps(layer.to_json())
    again = layer_from_json(json.loads(text))
    assert again == layer
    assert hash(again) == hash(layer)
    assert json.dumps(again.to_json()) == text
    architecture = Architecture(inputs, (layer, Scale()))
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_save_and_load(layer, inputs, outputs, shapes, dtype, tmp_path):
    network = Network.create(inputs, [layer], seed=3, dtype=dtype)
    write(tmp_path / "n.safetensors", network.weights, {"architecture": json.dumps(network.architecture.to_json())})
    weights, metadata = read(tmp_path / "n.safetensors")
    again = Network(Architecture.from_json(json.loads(metadata["architecture"])), weights)
    _, x = case(layer, inputs, dtype=dtype)
    np.testing.assert_array_equal(again(x), network(x))


@pytest.mark.parametrize("key", [None, 5], ids=["predicting", "training"])
@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_trace_ends_in_apply(layer, inputs, outputs, shapes, key):
    architecture = Architecture(inputs, (layer, Dense(3, "relu"), Dropout(0.5)))
    weights = architecture.initial(1)
    _, x = case(layer, inputs, dtype=np.float32)
    key = None if key is None else jax.random.PRNGKey(key)
    steps = list(architecture.trace(weights, x, key))
    assert [name for name, _ in steps] == ["layers.0", "layers.1", "layers.2"]
    assert [out.shape[-1] for _, out in steps] == architecture.widths[1:]
    np.testing.assert_array_equal(steps[-1][1], architecture.apply(weights, x, key))


@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_rows_never_see_each_other(layer, inputs, outputs, shapes, x64):
    weights, x = case(layer, inputs, rows=5)
    together = layer.apply(weights, x)
    np.testing.assert_allclose(together, [layer.apply(weights, row) for row in x], rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(together, jax.vmap(lambda row: layer.apply(weights, row))(x), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("layer", "inputs", "outputs", "shapes"), ALL)
def test_connections_are_what_inputs_are_multiplied_by(layer, inputs, outputs, shapes, x64):
    weights, x = case(layer, inputs)
    connections = layer.connections(weights, inputs)
    if connections is None:
        return
    linear = dataclasses.replace(layer, activation="identity") if isinstance(layer, Dense) else layer
    assert connections.shape in [(inputs, outputs), (inputs,)]
    product = x @ connections if connections.ndim == 2 else x * connections
    np.testing.assert_allclose(linear.apply(weights, x), product + weights.get("bias", 0), rtol=1e-13)


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_are_frozen_values(kind):
    for layer, *_ in EXAMPLES[kind]:
        assert layer.kind == kind
        for field in dataclasses.fields(layer):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(layer, field.name, 1)


def test_a_dense_column_is_a_neuron(x64):
    random = np.random.default_rng(0)
    for name in ACTIVATIONS:
        layer = Dense(3, name)
        weights = {"weight": random.normal(size=(4, 3)), "bias": random.normal(size=3)}
        x = random.normal(size=(5, 4))
        out = layer.apply(weights, x)
        for j in range(3):
            neuron = Neuron(weights["weight"][:, j], weights["bias"][j], name)
            np.testing.assert_allclose(neuron(x), out[:, j], rtol=1e-12, atol=1e-14)


def test_dense_by_hand():
    layer = Dense(2, "relu")
    weights = {"weight": np.array([[1.0, -1.0], [2.0, 0.5]]), "bias": np.array([0.5, 0.0])}
    # unit 0: 3·1 + 1·2 + 0.5 = 5.5; unit 1: 3·(−1) + 1·0.5 = −2.5, cut to 0
    assert layer.apply(weights, np.array([3.0, 1.0])).tolist() == [5.5, 0.0]
    halved = dataclasses.replace(layer, parametrization="ntk")
    four = {"weight": np.ones((4, 2)), "bias": np.zeros(2)}
    assert halved.apply(four, np.ones(4)).tolist() == [2.0, 2.0]  # 4 / √4


def test_layer_norm_by_formula(x64):
    weights, x = case(LayerNorm(), 6, rows=3)
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(
        LayerNorm().apply(weights, x), normal * weights["gain"] + weights["bias"], rtol=1e-12, atol=1e-14
    )


def test_residual_adds_what_comes_in(x64):
    layer = Residual((Dense(3, "tanh"), Dense(2)))
    weights, x = case(layer, 2)
    inner = np.tanh(x @ weights["layers.0.weight"] + weights["layers.0.bias"])
    np.testing.assert_allclose(
        layer.apply(weights, x), x + inner @ weights["layers.1.weight"] + weights["layers.1.bias"], rtol=1e-13
    )


def test_dropout_is_off_outside_training():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(Dropout(0.9).apply({}, x), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate):
    x = np.full((1000, 200), 3.0, np.float32)
    out = np.asarray(Dropout(rate).apply({}, x, jax.random.PRNGKey(1)))
    kept = out != 0
    # five standard errors of 200,000 draws
    assert abs(kept.mean() - (1 - rate)) < 5 * (rate * (1 - rate) / x.size) ** 0.5
    np.testing.assert_allclose(out[kept], 3 / (1 - rate), rtol=1e-6)
    assert abs(out.mean() / 3 - 1) < 5 * (rate / (1 - rate) / x.size) ** 0.5


def test_dropout_layers_of_one_network_drop_different_values():
    architecture = Architecture(50, (Dropout(0.5), Residual((Dropout(0.5),)), Dropout(0.5)))
    x = np.ones((4, 50), np.float32)
    first, second, third = (
        np.asarray(out) for _, out in architecture.trace(architecture.initial(), x, jax.random.PRNGKey(0))
    )
    assert not np.array_equal(first == 0, second == first)
    assert not np.array_equal(first == 0, third == 0)
    again = architecture.apply(architecture.initial(), x, jax.random.PRNGKey(0))
    np.testing.assert_array_equal(again, third)


def test_embedding_looks_up_and_puts_vectors_last(x64):
    layer = Embedding((2, 0), (3, 2), size=2)
    tables = {"table.2": np.array([[1.0, 2], [3, 4], [5, 6]]), "table.0": np.array([[7.0, 8], [9, 10]])}
    out = layer.apply(tables, np.array([[1.0, -0.5, 2.0], [0.0, 4.0, 0.0]]))
    assert out.tolist() == [[-0.5, 5, 6, 9, 10], [4.0, 1, 2, 7, 8]]


@pytest.mark.parametrize("code", [-1, 3, 100, -(2**31), 1e30, -1e30, -0.5, np.nan, np.inf, -np.inf])
def test_codes_outside_the_table_give_the_zero_vector(code):
    layer = Embedding((0,), (3,), size=2)
    out = layer.apply({"table.0": np.ones((3, 2), np.float32)}, np.array([[code, 5.0]], np.float32))
    assert out.tolist() == [[5.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((Dense(2), Embedding((4,), (2,))), r"layers\.1: an embedding layer of columns \[4\] needs at least 5 inputs"),
        ((Scale(), Residual((Dense(2),))), r"layers\.1: a residual block must end as wide as it began; 3 values"),
        ((Residual((Scale(), Embedding((9,), (2,)))),), r"layers\.0: layers\.1: an embedding layer"),
    ],
)
def test_widths_that_do_not_fit_name_the_layer(layers, words):
    with pytest.raises(ShapeError, match=words):
        Architecture(3, layers)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dense(0),
        lambda: Dense(1.5),
        lambda: Dense(True),
        lambda: Dense("3"),
        lambda: Dense(2, "rleu"),
        lambda: Dense(2, Choice("leaky_relu", slope="steep")),
        lambda: Dense(2, Choice("leaky_relu", slope=[0.1])),
        lambda: Dense(2, weight="he"),
        lambda: Dense(2, bias=Choice("constant", val=1)),
        lambda: Dense(2, parametrization="mup"),
        lambda: Dense(2, parametrization=["ntk"]),
        lambda: Dropout(1.0),
        lambda: Dropout(-0.1),
        lambda: Dropout("half"),
        lambda: Dropout(float("nan")),
        lambda: LayerNorm(-1.0),
        lambda: LayerNorm("small"),
        lambda: LayerNorm(float("nan")),
        lambda: Residual(("dense",)),
        lambda: Residual(3),
        lambda: Embedding((0,), (2, 3)),
        lambda: Embedding((0, 0), (2, 3)),
        lambda: Embedding((0,), (0,)),
        lambda: Embedding((-1,), (3,)),
        lambda: Embedding((0.5,), (3,)),
        lambda: Embedding((0,), (3,), size=0),
        lambda: Embedding((0,), (3,), table="nrmal"),
        lambda: Embedding(0, (3,)),
        lambda: Architecture(0, ()),
        lambda: Architecture(True, ()),
        lambda: Architecture(2, ("dense",)),
        lambda: Architecture(2, 5),
        lambda: Architecture.from_json({"inputs": 2, "layers": 5}),
        lambda: Architecture.from_json({"inputs": 2}),
        lambda: Architecture.from_json([2]),
    ],
)
def test_values_that_a_layer_refuses(make):
    with pytest.raises(ArgumentError):
        make()


def test_unknown_kinds_and_fields_suggest_the_closest():
    with pytest.raises(ArgumentError, match=r"Unknown layer 'dens'. Did you mean 'dense'\?"):
        layer_from_json({"kind": "dens"})
    with pytest.raises(ArgumentError, match=r"Unknown field of the layer 'dense': 'unit'. Did you mean 'units'\?"):
        layer_from_json({"kind": "dense", "unit": 3})
    with pytest.raises(ArgumentError, match=r"cannot be made from .* missing 1 required positional argument: 'units'"):
        layer_from_json({"kind": "dense"})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["dense", "relu", "he_normal", "normal", "residual", "ntk"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "name", "units", "layers", "std", "rate", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
GOOD = [layer.to_json() for group in EXAMPLES.values() for layer, *_ in group]


def only_ours(value):
    """Whatever the value is, it is either an architecture that starts and runs, or refused by an error of ours."""
    try:
        architecture = Architecture.from_json({"inputs": 4, "layers": value})
        if architecture.size > 10_000 or sum(architecture.widths) > 10_000:
            return
        weights = architecture.initial(0)
    except PonderaError:
        return
    jax.eval_shape(architecture.apply, weights, np.zeros((2, 4), np.float32), jax.random.PRNGKey(0))
    assert json.loads(json.dumps(architecture.to_json())) == architecture.to_json()
    hash(architecture)


@given(VALUES)
def test_hostile_json(value):
    with pytest.raises(PonderaError):
        layer_from_json({"kind": value})
    only_ours(value)
    only_ours([value])
    only_ours([{"kind": "residual", "layers": value}])
    for field in (value, {"inputs": value, "layers": []}):
        with contextlib.suppress(PonderaError):
            Architecture.from_json(field)


@given(st.data())
def test_json_with_one_field_changed(data):
    good = data.draw(st.sampled_from([layer for layer in GOOD if len(layer) > 1]))
    name = data.draw(st.sampled_from([key for key in good if key != "kind"]))
    only_ours([{**good, name: data.draw(VALUES)}])


def test_json_nested_very_deeply():
    value = {"kind": "scale"}
    for _ in range(100_000):
        value = {"kind": "residual", "layers": [value]}
    with pytest.raises(ArgumentError, match=r"nested"):
        layer_from_json(value)
    while "layers" in value:  # taken apart by hand: Python's own way out would recurse too deep
        value = value["layers"].pop()


def test_multilayer():
    architecture = multilayer(4, [8, 6], 2, "tanh")
    assert architecture.widths == [4, 8, 6, 2]
    assert architecture.layers[0].activation == Choice("tanh")
    assert architecture.layers[2].activation == Choice("identity")
    assert architecture.outputs == 2
    assert architecture.size == 4 * 8 + 8 + 8 * 6 + 6 + 6 * 2 + 2


def test_strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        for group in EXAMPLES.values():
            for layer, inputs, *_ in group:
                weights, x = case(layer, inputs, dtype=np.float32)
                weights = jax.tree.map(jnp.asarray, weights)
                out = jax.eval_shape(layer.apply, weights, jnp.asarray(x), jax.random.PRNGKey(0))
                assert out.dtype == np.float32
