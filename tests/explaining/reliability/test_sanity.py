"""What random weights tell of a method, and what they cannot tell."""

import numpy as np
import pytest

from pondera.explaining import explain as module
from pondera.explaining.explain import explain
from pondera.explaining.method import Measured, Method
from pondera.explaining.methods import METHODS
from pondera.explaining.reliability.sanity import sanity
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network


def variance(question, subject, random):
    """A method that never looks at the network: how much each input varies."""
    return Measured(question.fold(question.x.var(axis=0)), np.zeros(len(question.inputs)))


BLIND = Method("variance", "variance", "importance", variance, "Blind.", "planted")
AS_HEADLINE = Method("permutation", "variance", "importance", variance, "Blind.", "planted")


@pytest.mark.parametrize("name", ["gradient_input", "integrated_gradients", "shapley"])
def test_where_all_networks_do_the_same_it_cannot_be_told(name, ask):
    """An input of a thousand times the scale has the whole score of nearly every network."""
    x = np.random.default_rng(0).normal(size=(400, 3)) * [1000, 1, 0.001]
    network = Network.create(3, [Dense(8, "relu"), Dense(1)], seed=1, dtype="float64")
    found = sanity(METHODS[name], ask(network, x), Subject.of_network(network))
    assert min(found.correlations) == 1.0
    assert found.sees_network is None


def test_equal_weights_shuffled_are_the_same_network(ask, linear_network):
    network = linear_network([1.0, 1.0, 1.0])
    x = np.random.default_rng(0).normal(size=(200, 3)) * [3, 2, 1]
    assert sanity(METHODS["linear"], ask(network, x), Subject.of_network(network)).sees_network is None


def test_a_method_that_does_not_look_has_no_say(ask, bent, rows, monkeypatch):
    question = ask([bent, bent], rows * np.array([1.0, 2.0, 3.0, 4.0]))
    monkeypatch.setattr(module, "METHODS", {**METHODS, "variance": BLIND})
    found = explain(question, ["variance", "permutation", "shapley"])
    assert found.results["variance"].sanity.sees_network is False
    assert found.agreement.methods == ("permutation", "shapley")


def test_a_ranking_that_does_not_look_at_the_network_is_not_reliable(ask, bent, rows, monkeypatch):
    question = ask([bent, bent], rows * np.array([1.0, 2.0, 3.0, 4.0]))
    monkeypatch.setattr(module, "METHODS", {**METHODS, "permutation": AS_HEADLINE})
    found = explain(question, ["permutation", "shapley"])
    assert found.evidence.blind
    assert found.reliability.verdict != "reliable"
