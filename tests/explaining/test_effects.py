import dataclasses

import numpy as np
import polars as pl
import pytest

from pondera.explaining.effects import effect_of, interactions
from pondera.explaining.question import Input, Question
from pondera.explaining.scoring import class_score
from pondera.explaining.subject import Subject

RANDOM = np.random.default_rng(0)


def test_curves_of_a_sum_are_its_terms():
    x = RANDOM.normal(size=(300, 2))
    question = Question.of_arrays(Subject(lambda x: x[:, :1] ** 2 + 3 * x[:, 1:]), x)
    found = effect_of(question, 0, points=11)
    values = np.array(found.values)
    np.testing.assert_allclose(found.mean - found.mean[5], values**2 - values[5] ** 2, atol=1e-12)
    np.testing.assert_allclose(found.accumulated - found.accumulated[5], values**2 - values[5] ** 2, atol=1e-12)
    slopes = effect_of(question, 1, points=5)
    np.testing.assert_allclose(np.diff(slopes.accumulated), 3 * np.diff(slopes.values), atol=1e-12)
    assert found.curves.shape == (300, 11)


def test_accumulated_effects_are_right_where_inputs_vary_together():
    # The score is x0 wherever rows lie, and absurd elsewhere: only the mean over all rows looks there.
    a = RANDOM.uniform(-1, 1, size=500)
    x = np.stack([a, a + 0.01 * RANDOM.normal(size=500)], axis=1)
    away = Subject(lambda x: x[:, :1] + 100 * np.maximum(np.abs(x[:, :1] - x[:, 1:]) - 0.3, 0))
    found = effect_of(Question.of_arrays(away, x), 0, points=21)
    np.testing.assert_allclose(np.diff(found.accumulated), np.diff(found.values), atol=1e-9)
    assert np.ptp(found.mean) > 10


def test_accumulated_effects_have_mean_zero():
    x = RANDOM.exponential(size=(400, 1))
    found = effect_of(Question.of_arrays(Subject(lambda x: np.exp(-x)), x), 0)
    bins = np.clip(np.searchsorted(np.array(found.values), x[:, 0]) - 1, 0, len(found.values) - 2)
    between = (found.accumulated[bins] + found.accumulated[bins + 1]) / 2
    at = (x[:, 0] == np.array(found.values)[:, None]).T  # a row at one of the values counts for that one alone
    assert abs(np.where(at.any(axis=1), at @ found.accumulated, between).mean()) < 1e-9


def test_columns_in_their_own_units():
    table = pl.DataFrame({"age": [30, 40, None, 50], "city": ["a", "b", "b", None]})
    x = np.array([[0.0, 0, 1, 0], [1, 0, 0, 1], [0.5, 1, 0, 1], [2, 0, 0, 0]])
    question = Question.of_arrays(Subject(lambda x: x @ np.array([[1.0], [0], [5], [7]])), x)
    question = dataclasses.replace(question, inputs=(Input("age", 0, 2), Input("city", 2, 4)), table=table)
    age, city = effect_of(question, 0), effect_of(question, 1)
    assert age.values == (30, 40, 50)
    assert age.ordered
    assert city.values == ("b", "a")  # the most frequent first
    assert not city.ordered
    assert city.accumulated is None
    np.testing.assert_allclose(city.mean[0] - city.mean[1], 2)
    np.testing.assert_allclose(city.shares, [2 / 3, 1 / 3])
    np.testing.assert_allclose(city.centered, [2 / 3, -4 / 3])  # nothing, on the mean over the rows
    assert city.others == 0
    np.testing.assert_allclose([city.missing.share, city.gone], [1 / 4, 0 - 7 * 2 / 3 - 5 * 1 / 3])
    assert age.missing.share == 1 / 4
    assert age.continuous
    assert not city.continuous
    assert age.apart


