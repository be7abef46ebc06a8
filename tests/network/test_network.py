import copy
import json
import pickle

import numpy as np
import pytest

from pondera.errors import ArgumentError, ModelFileError, ShapeError
from pondera.network.architecture import Architecture, multilayer
from pondera.network.dense import Dense
from pondera.network.dropout import Dropout
from pondera.network.embedding import Embedding
from pondera.network.network import ARCHITECTURE_KEY, Network
from pondera.network.normalization import LayerNorm
from pondera.network.residual import Residual
from pondera.network.scale import Scale
from pondera.weights.safetensors import read, write


@pytest.fixture
def network():
    return Network.create(3, [Dense(4, "tanh"), Dense(2)], seed=1)


def test_weights_are_named_by_path(network):
    assert {name: array.shape for name, array in network.weights.items()} == {
        "layers.0.weight": (3, 4),
        "layers.0.bias": (4,),
        "layers.1.weight": (4, 2),
        "layers.1.bias": (2,),
    }
    assert network.size == 12 + 4 + 8 + 2
    assert "3-4-2" in repr(network)
    assert "26 weights, float32" in repr(network)


def test_output_is_what_numpy_computes(network):
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    hidden = np.tanh(x @ network.weights["layers.0.weight"] + network.weights["layers.0.bias"])
    expected = hidden @ network.weights["layers.1.weight"] + network.weights["layers.1.bias"]
    np.testing.assert_allclose(network(x), expected, rtol=1e-5, atol=1e-6)


def test_some_weights_replaced(network):
    changed = network.with_weights({"layers.0.bias": [1, 2, 3, 4]})
    assert changed.weights["layers.0.bias"].tolist() == [1, 2, 3, 4]
    assert not network.weights["layers.0.bias"].any()
    for name in set(network.weights) - {"layers.0.bias"}:
        np.testing.assert_array_equal(changed.weights[name], network.weights[name])
    assert list(changed.weights) == list(network.weights)


def test_replaced_weights_keep_the_precision(network):
    assert network.with_weights({"layers.0.bias": np.full(4, 0.1)}).dtype == "float32"
    wide = Network.create(3, [Dense(4)], dtype="float64")
    assert wide.with_weights({"layers.0.bias": np.full(4, 0.1, np.float32)}).dtype == "float64"


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ({"layers.0.wieght": np.zeros((3, 4))}, ShapeError, r"'layers.0.wieght'. Did you mean 'layers.0.weight'\?"),
        ({"layers.0.weight": np.zeros((4, 3))}, ShapeError, r"layers\.0\.weight: .* \(3, 4\), found \(4, 3\)"),
        ({"layers.0.bias": 1.0}, ShapeError, r"layers\.0\.bias: expected the shape \(4,\), found \(\)"),
        ({"layers.0.bias": ["a", "b", "c", "d"]}, ArgumentError, r"layers\.0\.bias: expected an array of numbers"),
        ({"layers.0.weight": [[1.0], [2.0, 3.0]]}, ArgumentError, r"layers\.0\.weight: expected an array of numbers"),
    ],
)
def test_weights_that_do_not_fit(network, weights, error, words):
    with pytest.raises(error, match=words):
        network.with_weights(weights)
    with pytest.raises(error, match=words):
        Network(network.architecture, {**network.weights, **weights})


def test_a_missing_weight_is_named(network):
    weights = dict(network.weights)
    del weights["layers.1.bias"]
    with pytest.raises(ShapeError, match=r"The weight 'layers.1.bias' of shape \(2,\) is missing"):
        Network(network.architecture, weights)


def read_only(network):
    return not any(array.flags.writeable for array in network.weights.values())


def test_weights_cannot_be_changed_in_place(network):
    with pytest.raises(ValueError, match=r"read-only"):
        network.weights["layers.0.bias"][0] = 1
    with pytest.raises(TypeError):
        network.weights["layers.0.bias"] = np.zeros(4)
    with pytest.raises(AttributeError):
        network.weights = {}


def test_arrays_that_came_in_are_copied(network):
    mine = {name: np.array(array) for name, array in network.weights.items()}
    made = Network(network.architecture, mine)
    for array in mine.values():
        array += 1
    np.testing.assert_array_equal(made.weights["layers.0.weight"], network.weights["layers.0.weight"])


