"""Every method of the list runs through the properties of its kind."""

import dataclasses

import numpy as np
import pytest

from pondera.explaining.method import OBSTACLES
from pondera.explaining.methods import METHODS
from pondera.explaining.question import Input, Question
from pondera.explaining.reliability.weights import rescaled
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.scale import Scale

USABLE = [name for name in METHODS if name not in ("linear", "leave_out")]
ON_DATA = [name for name in USABLE if METHODS[name].kind == "importance"]
STRENGTHS = [name for name in METHODS if METHODS[name].kind == "strength"]


def measure(name, question, seed=0):
    return METHODS[name].measure(question, question.subjects[0], np.random.default_rng(seed))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_is(name):
    method = METHODS[name]
    assert method.name == name
    assert method.title
    assert method.source
    assert method.caveat.endswith(".")
    assert method.kind in ("strength", "importance")
    assert method.needs <= set(OBSTACLES)


@pytest.mark.parametrize("name", USABLE)
def test_values_are_one_a_column_and_repeat(name, ask, bent, rows):
    question = ask(bent, rows)
    found, again = measure(name, question), measure(name, question)
    assert found.values.shape == found.errors.shape == (4,)
    assert np.isfinite(found.values).all()
    assert (found.errors >= 0).all()
    np.testing.assert_array_equal(found.values, again.values)


@pytest.mark.parametrize("name", ON_DATA)
def test_an_input_that_is_not_looked_at_has_no_importance(name, ask, bent, rows):
    scale = np.array(bent.weights["layers.0.scale"])
    scale[2] = 0
    found = measure(name, ask(bent.with_weights({"layers.0.scale": scale}), rows))
    assert abs(found.values[2]) < 1e-12
    assert (found.values[[0, 1, 3]] > 1e-6).all()


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].sums])
def test_contributions_and_baseline_are_the_score(name, ask, bent, rows):
    network = Network.create(4, [Dense(3), Dense(1)], seed=1) if name == "linear" else bent
    question = ask(network, rows.astype(network.dtype))
    found = measure(name, question)
    scores = question.scores(question.subjects[0])
    np.testing.assert_allclose(found.contributions.sum(axis=1) + found.baselines, scores, atol=1e-5)


def test_integrated_gradients_are_complete_to_a_hundredth(ask, bent, rows):
    question = ask(bent, rows)
    found = measure("integrated_gradients", question)
    differences = question.scores(question.subjects[0]) - found.baselines
    assert found.figures["completeness_error"] < 0.01
    assert np.abs(found.contributions.sum(axis=1) - differences).mean() < 0.01 * np.abs(differences).mean()


@pytest.mark.parametrize("name", [*ON_DATA, "linear"])
def test_columns_of_several_inputs_are_one(name, ask, rows):
    network = Network.create(4, [Dense(1)], seed=1, dtype="float64")
    apart = ask(network, rows)
    question = dataclasses.replace(apart, inputs=(Input("a", 0, 1), Input("b", 1, 3), Input("c", 3, 4)))
    found = measure(name, question)
    assert found.values.shape == (3,)
    if found.contributions is not None and name != "expected_gradients":
        single = measure(name, apart).contributions
        if name != "shapley":  # whose orders are of columns
            np.testing.assert_allclose(found.contributions[:, 1], single[:, 1] + single[:, 2], rtol=1e-9)


@pytest.mark.parametrize("name", ON_DATA)
def test_rescaling_a_relu_network_changes_no_importance(name, ask, bent, rows):
    other = rescaled(bent, seed=5)
    np.testing.assert_allclose(other(rows), bent(rows), rtol=1e-9)
    before, after = measure(name, ask(bent, rows)), measure(name, ask(other, rows))
    np.testing.assert_allclose(after.values, before.values, rtol=1e-5, atol=1e-9)


def test_rescaling_a_relu_network_changes_its_strength(ask, bent, rows):
    other = rescaled(bent, seed=5)
    before, after = (measure("first_layer", ask(network, rows)).values for network in (bent, other))
    assert np.abs(after / before - 1).min() > 0.01


@pytest.mark.parametrize("name", ON_DATA)
def test_rescaling_an_input_with_its_weight_changes_no_importance(name, ask, bent, rows):
    factors = np.array([1.0, 100.0, 0.01, 1.0])
    scale = np.array(bent.weights["layers.0.scale"])
    other = bent.with_weights({"layers.0.scale": scale / factors})
    before, after = measure(name, ask(bent, rows)), measure(name, ask(other, rows * factors))
    np.testing.assert_allclose(after.values, before.values, rtol=1e-5, atol=1e-9)
    strength, changed = (
        measure("scaling_layer", ask(bent, rows)).values,
        measure("scaling_layer", ask(other, rows * factors)).values,
    )
    np.testing.assert_allclose(changed, strength / factors)


