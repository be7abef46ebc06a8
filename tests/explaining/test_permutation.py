"""Permutation: what a network is asked about, and how far its figures can be believed."""

import numpy as np
import pytest

from pondera.explaining.explain import explain
from pondera.explaining.method import fewer
from pondera.explaining.methods import METHODS
from pondera.explaining.permutation import ASKED
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_intervals_of_permutation_hold_what_they_promise(draw):
    """Of Σ x (variance 1 each) the importance of an input is twice its variance: 2."""
    network = Network.create(2, [Dense(1)], dtype="float64").with_weights({"layers.0.weight": [[1.0], [1.0]]})
    inside = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        x = random.normal(size=(400, 2)) if draw == "normal" else random.exponential(size=(400, 2))
        question = Question.of_arrays(Subject.of_network(network), x, network(x)[:, 0])
        found = METHODS["permutation"].measure(question, question.subjects[0], random)
        inside += int((np.abs(found.values - 2.0) <= 1.96 * found.errors).sum())
    assert inside >= 180  # of 200; with the errors of one role only, 150


@pytest.mark.parametrize("rows", [300, 30_000])
def test_standard_errors_of_permutation_are_those_of_other_rows(rows):
    """Also where answers have noise of heavy tails, and a column is nearly always 0."""
    network = Network.create(2, [Dense(1)], dtype="float64").with_weights({"layers.0.weight": [[2.0], [1.0]]})
    found = []
    for seed in range(24):
        random = np.random.default_rng(seed)
        x = np.column_stack([(random.random(rows) < 0.05), random.normal(size=rows)]).astype(float)
        noise = random.standard_t(3, size=rows)
        question = Question.of_arrays(Subject.of_network(network), x, network(x)[:, 0] + noise)
        found.append(METHODS["permutation"].measure(question, question.subjects[0], random))
    spread = np.std([each.values for each in found], axis=0, ddof=1)
    told = np.sqrt(np.mean([np.square(each.errors) for each in found], axis=0))
    assert (told > 0.75 * spread).all()  # a spread of 24 is known within 30 %
    assert (told < 2.2 * spread).all()  # of rows that are asked about once, too much is told
    assert np.mean([each.values for each in found], axis=0) == pytest.approx([4 * 2 * 0.05 * 0.95, 2], rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_a_value_that_few_rows_have_is_found_to_matter(seed):
    """Of some ten rows with very different values the mean is less than three standard errors above 0."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(2000, 3))
    x[:, 2] = random.exponential(5, size=2000) * (random.random(2000) < 0.006)
    y = x[:, 0] + 2 * x[:, 2] + 0.1 * random.normal(size=2000)
    found = explain(Question.of_arrays(Subject(lambda x: x[:, :1] + 2 * x[:, 2:3]), x, y), "permutation")
    assert found.measurable.tolist() == [True, False, True]


@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_a_value_that_few_rows_have_and_that_says_nothing_is_not_found_to_matter(weight):
    """Though the network uses it: errors shrink as often as they grow."""
    wrong = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        x = random.normal(size=(1000, 2))
        x[:, 1] = random.exponential(3, size=1000) * (random.random(1000) < 0.03)
        y = x[:, 0] + random.normal(size=1000)
        network = Subject(lambda x: x[:, :1] + weight * x[:, 1:2])
        wrong += bool(explain(Question.of_arrays(network, x, y), "permutation").measurable[1])
    assert wrong <= 5  # of 60 at 1 in 40


def test_permutation_asks_about_so_many_rows_a_column_and_no_row_that_keeps_its_value():
    """Of a column that is nearly always 0 about those rows whose value changes, several times over."""
    random = np.random.default_rng(0)
    x = np.column_stack([random.random(30_000) < 0.02, random.normal(size=30_000), np.ones(30_000)]).astype(float)
    asked = []

    def outputs(rows):
        asked.append(len(rows))
        return rows[:, :1] + rows[:, 1:2]

    question = Question.of_arrays(Subject(outputs), x, x[:, 0] + x[:, 1])
    asked.clear()
    found = METHODS["permutation"].measure(question, question.subjects[0], random)
    before, *rest = asked
    assert before == 30_000
    assert len(rest) == 5 + 1
    assert all(800 < count < 1500 for count in rest[:5])  # 2 · 0.02 · 0.98 of the rows
    assert 0.95 * ASKED < rest[5] < 1.05 * ASKED
    assert found.figures["least_rows"] == pytest.approx(ASKED, rel=0.02)
    assert found.values == pytest.approx([2 * 0.02 * 0.98, 2.0, 0.0], rel=0.06)


def test_of_wide_tables_permutation_asks_about_fewer_rows():
    x = np.random.default_rng(0).normal(size=(5000, 200))
    asked = []

    def outputs(rows):
        asked.append(len(rows))
        return rows[:, :1]

    question = Question.of_arrays(Subject(outputs), x, x[:, 0])
    asked.clear()
    METHODS["permutation"].measure(question, question.subjects[0], np.random.default_rng(0))
    assert max(asked[1:]) == pytest.approx(fewer(ASKED, 200), rel=0.02)
