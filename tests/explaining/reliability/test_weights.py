"""What is said of weights that may be read as importance, or not, and of what cannot be told."""

import numpy as np
import pytest

from pondera.explaining.explain import explain
from pondera.explaining.question import Question
from pondera.explaining.reliability.weights import weights_as_importance
from pondera.explaining.subject import Subject


def test_of_inputs_that_matter_equally_weights_cannot_be_told_wrong(linear_network):
    """They do for no seed what a coin would do: name one that is strongest, and another that matters most."""
    networks = [
        Subject.of_network(linear_network(1 + 0.01 * np.random.default_rng(seed).normal(size=4))) for seed in range(3)
    ]
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(800, 4))
        found = explain(Question.of_arrays(networks, x, x.sum(axis=1)), ["first_layer", "permutation"]).weights
        assert found.verdict == "cannot be told"
        assert "strongest" not in found.statement


def test_weights_that_are_equal_say_nothing_of_influences_that_are_not():
    strengths, importances = np.ones((1, 4)), np.array([[9.0, 4.0, 1.0, 0.1]])
    found = weights_as_importance(list("abcd"), strengths, importances, importances / 20)
    assert found.verdict == "no"
    assert "equally strong, and influences are not" in found.statement


def test_an_influence_that_few_rows_cannot_show_is_not_called_none(linear_network):
    weights = np.array([3.0, 2.0, 1.0, 0.5])
    for seed in range(4):
        random = np.random.default_rng(seed)
        x = random.normal(size=(14, 4))
        question = Question.of_arrays(
            [Subject.of_network(linear_network(weights))] * 3, x, x @ weights + 12 * random.normal(size=14)
        )
        found = explain(question, ["first_layer", "permutation"], seed=seed)
        assert not found.measurable[0]
        assert found.weights.verdict == "cannot be told"


def test_no_is_said_only_where_the_interval_bears_it():
    values, other = np.array([[6.0, 5, 4, 3, 2, 1]]) ** 2, np.array([[1.0, 6, 2, 3, 5, 4]]) ** 2
    names = [f"x{k}" for k in range(6)]
    sure = weights_as_importance(names, values, other, other / 100)
    assert (sure.verdict, sure.interval[1] < 0.8) == ("no", True)
    assert "'x0' has the strongest connections, and 'x1' the largest influence" in sure.statement
    unsure = weights_as_importance(names, values, other, np.full((1, 6), 300.0))
    assert (unsure.verdict, unsure.interval[1] > 0.8) == ("cannot be told", True)
    assert f"from {unsure.interval[0]:.2f} to {unsure.interval[1]:.2f}" in unsure.statement


def test_two_columns_that_matter_are_too_few_for_a_rank_correlation():
    values = np.array([[4.0, 2.0]])
    found = weights_as_importance(["age", "income"], values, values, values / 100)
    assert found.verdict == "cannot be told"
    assert np.isnan([found.rank_correlation, *found.interval]).all()
    assert "With so few columns that matter" in found.statement


@pytest.mark.parametrize("networks", [5, 25])
def test_errors_that_networks_share_do_not_average_out(networks):
    values = np.array([[1.0, 0.75, 0.55, 0.4, 0.3, 0.2]])
    names = [f"x{k}" for k in range(6)]
    one, several = (
        weights_as_importance(names, *(np.tile(each, (count, 1)) for each in (values, values, values * 0.3)))
        for count in (1, networks)
    )
    assert several.interval[0] == pytest.approx(one.interval[0], abs=0.15)


def test_where_columns_tell_each_other_the_order_of_weights_is_theirs_together(linear_network):
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 5)).astype(np.float32)
    true = np.array([2.0, 1.5, 3.0, 0.7, 0.2], np.float32)
    networks = [Subject.of_network(linear_network(true * scale)) for scale in (1.0, 1.01)]

    def told():
        return explain(Question.of_arrays(networks, x, x @ true)).weights

    assert told().verdict == "yes"
    x[:, 1] = x[:, 0]
    assert told().verdict == "partly"
    assert "read what a group has together" in told().statement