@pytest.mark.parametrize("name", ON_DATA)
def test_a_linear_network_of_independent_inputs_is_ordered_by_what_it_does(name, ask):
    x = np.random.default_rng(2).normal(size=(400, 4)) * np.array([1.0, 10.0, 0.1, 1.0])
    network = Network.create(4, [Dense(1)], dtype="float64")
    network = network.with_weights({"layers.0.weight": [[1.0], [0.3], [5.0], [0.0]], "layers.0.bias": [0.0]})
    found = measure(name, ask(network, x))
    assert np.argsort(-found.values).tolist() == [1, 0, 2, 3]  # 3, 1, 0.5, 0


def test_strengths_by_hand(ask):
    network = Network.create(2, [Scale(), Dense(2, "relu"), Dense(1)], dtype="float64")
    network = network.with_weights(
        {
            "layers.0.scale": [2.0, 1.0],
            "layers.1.weight": [[3.0, 4.0], [1.0, -1.0]],
            "layers.2.weight": [[1.0], [-1.0]],
        }
    )
    question = ask(network, np.eye(2))
    # The scale doubles what the first input meets: its connections are 6 and 8, those of the second 1 and -1.
    np.testing.assert_allclose(measure("first_layer", question).values, [10.0, np.sqrt(2)])
    np.testing.assert_allclose(measure("scaling_layer", question).values, [2.0, 1.0])
    # Paths: 6 · 1 + 8 · (-1) = -2, and 1 · 1 + (-1) · (-1) = 2.
    np.testing.assert_allclose(measure("connection_products", question).values, [2.0, 2.0])
    # The first unit gets 6/7 and 1/7, the second 8/9 and 1/9; both leave with half. The scaling layer shares nothing.
    np.testing.assert_allclose(measure("garson", question).values, [(6 / 7 + 8 / 9) / 2, (1 / 7 + 1 / 9) / 2])


def test_strengths_of_columns_of_several_inputs(ask):
    """A number whose values are missing in 2 % of the rows, a category, and a number that never varies."""
    random = np.random.default_rng(0)
    x = np.zeros((500, 6))
    x[:, 0], x[:10, 1], x[np.arange(500), random.integers(2, 5, 500)] = random.normal(size=500), 1, 1
    network = Network.create(6, [Dense(2), Dense(1)], seed=1, dtype="float64")
    first = np.array([3.0, 0.1, 1, 1, 1, 2])[:, None] * np.array([0.6, 0.8])
    network = network.with_weights({"layers.0.weight": first, "layers.1.weight": [[0.6], [0.8]]})
    columns = (Input("number", 0, 2), Input("category", 2, 5), Input("constant", 5, 6))
    question = dataclasses.replace(ask(network, x), inputs=columns)
    for name in ("first_layer", "connection_products"):
        np.testing.assert_allclose(measure(name, question).values, [3, 1, 2], rtol=0.02)
    np.testing.assert_allclose(measure("garson", question).values, np.array([3.1, 3, 2]) / 8.1)


def test_gradient_times_input_and_linear_by_hand(ask):
    network = Network.create(2, [Dense(1)], dtype="float64")
    network = network.with_weights({"layers.0.weight": [[0.7], [0.3]], "layers.0.bias": [1.0]})
    question = ask(network, np.array([[5.0, 2.0]]), background=np.array([[1.0, 0.0], [3.0, 2.0]]))
    np.testing.assert_allclose(measure("gradient_input", question).contributions, [[3.5, 0.6]])
    found = measure("linear", question)
    np.testing.assert_allclose(found.contributions, [[2.1, 0.3]])  # from the mean row, 2 and 1
    np.testing.assert_allclose(found.baselines, [2.7])


def test_what_has_no_slopes_and_no_answers_is_asked_by_shapley_values_only(rows):
    question = Question.of_arrays(Subject(lambda x: x[:, :1]), rows)
    usable = [name for name, method in METHODS.items() if method.obstacle(question, question.subjects[0]) is None]
    assert usable == ["shapley", "exact_shapley"]
    assert METHODS["permutation"].obstacle(question, question.subjects[0]) == OBSTACLES["answers"]


def test_a_network_with_normalization_has_no_products_of_connections(ask, rows):
    from pondera.network.normalization import LayerNorm

    question = ask(Network.create(4, [Dense(3), LayerNorm(), Dense(1)]), rows.astype(np.float32))
    assert METHODS["connection_products"].obstacle(question, question.subjects[0]) == OBSTACLES["connections"]
    assert METHODS["linear"].obstacle(question, question.subjects[0]) == OBSTACLES["linear"]