def test_two_values_are_apart_and_lie_on_no_axis():
    x = np.array([[0.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
    question = Question.of_arrays(Subject(lambda x: 2 * x[:, :1] + x[:, 1:]), x)
    truth, number = effect_of(question, 0), effect_of(question, 1)
    assert (truth.continuous, truth.apart, number.continuous, number.apart) == (False, True, True, False)
    np.testing.assert_allclose(np.diff(truth.local), 2)
    assert truth.missing is None
    assert truth.gone is None


def test_categories_that_are_not_looked_at_are_counted():
    table = pl.DataFrame({"word": [f"w{k % 20}" for k in range(60)]})
    x = np.arange(60.0)[:, None] % 20
    question = dataclasses.replace(
        Question.of_arrays(Subject(lambda x: x), x), inputs=(Input("word", 0, 1),), table=table
    )
    assert (len(effect_of(question, 0).values), effect_of(question, 0).others) == (12, 8)


def test_curves_and_accumulated_effects_have_the_same_middle():
    x = RANDOM.exponential(size=(400, 2))
    found = effect_of(Question.of_arrays(Subject(lambda x: x[:, :1] ** 2 + x[:, 1:]), x), 0)
    np.testing.assert_allclose(found.centered, found.accumulated, atol=1e-9)
    np.testing.assert_allclose(found.shares.sum(), 1)


def test_a_column_of_one_value_has_no_slope():
    found = effect_of(Question.of_arrays(Subject(lambda x: x), np.ones((5, 1))), 0)
    assert found.values == (1.0,)
    assert found.accumulated is None


def test_a_column_without_any_value_has_no_curve():
    table = pl.DataFrame({"x0": pl.Series([None] * 5, dtype=pl.Float64)})
    question = dataclasses.replace(Question.of_arrays(Subject(lambda x: x), np.ones((5, 1))), table=table)
    assert effect_of(question, 0).values == ()
    assert effect_of(question, 0).accumulated is None


def test_products_interact_and_sums_do_not():
    x = RANDOM.normal(size=(200, 3))
    question = Question.of_arrays(Subject(lambda x: x[:, :1] * x[:, 1:2] + x[:, 2:]), x)
    found = interactions(question, [0, 1, 2])
    assert (found[0].first, found[0].second) == ("x0", "x1")
    assert found[0].share > 0.8
    assert max(each.share for each in found[1:]) < 1e-6


def test_columns_that_cancel_each_other_do_not_interact_more():
    """What both do is next to nothing, and what they do beside the sum of each is little of what each does."""
    first = np.random.default_rng(0).normal(size=200)
    x = np.stack([first, first + 0.01 * np.random.default_rng(1).normal(size=200)], axis=1)
    question = Question.of_arrays(Subject(lambda x: x[:, :1] - x[:, 1:2] + 0.1 * x[:, :1] * x[:, 1:2]), x)
    (found,) = interactions(question, [0, 1])
    assert 0 < found.share < 0.2


def test_classes_are_asked_for_one_at_a_time():
    """Scores are of the class that is predicted; where all logits are sums, no class knows an interaction."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    weights = np.array([[2.0, -1.0, 0.5], [-1.0, 2.0, 0.0], [0.3, 0.0, 1.0]])
    subject = Subject(lambda x: x @ weights)
    directions, _ = class_score([x @ weights], ["a", "b", "c"], "kind")
    question = dataclasses.replace(Question.of_arrays(subject, x), directions=directions)
    assert max(each.share for each in interactions(question, [0, 1, 2])) < 1e-6
    assert effect_of(question, 0).mixed
    fixed = dataclasses.replace(question, directions=np.tile(directions[:1], (200, 1)))
    assert not effect_of(fixed, 0).mixed


@pytest.mark.parametrize("networks", [1, 3])
def test_a_population_acts_as_its_mean(networks):
    subjects = [Subject(lambda x, k=k: k * x) for k in range(1, networks + 1)]
    question = Question.of_arrays(subjects, np.linspace(0, 1, 9)[:, None])
    found = effect_of(question, 0, points=3)
    np.testing.assert_allclose(found.mean, np.array([0, 0.5, 1]) * np.mean(range(1, networks + 1)))


def test_a_column_that_is_nearly_always_zero_is_looked_at_where_it_is_not():
    """Quantiles of the rows are 0 all but one; a line through 0 and the largest says nothing of what lies between."""
    random = np.random.default_rng(0)
    x = np.where(random.random(400) < 0.05, random.uniform(1, 9, size=400), 0.0)[:, None]
    x[:80] = np.where(random.random(80) < 0.5, random.uniform(1, 9, size=80), 0.0)[:, None]
    found = effect_of(Question.of_arrays(Subject(lambda x: np.minimum(x, 3.0)), x), 0)
    assert 6 <= len(found.values) <= 12
    assert (found.values[0], found.values[-1]) == (0.0, x.max())
    assert (np.diff(found.values) > 0).all()
    assert found.accumulated is not None
    assert found.accumulated - found.accumulated[0] == pytest.approx(np.minimum(found.values, 3.0))
    middle = np.asarray(found.values)[1:-1]
    between = np.searchsorted(np.sort(x[x > 0]), middle)
    assert (np.diff(between) >= 7).all()  # rows: differences of fewer would be noise that adds up


def test_quantiles_of_a_column_are_its_values_where_there_are_few():
    x = np.repeat([3.0, 1.0, 2.0], [5, 90, 5])[:, None]
    assert effect_of(Question.of_arrays(Subject(lambda x: x), x), 0).values == (1.0, 2.0, 3.0)


def test_a_value_that_nearly_all_rows_have_stands_for_them():
    x = np.zeros((20_000, 1))
    x[:200, 0] = np.linspace(1, 5, 200)
    found = effect_of(Question.of_arrays(Subject(lambda x: x), x), 0)
    assert found.values[0] == 0
    assert found.shares[0] == pytest.approx(0.99, abs=0.002)
    assert found.shares.sum() == pytest.approx(1)
    assert found.accumulated[0] == pytest.approx(
        -x.mean(), abs=0.01
    )  # nearly all rows are as far from the mean as that
    assert len(found.values) > 10  # though of few hundred rows only a few have another value
