"""Whether other methods say what the ranking says."""

import numpy as np
import pytest

from pondera.explaining.explain import explain
from pondera.explaining.question import Question
from pondera.explaining.reliability.agreement import Voice, agreement
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network


def said(**values):
    """Give what methods say, each of a family of its own, which has the letter that its name begins with."""
    return {name: Voice(name[0], np.array(each, float), np.zeros(len(each))) for name, each in values.items()}


def test_the_outlier_among_methods_is_named():
    up = np.arange(5.0)
    found = agreement(said(a=up, b=up, c=up, d=up[::-1]), "a")
    assert found.outlier == "d"
    one, other = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 4, 3, 5])[::-1]
    assert agreement(said(a=one, b=one, c=one, d=other, e=other), "a").outlier is None  # two camps
    assert agreement(said(a=up, b=up), "a").outlier is None
    assert agreement(said(a=up), "a").median is None


def test_a_method_that_orders_what_the_others_call_equal_is_no_outlier():
    equal, ordered = np.array([9.0, 4.0, 3.95, 4.1, 4.05]), np.array([9.0, 4.0, 2.0, 3.0, 1.0])
    found = agreement(said(a=equal, b=equal + 0.01, c=equal, d=ordered), "a")
    assert found.outlier is None
    assert found.matrix[0, 3] < 0.7  # by ranks alone it looks like one


def test_methods_that_say_nearly_the_same_have_one_vote():
    up, down = 2.0 ** np.arange(5), 0.5 ** np.arange(5)
    few = agreement(said(head=up, a1=down, b1=up, c1=down), "head")
    many = agreement(said(head=up, a1=down, b1=up, b2=up, b3=up, b4=up, c1=down), "head")
    assert few.families == many.families == {"a": -1.0, "b": 1.0, "c": -1.0}
    assert few.median == many.median == -1.0
    assert agreement(said(head=up, h2=down), "head").median is None


def test_two_columns_that_swap_within_errors_contradict_nothing():
    one, other = np.array([1.0, 0.7]), np.array([0.7, 1.0])
    sure = {"a": Voice("a", one, np.full(2, 0.01)), "b": Voice("b", other, np.full(2, 0.01))}
    unsure = {**sure, "b": Voice("b", other, np.full(2, 0.3))}
    assert agreement(sure, "a").median == -1.0
    assert agreement(unsure, "a").median == 0.5
    assert agreement(unsure, "b").median == 0.5


def test_what_only_another_method_orders_contradicts_no_equal_columns():
    one, other = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0, 1.5])
    assert agreement(said(a=one, b=other), "a").median == 0.75
    assert agreement(said(a=one, b=one), "a").median == 1.0


def spikes(rows):
    """Four independent columns, each of which acts in fewer rows than the one before, and by more."""
    random = np.random.default_rng(0)
    signs = random.choice([-1.0, 1.0], size=(rows, 4))
    return signs * (random.random((rows, 4)) < [1, 0.25, 0.08, 0.03]) * [1.0, 2.6, 6.0, 13.0]


def signed():
    """Give the same sum of inputs with pairs of units that are active on one side each."""
    first = np.kron(np.eye(4), [[1.0, -1.0]])
    weights = {"layers.0.weight": first, "layers.1.weight": np.tile([1.0, -1.0], 4)[:, None]}
    return Network.create(4, [Dense(8, "relu"), Dense(1)], dtype="float64").with_weights(weights)


@pytest.mark.parametrize("written", ["straight", "bent"])
def test_methods_are_compared_on_one_scale_and_what_that_hides_is_said(written, linear_network):
    """By squares the last matters most, by sizes the first, and both are right, however the sum is written."""
    network = linear_network(np.ones(4)) if written == "straight" else signed()
    x = spikes(2000)
    answers = x.sum(axis=1) + 0.5 * np.random.default_rng(1).normal(size=len(x))
    found = explain(Question.of_arrays([Subject.of_network(network)] * 3, x, answers))
    assert found.order == [3, 2, 1, 0]
    assert found.results["integrated_gradients"].shares.argmax() == 0
    assert found.agreement.median > 0.8
    assert found.agreement.as_sizes < 0
    assert found.reliability.verdict == "partly"
    assert "by their mean size it is another" in found.reliability.statement
