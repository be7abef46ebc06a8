import itertools
import math

import numpy as np
import pytest

from pondera.explaining.coalitions import Coalitions
from pondera.explaining.question import Question
from pondera.explaining.shapley import FITTED, exact_shapley, shapley
from pondera.explaining.subject import Subject


def drawn(columns, wanted, groups=3, seed=0):
    return Coalitions.draw(columns, wanted, groups, np.random.default_rng(seed))


@pytest.mark.parametrize("columns", [2, 3, 4, 5, 8])
def test_with_room_for_all_each_coalition_or_its_others_are_there_once(columns):
    found = drawn(columns, 10_000)
    assert found.whole == found.known.shape[1] == 2 ** (columns - 1) - 1
    both = np.concatenate([found.known[0], ~found.known[0]])
    assert len(np.unique(both, axis=0)) == 2**columns - 2
    sizes = found.known[0].sum(axis=1)
    expected = 1 / (sizes * (columns - sizes) * np.array([math.comb(columns, int(size)) for size in sizes]))
    np.testing.assert_allclose(found.weights, expected / expected.sum())


@pytest.mark.parametrize(("columns", "wanted"), [(6, 7), (13, 100), (20, 152), (64, 600), (200, 1600)])
def test_others_are_drawn_as_often_as_they_count(columns, wanted):
    found = drawn(columns, wanted, groups=40)
    assert found.known.shape == (40, wanted, columns)
    assert found.weights.sum() == pytest.approx(1)
    assert columns <= found.whole < wanted
    assert (found.known[:, : found.whole] == found.known[:1, : found.whole]).all()
    some = found.known[:, found.whole :]
    sizes = np.arange(int(found.known[0, : found.whole].sum(axis=1).max()) + 1, columns // 2 + 1)
    shares = 1 / (sizes * (columns - sizes)) / np.where(2 * sizes == columns, 2, 1)
    mean = (sizes * shares).sum() / shares.sum()
    told = some.sum(axis=-1)
    assert told.min() >= sizes[0]
    assert told.max() <= sizes[-1]
    assert abs(told.mean() - mean) <= 5 * told.std() / math.sqrt(told.size) + 1e-9
    often = some.mean(axis=(0, 1))  # no column more often than others
    np.testing.assert_allclose(often, mean / columns, atol=5 * math.sqrt(often.mean() / told.size))


def tangled(x):
    """A product of four, a kink and a sine: interactions of every order."""
    return np.abs(x[:, :4].sum(axis=1, keepdims=True)) + x[:, 2:6].prod(axis=1, keepdims=True) + np.sin(2 * x[:, :1])


@pytest.mark.parametrize("columns", [1, 6, 7])
def test_fitted_to_every_coalition_they_are_shapley_values(columns):
    random = np.random.default_rng(1)
    x = random.normal(size=(9, columns))
    question = Question.of_arrays(Subject(tangled), x[:5], background=x[5:])
    exact = exact_shapley(question, question.subjects[0], random)
    found = shapley(question, question.subjects[0], random, pairs=4 * 200)
    np.testing.assert_allclose(found.contributions, exact.contributions, atol=1e-10)
    np.testing.assert_allclose(found.baselines, exact.baselines)
    if columns > 1:
        np.testing.assert_allclose(found.row_errors, 0)


def test_fitted_values_are_as_near_as_their_errors_say_and_nearer_than_those_of_orders(monkeypatch):
    random = np.random.default_rng(2)
    x = random.normal(size=(10, 12))
    question = Question.of_arrays(Subject(tangled), x[:6], background=x[6:])
    subject, pairs = question.subjects[0], FITTED * 4
    exact = exact_shapley(question, subject, random).contributions

    def runs():
        return [shapley(question, subject, np.random.default_rng(seed), pairs=pairs) for seed in range(40)]

    fitted = runs()
    monkeypatch.setattr("pondera.explaining.shapley.FITTED", math.inf)
    ordered = runs()
    off, other = (np.stack([each.contributions for each in several]) - exact for several in (fitted, ordered))
    assert np.square(off).mean() < 0.7 * np.square(other).mean()
    errors = np.stack([each.row_errors for each in fitted])
    assert 0.9 < (np.abs(off) < 1.96 * errors).mean() < 0.99
    for each in (*fitted, *ordered):
        np.testing.assert_allclose(each.contributions.sum(axis=1) + each.baselines, question.scores(subject), atol=1e-9)


def test_columns_of_several_inputs_are_known_as_one():
    random = np.random.default_rng(3)
    x = random.normal(size=(12, 8))
    question = Question.of_arrays(Subject(tangled), x[:6], background=x[6:])
    united = question.united([(0, 1), (2, 6), (3,), (4,), (5, 7)])
    exact = exact_shapley(united, united.subjects[0], random).contributions
    found = shapley(united, united.subjects[0], random, pairs=6 * 50)
    np.testing.assert_allclose(found.contributions, exact, atol=1e-10)


def test_the_fit_is_that_of_least_squares_with_the_sum_given():
    """Held against numpy's own, where the last value is what the sum leaves."""
    random = np.random.default_rng(4)
    coalitions = drawn(7, 40, groups=1)
    halves, totals = random.normal(size=(1, 40, 2)), random.normal(size=(1, 2))
    values, errors = coalitions.fit(halves, totals)
    signs, root = coalitions.known[0] - 0.5, np.sqrt(coalitions.weights)[:, None]
    free, last = signs[:, :-1] - signs[:, -1:], signs[:, -1:]
    for row, total in enumerate(totals[0]):
        found = np.linalg.lstsq(root * free, root[:, 0] * (halves[0, :, row] - last[:, 0] * total), rcond=None)[0]
        np.testing.assert_allclose(values[0, row], [*found, total - found.sum()], atol=1e-10)
    assert (errors >= 0).all()


def test_coalitions_of_a_size_are_drawn_equally_often():
    known = drawn(6, 8, groups=2000).known[:, 6:]
    pairs = [tuple(sorted(np.nonzero(each)[0])) for each in known.reshape(-1, 6) if each.sum() == 2]
    counts = [pairs.count(each) for each in itertools.combinations(range(6), 2)]
    assert min(counts) > 0.7 * max(counts)