@pytest.mark.parametrize("again", [lambda n: pickle.loads(pickle.dumps(n)), copy.copy, copy.deepcopy])
def test_copies_are_the_same_network_and_as_read_only(network, again):
    twin = again(network)
    assert twin.architecture == network.architecture
    assert read_only(twin)
    x = np.ones((2, 3))
    np.testing.assert_array_equal(twin(x), network(x))


def test_precision():
    x = np.random.default_rng(0).normal(size=(5, 3))
    wide, narrow = (Network.create(3, [Dense(8, "mish"), Dense(1)], dtype=dtype) for dtype in ("float64", "float32"))
    assert wide(x).dtype == wide.dtype == "float64"
    assert narrow(x).dtype == narrow.dtype == "float32"
    assert 1e-9 < np.abs(wide(x) - narrow(x)).max() < 1e-5


def test_no_rows(network):
    out = network(np.zeros((0, 3)))
    assert out.shape == (0, 2)
    assert out.dtype == np.float32


def test_no_layers():
    network = Network.create(2, [])
    assert network([[1, 2]]).tolist() == [[1, 2]]
    assert network.size == 0
    with pytest.raises(ShapeError, match=r"the network: expected rows of 2 values"):
        network([[1]])


@pytest.mark.parametrize("x", [np.zeros((2, 4)), np.zeros(3), np.zeros((1, 2, 3)), 5.0])
def test_rows_of_another_width_name_the_first_layer(network, x):
    with pytest.raises(ShapeError, match=r"layers\.0 \(dense\): expected rows of 3 values.*found the shape"):
        network(x)


@pytest.mark.parametrize("x", [[["a", "b", "c"]], [[1, 2], [3]], [[None, {}, 1]]])
def test_rows_that_are_no_numbers(network, x):
    with pytest.raises(ArgumentError, match=r"Expected rows of numbers"):
        network(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "layers",
    [
        [Dense(64, "selu"), Dense(33, "mish"), Dense(3)],
        [Scale(), Dense(257, "gelu", parametrization="ntk"), LayerNorm(), Dropout(0.5), Dense(1)],
        [Embedding((0,), (3,)), Residual((Dense(16, "silu"), Dense(27)))],
    ],
    ids=["dense", "normalized", "embedded"],
)
def test_what_a_row_gives_does_not_depend_on_its_company(layers, dtype):
    network = Network.create(20, layers, dtype=dtype)
    random = np.random.default_rng(0)
    x = random.normal(size=(700, 20)).astype(dtype)
    together = network(x)
    for count in (1, 2, 7, 255, 256, 257, 699):
        picked = random.choice(700, count, replace=False)
        np.testing.assert_array_equal(network(x[picked]), together[picked])
    np.testing.assert_array_equal(network(np.asfortranarray(x)), together)
    np.testing.assert_array_equal(network(x.repeat(2, axis=0)[::2]), together)


def test_a_hundred_layers(tmp_path):
    network = Network.create(8, [Dense(8, "relu") for _ in range(100)], seed=2)
    assert network.architecture.widths == [8] * 101
    write(tmp_path / "deep.safetensors", network.weights, {})
    again = Network(network.architecture, read(tmp_path / "deep.safetensors")[0])
    x = np.random.default_rng(0).normal(size=(3, 8))
    np.testing.assert_array_equal(again(x), network(x))
    assert np.isfinite(again(x)).all()


def test_connections_by_layer(network):
    connections = Network.create(3, [Scale(), Dense(2), LayerNorm()]).connections()
    assert list(connections) == ["layers.0", "layers.1", "layers.2"]
    assert connections["layers.1"].shape == (3, 2)
    assert connections["layers.2"] is None
    np.testing.assert_array_equal(network.connections()["layers.0"], network.weights["layers.0.weight"])


