import itertools
import math

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError
from pondera.explaining.method import sizes_of
from pondera.explaining.question import Question
from pondera.explaining.shapley import exact_shapley, shapley
from pondera.explaining.subject import Subject


def curved(x):
    return (x[:, :1] * x[:, 1:2] + np.sin(x[:, 2:3])) * (1 + x[:, 3:4] ** 2)


def by_definition(f, row, background):
    """Shapley's formula (1953), over all orders of four players."""
    columns = len(row)
    found = np.zeros(columns)
    for order in itertools.permutations(range(columns)):
        mixed = background.copy()
        before = f(mixed).mean()
        for k in order:
            mixed[:, k] = row[k]
            after = f(mixed).mean()
            found[k] += (after - before) / math.factorial(columns)
            before = after
    return found


def test_exact_values_are_those_of_the_definition():
    random = np.random.default_rng(0)
    rows, background = random.normal(size=(3, 4)), random.normal(size=(7, 4))
    question = Question.of_arrays(Subject(curved), rows, background=background)
    found = exact_shapley(question, question.subjects[0], random)
    for row, contributions in zip(rows, found.contributions, strict=True):
        np.testing.assert_allclose(contributions, by_definition(curved, row, background), rtol=1e-10)
    np.testing.assert_allclose(found.baselines, curved(background).mean())


def test_sampled_values_lie_within_their_errors():
    random = np.random.default_rng(0)
    question = Question.of_arrays(Subject(curved), random.normal(size=(200, 4)), background=random.normal(size=(32, 4)))
    exact = exact_shapley(question, question.subjects[0], random)
    found = shapley(question, question.subjects[0], random, pairs=128)
    off = (found.contributions - exact.contributions).mean(axis=0)
    assert np.abs(off).max() < 0.1
    assert np.abs(found.values - exact.values).max() < 0.1


def test_more_orders_make_smaller_errors():
    random = np.random.default_rng(0)
    question = Question.of_arrays(Subject(curved), random.normal(size=(20, 4)))
    exact = exact_shapley(question, question.subjects[0], random).contributions
    few, many = (
        np.abs(shapley(question, question.subjects[0], np.random.default_rng(1), pairs=n).contributions - exact).mean()
        for n in (8, 512)
    )
    assert many < few / 3


def test_too_many_columns_for_all_coalitions():
    question = Question.of_arrays(Subject(lambda x: x[:, :1]), np.zeros((2, 13)))
    with pytest.raises(ArgumentError, match=r"at most 12 columns\. Got 13"):
        exact_shapley(question, question.subjects[0], np.random.default_rng(0))


@pytest.mark.parametrize("method", [shapley, exact_shapley])
def test_of_wide_tables_few_rows_are_asked_about_at_once(method, monkeypatch):
    """The states of one order are rows · columns² numbers."""
    x = np.random.default_rng(0).normal(size=(20, 4 if method is exact_shapley else 60))
    asked = []

    def outputs(x):
        asked.append(x.size)
        return x[:, :1] * x[:, 1:2]

    question = Question.of_arrays(Subject(outputs), x)
    whole = method(question, question.subjects[0], np.random.default_rng(0))
    monkeypatch.setattr("pondera.explaining.shapley.VALUES", 10_000)
    asked.clear()
    parts = method(question, question.subjects[0], np.random.default_rng(0))
    assert max(asked) <= 10_000
    np.testing.assert_allclose(parts.contributions, whole.contributions)


@pytest.mark.parametrize("pairs", [16, 32])
def test_noise_adds_nothing_to_sizes(pairs):
    """The mean size of noisy contributions is well above the truth; what is told is not."""
    random = np.random.default_rng(0)
    rows, background = random.normal(size=(150, 4)), random.normal(size=(128, 4))
    question = Question.of_arrays(Subject(curved), rows, background=background)
    exact = exact_shapley(question, question.subjects[0], random).values
    every = [shapley(question, question.subjects[0], np.random.default_rng(seed), pairs=pairs) for seed in range(25)]
    naive = np.mean([np.abs(found.contributions).mean(axis=0) for found in every], axis=0)
    told = np.mean([found.values for found in every], axis=0)
    assert (naive / exact).max() > 1.1
    assert (np.abs(told - exact) < np.abs(naive - exact)).all()
    np.testing.assert_allclose(told, exact, rtol=0.15)


@pytest.mark.parametrize("size", [0.0, 0.4, 0.75, 1.5, 4.0])
def test_sizes_are_too_small_by_a_third_of_an_error_at_most(size):
    estimates = np.random.default_rng(0).normal(size, 4, size=(16, 20_000, 1))  # the error of their mean is 1
    short = size - sizes_of(estimates).mean()
    assert -0.03 < short < 0.34 + 0.04
    assert size != 0.75 or short > 0.3


def test_a_value_that_few_rows_have_has_an_influence_on_the_score():
    """Of the score of a row a contribution is no estimate: few rows that have one are enough."""
    random = np.random.default_rng(0)
    x = random.normal(size=(2000, 3))
    x[:, 1] = random.random(2000) < 0.02
    found = pondera.explain(lambda x: 3 * x[:, :1] + 4 * x[:, 1:2], x)
    assert found.headline == "shapley"
    assert [found.verdict_of(k) for k in range(3)] == ["rank 1", "rank 2", "no measurable influence"]


@pytest.mark.parametrize("rows", [1, 255, 4097, 3 * 4096, 8 * 4096 + 5, 17 * 4096])
def test_of_any_number_of_rows_each_gives_what_it_gives_by_itself(rows):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    found = Subject.of_network(pondera.Network.create(3, [pondera.Dense(4, "tanh"), pondera.Dense(2)])).outputs
    some = np.unique(np.linspace(0, rows - 1, 7).astype(int))
    assert found(x).shape == (rows, 2)
    np.testing.assert_allclose(found(x)[some], np.concatenate([found(x[k : k + 1]) for k in some]), atol=1e-6)
