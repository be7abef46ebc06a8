"""What is asked of weights: whether they order columns as each method does, and what becomes of it when they change."""

import numpy as np

from pondera.explaining.explain import explain
from pondera.explaining.method import Measured, Method
from pondera.explaining.methods import METHODS
from pondera.explaining.question import Question
from pondera.explaining.reliability.sanity import sanity
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.report.explanation import correlations_words


def test_weights_are_held_against_every_method():
    network = Network.create(6, [Dense(1)], dtype="float64")
    network = network.with_weights({"layers.0.weight": np.arange(6.0, 0, -1)[:, None]})
    x = np.random.default_rng(0).normal(size=(400, 6))
    several = [Subject.of_network(network) for _ in range(2)]
    found = explain(Question.of_arrays(several, x, network(x)[:, 0]))
    data = [name for name, each in found.results.items() if each.method.kind == "importance"]
    assert set(found.weights.others) == set(data) - {found.headline}
    told = found.to_json()["weights_as_importance"]
    assert told["rank_correlation"] == 1.0
    for each in told["methods"].values():
        assert each["interval"][0] <= each["rank_correlation"] <= each["interval"][1] <= 1
        assert each["rank_correlation"] > 0.9
    words = correlations_words(found)
    assert words.startswith("rank correlation 1.00 (")
    assert all(found.results[name].method.title in words for name in found.weights.others)


def test_what_has_weights_without_being_a_network_is_tested_too():
    x = np.random.default_rng(0).normal(size=(200, 3)) * np.array([1.0, 2.0, 3.0])

    def of(weights):
        return Subject(lambda x: x @ weights[:, None], changed=lambda change: of(change(weights)))

    def variance(question, subject, random):
        return Measured(question.x.var(axis=0), np.zeros(3))

    blind = Method("variance", "variance", "importance", variance, "Blind.", "planted")
    question = Question.of_arrays(of(np.array([9.0, 2.0, 0.1])), x, 9 * x[:, 0] + 2 * x[:, 1])
    assert sanity(METHODS["permutation"], question, question.subjects[0]).sees_network
    assert not sanity(blind, question, question.subjects[0]).sees_network
    assert sanity(blind, question, Subject(lambda x: x)) is None
