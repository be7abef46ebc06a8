"""One unit: its connections, and the error without it."""

import dataclasses

import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.explaining.connections import unit_ablation
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject
from pondera.explaining.unit import unit_on
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.scale import Scale


@pytest.fixture
def network():
    return Network.create(3, [Dense(4, "tanh"), Dense(2)], seed=1, dtype="float64")


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    return random.normal(size=(50, 3)), random.integers(0, 2, 50)


@pytest.mark.parametrize("unit", range(4))
def test_the_error_without_a_unit_is_what_it_is_where_the_unit_gives_nothing(network, rows, unit):
    x, answers = rows
    found = unit_on(network, "layers.0", unit, x, answers, "softmax_cross_entropy")
    np.testing.assert_array_equal(found.incoming, network.weights["layers.0.weight"][:, unit])
    np.testing.assert_array_equal(found.outgoing, network.weights["layers.1.weight"][unit])
    hidden = np.tanh(x @ network.weights["layers.0.weight"] + network.weights["layers.0.bias"])

    def loss(hidden):
        scores = hidden @ network.weights["layers.1.weight"] + network.weights["layers.1.bias"]
        return np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(50), answers])

    without = hidden.copy()
    without[:, unit] = 0
    assert found.ablation == pytest.approx(loss(without) - loss(hidden), abs=1e-12)


def test_it_is_the_unit_ablation_of_connections(network, rows):
    x, answers = rows
    question = Question.of_arrays(Subject.of_network(network), x, answers)
    question = dataclasses.replace(question, loss="softmax_cross_entropy")
    every = unit_ablation(question, network, 0)
    alone = [unit_on(network, "layers.0", unit, x, answers, "softmax_cross_entropy").ablation for unit in range(4)]
    np.testing.assert_allclose(alone, every, atol=1e-12)


def test_an_input_has_no_bias_and_an_output_no_ablation(network, rows):
    x, answers = rows
    first = unit_on(network, "inputs", 2, x, answers, "softmax_cross_entropy")
    assert (first.bias, first.into, first.out) == (None, None, "layers.0.weight")
    assert len(first.incoming) == 0
    assert first.ablation is not None
    last = unit_on(network, "layers.1", 1, x, answers, "softmax_cross_entropy")
    assert (last.ablation, last.out) == (None, None)
    assert last.to_json()["incoming"][0]["name"].startswith("layers.1.weight[")


def test_layers_that_have_no_units_of_their_own_are_passed_over():
    network = Network.create(2, [Scale(), Dense(3), Dense(1)])
    assert unit_on(network, "layers.1", 0).out == "layers.2.weight"
    with pytest.raises(ArgumentError, match="inputs"):
        unit_on(network, "layers.0", 0)


@pytest.mark.parametrize(("layer", "unit"), [("layers.0", 4), ("layers.0", -1), ("nothing", 0), ("inputs", 3)])
def test_units_that_are_not_there(network, layer, unit):
    with pytest.raises(ArgumentError):
        unit_on(network, layer, unit)
