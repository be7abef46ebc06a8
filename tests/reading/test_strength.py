import json

import numpy as np
import pytest

from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.normalization import LayerNorm
from pondera.network.scale import Scale
from pondera.reading.statistics import Statistics
from pondera.reading.strength import strengths, strongest_finding


def test_strength_is_the_norm_of_an_inputs_weights():
    matrix = np.array([[3.0, 4.0], [0.0, -6.0], [0.0, 0.0]])
    found = strengths([matrix], ["a", "b", "c"])
    assert [(each.name, each.strength, each.largest, each.unit) for each in found] == [
        ("b", 6.0, -6.0, 1),
        ("a", 5.0, 4.0, 1),
        ("c", 0.0, 0.0, 0),
    ]
    assert all(each.spread is None for each in found)


def test_several_networks_give_mean_and_spread():
    found = strengths([np.array([[1.0]]), np.array([[3.0]])], ["a"])
    assert found[0].strength == 2.0
    assert found[0].spread == pytest.approx(np.sqrt(2))


def test_scaling_layers_are_multiplied_in():
    network = Network.create(3, [Scale(), Scale(), Dense(2, parametrization="ntk"), Dense(1)])
    matrix = np.arange(6.0).reshape(3, 2)
    network = network.with_weights(
        {"layers.0.scale": [1, 2, -1], "layers.1.scale": [1, 10, 1], "layers.2.weight": matrix}
    )
    expected = matrix * np.array([[1], [20], [-1]]) / np.sqrt(3)
    np.testing.assert_allclose(network.first_connections(), expected, rtol=1e-6)


def test_first_connections_are_what_inputs_are_multiplied_by():
    network = Network.create(3, [Scale(), Dense(4, parametrization="ntk", bias=None)], seed=1)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(x @ network.first_connections(), network(x), rtol=1e-5)


def test_nothing_is_claimed_behind_a_normalization():
    assert Network.create(3, [LayerNorm(), Dense(2)]).first_connections() is None
    assert Network.create(3, [Scale()]).first_connections() is None


def test_the_finding_speaks_of_connections_only():
    finding = strongest_finding(strengths([np.array([[1.0], [2.0]])], ["a", "b"]))
    assert finding.statement == "The first layer is connected most strongly to b and a."
    assert "importan" not in finding.statement
    assert "not importance" in finding.certainty
    json.dumps(finding.to_json(), allow_nan=False)


def test_statistics_are_numpys():
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    found = Statistics.of(values)
    assert found.count == 35
    assert found.minimum == values.min()
    assert found.maximum == values.max()
    assert found.mean == pytest.approx(values.astype(np.float64).mean(), rel=1e-12)
    assert found.deviation == pytest.approx(values.astype(np.float64).std(), rel=1e-12)
