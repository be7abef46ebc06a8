import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.explaining.connection_methods import CONNECTION_METHODS
from pondera.explaining.connections import CANDIDATES, connections_of, unit_ablation
from pondera.explaining.ranks import rank_correlation
from pondera.explaining.subject import Subject
from pondera.explaining.weight import _derivatives, _errors, weight_of, weight_on
from pondera.network.dense import Dense
from pondera.network.network import Network

RANDOM = np.random.default_rng(0)


@pytest.fixture
def question(ask, bent, rows):
    answers = RANDOM.normal(size=len(rows))
    return dataclasses.replace(ask(bent, rows, answers), loss="squared_error")


def error(network, question, weights=None):
    outputs = np.asarray(network.with_weights(weights or {})(question.x))[:, 0]
    return np.square(outputs - question.answers)


def test_ablation_of_a_weight_is_exact(question, bent):
    found = weight_of(question, "layers.2.weight", (3, 1))
    gone = np.array(bent.weights["layers.2.weight"])
    gone[3, 1] = 0
    expected = error(bent, question, {"layers.2.weight": gone}).mean() - error(bent, question).mean()
    assert found.ablation == pytest.approx(expected, rel=1e-10)


def test_a_second_weight_of_an_array_compiles_nothing(question):
    for index in ((0, 0), (1, 1)):
        before = _errors._cache_size(), _derivatives._cache_size()
        weight_of(question, "layers.2.weight", index)
    assert (_errors._cache_size(), _derivatives._cache_size()) == before


def test_a_small_change_of_a_large_error_is_exact_in_single_precision(bent):
    """The difference of two means of 32 bits would be of their last digits."""
    random = np.random.default_rng(0)
    x, answers = random.normal(size=(4000, bent.architecture.inputs)), random.normal(size=4000) + 30
    name, index = "layers.1.weight", (0, 1)
    weights = {key: np.array(value) for key, value in bent.weights.items()}
    weights[name][index] = 1e-4
    without = {**weights, name: weights[name].copy()}
    without[name][index] = 0
    with jax.enable_x64(True):
        loss = [np.mean((np.asarray(bent.architecture(each, x))[:, 0] - answers) ** 2) for each in (weights, without)]
    single = Network(bent.architecture, {key: value.astype(np.float32) for key, value in weights.items()})
    found = weight_on(single, x.astype(np.float32), answers.astype(np.float32), "squared_error", name, index)
    assert found.ablation == pytest.approx(loss[1] - loss[0], rel=0.2)


def test_pushes_are_the_gradients_of_single_rows(question, bent):
    found = weight_of(question, "layers.1.weight", (0, 2))
    with jax.enable_x64(True):
        for row in (0, 5, 17):

            def loss(matrix, row=row):
                outputs = bent.architecture({**bent.weights, "layers.1.weight": matrix}, question.x[row : row + 1])
                return jnp.sum((outputs[:, 0] - question.answers[row]) ** 2)

            slope = jax.grad(loss)(jnp.asarray(bent.weights["layers.1.weight"]))
            assert found.pushes[row] == pytest.approx(float(slope[0, 2]), rel=1e-10)
    assert found.gradient == pytest.approx(found.pushes.mean(), rel=1e-12)


def test_the_last_weight_is_a_parabola(question, bent):
    found = weight_of(question, "layers.3.weight", (2, 0))
    assert found.second_order == pytest.approx(found.ablation, rel=1e-8)  # the error is quadratic in it
    middle = len(found.values) // 2
    assert found.values[middle] == pytest.approx(found.value)
    assert found.values[0] == pytest.approx(0)
    assert found.errors[middle] == pytest.approx(error(bent, question).mean())
    up, down = found.strongest()
    assert (found.pushes[up] < 0).all()
    assert (found.pushes[down] > 0).all()


def test_units_are_ablated_exactly(question, bent):
    found = unit_ablation(question, bent, 1)
    assert found.shape == (8,)
    outgoing = np.array(bent.weights["layers.2.weight"])
    outgoing[4] = 0
    expected = error(bent, question, {"layers.2.weight": outgoing}).mean() - error(bent, question).mean()
    assert found[4] == pytest.approx(expected, rel=1e-10)


PATHS = ["layers.1.weight", "layers.2.weight", "layers.3.weight"]


@pytest.mark.parametrize("name", CONNECTION_METHODS)
def test_a_method_says_what_it_is_and_gives_one_value_a_connection(name, question, bent):
    method = CONNECTION_METHODS[name]
    assert method.name == name
    assert method.source
    assert method.caveat.endswith(".")
    places = np.array([[3, 1], [0, 2]])
    found = method.measure(question, bent, "layers.2.weight", places)
    np.testing.assert_allclose(method.measure(question, bent, "layers.2.weight", places[::-1]), found[::-1])
    assert found.shape == (2,)