def test_first_connections_multiply_what_comes_before():
    network = Network.create(2, [Scale(), Dropout(0.5), Dense(2, "relu", parametrization="ntk"), Dense(1)])
    network = network.with_weights({"layers.0.scale": [2, 3], "layers.2.weight": [[1, 10], [100, 1000]]})
    np.testing.assert_allclose(network.first_connections() * np.sqrt(2), [[2, 20], [300, 3000]], rtol=1e-6)
    assert Network.create(2, [LayerNorm(), Dense(1)]).first_connections() is None
    assert Network.create(2, [Scale()]).first_connections() is None


def test_an_architecture_is_a_value():
    one, other = (Architecture(4, [Dense(3, "relu"), Dense(1)]) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one == multilayer(4, [3], 1)
    assert one != multilayer(4, [3], 1, "tanh")
    assert pickle.loads(pickle.dumps(one)) == one


def test_numbers_of_numpy_become_plain():
    five = np.int64(5)
    layers = [Embedding([np.int32(0)], (five,), size=five), Dropout(np.float64(0.5)), LayerNorm(np.float32(0.25))]
    network = Network.create(five, [*layers, Dense(five)])
    plain = [Embedding((0,), (5,), size=5), Dropout(0.5), LayerNorm(0.25), Dense(5)]
    assert network.architecture == Architecture(5, plain)
    assert json.loads(json.dumps(network.architecture.to_json())) == Architecture(5, plain).to_json()
    for units in (True, 1.0, np.float64(5), np.ones(2)):
        with pytest.raises(ArgumentError, match=r"a whole number of units"):
            Dense(units)


@pytest.mark.parametrize("parts", [({}, {}), (None, {}), (multilayer(1, [], 1), [1])])
def test_what_makes_no_network(parts):
    with pytest.raises(ArgumentError, match=r"made of an Architecture and a dictionary of its weights"):
        Network(*parts)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "layers",
    [
        [],
        [Scale(), Residual((LayerNorm(), Dense(4, "elu"))), Dropout(0.1), Dense(2, bias=None)],
        [Embedding((1,), (3,)), Dense(1)],
        [Dense(4, "relu") for _ in range(100)],
    ],
    ids=["none", "mixed", "embedded", "deep"],
)
def test_save_and_load(layers, dtype, tmp_path):
    network = Network.create(4, layers, seed=3, dtype=dtype)
    network.save(tmp_path / "a.safetensors")
    again = Network.load(tmp_path / "a.safetensors")
    assert again.architecture == network.architecture
    assert list(again.weights) == list(network.weights)
    for name, value in network.weights.items():
        assert again.weights[name].dtype == value.dtype == dtype
        assert again.weights[name].tobytes() == value.tobytes()


GOOD = json.dumps(multilayer(2, [], 1).to_json())
WEIGHTS = {"layers.0.weight": np.zeros((2, 1), np.float32), "layers.0.bias": np.zeros(1, np.float32)}


@pytest.mark.parametrize(
    ("weights", "texts", "words"),
    [
        (WEIGHTS, {}, "a safetensors file of 2 tensors without an architecture"),
        *((WEIGHTS, {ARCHITECTURE_KEY: text}, "cannot be used") for text in ("", "null", "5", "[" * 9999, "{}", "NaN")),
        ({}, {ARCHITECTURE_KEY: GOOD}, "is missing"),
        ({**WEIGHTS, "other": np.zeros(1)}, {ARCHITECTURE_KEY: GOOD}, "'other'"),
        ({**WEIGHTS, "layers.0.bias": np.zeros(2)}, {ARCHITECTURE_KEY: GOOD}, "expected the shape"),
        ({**WEIGHTS, "layers.0.bias": np.zeros(1, int)}, {ARCHITECTURE_KEY: GOOD}, "types float32, int64"),
    ],
)
def test_files_of_no_network(weights, texts, words, tmp_path):
    path = tmp_path / "a.safetensors"
    write(path, weights, texts)
    with pytest.raises(ModelFileError, match=words) as error:
        Network.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_places_of_no_network(tmp_path, network):
    (tmp_path / "a").write_bytes(b"other")
    for path in (tmp_path, tmp_path / "a", tmp_path / "nowhere"):
        with pytest.raises(ModelFileError):
            Network.load(path)
    with pytest.raises(ModelFileError):
        network.save(tmp_path / "nowhere" / "a")