@pytest.mark.parametrize("name", ["first_order", "second_order", "ablation"])
def test_all_connections_are_each_as_it_is_alone(name, question, bent):
    found = CONNECTION_METHODS[name].measure(question, bent, "layers.1.weight", np.array([[0, 2], [3, 1]]))
    for place, value in zip([(0, 2), (3, 1)], found, strict=True):
        assert value == pytest.approx(getattr(weight_of(question, "layers.1.weight", place), name), rel=1e-9)


def test_activation_scaled_weights(question, bent, rows):
    places = np.indices((4, 8)).reshape(2, -1).T
    found = CONNECTION_METHODS["activation_scaled"].measure(question, bent, "layers.1.weight", places)
    norms = np.sqrt(((rows * bent.weights["layers.0.scale"]) ** 2).sum(axis=0))
    np.testing.assert_allclose(found.reshape(4, 8), np.abs(bent.weights["layers.1.weight"]) * norms[:, None])


def test_connections_are_ordered_by_what_the_error_does(question, bent):
    found = connections_of(question, names=["a", "b", "c", "d"])
    assert found.drawn.all()
    assert found.count == len(found.places) == 4 * 8 + 8 * 6 + 6
    assert {path for path, _, _ in found.places} == set(PATHS)
    assert (np.diff(np.abs(found.measured["ablation"])) <= 0).all()
    assert found.error == pytest.approx(error(bent, question).mean())
    path, source, unit = found.places[0]
    assert found.values[0] == bent.weights[path][source, unit]
    assert {name for (path, _, _), name in zip(found.places, found.sources, strict=True) if path == PATHS[0]} == set(
        "abcd"
    )
    assert list(found.units) == ["layers.1", "layers.2"]
    np.testing.assert_allclose(found.units["layers.1"], unit_ablation(question, bent, 1))
    content = found.to_json()
    assert set(CONNECTION_METHODS) <= set(content["connections"][0])
    layers = [[k for k, place in enumerate(found.places) if place[0] == path] for path in PATHS]
    estimates, exact = np.abs(found.measured["second_order"]), np.abs(found.measured["ablation"])
    expected = sum(len(layer) * rank_correlation(estimates[layer], exact[layer]) for layer in layers) / found.count
    by_name = {each["name"]: each["agrees_with_ablation"] for each in content["methods"]}
    assert by_name["second_order"] == pytest.approx(expected)
    assert by_name["ablation"] is None


def test_of_a_large_network_the_likeliest_are_taken_away(ask):
    x = RANDOM.normal(size=(50, 3)).astype(np.float32)
    network = Network.create(3, [Dense(64, "relu"), Dense(64, "relu"), Dense(1)], seed=1)
    question = dataclasses.replace(ask([network, network], x, RANDOM.normal(size=50)), loss="squared_error")
    found = connections_of(question, network=1)
    assert found.count == 3 * 64 + 64 * 64 + 64
    assert 3 * 64 + CANDIDATES + 64 <= len(found.places) <= 3 * 64 + 3 * CANDIDATES + 64
    assert found.drawn.sum() == 3 * 64 + CANDIDATES + 64  # methods are compared on these
    assert (found.network, found.networks) == (1, 2)


def test_without_answers_connections_are_strong_only(question):
    found = connections_of(dataclasses.replace(question, answers=None))
    assert list(found.measured) == ["size", "activation_scaled"]
    assert (np.diff(found.measured["activation_scaled"]) <= 0).all()
    assert found.to_json()["error"] is None
    assert found.units == {}


def test_what_is_not_there_is_said(question, bent):
    with pytest.raises(ArgumentError, match=r"layers\.9\.weight"):
        weight_of(question, "layers.9.weight", (0,))
    with pytest.raises(ArgumentError, match=r"shape \[4, 8\]: expected an index from \[0, 0\] to \[3, 7\]"):
        weight_of(question, "layers.1.weight", (4, 0))
    with pytest.raises(ArgumentError, match="choose another layer"):
        unit_ablation(question, bent, 3)
    with pytest.raises(ArgumentError, match="right answers"):
        weight_of(dataclasses.replace(question, answers=None), "layers.1.weight", (0, 0))
    with pytest.raises(ArgumentError, match=r"1 network, numbered from 0 to 0\. Got network 1"):
        connections_of(question, network=1)
    with pytest.raises(ArgumentError, match="no weights that could be looked at"):
        connections_of(dataclasses.replace(question, subjects=(Subject(lambda x: x),)))
